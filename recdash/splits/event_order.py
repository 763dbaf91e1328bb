"""Time order of events for protocols that read it: checks, and facts and messages on ties in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recdash.data.dataset import Dataset
from recdash.data.histories import Histories
from recdash.data.time_ties import TieRule
from recdash.errors import SplitError
from recdash.splits.split import EvaluationPart

_MAX_SINGLE_TIME_SHARE = 0.9  # ML-100K with times rounded to days has 64%, and its order is still informative
_MIN_TIED_SHARE = 0.01  # of the interactions, to mention ties at all

ITEM_ORDER = "item"  # the rule of versions before 0.2, filled in when their runs are read
ITEM_ORDER_NOTE = "ties in time were ordered by item id, as in versions before 0.2"
_RULE_TEXT = {
    "file": "they are kept in file order",
    "random": "they are ordered at random by the split seed",
}
_UNKNOWN_RULE_TEXT = (
    "they are kept in file order if the file is sorted by time, else ordered at random by the split seed"
)


def time_ordered(dataset: Dataset, ties: TieRule, seed: int) -> Histories:
    """Return the histories in time order, see `Dataset.in_time_order`.

    Raises SplitError if there are no times, or if most histories have only one distinct time.
    """
    if dataset.times is None:
        raise SplitError(f"{dataset.name} has no time column, which this protocol needs. Use protocol 'strong'.")
    share = _single_time_share(dataset.users, dataset.times, dataset.n_users)
    if share > _MAX_SINGLE_TIME_SHARE:
        raise SplitError(
            f"{dataset.name}: in {share:.0%} of the histories all events have the same time, so they have no time "
            "order. Use protocol 'strong', or data with finer times."
        )
    return dataset.in_time_order(ties, seed)


def tie_facts(
    dataset: Dataset, users: NDArray[np.int64], items: NDArray[np.int32], test: EvaluationPart, ties: TieRule
) -> dict[str, float | str]:
    """Return the facts on ties that a split records.

    Args:
        dataset: The data that were split.
        users: (rows of test,) indices of the test users in the dataset.
        items: (items of the split,) indices of the items in the dataset.
        test: Test part.
        ties: Rule that ordered the ties.

    Returns:
        Empty without ties. `tied_share` is the share of all interactions; `movable_test_targets` counts held-out items
        tied with a fold-in item of the same user, which another order of the ties might hold out instead.
    """
    if not dataset.tied_share:
        return {}
    fold_in, held_out = (_user_time_keys(dataset, users, items, part) for part in (test.fold_in, test.held_out))
    movable = int(np.isin(held_out, fold_in).sum())
    return {"tied_share": dataset.tied_share, "ties": ties, "movable_test_targets": movable}


def tie_warning(facts: Mapping[str, Any]) -> str:
    """Describe in one to three sentences how ties affect a split; "" if there are few.

    facts: Facts of the split. Before a split exists, `tied_share` is enough, with `ties` if a rule was requested.
    """
    share, rule = float(facts.get("tied_share", 0)), facts.get("ties")
    if rule == ITEM_ORDER:
        return f"{_tied_text(share)}; {ITEM_ORDER_NOTE}. This held out the items with the highest ids. Train again."
    if share < _MIN_TIED_SHARE:
        return ""
    text = f"{_tied_text(share)}; {_RULE_TEXT.get(str(rule), _UNKNOWN_RULE_TEXT)}."
    targets = int(facts.get("test_targets", 0))
    if not targets or "movable_test_targets" not in facts:
        return text
    movable = int(facts["movable_test_targets"])
    text = f"{text} Another order could change up to {movable:,} of {targets:,} held-out items"
    return f"{text}." if rule == "file" else f"{text}. Compare several split seeds."


def sequence_tie_warning(tied_share: float) -> str:
    """Describe how ties affect a sequence model under a protocol that reads no order; "" if there are few."""
    if tied_share < _MIN_TIED_SHARE:
        return ""
    return f"{_tied_text(tied_share)}; sequence models read them in item id order."


def sequence_tie_note(tied_share: float) -> str:
    """Return `sequence_tie_warning` as a short note; "" if there is no warning."""
    tied = f"{_percent(tied_share)} of the interactions tied in time, read in item id order"
    return tied if sequence_tie_warning(tied_share) else ""


def tie_note(facts: Mapping[str, Any]) -> str:
    """Return `tie_warning` as a short note; "" if there is no warning."""
    if facts.get("ties") == ITEM_ORDER:
        return ITEM_ORDER_NOTE
    return f"{_percent(float(facts['tied_share']))} of the interactions tied in time" if tie_warning(facts) else ""


def _tied_text(share: float) -> str:
    return f"{_percent(share)} of the interactions have the same time as another one of the same user"


def _percent(share: float) -> str:
    """Format a percentage; only a share of 1 is shown as 100%."""
    return f"{min(share, 0.994):.0%}" if share < 1 else "100%"


def _single_time_share(users: NDArray[np.int32], times: NDArray[np.int64], n_users: int) -> float:
    """Return the share of users with several events whose events all have the same time."""
    first = np.full(n_users, np.iinfo(np.int64).max)
    last = np.full(n_users, np.iinfo(np.int64).min)
    np.minimum.at(first, users, times)
    np.maximum.at(last, users, times)
    several = np.bincount(users, minlength=n_users) > 1
    return float((first == last)[several].mean()) if several.any() else 0.0


def _user_time_keys(
    dataset: Dataset, users: NDArray[np.int64], items: NDArray[np.int32], part: Histories
) -> NDArray[np.int64]:
    """Return one number per (user, time) for every entry, (entries,)."""
    assert dataset.times is not None  # noqa: S101  (checked by `time_ordered`)
    rows = np.flatnonzero(np.isin(dataset.users, users))
    pairs = dataset.users[rows].astype(np.int64) * dataset.n_items + dataset.items[rows]
    order = np.argsort(pairs)
    entry_users = users[part.row_of]  # (entries,)
    position = order[np.searchsorted(pairs, entry_users * dataset.n_items + items[part.items], sorter=order)]
    time_ranks = np.unique(dataset.times[rows], return_inverse=True)[1][position]
    return np.asarray(entry_users * len(rows) + time_ranks)
