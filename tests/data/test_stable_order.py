"""Stable orders of interactions are those of sorting by columns, for any numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recdash.data.stable_order import group_order, order_in_groups, sort_ties

ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 2)), max_size=40)
SCALES = st.sampled_from([1, 10**9, 2**61, -(2**61)])  # the last two are too wide for one number per group and key


@settings(deadline=None)  # the first case imports scipy
@given(ROWS, SCALES, st.booleans(), st.sampled_from([np.int64, np.uint64]))
def test_an_order_by_group_key_and_second_key_is_that_of_sorting_by_columns(
    rows: list[tuple[int, int, int]], scale: int, is_grouped: bool, second_type: type[np.generic]
) -> None:
    groups, keys, second = np.array(sorted(rows) if is_grouped else rows, np.int64).reshape(-1, 3).T
    keys = keys * scale
    order = order_in_groups(groups, keys, 5)
    np.testing.assert_array_equal(order, np.lexsort((keys, groups)))
    sort_ties(order, groups, keys, lambda chosen: second.astype(second_type)[chosen])
    np.testing.assert_array_equal(order, np.lexsort((second, keys, groups)))


@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_rows_are_grouped_in_their_order_and_sorted_ones_are_left_as_they_are(kind: type[np.generic]) -> None:
    groups = np.array([3, 1, 3, 0, 1, 3], kind)
    assert group_order(groups, 5).tolist() == [3, 1, 4, 0, 2, 5]  # type: ignore[union-attr]
    assert group_order(np.sort(groups), 5) is None
    assert group_order(groups[:0], 5) is None


def test_only_the_second_keys_of_ties_are_asked_for() -> None:
    groups, keys = np.array([0, 0, 1, 1]), np.array([7, 7, 7, 8])
    asked: list[int] = []

    def second_keys(rows: np.ndarray) -> np.ndarray:
        asked.extend(rows.tolist())
        return -rows

    order = order_in_groups(groups, keys, 2)
    sort_ties(order, groups, keys, second_keys)
    assert order.tolist() == [1, 0, 2, 3]
    assert sorted(asked) == [0, 1]
