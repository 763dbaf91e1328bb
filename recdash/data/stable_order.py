"""Stable orders of interactions: grouped by user and sorted within the groups, in time that grows with the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def group_order(groups: NDArray[Any], n_groups: int) -> IntArray | None:
    """Return the stable order that sorts rows by group; None if they are sorted already.

    A counting sort by scipy: 14 ms for a million rows, where a stable argsort takes 100.

    Args:
        groups: (n,) group of each row, in [0, n_groups).
        n_groups: Number of groups.
    """
    if not np.any(groups[1:] < groups[:-1]):
        return None
    from scipy import sparse  # lazy: scipy

    rows = len(groups)
    position: NDArray[Any] = np.arange(rows, dtype=np.int32 if rows < 2**31 else np.int64)
    ones = np.ones(rows, np.int8)
    by_group: Any = sparse.coo_array((ones, (groups, position)), shape=(n_groups, rows)).tocsr()
    order: IntArray = by_group.indices.astype(np.int64)
    return order


def order_in_groups(groups: NDArray[Any], keys: NDArray[Any], n_groups: int) -> IntArray:
    """Return the order of rows by group, then key, then position, (n,).

    Group and key become one number where they fit, which sorts 10 times faster than two columns if groups are short.

    Args:
        groups: (n,) group of each row, in [0, n_groups).
        keys: (n,) whole numbers.
        n_groups: Number of groups.
    """
    if not len(groups):
        return np.zeros(0, np.int64)
    order = group_order(groups, n_groups)
    if order is not None:
        groups, keys = groups[order], keys[order]
    first = int(keys.min())
    span = int(keys.max()) - first + 1
    if span * n_groups < 2**62 and keys.dtype != np.uint64:
        combined = groups.astype(np.int64)  # modified in place, to save memory on large files
        combined *= span
        combined += keys
        combined -= first
        inside = np.argsort(combined, kind="stable")
    else:
        inside = np.lexsort((keys, groups))
    return inside if order is None else order[inside]


def sort_ties(
    order: IntArray, groups: NDArray[Any], keys: NDArray[Any], second_keys: Callable[[IntArray], NDArray[Any]]
) -> None:
    """Sort rows of the same group and key by another key, in place; rows that are equal in that too stay in order.

    Args:
        order: (n,) an order by group and key, as of `order_in_groups`; changed in place.
        groups: (n,) group of each row.
        keys: (n,) first key of each row.
        second_keys: Returns the other keys of rows, given by number.
    """
    grouped, sorted_keys = groups[order], keys[order]
    same = (grouped[1:] == grouped[:-1]) & (sorted_keys[1:] == sorted_keys[:-1])
    if not same.any():
        return
    del grouped, sorted_keys  # large for millions of rows
    follows = np.concatenate([[False], same])
    tied = np.flatnonzero(follows | np.concatenate([same, [False]]))
    runs = np.cumsum(~follows[tied]) - 1  # of equal group and key
    rows = order[tied]
    order[tied] = rows[order_in_groups(runs, second_keys(rows), int(runs[-1]) + 1)]
