"""Data filter and split of the public tables, to be evaluated properly (spec: protocols, P-A1 to P-A5).

Each function draws as the code behind a table draws, from the seed that it is given; `SEEDS` are those of the tables.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from recdash.data.dataset import Dataset
from recdash.data.histories import Histories
from recdash.data.time_ties import TieRule
from recdash.splits.event_order import in_order
from recdash.splits.rating_split import RatingSplit, hold_out, ratings_of
from recdash.splits.split import HeldOut, Split
from recdash.splits.strong import by_users, fold, held_out_size, liked, positive_threshold
from recdash.splits.weak import weak

SEEDS = {
    "published-implicit": 1994,
    "published-autorec": 1994,
    "published-deeprec": 1994,
    "published-vae20m": 42,
}  # published-svae has the authors' 98765, which is the default everywhere; the public repository's is 12345
MOST_POSITIVES = 1000  # SVAE drops users with more
_FEWEST_POSITIVES = 5
_SET_ASIDE = 0.1  # of AutoRec's training ratings, to choose the epoch on


def implicit(dataset: Dataset, *, seed: int, validation: bool = True) -> Split:
    """P-A1, behind CDAE, Mult-VAE and EASE: every rating is a positive, a random fifth of each user's is for testing.

    validation: see `weak`.
    """
    return weak(
        dataset, protocol="published-implicit", seed=seed, threshold=None, min_positives=1, validation=validation
    )


def autorec(dataset: Dataset, *, seed: int, validation: bool = True) -> RatingSplit:
    """P-A2: a random quarter of all ratings is for testing; of the rest a tenth is set aside (drawn with seed + 1).

    validation: False sets nothing aside.
    """
    ratings_of(dataset)
    shuffled = np.random.RandomState(seed).permutation(len(dataset))
    train, test = np.split(shuffled, [int(0.75 * len(shuffled))])
    if not validation:
        return hold_out(dataset, "published-autorec", seed, train, None, test)
    train = np.random.RandomState(seed + 1).permutation(train)
    aside = int(_SET_ASIDE * len(train))
    return hold_out(dataset, "published-autorec", seed, train[aside:], train[:aside], test)


def deeprec(dataset: Dataset, *, seed: int) -> RatingSplit:
    """P-A3: a tenth of every user's ratings is for testing, then a tenth of what is left for validation."""
    ratings_of(dataset)
    everything = np.arange(len(dataset))
    test = _a_tenth(dataset.users, everything, seed)
    rest = np.setdiff1d(everything, test, assume_unique=True)
    validation = _a_tenth(dataset.users, rest, seed)
    train = np.setdiff1d(rest, validation, assume_unique=True)
    return hold_out(dataset, "published-deeprec", seed, train, validation, test)


def svae(dataset: Dataset, *, seed: int, held_out_users: int | None = None, ties: TieRule = "file") -> Split:
    """P-A4: unseen users with 5 to 1,000 positives in the order of time; the last fifth, rounded up, is for testing.

    ties: "file" leaves events at the same time in the order of the source, whatever that is, as the table's code does.
    """
    histories = in_order(dataset, ties, seed)
    if ties == "file" and dataset.times is not None:
        histories = _in_time(dataset, dataset.times)
    threshold = positive_threshold(dataset)
    counts = liked(histories, threshold).counts
    eligible = np.flatnonzero((counts >= _FEWEST_POSITIVES) & (counts <= MOST_POSITIVES))
    size = held_out_size(dataset, len(eligible), held_out_users, _FEWEST_POSITIVES, fixed=True)
    shuffled = np.random.RandomState(seed).permutation(eligible)
    return by_users(
        dataset,
        histories,
        shuffled,
        protocol="published-svae",
        seed=seed,
        size=size,
        threshold=threshold,
        fold=last_fifth,
        ties=ties,
    )


def vae20m(dataset: Dataset, *, seed: int, held_out_users: int | None = None) -> Split:
    """P-A5: unseen users and a random fold as in `strong`; the test users are the first of a permutation, and the
    validation users the first of another one of the rest, both drawn with the same seed.
    """
    threshold = positive_threshold(dataset)
    histories = dataset.in_item_order
    eligible = np.flatnonzero(liked(histories, threshold).counts >= _FEWEST_POSITIVES)
    size = held_out_size(dataset, len(eligible), held_out_users, _FEWEST_POSITIVES, fixed=True)
    shuffled = np.random.RandomState(seed).permutation(eligible)
    test, rest = np.split(shuffled, [size])
    shuffled = np.random.RandomState(seed).permutation(np.sort(rest))
    validation, train = np.split(shuffled, [size])
    return by_users(
        dataset,
        histories,
        np.concatenate([train, validation, test]),
        protocol="published-vae20m",
        seed=seed,
        size=size,
        threshold=threshold,
        fold=partial(fold, seed=seed, temporal=False),
    )


def _in_time(dataset: Dataset, times: NDArray[np.int64]) -> Histories:
    """Histories in the order of time; ties stay in the order of the source."""
    order = np.argsort(times, kind="stable")
    values = None if dataset.ratings is None else dataset.ratings[order]
    return Histories.from_entries(
        dataset.users[order], dataset.items[order], values, n_rows=dataset.n_users, n_items=dataset.n_items
    )


def last_fifth(histories: Histories, names: tuple[str, ...]) -> HeldOut:
    """Hold out n - floor(0.8 n) entries of every history of at least five; shorter ones have no targets."""
    counts = histories.counts
    known = np.where(counts >= _FEWEST_POSITIVES, (0.8 * counts).astype(np.int64), counts)
    place = np.arange(histories.n_entries) - np.repeat(histories.indptr[:-1], counts)
    out = place >= np.repeat(known, counts)
    return HeldOut(histories.keep(~out), histories.keep(out), names)


def _a_tenth(users: NDArray[np.int32], chosen: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Draw a tenth of the chosen ratings so that each user gives a tenth of theirs, as near as whole numbers allow."""
    random = np.random.RandomState(seed)
    who = users[chosen]
    counts = np.bincount(who)
    exact = 0.1 * counts
    share = exact.astype(np.int64)
    missing = -(-len(chosen) // 10) - int(share.sum())
    first = np.lexsort((random.permutation(len(counts)), -(exact - share)))[:missing]
    share[first] += 1
    order = np.lexsort((random.permutation(len(chosen)), who))
    place = np.arange(len(chosen)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(chosen[order[place < np.repeat(share, counts)]])
