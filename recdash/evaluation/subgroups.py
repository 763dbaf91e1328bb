"""Quality in subgroups: users by length of their history, items by popularity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recdash.data.histories import Histories
from recdash.evaluation import metrics
from recdash.evaluation.bootstrap import RatioStatistics

BINS = 4


@dataclass(frozen=True, eq=False)
class Bins:
    """Users or items in up to four groups, from few interactions to many.

    Attributes:
        bin_of: (users or items,) group of each one, -1 for none.
        ranges: Fewest and most interactions in each group.
        sizes: Number of users or items in each group.
    """

    bin_of: NDArray[np.int8]
    ranges: tuple[tuple[int, int], ...]
    sizes: tuple[int, ...]

    def membership(self) -> NDArray[np.float64]:
        """Return 1 where a user or an item belongs to a group, else 0: (users or items, groups)."""
        return np.asarray(self.bin_of[:, None] == np.arange(len(self.sizes)), np.float64)


def user_bins(history: NDArray[np.integer], scored: NDArray[np.bool_]) -> Bins:
    """Return quartiles of the scored users by length of their history, the shortest first.

    Args:
        history: (users,) number of items the model reads of each user.
        scored: (users,) whether the user has held-out items.
    """
    if not scored.any():
        return Bins(np.full(len(history), -1, np.int8), (), ())
    edges = np.quantile(history[scored], np.arange(1, BINS) / BINS)
    return _bins(np.where(scored, np.searchsorted(edges, history, side="left"), -1), history)


def item_bins(counts: NDArray[np.integer]) -> Bins:
    """Return items in four groups with about equal shares of the training interactions, the rare items first.

    Many rare items have as many interactions as a few popular ones, so the groups have about as many held-out items.

    Args:
        counts: (items,) training users of each item.
    """
    order = np.lexsort((np.arange(len(counts)), counts))
    before = np.cumsum(counts[order]) - counts[order]
    total = max(1, int(counts.sum()))
    bin_of = np.empty(len(counts), np.int64)
    bin_of[order] = np.minimum(BINS * before // total, BINS - 1)
    return _bins(bin_of, counts)


def by_user(values: NDArray[np.floating], bins: Bins) -> RatioStatistics:
    """Return the means of a per-user metric (users,) in each group of users."""
    overall = RatioStatistics.of(np.asarray(values, np.float64))
    return RatioStatistics(overall.numerator * bins.membership(), overall.denominator * bins.membership())


def by_item(top: NDArray[np.int32], held_out: Histories, bins: Bins, k: int = 100) -> RatioStatistics:
    """Return NDCG@k in each group of items: lists stay whole, only held-out items of the group are relevant.

    A user without held-out items in a group does not count there.

    Args:
        top: (users, places) listed items.
        held_out: Held-out items of the users.
        bins: Groups of the items.
        k: Length of the list that counts.
    """
    from recdash.evaluation.top_k import hits_in  # lazy: torch

    bin_of_entry = bins.bin_of[held_out.items]  # (entries,)
    columns = []
    for number in range(len(bins.sizes)):
        relevant = held_out.select(bin_of_entry == number)
        columns.append(metrics.ndcg_at_k(hits_in(top, relevant), relevant.counts, k))
    return RatioStatistics.of(np.stack(columns, axis=1) if columns else np.zeros((len(top), 0)))


def _bins(bin_of: NDArray[np.integer], counts: NDArray[np.integer]) -> Bins:
    """Number the groups that are not empty from 0 on."""
    members = [mask for number in range(BINS) if (mask := bin_of == number).any()]
    renumbered = np.full(len(bin_of), -1, np.int8)
    for number, mask in enumerate(members):
        renumbered[mask] = number
    ranges = tuple((int(counts[mask].min()), int(counts[mask].max())) for mask in members)
    return Bins(renumbered, ranges, tuple(int(mask.sum()) for mask in members))
