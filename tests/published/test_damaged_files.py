"""A reproduction that was stopped goes on to the same figures, whatever a crash has left of what it kept."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from recdash.atomic_files import read_rows
from recdash.errors import CheckpointError
from recdash.published import implicit_rows
from recdash.published.context import Found, Interrupted, Work
from tests.file_damage import ways
from tests.toy import toy_dataset

LOG, STATE = "cell.epochs.jsonl", "cell.training"
EVERYDAY = ("a third", "null")
CASES = [
    pytest.param(file, way, marks=() if way in EVERYDAY else pytest.mark.slow)
    for file in (LOG, f"{STATE}/checkpoint.json", f"{STATE}/weights")
    for way in ways(file)
]


def train(folder: Path, **words: Any) -> Found:
    work = Work(**{"dataset": toy_dataset(users=130), "folder": folder, "cell": "cell", "epochs": 4} | words)
    return implicit_rows.as_published(work, "multvae")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What a training comes to that nobody stops."""
    return train(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that was stopped in its third epoch."""
    folder = tmp_path_factory.mktemp("parts")
    with pytest.raises(Interrupted):
        train(folder, should_stop=lambda: len(read_rows(folder / LOG)) == 2)
    return folder


@pytest.fixture
def halted(kept: Path, tmp_path: Path) -> Path:
    """That folder, for this test alone."""
    return Path(shutil.copytree(kept, tmp_path / "halted"))


@pytest.mark.parametrize(("file", "way"), CASES)
def test_what_is_damaged_is_made_again(file: str, way: str, halted: Path, whole: Found) -> None:
    path = next((halted / STATE).glob("weights*")) if file.endswith("weights") else halted / file
    ways(file)[way](path)
    if (file, way) == (LOG, "a folder"):
        with pytest.raises(CheckpointError, match=r"epochs\.jsonl: cannot be written \(Is a directory\)"):
            train(halted)
        return
    assert train(halted) == whole


def test_an_epoch_that_was_cut_short_swallows_none_that_follows(halted: Path, whole: Found) -> None:
    with (halted / LOG).open("a") as log:
        log.write('{"epoch": 3, "lo')
    assert train(halted) == whole
    lines = (halted / LOG).read_text().splitlines()
    assert [row["epoch"] for row in read_rows(halted / LOG)] == [1, 2, 3, 4]
    assert len(lines) == 5 and lines[2] == '{"epoch": 3, "lo', "the training went on from its state"
