"""Indexing of raw ids, and removal of duplicate (user, item) pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def index(ids: Any) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Index ids in ascending numeric order, or in string order if any of them is not a whole number.

    Returns:
        The index of each id, (n,) int32, and the ids in the order of their indices.
    """
    import pandas as pd  # lazy: pandas

    codes, unique = pd.factorize(ids)
    names = [str(value) for value in unique]
    if all(name.isdecimal() for name in names):
        order = sorted(range(len(names)), key=lambda position: (int(names[position]), names[position]))
    else:
        order = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(names), np.int32)
    rank[order] = np.arange(len(names), dtype=np.int32)
    return rank[codes], tuple(names[position] for position in order)


def latest_of_each_pair(
    users: NDArray[np.int32],
    items: NDArray[np.int32],
    n_items: int,
    times: NDArray[np.int64] | None,
    parts: NDArray[np.uint8] | None,
) -> tuple[NDArray[np.int64] | None, NDArray[np.uint8] | None]:
    """Select one row of each (user, item) pair: the latest in time, and the last one in the file among ties.

    Returns:
        The selected rows, ascending, or None for all rows; and the parts, where those of a selected row are the union
        over all rows of its pair.
    """
    pairs = users.astype(np.int64)
    pairs *= n_items
    pairs += items
    if np.all(pairs[1:] > pairs[:-1]):  # as in files sorted by user and item
        return None, parts
    ordered = np.sort(pairs)
    same = ordered[1:] == ordered[:-1]
    if not same.any():
        return None, parts
    repeated = np.unique(ordered[1:][same])
    del ordered, same  # large for millions of rows
    is_repeated = repeated[np.minimum(np.searchsorted(repeated, pairs), len(repeated) - 1)] == pairs
    rows = np.flatnonzero(is_repeated)
    order = rows[np.lexsort((rows, pairs[rows]) if times is None else (rows, times[rows], pairs[rows]))]
    last = np.append(pairs[order][1:] != pairs[order][:-1], True)
    if parts is not None:
        parts = parts.copy()
        first = np.concatenate([[0], np.flatnonzero(last)[:-1] + 1])
        parts[order[last]] = np.bitwise_or.reduceat(parts[order], first)
    return np.sort(np.concatenate([np.flatnonzero(~is_repeated), order[last]])), parts
