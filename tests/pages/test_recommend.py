"""The Recommend page: the first screen, search, and which lists answer."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest

from recdash import paths
from recdash.services import launch, recommend, training_requests
from recdash.services import runs as run_service
from recdash.ui.components import component
from tests.pages.conftest import Open, Runs, page_text
from tests.pages.recommend_helpers import (
    DEFAULT,
    FILMS,
    TRICKY,
    act,
    all_parameters,
    checked,
    drawn,
    is_drawn,
    lists,
    markdown,
    open_tab,
    parameters,
    picks,
)
from tests.toy_data import toy_dataset

REAL_MOUNT, REAL_QUERY = component.mount, component.query
NOTHING_CHOSEN = "No model is selected. Select at least one under Models."
pytestmark = pytest.mark.usefixtures("components")


def only_list(tab: AppTest) -> dict[str, Any]:
    (one,) = drawn(tab, "ranked_lists.lists")["lists"]
    return dict(one)


def test_the_first_screen_has_a_focused_search_and_twelve_tiles(open_page: Open) -> None:
    tab = checked(open_page("recommend", dataset="toy"))
    assert drawn(tab, "title_search")["focus"] is True
    tiles = drawn(tab, "item_tiles")["items"]
    assert len({tile["id"] for tile in tiles}) == 12 and all(tile["mark"] == "" for tile in tiles)
    assert not is_drawn(tab, "taste_bar") and not is_drawn(tab, "ranked_lists.lists")
    assert "EASE is fitted on demand" in page_text(tab)


def test_before_any_training_one_tap_gives_the_list_of_ease(open_page: Open) -> None:
    tab = open_page("recommend", dataset="toy")
    tile = drawn(tab, "item_tiles")["items"][3]
    checked(act(tab, "item_tiles", "like", id=tile["id"]))
    one = only_list(tab)
    assert (one["key"], one["title"], one["subtitle"]) == ("instant", "EASE", "fitted on demand")
    assert len(one["items"]) == 10 and one["slider"] is None
    assert one["reading"] == "reads 1 like, in any order" and one["note"] != ""
    assert [item["rank"] for item in one["items"]] == list(range(1, 11))
    assert all(0 <= item["bar"] <= 1 for item in one["items"])
    assert picks(tab) == [(tile["id"], "like")] and parameters(tab)["pick"] == tile["id"]
    assert drawn(tab, "item_tiles")["items"][3]["mark"] == "like", "the tile stays and can be tapped again"
    checked(act(tab, "item_tiles", "remove", id=tile["id"]))
    assert not is_drawn(tab, "ranked_lists.lists") and "pick" not in all_parameters(tab)


def test_the_reasons_of_ease_are_named_from_two_picks_on(open_page: Open) -> None:
    tab = open_page("recommend", dataset="toy", pick=["1"])
    assert {item["because"] for item in only_list(tab)["items"]} == {""}
    act(tab, "item_tiles", "like", id="4")
    assert any(item["because"].startswith("because of Film ") for item in only_list(tab)["items"])


def test_trained_models_answer_the_autoencoders_first(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1", "4"])
    shown = drawn(tab, "ranked_lists.lists")["lists"]
    assert [one["key"] for one in shown] == [trained[model] for model in DEFAULT]
    assert [one["title"] for one in shown] == ["EASE", "Mult-DAE", "Mult-VAE", "RecVAE"]
    assert all(len(one["items"]) == 10 for one in shown)
    assert all(trained[model] in one["tip"] for model, one in zip(DEFAULT, shown, strict=True))
    assert any(item["because"].startswith("leave-one-out: ") for item in shown[2]["items"])
    chosen = tab.multiselect(key="url.list")
    assert "Popularity" in chosen.options
    checked(chosen.set_value([trained["popularity"]]).run())
    assert list(lists(tab)) == [trained["popularity"]] and all_parameters(tab)["list"] == [trained["popularity"]]


def search(tab: AppTest, text: str) -> dict[str, Any]:
    tab.text_input(key="query.title_search").set_value(text).run()
    return drawn(checked(tab), "title_search")


def test_search_finds_marks_and_says_when_nothing_fits(trained: dict[str, str]) -> None:
    tab = open_tab()
    found = search(tab, "flim 9")
    assert found["results"][0]["title"] == "Film 9" and len(found["results"]) <= 7 and found["query"] == "flim 9"
    assert search(tab, "zzzzqq")["results"] == []
    assert drawn(tab, "title_search")["nothing"] == "No film has a title like “zzzzqq”."
    for item_id, title in TRICKY.items():
        words = title.strip("<>[]:")
        assert (item_id, title) in [(one["id"], one["title"]) for one in search(tab, words)["results"]], words
    act(tab, "title_search", "like", id="4")
    assert search(tab, "mash")["results"][0]["mark"] == "picked"
    act(tab, "taste_bar", "mark", id="4", mark="dislike")
    assert drawn(tab, "title_search")["results"][0]["mark"] == "not for you"
    act(tab, "taste_bar", "mark", id="4", mark="3")
    assert drawn(tab, "title_search")["results"][0]["mark"] == "rated"


def test_books_are_called_books(toy: str) -> None:
    replace(toy_dataset(), name="goodbooks-toy").save(paths.data_dir() / "sets" / "goodbooks-toy")
    tab = open_tab("goodbooks-toy")
    assert drawn(tab, "title_search")["label"] == "Search books"
    assert drawn(tab, "item_tiles")["label"] == "Popular books to start with"
    search(tab, "zzzzqq")
    assert drawn(tab, "title_search")["nothing"].startswith("No book has ")
    act(tab, "item_tiles", "like", id="1")
    assert not [text for text in markdown(tab) if "movie" in text or "film" in text]


def test_the_real_component_gets_titles_as_they_are(trained: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(component, "mount", REAL_MOUNT)
    monkeypatch.setattr(component, "query", REAL_QUERY)
    tab = open_tab(pick=["4"])
    protos = {one.proto.component_name: one.proto for one in tab.get("bidi_component")}
    assert set(protos) >= {f"recdash_{name}" for name in ("title_search", "taste_bar", "ranked_lists", "item_tiles")}
    bar = json.loads(protos["recdash_taste_bar"].json)
    assert bar["entries"][0]["title"] == TRICKY["4"]
    for proto in protos.values():
        assert "innerHTML" not in proto.js_content and "insertAdjacentHTML" not in proto.js_content
        assert proto.html_content == '<div class="root"></div>'


def test_the_real_component_hands_over_actions_and_reruns_the_page_if_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    mounted: dict[str, Any] = {}
    reruns: list[str] = []
    state = {"bar": {"action": {"kind": "like", "id": "4", "number": 1}, "query": "heat"}}
    fake = SimpleNamespace(session_state=state, rerun=lambda: reruns.append("page"))
    monkeypatch.setattr(component, "st", fake)
    monkeypatch.setattr(component, "_renderer", lambda name: lambda **words: mounted.update(words))
    actions: list[dict[str, Any]] = []
    REAL_MOUNT("taste_bar", "bar", {"title": "x"}, actions.append, reruns_page=True)
    mounted["on_action_change"](), mounted["on_query_change"]()
    assert actions == [{"kind": "like", "id": "4", "number": 1}] and reruns == ["page"]
    assert (mounted["key"], mounted["data"], REAL_QUERY("bar"), REAL_QUERY("other")) == (
        "bar",
        {"title": "x"},
        "heat",
        "",
    )
    REAL_MOUNT("taste_bar", "bar", {}, actions.append)
    mounted["on_action_change"]()
    state["bar"]["action"] = {}  # Streamlit takes a trigger back after its run
    mounted["on_action_change"]()
    assert len(actions) == 2 and reruns == ["page"]


def test_after_clearing_all_lists_none_stays_and_the_page_says_what_to_do(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1", "4"])
    assert NOTHING_CHOSEN not in page_text(tab)
    checked(tab.multiselect(key="url.list").set_value([]).run())
    assert not is_drawn(tab, "ranked_lists.lists") and NOTHING_CHOSEN in page_text(tab)
    assert picks(tab) == [("1", "like"), ("4", "like")]
    checked(tab.multiselect(key="url.list").set_value([trained["popularity"]]).run())
    assert list(lists(tab)) == [trained["popularity"]] and NOTHING_CHOSEN not in page_text(tab)
    tab = open_tab(list="")
    assert NOTHING_CHOSEN in page_text(tab) and "No model is trained" not in page_text(tab)


def test_when_the_last_run_is_deleted_ease_answers_on_demand_again(open_page: Open, runs: Runs) -> None:
    run_id = runs.answering()
    tab = open_page("recommend", dataset="toy", pick=["1", "4"])
    assert only_list(tab)["key"] == run_id
    run_service.delete(run_id)
    checked(tab.run())
    assert only_list(tab)["key"] == "instant"


def test_what_answered_before_any_training_does_not_come_back(open_page: Open, runs: Runs) -> None:
    tab = open_page("recommend", dataset="toy", pick=["1", "4"])
    assert only_list(tab)["key"] == "instant"
    run_id = runs.answering()
    assert only_list(checked(tab.run()))["key"] == run_id


def test_by_default_the_run_of_the_usual_protocol_answers(open_page: Open, runs: Runs) -> None:
    usual = runs.answering(epochs=2, seed=1)
    runs.answering(epochs=5, seed=2, protocol="strong-temporal", split="beef")
    tab = open_page("recommend", dataset="toy", pick=["1", "4"])
    assert tab.multiselect(key="url.list").value == [usual]
    assert only_list(tab)["subtitle"] == "strong, split seed 98765"


def test_a_model_that_reads_no_picks_gives_no_reasons(open_page: Open, here: list[str]) -> None:
    launch.train(training_requests.build_requests("random, popularity", "toy"))
    tab = open_page("recommend", dataset="toy", pick=["1", "4", "7"])
    shown = drawn(tab, "ranked_lists.lists")["lists"]
    assert len(shown) == 2 and {one["reading"] for one in shown} == {"does not read your picks"}
    assert {item["because"] for one in shown for item in one["items"]} == {""}


def test_the_device_is_asked_for_only_where_there_is_a_choice(open_page: Open, runs: Runs, monkeypatch) -> None:
    from recdash.runs import gpu_placement

    runs.answering("ease")
    assert "Device" not in [box.label for box in open_page("recommend", dataset="toy").selectbox]
    monkeypatch.setattr(gpu_placement, "gpu_count", lambda: 2)
    monkeypatch.setattr("recdash.devices.choose", lambda device: torch.device("cpu"))
    tab = checked(open_page("recommend", dataset="toy", device="cuda:1", pick=["1", "4"]))
    assert tab.selectbox(key="url.device").options == ["cpu", "cuda:0", "cuda:1"]
    assert tab.selectbox(key="url.device").value == "cuda:1" and len(only_list(tab)["items"]) == 10


def test_the_list_on_the_page_is_that_of_the_service(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1", "4", "9"])
    answer = recommend.recommend(FILMS, ["#1", "#4", "#9"], run_ids=[trained[model] for model in DEFAULT])
    assert lists(tab) == {one.key: [ranked.item.id for ranked in one.items] for one in answer.lists}
