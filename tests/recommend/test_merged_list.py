"""Reciprocal rank fusion by hand, and which items the lists dispute."""

from __future__ import annotations

import pytest

from recdash.data.items import Item
from recdash.recommend.merged_list import merge_lists


def items(text: str) -> list[Item]:
    return [Item(letter, letter.upper()) for letter in text]


def test_hand_computed_fusion() -> None:
    """k = 60. a: 1/61 + 1/62, b: 1/62 + 1/61 + 1/61, c: 1/63, d: 1/63."""
    found = merge_lists({"x": items("abc"), "y": items("bad"), "z": items("b")})
    assert [(one.rank, one.item.id) for one in found] == [(1, "b"), (2, "a"), (3, "c"), (4, "d")]
    assert found[0].score == pytest.approx(1 / 62 + 2 / 61)
    assert found[1].score == pytest.approx(1 / 61 + 1 / 62)
    assert found[1].ranks == {"x": 1, "y": 2, "z": None} and found[1].lists == ("x", "y")


def test_an_item_of_more_lists_precedes_one_that_is_first_in_a_single_list() -> None:
    found = merge_lists({"x": items("abcdef"), "y": items("ghijkf")})
    assert found[0].item.id == "f", "2/66 is more than 1/61"
    assert merge_lists({"x": items("abcdef"), "y": items("ghijkf")}, k=0)[0].item.id == "a"


def test_disagreement_is_the_range_of_positions() -> None:
    found = {one.item.id: one for one in merge_lists({"x": items("abcd"), "y": items("abdx")})}
    assert found["a"].disagreement == 0 and not found["a"].is_disputed
    assert found["c"].disagreement == pytest.approx(2 / 4)  # third of four, and absent
    assert found["d"].disagreement == pytest.approx(2 / 4 - 1 / 4)
    alone = merge_lists({"x": items("abcd"), "y": items("efgh")})
    assert {one.item.id for one in alone if one.is_disputed} == {"a", "b", "e", "f"}
    assert alone[0].disagreement == 1


def test_empty_lists_do_not_dispute_and_a_limit_shortens() -> None:
    found = merge_lists({"x": items("abc"), "y": []}, 2)
    assert [(one.item.id, one.ranks, one.disagreement) for one in found] == [("a", {"x": 1}, 0), ("b", {"x": 2}, 0)]
    assert merge_lists({}) == () and merge_lists({"x": []}) == ()


def test_ties_go_to_the_better_rank_then_to_the_earlier_list() -> None:
    found = merge_lists({"x": items("ab"), "y": items("cb"), "z": items("dae")})
    assert [one.item.id for one in found] == ["a", "b", "c", "d", "e"]
