"""The command palette on the server: what it finds, and what a choice does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from recdash.recommend.taste_history import TasteHistory
from recdash.services import launch
from recdash.ui import background_jobs, layout
from tests.pages.conftest import Open, Runs
from tests.pages.recommend_helpers import act, drawn

pytestmark = pytest.mark.usefixtures("components")


def ask(tab: AppTest, text: str, opening: int = 1) -> dict[str, list[dict[str, Any]]]:
    """Type into the open palette; gives the groups of entries by title."""
    tab.session_state["query.palette"] = f"{opening}:{text}"
    tab.run()
    while background_jobs.any_running():  # titles are loaded behind the page
        pass
    tab.run()
    assert not tab.exception, tab.exception
    return {group["title"]: group["entries"] for group in drawn(tab, "palette")["groups"]}


def choose(tab: AppTest, entry_id: str, opening: int = 1) -> tuple[str, dict[str, list[str]]]:
    """Choose an entry; gives the page and the URL parameters that it opens."""
    act(tab, "palette", "open", id=entry_id, opening=str(opening))
    assert not tab.exception, tab.exception
    go = drawn(tab, "palette")["go"] or {"address": ""}  # none before the first wish
    page, _, query = go["address"].partition("?")
    return page, parse_qs(query)


@pytest.fixture
def imported() -> Iterator[None]:
    """The server has imported everything, as it has two seconds after its first page."""
    before = layout._imports_done.is_set()
    layout._imports_done.set()
    yield
    if not before:
        layout._imports_done.clear()


def test_a_closed_palette_asks_for_nothing(open_page: Open, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    from recdash.services import quick_find

    monkeypatch.setattr(quick_find, "find_runs", lambda *given: pytest.fail("the palette is closed"))
    data = drawn(open_page("overview"), "palette")
    assert data["groups"] == [] and data["query"] == ""


def test_an_open_palette_lists_runs_pages_and_actions(open_page: Open, runs: Runs) -> None:
    run_id = runs.finished(name="<b>*mine*</b>")
    found = ask(open_page("overview"), "")
    assert [(one["id"], one["title"]) for one in found["Runs"]] == [(f"run:{run_id}", "<b>*mine*</b>")]
    assert {"Overview", "Train", "Curves", "Results", "Published", "Recommend", "Data"} == {
        one["title"] for one in found["Pages"]
    }
    assert "do:stop" not in {one["id"] for one in found["Actions"]}  # nothing is active


@pytest.mark.usefixtures("imported")
def test_a_title_with_a_typing_error_is_found_and_opens_recommend_next_to_the_picks(open_page: Open) -> None:
    tab = open_page("overview")
    tab.session_state["_taste"] = TasteHistory((("1", "like"),))
    tab.session_state["_taste_dataset"] = "demo"
    found = ask(tab, "godfater")
    entry = found["Titles"][0]
    assert entry["title"] == "The Godfather (1972)"
    page, query = choose(tab, entry["id"])
    assert page == "recommend" and query["dataset"] == ["demo"]
    assert query["pick"] == ["1", entry["id"].rpartition(":")[2]]
    assert drawn(tab, "palette")["groups"] == []  # closed by the choice


def test_the_best_group_is_first(open_page: Open, runs: Runs) -> None:
    runs.finished()
    tab = open_page("overview")
    assert next(iter(ask(tab, "published"))) == "Pages"
    assert next(iter(ask(tab, "mult-vae"))) == "Runs"
    assert next(iter(ask(tab, "export"))) == "Actions"
    assert ask(tab, "zzzzzz") == {}


def test_a_run_and_a_page_are_opened_by_their_addresses(open_page: Open, runs: Runs) -> None:
    tab = open_page("overview")
    assert choose(tab, "run:a b&c") == ("run", {"id": ["a b&c"]})
    assert choose(tab, "page:curves") == ("curves", {})
    assert choose(tab, "do:export") == ("results", {})


def test_unknown_actions_do_nothing(open_page: Open) -> None:
    tab = open_page("overview")
    for entry_id in ("", "do:", "do:__init__", "other:x", "page:"):
        assert choose(tab, entry_id) == ("", {})


def test_active_runs_are_watched_and_stopped(open_page: Open, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    active = runs.running()
    tab = open_page("overview")
    found = ask(tab, "")
    assert "Stop 1 active run" in {one["title"] for one in found["Actions"]}
    assert choose(tab, "do:watch") == ("curves", {"run": [active]})
    stopped: list[str] = []
    monkeypatch.setattr(launch, "stop", stopped.append)
    choose(tab, "do:stop", opening=2)
    assert stopped == [active]


def test_a_read_only_server_offers_no_training(open_page: Open, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.running()
    monkeypatch.setenv("RECDASH_READ_ONLY", "1")
    offered = {one["id"] for one in ask(open_page("overview"), "")["Actions"]}
    assert not offered & {"do:train_demo", "do:stop"} and "do:watch" in offered
