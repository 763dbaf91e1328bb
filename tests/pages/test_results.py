"""The Results page: one table at a time, sorting, baseline, views, published figures, exports."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from recdash.published import figures
from recdash.reporting.formatting import escape
from recdash.runs import queue, run_marks
from recdash.runs.run_folder import RunFolder
from recdash.runs.store import Store, write_run
from recdash.services import compare, housekeeping, results
from recdash.ui.results import chart_views, exports, table_choice, table_rows
from tests.pages.conftest import (
    Open,
    Runs,
    page_text,
    table_with,
)
from tests.pages.recommend_helpers import act, drawn, parameters

pytestmark = pytest.mark.usefixtures("components")
TABLE = "results.table"


def names(tab: AppTest) -> list[str]:
    """Names of the rows of the table."""
    return [row["name"] for row in drawn(tab, TABLE)["rows"]]


def columns(tab: AppTest) -> dict[str, dict[str, Any]]:
    return {column["id"]: column for column in drawn(tab, TABLE)["columns"]}


def cells(tab: AppTest, column: str) -> list[str]:
    """Texts of a column."""
    place = list(columns(tab)).index(column) - 1
    found = [row["cells"][place] for row in drawn(tab, TABLE)["rows"]]
    return [text_of(cell) for cell in found]


def view_labels(tab: AppTest) -> list[str]:
    """Labels of the views offered below the table."""
    return list(tab.segmented_control(key="url.chart").options)


def text_of(cell: Any) -> str:
    if not isinstance(cell, dict):
        return str(cell or "")
    return " ".join(filter(None, [cell.get("t"), cell.get("d"), *cell.get("tags", [])]))


@pytest.fixture
def trained(here: list[str]) -> list[str]:
    compare.start(compare.requests("toy", ["popularity", "ease"]))
    return here


def test_the_page_names_the_best_row_and_the_difference_of_the_others(open_page: Open, trained: list[str]) -> None:
    tab = open_page("results")
    assert not tab.exception and not tab.error, page_text(tab)
    assert "**EASE** is best by NDCG@100 on the test part" in page_text(tab)
    assert "With only 30 test users" in page_text(tab)
    assert names(tab) == ["EASE", "Popularity"]
    assert cells(tab, "difference")[0] == "baseline" and "−0." in cells(tab, "difference")[1]
    assert columns(tab)["difference"]["sub"] == "from EASE"
    assert "Holm" in columns(tab)["difference"]["help"]
    bold = [row["cells"][0].get("m") for row in drawn(tab, TABLE)["rows"]]
    assert bold == [["best"], None]


def test_overview_names_the_runs_not_different_from_the_best(open_page: Open, trained: list[str]) -> None:
    assert "Not significantly different from the best" not in page_text(open_page("overview"))
    compare.start(compare.requests("toy", ["ease"], settings={"l2": 300.0}))
    ease = [row.run.id for row in results.groups()[0].rows if row.run.model == "ease"]
    values = RunFolder(ease[1]).read_per_user()
    values["ndcg@100"][:2] += np.float32([0.02, -0.021])  # another model, as good but for chance
    RunFolder(ease[1]).write_per_user({k: v for k, v in values.items() if k != "top"}, values["top"])
    assert "Not significantly different from the best: EASE" in page_text(open_page("overview"))


def test_the_first_click_sorts_best_first_and_the_second_reverses(open_page: Open, runs: Runs) -> None:
    for number, ndcg in enumerate((0.2, 0.4, 0.3)):
        runs.finished("ease", ndcg, epochs=1, settings={"l2": float(number)}, seed=number)
    tab = open_page("results", rows="run")
    assert [text[:6] for text in cells(tab, "ndcg@100")] == ["0.4000", "0.3000", "0.2000"]
    tab = act(tab, TABLE, "sort", column="recall@20")
    assert [text[:6] for text in cells(tab, "recall@20")] == ["0.3000", "0.2000", "0.1000"]
    assert parameters(tab)["sort"] == "recall@20" and columns(tab)["recall@20"]["sorted"] == "descending"
    tab = act(tab, TABLE, "sort", column="recall@20")
    assert [text[:6] for text in cells(tab, "recall@20")] == ["0.1000", "0.2000", "0.3000"]
    assert parameters(tab)["sort"] == "recall@20:reverse" and columns(tab)["recall@20"]["sorted"] == "ascending"
    shared = open_page("results", rows="run", sort="recall@20:reverse")
    assert cells(shared, "recall@20") == cells(tab, "recall@20")
    assert names(open_page("results", sort="no such column"))[:1] != []


def test_assistive_technology_is_told_the_real_order_of_a_column() -> None:
    error = table_rows.Column("rmse", "RMSE", "number", lambda fold: 0.0, lambda fold: "", False, marks_best=True)
    metric = replace(error, id="ndcg@100", descending=True)
    orders = [
        (table_rows.direction_of(error, reverse), table_rows.order_of(error, reverse)) for reverse in (False, True)
    ]
    assert orders == [("ascending", "best first"), ("descending", "worst first")]
    assert table_rows.direction_of(metric, False) == "descending"
    assert table_rows.order_of(replace(error, marks_best=False), False) == "ascending"


def test_a_baseline_that_is_not_in_the_table_is_named_with_the_reason(open_page: Open, runs: Runs) -> None:
    first, second = runs.finished("ease", 0.3), runs.finished("popularity", 0.2)
    other = runs.finished("ease", 0.1, protocol="weak")
    assert "baseline in the address" not in page_text(open_page("results", baseline=second))
    housekeeping.trash([second])
    text = page_text(open_page("results", baseline=second)).replace("\\", "")
    assert f"The baseline in the address, {second}, does not exist: deleted" in text
    for run_id in (first, other):
        tab = open_page("results", baseline=run_id)
        assert drawn(tab, TABLE)["rows"][0]["run"] == run_id and "baseline in the address" not in page_text(tab)
    tables = [table_choice.table_id(group) for group in results.groups()]
    own = tab.selectbox(key="url.comparison").value
    tab = tab.selectbox(key="url.comparison").set_value(next(name for name in tables if name != own)).run()
    assert "belongs to another table" in page_text(tab)
    tab = tab.selectbox(key="url.comparison").set_value(own).run()
    assert tab.selectbox(key="url.baseline").value == other and "baseline in the address" not in page_text(tab)


@pytest.mark.slow
def test_a_lower_error_is_sorted_first(open_page: Open, here: list[str]) -> None:
    compare.start(compare.requests("toy", ["bias"], protocol="ratings-90"))
    compare.start(compare.requests("toy", ["bias"], protocol="ratings-90", settings={"variant": "global"}))
    tab = act(open_page("results"), TABLE, "sort", column="mae")
    values = [float(text.split()[0]) for text in cells(tab, "mae")]
    assert len(values) == 2 and values == sorted(values)
    assert not any("@" in name for name in columns(tab)), "metrics of rankings are not in a table of ratings"


def test_seeds_are_folded_into_one_row_that_opens(open_page: Open, runs: Runs) -> None:
    first, second = runs.finished(ndcg=0.30, seed=0), runs.finished(ndcg=0.32, seed=1)
    runs.finished("ease", 0.2, epochs=1)
    tab = open_page("results")
    assert names(tab) == ["Mult-VAE", "EASE"]
    row = drawn(tab, TABLE)["rows"][0]
    assert row["count"] == "2 seeds" and row["open"] is False and set(row["runs"]) == {first, second}
    assert cells(tab, "ndcg@100")[0] == "0.3100 sd 0.0141"
    tab = act(tab, TABLE, "open", row=row["id"])
    assert names(tab) == ["Mult-VAE", "seed 0", "seed 1", "EASE"]
    tab = act(tab, TABLE, "select", runs=row["runs"], on=True)
    assert set(parameters(tab)["select"]) == {first, second}
    assert [one["selected"] for one in drawn(tab, TABLE)["rows"]] == ["all", "all", "all", "none"]
    tab = act(tab, TABLE, "select", runs=[second], on=False)
    assert [one["selected"] for one in drawn(tab, TABLE)["rows"]] == ["some", "all", "none", "none"]


def test_c4_best_and_last_values_are_both_there_and_say_on_which_part(open_page: Open, runs: Runs) -> None:
    runs.finished(ndcg=0.31, best=2)
    runs.finished("ease", 0.3, epochs=1)
    tab = open_page("results")
    assert columns(tab)["ndcg@100"]["sub"] == "test"
    assert cells(tab, "ndcg@100")[0] == "0.3100 ± 0.0100", "the best epoch by default"
    tab.segmented_control(key="url.value").set_value("last").run()
    assert not tab.exception and parameters(tab)["value"] == "last"
    assert columns(tab)["ndcg@100"]["sub"] == "validation, last epoch"
    assert columns(tab)["best_validation"]["sub"] == "validation, best epoch"
    by_name = dict(zip(names(tab), cells(tab, "ndcg@100"), strict=True))
    assert by_name["Mult-VAE"] == "0.2500"  # 0.2 + 5 / 100
    assert dict(zip(names(tab), cells(tab, "best_validation"), strict=True))["Mult-VAE"] == "0.2200 last +0.0300"
    assert "difference" not in columns(tab), "validation values have no paired comparison"


def test_c10_settings_that_differ_are_columns_and_highlighted(open_page: Open, runs: Runs, store: Store) -> None:
    wide, narrow = runs.finished(ndcg=0.31), runs.finished(ndcg=0.30, settings={"latent": 50})
    for run_id, latent in ((wide, 200), (narrow, 50)):
        with store.database.write() as connection:
            write_run(connection, run_id, config={"epochs": 5, "latent": latent})
    tab = open_page("results")
    assert cells(tab, "setting.latent") == ["200", "50"]
    assert "setting.epochs" not in columns(tab), "all runs have the same number of epochs"
    marks = [row["cells"][list(columns(tab)).index("setting.latent") - 1]["m"] for row in drawn(tab, TABLE)["rows"]]
    assert marks == [[], ["changed"]]
    tab = act(tab, TABLE, "select", runs=[wide, narrow], on=True)
    (differences,) = (frame.value for frame in tab.dataframe)
    assert "latent" in differences.index and "epochs" not in differences.index


@pytest.mark.slow
def test_any_run_can_be_the_baseline(open_page: Open, trained: list[str]) -> None:
    popularity = next(row.run.id for row in results.groups()[0].rows if row.run.model == "popularity")
    tab = open_page("results", baseline=popularity)
    assert columns(tab)["difference"]["sub"] == "from Popularity"
    assert cells(tab, "difference")[0].startswith("+0.") and cells(tab, "difference")[1] == "baseline"
    tab = open_page("results", baseline="ease-ffffffff")
    assert columns(tab)["difference"]["sub"] == "from EASE" and "does not exist" in page_text(tab)


@pytest.mark.slow
def test_a_difference_below_the_threshold_is_marked(open_page: Open, trained: list[str]) -> None:
    compare.start(compare.requests("toy", ["ease"], settings={"l2": 300.0}))
    ease = [row.run.id for row in results.groups()[0].rows if row.run.model == "ease"]
    values = RunFolder(ease[0]).read_per_user()
    other = {name: value + (np.float32(0.0004) if name == "ndcg@100" else 0) for name, value in values.items()}
    RunFolder(ease[1]).write_per_user({k: v for k, v in other.items() if k != "top"}, values["top"])
    assert cells(open_page("results"), "difference")[1].startswith("≪ +0.0004")
    assert cells(open_page("results", matters="0"), "difference")[1].startswith("+0.0004")


def test_recall_names_its_divisor_on_the_page(open_page: Open, trained: list[str]) -> None:
    tab = open_page("results", metric=["recall@20", "recall_all@20"])
    assert columns(tab)["recall@20"]["title"] == "Recall@20 (min)"
    assert columns(tab)["recall_all@20"]["title"] == "Recall@20 (all)"


def test_a_cutoff_near_the_catalogue_is_not_offered_and_says_why_when_chosen(open_page: Open, runs: Runs) -> None:
    runs.finished("ease", 0.35, epochs=1)  # 45 items
    tab = open_page("results")
    assert "precision@100" not in columns(tab) and "ndcg@100" in columns(tab)
    assert "NDCG@100" in tab.multiselect(key="url.metric").options
    assert "Precision@100" not in tab.multiselect(key="url.metric").options
    tab = open_page("results", metric=["ndcg@100", "precision@100"])
    assert "precision@100" in columns(tab)
    assert "Precision\\@100 says little here\\: a list of 100 holds every item" in page_text(tab)


def test_every_view_is_drawn_for_rankings(open_page: Open, trained: list[str]) -> None:
    tab = open_page("results")
    for view, words in {
        "cost": "Quality against cost",
        "intervals": "Quality with intervals",
        "slices": "Quality by user activity",
        "variety": "Quality against coverage and novelty",
        "parallel": "Settings and quality of 2 runs",
        "seeds": "No setting was trained with several seeds",
        "stability": "Stability of the lists over training seeds",
        "protocol": "**Leaks.** Time is ignored",
    }.items():
        tab.segmented_control(key="url.chart").set_value(view).run()
        assert not tab.exception and not tab.error, page_text(tab)
        assert words in page_text(tab), view
        assert "did not record" not in page_text(tab)
    assert set(view_labels(tab)) == set(chart_views.VIEWS.values()) - {chart_views.VIEWS["published"]}


@pytest.mark.slow
def test_every_view_is_drawn_for_ratings(open_page: Open, here: list[str]) -> None:
    compare.start(compare.requests("toy", ["bias"], protocol="ratings-90"))
    tab = open_page("results")
    offered = view_labels(tab)
    assert not {chart_views.VIEWS["stability"], chart_views.VIEWS["variety"]} & set(offered)
    for view in [name for name, title in chart_views.VIEWS.items() if title in offered]:
        tab.segmented_control(key="url.chart").set_value(view).run()
        assert not tab.exception and not tab.error, page_text(tab)


@pytest.mark.slow
def test_every_cost_can_be_chosen(open_page: Open, trained: list[str]) -> None:
    tab = open_page("results")
    for cost, words in (
        ("memory", "resident memory"),
        ("parameters", "values in the checkpoint"),
        ("list", "20 users"),
    ):
        tab.segmented_control(key="url.cost").set_value(cost).run()
        assert not tab.exception and words in page_text(tab)


def test_runs_of_an_earlier_version_leave_blanks_and_are_counted(open_page: Open, runs: Runs) -> None:
    runs.finished("ease", 0.3, epochs=1), runs.finished("popularity", 0.2, epochs=1)
    tab = open_page("results", cost="memory")
    assert not tab.exception and "2 runs of an earlier version did not record memory" in page_text(tab)
    assert "difference" not in columns(tab)
    tab = open_page("results", chart="slices")
    assert not tab.exception and "2 runs of an earlier version did not record the values per user" in page_text(tab)


def test_a_damaged_file_of_a_run_breaks_no_view(open_page: Open, trained: list[str]) -> None:
    for run_id in trained:
        for name in ("facts.npz", "per_user.npz"):
            (RunFolder(run_id).path / name).write_bytes(b"nonsense")
    tab = open_page("results")
    for view in ("cost", "slices", "stability"):
        tab.segmented_control(key="url.chart").set_value(view).run()
        assert not tab.exception and not tab.error, page_text(tab)


def test_one_table_is_shown_and_the_others_are_named_with_the_reason(open_page: Open, runs: Runs) -> None:
    runs.finished(), runs.finished(seed=1, split_seed=7, protocol="strong-temporal", split="beef")
    tab = open_page("results")
    assert drawn(tab, TABLE)["label"].startswith("Results on toy, strong-temporal"), "the newest run's table"
    assert "1 other table with 1 run" in page_text(tab) and "different protocols" in page_text(tab)
    ids = {group.protocol: table_choice.table_id(group) for group in results.groups()}
    tab.selectbox(key="url.comparison").set_value(ids["strong"]).run()
    assert drawn(tab, TABLE)["label"].startswith("Results on toy, strong,")
    assert parameters(tab)["comparison"] == ids["strong"]
    shared = open_page("results", comparison=ids["strong"])
    assert drawn(shared, TABLE)["label"] == drawn(tab, TABLE)["label"]
    earlier = open_page("results", dataset="toy", protocol="strong")
    assert drawn(earlier, TABLE)["label"] == drawn(tab, TABLE)["label"], "an address of an earlier version"


def test_runs_that_the_sidebar_hides_are_not_in_the_table(open_page: Open, runs: Runs) -> None:
    hidden = runs.finished("ease", 0.4, epochs=1)
    runs.finished("popularity", 0.2, epochs=1)
    tab = open_page("results", hide=hidden)
    assert names(tab) == ["Popularity"]
    assert names(open_page("results", q="model:ease")) == ["EASE"]
    tab = open_page("results", q="model:svae")
    assert not tab.exception and "hides all runs of this table" in page_text(tab)


def test_tags_are_shown_as_text(open_page: Open, runs: Runs, store: Store) -> None:
    run_marks.edit_tags(store, [runs.finished()], ["<b>bold</b>"], [])
    assert cells(open_page("results"), "tags") == ["<b>bold</b>"]


@pytest.mark.slow
def test_what_was_repeated_has_means_over_seeds_and_stable_lists(open_page: Open, here: list[str]) -> None:
    compare.start(compare.requests("toy", ["ease", "popularity"], seeds=[1, 2], training_seeds=[0, 1]))
    tab = open_page("results", chart="seeds")
    table = table_with(tab, "Runs")
    assert table["Model"].tolist() == ["EASE", "Popularity"] and set(table["Runs"]) == {4}
    assert table["ndcg@100"].str.contains(r"^0\.\d{4} ± 0\.\d{4} / ± 0\.0000$").all()
    assert "mean over split seeds 1" in page_text(tab) and "Values of single seeds" in page_text(tab)
    tab.segmented_control(key="url.chart").set_value("stability").run()
    stability = table_with(tab, "Overlap@10")
    assert set(stability["Overlap@10"]) == {"1.000 (1.000 to 1.000)"}, "closed forms do not depend on the seed"
    assert stability["Users"].tolist() == [30, 30]


def test_published_figures_stand_in_a_view_of_their_own_one_marked_table_per_split(
    open_page: Open, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.finished("ease", 0.42, epochs=1)
    tab = open_page("results", chart="published")
    assert chart_views.VIEWS["published"] not in view_labels(tab), "there is nothing for this data"
    assert "not rerun" not in page_text(tab)
    real = figures.comparable
    monkeypatch.setattr(figures, "comparable", lambda dataset, protocol: real("ml-20m", protocol))
    tab = open_page("results", chart="published")
    assert not tab.exception
    tables = [frame.value for frame in tab.dataframe if "Status" in frame.value.columns]
    found = dict(zip(["liang-2018", "vasp", "elsa", "compressed-elsa", "sansa", "mrf"], tables, strict=True))
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
    assert {"CSV", "Markdown", "LaTeX", "Report"} <= {button.label for button in tab.get("download_button")}
    text = exports.export_report(results.groups())
    assert text.startswith("<!doctype html>") and "<svg" in text and "EASE" in text


def test_results_can_be_exported_and_run_nothing_in_a_spreadsheet(runs: Runs, store: Store) -> None:
    run_id = runs.finished()
    queue.rename(store, run_id, "=cmd()")
    assert "'=cmd()" in exports.export_table(results.groups(), "csv", ["ndcg@100"])
    assert "|:---" in exports.export_table(results.groups(), "md", ["ndcg@100", "rmse"])
    assert r"\toprule" in exports.export_table(results.groups(), "latex", ["ndcg@100"])


def test_the_line_of_facts_says_what_ties_mean_and_what_was_asked_of_the_split(open_page: Open, runs: Runs) -> None:
    run_id = runs.finished("ease", protocol="strong-temporal", options={"positive_from": 4.0, "ties": "random"})
    facts = {"train_users": 200, "tied_share": 0.76, "ties": "random", "movable_test_targets": 9, "test_targets": 90}
    _record_facts(runs, run_id, facts)
    page = page_text(open_page("results")).replace("\\", "")
    assert "split options: positives from 4, ties in random order. 76% of the interactions have the same time" in page
    assert "Another order could change up to 9 of 90 held-out items. Compare several split seeds." in page


@pytest.mark.slow
def test_with_very_many_runs_the_first_hundred_rows_are_shown(open_page: Open, runs: Runs) -> None:
    from recdash.ui.results import table_view

    run_ids = [runs.finished("ease", 0.3 + n / 1000, epochs=1, settings={"l2": float(n)}) for n in range(4)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_view, "LIMIT", 3)
        tab = open_page("results", rows="run")
        assert len(names(tab)) == 3 and "3 of 4 rows shown" in page_text(tab)
        assert drawn(tab, TABLE)["rows"][0]["run"] == run_ids[-1]
        tab.button(key="results.all").click().run()
        assert len(names(tab)) == 4


def _record_facts(runs: Runs, run_id: str, facts: dict[str, object]) -> None:
    """Write facts of a split into the record of a finished run, as its worker would have."""
    details = {**runs.store.run(run_id).details, "split": facts}
    with runs.store.database.write() as connection:
        write_run(connection, run_id, details=details)
