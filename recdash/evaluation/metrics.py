"""All ranking metrics: pure functions from lists and held-out items to one value per user.

Arguments that the functions share:

- `hits`: (users, ranks) bool, True where the item at that rank is held out; lists shorter than k count as misses.
- `n_relevant`: (users,) number of held-out items. A user with none gets NaN and does not count in a mean.
- `top`: (users, ranks) item indices by rank, -1 after the end of a list.
- `k`: length of the list that counts.

Ranks start at 1. Among equal scores the lower item index comes first (see `recdash.models.ranking`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.integer[Any]]
FloatArray = NDArray[np.float64]


def _nan_if_unscored(n_relevant: IntArray) -> FloatArray:
    """1 for users with held-out items, NaN for others."""
    return np.where(n_relevant > 0, 1.0, np.nan)


def _first_k(hits: BoolArray, k: int) -> BoolArray:
    """The first k ranks, (users, k); shorter lists are padded with misses."""
    return hits[:, :k] if hits.shape[1] >= k else np.pad(hits, ((0, 0), (0, k - hits.shape[1])))


def ndcg_at_k(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """Return NDCG@k with binary gains, (users,) (Järvelin and Kekäläinen, TOIS 2002)."""
    discount = 1 / np.log2(np.arange(2, k + 2))  # (k,), rank 1 first
    ideal = np.concatenate([[np.nan], np.cumsum(discount)])  # (k + 1,): best DCG with n hits
    return np.asarray((_first_k(hits, k) @ discount) / ideal[np.minimum(n_relevant, k)])


def recall_at_k(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """Return Recall@k with divisor min(k, held-out items), (users,) (Liang et al., WWW 2018, section 4.3)."""
    return np.asarray(
        _first_k(hits, k).sum(axis=1) / np.minimum(np.maximum(n_relevant, 1), k) * _nan_if_unscored(n_relevant)
    )


def recall_all_at_k(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """Return Recall@k with divisor held-out items, (users,)."""
    return np.asarray(_first_k(hits, k).sum(axis=1) / np.maximum(n_relevant, 1) * _nan_if_unscored(n_relevant))


def precision_at_k(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """Return Precision@k, (users,); the divisor is k even if there are fewer candidates."""
    return np.asarray(_first_k(hits, k).sum(axis=1) / k * _nan_if_unscored(n_relevant))


def hitrate_at_k(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """Return 1 for users with a hit in the first k ranks and 0 for others, (users,)."""
    return np.asarray(_first_k(hits, k).any(axis=1) * _nan_if_unscored(n_relevant))


def average_precision_at_k(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """Return average precision@k, (users,) (Wu et al., WSDM 2016, section 4.2).

    The sum of precision@j over the ranks j of the hits, divided by min(k, held-out items).
    """
    first = _first_k(hits, k)  # (users, k)
    precision = np.cumsum(first, axis=1) / np.arange(1, k + 1)  # (users, k)
    return np.asarray(
        (precision * first).sum(axis=1) / np.minimum(np.maximum(n_relevant, 1), k) * _nan_if_unscored(n_relevant)
    )


def reciprocal_rank_at_k(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """Return 1 / rank of the first hit, (users,); 0 without a hit in the first k ranks."""
    first = _first_k(hits, k)
    return np.asarray(np.where(first.any(axis=1), 1 / (first.argmax(axis=1) + 1), 0.0) * _nan_if_unscored(n_relevant))


HIT_METRICS = {
    "ndcg": ndcg_at_k,
    "recall": recall_at_k,
    "recall_all": recall_all_at_k,
    "precision": precision_at_k,
    "map": average_precision_at_k,
    "mrr": reciprocal_rank_at_k,
    "hitrate": hitrate_at_k,
}


def _mean_over_ranks(top: IntArray, value_of_item: FloatArray, k: int) -> FloatArray:
    """Mean of a per-item value (items,) over the first k ranks of each list, (users,); NaN for an empty list."""
    listed = top[:, :k] >= 0
    values = np.where(listed, value_of_item[np.maximum(top[:, :k], 0)], 0.0)
    return np.asarray(values.sum(axis=1) / np.where(listed.any(axis=1), listed.sum(axis=1), np.nan))


def novelty_at_k(top: IntArray, train_counts: IntArray, n_train_users: int, k: int) -> FloatArray:
    """Return the mean self-information of the listed items in bits, (users,); higher means rarer items.

    The self-information of item i is -log2(max(c_i, 1) / training users).

    Args:
        top: (users, ranks) item indices, -1 after the end of a list.
        train_counts: (items,) training users of each item.
        n_train_users: Number of training users.
        k: Length of the list that counts.

    Returns:
        (users,) float64; NaN for an empty list.
    """
    return _mean_over_ranks(top, -np.log2(np.maximum(train_counts, 1) / n_train_users), k)


def popularity_percentile_at_k(top: IntArray, train_counts: IntArray, k: int) -> FloatArray:
    """Return the mean popularity percentile of the listed items, (users,).

    The percentile of an item is the share of items that are less popular; near 1 only popular items are listed.

    Args:
        top: (users, ranks) item indices, -1 after the end of a list.
        train_counts: (items,) training users of each item.
        k: Length of the list that counts.

    Returns:
        (users,) float64; NaN for an empty list.
    """
    percentile = np.searchsorted(np.sort(train_counts), train_counts, side="left") / len(train_counts)
    return _mean_over_ranks(top, percentile, k)


def coverage_at_k(top: IntArray, n_items: int, k: int) -> float:
    """Return the share of the catalogue that appears in any list; it grows with the number of users."""
    is_listed = np.zeros(n_items + 1, np.bool_)
    is_listed[top[:, :k]] = True  # -1 marks the last one, which is no item
    return float(is_listed[:n_items].sum() / n_items)


def gini_at_k(top: IntArray, n_items: int, k: int) -> float:
    """Return the Gini coefficient of item exposure, items never listed included.

    0 means that all items are listed equally often, near 1 that few items fill the lists; NaN without lists.
    """
    listed = top[:, :k]
    counts = np.sort(np.bincount(listed[listed >= 0], minlength=n_items)).astype(np.float64)
    if counts.sum() == 0:
        return float("nan")
    rank = 2 * np.arange(1, n_items + 1) - n_items - 1
    return float((rank * counts).sum() / (n_items * counts.sum()))
