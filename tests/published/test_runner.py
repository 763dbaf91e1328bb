"""Cells in parallel: the same figures, stops, and a subprocess that fails or ends without a result."""

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
from recdash.published.context import (
    CellContext,
    CellResult,
    Interrupted,
    run_timed,
)
from recdash.published.runner import CellProgress
from recdash.published.subprocess_cell import SubprocessCell
from recdash.published.table_schema import TableCell
from tests.toy_data import toy_dataset

pytestmark = pytest.mark.slow

SVAE = TableCell("svae", "svae", "SVAE", svae_rows.svae, own_process=True)
EASE = TableCell("ease", "ease", "EASE", partial(implicit_rows.closed_form, name="ease"))


def context_in(folder: Path, **changes: object) -> CellContext:
    return CellContext(**{"dataset": toy_dataset(users=130), "folder": folder, "epochs": 2} | changes)  # type: ignore[arg-type]


def found_by(
    cells: list[TableCell], context: CellContext, cores: int
) -> tuple[dict[str, CellResult], list[CellProgress]]:
    found: dict[str, CellResult] = {}
    steps: list[CellProgress] = []

    def save(cell: TableCell, result: CellResult, seconds: float) -> None:
        assert seconds > 0 and cell.name not in found
        found[cell.name] = result

    runner.run_cells(cells, context, on_progress=steps.append, on_result=save, cores=cores)
    return found, steps


@pytest.mark.slow
def test_parallel_cells_equal_sequential_cells(tmp_path: Path) -> None:
    alone, _ = found_by([EASE, SVAE], context_in(tmp_path / "alone"), cores=1)
    both, steps = found_by([EASE, SVAE], context_in(tmp_path / "both"), cores=2)
    assert both == alone
    assert both["svae"].facts["device"] == "cpu", "on whatever device the others are trained"
    assert [(step.cell, step.number) for step in steps if step.over] == [("ease", 1), ("svae", 2)]
    assert [step.epoch for step in steps if step.cell == "svae" and not step.over] == [0, 1, 2]


@pytest.mark.slow
def test_a_stop_reaches_the_subprocess_which_saves_its_state(tmp_path: Path) -> None:
    def stopped_once_it_trains() -> bool:
        return (tmp_path / "svae.epochs.jsonl").is_file()

    with pytest.raises(Interrupted, match="Run the same command again to resume"):
        found_by([EASE, SVAE], context_in(tmp_path, epochs=500, should_stop=stopped_once_it_trains), cores=2)
    assert (tmp_path / "svae.training" / "checkpoint.json").is_file()


def test_the_seconds_of_a_training_that_was_stopped_count(tmp_path: Path) -> None:
    context = context_in(tmp_path, cell="svae")
    _, before = run_timed(lambda context: CellResult({}), context)
    checkpoint_io.write(context.path("training"), {}, {"position": {"seconds": 60.0, "validation_seconds": 5.0}})
    _, after = run_timed(lambda context: CellResult({}), context)
    assert before < 30 < 65 <= after < 95


def raises(context: CellContext) -> CellResult:
    raise DataError("nothing to learn from")


def ends(context: CellContext) -> CellResult:
    context.on_epoch(1, 3)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


@pytest.mark.parametrize(
    ("run", "error", "message"), [(raises, DataError, "nothing to learn"), (ends, TrainingError, "status -9")]
)
def test_an_error_of_the_subprocess_is_raised_in_the_caller(
    run: object, error: type[Exception], message: str, tmp_path: Path
) -> None:
    reported: list[tuple[int, int]] = []
    with (
        SubprocessCell(
            run,  # type: ignore[arg-type]
            context_in(tmp_path),
            lambda epoch, epochs: reported.append((epoch, epochs)),
            lambda found, seconds: None,
        ) as process,
        pytest.raises(error, match=message),
    ):
        deadline = time.monotonic() + 60
        while not process.poll(0.2) and time.monotonic() < deadline:
            pass
    assert reported == ([] if run is raises else [(1, 3)])
