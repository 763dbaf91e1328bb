"""Picks on the Recommend page: actions, undo, the address that restores them, and that no pick is ever listed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from recdash.recommend.taste_history import TasteHistory
from tests.pages.conftest import Open
from tests.pages.recommend_helpers import (
    FILMS,
    GENRES,
    act,
    all_parameters,
    checked,
    drawn,
    films,
    is_drawn,
    lists,
    open_tab,
    picks,
    view,
)

PAGE = settings(
    max_examples=5,
    deadline=None,
    phases=[Phase.generate],
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
MARKS = st.sampled_from(["like", "like", "dislike", "1", "2.5", "5"])
TASTES = st.lists(st.tuples(st.integers(1, 45).map(str), MARKS), min_size=1, max_size=6, unique_by=lambda one: one[0])
pytestmark = pytest.mark.usefixtures("components")


def test_actions_change_the_picks_and_the_address(open_page: Open) -> None:
    tab = open_page("recommend", dataset="toy")
    act(tab, "title_search", "like", id="4")
    act(tab, "title_search", "like", id="7")
    act(tab, "title_search", "dislike", id="9")
    assert picks(tab) == [("4", "like"), ("7", "like"), ("9", "dislike")]
    act(tab, "taste_bar", "mark", id="7", mark="4.5")
    act(tab, "taste_bar", "move", id="9", to=0)
    assert picks(tab) == [("9", "dislike"), ("4", "like"), ("7", "4.5")]
    assert all_parameters(tab)["pick"] == ["9", "4", "7"]
    assert all_parameters(tab)["mark"] == ["dislike", "like", "4.5"]
    assert drawn(tab, "title_search")["message"]["text"] == "Moved Film 9 (1959)"
    act(tab, "taste_bar", "remove", id="4")
    act(tab, "taste_bar", "clear")
    assert picks(tab) == [] and not is_drawn(tab, "taste_bar") and "pick" not in all_parameters(tab)
    assert drawn(tab, "title_search")["canUndo"], "clearing can be undone although the bar is gone"
    act(tab, "title_search", "undo")
    assert picks(tab) == [("9", "dislike"), ("7", "4.5")] and drawn(tab, "taste_bar")["canRedo"]
    act(tab, "taste_bar", "undo")
    assert picks(tab) == [("9", "dislike"), ("4", "like"), ("7", "4.5")]
    act(tab, "taste_bar", "redo")
    checked(act(tab, "taste_bar", "redo"))
    assert picks(tab) == [] and not drawn(tab, "title_search")["canRedo"]


ACTIONS = st.lists(
    st.one_of(
        st.fixed_dictionaries({"kind": st.sampled_from(["like", "dislike", "remove"]), "id": st.sampled_from("1234")}),
        st.fixed_dictionaries({"kind": st.just("mark"), "id": st.sampled_from("1234"), "mark": MARKS}),
        st.fixed_dictionaries({"kind": st.just("move"), "id": st.sampled_from("1234"), "to": st.integers(-1, 5)}),
        st.fixed_dictionaries({"kind": st.sampled_from(["clear", "nonsense"])}),
    ),
    max_size=20,
)


@given(ACTIONS)
def test_undo_restores_exactly_each_earlier_state_and_redo_each_later_one(actions: list[dict[str, Any]]) -> None:
    states = [TasteHistory()]
    for action in actions:
        after = states[-1].apply(action)
        assert (len(after.past) > len(states[-1].past)) == (after.entries != states[-1].entries)
        if after.entries != states[-1].entries:
            states.append(after)
    history = states[-1]
    for earlier in reversed(states[:-1]):
        history = history.undo()
        assert history.entries == earlier.entries and history.past == earlier.past
    assert history.undo() == history
    for later in states[1:]:
        history = history.redo()
        assert history.entries == later.entries
    assert history == replace(states[-1], future=()) and history.redo() == history


def test_undo_on_the_page_restores_lists_bar_and_address(trained: dict[str, str]) -> None:
    tab = open_tab(list=[trained["ease"], trained["recvae"]])
    steps: list[dict[str, Any]] = [
        {"kind": "like", "id": "4"},
        {"kind": "like", "id": "9"},
        {"kind": "mark", "id": "4", "mark": "1"},
        {"kind": "move", "id": "9", "to": 0},
        {"kind": "dislike", "id": "20"},
        {"kind": "clear"},
    ]
    states = [(view(tab), all_parameters(tab))]
    for step in steps:
        act(tab, "title_search", **step)
        states.append((view(tab), all_parameters(tab)))
    for state in reversed(states[:-1]):
        checked(act(tab, "title_search", "undo"))
        assert (view(tab), all_parameters(tab)) == state
    for state in states[1:]:
        checked(act(tab, "title_search", "redo"))
        assert (view(tab), all_parameters(tab)) == state


@pytest.mark.slow
@PAGE
@given(taste=TASTES, adventure=st.sampled_from([-1.0, 0.0, 0.4]), merged=st.booleans(), data=st.data())
def test_the_address_restores_exactly_the_view(
    trained: dict[str, str], taste: list[tuple[str, str]], adventure: float, merged: bool, data: st.DataObject
) -> None:
    tab = open_tab()
    for item_id, mark in taste[:2]:
        act(tab, "title_search", "mark", id=item_id, mark=mark)
    for item_id, mark in taste[2:]:
        act(tab, "taste_bar", "mark", id=item_id, mark=mark)
    act(tab, "taste_bar", "move", id=taste[0][0], to=len(taste) - 1)
    tab.slider(key="url.adventure").set_value(adventure)
    tab.slider(key="url.popularity").set_value((5 * data.draw(st.integers(0, 8)), 100))
    tab.slider(key="url.temperature").set_value(data.draw(st.sampled_from([0.25, 1.0, 2.0])))
    tab.number_input(key="url.k").set_value(data.draw(st.integers(3, 12)))
    tab.multiselect(key="url.genre").set_value(data.draw(st.lists(st.sampled_from(GENRES[:3]), unique=True)))
    tab.multiselect(key="url.list").set_value([trained["recvae"], trained["ease"]])
    if merged:
        tab.segmented_control(key="url.view").set_value("merged")
    checked(tab.run())
    again = open_tab(**{**all_parameters(tab), "dataset": FILMS})
    assert view(again) == view(tab) and all_parameters(again) == all_parameters(tab)


@PAGE
@given(
    taste=TASTES,
    genres=st.lists(st.sampled_from(GENRES), max_size=2, unique=True),
    decades=st.tuples(st.sampled_from([1950, 1960, 1970, 1980, 1990]), st.sampled_from([1950, 1960, 1970, 1980, 1990])),
    popularity=st.tuples(st.integers(0, 10), st.integers(10, 20)),
    adventure=st.integers(-10, 10),
)
def test_no_pick_dislike_or_filtered_film_is_ever_listed(
    trained: dict[str, str],
    taste: list[tuple[str, str]],
    genres: list[str],
    decades: tuple[int, int],
    popularity: tuple[int, int],
    adventure: int,
) -> None:
    low, high = 5 * popularity[0], 5 * popularity[1]
    tab = open_tab(
        pick=[item_id for item_id, _ in taste],
        mark=[mark for _, mark in taste],
        list=list(trained.values()),
        k="20",
        genre=genres,
        popularity=f"{low},{high}",
        adventure=str(adventure / 10),
        **{"from": str(decades[0]), "to": str(decades[1])},
    )
    data = films()
    counts = np.bincount(data.items, minlength=data.n_items)
    less_popular = {item.id: float((counts < count).mean()) for item, count in zip(data.catalogue, counts, strict=True)}
    known = {item.id: item for item in data.catalogue}
    listed = [item for items in lists(tab).values() for item in items]
    permitted = [
        item
        for item in known.values()
        if (not genres or set(genres) & set(item.genres))
        and min(decades) <= item.year // 10 * 10 <= max(decades)
        and low / 100 <= less_popular[item.id] <= high / 100
        and item.id not in dict(taste)
    ]
    assert set(listed) <= {item.id for item in permitted}
    by_popularity = lists(tab)[trained["popularity"]]
    assert len(by_popularity) == min(20, len(permitted)), "and nothing else is left out"


def test_a_mark_given_inside_a_list_leaves_the_lists_until_they_are_updated(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1", "4"])
    before = lists(tab)
    target, other = before[trained["ease"]][:2]
    checked(act(tab, "ranked_lists.lists", "like", id=target, source="list"))
    checked(act(tab, "ranked_lists.lists", "dislike", id=other, source="list"))
    assert lists(tab) == before and picks(tab)[2:] == [(target, "like"), (other, "dislike")]
    shown = drawn(tab, "ranked_lists.lists")
    assert shown["changes"].startswith("2 changes to your picks")
    assert [item["mark"] for item in shown["lists"][0]["items"][:2]] == ["like", "dislike"]
    assert all_parameters(tab)["pick"] == ["1", "4", target, other]
    checked(act(tab, "ranked_lists.lists", "update"))
    assert drawn(tab, "ranked_lists.lists")["changes"] == "" and lists(tab) != before
    assert not {target, other} & {item for items in lists(tab).values() for item in items}
    act(tab, "ranked_lists.lists", "remove", id="20", source="list")
    assert drawn(tab, "ranked_lists.lists")["changes"] == "", "removing what was never picked is no change"


def test_a_pick_from_the_search_updates_the_lists_at_once(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1", "4"])
    first = lists(tab)[trained["ease"]][0]
    act(tab, "ranked_lists.lists", "like", id=first, source="list")
    act(tab, "title_search", "like", id="30" if first != "30" else "31")
    assert drawn(tab, "ranked_lists.lists")["changes"] == ""
    assert first not in lists(tab)[trained["ease"]]


def test_two_visitors_never_see_each_others_picks(trained: dict[str, str]) -> None:
    one, two = open_tab(pick=["1", "4"]), open_tab(pick=["2", "5"])
    expected_one, expected_two = view(one), view(two)
    for _ in range(2):
        act(one, "ranked_lists.lists", "like", id="20", source="list")
        act(two, "taste_bar", "like", id="21")
        act(one, "title_search", "undo"), act(two, "title_search", "undo")
        act(one, "ranked_lists.lists", "update")
        assert view(one) == expected_one and view(two) == expected_two
    assert picks(open_tab()) == []


def test_picks_name_their_dataset_in_the_address_even_if_it_is_the_default(trained: dict[str, str]) -> None:
    tab = open_tab(FILMS)
    del tab.query_params["dataset"]
    tab.run()
    assert tab.selectbox(key="url.dataset").value == FILMS, "that of the newest finished run"
    act(tab, "title_search", "like", id="4")
    assert all_parameters(tab)["dataset"] == [FILMS] and picks(tab) == [("4", "like")]
