"""A taste: what models read of it, ratings on any scale, and undo that restores exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.data.items import Item
from recdash.errors import UsageError
from recdash.recommend.taste import (
    DISLIKE,
    LIKE,
    Taste,
    TasteEntry,
    format_mark,
    model_input,
    parse_mark,
)
from recdash.recommend.taste_history import MAX_STEPS, TasteHistory
from recdash.training import fit
from tests.toy_data import toy_split

ACTIONS = st.one_of(
    st.fixed_dictionaries({"kind": st.sampled_from(["like", "dislike", "remove"]), "id": st.sampled_from("abcde")}),
    st.fixed_dictionaries(
        {"kind": st.just("mark"), "id": st.sampled_from("abcde"), "mark": st.sampled_from(["like", "0.5", "4.5", "x"])}
    ),
    st.fixed_dictionaries({"kind": st.just("move"), "id": st.sampled_from("abcde"), "to": st.integers(-2, 9)}),
    st.fixed_dictionaries({"kind": st.sampled_from(["clear", "undo", "redo", "nonsense"])}),
)


@given(st.lists(ACTIONS, max_size=40))
def test_undo_restores_exactly_and_redo_leads_back(actions: list[dict[str, Any]]) -> None:
    history, seen = TasteHistory(), [TasteHistory()]
    for action in actions:
        after = history.apply(action)
        ids = [item_id for item_id, _ in after.entries]
        assert len(set(ids)) == len(ids)
        if action["kind"] not in ("undo", "redo") and after.entries != history.entries:
            assert after.undo().entries == history.entries
            assert after.undo().redo() == after
        history = after
        seen.append(history)
    for _ in range(len(history.past)):
        before = history.undo()
        assert before.redo().entries == history.entries
        history = before
    assert history.entries == () and history.undo() == history


def test_a_new_change_forgets_what_was_undone_and_steps_are_bounded() -> None:
    history = TasteHistory().mark("a").mark("b").undo().mark("c")
    assert [item_id for item_id, _ in history.entries] == ["a", "c"] and history.redo() == history
    for number in range(3 * MAX_STEPS):
        history = history.mark("a", float(number))
    assert len(history.past) == MAX_STEPS


def test_marking_again_keeps_the_place_and_moving_changes_only_the_order() -> None:
    history = TasteHistory().mark("a").mark("b", 2.0).mark("c", DISLIKE).mark("a", 4.5)
    assert history.entries == (("a", 4.5), ("b", 2.0), ("c", DISLIKE))
    assert history.move("c", 0).entries == (("c", DISLIKE), ("a", 4.5), ("b", 2.0))
    assert history.move("a", 99).entries == (("b", 2.0), ("c", DISLIKE), ("a", 4.5))
    assert history.move("z", 0) == history


@pytest.mark.parametrize("mark", [LIKE, DISLIKE, 0.5, 4.0, 10.0])
def test_marks_survive_as_text(mark: Any) -> None:
    assert parse_mark(format_mark(mark)) == mark


@pytest.mark.parametrize("text", ["", "nan", "inf", "loved", "4,5"])
def test_other_text_is_no_mark(text: str) -> None:
    with pytest.raises(ValueError):
        parse_mark(text)


def test_an_item_occurs_once() -> None:
    item = Item("1", "Heat")
    with pytest.raises(UsageError, match="twice"):
        Taste((TasteEntry(item), TasteEntry(item, DISLIKE)))


def test_ranking_models_read_the_positives_in_order_and_rating_models_read_all_with_stars() -> None:
    ranking, ratings = toy_split(), toy_split("ratings-90")
    ease = fit("ease", ranking)
    bias = fit("bias", ratings)
    films = ease.catalogue.items
    marks: list[Any] = [2.0, LIKE, 4.0, DISLIKE, 3.5]
    entries = [TasteEntry(films[position], mark) for position, mark in zip((7, 3, 5, 1, 0), marks, strict=True)]
    taste = Taste((*entries, TasteEntry(Item("unknown", "unknown"))), (1.0, 5.0), 4.0)
    assert [entry.item for entry in taste.read_by(ease)] == [films[3], films[5]]
    row = model_input(ease, [taste.read_by(ease)], taste.scale)
    assert row.items.tolist() == [3, 5] and row.values is None
    assert [entry.item.id for entry in taste.read_by(bias)] == [entry.item.id for entry in entries]
    row = model_input(bias, [taste.read_by(bias)], taste.scale)
    assert row.values is not None
    np.testing.assert_allclose(row.values, [2.0, 4.5, 4.0, 1.5, 3.5])
    assert [item.id for item in taste.liked] == [films[3].id, films[5].id, "unknown"]


def test_what_a_model_reads_is_said() -> None:
    split = toy_split()
    ease, popularity = fit("ease", split), fit("popularity", split)
    taste = Taste.of_likes(ease.catalogue.items[:2])
    assert taste.describe_reading(ease) == "reads 2 likes, in any order"
    assert taste.describe_reading(popularity) == "does not read your picks"
    assert "4.5 stars" in taste.describe_reading(fit("autorec", toy_split("ratings-90"), epochs=1))
