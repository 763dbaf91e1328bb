"""A stopped reproduction resumes to the same figures, even if a crash has damaged the saved files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from recdash.atomic_files import read_json_lines
from recdash.errors import CheckpointError
from recdash.published import implicit_rows
from recdash.published.context import (
    CellContext,
    CellResult,
    Interrupted,
)
from tests.file_damage import ways
from tests.toy_data import toy_dataset

LOG, STATE = "cell.epochs.jsonl", "cell.training"
EVERYDAY = ("a third", "null")
CASES = [
    pytest.param(file, way, marks=() if way in EVERYDAY else pytest.mark.slow)
    for file in (LOG, f"{STATE}/checkpoint.json", f"{STATE}/weights")
    for way in ways(file)
]


def train(folder: Path, **changes: Any) -> CellResult:
    context = CellContext(
        **{"dataset": toy_dataset(users=130), "folder": folder, "cell": "cell", "epochs": 4} | changes
    )
    return implicit_rows.as_published(context, "multvae")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> CellResult:
    """The result of a training without a stop."""
    return train(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that was stopped in its third epoch."""
    folder = tmp_path_factory.mktemp("parts")
    with pytest.raises(Interrupted):
        train(folder, should_stop=lambda: len(read_json_lines(folder / LOG)) == 2)
    return folder


@pytest.fixture
def halted(stopped: Path, tmp_path: Path) -> Path:
    """That folder, for this test alone."""
    return Path(shutil.copytree(stopped, tmp_path / "halted"))


@pytest.mark.parametrize(("file", "way"), CASES)
def test_damaged_files_are_rebuilt(file: str, way: str, halted: Path, whole: CellResult) -> None:
    path = next((halted / STATE).glob("weights*")) if file.endswith("weights") else halted / file
    ways(file)[way](path)
    if (file, way) == (LOG, "a folder"):
        with pytest.raises(CheckpointError, match=r"epochs\.jsonl: cannot be written \(Is a directory\)"):
            train(halted)
        return
    assert train(halted) == whole


def test_a_truncated_line_of_the_log_loses_no_later_epoch(halted: Path, whole: CellResult) -> None:
    with (halted / LOG).open("a") as log:
        log.write('{"epoch": 3, "lo')
    assert train(halted) == whole
    lines = (halted / LOG).read_text().splitlines()
    assert [row["epoch"] for row in read_json_lines(halted / LOG)] == [1, 2, 3, 4]
    assert len(lines) == 5 and lines[2] == '{"epoch": 3, "lo', "the training was resumed from its state"
