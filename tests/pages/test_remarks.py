"""Pages mark a run whose loss exploded beside its state, and say of one that ended too early that it did."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import (
    Open,
    Runs,
    page_text,
)
from tests.pages.recommend_helpers import drawn

BADGE = ":orange-badge[:material/warning: unstable since epoch 3]"
IMPROVING = "still improving when it ended"


def helps(tab: AppTest) -> str:
    """Everything that a page says in tooltips of its text."""
    return "\n".join(element.help or "" for element in tab.markdown)


def test_cards_of_earlier_runs_have_both(open_page: Open, runs: Runs) -> None:
    runs.finished(unstable=3)
    tab = open_page("train", view="earlier")
    assert f":green-badge[:material/check: finished] {BADGE}" in page_text(tab)
    assert IMPROVING in page_text(tab)
    assert "above ten times that of the first epoch" in helps(tab)


def test_cards_and_curves_of_what_trains_now_have_the_badge(open_page: Open, runs: Runs) -> None:
    runs.running(unstable=3)
    tab = open_page("train", view="queue")
    assert page_text(tab).count(BADGE) == 2
    assert IMPROVING not in page_text(tab)


def test_overview_marks_it_in_the_queue_among_the_latest_and_as_the_best(open_page: Open, runs: Runs) -> None:
    runs.finished(unstable=3), runs.running(unstable=3, seed=1)
    tab = open_page("overview")
    assert f"**0.3000**, 95% interval 0.290 to 0.310 {BADGE}" in page_text(tab)
    assert page_text(tab).count(BADGE) == 4, "best model, running now, and twice among the latest"


@pytest.mark.parametrize("recorded", [True, False])
def test_the_legend_of_curves_has_both_also_for_runs_that_did_not_record_it(
    open_page: Open, runs: Runs, recorded: bool
) -> None:
    run_id = runs.finished(unstable=3, recorded=recorded)
    tab = open_page("curves", run=[run_id])
    assert BADGE in page_text(tab)
    assert f"{IMPROVING.capitalize()}: Mult\\-VAE (best epoch 5)." in page_text(tab)


@pytest.mark.usefixtures("components")
def test_the_list_of_runs_names_it(open_page: Open, runs: Runs) -> None:
    runs.finished(unstable=3)
    (row,) = drawn(open_page("curves"), "runs_sidebar.rows")["view"]["entries"]
    assert row["warning"] == "unstable since epoch 3"


@pytest.mark.usefixtures("components")
def test_the_results_have_a_column_of_remarks(open_page: Open, runs: Runs) -> None:
    runs.finished(unstable=3), runs.finished("ease", 0.2, epochs=1)
    table = drawn(open_page("results"), "results.table")
    assert f"unstable since epoch 3; {IMPROVING}" in str(table)


@pytest.mark.usefixtures("components")
def test_recommendations_have_it_at_the_heading_of_the_list(open_page: Open, runs: Runs) -> None:
    run_id = runs.answering(unstable=3, protocol="weak", split_seed=7)
    tab = open_page("recommend", dataset="toy", pick=["1", "4"])
    assert not tab.exception and not tab.error, page_text(tab)
    (one,) = drawn(tab, "ranked_lists.lists")["lists"]
    assert one["title"] == "Mult-VAE" and one["subtitle"] == "weak, split seed 7"
    assert one["note"].startswith("Unstable since epoch 3.")
    assert "Unstable since epoch 3. Still improving when it ended. " in one["tip"] and run_id in one["tip"]


@pytest.mark.parametrize("page", ["train", "overview", "curves", "results", "recommend"])
@pytest.mark.usefixtures("components")
def test_a_run_of_which_nothing_is_to_be_said_has_no_mark(page: str, open_page: Open, runs: Runs) -> None:
    runs.answering(best=3)
    tab = open_page(page, dataset="toy", pick=["1"]) if page == "recommend" else open_page(page)
    assert "unstable" not in page_text(tab) and "improving" not in page_text(tab) + helps(tab)
    assert not any("Remarks" in frame.value.columns for frame in tab.dataframe)
    if page == "recommend":
        assert "improving" not in str(drawn(tab, "ranked_lists.lists"))
