"""Every metric, once: pure functions from lists and targets to one value per user (spec: protocols, P-D).

`hits` is (users, places) bool, True where the item at that rank is held out; lists shorter than k count as misses.
`n_relevant` is (users,), the number of held-out items; a user with none gets NaN and leaves every mean.
Ranks start at 1. Among equal scores the lower item index comes first (see `ranking`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.integer[Any]]
FloatArray = NDArray[np.float64]


def _scored(n_relevant: IntArray) -> FloatArray:
    return np.where(n_relevant > 0, 1.0, np.nan)


def _at(hits: BoolArray, k: int) -> BoolArray:
    """The first k places, padded with misses when the lists are shorter."""
    return hits[:, :k] if hits.shape[1] >= k else np.pad(hits, ((0, 0), (0, k - hits.shape[1])))


def ndcg_at_k(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """NDCG@k with binary gains (Järvelin and Kekäläinen, TOIS 2002)."""
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[np.nan], np.cumsum(discount)])
    return np.asarray((_at(hits, k) @ discount) / ideal[np.minimum(n_relevant, k)])


def recall_at_k(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """Hits in the first k places over min(k, held-out items) (Liang et al., WWW 2018, section 4.3)."""
    return np.asarray(_at(hits, k).sum(axis=1) / np.minimum(np.maximum(n_relevant, 1), k) * _scored(n_relevant))


def recall_all_at_k(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """Hits in the first k places over all held-out items."""
    return np.asarray(_at(hits, k).sum(axis=1) / np.maximum(n_relevant, 1) * _scored(n_relevant))


def precision_at_k(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """Hits in the first k places over k, also where fewer than k candidates exist."""
    return np.asarray(_at(hits, k).sum(axis=1) / k * _scored(n_relevant))


def hitrate_at_k(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """1 when any of the first k places is a hit."""
    return np.asarray(_at(hits, k).any(axis=1) * _scored(n_relevant))


def average_precision_at_k(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """Sum of precision@j over the hits' ranks j, over min(k, held-out items) (Wu et al., WSDM 2016, section 4.2)."""
    first = _at(hits, k)
    precision = np.cumsum(first, axis=1) / np.arange(1, k + 1)
    return np.asarray((precision * first).sum(axis=1) / np.minimum(np.maximum(n_relevant, 1), k) * _scored(n_relevant))


def reciprocal_rank_at_k(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """1 / rank of the first hit, 0 when there is none in the first k places."""
    first = _at(hits, k)
    return np.asarray(np.where(first.any(axis=1), 1 / (first.argmax(axis=1) + 1), 0.0) * _scored(n_relevant))


BY_HITS = {
    "ndcg": ndcg_at_k,
    "recall": recall_at_k,
    "recall_all": recall_all_at_k,
    "precision": precision_at_k,
    "map": average_precision_at_k,
    "mrr": reciprocal_rank_at_k,
    "hitrate": hitrate_at_k,
}


def _mean_over_places(top: IntArray, value_of_item: FloatArray, k: int) -> FloatArray:
    listed = top[:, :k] >= 0
    values = np.where(listed, value_of_item[np.maximum(top[:, :k], 0)], 0.0)
    return np.asarray(values.sum(axis=1) / np.where(listed.any(axis=1), listed.sum(axis=1), np.nan))


def novelty_at_k(top: IntArray, train_counts: IntArray, n_train_users: int, k: int) -> FloatArray:
    """Mean self-information of the listed items, bits: -log2(max(c_i, 1) / training users). Higher means rarer.

    top: (users, places) item indices, -1 where a list has ended.  train_counts: (items,) training users per item.
    """
    return _mean_over_places(top, -np.log2(np.maximum(train_counts, 1) / n_train_users), k)


def popularity_percentile_at_k(top: IntArray, train_counts: IntArray, k: int) -> FloatArray:
    """Mean, over the listed items, of the share of items that are less popular; 1 means only the most popular ones."""
    smaller = np.searchsorted(np.sort(train_counts), train_counts, side="left") / len(train_counts)
    return _mean_over_places(top, smaller, k)


def coverage_at_k(top: IntArray, n_items: int, k: int) -> float:
    """Share of the catalogue that stands in any list; it grows with the number of users."""
    listed = np.unique(top[:, :k])
    return float((listed >= 0).sum() / n_items)


def gini_at_k(top: IntArray, n_items: int, k: int) -> float:
    """Gini coefficient of how often items are listed, items never listed included. 0 is even, near 1 concentrated."""
    listed = top[:, :k]
    counts = np.sort(np.bincount(listed[listed >= 0], minlength=n_items)).astype(np.float64)
    if counts.sum() == 0:
        return float("nan")
    place = 2 * np.arange(1, n_items + 1) - n_items - 1
    return float((place * counts).sum() / (n_items * counts.sum()))
