"""Stability of a model's recommendations over training seeds: overlap of the top lists of the same users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from recdash import paths
from recdash.errors import CheckpointError
from recdash.evaluation.bootstrap import RatioStatistics, bootstrap_statistics
from recdash.runs.run_folder import RunFolder

MAX_USERS = 500  # compared; drawn once with a fixed seed, so that all models are compared on the same users
MAX_SEEDS = 8  # compared pairwise: 28 pairs
DEPTH = 50  # ranks that are read of each list: they have 99.9% of the weight of the rank-biased overlap with p = 0.9
PERSISTENCE = 0.9
Lists = NDArray[np.int32]  # (users, ranks) item indices, -1 after the end of a shorter list


@dataclass(frozen=True, kw_only=True)
class Stability:
    """Mean over users and pairs of seeds, with 95% bootstrap intervals over users.

    Attributes:
        seeds: Number of lists compared pairwise.
        users: Number of users compared.
        overlap: Share of the top 10 that two seeds have in common.
        overlap_interval: Its interval.
        rank_biased: Rank-biased overlap with p = 0.9.
        rank_biased_interval: Its interval.
    """

    seeds: int
    users: int
    overlap: float
    overlap_interval: tuple[float, float]
    rank_biased: float
    rank_biased_interval: tuple[float, float]


def overlap_at(a: Lists, b: Lists, k: int) -> NDArray[np.float64]:
    """Return the share of the top k that two lists of each user have in common, (users,); NaN for two empty lists.

    Where lists are shorter than k, the longer of the two is the divisor.
    """
    top_a, top_b = a[:, :k], b[:, :k]
    common = _hits(top_a, top_b).sum(axis=(1, 2))
    size = np.maximum((top_a >= 0).sum(axis=1), (top_b >= 0).sum(axis=1))
    with np.errstate(invalid="ignore"):
        return np.asarray(common / np.where(size > 0, size, np.nan))


def rank_biased_overlap_of(a: Lists, b: Lists, p: float = PERSISTENCE) -> NDArray[np.float64]:
    """Return the extrapolated rank-biased overlap of two lists of each user, (users,).

    For lists of length n (Webber, Moffat and Zobel, ACM TOIS 2010, section 4.3):
    (1 - p) / p * sum over depths d of p^d * X_d / d, plus p^n * X_n / n, with X_d the items common at depth d. The
    longer list of a user is cut to the length of the shorter one.

    Args:
        a: (users, ranks) lists.
        b: Lists of the same shape.
        p: Persistence.

    Returns:
        The overlap of each user; NaN where a list is empty.
    """
    ranks = a.shape[1]
    length = np.minimum((a >= 0).sum(axis=1), (b >= 0).sum(axis=1))  # (users,)
    if ranks == 0:
        return np.full(len(a), np.nan)
    hits = _hits(a, b)  # (users, rank in a, rank in b)
    deeper = np.maximum.outer(np.arange(ranks), np.arange(ranks))  # depth at which a pair of ranks is inside both
    new = np.zeros((len(a), ranks))
    users, first, second = np.nonzero(hits)
    np.add.at(new, (users, deeper[first, second]), 1.0)
    common = new.cumsum(axis=1)  # (users, depth)
    depth = np.arange(1, ranks + 1)
    weights = np.where(depth <= length[:, None], p**depth / depth, 0.0)  # (users, depth)
    last = np.maximum(length, 1)
    at_end = common[np.arange(len(a)), last - 1] / last * p**last
    total = (1 - p) / p * (common * weights).sum(axis=1) + at_end
    return np.asarray(np.where(length > 0, total, np.nan))


def stability(lists: Sequence[Lists]) -> Stability | None:
    """Compare the lists of several seeds pairwise; None for fewer than two, or without common users."""
    shapes = {len(one) for one in lists}
    if len(lists) < 2 or len(shapes) != 1 or not shapes.pop():
        return None
    ranks = min(one.shape[1] for one in lists)
    pairs = list(combinations([one[:, :ranks] for one in lists], 2))
    overlap = np.mean([overlap_at(a, b, 10) for a, b in pairs], axis=0)  # (users,)
    biased = np.mean([rank_biased_overlap_of(a, b) for a, b in pairs], axis=0)
    sums = RatioStatistics.of(np.stack([overlap, biased], axis=1))
    mean = sums.values()
    if not np.isfinite(mean[0]):
        return None
    low, high = bootstrap_statistics(sums)
    return Stability(
        seeds=len(lists),
        users=len(overlap),
        overlap=float(mean[0]),
        overlap_interval=(float(low[0]), float(high[0])),
        rank_biased=float(mean[1]),
        rank_biased_interval=(float(low[1]), float(high[1])),
    )


def stability_of_runs(runs: Mapping[str, int]) -> Stability | None:
    """Compare the stored top lists of runs that differ in the training seed only.

    Args:
        runs: Version by run id; the first `MAX_SEEDS` are compared, on `MAX_USERS` users at most.
    """
    return _stability_of_runs(str(paths.checkpoint_dir()), tuple(sorted(runs.items())[:MAX_SEEDS]))


@lru_cache(maxsize=256)
def _stability_of_runs(_folder: str, runs: tuple[tuple[str, int], ...]) -> Stability | None:
    lists = []
    for run_id, _ in runs:
        try:
            top = RunFolder(run_id).read_per_user(["top"]).get("top")
        except CheckpointError:
            continue
        if top is not None and len(top):
            lists.append(_sample(np.asarray(top[:, :DEPTH], np.int32)))
    return stability(lists)


def _sample(lists: Lists) -> Lists:
    if len(lists) <= MAX_USERS:
        return lists
    chosen = np.sort(np.random.default_rng(0).choice(len(lists), MAX_USERS, replace=False))
    return lists[chosen]


def _hits(a: Lists, b: Lists) -> NDArray[np.bool_]:
    """Return where two lists of a user have the same item, (users, ranks of a, ranks of b)."""
    return np.asarray((a[:, :, None] == b[:, None, :]) & (a[:, :, None] >= 0))
