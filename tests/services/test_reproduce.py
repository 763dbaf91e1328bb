"""Reproducing a published table: cells, resuming, documents, the lock, and errors."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from recdash import devices, paths
from recdash.errors import DataError, UsageError
from recdash.published import table_definitions, table_schema
from recdash.published.cell_store import CellStore
from recdash.published.context import (
    CellContext,
    CellResult,
    Interrupted,
)
from recdash.published.figures import published_values
from recdash.published.runner import CellProgress
from recdash.published.table_document import parse_cell, read_document
from recdash.runs.process_id import ProcessId
from recdash.services import reproduce, reproduce_files, reproduce_lock
from tests.toy_data import toy_dataset

NUMBERS = ("model", "metric", "published", "as_published", "corrected", "common", "on", "within_tolerance")
KEYS = {"model", "metric", "published", "as_published", "corrected", "common", "what_was_wrong"}


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for results that is not the checkout's."""
    folder = tmp_path / "project" / "benchmarks" / "results"
    folder.mkdir(parents=True)
    monkeypatch.setattr(reproduce_files, "delivered_path", lambda table: folder / f"reproduce_{table}.json")
    yield folder


@pytest.fixture
def ml_1m(toy: str, shipped: Path) -> str:
    """The toy data under the name of the table's data set."""
    replace(toy_dataset(), name="ml-1m").save(paths.data_dir() / "sets" / "ml-1m")
    return "toy"


def find_row(found: dict[str, Any], model: str, metric: str) -> dict[str, Any]:
    return next(row for row in found["rows"] if (row["model"], row["metric"]) == (model, metric))


def test_missing_data_is_an_error_that_explains_how_to_get_it(toy: str, shipped: Path) -> None:
    with pytest.raises(DataError, match="recdash data get ml-1m") as caught:
        reproduce.run()
    assert "\n" not in str(caught.value)
    assert not reproduce.has_data()


@pytest.mark.parametrize("arguments", [{"table": "metarek"}, {"models": ["esae"]}])
def test_unknown_names_are_errors_that_list_the_known_ones(ml_1m: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="Known: "):
        reproduce.run(**arguments)


def test_a_read_only_installation_reproduces_nothing(ml_1m: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECDASH_READ_ONLY", "1")
    with pytest.raises(UsageError, match="RECDASH_READ_ONLY"):
        reproduce.run(models=["ease"])


def test_rows_have_every_column_and_a_note_with_the_numbers(ml_1m: str) -> None:
    steps: list[CellProgress] = []
    found = reproduce.run(models=["ease", "popularity"], on_progress=steps.append)
    row = find_row(found, "ease", "ndcg@100")
    assert set(row) >= KEYS
    assert row["published"] == 0.2561
    assert None not in (row["as_published"], row["corrected"], row["common"])
    assert f"{row['as_published']:.4f}" in row["what_was_wrong"] and f"{row['corrected']:.4f}" in row["what_was_wrong"]
    assert row["within_tolerance"] is (abs(row["as_published"] - 0.2561) <= 0.006)
    missing = find_row(found, "cdae", "ndcg@100")
    assert missing["as_published"] is None and missing["what_was_wrong"] == ""
    assert [step.cell for step in steps if step.epoch == 0 and not step.over] == [
        "popularity",
        "popularity-common",
        "ease",
        "ease-common",
    ]
    assert "svae" in found["missing"] and "ease" not in found["missing"]
    json.dumps(found, allow_nan=False)


def test_finished_cells_are_not_computed_again(ml_1m: str) -> None:
    first = reproduce.run(models=["ease"])
    steps: list[CellProgress] = []
    again = reproduce.run(models=["ease", "popularity"], on_progress=steps.append)
    assert {step.cell for step in steps} == {"popularity", "popularity-common"}
    assert find_row(again, "ease", "ndcg@100") == find_row(first, "ease", "ndcg@100")


def test_a_stop_keeps_finished_cells(ml_1m: str) -> None:
    with pytest.raises(Interrupted, match="Run the same command again to resume"):
        reproduce.run(models=["popularity", "ease"], should_stop=lambda: True)
    found = reproduce_files.latest()
    assert found is not None and set(found["cells"]) == {"popularity"}
    assert reproduce_lock.running() is None


CELL_FIELDS = ("when", "seconds", "versions", "machine", "device", "provenance", "columns", "facts")


def cells_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found


def as_an_earlier_version_saved_them(*files: Path) -> None:
    """Take away what cells and documents of earlier versions do not have."""
    for path in files:
        found = json.loads(path.read_text(encoding="utf-8"))
        for cell in (found, *found.get("cells", {}).values()):
            for name in (
                "device",
                "provenance",
                *(() if cell is found and "cells" in found else ("versions", "machine")),
            ):
                cell.pop(name, None)
        path.write_text(json.dumps(found), encoding="utf-8")


def test_nothing_is_written_into_the_program_by_default(ml_1m: str, shipped: Path) -> None:
    path = shipped / "reproduce_metarec.json"
    path.write_text('{"delivered": "unchanged"}')
    found = reproduce.run(models=["popularity"])
    assert path.read_text() == '{"delivered": "unchanged"}' and list(shipped.iterdir()) == [path]
    assert json.loads((paths.data_dir() / "reproduce" / "metarec.json").read_text()) == found
    latest = reproduce_files.latest()
    assert latest is not None and latest["cells"] == found["cells"]


def test_every_cell_has_its_provenance(ml_1m: str) -> None:
    found = reproduce.run(models=["popularity"])
    for cell in found["cells"].values():
        assert (cell["versions"], cell["machine"]) == (devices.versions(), devices.machine_info())
        assert cell["device"] == devices.describe(devices.choose()) and cell["provenance"] == "recorded"
        assert cell["seconds"] >= 0 and cell["when"]
    assert (found["versions"], found["machine"]) == (devices.versions(), devices.machine_info())
    (source,) = found["provenance"]
    assert source["cells"] == ["popularity", "popularity-common"] and source["dates"] == [found["when"][:10]]


def test_the_device_of_a_cell_is_recorded_by_the_cell_or_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    context = CellContext(toy_dataset(), Path("nowhere"))
    monkeypatch.setattr(devices, "describe", lambda device: f"a name of {device.type}")
    assert reproduce._device_of(CellResult({}), replace(context, device="cpu")) == "a name of cpu"
    assert reproduce._device_of(CellResult({}, {"device": "cpu"}), context) == "cpu"


def test_cells_keep_their_provenance_when_a_later_run_has_other_versions(
    ml_1m: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "mine.json"
    first = reproduce.run(models=["popularity"], out=out)
    monkeypatch.setattr(devices, "versions", lambda: {"recdash": "9.0"})
    monkeypatch.setattr(devices, "machine_info", lambda: {"processor": "another", "cores": 64})
    second = reproduce.run(models=["ease"], out=out)
    for found in (second, json.loads(out.read_text()), reproduce_files.latest()):
        assert found is not None
        for name, cell in first["cells"].items():
            assert {key: found["cells"][name][key] for key in CELL_FIELDS} == {key: cell[key] for key in CELL_FIELDS}
        assert found["cells"]["ease"]["versions"] == {"recdash": "9.0"}
        assert found["versions"] is None and found["machine"] is None
        assert sorted(source["cells"] for source in found["provenance"]) == [
            ["ease", "ease-common"],
            ["popularity", "popularity-common"],
        ]
        assert found["when"] == max(cell["when"] for cell in found["cells"].values())


def test_cells_of_an_earlier_version_get_the_provenance_of_their_document(
    ml_1m: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = reproduce.run(models=["popularity"])
    home = paths.data_dir() / "reproduce"
    as_an_earlier_version_saved_them(home / "metarec.json", *home.glob("metarec-*/*.json"))
    monkeypatch.setattr(devices, "versions", lambda: {"recdash": "9.0"})
    for _ in range(2):  # once read from the old files, then from those that this version wrote
        found = reproduce.run(models=["ease"], out=tmp_path / "mine.json")
        cell = found["cells"]["popularity"]
        assert (cell["versions"], cell["provenance"]) == (then["versions"], "of the document")
        assert cell["device"] is None and cell["when"] == then["cells"]["popularity"]["when"]
    assert cells_of(tmp_path / "mine.json")["popularity"] == cell
    assert any("recorded for the whole document" in message for message in reproduce_files.provenance_lines(found))


def test_a_cell_without_any_provenance_stays_unknown(ml_1m: str) -> None:
    reproduce.run(models=["popularity"])
    home = paths.data_dir() / "reproduce"
    as_an_earlier_version_saved_them(*home.glob("metarec-*/*.json"))
    (home / "metarec.json").unlink()
    found = reproduce.run(models=["ease"])
    cell = found["cells"]["popularity"]
    assert (cell["versions"], cell["machine"], cell["device"], cell["provenance"]) == (None, None, None, "unknown")
    assert found["versions"] is None
    assert any("versions and machine unknown" in message for message in reproduce_files.provenance_lines(found))


def test_the_newest_of_each_cell_is_shown_from_the_data_folder_and_the_program(ml_1m: str, shipped: Path) -> None:
    whole = reproduce.run(models=["popularity", "ease"])
    path = shipped / "reproduce_metarec.json"
    for name, cell in whole["cells"].items():
        cell["when"] = "2026-01-01T00:00:00.000Z" if name.startswith("ease") else "2999-01-01T00:00:00.000Z"
        cell["device"] = "delivered"
    path.write_text(json.dumps(whole))
    for saved_here in (paths.data_dir() / "reproduce").glob("metarec*"):
        shutil.rmtree(saved_here) if saved_here.is_dir() else saved_here.unlink()
    latest = reproduce_files.latest()
    assert latest is not None and {cell["device"] for cell in latest["cells"].values()} == {"delivered"}
    reproduce.run(models=["popularity", "ease"])
    latest = reproduce_files.latest()
    assert latest is not None
    delivered = {name for name, cell in latest["cells"].items() if cell["device"] == "delivered"}
    assert delivered == {"popularity", "popularity-common"}
    path.write_text(json.dumps(whole | {"dataset_fingerprint": "of other data"}))
    latest = reproduce_files.latest()
    assert latest is not None and {cell["device"] for cell in latest["cells"].values()} == {"delivered"}


def test_an_output_file_of_the_same_table_and_data_keeps_its_cells(ml_1m: str, tmp_path: Path) -> None:
    out = tmp_path / "mine.json"
    reproduce.run(models=["popularity"], out=out)
    fuller = json.loads(out.read_text())
    fuller["cells"]["bias"] = fuller["cells"]["popularity"] | {"device": "elsewhere", "about": "of a colleague"}
    fuller["cells"]["popularity"] |= {"when": "2000-01-01T00:00:00.000Z", "device": "long ago"}
    out.write_text(json.dumps(fuller))
    reproduce.run(models=["ease"], out=out)
    cells = cells_of(out)
    assert {"ease", "bias", "popularity"} <= set(cells)
    assert cells["bias"] == fuller["cells"]["bias"] and cells["popularity"]["device"] != "long ago"


def test_a_document_in_the_data_folder_is_merged_unless_it_is_of_other_data(ml_1m: str) -> None:
    reproduce.run(models=["popularity"])
    path = paths.data_dir() / "reproduce" / "metarec.json"
    fuller = json.loads(path.read_text())
    fuller["cells"]["ease"] = fuller["cells"]["popularity"]
    path.write_text(json.dumps(fuller))
    reproduce.run(models=["bias"])
    assert {"ease", "bias", "popularity"} <= set(cells_of(path))
    path.write_text(json.dumps(fuller | {"dataset_fingerprint": "of other data"}))
    reproduce.run(models=["bias"])
    assert "ease" not in cells_of(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"table": "vae20m", "cells": {}}, "holds the table vae20m"),
        ({"dataset_fingerprint": "0ther", "dataset": "mine"}, "on other data (mine, fingerprint 0ther)"),
        ({"epochs_at_most": 3}, "with runs of at most 3 epochs"),
        ({"recipe": 0}, "computed by another version"),
        ({"table": "nothing"}, "holds no reproduced table"),
        (None, "holds no reproduced table"),
    ],
)
def test_an_output_file_with_other_content_is_left_unchanged(
    ml_1m: str, tmp_path: Path, changes: dict[str, Any] | None, message: str
) -> None:
    out = tmp_path / "mine.json"
    found = reproduce.run(models=["popularity"])
    out.write_text("my notes" if changes is None else json.dumps(found | changes))
    before, steps = out.read_bytes(), []
    with pytest.raises(UsageError) as caught:
        reproduce.run(models=["ease"], out=out, on_progress=steps.append)
    assert message in str(caught.value) and "not overwritten" in str(caught.value) and "\n" not in str(caught.value)
    assert out.read_bytes() == before and not steps, "refused before anything is computed"


def test_a_folder_as_output_file_is_refused(ml_1m: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not overwritten"):
        reproduce.run(models=["ease"], out=tmp_path)


def test_the_delivered_table_has_the_provenance_of_every_cell() -> None:
    path = paths.RESOURCES / "benchmarks" / "results" / "reproduce_metarec.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    for cell in found["cells"].values():
        assert set(cell) >= {"when", "seconds", "versions", "machine", "device", "provenance"}
    covered = [name for source in found["provenance"] for name in source["cells"]]
    assert sorted(covered) == sorted(found["cells"])
    latest = reproduce_files.latest()
    assert latest is not None and latest["cells"].keys() >= found["cells"].keys()


def test_a_rehearsal_is_marked_has_no_tolerance_and_never_replaces_the_real_table(ml_1m: str, shipped: Path) -> None:
    reproduce.run(models=["popularity"])
    found = reproduce.run(models=["ease"], dataset="toy")
    assert found["rehearsal"] and find_row(found, "ease", "ndcg@100")["within_tolerance"] is None
    latest = reproduce_files.latest()
    assert latest is not None and not latest["rehearsal"]
    short = reproduce.run(models=["multvae"], epochs=1)
    assert short["rehearsal"] and short["epochs_at_most"] == 1


def test_vae20m_is_rehearsed_on_the_largest_installed_movielens(ml_1m: str) -> None:
    found = reproduce.run("vae20m", models=["popularity", "multdae"], epochs=2)
    assert (found["dataset"], found["published_on"], found["rehearsal"]) == ("ml-1m", "ml-20m", True)
    row = find_row(found, "multdae", "recall_all@50")
    assert row["published"] == 0.4957 and row["as_published"] is not None and row["corrected"] is not None
    assert "validation users" in row["what_was_wrong"]


PROGRESS = CellProgress("svae", "SVAE as published", 3, 4, 7, 50)
HOLDER = """
import sys, time
from recdash.published.runner import CellProgress
from recdash.services import reproduce_lock

with reproduce_lock.exclusive("metarec") as write_progress:
    write_progress(CellProgress("svae", "SVAE as published", 3, 4, 7, 50))
    print("locked", flush=True)
    time.sleep(120)
"""


def test_a_second_process_is_refused_and_the_progress_of_the_first_can_be_read(ml_1m: str) -> None:
    with reproduce_lock.exclusive("metarec") as write_progress:
        write_progress(PROGRESS)
        now = reproduce_lock.running()
        assert now is not None and now.cells == (PROGRESS,)
        with pytest.raises(UsageError, match=r"another process \(SVAE as published\)") as caught:
            reproduce.run(models=["ease"])
        assert "\n" not in str(caught.value)
        with reproduce_lock.exclusive("vae20m"):
            pass
    assert reproduce_lock.running() is None
    assert reproduce.run(models=["popularity"])["rows"]


@pytest.mark.slow
def test_a_killed_process_frees_its_table_at_once(ml_1m: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "locked\n"
        now = reproduce_lock.running()
        assert now is not None and now.cells == (PROGRESS,)
        with pytest.raises(UsageError, match="another process"):
            reproduce.run(models=["popularity"])
    finally:
        process.kill()
        process.wait()
    assert reproduce_lock.progress_path("metarec").exists(), "a killed process leaves its progress file"
    assert reproduce_lock.running() is None
    assert reproduce.run(models=["popularity"])["rows"]


def test_the_progress_file_of_an_earlier_version_can_be_read(toy: str) -> None:
    path = reproduce_lock.progress_path("metarec")
    path.parent.mkdir(parents=True)
    me = ProcessId.mine()
    who = {"host": me.host, "pid": me.pid, "born": me.process_start}
    path.write_text(json.dumps({"steps": [asdict(PROGRESS)], "who": who, "since": 1.0, "time": 1.0}))
    now = reproduce_lock.running()
    assert now is not None and now.cells == (PROGRESS,)
    path.write_text(json.dumps({"steps": [], "who": who | {"pid": 2**22 - 3}, "since": 1.0, "time": 1.0}))
    assert reproduce_lock.running() is None


def test_a_folder_that_cannot_be_locked_is_reported_in_one_line(ml_1m: str) -> None:
    (paths.data_dir() / "reproduce").write_text("a file in place of the folder")
    with pytest.raises(DataError, match="cannot be locked") as caught:
        reproduce.run(models=["popularity"])
    assert "\n" not in str(caught.value)


GOLDEN = Path(__file__).parent.parent / "golden" / "version-0.2" / "reproduce"


def test_documents_and_cells_of_version_0_2_can_be_read(toy: str, shipped: Path) -> None:
    shutil.copytree(GOLDEN, paths.data_dir() / "reproduce")
    written = json.loads((GOLDEN / "metarec-rehearsal.json").read_text(encoding="utf-8"))
    found = reproduce_files.latest()
    assert found is not None and found.keys() >= written.keys()
    assert found["cells"] == written["cells"] and found["missing"] == written["missing"]
    for row, old in zip(found["rows"], written["rows"], strict=True):
        assert row.keys() >= old.keys()
        assert [row[name] for name in NUMBERS] == [old[name] for name in NUMBERS]
        assert bool(row["what_was_wrong"]) is bool(old["what_was_wrong"])


def test_cells_saved_by_version_0_2_are_not_computed_again(toy: str, shipped: Path) -> None:
    (folder,) = (path for path in GOLDEN.iterdir() if path.is_dir())
    shutil.copytree(GOLDEN, paths.data_dir() / "reproduce")
    store = CellStore(paths.data_dir() / "reproduce", table_definitions.METAREC, toy_dataset(), epochs=1)
    object.__setattr__(store.data, "fingerprint", folder.name.split("-")[1])
    assert store.folder.name == folder.name
    saved = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    assert store.load().cells == saved and len(saved) == 5


def test_facts_are_read_under_their_former_names() -> None:
    saved = {"columns": {}, "facts": {"honest_last": 1.2, "epochs": 3}, "seconds": 1.0, "when": "2026-11-20T10:00:00Z"}
    cell = parse_cell(saved)
    assert cell is not None and cell["facts"] == {"leak_free_last": 1.2, "epochs": 3}
    assert parse_cell(saved | {"facts": None}) is None and parse_cell([]) is None


def test_the_delivered_table_has_a_note_for_every_row() -> None:
    document = read_document(reproduce_files.delivered_path("metarec"))
    assert all(row["what_was_wrong"] for row in document.to_dict()["rows"])


def test_there_is_no_document_before_anything_is_computed(toy: str, shipped: Path) -> None:
    assert reproduce_files.latest() is None
    (shipped / "reproduce_metarec.json").write_text("{")
    assert reproduce_files.latest() is None


def test_ease_with_and_without_seen_equals_the_computed_cell(ml_1m: str) -> None:
    now = reproduce.ease_with_and_without_seen()
    row = find_row(reproduce.run(models=["ease"]), "ease", "ndcg@100")
    assert (now["as_published"], now["corrected"]) == (row["as_published"], row["corrected"])
    assert now["seconds"] > 0


@pytest.mark.parametrize("table", table_definitions.TABLES.values(), ids=lambda table: table.name)
def test_every_row_names_cells_that_exist_and_every_printed_number_is_found(
    table: table_schema.PublishedTable,
) -> None:
    cells = {cell.name for cell in table.cells}
    assert len(cells) == len(table.cells)
    for row in table.rows:
        for where in (row.as_published, row.corrected, row.common):
            assert where is None or where[0] in cells, row
        assert row.tolerance is None or table_schema.published_value(table, row) is not None, row
    assert {cell.model for cell in table.cells} == set(table.models())


def test_the_public_table_is_complete() -> None:
    rows = table_schema.build_rows(table_definitions.METAREC, {})
    printed = {row["model"] for row in rows if row["published"] is not None}
    assert printed == {"autorec", "deeprec", "cdae", "multvae", "svae", "ease"}
    assert {row["published"] for row in rows if row["model"] == "svae"} == {
        entry.value for entry in published_values(model="svae", metric="precision@100", as_published=True)
    } | {0.5850, 0.3807, 0.5022, 0.30585}
