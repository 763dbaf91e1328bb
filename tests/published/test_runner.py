"""Cells beside each other: the same figures, stops, and what happens when one ends without a word."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from recdash.errors import DataError, TrainingError
from recdash.models import checkpoint_io
from recdash.published import implicit_rows, runner, svae_rows
from recdash.published.context import Found, Interrupted, Work, timed
from recdash.published.runner import Step
from recdash.published.subprocess_cell import Beside
from recdash.published.table_definitions import TableCell
from tests.toy import toy_dataset

SVAE = TableCell("svae", "svae", "SVAE", svae_rows.both, apart=True)
EASE = TableCell("ease", "ease", "EASE", partial(implicit_rows.closed_form, name="ease"))


def work_in(folder: Path, **words: object) -> Work:
    return Work(**{"dataset": toy_dataset(users=130), "folder": folder, "epochs": 2} | words)  # type: ignore[arg-type]


def found_by(cells: list[TableCell], work: Work, cores: int) -> tuple[dict[str, Found], list[Step]]:
    found: dict[str, Found] = {}
    steps: list[Step] = []

    def keep(cell: TableCell, result: Found, seconds: float) -> None:
        assert seconds > 0 and cell.name not in found
        found[cell.name] = result

    runner.compute(cells, work, say=steps.append, keep=keep, cores=cores)
    return found, steps


@pytest.mark.slow
def test_side_by_side_gives_what_one_after_the_other_gives(tmp_path: Path) -> None:
    alone, _ = found_by([EASE, SVAE], work_in(tmp_path / "alone"), cores=1)
    both, steps = found_by([EASE, SVAE], work_in(tmp_path / "both"), cores=2)
    assert both == alone
    assert both["svae"].facts["device"] == "cpu", "wherever the others compute"
    assert [(step.cell, step.number) for step in steps if step.over] == [("ease", 1), ("svae", 2)]
    assert [step.epoch for step in steps if step.cell == "svae" and not step.over] == [0, 1, 2]


@pytest.mark.slow
def test_a_stop_reaches_the_other_process_which_keeps_its_state(tmp_path: Path) -> None:
    def stopped_once_it_trains() -> bool:
        return (tmp_path / "svae.epochs.jsonl").is_file()

    with pytest.raises(Interrupted, match="goes on from here"):
        found_by([EASE, SVAE], work_in(tmp_path, epochs=500, should_stop=stopped_once_it_trains), cores=2)
    assert (tmp_path / "svae.training" / "checkpoint.json").is_file()


def test_the_seconds_of_a_training_that_was_stopped_count(tmp_path: Path) -> None:
    work = work_in(tmp_path, cell="svae")
    _, before = timed(lambda work: Found({}), work)
    checkpoint_io.write(work.path("training"), {}, {"position": {"seconds": 60.0, "validation_seconds": 5.0}})
    _, after = timed(lambda work: Found({}), work)
    assert before < 30 < 65 <= after < 95


def raises(work: Work) -> Found:
    raise DataError("nothing to learn from")


def ends(work: Work) -> Found:
    work.tell(1, 3)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


@pytest.mark.parametrize(
    ("run", "error", "said"), [(raises, DataError, "nothing to learn"), (ends, TrainingError, "status -9")]
)
def test_what_goes_wrong_there_is_said_here(run: object, error: type[Exception], said: str, tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    with (
        Beside(
            run,  # type: ignore[arg-type]
            work_in(tmp_path),
            lambda epoch, epochs: heard.append((epoch, epochs)),
            lambda found, seconds: None,
        ) as beside,
        pytest.raises(error, match=said),
    ):
        deadline = time.monotonic() + 60
        while not beside.listen(0.2) and time.monotonic() < deadline:
            pass
    assert heard == ([] if run is raises else [(1, 3)])
