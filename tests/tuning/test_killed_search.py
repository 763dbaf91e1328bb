"""A search whose process and worker are killed, in processes of their own, is continued by a second process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from recdash.runs.process_id import kill_tree
from recdash.runs.run_folder import RunFolder
from recdash.services import tuning, tuning_driver, tuning_studies
from recdash.services.store_access import open_store

SETTINGS = {"epochs": 150, "hidden": (), "latent": 8, "batch_size": 20, "patience": 150, "averaging": 0.0}
OFF = dict.fromkeys(("hidden", "latent", "beta_cap", "dropout"), "off")


def wait_for(found: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_search_is_continued_by_a_second_process_without_a_lost_trial(toy: str) -> None:
    specs = tuning.prepare("multvae", toy, trials=1, settings=SETTINGS, space=OFF, sampler="random", study="killed")
    tuning.create(specs)
    command = [sys.executable, "-m", "recdash.services.tuning_driver", "killed", "--workers", "1"]
    driver = subprocess.Popen(command, start_new_session=True)

    def has_state() -> bool:
        trials = tuning.study("killed").trials
        run = trials[0].run if trials else None
        return run is not None and run.epoch >= 2 and (RunFolder(run.id).last / "checkpoint.json").exists()

    wait_for(has_state)
    assert tuning_studies.driver_of("killed") is not None
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    first = tuning.study("killed").trials[0].run
    assert first is not None and first.pid is not None
    kill_tree(first.pid)
    found = tuning.study("killed")
    assert (found.is_driven, found.n_tried, found.trials[0].state) == (False, 0, "stopped")

    tuning_driver.Driver(["killed"], workers=1).run()
    found = tuning.study("killed")
    assert [(trial.number, trial.state) for trial in found.trials] == [(0, "complete")]
    assert found.trials[0].run.id == first.id and found.trials[0].run.attempts == 2
    assert [row.epoch for row in open_store().epochs([first.id])] == list(range(1, 151)), "it went on, not anew"
    assert found.winner is not None and found.winner.trials == 1
