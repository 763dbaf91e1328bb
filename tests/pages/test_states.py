"""Every page in every state: empty, one run, many runs, something broken, read only."""

from __future__ import annotations

import pytest

from recdash import paths
from tests.pages.conftest import (
    PAGES,
    Open,
    Runs,
    labels,
    page_text,
)
from tests.pages.recommend_helpers import drawn

TITLES = {
    "overview": "recdash",
    "data": "Data",
    "train": "Train",
    "curves": "Curves",
    "results": "Results",
    "published": "Published",
}


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_installation_says_what_to_do(page: str, open_page: Open) -> None:
    tab = open_page(page)
    assert not tab.exception and not tab.error
    assert tab.title[0].value == TITLES.get(page, "Recommend")
    wanted = {
        "overview": "Train every model on the demo",
        "train": "not measured on this machine yet",
        "curves": "Start one on the Train page",
        "results": "Start one on the Train page",
        "recommend": "EASE is fitted on demand",
        "published": "Removing seen movies changes",
        "data": "generator version",
    }
    assert wanted[page] in page_text(tab)


@pytest.mark.parametrize("page", PAGES)
def test_one_finished_run_is_shown(page: str, open_page: Open, runs: Runs) -> None:
    runs.finished()
    tab = open_page(page)
    assert not tab.exception and not tab.error, page_text(tab)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.slow
def test_many_runs_in_all_states_are_shown(page: str, open_page: Open, runs: Runs) -> None:
    for number in range(14):
        runs.finished(["multvae", "ease", "popularity", "multdae"][number % 4], 0.2 + number / 100, seed=number)
    runs.running(seed=100), runs.queued(seed=101), runs.stopped(seed=102), runs.interrupted(seed=103)
    runs.failed("multvae diverged: loss is nan in epoch 3, update 7. Lower learning_rate (now 10).", seed=104)
    tab = open_page(page)
    assert not tab.exception, page_text(tab)
    if page == "train":
        tab = open_page(page, view="earlier")
        assert "Lower learning" in page_text(tab)
        assert {"Resume", "Retry", "Delete", "Copy"} <= set(labels(tab))
        assert {"Stop", "Remove"} <= set(labels(open_page(page, view="queue")))
    else:
        assert not tab.error


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.slow
@pytest.mark.usefixtures("components")
def test_a_run_with_a_damaged_folder_breaks_no_page(page: str, open_page: Open, runs: Runs) -> None:
    run_id = runs.finished()
    folder = paths.checkpoint_dir() / run_id / "best"
    folder.mkdir(parents=True)
    (folder / "checkpoint.json").write_text("{not json")
    tab = open_page(page, pick="1") if page == "recommend" else open_page(page)
    assert not tab.exception
    if page == "recommend":
        tab.query_params["dataset"] = "toy"
        tab.run()
        assert not tab.exception and "Train again" in drawn(tab, "ranked_lists.lists")["lists"][0]["note"]


@pytest.mark.parametrize("page", PAGES)
def test_a_damaged_store_is_one_line_with_its_fix(page: str, open_page: Open) -> None:
    paths.data_dir().joinpath("recdash.db").write_bytes(b"this is not a database, whatever its name says" * 40)
    tab = open_page(page)
    assert not tab.exception
    if page in ("data", "published"):
        return  # they need no store
    assert len(tab.error) == 1, page_text(tab)
    assert "damaged" in tab.error[0].value
    assert "recdash doctor --fix" in page_text(tab)
    assert "Traceback" not in page_text(tab)


def test_a_damaged_store_is_rebuilt_from_the_page(open_page: Open) -> None:
    path = paths.data_dir() / "recdash.db"
    path.write_bytes(b"this is not a database, whatever its name says" * 40)
    tab = open_page("results")
    tab.button(key=next(b.key for b in tab.button if b.label == "Rebuild the store")).click().run()
    assert not tab.exception and not tab.error
    assert "No run is finished yet" in page_text(tab)


@pytest.mark.parametrize("page", PAGES)
def test_a_read_only_installation_shows_and_changes_nothing(
    page: str, open_page: Open, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.finished(), runs.stopped(seed=1)
    monkeypatch.setenv("RECDASH_READ_ONLY", "1")
    tab = open_page(page)
    assert not tab.exception and not tab.error
    forbidden = {"Start", "Start 2 runs", "Stop", "Resume", "Retry", "Delete run", "Get", "Import"}
    assert not forbidden & set(labels(tab))
    assert "RECDASH_READ_ONLY" in page_text(tab)


def test_the_tab_says_how_many_runs_go_on(open_page: Open, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    import streamlit as st

    monkeypatch.setattr(st, "set_page_config", lambda **words: titles.append(words.get("page_title", "")))
    runs.running()
    runs.queued(seed=5)
    open_page("results")
    assert titles[-1] == "(2 running) Results · recdash"


def test_a_page_opened_without_the_layout_gets_it() -> None:
    """Streamlit runs pages/ directly on a server that was first asked for /train: the page hands over to app.py."""
    from streamlit.testing.v1 import AppTest

    from tests.pages.conftest import ROOT

    tab = AppTest.from_file(str(ROOT / "pages" / "curves.py"), default_timeout=60).run()
    assert not tab.exception
    assert tab.title[0].value == "Curves"
