"""Exports hold every stored value, replace only former exports, and appear complete or not at all."""

from __future__ import annotations

import csv
import json
import math
import os
import tracemalloc
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from recdash import paths
from recdash.errors import DataError, UsageError
from recdash.runs import queue
from recdash.runs.run_folder import RunFolder
from recdash.runs.schema import epochs as epochs_table
from recdash.runs.store import Store
from recdash.services import exchange_cells, exchange_files, export_folder, run_export, run_tables

FORMATS = list(exchange_files.FORMATS)
ODD = {"kl": math.nan, "loss": math.inf, "beta": -math.inf, "=cmd()": 1e-320, "seconds": 0.1 + 0.2, "value.run": 5e-324}


@pytest.fixture
def store() -> Store:
    """A store without any dataset: exports read none."""
    return Store(paths.store_url())


def add_odd_epoch(runs, run_id: str) -> None:
    """Store an epoch whose values and names are the hardest to write."""
    runs.store.add_epoch(run_id, runs.me, epoch=9, update=90, seconds=4.5, values=ODD)


def stored_points(runs) -> dict[tuple[str, int, str], float]:
    ids = [run.id for run in runs.store.runs()]
    return {(row.run, row.epoch, name): value for row in runs.store.epochs(ids) for name, value in row.values.items()}


def exported_points(folder: Path, file_format: str) -> dict[tuple[str, int, str], float]:
    """Read the points of an export with other readers than ours."""
    path = folder / f"epochs{exchange_files.FORMATS[file_format]}"
    if file_format == "parquet":
        rows = pq.read_table(path).to_pylist()
    elif file_format == "csv":
        with path.open(newline="", encoding="utf-8") as file:
            rows = [
                {name.removeprefix("'"): cell or None for name, cell in row.items()} for row in csv.DictReader(file)
            ]
    else:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {
        (row["run"], int(row["epoch"]), name.removeprefix("value.")): float(value)
        for row in rows
        for name, value in row.items()
        if name not in run_tables.EPOCHS and value is not None
    }


def leftovers(folder: Path) -> list[str]:
    """Names of temporary files and folders, which are hidden."""
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def same(first: float, second: float) -> bool:
    return first == second or (math.isnan(first) and math.isnan(second))


@pytest.mark.parametrize("file_format", FORMATS)
def test_c5_exported_points_equal_those_stored_all_of_them(runs, tmp_path, file_format) -> None:
    running = runs.running(epochs=7)
    add_odd_epoch(runs, running)
    runs.finished("ease", epochs=1)
    report = run_export.export_runs(tmp_path / "out", file_format=file_format)
    stored, exported = stored_points(runs), exported_points(tmp_path / "out", file_format)
    assert len(stored) == 7 * 6 + len(ODD) + 6
    assert exported.keys() == stored.keys()
    assert all(same(exported[point], value) for point, value in stored.items())
    assert report.epochs == 9 and set(report.runs) == {run.id for run in runs.store.runs()}


def test_chosen_runs_only_and_in_their_order(runs, tmp_path) -> None:
    first, _, third = runs.finished(), runs.finished(seed=1), runs.finished(seed=2)
    report = run_export.export_runs(tmp_path / "out", f"{third},{first}", "csv")
    with (tmp_path / "out" / "runs.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [third, first] == list(report.runs)
    assert rows[0]["metric.ndcg@100"] == "0.3" and float(rows[0]["low.ndcg@100"]) == pytest.approx(0.29)
    assert rows[0]["setting.hidden"] == "[600]" and "low.coverage@100" not in rows[0]
    with pytest.raises(UsageError, match="Unknown run"):
        run_export.export_runs(tmp_path / "other", [first, "ease-00000000"])
    with pytest.raises(UsageError, match="No run to export"):
        run_export.export_runs(tmp_path / "other", [])
    assert not (tmp_path / "other").exists()


def test_text_that_looks_like_a_formula_is_escaped_in_csv(runs, tmp_path) -> None:
    run_id = runs.finished()
    queue.rename(runs.store, run_id, "=1+1")
    queue.annotate(runs.store, run_id, "'quoted")
    run_export.export_runs(tmp_path / "out", file_format="csv")
    with (tmp_path / "out" / "runs.csv").open(newline="", encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    assert row["name"] == "'=1+1" and row["note"] == "''quoted"


def test_a_folder_with_other_files_is_refused_and_a_former_export_replaced(runs, tmp_path) -> None:
    runs.finished()
    out = tmp_path / "out"
    run_export.export_runs(out, file_format="csv")
    run_export.export_runs(out, file_format="json")
    assert sorted(path.name for path in out.iterdir()) == [
        "epochs.jsonl",
        "events.jsonl",
        "manifest.json",
        "runs.jsonl",
    ]
    (out / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match=r"holds other files, such as thesis\.tex"):
        run_export.export_runs(out)
    assert (out / "thesis.tex").read_text() == "mine" and (out / "runs.jsonl").exists()
    with pytest.raises(UsageError, match="is not a folder"):
        run_export.export_runs(out / "thesis.tex")
    assert leftovers(tmp_path) == []


def test_an_export_that_fails_leaves_the_former_one(runs, tmp_path, monkeypatch) -> None:
    runs.finished()
    run_export.export_runs(tmp_path / "out", file_format="csv")
    before = (tmp_path / "out" / "runs.csv").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exchange_files._CsvWriter, "close", full)
    with pytest.raises(DataError, match="No space left on device"):
        run_export.export_runs(tmp_path / "out", file_format="csv")
    assert (tmp_path / "out" / "runs.csv").read_bytes() == before
    assert leftovers(tmp_path) == []


def test_ctrl_c_between_the_two_renames_leaves_the_former_export(runs, tmp_path, monkeypatch) -> None:
    run_export.export_runs(tmp_path / "out", [runs.finished()], "csv")
    real = Path.replace

    def interrupt(self: Path, target: Path) -> Path:
        if self.name.endswith(".tmp"):
            raise KeyboardInterrupt
        return real(self, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", interrupt)
        run_export.export_runs(tmp_path / "out", file_format="json")
    assert (tmp_path / "out" / "runs.csv").is_file() and leftovers(tmp_path) == []


def test_a_large_folder_of_other_files_is_refused_at_the_first_one(tmp_path, monkeypatch) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "a.txt").touch()
    real = os.scandir

    def only_the_top(path: str) -> object:
        assert Path(path) == tmp_path
        return real(path)

    monkeypatch.setattr(os, "scandir", only_the_top)
    with pytest.raises(UsageError, match=r"holds other files, such as a.txt"):
        export_folder.check_target(tmp_path)


def test_weights_are_copied_on_request_and_only_those(runs, tmp_path) -> None:
    with_model, without = runs.answering("popularity"), runs.finished("ease")
    best = RunFolder(with_model).best
    (best / "notes.pickle").write_bytes(b"never")
    run_export.export_runs(tmp_path / "plain")
    assert not (tmp_path / "plain" / "weights").exists()
    report = run_export.export_runs(tmp_path / "full", with_weights=True)
    copied = {path.name for path in (tmp_path / "full" / "weights" / with_model).iterdir()}
    assert copied == {path.name for path in best.iterdir()} - {"notes.pickle"}
    assert report.notes == (f"Run {without} has no weights.",)


def test_a_damaged_per_user_file_costs_a_note_not_the_export(runs, tmp_path) -> None:
    run_id = runs.finished()
    folder = RunFolder(run_id)
    folder.make()
    (folder.path / "per_user.npz").write_bytes(b"PK damaged")
    report = run_export.export_runs(tmp_path / "out", file_format="csv")
    assert len(report.notes) == 1 and "per_user.npz" in report.notes[0]
    assert report.rows == {"runs": 1, "epochs": 5, "events": 3}


def test_the_archive_for_a_download_holds_the_folder(runs) -> None:
    run_id = runs.finished()
    with zipfile.ZipFile(BytesIO(run_export.export_archive([run_id], "csv"))) as archive:
        assert {"runs/manifest.json", "runs/epochs.csv"} <= set(archive.namelist())
        assert run_id.encode() in archive.read("runs/runs.csv")


def test_memory_does_not_grow_with_the_number_of_runs(runs, tmp_path) -> None:
    """The epochs of one run at a time are in memory; those of the other runs would be 9 times as many."""
    peaks = []
    for n_runs in (1, 10):
        for seed in range(n_runs - len(peaks)):
            run_id = runs.queued(seed=100 * n_runs + seed)
            shared = {"run": run_id, "seq": 0, "update_number": 1, "seconds": 1.0, "numbers": '{"loss": 1.0}'}
            with runs.store.database.write() as connection:
                connection.execute(insert(epochs_table), [{**shared, "epoch": epoch} for epoch in range(500)])
        tracemalloc.start()
        run_export.export_runs(tmp_path / f"{n_runs}", file_format="json")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] > 300_000 and peaks[1] < 1.5 * peaks[0]


@settings(max_examples=60)
@given(st.floats())
def test_a_number_survives_as_text(value) -> None:
    assert same(exchange_cells.parse("number", exchange_cells.number_text(value)), value)
    (plain,) = exchange_cells.json_cells("number", [value])
    assert same(exchange_cells.parse("number", json.loads(json.dumps(plain, allow_nan=False))), value)


@settings(max_examples=60)
@given(st.floats(width=32))
def test_a_32_bit_number_survives_its_shortest_form(value) -> None:
    shortest = np.array([value], np.float32).astype(str).astype(float)
    assert same(float(np.float32(shortest[0])), value)


@settings(max_examples=60)
@given(st.text("=+-@\t\r\n'\",a1", max_size=6))
def test_escaped_text_is_no_formula_and_survives(text) -> None:
    escaped = exchange_cells.escape_csv(text)
    assert exchange_cells.unescape_csv(escaped) == text
    assert not escaped.startswith(("=", "+", "-", "@", "\t", "\r"))


@settings(max_examples=60)
@given(st.dictionaries(st.text("value.run", max_size=9) | st.sampled_from(["run", "value.run", "epoch"]), st.just(1.0)))
def test_no_name_of_a_value_hides_a_fixed_column(values) -> None:
    columns = run_tables.value_columns(values, run_tables.EPOCHS)
    assert not set(columns.values()) & set(run_tables.EPOCHS)
    assert {run_tables.value_name(column) for column in columns.values()} == set(values)
