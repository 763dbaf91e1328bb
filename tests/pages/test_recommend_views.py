"""Views and options of the Recommend page: epochs, merged, differences, blind, map, details, l2, temperature."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from recdash.recommend.preference_tally import Z_95
from recdash.reporting.formatting import escape
from recdash.ui import background_jobs
from recdash.ui.charts import item_map_chart
from tests.pages.conftest import page_text, table_with
from tests.pages.recommend_helpers import (
    DEFAULT,
    TRICKY,
    act,
    all_parameters,
    checked,
    drawn,
    films,
    is_drawn,
    lists,
    markdown,
    open_tab,
    picks,
    view,
)

pytestmark = pytest.mark.usefixtures("components")
LISTS = "ranked_lists.lists"


def one_list(tab: AppTest, key: str, component: str = LISTS) -> dict[str, Any]:
    return next(one for one in drawn(tab, component)["lists"] if one["key"] == key)


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


def test_the_epoch_slider_goes_from_the_untrained_model_to_the_list_of_the_best(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1", "4"])
    run_id = trained["multdae"]
    before = view(tab)
    slider = one_list(tab, run_id)["slider"]
    epochs = slider["epochs"]
    assert epochs[0] == 0 and epochs == sorted(epochs) and len(epochs) > 1
    assert slider["epoch"] == epochs[-1] and slider["lists"] is None, "no list is computed before the slider is touched"
    assert one_list(tab, trained["ease"])["slider"] is None
    checked(act(tab, LISTS, "epochs", list=run_id))
    by_epoch = one_list(tab, run_id)["slider"]["lists"]
    assert list(by_epoch) == list(map(str, epochs)) and one_list(tab, trained["recvae"])["slider"]["lists"] is None
    best = one_list(tab, run_id)["items"]
    assert ids(by_epoch[str(epochs[-1])]) == ids(best)
    assert [item["score"] for item in by_epoch[str(epochs[-1])]] == [item["score"] for item in best]
    assert ids(by_epoch["0"]) != ids(best)
    checked(act(tab, LISTS, "epoch", list=run_id, epoch=0))
    assert all_parameters(tab)["epoch"] == [f"{run_id}:0"]
    assert ids(one_list(tab, run_id)["items"]) == ids(by_epoch["0"])
    assert lists(tab)[trained["recvae"]] == ids(before[LISTS]["lists"][3]["items"]), "other lists stay"
    again = open_tab(**all_parameters(tab))
    assert one_list(again, run_id)["slider"]["epoch"] == 0 and lists(again) == lists(tab)
    checked(act(tab, LISTS, "epoch", list=run_id, epoch=epochs[-1]))
    assert lists(tab) == {one["key"]: ids(one["items"]) for one in before[LISTS]["lists"]}


def test_curves_has_the_same_slider(trained: dict[str, str]) -> None:
    run_id = trained["multvae"]
    tab = open_tab(pick=["1", "4"])
    act(tab, LISTS, "epochs", list=run_id)
    expected = {epoch: ids(items) for epoch, items in one_list(tab, run_id)["slider"]["lists"].items()}
    curves = open_tab(page="curves", run=[run_id, trained["ease"]], pick=["1", "4"], section="lists")
    assert "Lists for your picks" in page_text(curves)
    assert [one["key"] for one in drawn(curves, "ranked_lists.epochs")["lists"]] == [run_id], "EASE has no epochs"
    checked(act(curves, "ranked_lists.epochs", "epochs", list=run_id))
    slider = one_list(curves, run_id, "ranked_lists.epochs")["slider"]
    assert {epoch: ids(items) for epoch, items in slider["lists"].items()} == expected
    checked(act(curves, "ranked_lists.epochs", "epoch", list=run_id, epoch=0))
    assert ids(one_list(curves, run_id, "ranked_lists.epochs")["items"]) == expected["0"]


def test_curves_without_picks_takes_an_example_and_a_pick_there_answers_on_recommend(trained: dict[str, str]) -> None:
    curves = open_tab(page="curves", run=[trained["multvae"]], section="lists")
    assert "Lists for a visitor who likes " in page_text(curves)
    assert not [text for text in markdown(curves) if any(title in text for title in TRICKY.values())]
    first = drawn(curves, "ranked_lists.epochs")["lists"][0]["items"][0]["id"]
    checked(act(curves, "ranked_lists.epochs", "like", id=first, source="list"))
    assert "Lists for your picks" in page_text(curves)
    curves.switch_page("pages/recommend.py").run()
    assert picks(checked(curves)) == [(first, "like")]
    assert is_drawn(curves, LISTS), "the first pick is answered wherever it was made"


def test_the_merged_view_has_each_film_once_with_a_dot_for_each_list(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1", "4"])
    side_by_side = lists(tab)
    checked(tab.segmented_control(key="url.view").set_value("merged").run())
    data = drawn(tab, "ranked_lists.merged")
    (column,) = data["lists"]
    assert data["merged"] is True and [item["rank"] for item in column["items"]] == list(
        range(1, len(column["items"]) + 1)
    )
    assert len(set(ids(column["items"]))) == len(column["items"]) <= 20
    names = {
        trained[model]: title for model, title in zip(DEFAULT, ("EASE", "Mult-DAE", "Mult-VAE", "RecVAE"), strict=True)
    }
    scores = []
    for item in column["items"]:
        ranks = {
            names[key]: items.index(item["id"]) + 1 if item["id"] in items else 0 for key, items in side_by_side.items()
        }
        assert {dot["title"].split(":")[0]: int(dot["rank"] or 0) for dot in item["dots"]} == ranks
        scores.append(sum(1 / (60 + rank) for rank in ranks.values() if rank))
        positions = [(11 - rank) / 10 if rank else 0 for rank in ranks.values()]
        assert item["highlight"] == (max(positions) - min(positions) >= 0.7)
    assert scores == sorted(scores, reverse=True)
    assert any(item["highlight"] for item in column["items"]) and not all(item["highlight"] for item in column["items"])


def test_differences_are_those_of_the_lists_shown(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1", "4"], k="12")
    shown = [set(items) for items in lists(tab).values()]
    data = films()
    counts = dict(zip([item.id for item in data.catalogue], np.bincount(data.items), strict=True))
    means = [np.mean([counts[item] for item in items]) for items in shown]
    checked(tab.segmented_control(key="url.view").set_value("differences").run())
    overlap, shared = (frame.value for frame in tab.dataframe[:2])
    assert list(overlap.index) == list(overlap.columns) == ["EASE", "Mult-DAE", "Mult-VAE", "RecVAE"]
    assert np.allclose(np.diag(overlap), 1) and np.allclose(overlap, overlap.T)
    assert ((overlap.to_numpy() >= 0) & (overlap.to_numpy() <= 1)).all()
    assert np.array_equal(shared, [[len(one & other) for other in shown] for one in shown])
    profiles = table_with(tab, "Novelty (bits)")
    assert profiles["Interactions per item"].tolist() == pytest.approx(means, abs=0.5)
    assert "Select at least two" in page_text(open_tab(pick=["1"], list=[trained["ease"]], view="differences"))


def blind_votes(tab: AppTest) -> Any:
    return table_with(tab, "Ties").iloc[0]


def test_a_blind_comparison_names_the_lists_after_the_vote_and_counts(trained: dict[str, str]) -> None:
    chosen = [trained["ease"], trained["recvae"]]
    ease = lists(open_tab(pick=["1", "4"], list=chosen))[chosen[0]]
    tab = open_tab(pick=["1", "4"], list=chosen, view="blind")
    for n_votes in range(1, 7):
        shown = drawn(tab, "ranked_lists.blind")
        text = json.dumps(shown)
        assert not any(word in text for word in ("EASE", "RecVAE", *chosen, "colour", "because"))
        left = ids(shown["lists"][0]["items"]) == ease
        assert left or ids(shown["lists"][1]["items"]) == ease
        checked(tab.button(key=f"vote.{'left' if left else 'right'}").click().run())
        assert f"**{'EASE' if left else 'RecVAE'}**, List B was" in page_text(tab)
        assert "You preferred **EASE**" in page_text(tab)
        row = blind_votes(tab)
        assert (row["Votes for the first"], row["Votes for the second"], row["Ties"]) == (n_votes, 0, 0)
        assert row["95% interval"] == f"{n_votes / (n_votes + Z_95**2):.0%} to 100%"
        assert row["Preferred"] == ("EASE" if n_votes / (n_votes + Z_95**2) > 0.5 else "undecided")
    checked(tab.button(key="vote.tie").click().run())
    assert blind_votes(tab)["Ties"] == 1 and "equally good" in page_text(tab)
    checked(tab.button(key="clear_votes").click().run())
    assert len(tab.dataframe) == 0
    assert "You found" not in page_text(tab) and "List A was" not in page_text(tab)


def test_a_mark_given_in_a_blind_comparison_can_be_answered(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1", "4"], view="blind")
    item = drawn(tab, "ranked_lists.blind")["lists"][0]["items"][0]["id"]
    assert drawn(tab, "ranked_lists.blind")["changes"] == ""
    checked(act(tab, "ranked_lists.blind", "like", id=item, source="list"))
    assert drawn(tab, "ranked_lists.blind")["changes"].startswith("1 change to your picks")
    assert item in ids(drawn(tab, "ranked_lists.blind")["lists"][0]["items"])
    checked(act(tab, "ranked_lists.blind", "update"))
    assert item not in ids(drawn(tab, "ranked_lists.blind")["lists"][0]["items"])


def test_the_details_of_a_film_name_no_model_before_a_blind_vote(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1", "4"], view="blind")
    item = drawn(tab, "ranked_lists.blind")["lists"][0]["items"][0]["id"]
    checked(act(tab, "ranked_lists.blind", "details", id=item))
    assert "more popular than" in page_text(tab) and "In the lists" not in page_text(tab)
    assert not [text for text in markdown(tab) if "VAE" in text]


@pytest.mark.parametrize("item_id", TRICKY)
def test_details_show_tricky_titles_as_written(trained: dict[str, str], item_id: str) -> None:
    others = [other for other in TRICKY if other != item_id]
    tab = open_tab(pick=others, mark=["5", "4", "like", "5", "dislike"], k="45")
    checked(act(tab, LISTS, "details", id=item_id))
    texts = markdown(tab)
    assert any(escape(TRICKY[item_id]) in text for text in texts), "the title of the dialog"
    assert any(escape(TRICKY[other]) in text for text in texts for other in others), "the reasons"
    assert not [text for text in texts if any(title in text for title in TRICKY.values())]
    assert "<i>Odd</i>" not in "".join(texts)
    assert len(drawn(tab, "similar_tiles")["items"]) == 6
    places = [text for text in page_text(tab).split("\n") if "**#" in text]
    assert len(places) == 4 and places[0].startswith("EASE **#")
    rank = next(n for n, one in enumerate(lists(tab)[trained["ease"]], 1) if one == item_id)
    assert f"EASE **#{rank}**" in places[0]


def test_a_mark_in_the_details_is_a_pick_and_leaves_the_lists(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1", "4"])
    before = lists(tab)
    item = before[trained["ease"]][0]
    act(tab, LISTS, "details", id=item)
    checked(tab.button_group(key=f"mark.{item}").set_value("4").run())
    assert picks(tab)[-1] == (item, "4") and lists(tab) == before


def test_the_first_pick_in_the_details_is_answered(trained: dict[str, str]) -> None:
    tab = open_tab()
    act(tab, "item_tiles", "details", id="1")
    act(tab, "similar_tiles", "like", id="2")
    assert picks(checked(tab)) == [("2", "like")] and is_drawn(tab, LISTS)


def test_the_map_has_picks_and_a_list_and_what_is_lassoed_can_be_picked(
    trained: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = open_tab(pick=["1", "4"], view="map")
    (chart,) = tab.get("plotly_chart")
    assert "Each point is one of the most popular films" in page_text(tab)
    assert tab.selectbox(key="url.map_run").value == trained["multvae"]
    assert "<img src=x" not in chart.proto.spec and "<b>Bold" not in chart.proto.spec
    monkeypatch.setattr(item_map_chart, "selected_ids", lambda event, shown: ["4", "13", "7", "nonsense"])
    checked(tab.selectbox(key="url.map_run").set_value(trained["ease"]).run())
    assert tab.button(key="pick_lasso").label == "Pick 2 films"
    assert not [text for text in markdown(tab) if any(title in text for title in TRICKY.values())]
    checked(tab.button(key="pick_lasso").click().run())
    assert picks(tab) == [("1", "like"), ("4", "like"), ("13", "like"), ("7", "like")]
    assert "no item vectors" in page_text(open_tab(pick=["1"], list=[trained["popularity"]], view="map"))


def test_another_l2_is_solved_in_the_background_and_changes_the_list_of_ease(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1", "4"])
    before, slider = lists(tab), tab.select_slider(key="url.l2")
    assert any("trained" in option for option in slider.options)
    checked(slider.set_value(float(slider.options[-1])).run())
    until = time.monotonic() + 20
    while background_jobs.any_running("ease-") and time.monotonic() < until:
        time.sleep(0.02)
    checked(tab.run())
    after = lists(tab)
    assert after[trained["ease"]] != before[trained["ease"]] and after[trained["recvae"]] == before[trained["recvae"]]
    l2 = all_parameters(tab)["l2"][0]
    assert f"l2 = {float(l2):g}" in one_list(tab, trained["ease"])["note"]
    again = open_tab(pick=["1", "4"], l2=l2)
    assert lists(again) == after
    assert "url.l2" not in [one.key for one in open_tab(pick=["1"], list=[trained["recvae"]]).select_slider]


def test_temperature_changes_probabilities_and_no_order(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1", "4"])
    before = drawn(tab, LISTS)["lists"][2]
    checked(tab.slider(key="url.temperature").set_value(0.25).run())
    after = drawn(tab, LISTS)["lists"][2]
    assert ids(after["items"]) == ids(before["items"])
    assert [item["score"] for item in after["items"]] != [item["score"] for item in before["items"]]
    assert all(item["score"].endswith("%") for item in after["items"])


def test_adventure_moves_rarer_films_up_and_mainstream_popular_ones(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1", "4"])
    data = films()
    counts = dict(zip([item.id for item in data.catalogue], np.bincount(data.items), strict=True))
    means = []
    for value in (-1.0, -0.4, 0.0, 0.4, 1.0):
        checked(tab.slider(key="url.adventure").set_value(value).run())
        means.append([float(np.mean([np.log1p(counts[item]) for item in items])) for items in lists(tab).values()])
    assert (np.diff(means, axis=0) <= 1e-9).all() and (np.array(means[0]) > means[-1]).all()


def test_changed_options_are_counted_and_can_be_reset(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1", "4"], k="5", popularity="20,80")
    plain = open_tab(pick=["1", "4"])
    assert len(next(iter(lists(tab).values()))) == 5
    checked(tab.button(key="reset").click().run())
    assert lists(tab) == lists(plain) and not {"k", "popularity"} & set(all_parameters(tab))
    assert "reset" not in [button.key for button in tab.button]
