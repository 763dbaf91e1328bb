"""Strong generalisation: the users a model is judged on were never trained on (Liang et al., WWW 2018, section 4.2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from recdash.data.dataset import Dataset
from recdash.data.histories import Histories
from recdash.data.time_ties import TieRule
from recdash.errors import SplitError
from recdash.splits.event_order import about_ties, in_order
from recdash.splits.split import HeldOut, Split

HELD_OUT_USERS = {"ml-1m": 750, "ml-10m": 5000, "ml-20m": 10_000, "ml-25m": 10_000, "ml-32m": 10_000}
FEWEST_USERS = 100
_SHARE, _LEAST, _MOST = 0.125, 20, 10_000
FEWEST_TO_SCORE = 5  # shorter held-out histories have no targets
TARGETS = 0.2


def positive_threshold(dataset: Dataset, positive_from: float | None = None) -> float | None:
    """Lowest rating that counts as a positive; None when every row does (data without ratings, or with counts).

    By default that of the data set, see `Dataset.usual_positive_from`.
    """
    if dataset.ratings is None:
        return None
    return dataset.usual_positive_from if positive_from is None else positive_from


def strong(
    dataset: Dataset,
    *,
    protocol: str,
    temporal: bool,
    seed: int,
    held_out_users: int | None,
    positive_from: float | None,
    min_positives: int,
    ties: TieRule = "file",
    tie_seed: int | None = None,
) -> Split:
    """Split by users: train on whole histories, hold out a fifth of each validation and test history.

    The held-out fifth is random, or the last in time with `temporal`, where `ties` orders events at the same time, by
    chance with `tie_seed`, which is `seed` unless it is given.
    Items are those of the training users.  Raises SplitError when there are too few users, or no order for `temporal`.
    """
    threshold = positive_threshold(dataset, positive_from)
    chance = seed if tie_seed is None else tie_seed
    histories = in_order(dataset, ties, chance) if temporal else dataset.in_item_order
    positives = liked(histories, threshold)
    eligible = np.flatnonzero(positives.counts >= min_positives)
    size = held_out_size(dataset, len(eligible), held_out_users, min_positives)
    shuffled = np.random.RandomState(seed).permutation(eligible)  # as the published splits are drawn
    return by_users(
        dataset,
        histories,
        shuffled,
        protocol=protocol,
        seed=seed,
        size=size,
        threshold=threshold,
        fold=partial(fold, seed=seed, temporal=temporal),
        ties=dataset.tie_rule(ties) if temporal else None,
    )


def liked(histories: Histories, threshold: float | None) -> Histories:
    """Return the positives: entries rated at least `threshold`, or all of them where there is none."""
    if threshold is None or histories.values is None:
        return histories
    return histories.keep(histories.values >= threshold)


def by_users(
    dataset: Dataset,
    histories: Histories,
    shuffled: NDArray[np.int64],
    *,
    protocol: str,
    seed: int,
    size: int,
    threshold: float | None,
    fold: Callable[[Histories, tuple[str, ...]], HeldOut],
    ties: TieRule | None = None,
) -> Split:
    """Build a split whose last `size` of the shuffled users are for testing, the `size` before them for validation.

    histories: one row per user of the data, liked or not.  fold: divides the histories of held-out users, whose ids it
    is told.  ties: the rule that ordered events at the same time, where the protocol reads an order.
    """
    train, validation, test = shuffled[: -2 * size], shuffled[-2 * size : -size], shuffled[-size:]
    positives = liked(histories, threshold)
    kept = np.unique(positives.take(train).items)
    own = restrict(positives, kept)
    parts = [fold(own.take(users), ids(dataset, users)) for users in (validation, test)]
    lost = int(positives.take(shuffled[-2 * size :]).n_entries - own.take(shuffled[-2 * size :]).n_entries)
    return Split(
        protocol=protocol,
        seed=seed,
        train=own.take(train),
        validation=parts[0],
        test=parts[1],
        catalogue=dataset.catalogue.take(kept),
        ratings=None if histories.values is None else restrict(histories, kept).take(train),
        scale=dataset.scale,
        dataset=dataset.name,
        dataset_fingerprint=dataset.fingerprint,
        user_ids=ids(dataset, train),
        facts={
            "positive_from": "every row" if threshold is None else threshold,
            "users": dataset.n_users,
            "eligible_users": len(shuffled),
            "train_users": len(train),
            "validation_users": size,
            "test_users": size,
            "items": len(kept),
            "train_positives": own.take(train).n_entries,
            "removed_held_out_entries": lost,
            "unscored_validation_users": int((parts[0].held_out.counts == 0).sum()),
            "unscored_test_users": int((parts[1].held_out.counts == 0).sum()),
            "test_targets": parts[1].held_out.n_entries,
            **({} if ties is None else about_ties(dataset, test, kept, parts[1], ties)),
        },
    )


def held_out_size(
    dataset: Dataset, eligible: int, asked: int | None, min_positives: int, *, fixed: bool = False
) -> int:
    """Return the number of users in each held-out part; raises SplitError where that leaves too few to train on.

    fixed: the protocol has its own filter of users, so that neither threshold can be lowered.
    """
    if eligible < FEWEST_USERS:
        lower = "min_positives" if dataset.ratings is None else "positive_from or min_positives"
        advice = "Use another protocol" if fixed else f"Lower {lower}"
        raise SplitError(
            f"{dataset.name}: {eligible} users have at least {min_positives} positives; strong generalisation needs "
            f"{FEWEST_USERS}. {advice}, or use more data."
        )
    usual = HELD_OUT_USERS.get(dataset.name, int(np.clip(round(_SHARE * eligible), _LEAST, _MOST)))
    size = min(usual, eligible // 4) if asked is None else asked
    if size < 1 or 2 * size >= eligible:
        raise SplitError(
            f"held_out_users = {size} leaves no training users of {eligible}. "
            f"Choose a number from 1 to {(eligible - 1) // 2}."
        )
    return size


def restrict(histories: Histories, kept: NDArray[np.int32]) -> Histories:
    """Drop the other items and number the kept ones anew, in the same order."""
    number = np.full(histories.n_items, -1, np.int32)
    number[kept] = np.arange(len(kept), dtype=np.int32)
    inside = histories.keep(number[histories.items] >= 0)
    return Histories(inside.indptr, number[inside.items], inside.values, len(kept), inside.ordered)


def fold(histories: Histories, user_ids: tuple[str, ...], seed: int, temporal: bool) -> HeldOut:
    """Hold out a fifth, rounded down, of every history of at least five: random, or the last of it."""
    out = np.zeros(histories.n_entries, np.bool_)
    for row, (start, count) in enumerate(zip(histories.indptr, histories.counts, strict=False)):
        if count < FEWEST_TO_SCORE:
            continue
        targets = int(TARGETS * count)
        if temporal:
            out[start + count - targets : start + count] = True
        else:
            out[start + _generator(seed, user_ids[row]).choice(count, targets, replace=False)] = True
    return HeldOut(histories.keep(~out), histories.keep(out), user_ids)


def _generator(seed: int, user_id: str) -> np.random.Generator:
    """A generator of the user's own, so that adding users does not change the folds of others."""
    return np.random.default_rng(int.from_bytes(blake2b(f"{seed}:{user_id}".encode()).digest()[:8], "big"))


def ids(dataset: Dataset, users: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the ids of users by number."""
    return tuple(dataset.user_ids[user] for user in users.tolist())
