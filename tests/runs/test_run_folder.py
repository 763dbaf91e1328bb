"""The folder of a run after a crash: what is whole is read, what is damaged is passed over, nothing else is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recdash import paths
from recdash.errors import CheckpointError
from recdash.runs import recovery, supervisor
from recdash.runs.process_id import ProcessId
from recdash.runs.run_folder import RunFolder
from recdash.runs.store import Store
from recdash.training import TrainingState
from recdash.training.state import Best, Position
from tests.file_damage import ways

EVERYDAY = ("a third", "null")


def cases(*files: str) -> list[Any]:
    return [
        pytest.param(file, way, marks=() if way in EVERYDAY else pytest.mark.slow)
        for file in files
        for way in ways(file)
    ]


@pytest.fixture
def folder() -> RunFolder:
    made = RunFolder("multvae-0000000a")
    made.make()
    return made


def row(epoch: int, **other: Any) -> dict[str, Any]:
    return {"epoch": epoch, "update": epoch * 3, "seconds": epoch / 2, "values": {"loss": 1 / epoch}, **other}


def state(epoch: int) -> TrainingState:
    now, best = ({"weight": torch.full((3,), float(epoch))} for _ in range(2))
    return TrainingState(Position(epoch=epoch), Best(epoch=epoch), now, best, {}, {"model": "multvae"})


@pytest.mark.parametrize(
    "torn",
    [b'{"epoch": 3, "upd', b'{"epoch": 3', b"\0" * 40, b"\xff\xfe\0", b'{"epoch": 3, "update": 9}', b"[" * 99_999],
)
def test_the_epoch_after_a_line_that_was_cut_short_is_kept_on_a_line_of_its_own(torn: bytes, folder: RunFolder) -> None:
    folder.add_epoch(row(1), {})
    folder.add_epoch(row(2), {})
    with (folder.path / "epochs.jsonl").open("ab") as lines:
        lines.write(torn)
    folder.add_epoch(row(3), {})
    folder.add_epoch(row(4), {})
    assert folder.read_epochs() == [row(1), row(2), row(3), row(4)]
    assert (folder.path / "epochs.jsonl").read_bytes().splitlines()[-2:] == [
        json.dumps(row(3)).encode(), json.dumps(row(4)).encode(),
    ]  # fmt: skip


def test_of_an_epoch_that_comes_twice_the_last_line_counts_and_lines_of_another_form_are_left_out(
    folder: RunFolder,
) -> None:
    bad = [
        {"epoch": "2"},
        {"epoch": True},
        {"seconds": None},
        {"values": []},
        {"values": {"loss": "x"}},
        {"update": 2**70},
    ]
    for one in [row(1), row(2), *({**row(7), **change} for change in bad), row(2, seconds=9.0)]:
        folder.add_epoch(one, {})
    assert folder.read_epochs() == [row(1), row(2, seconds=9.0)]


def test_a_file_where_the_folder_of_arrays_should_be_is_one_line(folder: RunFolder) -> None:
    (folder.path / "arrays").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        folder.add_epoch(row(1), {"kl_by_dimension": np.ones(3, np.float32)})


@pytest.mark.parametrize("name", ["epoch one.npz", "-1.npz", "000003.npz"])
def test_arrays_that_nobody_kept_are_no_epoch(name: str, folder: RunFolder) -> None:
    folder.add_epoch(row(1), {"kl_by_dimension": np.ones(3, np.float32)})
    np.savez(folder.path / "arrays" / name, kl_by_dimension=np.ones((2, 2)) if name == "000003.npz" else np.ones(2))
    assert list(folder.arrays("kl_by_dimension")) == [1]


@pytest.mark.parametrize(("file", "way"), cases("checkpoint.json", "weights"))
def test_a_damaged_state_is_passed_over_for_the_one_before_and_does_not_push_it_out(
    file: str, way: str, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.keep_state(state(1))
    folder.keep_state(state(2))
    damage(folder.last, file, way)
    resumed = RunFolder(folder.path.name)
    found, said = resumed.load_state()
    assert found.position.epoch == 1 and "last" in said and "\n" not in said
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(TrainingState, "save", lambda *_: 1 / 0)  # the machine dies here
        resumed.keep_state(state(3))
    resumed = RunFolder(folder.path.name)
    assert resumed.load_state()[0].position.epoch == 1, "the only whole state is still there"
    if (file, way) == ("checkpoint.json", "a folder"):
        with pytest.raises(CheckpointError, match="Is a directory"):
            resumed.keep_state(state(3))
        return
    resumed.keep_state(state(3))
    resumed.keep_state(state(4))
    assert TrainingState.load(resumed.last).position.epoch == 4
    assert TrainingState.load(resumed.previous).position.epoch == 3


@pytest.mark.parametrize(("file", "way"), cases("checkpoint.json", "weights"))
def test_without_any_whole_state_there_is_none_and_it_is_said_why(file: str, way: str, folder: RunFolder) -> None:
    folder.keep_state(state(1))
    folder.keep_state(state(2))
    damage(folder.last, file, way)
    damage(folder.previous, file, way)
    found, said = folder.load_state()
    assert found is None and "last" in said and "previous" in said and "\n" not in said


def damage(home: Path, file: str, way: str) -> None:
    ways(file)[way](next(home.glob(f"{file}*")))


WRONG = [
    {"id": 5}, {"state": "asleep"}, {"state": None}, {"name": ["x"]}, {"model": None}, {"dataset": {"a": 1}},
    {"seed": [1]}, {"seed": "1"}, {"seed": 2**70}, {"epoch": -1}, {"threads": {"a": 1}}, {"best_value": "high"},
    {"settings": [1]}, {"settings": "x"}, {"metrics": {"ndcg@100": "x"}}, {"metrics": 3},
    {"intervals": 3}, {"intervals": {"ndcg@100": 1}},
    {"intervals": {"ndcg@100": [1]}}, {"intervals": {"ndcg@100": ["a", "b"]}}, {"created": 5}, {"created": "yesterday"},
    {"note": "\ud800"}, {"details": [1]},
]  # fmt: skip


@pytest.mark.parametrize("change", WRONG, ids=str)
def test_a_record_with_a_value_that_no_run_has_keeps_no_other_from_coming_back(change: dict[str, Any]) -> None:
    record = {"id": "ease-0000000b", "name": "EASE", "model": "ease", "dataset": "toy", "state": "finished"}
    for run_id, extra in (("ease-0000000b", change), ("ease-0000000c", {})):
        folder = RunFolder(run_id)
        folder.make()
        folder.write_record(record | {"id": run_id} | extra)
    said = recovery.mend(paths.store_url())
    assert "1 runs were rebuilt" in said and "ease-0000000b" in said
    assert [run.id for run in Store(paths.store_url()).runs()] == ["ease-0000000c"]


def test_a_figure_that_was_no_number_comes_back_as_none() -> None:
    folder = RunFolder("ease-0000000b")
    folder.make()
    figures = {"metrics": {"ndcg@100": None}, "intervals": {"ndcg@100": [None, 0.5]}}
    record = {"id": "ease-0000000b", "name": "EASE", "model": "ease", "dataset": "toy", "state": "finished"}
    folder.write_record(record | figures)
    recovery.mend(paths.store_url())
    run = Store(paths.store_url()).run("ease-0000000b")
    assert np.isnan(run.metrics["ndcg@100"]) and np.isnan(run.intervals["ndcg@100"][0])


def test_a_link_among_the_run_folders_keeps_nobody_from_coming_back(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "run.json").write_text("{}")
    RunFolder("ease-0000000c").make()
    (paths.checkpoint_dir() / "ease-0000000b").symlink_to(outside)
    record = {"id": "ease-0000000c", "name": "EASE", "model": "ease", "dataset": "toy", "state": "finished"}
    RunFolder("ease-0000000c").write_record(record)
    assert "1 runs were rebuilt" in recovery.mend(paths.store_url())


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "3", "[" * 99_999, '{"host": "here"}', '{"host": 1, "pid": 1, "born": 1}',
        '{"host": "HOST", "pid": "1", "born": 1}', '{"host": "HOST", "pid": -1, "born": 1}',
        '{"host": "HOST", "pid": 99999999999999999999, "born": 1}', '{"host": "HOST", "pid": 1, "born": "x"}',
        '{"host": "HOST", "pid": true, "born": 1}', '{"host": "HOST", "pid": 1, "born": 1, "more": 1}',
    ],
)  # fmt: skip
def test_a_damaged_note_of_who_supervises_names_nobody(text: str, store: Store) -> None:
    path = supervisor.SupervisorLock(store).path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace("HOST", ProcessId.mine().host))
    assert supervisor.holder(store) is None
    path.write_bytes(b"\xff\xfe")
    assert supervisor.holder(store) is None
