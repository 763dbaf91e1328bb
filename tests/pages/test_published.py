"""The Published page in all its states: nothing yet, partial, going on, complete, data missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from recdash import paths
from recdash.published import table_definitions
from recdash.published.runner import Step
from recdash.published.table_document import Document
from recdash.runs.process_id import ProcessId
from recdash.services import reproduce
from recdash.ui.charts import dumbbell
from tests.pages.conftest import Open, said
from tests.toy import toy_dataset

CELL = {"columns": {}, "facts": {}, "seconds": 1.0, "when": "2026-11-20T10:00:00Z", "about": "a cell"}


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No result came with the program."""
    path = tmp_path / "shipped.json"
    monkeypatch.setattr(reproduce, "_shipped", lambda table: path)
    yield path


@pytest.fixture
def ml_1m(toy: str) -> None:
    """The toy data under the name of the table's data set."""
    replace(toy_dataset(), name="ml-1m").save(paths.data_dir() / "sets" / "ml-1m")


def complete(**changes: Any) -> dict[str, Any]:
    """A document with a number in every cell."""
    table = table_definitions.METAREC
    metrics = {metric: 0.4 for row in table.rows for metric in [row.metric]}
    columns = {
        c: dict(metrics)
        for row in table.rows
        for w in (row.as_published, row.corrected, row.common)
        if w
        for c in [w[1]]
    }
    columns["test_then"] = dict(metrics)
    names = ("seen_places", "best_epoch", "epochs", "shown_epoch", "chosen_epoch", "honest_last", "pooled_last")
    facts = dict.fromkeys(names, 7.0) | {f"masked_{metric}": 0.41 for metric in metrics}
    cells = {cell.name: CELL | {"columns": columns, "facts": facts} for cell in table.cells}
    found = Document(table, "ml-1m", toy_dataset().fingerprint, cells=cells).to_dict()
    return found | changes


def test_before_anything_is_computed_the_printed_numbers_stand_there_with_the_command(open_page: Open) -> None:
    tab = open_page("published")
    assert not tab.exception, tab.exception
    assert "Nothing has been computed yet" in said(tab)
    assert [code.value for code in tab.code] == ["recdash reproduce"]
    assert len(tab.get("vega_lite_chart")) == 2
    assert "ml\\-1m is not here" in said(tab)
    assert "0.2561" in said(tab)


def test_with_the_data_there_the_sentence_has_numbers_of_this_very_moment(open_page: Open, ml_1m: None) -> None:
    tab = open_page("published")
    now = reproduce.ease_now()
    expected = f"from {now['as_published']:.2f} to {now['corrected']:.2f}".replace(" 0.", " .")
    assert "With seen movies removed, NDCG@100 of EASE on that split goes " + expected in said(tab)
    assert "computed here in" in said(tab)


def test_without_the_data_it_is_the_kept_result_with_its_date(open_page: Open, shipped: Path) -> None:
    shipped.write_text(json.dumps(complete()))
    tab = open_page("published")
    assert not tab.exception
    assert "goes from .40 to .40" in said(tab) and "measured on 20 November 2026" in said(tab)
    assert "Nothing has been computed yet" not in said(tab)


def test_a_complete_result_explains_every_model_in_words_numbers_and_sources(open_page: Open, shipped: Path) -> None:
    shipped.write_text(json.dumps(complete()))
    tab = open_page("published")
    labels = [expander.label.replace("\\", "") for expander in tab.expander]
    for title in ("EASE", "Mult-VAE", "CDAE", "SVAE", "AutoRec", "DeepRec"):
        assert any(title in label and "→" in label for label in labels), labels
    text = said(tab).replace("\\", "")
    assert "exam on the homework" in text
    assert "The test ratings themselves were the input: the same weights give RMSE 0.400" in text
    assert (
        "https://github.com/khanhnamle1994/MetaRec/blob/b5e36cb/Autoencoders-Experiments/ESAE-PyTorch/ESAE.py#L98"
        in text
    )
    table = next(frame.value for frame in tab.dataframe if "Corrected" in frame.value.columns)
    assert len(table) == len(table_definitions.METAREC.rows)


def test_the_page_says_where_the_figures_come_from_cell_by_cell(open_page: Open, shipped: Path) -> None:
    found = complete()
    known = {"versions": {"recdash": "0.9"}, "machine": {"processor": "Some CPU", "cores": 2}, "device": "cpu"}
    for name, cell in found["cells"].items():
        found["cells"][name] = cell | known | {"provenance": "recorded"}
    found["cells"]["ease"] |= {"versions": {"recdash": "1.0"}, "when": "2026-11-25T10:00:00Z"}
    shipped.write_text(json.dumps(found))
    text = said(open_page("published")).replace("\\", "")
    assert "ease: 2026-11-25; recdash 1.0; Some CPU, 2 cores, cpu" in text
    assert ": 2026-11-20; recdash 0.9; Some CPU, 2 cores, cpu" in text
    assert "measured on 25 November 2026" in text


def test_a_printed_number_that_was_not_met_is_said_with_both_numbers(open_page: Open, shipped: Path) -> None:
    shipped.write_text(json.dumps(complete()))
    assert "computed as published it is 0.4000, and the printed 0.2561 is further off than 0.006" in said(
        open_page("published")
    )


def test_a_partial_result_says_what_is_missing_and_draws_the_rest(open_page: Open, ml_1m: None) -> None:
    reproduce.run(models=["ease", "popularity"])
    tab = open_page("published")
    assert not tab.exception
    assert "Not computed yet: Bias, Mult\\-VAE, CDAE" in said(tab)
    assert [code.value for code in tab.code] == ["recdash reproduce"]


def test_what_is_going_on_is_shown_with_its_epoch(open_page: Open, ml_1m: None) -> None:
    step = Step("svae", "SVAE as published", 3, 4, 7, 50)
    path = paths.data_dir() / "reproduce" / "metarec-progress.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"steps": [asdict(step)], "who": asdict(ProcessId.mine()), "since": 1.0, "time": 1.0}))
    tab = open_page("published")
    assert not tab.exception
    shown = [bar.proto.text for bar in tab.get("progress")]
    assert shown == ["Being computed: SVAE as published, epoch 7 of at most 50 (3 of 4)"]
    assert "Nothing has been computed yet" not in said(tab)


def test_a_rehearsal_is_called_one(open_page: Open, ml_1m: None) -> None:
    reproduce.run("vae20m", models=["popularity"])
    tab = open_page("published", table="vae20m")
    assert not tab.exception
    assert "A rehearsal on ml\\-1m" in said(tab)


def test_the_metric_of_the_picture_lives_in_the_address(open_page: Open, shipped: Path) -> None:
    shipped.write_text(json.dumps(complete()))
    tab = open_page("published", metric="recall@100")
    assert tab.segmented_control(key="url.metric").value == "recall@100"
    tab.segmented_control(key="url.metric").select("precision@100").run()
    assert tab.query_params["metric"] == "precision@100"


def test_a_title_or_a_name_from_a_file_is_shown_and_not_run(open_page: Open, shipped: Path) -> None:
    evil = "<img src=x onerror=alert(1)> **bold**"
    found = complete(title=evil, url="javascript:alert(1)", dataset=evil, rehearsal=True)
    for row in found["rows"]:
        row["title"] = row["what_was_wrong"] = evil
    shipped.write_text(json.dumps(found))
    tab = open_page("published")
    assert not tab.exception
    assert "javascript" not in said(tab)
    assert "<img" not in said(tab).replace("\\<img", "") and "**bold**" not in said(tab)


def test_a_damaged_result_counts_as_none(open_page: Open, shipped: Path) -> None:
    shipped.write_text('{"rows": [{"model"')
    tab = open_page("published")
    assert not tab.exception and "Nothing has been computed yet" in said(tab)


def test_the_picture_has_a_line_for_each_row_and_a_mark_for_each_number() -> None:
    rows = complete()["rows"][:3]
    rows[0]["common"] = None
    spec = dumbbell.draw(rows, title="RMSE").to_dict()
    data = list(spec["datasets"].values())
    points = next(d for d in data if "stage" in d[0])
    assert len(points) == sum(row[stage] is not None for row in rows for stage in dumbbell.STAGES)
    assert dumbbell.said(rows[0]).startswith(f"{rows[0]['title']}: published 0.9100, as published")
    dumbbell.draw(
        [dict(row, published=None, as_published=None, corrected=None, common=None) for row in rows], title="x"
    ).to_dict()
