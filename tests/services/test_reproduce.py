"""Reproducing a public table: cells, resuming, documents, and what is said where data is missing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from recdash import devices, paths
from recdash.errors import DataError, UsageError
from recdash.published import table_definitions
from recdash.published.context import Found, Interrupted, Work
from recdash.published.figures import figures
from recdash.published.runner import Step
from recdash.runs.process_id import ProcessId
from recdash.services import reproduce
from tests.toy import toy_dataset

KEYS = {"model", "metric", "published", "as_published", "corrected", "common", "what_was_wrong"}


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for results that is not the checkout's."""
    folder = tmp_path / "project" / "benchmarks" / "results"
    folder.mkdir(parents=True)
    monkeypatch.setattr(reproduce, "_shipped", lambda table: folder / f"reproduce_{table}.json")
    yield folder


@pytest.fixture
def ml_1m(toy: str, shipped: Path) -> str:
    """The toy data under the name of the table's data set."""
    replace(toy_dataset(), name="ml-1m").save(paths.data_dir() / "sets" / "ml-1m")
    return "toy"


def kept(found: dict[str, Any], model: str, metric: str) -> dict[str, Any]:
    return next(row for row in found["rows"] if (row["model"], row["metric"]) == (model, metric))


def test_where_the_data_is_missing_one_line_says_how_to_get_it(toy: str, shipped: Path) -> None:
    with pytest.raises(DataError, match="recdash data get ml-1m") as caught:
        reproduce.run()
    assert "\n" not in str(caught.value)
    assert not reproduce.has_data()


@pytest.mark.parametrize("words", [{"table": "metarek"}, {"models": ["esae"]}])
def test_unknown_names_are_errors_that_list_the_known_ones(ml_1m: str, words: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="Known: "):
        reproduce.run(**words)


def test_a_read_only_installation_reproduces_nothing(ml_1m: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECDASH_READ_ONLY", "1")
    with pytest.raises(UsageError, match="RECDASH_READ_ONLY"):
        reproduce.run(models=["ease"])


def test_rows_have_every_column_and_say_what_was_wrong_by_how_much(ml_1m: str) -> None:
    steps: list[Step] = []
    found = reproduce.run(models=["ease", "popularity"], on_step=steps.append)
    row = kept(found, "ease", "ndcg@100")
    assert set(row) >= KEYS
    assert row["published"] == 0.2561
    assert None not in (row["as_published"], row["corrected"], row["common"])
    assert f"{row['as_published']:.4f}" in row["what_was_wrong"] and f"{row['corrected']:.4f}" in row["what_was_wrong"]
    assert row["within_tolerance"] is (abs(row["as_published"] - 0.2561) <= 0.006)
    missing = kept(found, "cdae", "ndcg@100")
    assert missing["as_published"] is None and missing["what_was_wrong"] == ""
    assert [step.cell for step in steps if step.epoch == 0 and not step.over] == [
        "popularity",
        "popularity-common",
        "ease",
        "ease-common",
    ]
    assert "svae" in found["missing"] and "ease" not in found["missing"]
    json.dumps(found, allow_nan=False)


def test_what_is_done_is_not_done_again(ml_1m: str) -> None:
    first = reproduce.run(models=["ease"])
    steps: list[Step] = []
    again = reproduce.run(models=["ease", "popularity"], on_step=steps.append)
    assert {step.cell for step in steps} == {"popularity", "popularity-common"}
    assert kept(again, "ease", "ndcg@100") == kept(first, "ease", "ndcg@100")


def test_a_stop_keeps_the_cells_that_are_done(ml_1m: str) -> None:
    with pytest.raises(Interrupted, match="goes on from here"):
        reproduce.run(models=["popularity", "ease"], should_stop=lambda: True)
    found = reproduce.look()
    assert found is not None and set(found["cells"]) == {"popularity"}
    assert reproduce.live() is None


KEPT_WITH_A_CELL = ("when", "seconds", "versions", "machine", "device", "provenance", "columns", "facts")


def cells_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found


def as_an_earlier_version_kept_them(*files: Path) -> None:
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
    path.write_text('{"delivered": "as it is"}')
    found = reproduce.run(models=["popularity"])
    assert path.read_text() == '{"delivered": "as it is"}' and list(shipped.iterdir()) == [path]
    assert json.loads((paths.data_dir() / "reproduce" / "metarec.json").read_text()) == found
    looked = reproduce.look()
    assert looked is not None and looked["cells"] == found["cells"]


def test_every_cell_says_where_when_and_with_what_it_was_computed(ml_1m: str) -> None:
    found = reproduce.run(models=["popularity"])
    for cell in found["cells"].values():
        assert (cell["versions"], cell["machine"]) == (devices.versions(), devices.machine())
        assert cell["device"] == devices.describe(devices.choose()) and cell["provenance"] == "recorded"
        assert cell["seconds"] >= 0 and cell["when"]
    assert (found["versions"], found["machine"]) == (devices.versions(), devices.machine())
    (source,) = found["provenance"]
    assert source["cells"] == ["popularity", "popularity-common"] and source["dates"] == [found["when"][:10]]


def test_the_device_of_a_cell_is_its_own_or_that_of_the_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(toy_dataset(), Path("nowhere"))
    monkeypatch.setattr(devices, "describe", lambda device: f"a name of {device.type}")
    assert reproduce._device(Found({}), replace(work, device="cpu")) == "a name of cpu"
    assert reproduce._device(Found({}, {"device": "cpu"}), work) == "cpu"


def test_cells_keep_their_provenance_when_a_later_run_has_other_versions(
    ml_1m: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "mine.json"
    first = reproduce.run(models=["popularity"], out=out)
    monkeypatch.setattr(devices, "versions", lambda: {"recdash": "9.0"})
    monkeypatch.setattr(devices, "machine", lambda: {"processor": "another", "cores": 64})
    second = reproduce.run(models=["ease"], out=out)
    for found in (second, json.loads(out.read_text()), reproduce.look()):
        assert found is not None
        for name, cell in first["cells"].items():
            assert {key: found["cells"][name][key] for key in KEPT_WITH_A_CELL} == {
                key: cell[key] for key in KEPT_WITH_A_CELL
            }
        assert found["cells"]["ease"]["versions"] == {"recdash": "9.0"}
        assert found["versions"] is None and found["machine"] is None
        assert sorted(source["cells"] for source in found["provenance"]) == [
            ["ease", "ease-common"],
            ["popularity", "popularity-common"],
        ]
        assert found["when"] == max(cell["when"] for cell in found["cells"].values())


def test_cells_of_an_earlier_version_get_the_provenance_of_their_document_and_never_that_of_today(
    ml_1m: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = reproduce.run(models=["popularity"])
    home = paths.data_dir() / "reproduce"
    as_an_earlier_version_kept_them(home / "metarec.json", *home.glob("metarec-*/*.json"))
    monkeypatch.setattr(devices, "versions", lambda: {"recdash": "9.0"})
    for _ in range(2):  # once read from the old files, then from those that this version wrote
        found = reproduce.run(models=["ease"], out=tmp_path / "mine.json")
        cell = found["cells"]["popularity"]
        assert (cell["versions"], cell["provenance"]) == (then["versions"], "of the document")
        assert cell["device"] is None and cell["when"] == then["cells"]["popularity"]["when"]
    assert cells_of(tmp_path / "mine.json")["popularity"] == cell
    assert any("recorded for the document as a whole" in said for said in reproduce.sources_in_words(found))


def test_a_cell_of_which_nothing_is_known_stays_unknown(ml_1m: str) -> None:
    reproduce.run(models=["popularity"])
    home = paths.data_dir() / "reproduce"
    as_an_earlier_version_kept_them(*home.glob("metarec-*/*.json"))
    (home / "metarec.json").unlink()
    found = reproduce.run(models=["ease"])
    cell = found["cells"]["popularity"]
    assert (cell["versions"], cell["machine"], cell["device"], cell["provenance"]) == (None, None, None, "unknown")
    assert found["versions"] is None
    assert any("versions and machine unknown" in said for said in reproduce.sources_in_words(found))


def test_of_each_cell_the_newest_is_shown_and_the_rest_is_what_came_with_the_program(ml_1m: str, shipped: Path) -> None:
    whole = reproduce.run(models=["popularity", "ease"])
    path = shipped / "reproduce_metarec.json"
    for name, cell in whole["cells"].items():
        cell["when"] = "2026-01-01T00:00:00.000Z" if name.startswith("ease") else "2999-01-01T00:00:00.000Z"
        cell["device"] = "delivered"
    path.write_text(json.dumps(whole))
    for kept_here in (paths.data_dir() / "reproduce").glob("metarec*"):
        shutil.rmtree(kept_here) if kept_here.is_dir() else kept_here.unlink()
    looked = reproduce.look()
    assert looked is not None and {cell["device"] for cell in looked["cells"].values()} == {"delivered"}
    reproduce.run(models=["popularity", "ease"])
    looked = reproduce.look()
    assert looked is not None
    delivered = {name for name, cell in looked["cells"].items() if cell["device"] == "delivered"}
    assert delivered == {"popularity", "popularity-common"}
    path.write_text(json.dumps(whole | {"dataset_fingerprint": "of other data"}))
    looked = reproduce.look()
    assert looked is not None and {cell["device"] for cell in looked["cells"].values()} == {"delivered"}


def test_a_named_file_of_the_same_table_and_data_keeps_its_cells(ml_1m: str, tmp_path: Path) -> None:
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


def test_what_an_earlier_run_left_in_the_data_folder_is_added_to_unless_it_is_of_other_data(ml_1m: str) -> None:
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
    ("changes", "said"),
    [
        ({"table": "vae20m", "cells": {}}, "holds the table vae20m"),
        ({"dataset_fingerprint": "0ther", "dataset": "mine"}, "on other data (mine, fingerprint 0ther)"),
        ({"epochs_at_most": 3}, "with trainings of at most 3 epochs"),
        ({"recipe": 0}, "computed by another version"),
        ({"table": "nothing"}, "holds no reproduced table"),
        (None, "holds no reproduced table"),
    ],
)
def test_a_named_file_that_holds_anything_else_is_left_alone(
    ml_1m: str, tmp_path: Path, changes: dict[str, Any] | None, said: str
) -> None:
    out = tmp_path / "mine.json"
    found = reproduce.run(models=["popularity"])
    out.write_text("my notes" if changes is None else json.dumps(found | changes))
    before, steps = out.read_bytes(), []
    with pytest.raises(UsageError) as caught:
        reproduce.run(models=["ease"], out=out, on_step=steps.append)
    assert said in str(caught.value) and "not overwritten" in str(caught.value) and "\n" not in str(caught.value)
    assert out.read_bytes() == before and not steps, "refused before anything is computed"


def test_a_folder_is_no_file_to_write_to(ml_1m: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not overwritten"):
        reproduce.run(models=["ease"], out=tmp_path)


def test_the_delivered_table_has_the_provenance_of_every_cell() -> None:
    path = paths.PROJECT / "benchmarks" / "results" / "reproduce_metarec.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    for cell in found["cells"].values():
        assert set(cell) >= {"when", "seconds", "versions", "machine", "device", "provenance"}
    covered = [name for source in found["provenance"] for name in source["cells"]]
    assert sorted(covered) == sorted(found["cells"])
    looked = reproduce.look()
    assert looked is not None and looked["cells"].keys() >= found["cells"].keys()


def test_a_rehearsal_is_marked_held_against_nothing_and_never_takes_the_place_of_the_real_one(
    ml_1m: str, shipped: Path
) -> None:
    reproduce.run(models=["popularity"])
    found = reproduce.run(models=["ease"], dataset="toy")
    assert found["rehearsal"] and kept(found, "ease", "ndcg@100")["within_tolerance"] is None
    looked = reproduce.look()
    assert looked is not None and not looked["rehearsal"]
    short = reproduce.run(models=["multvae"], epochs=1)
    assert short["rehearsal"] and short["epochs_at_most"] == 1


def test_the_large_table_is_rehearsed_on_the_largest_movielens_that_is_here(ml_1m: str) -> None:
    found = reproduce.run("vae20m", models=["popularity", "multdae"], epochs=2)
    assert (found["dataset"], found["published_on"], found["rehearsal"]) == ("ml-1m", "ml-20m", True)
    row = kept(found, "multdae", "recall_all@50")
    assert row["published"] == 0.4957 and row["as_published"] is not None and row["corrected"] is not None
    assert "validation users" in row["what_was_wrong"]


def test_only_one_process_works_on_a_table_and_it_can_be_seen(ml_1m: str) -> None:
    step = Step("svae", "SVAE as published", 3, 4, 7, 50)
    document = {"steps": [asdict(step)], "who": asdict(ProcessId.mine()), "since": 1.0, "time": 1.0}
    path = paths.data_dir() / "reproduce" / "metarec-progress.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(document))
    seen = reproduce.live()
    assert seen is not None and seen.steps == (step,)
    with pytest.raises(UsageError, match="another process"):
        reproduce.run(models=["ease"])
    path.write_text(json.dumps(document | {"who": {"host": ProcessId.mine().host, "pid": 2**22 - 3, "born": 1.0}}))
    assert reproduce.live() is None
    assert reproduce.run(models=["popularity"])["rows"]


def test_nothing_is_shown_before_anything_is_there(toy: str, shipped: Path) -> None:
    assert reproduce.look() is None
    (shipped / "reproduce_metarec.json").write_text("{")
    assert reproduce.look() is None


def test_the_page_has_ease_computed_then_and_there(ml_1m: str) -> None:
    now = reproduce.ease_now()
    row = kept(reproduce.run(models=["ease"]), "ease", "ndcg@100")
    assert (now["as_published"], now["corrected"]) == (row["as_published"], row["corrected"])
    assert now["seconds"] > 0


@pytest.mark.parametrize("table", table_definitions.TABLES.values(), ids=lambda table: table.name)
def test_every_row_names_cells_that_exist_and_every_printed_number_is_found(
    table: table_definitions.PublicTable,
) -> None:
    cells = {cell.name for cell in table.cells}
    assert len(cells) == len(table.cells)
    for row in table.rows:
        for where in (row.as_published, row.corrected, row.common):
            assert where is None or where[0] in cells, row
        assert row.tolerance is None or table_definitions._published(table, row) is not None, row
    assert {cell.model for cell in table.cells} == set(table.models())


def test_the_public_table_is_whole() -> None:
    rows = table_definitions.rows_of(table_definitions.METAREC, {})
    printed = {row["model"] for row in rows if row["published"] is not None}
    assert printed == {"autorec", "deeprec", "cdae", "multvae", "svae", "ease"}
    assert {row["published"] for row in rows if row["model"] == "svae"} == {
        figure.value for figure in figures(model="svae", metric="precision@100", as_published=True)
    } | {0.5850, 0.3807, 0.5022, 0.30585}
