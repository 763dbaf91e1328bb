"""The Recommend page when something is wrong: damaged or deleted runs, and addresses that make no sense."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from recdash import paths
from recdash.services import loaded_models, recommend
from recdash.services import runs as run_service
from tests.pages.conftest import page_text
from tests.pages.recommend_helpers import (
    FILMS,
    act,
    all_parameters,
    checked,
    drawn,
    is_drawn,
    lists,
    open_tab,
    picks,
    view,
)

pytestmark = pytest.mark.usefixtures("components")
PARAMETERS = (
    "mark", "list", "view", "adventure", "popularity", "from", "to", "genre", "k", "temperature", "l2", "epoch", "user",
    "map_run", "map", "device",
)  # fmt: skip
NONSENSE = (
    "", "nonsense", "nan", "-inf", "1e999", "-1", "0", "9" * 30, "9" * 5000, "99,1", "1,2,3", "(5, nan)", ":", ":0",
    ":99999999", "../../etc", "<b>", "[x](javascript:1)", "½", "٣", "\x00", "RUN:", "RUN:-1", "RUN:99",
    "RUN:" + "9" * 5000, "RUN:1:1", "gone-12345678:1", "RUN",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("parameter", PARAMETERS)
def test_nonsense_in_one_parameter_of_the_address_is_passed_over(trained: dict[str, str], parameter: str) -> None:
    """A value may mean something to its parameter; none may be an error, and the picks are always answered."""
    values = [text.replace("RUN", trained["multvae"]) for text in NONSENSE]
    for value in values[:: len(values) // 4] if parameter in ("device", "map") else values:
        tab = open_tab(pick=["1", "4"], **{parameter: value})
        assert [item for item, _ in picks(tab)] == ["1", "4"], value
        if parameter != "list":
            assert all(len(items) > 0 for items in lists(tab).values()), value


@pytest.mark.slow
@given(st.data())
@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.generate],
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_nonsense_in_every_parameter_at_once_is_passed_over(trained: dict[str, str], data: st.DataObject) -> None:
    texts = st.one_of(st.sampled_from(NONSENSE), st.text(max_size=20))
    address = {
        name: [text.replace("RUN", trained["multvae"]) for text in data.draw(st.lists(texts, min_size=1, max_size=3))]
        for name in (*PARAMETERS, "pick", "tab")
    }
    address["pick"] = ["4", *address["pick"], "4", "1"]
    address["view"] = data.draw(st.sampled_from(["lists", "merged", "differences", "blind", "map"]))
    tab = open_tab(**address)
    assert {"4", "1"} <= {item for item, _ in picks(tab)}
    checked(act(tab, "title_search", "like", id="9"))
    assert "9" in [item for item, _ in picks(tab)]


def test_nonsense_leaves_the_usual_view(trained: dict[str, str]) -> None:
    usual = view(open_tab(pick=["1", "4"]))
    names = [name for name in PARAMETERS if name not in ("list", "mark")]
    assert view(open_tab(pick=["1", "zz", "4"], mark=["like", "x"], **dict.fromkeys(names, "nonsense"))) == usual


def test_a_mark_outside_the_scale_is_not_shown_as_such(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1", "4"], mark=["-3", "1e9"])
    assert picks(tab) == [("1", "like"), ("4", "like")]


def test_marks_stay_with_their_items_if_an_item_is_named_twice(trained: dict[str, str]) -> None:
    assert picks(open_tab(pick=["1", "1", "4"], mark=["2", "3", "5"])) == [("1", "2"), ("4", "5")]


def test_the_pick_beyond_the_most_that_a_link_carries_changes_nothing_silently(
    trained: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from recdash.ui.recommend import taste_state

    monkeypatch.setattr(taste_state, "MAX_PICKS", 3)
    tab = open_tab(pick=["1", "4", "7"])
    checked(act(tab, "title_search", "like", id="9"))
    assert [item for item, _ in picks(tab)] == ["1", "4", "7"] == all_parameters(tab)["pick"]
    assert not drawn(tab, "title_search")["canUndo"], "nothing has changed"
    checked(act(tab, "taste_bar", "mark", id="4", mark="dislike"))
    assert picks(tab)[1] == ("4", "dislike"), "earlier picks can still be changed"


@pytest.mark.parametrize("view_name", ["lists", "merged", "differences", "blind", "map"])
def test_a_damaged_checkpoint_is_a_note_and_the_other_lists_answer(trained: dict[str, str], view_name: str) -> None:
    weights = next(paths.checkpoint_dir().joinpath(trained["multvae"], "best").glob("*.safetensors"))
    weights.write_bytes(b"damaged" * 10)
    loaded_models.clear()
    tab = open_tab(pick=["1", "4"], view=view_name)
    if view_name == "lists":
        by_key = {one["key"]: one for one in drawn(tab, "ranked_lists.lists")["lists"]}
        damaged = by_key.pop(trained["multvae"])
        assert damaged["items"] == [] and "rain again" in damaged["note"]
        assert all(len(one["items"]) == 10 for one in by_key.values()) and len(by_key) == 3
        checked(act(tab, "ranked_lists.lists", "epochs", list=trained["multvae"]))
        checked(act(tab, "ranked_lists.lists", "details", id=by_key[trained["ease"]]["items"][0]["id"]))


def test_a_run_deleted_meanwhile_is_left_out(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1", "4"], epoch=f"{trained['multdae']}:0", list=[trained["multdae"], trained["ease"]])
    assert list(lists(tab)) == [trained["multdae"], trained["ease"]]
    run_service.delete(trained["multdae"])
    checked(tab.run())
    assert list(lists(tab)) == [trained["ease"]]
    again = open_tab(pick=["1"], list=[trained["multdae"]], user=f"{trained['multdae']}:1")
    assert "No model is selected" in page_text(again) or is_drawn(again, "ranked_lists.lists")


def test_a_run_deleted_before_its_test_user_is_asked_for_is_a_message(
    trained: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = open_tab()
    for run_id in trained.values():
        run_service.delete(run_id)
    checked(tab.button(key="test_user").click().run())
    assert picks(tab) == [] and len(tab.toast) == 1


def test_another_dataset_gets_the_picks_with_the_same_titles_and_no_other_items(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["4"])
    checked(tab.selectbox(key="url.dataset").set_value("demo").run())
    assert picks(tab) == [], "the demo has an item 4, but no film of this title"
    matrix = recommend.find_items("demo", "The Matrix", 1)[0]
    act(tab, "title_search", "like", id=matrix.id)
    checked(tab.selectbox(key="url.dataset").set_value(FILMS).run())
    assert picks(tab) == []
    checked(tab.selectbox(key="url.dataset").set_value("demo").run())
    act(tab, "title_search", "like", id=matrix.id)
    assert picks(tab) == [(matrix.id, "like")]
