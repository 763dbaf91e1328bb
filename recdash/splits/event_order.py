"""The order of events as protocols read it: refused where there is none, and what ties in time leave open is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recdash.data.dataset import Dataset
from recdash.data.histories import Histories
from recdash.data.time_ties import TieRule
from recdash.errors import SplitError
from recdash.splits.split import HeldOut

_MOST_SINGLE_TIES = 0.9  # ML-100K with times cut to days has 64 %, and what is left of its order still tells
_WORTH_A_WARNING = 0.01  # of the interactions tied

BY_ITEM = "item"  # the rule of earlier versions, in facts of their runs as they are read now
OLD_RULE = "ties in time were ordered by item id, as versions before 0.2 did"
_HOW = {
    "file": "the order of the file decides which came first",
    "random": "the split seed decides by chance which came first",
}
_HOW_UNKNOWN = "the order of the file decides which came first where it is an order of time, else the split seed"


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
    """Say in one to three sentences what ties mean for the figures of a split with these facts; "" where they are few.

    facts: of a split.  Before there is one, `tied_share` alone, and `ties` where the rule was asked for, will do.
    """
    share, rule = float(facts.get("tied_share", 0)), facts.get("ties")
    if rule == BY_ITEM:
        return f"{_tied(share)}; {OLD_RULE}. That held out the items with the highest ids; train again."
    if share < _WORTH_A_WARNING:
        return ""
    said = f"{_tied(share)}; {_HOW.get(str(rule), _HOW_UNKNOWN)}."
    targets = int(facts.get("test_targets", 0))
    if not targets or "movable_test_targets" not in facts:
        return said
    moved = f"{said} Another order moves up to {int(facts['movable_test_targets']) / targets:.0%} of the held-out items"
    return f"{moved}." if rule == "file" else f"{moved}; compare several split seeds."


def warning_of_sequences(tied_share: float) -> str:
    """Say what ties mean for a model that reads the order under a protocol that does not; "" where they are few."""
    if tied_share < _WORTH_A_WARNING:
        return ""
    return f"{_tied(tied_share)}; a model that reads the order meets them by item id."


def remark_of_sequences(tied_share: float) -> str:
    """Say the same as `warning_of_sequences` in a few words; "" where it says nothing."""
    tied = f"{_percent(tied_share)} of the interactions tied in time, met by item id"
    return tied if warning_of_sequences(tied_share) else ""


def remark(facts: Mapping[str, Any]) -> str:
    """Say the same as `warning` in a few words; "" where it says nothing."""
    if facts.get("ties") == BY_ITEM:
        return OLD_RULE
    return f"{_percent(float(facts['tied_share']))} of the interactions tied in time" if warning(facts) else ""


def _tied(share: float) -> str:
    return f"{_percent(share)} of the interactions have the same time as another one of the same user"


def _percent(share: float) -> str:
    """Round down to a whole percentage above 99, so that only all of them are 100 %."""
    return f"{min(share, 0.994):.0%}" if share < 1 else "100%"


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
