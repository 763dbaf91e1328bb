"""What was exported comes back the same; hostile files end in one line that names file and row, and change nothing."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recdash import paths
from recdash.errors import DataError, RecdashError, UsageError
from recdash.runs import queue
from recdash.runs.resource_sampler import read_samples
from recdash.runs.run_folder import RunFolder
from recdash.runs.states import State
from recdash.runs.store import Store
from recdash.services import (
    curves,
    exchange_files,
    imported_arrays,
    results,
    run_export,
    run_import,
    store_access,
)
from recdash.services import runs as runs_service
from tests.run_helpers import Runs
from tests.services.test_run_export import FORMATS, add_odd_epoch

DROPPED = ("version", "source")


@pytest.fixture
def store() -> Store:
    """A store without any dataset: imports read none."""
    return Store(paths.store_url())


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """Switch to an empty store, as on another machine."""

    def switch() -> None:
        monkeypatch.setenv("RECDASH_STORE", f"sqlite:///{tmp_path / 'elsewhere.db'}")
        monkeypatch.setenv("RECDASH_CHECKPOINT_DIR", str(tmp_path / "elsewhere"))

    return switch


def documents() -> tuple[object, ...]:
    """The JSON of `runs show`, `curves` and `results`, for all runs."""
    shown = []
    for run in runs_service.list_runs():
        record = {name: value for name, value in run.to_dict().items() if name not in DROPPED}
        events = [(event.time, event.kind, event.text) for event in runs_service.events(run.id)]
        shown.append((record, events, curves.curves(run.id).to_dict()))
    rows = [row.to_dict() for group in results.groups() for row in group.rows]
    return shown, rows


def add_files(run_id: str) -> None:
    """Write every kind of file that a run can have."""
    folder = RunFolder(run_id)
    folder.make()
    top = np.array([[3, 1, -1], [2, -1, -1]])
    folder.write_per_user({"ndcg@100": np.array([0.1, math.nan]), "recall@20": np.array([1 / 3, 1])}, top)
    facts = {"history": [3, 4], "item_counts": [5, 0, 2], "held_out_ends": [0, 1, 3], "held_out_items": [2, 0, 1]}
    folder.write_facts({name: np.array(values) for name, values in facts.items()})
    for epoch in (1, 2):
        folder.add_epoch({"epoch": epoch}, {"kl_by_dimension": np.array([0.1, 2.5 * epoch], np.float32)})
    lines = [[100.0, 99.5, 2**33, None, None], [102.0, 98.0, 2**33, 50.0, 2**30]]
    folder.resources.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("file_format", FORMATS)
def test_an_import_gives_the_documents_of_the_export(runs, tmp_path, elsewhere, file_format) -> None:
    queue.rename(runs.store, runs.finished(), "=1+1, or 'so'\u2028")
    queue.annotate(runs.store, runs.finished("ease", epochs=1, settings={"l2": 3.0}), 'two\nlines\r, "quoted"')
    odd = runs.running(seed=3, unstable=2)
    add_odd_epoch(runs, odd)
    runs.store.end_run(odd, runs.me, State.STOPPED, "on request")
    runs.failed("diverged: -inf", seed=4)
    before = documents()
    run_export.export_runs(tmp_path / "out", file_format=file_format)
    elsewhere()
    assert documents() == ([], [])
    report = run_import.import_runs(tmp_path / "out")
    assert documents() == before
    assert len(report.runs) == 4 and report.points > 40 and report.notes == ()
    assert {run.source for run in runs_service.list_runs()} == {"recdash export"}
    again = run_import.import_runs(tmp_path / "out")
    assert again.runs == () and set(again.already_here) == set(report.run_ids)
    assert documents() == before


@pytest.mark.parametrize("file_format", FORMATS)
def test_an_import_gives_the_files_of_the_export(runs, tmp_path, elsewhere, file_format) -> None:
    run_id = runs.answering()
    add_files(run_id)
    old = RunFolder(run_id)
    run_export.export_runs(tmp_path / "out", file_format=file_format, with_weights=True)
    elsewhere()
    run_import.import_runs(tmp_path / "out")
    new = RunFolder(run_id)
    assert new.path != old.path
    for mine, theirs in (
        (new.read_per_user(), old.read_per_user()),
        (new.read_facts(), old.read_facts()),
        (new.arrays("kl_by_dimension"), old.arrays("kl_by_dimension")),
    ):
        assert mine.keys() == theirs.keys() and len(mine) > 1
        for name, array in mine.items():
            np.testing.assert_array_equal(array, theirs[name])
            assert array.dtype == theirs[name].dtype
    assert read_samples(new.resources) == read_samples(old.resources) and len(read_samples(new.resources)) == 2
    assert {path.name: path.read_bytes() for path in new.best.iterdir()} == {
        path.name: path.read_bytes() for path in old.best.iterdir()
    }


def test_a_run_that_was_training_is_interrupted(runs, tmp_path, elsewhere) -> None:
    run_id = runs.running()
    run_export.export_runs(tmp_path / "out")
    elsewhere()
    report = run_import.import_runs(tmp_path / "out")
    assert runs_service.find(run_id).state is State.INTERRUPTED
    assert report.notes == (f"Queued or running when exported, interrupted here: {run_id}.",)


def test_a_different_run_of_the_same_id_is_refused(runs, tmp_path) -> None:
    run_id = runs.finished()
    runs.finished(seed=5)
    run_export.export_runs(tmp_path / "out", file_format="csv")
    change(tmp_path / "out", "runs.csv", "0.3", "0.4")
    before = documents()
    with pytest.raises(DataError, match=rf"runs.csv, row \d: the store has a different run with the id {run_id[:4]}"):
        run_import.import_runs(tmp_path / "out")
    assert documents() == before


def test_a_renamed_run_is_the_same_run(runs, tmp_path) -> None:
    run_id = runs.finished()
    run_export.export_runs(tmp_path / "out")
    queue.rename(runs.store, run_id, "mine")
    assert run_import.import_runs(tmp_path / "out").already_here == (run_id,)
    assert runs_service.find(run_id).name == "mine"


def test_a_dry_run_stores_nothing(runs, tmp_path, elsewhere) -> None:
    runs.finished()
    run_export.export_runs(tmp_path / "out")
    elsewhere()
    report = run_import.import_runs(tmp_path / "out", dry_run=True)
    assert len(report.runs) == 1 and "can be imported" in report.summary()
    assert documents() == ([], []) and not any((tmp_path / "elsewhere").iterdir())


def test_an_archive_is_imported_like_its_folder(runs, elsewhere) -> None:
    run_id = runs.finished()
    content = run_export.export_archive([run_id], "csv")
    before = documents()
    elsewhere()
    assert run_import.is_export_archive(content) and not run_import.is_export_archive(b"PK no")
    assert run_import.import_archive("runs.zip", content).run_ids == [run_id]
    assert documents() == before


def change(folder: Path, name: str, old: str, new: str) -> None:
    """Change a file of an export, as somebody who means harm would: with the hash in the manifest."""
    content = (folder / name).read_text(encoding="utf-8")
    assert old in content
    write(folder, name, content.replace(old, new, 1).encode())


def write(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name]["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture(scope="module")
def exports(tmp_path_factory) -> dict[str, Path]:
    """One run with every kind of file, exported in each format; the tests have empty stores."""
    home = tmp_path_factory.mktemp("exports")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECDASH_DATA_DIR", str(home / "data"))
        patch.setenv("RECDASH_CHECKPOINT_DIR", str(home / "checkpoints"))
        add_files(Runs(store_access.open_store()).finished())
        for file_format in FORMATS:
            run_export.export_runs(home / file_format, file_format=file_format)
    return {file_format: home / file_format for file_format in FORMATS}


@pytest.fixture
def export(exports, tmp_path) -> Callable[[str], Path]:
    """A copy of an export, by its format."""
    return lambda file_format: Path(shutil.copytree(exports[file_format], tmp_path / "out"))


CSV_CHANGES = {
    "a path as id": ("runs.csv", "multvae-", "../../x-", 'runs.csv, row 1: "../../x-'),
    "a state that is none": ("runs.csv", "strong,finished,", "strong,done,", 'row 1: "done" is not a state'),
    "a text as seed": ("runs.csv", ",0,98765,", ",zero,98765,", 'row 1: "seed" is "zero", expected a whole number'),
    "a huge seed": ("runs.csv", ",98765,", ",99999999999999999999,", 'row 1: "split_seed" is'),
    "a huge number": ("epochs.csv", "0.25", "1e999", 'row 1: "kl" is "1e999", which is too large'),
    "a number with an underscore": ("epochs.csv", "0.25", "2_5", 'row 1: "kl" is "2_5", expected a number'),
    "a text as time": ("epochs.csv", "0.5", "lots", 'row 1: "seconds" is "lots"'),
    "a missing column": ("epochs.csv", "seconds", "second", 'the column "seconds" is missing'),
    "a column twice": ("epochs.csv", "update", "seconds", 'epochs.csv: two columns are called "seconds"'),
    "an epoch twice": ("epochs.csv", ",2,20,", ",1,20,", "row 2: epoch 1 of multvae"),
    "an epoch beyond 32 bits": ("epochs.csv", ",2,20,", ",4294967296,20,", "row 2: epoch 4294967296"),
    "an epoch of another run": ("epochs.csv", "multvae-", "multdae-", "row 1: the table of runs has no"),
    "a row cut off": ("epochs.csv", ",2,20,1.0,", ",2\n", "row 2: 2 cells, expected"),
    "settings that are no JSON": ("runs.csv", '"{""epochs"": 5', '"{epochs: 5', 'row 1: "config" is'),
    "settings that are a list": ("runs.csv", '"{""epochs"": 5', '"[{""epochs"": 5', 'row 1: "config" is'),
    "details of another type": ("runs.csv", '"{""split"": {', '"{""title"": 5, ""split"": {', 'has "title" 5'),
    "a user twice": ("per_user.csv", ",1,", ",0,", "per_user and top_lists of"),
    "a metric that numpy would trip over": ("per_user.csv", "recall@20", "file", '"file" is no name of a metric'),
    "an item that is none": ("top_lists.csv", "3 1 -1", "3 1 0.5", "per_user and top_lists of"),
    "lists of different lengths": ("top_lists.csv", "2 -1 -1", "2 -1", "row 2: lists of different lengths"),
    "an array that is too short": ("arrays.csv", "0.1 2.5", "0.1", "1 values are no array"),
    "a shape of too many sizes": ("arrays.csv", "[2]", "\"[2, 1, 1, 1, 1, 1, 1, 1, 1]\"", "values are no array"),
    "a metric without a name": ("runs.csv", "metric.ndcg@100", "metric.", 'runs.csv: "" is no name of a metric'),
    "a metric that cannot be shown": ("epochs.csv", "kl", "k\0l", 'is no name of a metric'),
    "an array of objects": ("arrays.csv", "float32", "object", 'of type "object"'),
    "facts that disagree": ("arrays.csv", "0 1 3", "0 1 9", "arrays of multvae"),
    "an event in the year 1e200": ("events.csv", ",1", ",1e200,x,\nmultvae,1", 'row 1: "time" is'),
    "memory below nothing": ("resources.csv", "99.5", "-99.5", "row 1: a sample that is negative"),
}  # fmt: skip


@pytest.mark.parametrize("name", CSV_CHANGES)
def test_a_changed_table_is_refused_in_one_line_that_names_the_row(export, name) -> None:
    file, old, new, expected = CSV_CHANGES[name]
    folder = export("csv")
    change(folder, file, old, new)
    with pytest.raises(DataError) as caught:
        run_import.import_runs(folder)
    message = str(caught.value)
    assert expected in message and file.removesuffix(".csv") in message
    assert "\n" not in message and len(message) < 400
    assert documents() == ([], []) and not list(paths.checkpoint_dir().glob("*"))


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("table", ["runs", "epochs", "per_user"])
def test_a_truncated_file_is_refused(export, file_format, table) -> None:
    folder = export(file_format)
    name = f"{table}{exchange_files.FORMATS[file_format]}"
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(DataError, match=rf"{table}\.\w+: cut off or changed"):
        run_import.import_runs(folder)
    end = len(content) * 2 // 3 if file_format == "parquet" else content.rindex(b",")
    write(folder, name, content[:end])  # with the hash of the truncated file
    with pytest.raises(DataError, match=rf"{table}.*(row|damaged|inconsistent)"):
        run_import.import_runs(folder)
    assert documents() == ([], [])


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("../../etc/passwd", "is no file of an export"),
        ("weights/../x-00000000/a.json", "is no file of an export"),
        ("weights/ease-00000000/a.pickle", "is no file of an export"),
        ("runs.exe", "is no file of an export"),
        ("weights/ease-00000000/a.json", "missing, although manifest.json names it"),
    ],
)
def test_a_manifest_that_names_anything_else_is_refused(export, entry, expected) -> None:
    folder = export("csv")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][entry] = {"sha256": "0"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=expected):
        run_import.import_runs(folder)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "x", "version": 1, "files": {}}', '{"files": {"runs.csv": 3}}']
)
def test_a_manifest_of_something_else_is_refused(tmp_path, toy, text) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DataError, match=r"not the manifest of an export"):
        run_import.import_runs(tmp_path)


def test_a_newer_format_and_a_folder_without_manifest_are_refused(export, tmp_path) -> None:
    folder = export("csv")
    change_manifest = json.loads((folder / "manifest.json").read_text()) | {"version": 2}
    (folder / "manifest.json").write_text(json.dumps(change_manifest))
    with pytest.raises(DataError, match="format 2, this version reads up to 1"):
        run_import.import_runs(folder)
    with pytest.raises(DataError, match="is no export of runs"):
        run_import.import_runs(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil"])
def test_an_archive_that_leads_out_of_its_folder_is_refused(toy, name) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "x")
        archive.writestr("manifest.json", "{}")
    with pytest.raises(DataError, match="leads out of the archive"):
        run_import.import_archive("runs.zip", buffer.getvalue())


def test_of_an_archive_only_what_its_manifest_names_is_unpacked(export, monkeypatch) -> None:
    buffer, files = io.BytesIO(), list(export("csv").iterdir())
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, f"./above/{path.name}")
        archive.writestr("above/bomb", bytes(1 << 20))
    monkeypatch.setattr(run_import, "_LARGEST_ARCHIVE", sum(path.stat().st_size for path in files))
    assert len(run_import.import_archive("runs.zip", buffer.getvalue(), dry_run=True).runs) == 1
    monkeypatch.setattr(run_import, "_LARGEST_ARCHIVE", 10)
    with pytest.raises(DataError, match=r"runs.zip: .* when unpacked, the limit is"):
        run_import.import_archive("runs.zip", buffer.getvalue())


def test_a_full_disk_is_not_called_a_damaged_archive(export, monkeypatch, tmp_path) -> None:
    shutil.make_archive(str(tmp_path / "runs"), "zip", export("csv"))

    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "extractall", no_space)
    with pytest.raises(DataError, match=r"runs.zip cannot be unpacked here \(No space left on device\)"):
        run_import.import_runs(tmp_path / "runs.zip")


def test_messages_about_an_archive_name_it_and_no_temporary_folder(toy) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("manifest.json", "[]")
    with pytest.raises(DataError, match=r"^runs.zip/manifest.json: not the manifest of an export"):
        run_import.import_archive("runs.zip", buffer.getvalue())


def test_of_two_imports_at_once_the_second_finds_the_runs_here(export, monkeypatch) -> None:
    folder = export("csv")
    first = run_import.import_runs(folder)
    before = documents()
    monkeypatch.setattr(run_import, "split_known", lambda *_: ([], []))  # the first has not ended when the second looks
    again = run_import.import_runs(folder)
    assert again.runs == () and list(again.already_here) == first.run_ids
    assert documents() == before and not list(paths.checkpoint_dir().glob(".*"))


def test_an_active_run_that_is_here_already_is_not_called_interrupted(runs, tmp_path) -> None:
    run_export.export_runs(tmp_path / "out", [runs.queued()], "csv")
    assert run_import.import_runs(tmp_path / "out").notes == ()


def test_a_shape_beyond_any_memory_is_refused() -> None:
    batch = exchange_files.Batch("arrays.csv", 1)
    row = {"name": "kl", "type": "float32", "shape": [0, 2**62, 2**62], "values": []}
    with pytest.raises(DataError, match=r"row 1: .* is no shape of an array"):
        imported_arrays._array(batch, 0, row)


def test_a_failure_while_storing_leaves_neither_rows_nor_folders(export, monkeypatch) -> None:
    folder = export("csv")
    real = Path.replace

    def fail_after_move(self: Path, target: Path) -> Path:
        moved = real(self, target)
        if Path(target).parent == paths.checkpoint_dir():
            raise OSError(5, "Input/output error")
        return moved

    with monkeypatch.context() as patch, pytest.raises(RecdashError, match="Input/output error"):
        patch.setattr(Path, "replace", fail_after_move)
        run_import.import_runs(folder)
    assert documents() == ([], []) and not list(paths.checkpoint_dir().glob("*"))


def test_an_imported_run_has_what_pages_need(runs, tmp_path, elsewhere) -> None:
    run_id = runs.answering()
    run_export.export_runs(tmp_path / "out", with_weights=True)
    elsewhere()
    run_import.import_runs(tmp_path / "out")
    assert results.groups()[0].rows[0].run.id == run_id
    assert RunFolder(run_id).has_model() and RunFolder(run_id).read_record()["id"] == run_id


def test_nothing_is_imported_where_writing_is_forbidden(export, monkeypatch) -> None:
    folder = export("csv")
    monkeypatch.setenv("RECDASH_READ_ONLY", "1")
    with pytest.raises(UsageError, match="imported"):
        run_import.import_runs(folder)


def test_a_run_of_a_model_unknown_here_is_kept_and_never_in_a_table(runs, tmp_path, elsewhere) -> None:
    runs.finished()
    run_export.export_runs(tmp_path / "out", file_format="csv")
    change(tmp_path / "out", "runs.csv", ",multvae,toy", ",transformer,toy")
    elsewhere()
    run_import.import_runs(tmp_path / "out")
    (run,) = store_access.open_store().runs()
    assert run.model == "transformer" and run.details["title"] == "transformer" and results.groups() == []
