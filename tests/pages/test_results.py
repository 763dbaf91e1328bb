"""The Results page: significance, charts, means over seeds, published figures, report."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from recdash.published import figures
from recdash.reporting.formatting import escape
from recdash.runs.run_folder import RunFolder
from recdash.services import compare, results
from recdash.ui import results_page as page
from recdash.ui.charts import result_charts
from tests.pages.conftest import (
    Open,
    Runs,
    page_text,
    table_with,
)


def keyed(tab: AppTest, beginning: str) -> Any:
    """The first table whose key begins so."""
    return next(frame for frame in tab.dataframe if (frame.key or "").startswith(beginning))


def opened(open_page: Open, view: str, **address: Any) -> AppTest:
    """The page with another tab of pictures open in every group."""
    tab = open_page("results", **address)
    for group in results.groups():
        tab.session_state[f"views.{page._group_key(group)}"] = view
    return tab.run()


@pytest.fixture
def trained(here: list[str]) -> list[str]:
    compare.start(compare.requests("toy", ["popularity", "ease"]))
    return here


def test_the_page_says_who_is_best_and_marks_the_rest(open_page: Open, trained: list[str]) -> None:
    tab = open_page("results")
    assert not tab.exception and not tab.error, page_text(tab)
    assert "**EASE** is best by NDCG@100" in page_text(tab)
    assert "With only 30 test users" in page_text(tab)
    table = keyed(tab, "table.")
    shown = table.proto.arrow_data.styler.display_values
    assert b"best" in shown and "−0.".encode() in shown
    assert "paired bootstrap" in json.loads(table.proto.columns)["Difference from best"]["help"]


def test_overview_names_the_runs_not_different_from_the_best(open_page: Open, trained: list[str]) -> None:
    assert "Not significantly different from the best" not in page_text(open_page("overview"))
    compare.start(compare.requests("toy", ["ease"], settings={"l2": 300.0}))
    ease = [row.run.id for row in results.groups()[0].rows if row.run.model == "ease"]
    values = RunFolder(ease[1]).read_per_user()
    values["ndcg@100"][:2] += np.float32([0.02, -0.021])  # another model, as good but for chance
    RunFolder(ease[1]).write_per_user({k: v for k, v in values.items() if k != "top"}, values["top"])
    assert "Not significantly different from the best: EASE" in page_text(open_page("overview"))


def test_recall_names_its_divisor_on_the_page(open_page: Open, trained: list[str]) -> None:
    tab = open_page("results", metric=["recall@20", "recall_all@20"])
    columns = json.loads(keyed(tab, "table.").proto.columns)
    assert columns["recall@20"]["label"] == "Recall@20 (min)" and columns["recall_all@20"]["label"] == "Recall@20 (all)"


@pytest.mark.parametrize("view", result_charts.TABS)
def test_every_view_is_drawn_for_ranking_and_for_ratings(open_page: Open, trained: list[str], view: str) -> None:
    compare.start(compare.requests("toy", ["bias"], protocol="ratings-90"))
    tab = opened(open_page, view)
    assert not tab.exception and not tab.error, page_text(tab)
    wanted = {
        result_charts.TABS[0]: ("Quality with intervals", "Quality against cost"),
        result_charts.TABS[1]: ("Quality by user activity", "Quality by item popularity"),
        result_charts.TABS[2]: ("Quality against coverage and novelty",),
    }
    assert all(words in page_text(tab) for words in wanted[view])
    assert "did not record" not in page_text(tab)


def test_every_cost_can_be_chosen(open_page: Open, trained: list[str]) -> None:
    tab = open_page("results")
    for cost, words in (
        ("memory", "resident memory"),
        ("parameters", "values in the checkpoint"),
        ("list", "20 users"),
    ):
        next(group for group in tab.button_group if group.key.startswith("cost.")).set_value(cost).run()
        assert not tab.exception and words in page_text(tab)


def test_runs_of_an_earlier_version_leave_blanks_and_are_counted(open_page: Open, runs: Runs) -> None:
    runs.finished("ease", 0.3, epochs=1), runs.finished("popularity", 0.2, epochs=1)
    tab = open_page("results")
    next(group for group in tab.button_group if group.key.startswith("cost.")).set_value("memory").run()
    assert not tab.exception and "2 runs of an earlier version did not record memory" in page_text(tab)
    tab = opened(open_page, result_charts.TABS[1])
    assert not tab.exception and "2 runs of an earlier version did not record the values per user" in page_text(tab)
    assert "Difference from best" not in keyed(tab, "table.").value.columns


def test_a_damaged_file_of_a_run_breaks_no_view(open_page: Open, trained: list[str]) -> None:
    for run_id in trained:
        for name in ("facts.npz", "per_user.npz"):
            (RunFolder(run_id).path / name).write_bytes(b"nonsense")
    for view in result_charts.TABS:
        tab = opened(open_page, view)
        assert not tab.exception and not tab.error, page_text(tab)


def test_with_many_splits_the_pictures_of_the_rest_wait_to_be_asked_for(open_page: Open, runs: Runs) -> None:
    for seed, protocol in enumerate(("strong", "strong-temporal", "weak")):
        runs.finished("ease", 0.3, epochs=1, protocol=protocol, seed=seed)
    tab = open_page("results")
    assert len([frame for frame in tab.dataframe if (frame.key or "").startswith("table.")]) == 3
    assert page_text(tab).count("Quality with intervals") == page.MAX_GROUPS_WITH_CHARTS == 2
    last = results.groups()[-1]
    tab.session_state[f"more.{page._group_key(last)}"] = True
    assert page_text(tab.run()).count("Quality with intervals") == 3


def test_what_was_repeated_has_a_table_of_means(open_page: Open, here: list[str]) -> None:
    compare.start(compare.requests("toy", ["ease", "popularity"], seeds=[1, 2], training_seeds=[0, 1]))
    tab = open_page("results")
    table = table_with(tab, "Runs")
    assert table["Model"].tolist() == ["EASE", "Popularity"] and set(table["Runs"]) == {4}
    assert table["ndcg@100"].str.contains(r"^0\.\d{4} ± 0\.\d{4} / ± 0\.0000$").all()
    assert "mean over split seeds 1" in page_text(tab)


def test_nothing_repeated_is_no_table_of_means(open_page: Open, trained: list[str]) -> None:
    assert "Means over seeds" not in page_text(open_page("results"))


def test_published_figures_stand_below_ours_in_one_marked_table_per_split(
    open_page: Open, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.finished("ease", 0.42, epochs=1)
    assert "not rerun" not in page_text(open_page("results")), "nobody has published anything for this data"
    real = figures.comparable
    monkeypatch.setattr(figures, "comparable", lambda dataset, protocol: real("ml-20m", protocol))
    tab = open_page("results")
    assert not tab.exception
    tables = [frame.value for frame in tab.dataframe if "Status" in frame.value.columns]
    found = dict(zip(["liang-2018", "vasp", "elsa", "compressed-elsa", "sansa"], tables, strict=True))
    for split, table in found.items():
        titles = {entry.title for entry in figures.published_values(dataset="ml-20m", protocol="strong", split=split)}
        assert set(table["Model"]) <= titles, split
        assert (table["Status"].str.startswith("published, not rerun")).all()
        assert table["ndcg@100"].iloc[0] == table["ndcg@100"].max()
        assert table["Link"].str.startswith("https://").all()
        assert escape(figures.splits()[split].about) in page_text(tab)
    assert "VASP" in set(found["vasp"]["Model"]) and "RecVAE" in set(found["liang-2018"]["Model"])


def test_the_report_of_the_page_is_one_whole_file(open_page: Open, trained: list[str]) -> None:
    tab = open_page("results")
    assert "Export report" in [button.label for button in tab.get("download_button")]
    text = page._report(results.groups())
    assert text.startswith("<!doctype html>") and "<svg" in text and "EASE" in text


def test_the_line_of_facts_says_what_ties_mean_and_what_was_asked_of_the_split(open_page: Open, runs: Runs) -> None:
    run_id = runs.finished("ease", protocol="strong-temporal", options={"positive_from": 4.0, "ties": "random"})
    facts = {"train_users": 200, "tied_share": 0.76, "ties": "random", "movable_test_targets": 9, "test_targets": 90}
    _record_facts(runs, run_id, facts)
    page = page_text(open_page("results")).replace("\\", "")
    assert "split options: positives from 4, ties in random order. 76% of the interactions have the same time" in page
    assert "Another order could change up to 9 of 90 held-out items. Compare several split seeds." in page


def _record_facts(runs: Runs, run_id: str, facts: dict[str, object]) -> None:
    """Write facts of a split into the record of a finished run, as its worker would have."""
    from recdash.runs.store import write_run

    details = {**runs.store.run(run_id).details, "split": facts}
    with runs.store.database.write() as connection:
        write_run(connection, run_id, details=details)
