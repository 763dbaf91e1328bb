"""Weak generalisation: all users are training users, and some positives of each user are held out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from recdash.data.dataset import Dataset
from recdash.data.histories import Histories
from recdash.errors import SplitError
from recdash.splits.split import EvaluationPart, Split
from recdash.splits.strong import (
    MIN_ELIGIBLE_USERS,
    restrict_items,
    select_positives,
    user_ids_of,
)


def split_weak(
    dataset: Dataset,
    *,
    protocol: str,
    seed: int,
    threshold: float | None,
    min_positives: int,
    validation: bool = True,
) -> Split:
    """Hold out a random fifth of every user's positives for testing.

    Of the remaining n positives, floor(n / 10) are held out for validation. Both draws process the users by descending
    activity with one generator each, seeded with `seed` and `seed + 1`, as in the code of the published table. Items
    without positives are removed.

    Args:
        dataset: Data to split.
        protocol: Name recorded in the split.
        seed: Seed of both draws.
        threshold: Lowest rating that counts as a positive; None for every row.
        min_positives: Fewest positives of a user.
        validation: False for models that select nothing: no validation part, and its positives stay in training.

    Raises:
        SplitError: There are too few users.
    """
    everything = dataset.in_time_order_ties_by_item
    positives = select_positives(everything, threshold)
    users = np.flatnonzero(positives.counts >= min_positives)
    if len(users) < MIN_ELIGIBLE_USERS:
        raise SplitError(
            f"{dataset.name}: {len(users)} users have at least {min_positives} positives; this protocol needs "
            f"{MIN_ELIGIBLE_USERS}. Use more data, or your own split (Split.from_matrices)."
        )
    split_items = np.unique(positives.take(users).items)
    rows = restrict_items(positives, split_items).take(users)
    in_test = _draw(rows, np.ones(rows.n_entries, np.bool_), _test_size, seed)
    in_validation = np.zeros(rows.n_entries, np.bool_)
    if validation:
        in_validation = _draw(rows, ~in_test, _validation_size, seed + 1)
    train = rows.select(~in_test & ~in_validation)
    train_rows, names = np.arange(len(users), dtype=np.int64), user_ids_of(dataset, users)
    ratings = None
    if everything.values is not None:
        all_rows = restrict_items(everything, split_items).take(users)
        ratings = _remove_entries(all_rows, in_test | in_validation, threshold)
    return Split(
        protocol=protocol,
        seed=seed,
        train=train,
        validation=EvaluationPart(train, rows.select(in_validation), names, train_rows) if validation else None,
        test=EvaluationPart(rows.select(~in_test), rows.select(in_test), names, train_rows),
        catalogue=dataset.catalogue.take(split_items),
        ratings=ratings,
        scale=dataset.scale,
        dataset=dataset.name,
        dataset_fingerprint=dataset.fingerprint,
        user_ids=names,
        facts={
            "positive_from": "every row" if threshold is None else threshold,
            "users": dataset.n_users,
            "eligible_users": len(users),
            "items": len(split_items),
            "train_positives": train.n_entries,
            "validation_targets": int(in_validation.sum()),
            "test_targets": int(in_test.sum()),
        },
    )


def rows_by_activity(rows: Histories) -> NDArray[np.int64]:
    """Return row indices by descending history length; among equals the lower index first."""
    return np.argsort(-rows.counts, kind="stable")


def _test_size(entries: int) -> int:
    return entries - int(0.8 * entries)


def _validation_size(entries: int) -> int:
    return int(0.1 * entries)


def _draw(rows: Histories, free: NDArray[np.bool_], size_of: Callable[[int], int], seed: int) -> NDArray[np.bool_]:
    """Mark `size_of(n)` of each row's n free entries, drawn without replacement."""
    random = np.random.RandomState(seed)
    chosen = np.zeros(rows.n_entries, np.bool_)
    for row in rows_by_activity(rows).tolist():
        free_entries = rows.indptr[row] + np.flatnonzero(free[rows.indptr[row] : rows.indptr[row + 1]])
        chosen[random.choice(free_entries, size_of(len(free_entries)), replace=False)] = True
    return chosen


def _remove_entries(rows: Histories, held_out: NDArray[np.bool_], threshold: float | None) -> Histories:
    """Remove held-out entries, so that no rating model reads them.

    Args:
        rows: All entries, with ratings.
        held_out: (positives,) marks the held-out ones among those entries of `rows` that are positives.
        threshold: Lowest rating of a positive; None for every entry.
    """
    assert rows.values is not None  # noqa: S101  (ensured by the caller)
    if threshold is None:
        return rows.select(~held_out)
    remaining = np.ones(rows.n_entries, np.bool_)
    remaining[np.flatnonzero(rows.values >= threshold)[held_out]] = False
    return rows.select(remaining)
