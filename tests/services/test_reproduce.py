"""Reproducing a public table: cells, resuming, documents, and what is said where data is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from recdash import places
from recdash.errors import DataError, UsageError
from recdash.published import tables
from recdash.published.figures import figures
from recdash.published.running import Step
from recdash.published.work import Interrupted
from recdash.runs.identity import Identity
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
    replace(toy_dataset(), name="ml-1m").save(places.data_dir() / "sets" / "ml-1m")
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


def test_the_document_lies_where_the_page_and_the_checkout_look(ml_1m: str, shipped: Path, tmp_path: Path) -> None:
    reproduce.run(models=["popularity"])
    there = json.loads((shipped / "reproduce_metarec.json").read_text())
    assert kept(there, "popularity", "ndcg@100")["corrected"] is not None
    reproduce.run(models=["ease"], out=tmp_path / "mine.json")
    assert "ease" not in json.loads((shipped / "reproduce_metarec.json").read_text())["cells"]
    assert "ease" in json.loads((tmp_path / "mine.json").read_text())["cells"]
    looked = reproduce.look()
    assert looked is not None and {"ease", "popularity"} <= set(looked["cells"])


def test_a_fuller_result_on_the_same_data_is_added_to_and_not_lost(ml_1m: str, shipped: Path) -> None:
    reproduce.run(models=["popularity"])
    path = shipped / "reproduce_metarec.json"
    fuller = json.loads(path.read_text())
    fuller["cells"]["ease"] = fuller["cells"]["popularity"]
    path.write_text(json.dumps(fuller))
    reproduce.run(models=["bias"])
    assert {"ease", "bias", "popularity"} <= set(json.loads(path.read_text())["cells"])
    other = dict(fuller, dataset_fingerprint="of other data")
    path.write_text(json.dumps(other))
    reproduce.run(models=["bias"])
    assert "ease" not in json.loads(path.read_text())["cells"]


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
    document = {"steps": [asdict(step)], "who": asdict(Identity.mine()), "since": 1.0, "time": 1.0}
    path = places.data_dir() / "reproduce" / "metarec-progress.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(document))
    seen = reproduce.live()
    assert seen is not None and seen.steps == (step,)
    with pytest.raises(UsageError, match="another process"):
        reproduce.run(models=["ease"])
    path.write_text(json.dumps(document | {"who": {"host": Identity.mine().host, "pid": 2**22 - 3, "born": 1.0}}))
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


@pytest.mark.parametrize("table", tables.TABLES.values(), ids=lambda table: table.name)
def test_every_row_names_cells_that_exist_and_every_printed_number_is_found(table: tables.Table) -> None:
    cells = {cell.name for cell in table.cells}
    assert len(cells) == len(table.cells)
    for row in table.rows:
        for where in (row.as_published, row.corrected, row.common):
            assert where is None or where[0] in cells, row
        assert row.tolerance is None or tables._published(table, row) is not None, row
    assert {cell.model for cell in table.cells} == set(table.models())


def test_the_public_table_is_whole() -> None:
    rows = tables.rows_of(tables.METAREC, {})
    printed = {row["model"] for row in rows if row["published"] is not None}
    assert printed == {"autorec", "deeprec", "cdae", "multvae", "svae", "ease"}
    assert {row["published"] for row in rows if row["model"] == "svae"} == {
        figure.value for figure in figures(model="svae", metric="precision@100", as_published=True)
    } | {0.5850, 0.3807, 0.5022, 0.30585}
