"""Raw ids as indices, and one interaction of each pair of user and item."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def index(ids: Any) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Index ids in ascending numeric order, or in string order when one of them is not a whole number."""
    import pandas as pd

    codes, unique = pd.factorize(ids)
    names = [str(value) for value in unique]
    if all(name.isdecimal() for name in names):
        order = sorted(range(len(names)), key=lambda position: (int(names[position]), names[position]))
    else:
        order = sorted(range(len(names)), key=names.__getitem__)
    place = np.empty(len(names), np.int32)
    place[order] = np.arange(len(names), dtype=np.int32)
    return place[codes], tuple(names[position] for position in order)


def latest_of_each_pair(
    users: NDArray[np.int32],
    items: NDArray[np.int32],
    n_items: int,
    times: NDArray[np.int64] | None,
    parts: NDArray[np.uint8] | None,
) -> tuple[NDArray[np.int64] | None, NDArray[np.uint8] | None]:
    """Rows to keep, ascending, one of each pair: the latest in time, among equals the last; None for all of them.

    Of the rows that are left, `parts` are those of all rows of the pair.
    """
    pairs = users.astype(np.int64)
    pairs *= n_items
    pairs += items
    ordered = np.sort(pairs)
    same = ordered[1:] == ordered[:-1]
    if not same.any():
        return None, parts
    known = np.unique(ordered[1:][same])
    del ordered, same
    twice = known[np.minimum(np.searchsorted(known, pairs), len(known) - 1)] == pairs
    rows = np.flatnonzero(twice)
    order = rows[np.lexsort((rows, pairs[rows]) if times is None else (rows, times[rows], pairs[rows]))]
    last = np.append(pairs[order][1:] != pairs[order][:-1], True)
    if parts is not None:
        parts = parts.copy()
        first = np.concatenate([[0], np.flatnonzero(last)[:-1] + 1])
        parts[order[last]] = np.bitwise_or.reduceat(parts[order], first)
    return np.sort(np.concatenate([np.flatnonzero(~twice), order[last]])), parts
