"""Data filters and splits of the published tables, for a correct evaluation.

Each function draws like the code behind a table. `SEEDS` are the seeds of the tables.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from recdash.data.dataset import Dataset
from recdash.data.histories import Histories
from recdash.data.time_ties import TieRule
from recdash.splits.event_order import time_ordered
from recdash.splits.rating_split import (
    RatingSplit,
    build_rating_split,
    ratings_and_scale,
)
from recdash.splits.split import EvaluationPart, Split
from recdash.splits.strong import (
    hold_out_fifth,
    n_held_out_users,
    positive_threshold,
    select_positives,
    split_by_user,
)
from recdash.splits.weak import split_weak

SEEDS = {
    "published-implicit": 1994,
    "published-autorec": 1994,
    "published-deeprec": 1994,
    "published-vae20m": 42,
}  # published-svae uses the authors' 98765, the default seed; the public repository uses 12345
MAX_POSITIVES = 1000  # SVAE drops users with more
_MIN_POSITIVES = 5
_VALIDATION_SHARE = 0.1  # of AutoRec's training ratings, to select the epoch


def split_implicit(dataset: Dataset, *, seed: int, validation: bool = True) -> Split:
    """Split for CDAE, Mult-VAE and EASE: every rating is a positive; a random fifth per user is for testing.

    validation: see `split_weak`.
    """
    return split_weak(
        dataset, protocol="published-implicit", seed=seed, threshold=None, min_positives=1, validation=validation
    )


def split_autorec(dataset: Dataset, *, seed: int, validation: bool = True) -> RatingSplit:
    """Split for AutoRec: a random quarter of all ratings is for testing, a tenth of the rest for validation.

    validation: False for no validation part. It is drawn with seed + 1.
    """
    ratings_and_scale(dataset)  # raises before anything is drawn
    shuffled = np.random.RandomState(seed).permutation(len(dataset))
    train, test = np.split(shuffled, [int(0.75 * len(shuffled))])
    if not validation:
        return build_rating_split(dataset, "published-autorec", seed, train, None, test)
    train = np.random.RandomState(seed + 1).permutation(train)
    n_validation = int(_VALIDATION_SHARE * len(train))
    return build_rating_split(dataset, "published-autorec", seed, train[n_validation:], train[:n_validation], test)


def split_deeprec(dataset: Dataset, *, seed: int) -> RatingSplit:
    """Split for DeepRec: a tenth of every user's ratings is for testing, a tenth of the rest for validation."""
    ratings_and_scale(dataset)  # raises before anything is drawn
    everything = np.arange(len(dataset))
    test = _draw_tenth(dataset.users, everything, seed)
    rest = np.setdiff1d(everything, test, assume_unique=True)
    validation = _draw_tenth(dataset.users, rest, seed)
    train = np.setdiff1d(rest, validation, assume_unique=True)
    return build_rating_split(dataset, "published-deeprec", seed, train, validation, test)


def split_svae(dataset: Dataset, *, seed: int, held_out_users: int | None = None, ties: TieRule = "file") -> Split:
    """Split for SVAE: unseen users with 5 to 1,000 positives; the last fifth in time, rounded up, is held out.

    ties: with "file", events at the same time stay in source order, even if the source is not sorted by time, like
        in the code of the table.
    """
    histories = time_ordered(dataset, ties, seed)
    if ties == "file" and dataset.times is not None:
        histories = _in_time_order(dataset, dataset.times)
    threshold = positive_threshold(dataset)
    counts = select_positives(histories, threshold).counts
    eligible = np.flatnonzero((counts >= _MIN_POSITIVES) & (counts <= MAX_POSITIVES))
    size = n_held_out_users(dataset, len(eligible), held_out_users, _MIN_POSITIVES, fixed=True)
    shuffled = np.random.RandomState(seed).permutation(eligible)
    return split_by_user(
        dataset,
        histories,
        shuffled,
        protocol="published-svae",
        seed=seed,
        size=size,
        threshold=threshold,
        hold_out=hold_out_last_fifth,
        ties=ties,
    )


def split_vae20m(dataset: Dataset, *, seed: int, held_out_users: int | None = None) -> Split:
    """Split for MovieLens-20M: unseen users and a random hold-out as in `strong`, with other users held out.

    Test users are the first of a permutation, validation users the first of a permutation of the rest, with one seed.
    """
    threshold = positive_threshold(dataset)
    histories = dataset.in_time_order_ties_by_item
    eligible = np.flatnonzero(select_positives(histories, threshold).counts >= _MIN_POSITIVES)
    size = n_held_out_users(dataset, len(eligible), held_out_users, _MIN_POSITIVES, fixed=True)
    shuffled = np.random.RandomState(seed).permutation(eligible)
    test, rest = np.split(shuffled, [size])
    shuffled = np.random.RandomState(seed).permutation(np.sort(rest))
    validation, train = np.split(shuffled, [size])
    return split_by_user(
        dataset,
        histories,
        np.concatenate([train, validation, test]),
        protocol="published-vae20m",
        seed=seed,
        size=size,
        threshold=threshold,
        hold_out=partial(hold_out_fifth, seed=seed, temporal=False),
    )


def _in_time_order(dataset: Dataset, times: NDArray[np.int64]) -> Histories:
    """Return histories in time order; ties stay in the order of the source."""
    order = np.argsort(times, kind="stable")
    values = None if dataset.ratings is None else dataset.ratings[order]
    return Histories.from_entries(
        dataset.users[order], dataset.items[order], values, n_rows=dataset.n_users, n_items=dataset.n_items
    )


def hold_out_last_fifth(histories: Histories, names: tuple[str, ...]) -> EvaluationPart:
    """Hold out n - floor(0.8 n) entries of every history with at least five; nothing of shorter ones."""
    counts = histories.counts
    n_fold_in = np.where(counts >= _MIN_POSITIVES, (0.8 * counts).astype(np.int64), counts)  # (rows,)
    position = np.arange(histories.n_entries) - np.repeat(histories.indptr[:-1], counts)  # (entries,) within its row
    held_out = position >= np.repeat(n_fold_in, counts)
    return EvaluationPart(histories.select(~held_out), histories.select(held_out), names)


def _draw_tenth(users: NDArray[np.int32], chosen: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Draw a tenth of the chosen ratings, stratified by user: a tenth of each user's, up to rounding."""
    random = np.random.RandomState(seed)
    users = users[chosen]
    counts = np.bincount(users)  # (users,)
    exact = 0.1 * counts
    quota = exact.astype(np.int64)
    missing = -(-len(chosen) // 10) - int(quota.sum())  # the tenth is rounded up
    first = np.lexsort((random.permutation(len(counts)), -(exact - quota)))[:missing]  # largest remainders first
    quota[first] += 1
    order = np.lexsort((random.permutation(len(chosen)), users))
    position = np.arange(len(chosen)) - np.repeat(np.cumsum(counts) - counts, counts)  # within its user
    return np.sort(chosen[order[position < np.repeat(quota, counts)]])
