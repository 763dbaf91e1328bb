"""Ways to start on the Recommend page, and what leaves it: test users, surprises, saved picks, imports, files."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from recdash.recommend.taste_files import read_taste_file
from recdash.reporting.formatting import escape
from recdash.services import compare, recommend, taste_profiles
from recdash.services.trained_runs import trained_runs
from tests.pages.conftest import Runs, page_text
from tests.pages.recommend_helpers import (
    FILMS,
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
)

pytestmark = pytest.mark.usefixtures("components")
LETTERBOXD = """Date,Name,Year,Letterboxd URI,Rating
2024-01-01,Film 9,1959,https://boxd.it/a,4.5
2024-01-02,M*A*S*H,1954,https://boxd.it/b,1
2024-01-03,The Twin,1982,https://boxd.it/c,5
2024-01-04,[z](javascript:2) Zorglub,1990,https://boxd.it/d,3
2024-01-05,Film 11,1961,https://boxd.it/e,eleven
"""


def held_out_marked(tab: AppTest) -> set[str]:
    return {item["id"] for one in drawn(tab, "ranked_lists.lists")["lists"] for item in one["items"] if item["hit"]}


def test_a_test_user_is_a_start_with_the_held_out_films_as_hits(trained: dict[str, str]) -> None:
    tab = open_tab(k="40")
    before = picks(tab)
    checked(tab.button(key="test_user").click().run())
    (user,) = all_parameters(tab)["user"]
    run_id, _, number = user.partition(":")
    expected = recommend.example_user(FILMS, run_id, int(number))
    assert [item_id for item_id, _ in picks(tab)] == [entry.item.id for entry in expected.taste]
    listed = {item for items in lists(tab).values() for item in items}
    hits = {item.id for item in expected.held_out} & listed
    assert hits and held_out_marked(tab) == hits
    first = drawn(tab, "ranked_lists.lists")["lists"][0]
    n_found = sum(item["hit"] for item in first["items"])
    assert f"{n_found} of {len(expected.held_out)} held-out items in this list" in first["note"]
    assert f"Test user {number}: the picks are the user's input" in page_text(tab)
    again = open_tab(**all_parameters(tab))
    assert held_out_marked(again) == hits and picks(again) == picks(tab)
    checked(tab.button(key="own_picks").click().run())
    assert "user" not in all_parameters(tab) and "Test user" not in page_text(tab)
    assert picks(tab) == before == [] and not is_drawn(tab, "ranked_lists.lists")


def test_picks_that_are_no_longer_those_of_the_test_user_have_no_hits(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1", "4"])
    checked(tab.button(key="test_user").click().run())
    assert "Test user" in page_text(tab)
    checked(act(tab, "title_search", "undo"))
    assert picks(tab) == [("1", "like"), ("4", "like")]
    assert "Test user" not in page_text(tab) and held_out_marked(tab) == set()
    checked(act(tab, "title_search", "redo"))
    assert "Test user" in page_text(tab)


def test_a_test_user_before_any_training_is_of_the_default_split(toy: str) -> None:
    tab = open_tab("toy")
    checked(tab.button(key="test_user").click().run())
    assert all_parameters(tab)["user"][0].startswith(":") and "Test user" in page_text(tab)


def test_a_surprise_is_five_likes_and_can_be_undone(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1"], mark=["dislike"])
    checked(tab.button(key="surprise").click().run())
    surprise = picks(tab)
    assert len({item for item, _ in surprise}) == 5 and {mark for _, mark in surprise} == {"like"}
    assert all(lists(tab).values())
    act(tab, "title_search", "undo")
    assert picks(tab) == [("1", "dislike")]


def test_picks_are_saved_loaded_and_deleted_by_name(trained: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    name = "*Friday* [x](javascript:1) <b>"
    tab = open_tab(pick=["9", "4"], mark=["2.5", "like"])
    assert tab.button(key="save_profile").disabled, "it has no name yet"
    tab.text_input(key="profile_name").set_value(name).run()
    checked(tab.button(key="save_profile").click().run())
    assert escape(name) in "".join(one.value for one in tab.toast)
    assert tab.button(key=f"load.{name}").label == escape(name)
    assert not [text for text in markdown(tab) if name in text]
    other = open_tab(pick=["1"])
    checked(other.button(key=f"load.{name}").click().run())
    assert picks(other) == [("9", "2.5"), ("4", "like")] and all_parameters(other)["pick"] == ["9", "4"]
    monkeypatch.setenv("RECDASH_READ_ONLY", "1")
    reader = open_tab()
    assert f"delete.{name}" not in [one.key for one in reader.button]
    assert "save_profile" not in [one.key for one in reader.button] and "Saving is disabled" in page_text(reader)
    checked(reader.button(key=f"load.{name}").click().run())
    assert picks(reader) == [("9", "2.5"), ("4", "like")]
    monkeypatch.delenv("RECDASH_READ_ONLY")
    checked(other.button(key=f"delete.{name}").click().run())
    assert taste_profiles.saved_tastes(FILMS) == () and f"load.{name}" not in [one.key for one in other.button]
    checked(other.button(key="restore_profile").click().run())
    assert [saved.name for saved in taste_profiles.saved_tastes(FILMS)] == [name]
    assert "restore_profile" not in [one.key for one in other.button]


def test_saved_picks_that_another_visitor_deleted_are_a_message(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["9"])
    tab.text_input(key="profile_name").set_value("<b>").run()
    tab.button(key="save_profile").click().run()
    taste_profiles.delete(FILMS, "<b>")
    checked(tab.button(key="load.<b>").click().run())
    text = "".join(one.value for one in tab.toast)
    assert "No taste" in text.replace("\\", "") or "taste" in text
    assert "<b>" not in text.replace("\\<b\\>", "") and picks(tab) == [("9", "like")]


def upload(tab: AppTest, text: str, name: str = "ratings.csv") -> AppTest:
    tab.button(key="import_taste").click().run()
    tab.file_uploader(key="taste_file").set_value((name, text.encode(), "text/csv"))
    tab.button(key="import_taste").click()  # the dialog is a fragment, which only a browser reruns alone
    return tab.run()


def test_ratings_of_letterboxd_are_matched_chosen_and_used(trained: dict[str, str]) -> None:
    tab = checked(upload(open_tab(pick=["1"]), LETTERBOXD))
    assert "**Letterboxd**: 2 matched, 1 to choose, 1 not in this dataset, 1 unreadable" in page_text(tab)
    (choice,) = [box for box in tab.selectbox if (box.key or "").startswith("ambiguous.")]
    assert choice.label == f"{escape('The Twin (1982)')}: several items fit" and choice.value is None
    assert set(choice.options) == {"The Twin (1981)", "The Twin (1983)"}
    left_out = tab.dataframe[0].value
    assert "[z](javascript:2) Zorglub (1990)" in left_out["Title"].tolist() and len(left_out) == 2
    assert not [text for text in markdown(tab) if "M*A*S*H" in text or "[z](javascript" in text]
    assert tab.button(key="use_import").label == "Use 2 picks"
    choice.set_value("33")
    tab.button(key="import_taste").click()
    tab.run()
    assert tab.button(key="use_import").label == "Use 3 picks"
    tab.button(key="import_taste").click()
    tab.button(key="use_import").click()
    checked(tab.run())
    assert picks(tab) == [("9", "4.5"), ("4", "1"), ("33", "5")] and is_drawn(tab, "ranked_lists.lists")
    act(tab, "title_search", "undo")
    assert picks(tab) == [("1", "like")], "an import can be undone"


def test_a_file_of_no_known_format_is_one_line(trained: dict[str, str]) -> None:
    tab = upload(open_tab(), "a,b\n1,2\n", "<b>notes</b>.csv")
    assert not tab.exception and len(tab.error) == 1
    assert "<b>" not in tab.error[0].value.replace("\\<b\\>", "")


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the download buttons of the last run offer, by key."""
    offered: dict[str, Any] = {}
    original: Callable[..., bool] = st.download_button

    def record(label: str, data: Any, **words: Any) -> bool:
        offered[words["key"]] = data
        return original(label, data, **words)

    monkeypatch.setattr(st, "download_button", record)
    return offered


def test_picks_leave_as_csv_that_reads_back_and_as_an_image_card(
    trained: dict[str, str], downloads: dict[str, Any]
) -> None:
    open_tab(pick=["4", "9", "7"], mark=["2.5", "like", "dislike"])
    read = read_taste_file(downloads["export_taste"].encode(), "picks.csv", films().catalogue, scale=(1.0, 5.0))
    assert [(entry.item.id, entry.mark) for entry in read.taste()] == [("4", 2.5), ("9", "like"), ("7", "dislike")]
    for theme in ("light", "dark"):
        with Image.open(io.BytesIO(downloads[f"card.{theme}"]())) as image:
            assert image.format == "PNG" and image.width >= 600
    downloads.clear()
    assert "Pick something first" in page_text(open_tab()) and not downloads
    assert {run.model for run in trained_runs(FILMS)} == set(trained)


def test_titles_are_shown_as_written_in_every_view(trained: dict[str, str]) -> None:
    for view in ("lists", "merged", "differences", "blind", "map"):
        tab = open_tab(pick=["1", *list(TRICKY)[:3]], view=view, k="40")
        texts = markdown(tab)
        assert not [text for text in texts if any(title in text for title in TRICKY.values())], view
        if view == "differences":
            assert any(escape(title) in text for text in texts for title in TRICKY.values())


def test_what_is_missing_is_trained_behind_the_page_by_one_button(
    toy: str, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(compare, "start", lambda requests, key: started.extend(one.model for one in requests))
    tab = open_tab("toy", pick=["1", "4"])
    assert tab.button(key="train_missing").label == "Train EASE, Mult-DAE, Mult-VAE and RecVAE"
    checked(tab.button(key="train_missing").click().run())
    assert started == ["ease", "multdae", "multvae", "recvae"]
    runs.queued("multvae")
    checked(tab.run())
    assert "Training Mult-VAE. Each list joins when it is ready." in page_text(tab)
    monkeypatch.setenv("RECDASH_READ_ONLY", "1")
    assert "Each list joins" not in page_text(checked(tab.run()))


def test_nothing_is_offered_where_the_default_models_are_trained(trained: dict[str, str]) -> None:
    assert "train_missing" not in [button.key for button in open_tab(pick=["1", "4"]).button]
