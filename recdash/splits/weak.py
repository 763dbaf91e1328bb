"""Weak generalisation: every user is trained on, and some of what each of them likes is held out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from recdash.data.dataset import Dataset
from recdash.data.histories import Histories
from recdash.errors import SplitError
from recdash.splits.split import HeldOut, Split
from recdash.splits.strong import FEWEST_USERS, ids, liked, restrict


def weak(
    dataset: Dataset,
    *,
    protocol: str,
    seed: int,
    threshold: float | None,
    min_positives: int,
    validation: bool = True,
) -> Split:
    """Hold out a random fifth of every user's positives for testing (spec: protocols, P-A1).

    Of the other four fifths, n of them, floor(n / 10) are set aside for validation (`validation=False` sets nothing
    aside, for models with nothing to choose).  Both draws take the users by descending activity, one generator each,
    seeded with `seed` and `seed + 1`, as the public table's code draws them.  Items are all that anybody likes.
    Raises SplitError when there are too few users.
    """
    everything = dataset.in_item_order
    positives = liked(everything, threshold)
    users = np.flatnonzero(positives.counts >= min_positives)
    if len(users) < FEWEST_USERS:
        raise SplitError(
            f"{dataset.name}: {len(users)} users have at least {min_positives} positives; this protocol needs "
            f"{FEWEST_USERS}. Use more data, or your own split (Split.from_matrices)."
        )
    kept = np.unique(positives.take(users).items)
    rows = restrict(positives, kept).take(users)
    in_test = _drawn(rows, np.ones(rows.n_entries, np.bool_), _test_size, seed)
    in_validation = np.zeros(rows.n_entries, np.bool_)
    if validation:
        in_validation = _drawn(rows, ~in_test, _validation_size, seed + 1)
    train = rows.keep(~in_test & ~in_validation)
    known, names = np.arange(len(users), dtype=np.int64), ids(dataset, users)
    ratings = None
    if everything.values is not None:
        ratings = _without(restrict(everything, kept).take(users), rows.keep(in_test | in_validation))
    return Split(
        protocol=protocol,
        seed=seed,
        train=train,
        validation=HeldOut(train, rows.keep(in_validation), names, known) if validation else None,
        test=HeldOut(rows.keep(~in_test), rows.keep(in_test), names, known),
        catalogue=dataset.catalogue.take(kept),
        ratings=ratings,
        scale=dataset.scale,
        dataset=dataset.name,
        dataset_fingerprint=dataset.fingerprint,
        user_ids=names,
        facts={
            "positive_from": "every row" if threshold is None else threshold,
            "users": dataset.n_users,
            "eligible_users": len(users),
            "items": len(kept),
            "train_positives": train.n_entries,
            "validation_targets": int(in_validation.sum()),
            "test_targets": int(in_test.sum()),
        },
    )


def by_activity(rows: Histories) -> NDArray[np.int64]:
    """Row numbers, the longest history first; among equals the lower number."""
    return np.argsort(-rows.counts, kind="stable")


def _test_size(entries: int) -> int:
    return entries - int(0.8 * entries)


def _validation_size(entries: int) -> int:
    return int(0.1 * entries)


def _drawn(rows: Histories, free: NDArray[np.bool_], size_of: Callable[[int], int], seed: int) -> NDArray[np.bool_]:
    """Mark so many of each row's free entries, drawn without replacement."""
    random = np.random.RandomState(seed)
    chosen = np.zeros(rows.n_entries, np.bool_)
    for row in by_activity(rows).tolist():
        places = rows.indptr[row] + np.flatnonzero(free[rows.indptr[row] : rows.indptr[row + 1]])
        chosen[random.choice(places, size_of(len(places)), replace=False)] = True
    return chosen


def _without(rows: Histories, held_out: Histories) -> Histories:
    """Drop entries that are held out, so that no rating model reads them."""
    pairs = rows.row_of * rows.n_items + rows.items
    return rows.keep(~np.isin(pairs, held_out.row_of * rows.n_items + held_out.items))
