"""The order of events as protocols read it: refused where there is none, and what ties in time leave open is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recdash.data.dataset import Dataset
from recdash.data.histories import Histories
from recdash.data.ties import TieRule
from recdash.errors import SplitError
from recdash.splits.split import HeldOut

_MOST_SINGLE_TIES = 0.5
_WORTH_A_WARNING = 0.01  # of the interactions tied


def in_order(dataset: Dataset, ties: TieRule, seed: int) -> Histories:
    """Return the histories in time order (see `Dataset.in_time`).

    Raises SplitError for data without times, and where most histories are one single tie.
    """
    if dataset.times is None:
        raise SplitError(f"{dataset.name} has no time column, so no last fifth of a history. Use protocol 'strong'.")
    share = _single_ties(dataset.users, dataset.times, dataset.n_users)
    if share > _MOST_SINGLE_TIES:
        raise SplitError(
            f"{dataset.name}: in {share:.0%} of the histories all events have the same time, so they have no last "
            "fifth. Use protocol 'strong', or data with finer times."
        )
    return dataset.in_time(ties, seed)


def about_ties(
    dataset: Dataset, users: NDArray[np.int64], items: NDArray[np.int32], test: HeldOut, ties: TieRule
) -> dict[str, float | str]:
    """Return what a split says about ties: none where there are none.

    users: (rows of test,) indices of the test users in the data.  items: (items of the split,) likewise.  ties: the
    rule that ordered them.  `tied_share` is of all interactions; `movable_test_targets` counts the held-out entries
    that are tied with one of their own fold-in, so that another order of the ties might hold out that one instead.
    """
    if not dataset.tied_share:
        return {}
    seen, held_out = (_moments(dataset, users, items, part) for part in (test.fold_in, test.held_out))
    movable = int(np.isin(held_out, seen).sum())
    return {"tied_share": dataset.tied_share, "ties": ties, "movable_test_targets": movable}


def warning(facts: Mapping[str, Any]) -> str:
    """Say in one or two sentences what ties mean for the figures of a split with these facts; "" where they are few."""
    share, rule = float(facts.get("tied_share", 0)), facts.get("ties")
    if share < _WORTH_A_WARNING:
        return ""
    how = "the order of the file decides" if rule == "file" else "the split seed decides by chance"
    said = (
        f"{share:.0%} of the interactions have the same time as another one of the same user; {how} which came first."
    )
    targets = int(facts.get("test_targets", 0))
    if not targets:
        return said
    moved = int(facts.get("movable_test_targets", 0)) / targets
    return f"{said} Another order moves up to {moved:.0%} of the held-out items; compare several split seeds."


def _single_ties(users: NDArray[np.int32], times: NDArray[np.int64], n_users: int) -> float:
    """Share of the users with several events whose events all have one time."""
    first = np.full(n_users, np.iinfo(np.int64).max)
    last = np.full(n_users, np.iinfo(np.int64).min)
    np.minimum.at(first, users, times)
    np.maximum.at(last, users, times)
    several = np.bincount(users, minlength=n_users) > 1
    return float((first == last)[several].mean()) if several.any() else 0.0


def _moments(
    dataset: Dataset, users: NDArray[np.int64], items: NDArray[np.int32], part: Histories
) -> NDArray[np.int64]:
    """A number for (user, time) of every entry, (entries,)."""
    assert dataset.times is not None  # noqa: S101  (`in_order` has seen to it)
    rows = np.flatnonzero(np.isin(dataset.users, users))
    pairs = dataset.users[rows].astype(np.int64) * dataset.n_items + dataset.items[rows]
    order = np.argsort(pairs)
    whose = users[part.row_of]
    place = order[np.searchsorted(pairs, whose * dataset.n_items + items[part.items], sorter=order)]
    when = np.unique(dataset.times[rows], return_inverse=True)[1][place]
    return np.asarray(whose * len(rows) + when)
