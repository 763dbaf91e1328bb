"""The Published page in all its states: empty, partial, running, complete, without data."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from recdash import paths
from recdash.errors import DataError
from recdash.published import table_definitions
from recdash.published.runner import CellProgress
from recdash.published.table_document import TableDocument
from recdash.runs.process_id import ProcessId
from recdash.services import reproduce, reproduce_files
from recdash.ui import background_jobs
from recdash.ui.charts import dumbbell
from tests.pages.conftest import Open, page_text
from tests.toy_data import toy_dataset

CELL = {"columns": {}, "facts": {}, "seconds": 1.0, "when": "2026-11-20T10:00:00Z", "about": "a cell"}


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No result came with the program."""
    path = tmp_path / "shipped.json"
    monkeypatch.setattr(reproduce_files, "delivered_path", lambda table: path)
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
    names = ("seen_places", "best_epoch", "epochs", "shown_epoch", "chosen_epoch", "leak_free_last", "pooled_last")
    facts = dict.fromkeys(names, 7.0) | {f"masked_{metric}": 0.41 for metric in metrics}
    cells = {cell.name: CELL | {"columns": columns, "facts": facts} for cell in table.cells}
    found = TableDocument(table, "ml-1m", toy_dataset().fingerprint, cells=cells).to_dict()
    return found | changes


def test_an_empty_page_shows_the_published_numbers_and_the_command(open_page: Open) -> None:
    tab = open_page("published")
    assert not tab.exception, tab.exception
    assert "Nothing has been computed yet" in page_text(tab)
    assert [code.value for code in tab.code] == ["recdash reproduce"]
    assert len(tab.get("vega_lite_chart")) == 2
    assert "ml\\-1m is not downloaded" in page_text(tab)
    assert "0.2561" in page_text(tab)


def test_with_data_the_headline_is_computed_behind_the_page_and_kept(
    open_page: Open, ml_1m: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()
    solve = reproduce.ease_with_and_without_seen

    def slow() -> dict[str, float]:
        assert may_end.wait(60)
        return solve()

    monkeypatch.setattr(reproduce, "ease_with_and_without_seen", slow)
    tab = open_page("published")
    assert "Solving EASE on MovieLens-1M" in page_text(tab)  # the page does not wait for it
    may_end.set()
    while background_jobs.any_running():
        time.sleep(0.01)
    tab.run()
    now = solve()
    expected = f"from {now['as_published']:.2f} to {now['corrected']:.2f}".replace(" 0.", " .")
    assert "Removing seen movies changes NDCG@100 of EASE on this split " + expected in page_text(tab)
    assert "computed here in" in page_text(tab)
    may_end.clear()  # a computation would not end
    assert expected in page_text(open_page("published"))
    assert not background_jobs.jobs()


def test_with_data_the_delivered_figures_are_shown_until_those_computed_here_are_there(
    open_page: Open, ml_1m: None, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> dict[str, float]:
        raise DataError("ml-1m is damaged. Download it again.")

    monkeypatch.setattr(reproduce, "ease_with_and_without_seen", fails)
    shipped.write_text(json.dumps(complete()))
    tab = open_page("published")
    while background_jobs.any_running():
        time.sleep(0.01)
    assert "from .40 to .40" in page_text(tab) and "measured on 20 November 2026" in page_text(tab)
    tab.run()
    assert "ml\\-1m is damaged" in page_text(tab) and "from .40 to .40" in page_text(tab)


def test_without_data_the_headline_is_the_saved_result_with_its_date(open_page: Open, shipped: Path) -> None:
    shipped.write_text(json.dumps(complete()))
    tab = open_page("published")
    assert not tab.exception
    assert "from .40 to .40" in page_text(tab) and "measured on 20 November 2026" in page_text(tab)
    assert "Nothing has been computed yet" not in page_text(tab)


def test_a_complete_result_explains_every_model_with_numbers_and_links(open_page: Open, shipped: Path) -> None:
    shipped.write_text(json.dumps(complete()))
    tab = open_page("published")
    labels = [expander.label.replace("\\", "") for expander in tab.expander]
    for title in ("EASE", "Mult-VAE", "CDAE", "SVAE", "AutoRec", "DeepRec"):
        assert any(title in label and "→" in label for label in labels), labels
    text = page_text(tab).replace("\\", "")
    assert "the model had already seen the answers" in text
    assert "The test ratings themselves were the input: the same weights give RMSE 0.400" in text
    assert (
        "https://github.com/khanhnamle1994/MetaRec/blob/b5e36cb/Autoencoders-Experiments/ESAE-PyTorch/ESAE.py#L98"
        in text
    )
    table = next(frame.value for frame in tab.dataframe if "Corrected" in frame.value.columns)
    assert len(table) == len(table_definitions.METAREC.rows)


def test_the_page_shows_the_provenance_of_every_cell(open_page: Open, shipped: Path) -> None:
    found = complete()
    known = {"versions": {"recdash": "0.9"}, "machine": {"processor": "Some CPU", "cores": 2}, "device": "cpu"}
    for name, cell in found["cells"].items():
        found["cells"][name] = cell | known | {"provenance": "recorded"}
    found["cells"]["ease"] |= {"versions": {"recdash": "1.0"}, "when": "2026-11-25T10:00:00Z"}
    shipped.write_text(json.dumps(found))
    text = page_text(open_page("published")).replace("\\", "")
    assert "ease: 2026-11-25; recdash 1.0; Some CPU, 2 cores, cpu" in text
    assert ": 2026-11-20; recdash 0.9; Some CPU, 2 cores, cpu" in text
    assert "measured on 25 November 2026" in text


def test_a_published_number_that_was_not_reproduced_is_reported_with_both_numbers(
    open_page: Open, shipped: Path
) -> None:
    shipped.write_text(json.dumps(complete()))
    assert (
        "recomputed as published it is 0.4000, which differs from the published 0.2561 by more than 0.006"
        in page_text(open_page("published"))
    )


def test_a_partial_result_lists_what_is_missing(open_page: Open, ml_1m: None) -> None:
    reproduce.run(models=["ease", "popularity"])
    tab = open_page("published")
    assert not tab.exception
    assert "Not computed yet: Bias, Mult\\-VAE, CDAE" in page_text(tab)
    assert [code.value for code in tab.code] == ["recdash reproduce"]


def test_a_running_reproduction_is_shown_with_its_epoch(open_page: Open, ml_1m: None) -> None:
    step = CellProgress("svae", "SVAE as published", 3, 4, 7, 50)
    path = paths.data_dir() / "reproduce" / "metarec-progress.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"steps": [asdict(step)], "who": asdict(ProcessId.mine()), "since": 1.0, "time": 1.0}))
    tab = open_page("published")
    assert not tab.exception
    shown = [bar.proto.text for bar in tab.get("progress")]
    assert shown == ["Computing SVAE as published, epoch 7 of at most 50 (3 of 4)"]
    assert "Nothing has been computed yet" not in page_text(tab)


def test_a_rehearsal_is_marked(open_page: Open, ml_1m: None) -> None:
    reproduce.run("vae20m", models=["popularity"])
    tab = open_page("published", table="vae20m")
    assert not tab.exception
    assert "Trial run on ml\\-1m" in page_text(tab)


def test_the_metric_of_the_chart_is_in_the_url(open_page: Open, shipped: Path) -> None:
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
    assert "javascript" not in page_text(tab)
    assert "<img" not in page_text(tab).replace("\\<img", "") and "**bold**" not in page_text(tab)


def test_a_damaged_result_counts_as_none(open_page: Open, shipped: Path) -> None:
    shipped.write_text('{"rows": [{"model"')
    tab = open_page("published")
    assert not tab.exception and "Nothing has been computed yet" in page_text(tab)


def test_the_chart_has_a_line_for_each_row_and_a_mark_for_each_number() -> None:
    rows = complete()["rows"][:3]
    rows[0]["common"] = None
    spec = dumbbell.draw(rows, title="RMSE").to_dict()
    data = list(spec["datasets"].values())
    points = next(d for d in data if "stage" in d[0])
    assert len(points) == sum(row[stage] is not None for row in rows for stage in dumbbell.STAGES)
    assert dumbbell.alt_text(rows[0]).startswith(f"{rows[0]['title']}: published 0.9100, as published")
    dumbbell.draw(
        [dict(row, published=None, as_published=None, corrected=None, common=None) for row in rows], title="x"
    ).to_dict()
