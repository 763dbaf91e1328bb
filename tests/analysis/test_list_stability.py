"""Stability of lists over training seeds: overlap by hand, rank-biased overlap like that of two single lists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.analysis import list_stability
from recdash.analysis.list_stability import overlap_at, rank_biased_overlap_of, stability
from recdash.recommend.list_comparison import rank_biased_overlap
from recdash.runs.run_folder import RunFolder


def lists(*rows: list[int]) -> np.ndarray:
    width = max(map(len, rows))
    return np.array([row + [-1] * (width - len(row)) for row in rows], np.int32)


def test_overlap_by_hand() -> None:
    a, b = lists([1, 2, 3, 4], [1, 2, 3, 4], [1, 2], []), lists([4, 3, 9, 8], [5, 6, 7, 8], [2, 1, 5, 6], [])
    assert overlap_at(a, b, 4)[:3].tolist() == [0.5, 0.0, 0.5]  # 2 of 4, none, 2 of the longer one's 4
    assert np.isnan(overlap_at(a, b, 4)[3])
    assert overlap_at(a, b, 2)[:3].tolist() == [0.0, 0.0, 1.0]


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(*[st.permutations(range(20)).map(lambda p: p[:n])] * 2)))
def test_rank_biased_overlap_is_that_of_two_lists(pair: tuple[list[int], list[int]]) -> None:
    a, b = pair
    found = rank_biased_overlap_of(lists(list(a)), lists(list(b)))[0]
    assert found == pytest.approx(rank_biased_overlap(list(map(str, a)), list(map(str, b))))


def test_equal_lists_are_stable_and_disjoint_ones_are_not() -> None:
    one = np.arange(200, dtype=np.int32).reshape(10, 20)
    same = stability([one, one, one])
    assert same is not None and same.seeds == 3 and same.users == 10
    assert (same.overlap, same.rank_biased) == pytest.approx((1.0, 1.0))
    assert same.overlap_interval == (pytest.approx(1.0), pytest.approx(1.0))
    other = stability([one, one + 1000])
    assert other is not None and other.overlap == other.rank_biased == 0.0


def test_the_mean_over_pairs_of_seeds_by_hand() -> None:
    a, b, c = lists([1, 2]), lists([1, 3]), lists([4, 5])
    found = stability([a, b, c])
    assert found is not None and found.overlap == pytest.approx((0.5 + 0 + 0) / 3)


def test_nothing_is_compared_without_two_lists_of_the_same_users() -> None:
    one = lists([1, 2], [3, 4])
    assert stability([one]) is None and stability([one, one[:1]]) is None and stability([one[:0], one[:0]]) is None


def test_lists_are_read_from_the_folders_and_users_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_stability, "MAX_USERS", 5)
    for number in (1, 2):
        folder = RunFolder(f"multvae-0000000{number}")
        folder.make()
        top = np.tile(np.arange(100, dtype=np.int32), (8, 1)) + number - 1
        folder.write_per_user({"ndcg@100": np.zeros(8)}, top)
    found = list_stability.stability_of_runs({"multvae-00000001": 1, "multvae-00000002": 1, "multvae-00000003": 1})
    assert found is not None and found.users == 5 and found.seeds == 2
    assert found.overlap == pytest.approx(0.9)  # items 1 to 9 of 0 to 9 and 1 to 10
