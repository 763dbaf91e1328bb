"""Strong generalisation: evaluation users are not training users (Liang et al., WWW 2018, section 4.2)."""

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
from recdash.splits.event_order import tie_facts, time_ordered
from recdash.splits.split import EvaluationPart, Split

# Users per held-out part: ml-20m as in Liang et al. (WWW 2018), ml-1m as in the code of SVAE's authors.
HELD_OUT_USERS = {"ml-1m": 750, "ml-10m": 5000, "ml-20m": 10_000, "ml-25m": 10_000, "ml-32m": 10_000}
MIN_ELIGIBLE_USERS = 100  # fewer are refused
_USER_SHARE, _MIN_USERS, _MAX_USERS = 0.125, 20, 10_000
MIN_SCORED_HISTORY = 5  # entries; shorter held-out histories have no held-out items
HELD_OUT_SHARE = 0.2


def positive_threshold(dataset: Dataset, positive_from: float | None = None) -> float | None:
    """Return the lowest rating that counts as a positive; None if every row does (no ratings, or counts).

    The default is that of the dataset, see `Dataset.default_positive_from`.
    """
    if dataset.ratings is None:
        return None
    return dataset.default_positive_from if positive_from is None else positive_from


def split_strong(
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

    The items are those of the training users.

    Args:
        dataset: Data to split.
        protocol: Name recorded in the split.
        temporal: Whether the last fifth in time is held out, instead of a random one.
        seed: Seed of users and folds.
        held_out_users: Users per held-out part; default: see `n_held_out_users`.
        positive_from: Lowest rating that counts as a positive; default: that of the dataset.
        min_positives: Fewest positives of an eligible user.
        ties: Rule that orders events at the same time, for `temporal`.
        tie_seed: Seed of that rule; default: `seed`.

    Raises:
        SplitError: There are too few users, or no time order for `temporal`.
    """
    threshold = positive_threshold(dataset, positive_from)
    order_seed = seed if tie_seed is None else tie_seed
    histories = time_ordered(dataset, ties, order_seed) if temporal else dataset.in_time_order_ties_by_item
    positives = select_positives(histories, threshold)
    eligible = np.flatnonzero(positives.counts >= min_positives)
    size = n_held_out_users(dataset, len(eligible), held_out_users, min_positives)
    shuffled = np.random.RandomState(seed).permutation(eligible)  # as the published splits are drawn
    return split_by_user(
        dataset,
        histories,
        shuffled,
        protocol=protocol,
        seed=seed,
        size=size,
        threshold=threshold,
        hold_out=partial(hold_out_fifth, seed=seed, temporal=temporal),
        ties=dataset.tie_rule(ties) if temporal else None,
    )


def select_positives(histories: Histories, threshold: float | None) -> Histories:
    """Return the positives: entries rated at least `threshold`, or all entries if it is None."""
    if threshold is None or histories.values is None:
        return histories
    return histories.select(histories.values >= threshold)


def split_by_user(
    dataset: Dataset,
    histories: Histories,
    shuffled: NDArray[np.int64],
    *,
    protocol: str,
    seed: int,
    size: int,
    threshold: float | None,
    hold_out: Callable[[Histories, tuple[str, ...]], EvaluationPart],
    ties: TieRule | None = None,
) -> Split:
    """Build a split with the last `size` of the shuffled users for testing and the `size` before them for validation.

    Args:
        dataset: Data to split.
        histories: One row per user of the dataset, with all interactions.
        shuffled: (eligible users,) user indices.
        protocol: Name recorded in the split.
        seed: Seed recorded in the split.
        size: Users per held-out part.
        threshold: Lowest rating that counts as a positive; None for every row.
        hold_out: Divides histories of held-out users, given with their ids, into fold-in and held-out items.
        ties: Rule that ordered events at the same time; None if the protocol reads no order.
    """
    train, validation, test = shuffled[: -2 * size], shuffled[-2 * size : -size], shuffled[-size:]
    positives = select_positives(histories, threshold)
    split_items = np.unique(positives.take(train).items)
    positives_in_split = restrict_items(positives, split_items)
    parts = [hold_out(positives_in_split.take(users), user_ids_of(dataset, users)) for users in (validation, test)]
    held_out_rows = shuffled[-2 * size :]
    removed = int(positives.take(held_out_rows).n_entries - positives_in_split.take(held_out_rows).n_entries)
    return Split(
        protocol=protocol,
        seed=seed,
        train=positives_in_split.take(train),
        validation=parts[0],
        test=parts[1],
        catalogue=dataset.catalogue.take(split_items),
        ratings=None if histories.values is None else restrict_items(histories, split_items).take(train),
        scale=dataset.scale,
        dataset=dataset.name,
        dataset_fingerprint=dataset.fingerprint,
        user_ids=user_ids_of(dataset, train),
        facts={
            "positive_from": "every row" if threshold is None else threshold,
            "users": dataset.n_users,
            "eligible_users": len(shuffled),
            "train_users": len(train),
            "validation_users": size,
            "test_users": size,
            "items": len(split_items),
            "train_positives": positives_in_split.take(train).n_entries,
            "removed_held_out_entries": removed,
            "unscored_validation_users": int((parts[0].held_out.counts == 0).sum()),
            "unscored_test_users": int((parts[1].held_out.counts == 0).sum()),
            "test_targets": parts[1].held_out.n_entries,
            **({} if ties is None else tie_facts(dataset, test, split_items, parts[1], ties)),
        },
    )


def n_held_out_users(
    dataset: Dataset, eligible: int, requested: int | None, min_positives: int, *, fixed: bool = False
) -> int:
    """Return the number of users in each held-out part.

    Args:
        dataset: Data to split.
        eligible: Number of eligible users.
        requested: Number requested by the user; by default that of the dataset in `HELD_OUT_USERS`, else 12.5% of
            the eligible users, at least 20 and at most 10,000.
        min_positives: Fewest positives of an eligible user, for the message.
        fixed: Whether the protocol has its own user filter, so that the thresholds cannot be lowered.

    Raises:
        SplitError: There are too few eligible users, or no training users remain.
    """
    if eligible < MIN_ELIGIBLE_USERS:
        lower = (
            "the minimum (--min-positives)"
            if dataset.ratings is None
            else "the threshold (--positive-from) or the minimum (--min-positives)"
        )
        advice = "Use another protocol" if fixed else f"Lower {lower}"
        raise SplitError(
            f"{dataset.name}: {eligible} users have at least {min_positives} positives; strong generalisation needs "
            f"{MIN_ELIGIBLE_USERS}. {advice}, or use more data."
        )
    default = HELD_OUT_USERS.get(dataset.name, int(np.clip(round(_USER_SHARE * eligible), _MIN_USERS, _MAX_USERS)))
    size = min(default, eligible // 4) if requested is None else requested
    if size < 1 or 2 * size >= eligible:
        raise SplitError(
            f"held_out_users = {size}: no training users remain out of {eligible} eligible users. "
            f"Choose a number from 1 to {(eligible - 1) // 2}."
        )
    return size


def restrict_items(histories: Histories, split_items: NDArray[np.int32]) -> Histories:
    """Remove other items than `split_items` and renumber these items from 0, in the same order."""
    new_index = np.full(histories.n_items, -1, np.int32)
    new_index[split_items] = np.arange(len(split_items), dtype=np.int32)
    remaining = histories.select(new_index[histories.items] >= 0)
    return Histories(
        remaining.indptr, new_index[remaining.items], remaining.values, len(split_items), remaining.ordered
    )


def hold_out_fifth(histories: Histories, user_ids: tuple[str, ...], seed: int, temporal: bool) -> EvaluationPart:
    """Hold out a fifth, rounded down, of every history with at least five entries: a random one or the last in time."""
    held_out = np.zeros(histories.n_entries, np.bool_)
    for row, (start, count) in enumerate(zip(histories.indptr, histories.counts, strict=False)):
        if count < MIN_SCORED_HISTORY:
            continue
        targets = int(HELD_OUT_SHARE * count)
        if temporal:
            held_out[start + count - targets : start + count] = True
        else:
            held_out[start + _generator(seed, user_ids[row]).choice(count, targets, replace=False)] = True
    return EvaluationPart(histories.select(~held_out), histories.select(held_out), user_ids)


def _generator(seed: int, user_id: str) -> np.random.Generator:
    """Return one generator per user, so that adding users does not change the folds of others."""
    return np.random.default_rng(int.from_bytes(blake2b(f"{seed}:{user_id}".encode()).digest()[:8], "big"))


def user_ids_of(dataset: Dataset, users: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the original ids of users by index."""
    return tuple(dataset.user_ids[user] for user in users.tolist())
