"""Quality by slice: users by length of their history, items by popularity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recdash.data.histories import Histories
from recdash.evaluation import metrics
from recdash.evaluation.bootstrap import RatioStatistics

MAX_SLICES = 4


@dataclass(frozen=True, eq=False)
class Slices:
    """Users or items in up to four slices, from few interactions to many.

    Attributes:
        slice_of: (users or items,) slice of each one, -1 for none.
        ranges: Fewest and most interactions in each slice.
        sizes: Number of users or items in each slice.
    """

    slice_of: NDArray[np.int8]
    ranges: tuple[tuple[int, int], ...]
    sizes: tuple[int, ...]

    def membership(self) -> NDArray[np.float64]:
        """Return 1 where a user or an item belongs to a slice, else 0: (users or items, slices)."""
        return np.asarray(self.slice_of[:, None] == np.arange(len(self.sizes)), np.float64)


def user_slices(history: NDArray[np.integer], scored: NDArray[np.bool_]) -> Slices:
    """Return quartiles of the scored users by length of their history, the shortest first.

    Args:
        history: (users,) number of items the model reads of each user.
        scored: (users,) whether the user has held-out items.
    """
    if not scored.any():
        return Slices(np.full(len(history), -1, np.int8), (), ())
    edges = np.quantile(history[scored], np.arange(1, MAX_SLICES) / MAX_SLICES)
    return _build_slices(np.where(scored, np.searchsorted(edges, history, side="left"), -1), history)


def item_slices(counts: NDArray[np.integer]) -> Slices:
    """Return items in four slices with about equal shares of the training interactions, the rare items first.

    Many rare items have as many interactions as a few popular ones, so the slices have about as many held-out items.

    Args:
        counts: (items,) training users of each item.
    """
    order = np.lexsort((np.arange(len(counts)), counts))
    before = np.cumsum(counts[order]) - counts[order]
    total = max(1, int(counts.sum()))
    slice_of = np.empty(len(counts), np.int64)
    slice_of[order] = np.minimum(MAX_SLICES * before // total, MAX_SLICES - 1)
    return _build_slices(slice_of, counts)


def by_user(values: NDArray[np.floating], slices: Slices) -> RatioStatistics:
    """Return the means of a per-user metric (users,) in each slice of users."""
    overall = RatioStatistics.of(np.asarray(values, np.float64))
    return RatioStatistics(overall.numerator * slices.membership(), overall.denominator * slices.membership())


def by_item(top: NDArray[np.int32], held_out: Histories, slices: Slices, k: int = 100) -> RatioStatistics:
    """Return NDCG@k in each slice of items: lists stay whole, only held-out items of the slice are relevant.

    A user without held-out items in a slice does not count there.

    Args:
        top: (users, ranks) listed items.
        held_out: Held-out items of the users.
        slices: Slices of the items.
        k: Length of the list that counts.
    """
    from recdash.evaluation.top_k import hits_in  # lazy: torch

    slice_of_entry = slices.slice_of[held_out.items]  # (entries,)
    columns = []
    for number in range(len(slices.sizes)):
        relevant = held_out.select(slice_of_entry == number)
        columns.append(metrics.ndcg_at_k(hits_in(top, relevant), relevant.counts, k))
    return RatioStatistics.of(np.stack(columns, axis=1) if columns else np.zeros((len(top), 0)))


def _build_slices(slice_of: NDArray[np.integer], counts: NDArray[np.integer]) -> Slices:
    """Number the slices that are not empty from 0 on."""
    members = [mask for number in range(MAX_SLICES) if (mask := slice_of == number).any()]
    renumbered = np.full(len(slice_of), -1, np.int8)
    for number, mask in enumerate(members):
        renumbered[mask] = number
    ranges = tuple((int(counts[mask].min()), int(counts[mask].max())) for mask in members)
    return Slices(renumbered, ranges, tuple(int(mask.sum()) for mask in members))
