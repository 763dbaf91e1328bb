"""Rank-biased overlap against hand-computed values and its properties; what lists share and what one alone has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recdash.data.catalogue import Catalogue
from recdash.data.items import Item
from recdash.errors import UsageError
from recdash.recommend.item_popularity import ItemPopularity
from recdash.recommend.list_comparison import compare_lists, rank_biased_overlap

lists = st.lists(st.sampled_from("abcdefghijkl"), max_size=10, unique=True)


def items(text: str) -> list[Item]:
    return [Item(letter, letter.upper()) for letter in text]


def test_hand_computed_overlap_of_lists_of_equal_length() -> None:
    """abc and bad, p = 0.5: agreement 0, 2/2, 2/3 at depths 1 to 3; (1-p)/p = 1.

    0 * 0.5 + 1 * 0.25 + 2/3 * 0.125 + 2/3 * 0.125 = 0.41667.
    """
    assert rank_biased_overlap("abc", "bad", 0.5) == pytest.approx(0.25 + 2 / 3 * 0.25)


def test_hand_computed_overlap_of_lists_of_different_length() -> None:
    """a and ba, p = 0.5, s = 1, l = 2: X_1 = 0, X_2 = 1; X_s = 0.

    sum: 0/1 * 0.5 + 1/2 * 0.25 = 0.125; no part of the short list beyond its end; ((1 - 0)/2 + 0/1) * 0.25 = 0.125.
    """
    assert rank_biased_overlap("a", "ba", 0.5) == pytest.approx(0.25)
    # a and ab: X_1 = X_2 = 1; 0.5 + 0.125 + 1 * (2 - 1) / (1 * 2) * 0.25 + ((1 - 1) / 2 + 1) * 0.25 = 1
    assert rank_biased_overlap("a", "ab", 0.5) == pytest.approx(1.0)


def test_early_ranks_count_more() -> None:
    assert rank_biased_overlap("abcdef", "abcxyz") > rank_biased_overlap("abcdef", "xyzdef")


@given(a=lists, b=lists, p=st.floats(0.05, 0.99))
@settings(max_examples=200, deadline=None)
def test_overlap_is_symmetric_between_zero_and_one_and_equals_the_definition(
    a: list[str], b: list[str], p: float
) -> None:
    found = rank_biased_overlap(a, b, p)
    assert 0 <= found <= 1 and found == pytest.approx(rank_biased_overlap(b, a, p), abs=1e-12)
    if a and b:
        short, long = sorted((a, b), key=len)
        s, n = len(short), len(long)
        common = [len(set(short[:d]) & set(long[:d])) for d in range(n + 1)]  # X_d
        total = sum(common[d] / d * p**d for d in range(1, n + 1))
        total += sum(common[s] * (d - s) / (s * d) * p**d for d in range(s + 1, n + 1))
        expected = (1 - p) / p * total + ((common[n] - common[s]) / n + common[s] / s) * p**n
        assert found == pytest.approx(expected, abs=1e-9)
    if not set(a) & set(b) and (a or b):
        assert found == 0


@given(a=lists, p=st.floats(0.05, 0.99))
def test_a_list_overlaps_itself_completely(a: list[str], p: float) -> None:
    assert rank_biased_overlap(a, list(a), p) == pytest.approx(1.0)


@pytest.mark.parametrize("p", [0.0, 1.0, -1.0, 2.0])
def test_persistence_outside_zero_to_one_is_refused(p: float) -> None:
    with pytest.raises(UsageError, match="persistence"):
        rank_biased_overlap("ab", "ba", p)


def test_a_repeated_item_is_refused() -> None:
    with pytest.raises(UsageError, match="twice"):
        rank_biased_overlap("aa", "ab")


def test_comparison_of_three_lists() -> None:
    found = compare_lists({"x": items("abcd"), "y": items("badz"), "z": items("dqab")})
    assert found.names == ("x", "y", "z")
    assert found.shared.tolist() == [[4, 3, 3], [3, 4, 3], [3, 3, 4]]
    np.testing.assert_allclose(found.overlap, found.overlap.T)
    np.testing.assert_allclose(np.diag(found.overlap), 1)
    assert found.overlap[0, 1] == pytest.approx(rank_biased_overlap("abcd", "badz"))
    assert {name: [item.id for item in unique] for name, unique in found.only_in.items()} == {
        "x": ["c"], "y": ["z"], "z": ["q"],
    }  # fmt: skip
    assert [item.id for item in found.in_all] == ["a", "b", "d"], "ranks 1 2 3, 2 1 4 and 4 3 1"


def test_an_empty_list_says_nothing_about_what_all_agree_on() -> None:
    found = compare_lists({"x": items("ab"), "y": [], "z": items("ba")})
    assert {item.id for item in found.in_all} == {"a", "b"}
    assert found.overlap[0, 1] == 0 and found.shared[0, 1] == 0
    assert compare_lists({"x": items("ab"), "y": []}).in_all == ()
    assert compare_lists({}).shared.shape == (0, 0)


def test_profiles_are_means_of_popularity_and_novelty() -> None:
    catalogue = Catalogue(tuple(items("abcd")))
    popularity = ItemPopularity(catalogue, np.array([8, 4, 2, 1]), 16)
    found = compare_lists({"x": items("ab"), "y": items("d"), "empty": []}, popularity).profiles
    assert found["x"].mean_count == 6 and found["x"].mean_percentile == pytest.approx((0.75 + 0.5) / 2)
    assert found["x"].novelty == pytest.approx((1 + 2) / 2)  # -log2 of 8/16 and of 4/16
    assert found["y"].novelty == pytest.approx(4)
    assert np.isnan(found["empty"].novelty)
