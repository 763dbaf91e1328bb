"""The folder of a run after a crash: intact files are read, damaged ones are skipped, nothing else is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recdash import paths
from recdash.analysis import run_filter
from recdash.errors import CheckpointError
from recdash.models import registry
from recdash.runs import rebuild_store, run_ids, supervisor
from recdash.runs.process_id import ProcessId
from recdash.runs.run_folder import RunFolder
from recdash.runs.store import Store
from recdash.runs.supervisor_lock import SupervisorLock
from recdash.services import run_import
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


@pytest.mark.parametrize("model", registry.names())
def test_a_run_of_every_model_has_a_folder_and_is_found_by_its_model(model: str) -> None:
    run_id = run_ids.draw_id(model, ())
    assert RunFolder(run_id).path.name == run_id
    assert run_import._WEIGHT_FILE.fullmatch(f"weights/{run_id}/best.safetensors")
    assert run_filter.parse(f"model:{model}").fields == {"model"}


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
def test_the_epoch_after_a_truncated_line_starts_a_new_line(torn: bytes, folder: RunFolder) -> None:
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


def test_the_last_line_of_an_epoch_counts_and_invalid_lines_are_skipped(
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


def test_a_file_in_place_of_the_array_folder_is_a_one_line_error(folder: RunFolder) -> None:
    (folder.path / "arrays").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        folder.add_epoch(row(1), {"kl_by_dimension": np.ones(3, np.float32)})


@pytest.mark.parametrize("name", ["epoch one.npz", "-1.npz", "000003.npz"])
def test_unknown_array_files_are_not_epochs(name: str, folder: RunFolder) -> None:
    folder.add_epoch(row(1), {"kl_by_dimension": np.ones(3, np.float32)})
    np.savez(folder.path / "arrays" / name, kl_by_dimension=np.ones((2, 2)) if name == "000003.npz" else np.ones(2))
    assert list(folder.arrays("kl_by_dimension")) == [1]


@pytest.mark.parametrize(("file", "way"), cases("checkpoint.json", "weights"))
def test_a_damaged_state_neither_loads_nor_replaces_the_previous_one(
    file: str, way: str, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.save_state(state(1))
    folder.save_state(state(2))
    damage(folder.last, file, way)
    resumed = RunFolder(folder.path.name)
    found, errors = resumed.load_state()
    assert found.position.epoch == 1 and "last" in errors and "\n" not in errors
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(TrainingState, "save", lambda *_: 1 / 0)  # the machine dies here
        resumed.save_state(state(3))
    resumed = RunFolder(folder.path.name)
    assert resumed.load_state()[0].position.epoch == 1, "the only whole state is still there"
    if (file, way) == ("checkpoint.json", "a folder"):
        with pytest.raises(CheckpointError, match="Is a directory"):
            resumed.save_state(state(3))
        return
    resumed.save_state(state(3))
    resumed.save_state(state(4))
    assert TrainingState.load(resumed.last).position.epoch == 4
    assert TrainingState.load(resumed.previous).position.epoch == 3


@pytest.mark.parametrize(("file", "way"), cases("checkpoint.json", "weights"))
def test_without_an_intact_state_none_is_loaded_and_the_reasons_are_reported(
    file: str, way: str, folder: RunFolder
) -> None:
    folder.save_state(state(1))
    folder.save_state(state(2))
    damage(folder.last, file, way)
    damage(folder.previous, file, way)
    found, errors = folder.load_state()
    assert found is None and "last" in errors and "previous" in errors and "\n" not in errors


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
def test_an_invalid_record_does_not_prevent_rebuilding_the_other_runs(change: dict[str, Any]) -> None:
    record = {"id": "ease-0000000b", "name": "EASE", "model": "ease", "dataset": "toy", "state": "finished"}
    for run_id, extra in (("ease-0000000b", change), ("ease-0000000c", {})):
        folder = RunFolder(run_id)
        folder.make()
        folder.write_record(record | {"id": run_id} | extra)
    report = rebuild_store.rebuild(paths.store_url())
    assert "folders: 1" in report and "ease-0000000b" in report
    assert [run.id for run in Store(paths.store_url()).runs()] == ["ease-0000000c"]


def test_a_metric_recorded_as_null_is_rebuilt_as_nan() -> None:
    folder = RunFolder("ease-0000000b")
    folder.make()
    figures = {"metrics": {"ndcg@100": None}, "intervals": {"ndcg@100": [None, 0.5]}}
    record = {"id": "ease-0000000b", "name": "EASE", "model": "ease", "dataset": "toy", "state": "finished"}
    folder.write_record(record | figures)
    rebuild_store.rebuild(paths.store_url())
    run = Store(paths.store_url()).run("ease-0000000b")
    assert np.isnan(run.metrics["ndcg@100"]) and np.isnan(run.intervals["ndcg@100"][0])


def test_a_link_among_the_run_folders_does_not_prevent_rebuilding(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "run.json").write_text("{}")
    RunFolder("ease-0000000c").make()
    (paths.checkpoint_dir() / "ease-0000000b").symlink_to(outside)
    record = {"id": "ease-0000000c", "name": "EASE", "model": "ease", "dataset": "toy", "state": "finished"}
    RunFolder("ease-0000000c").write_record(record)
    assert "folders: 1" in rebuild_store.rebuild(paths.store_url())


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "3", "[" * 99_999, '{"host": "here"}', '{"host": 1, "pid": 1, "born": 1}',
        '{"host": "HOST", "pid": "1", "born": 1}', '{"host": "HOST", "pid": -1, "born": 1}',
        '{"host": "HOST", "pid": 99999999999999999999, "born": 1}', '{"host": "HOST", "pid": 1, "born": "x"}',
        '{"host": "HOST", "pid": true, "born": 1}', '{"host": "HOST", "pid": 1, "born": 1, "more": 1}',
    ],
)  # fmt: skip
def test_a_damaged_owner_note_names_no_supervisor(text: str, store: Store) -> None:
    path = SupervisorLock(store).path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace("HOST", ProcessId.mine().host))
    assert supervisor.running_supervisor(store) is None
    path.write_bytes(b"\xff\xfe")
    assert supervisor.running_supervisor(store) is None
