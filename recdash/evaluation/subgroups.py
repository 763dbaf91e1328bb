"""Quality for parts of the users and parts of the items: who is served well, and with which items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recdash.data.histories import Histories
from recdash.evaluation import metrics
from recdash.evaluation.bootstrap import Sums

BINS = 4


@dataclass(frozen=True, eq=False)
class Bins:
    """Users or items in up to four parts, from few interactions to many.

    of: (users or items,) the part of each, -1 for none.  ranges: fewest and most interactions in each part.
    sizes: how many users or items each part has.
    """

    of: NDArray[np.int8]
    ranges: tuple[tuple[int, int], ...]
    sizes: tuple[int, ...]

    def inside(self) -> NDArray[np.float64]:
        """1 where a user or an item belongs to a part, (users or items, parts)."""
        return np.asarray(self.of[:, None] == np.arange(len(self.sizes)), np.float64)


def user_bins(history: NDArray[np.integer], scored: NDArray[np.bool_]) -> Bins:
    """Quarters of the scored users by the length of what the model reads of them, the shortest first."""
    if not scored.any():
        return Bins(np.full(len(history), -1, np.int8), (), ())
    edges = np.quantile(history[scored], np.arange(1, BINS) / BINS)
    return _bins(np.where(scored, np.searchsorted(edges, history, side="left"), -1), history)


def item_bins(counts: NDArray[np.integer]) -> Bins:
    """Items in four parts that share the training interactions about evenly, the rare items first.

    counts: (items,) training users of each item.  Many rare items have as many interactions as a few popular ones,
    so that each part has about as many held-out items.
    """
    order = np.lexsort((np.arange(len(counts)), counts))
    before = np.cumsum(counts[order]) - counts[order]
    total = max(1, int(counts.sum()))
    of = np.empty(len(counts), np.int64)
    of[order] = np.minimum(BINS * before // total, BINS - 1)
    return _bins(of, counts)


def by_user(values: NDArray[np.floating], bins: Bins) -> Sums:
    """Means of a per-user metric (users,) in each part of the users."""
    one = Sums.of(np.asarray(values, np.float64))
    return Sums(one.numerator * bins.inside(), one.denominator * bins.inside())


def by_item(top: NDArray[np.int32], held_out: Histories, bins: Bins, k: int = 100) -> Sums:
    """NDCG@k in each part of the items: the lists stay whole, only held-out items of the part count as wanted.

    top: (users, places) listed items.  A user without held-out items in a part does not count there.
    """
    from recdash.evaluation.top_k import hits_in

    part_of = bins.of[held_out.items]
    columns = []
    for part in range(len(bins.sizes)):
        wanted = held_out.keep(part_of == part)
        columns.append(metrics.ndcg_at_k(hits_in(top, wanted), wanted.counts, k))
    return Sums.of(np.stack(columns, axis=1) if columns else np.zeros((len(top), 0)))


def _bins(of: NDArray[np.integer], counts: NDArray[np.integer]) -> Bins:
    """Number the parts that anybody is in from 0 on."""
    there = [part for part in range(BINS) if (of == part).any()]
    renumbered = np.full(len(of), -1, np.int8)
    for number, part in enumerate(there):
        renumbered[of == part] = number
    ranges = tuple((int(counts[of == part].min()), int(counts[of == part].max())) for part in there)
    return Bins(renumbered, ranges, tuple(int((of == part).sum()) for part in there))
