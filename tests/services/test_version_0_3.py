"""A store of version 0.3 (schema 3) opens, whoever opens it first, and its run folders rebuild a lost store.

tests/golden/version-0.3 has a finished Mult-VAE of 4 epochs and a finished popularity on toy data, and an EASE whose
process is gone.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from recdash import paths
from recdash.analysis.run_labels import run_labels
from recdash.runs import process_env, queue, schema
from recdash.runs.run_records import Request
from recdash.runs.states import State
from recdash.runs.store import Store
from recdash.services import doctor, housekeeping, launch, results
from recdash.services import runs as service

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "version-0.3"
MULTVAE, LOST = "multvae-c30940d0", "ease-fa5d6802"
GROUPS = [("toy, strong, split seed 98765", [MULTVAE, "popularity-f7ffab19"])]


@pytest.fixture
def store_file(waiting: list[str]) -> Path:
    """The store of version 0.3 at the default location."""
    file = paths.data_dir() / "recdash.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript((GOLDEN / "runs.sql").read_text(encoding="utf-8"))
    return file


def test_a_store_of_schema_3_migrates_and_loses_nothing(store_file: Path) -> None:
    store = Store(paths.store_url())
    assert {run.id: run.state for run in store.runs()} == {
        MULTVAE: State.FINISHED,
        "popularity-f7ffab19": State.FINISHED,
        LOST: State.INTERRUPTED,
    }
    run = store.run(MULTVAE)
    assert (run.tags, run.archived, run.trashed, run.source, run.note) == ((), None, None, "", "a note")
    rows = store.epochs([MULTVAE])
    assert [(row.epoch, row.recorded) for row in rows] == [(epoch, None) for epoch in (1, 2, 3, 4)]
    assert run.best_value == max(row.values["ndcg@100"] for row in rows)
    with store.database.read() as connection:
        assert schema.version_of(connection) == schema.VERSION


def test_c14_groups_of_old_runs_are_what_they_were(store_file: Path) -> None:
    groups = results.groups()
    assert [(group.label, [row.run.id for row in group.rows]) for group in groups] == GROUPS
    labels = run_labels([row.run for group in groups for row in group.rows])
    assert labels == {MULTVAE: "Mult-VAE", "popularity-f7ffab19": "Popularity"}


def test_old_runs_take_part_in_everything_new(store_file: Path) -> None:
    assert housekeeping.tag([MULTVAE, LOST], add="old")[0].tags == ("old",)
    housekeeping.archive(LOST)
    assert {run.id for run in service.list_runs(tags="old")} == {MULTVAE}
    housekeeping.trash(MULTVAE)
    assert housekeeping.restore(MULTVAE)[0].metrics
    launch.resume(LOST)
    new = queue.enqueue(Store(paths.store_url()), [Request(model="popularity", dataset="toy", seed=3)])[0]
    assert [run.id for run in launch.move(new.id, before=LOST)] == [new.id, LOST]


def test_a_run_folder_of_version_0_3_rebuilds_a_lost_store(waiting: list[str]) -> None:
    shutil.copytree(GOLDEN / MULTVAE, paths.checkpoint_dir() / MULTVAE)
    doctor.rebuild_store()
    run = service.find(MULTVAE)
    assert (run.state, run.tags, run.archived, run.source) == (State.FINISHED, (), None, "")
    assert [row.recorded for row in Store(paths.store_url()).epochs([MULTVAE])] == [None] * 4


@pytest.mark.slow
def test_c2_of_several_processes_that_open_an_old_store_at_once_all_find_everything(store_file: Path) -> None:
    """Complaint C2: two processes migrate the schema at once."""
    program = (
        "import sys; from recdash import paths; from recdash.runs.store import Store; sys.stdin.readline();"
        "print(len(Store(paths.store_url()).runs()))"
    )
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program], stdin=pipe, stdout=pipe, text=True, env=process_env.for_process()
        )
        for _ in range(4)
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[0].strip() for process in processes] == ["3"] * 4
    assert [process.returncode for process in processes] == [0] * 4
    assert len(Store(paths.store_url()).epochs([MULTVAE])) == 4
