"""User-defined splits: the parts are those of the imported files (`data.split_parts`); nothing is random."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recdash.data.dataset import Dataset
from recdash.data.dataset_file import OwnSplit
from recdash.data.histories import Histories
from recdash.data.split_parts import TEST_FOLD_IN, TEST_HELD_OUT, TRAIN, VALIDATION_FOLD_IN, VALIDATION_HELD_OUT
from recdash.data.time_ties import TieRule
from recdash.errors import SplitError
from recdash.splits.rating_split import RatingSplit, build_rating_split
from recdash.splits.split import EvaluationPart, Split
from recdash.splits.strong import (
    positive_threshold,
    restrict_items,
    select_positives,
    user_ids_of,
)

PROTOCOL_OF_TASK: dict[OwnSplit, str] = {"ranking": "own", "rating": "own-ratings"}


def resolve_protocol(protocol: str, dataset: str, own_split: OwnSplit | None) -> str:
    """Return the name of the protocol, where "own" stands for the user-defined split of either task.

    Raises SplitError for any other protocol on data with a user-defined split, and for this one on data without.
    """
    if own_split is None:
        if protocol in PROTOCOL_OF_TASK.values():
            raise SplitError(
                f"{dataset} has no user-defined split. Use another protocol, for example 'strong', or import a split: "
                "recdash data import NAME --train F --test F G"
            )
        return protocol
    if protocol not in (PROTOCOL_OF_TASK["ranking"], PROTOCOL_OF_TASK[own_split]):
        raise SplitError(f"{dataset} has a user-defined split. Use protocol {PROTOCOL_OF_TASK[own_split]!r}.")
    return PROTOCOL_OF_TASK[own_split]


def is_available(protocol: str, own_split: OwnSplit | None) -> bool:
    """Return whether a protocol is available for data with this user-defined split, or without one (None)."""
    return protocol not in PROTOCOL_OF_TASK.values() if own_split is None else protocol == PROTOCOL_OF_TASK[own_split]


def user_defined_split(
    dataset: Dataset, *, protocol: str, positive_from: float | None, ties: TieRule | None = None
) -> Split | RatingSplit:
    """Build the user-defined split of a dataset.

    For ranking, positives have the usual threshold. The items are those of the training positives; held-out entries of
    other items are counted and removed. If a held-out part has no fold-in file, the fold-in of its users is their
    training rows, for testing together with their validation items.

    Raises SplitError if a part has no positives left.
    """
    if dataset.own_split == "rating":
        return _rating_split(dataset, protocol)
    threshold = positive_threshold(dataset, positive_from)
    everything = _rows(dataset, TRAIN, ties)
    positives = select_positives(everything, threshold)
    if not positives.n_entries:
        if threshold is None:
            raise SplitError(f"{dataset.name}: no training rows. Import a split with training data.")
        raise SplitError(
            f"{dataset.name}: no training row is rated {threshold:g} or more. Lower the threshold (--positive-from)."
        )
    train_users, split_items = np.flatnonzero(positives.counts), np.unique(positives.items)
    builder = _PartBuilder(dataset, threshold, ties, split_items, train_users)
    train = restrict_items(positives, split_items).take(train_users)
    validation, test = builder.validation(), builder.test()
    return Split(
        protocol=protocol,
        seed=None,
        train=train,
        validation=validation,
        test=test,
        catalogue=dataset.catalogue.take(split_items),
        ratings=None if everything.values is None else restrict_items(everything, split_items).take(train_users),
        scale=dataset.scale,
        dataset=dataset.name,
        dataset_fingerprint=dataset.fingerprint,
        user_ids=user_ids_of(dataset, train_users),
        facts=builder.facts(train, validation, test),
    )


@dataclass(frozen=True)
class _PartBuilder:
    """Builds the held-out parts of a ranking split.

    split_items: indices of the items of the split. train_users: indices of the users with training positives.
    """

    dataset: Dataset
    threshold: float | None
    ties: TieRule | None
    split_items: NDArray[np.int32]
    train_users: NDArray[np.int64]

    def validation(self) -> EvaluationPart | None:
        """Return the validation part; None if there is none."""
        if not self._has(VALIDATION_HELD_OUT):
            return None
        return self._part(VALIDATION_FOLD_IN, VALIDATION_HELD_OUT, TRAIN)

    def test(self) -> EvaluationPart:
        """Return the test part."""
        weak_validation = not self._has(VALIDATION_FOLD_IN)
        return self._part(TEST_FOLD_IN, TEST_HELD_OUT, TRAIN | VALIDATION_HELD_OUT if weak_validation else TRAIN)

    def facts(
        self, train: Histories, validation: EvaluationPart | None, test: EvaluationPart
    ) -> dict[str, int | float | str]:
        """Return counts of the split; users per part only if no user is in two parts."""
        parts = {name: part for name, part in (("validation", validation), ("test", test)) if part is not None}
        users = {"train": len(train), **{name: len(part) for name, part in parts.items()}}
        names = set(user_ids_of(self.dataset, self.train_users)).union(*(part.user_ids for part in parts.values()))
        disjoint = len(names) == sum(users.values())
        return {
            "positive_from": "every row" if self.threshold is None else self.threshold,
            "users": self.dataset.n_users,
            **({f"{name}_users": count for name, count in users.items()} if disjoint else {}),
            "items": len(self.split_items),
            "train_positives": train.n_entries,
            **{f"{name}_targets": part.held_out.n_entries for name, part in parts.items()},
            "removed_held_out_entries": self._n_unknown_items(),
            **{f"unscored_{name}_users": int((part.held_out.counts == 0).sum()) for name, part in parts.items()},
            **({"ties": _subset(self.dataset, TRAIN).tie_rule(self.ties)} if self.dataset.tied_share else {}),
        }

    def _part(self, fold_in: int, held_out: int, other_fold_in: int) -> EvaluationPart:
        """Build a held-out part. Without a file for its fold-in, the fold-in is read from `other_fold_in`."""
        has_fold_in = self._has(fold_in)
        users = self._users(fold_in | held_out if has_fold_in else held_out)
        train_rows = np.searchsorted(self.train_users, users).clip(max=len(self.train_users) - 1)
        known = self.train_users[train_rows] == users
        if not has_fold_in:
            users, train_rows, known = users[known], train_rows[known], known[known]
        return EvaluationPart(
            self._positives(fold_in if has_fold_in else other_fold_in).take(users),
            self._positives(held_out).take(users),
            user_ids_of(self.dataset, users),
            train_rows if known.all() else None,
        )

    def _positives(self, bits: int) -> Histories:
        return restrict_items(select_positives(_rows(self.dataset, bits, self.ties), self.threshold), self.split_items)

    def _users(self, bits: int) -> NDArray[np.int64]:
        return np.flatnonzero(np.bincount(self.dataset.users[_in_parts(self.dataset, bits)]))

    def _has(self, bit: int) -> bool:
        return bool(_in_parts(self.dataset, bit).any())

    def _n_unknown_items(self) -> int:
        """Count positives of the held-out parts, fold-in or held-out, whose items have no training positives."""
        rows = _in_parts(self.dataset, 0xFF & ~TRAIN) & ~np.isin(self.dataset.items, self.split_items)
        if self.threshold is not None and self.dataset.ratings is not None:
            rows &= self.dataset.ratings >= self.threshold
        return int(rows.sum())


def _rating_split(dataset: Dataset, protocol: str) -> RatingSplit:
    train, validation, test = (
        np.flatnonzero(_in_parts(dataset, bit)) for bit in (TRAIN, VALIDATION_HELD_OUT, TEST_HELD_OUT)
    )
    return build_rating_split(dataset, protocol, None, train, validation if len(validation) else None, test)


def _rows(dataset: Dataset, bits: int, ties: TieRule | None) -> Histories:
    """Return the histories of these parts, one row per user of the dataset, in time order if there are times."""
    return _subset(dataset, bits).in_time_order(ties)


def _subset(dataset: Dataset, bits: int) -> Dataset:
    """Return a dataset with the interactions of these parts and all users and items."""
    rows = np.flatnonzero(_in_parts(dataset, bits))
    return replace(
        dataset,
        users=dataset.users[rows],
        items=dataset.items[rows],
        ratings=None if dataset.ratings is None else dataset.ratings[rows],
        times=None if dataset.times is None else dataset.times[rows],
        parts=None,
    )


def _in_parts(dataset: Dataset, bits: int) -> NDArray[np.bool_]:
    """Mark interactions that are in any of these parts, (n,)."""
    if dataset.parts is None:
        raise SplitError(f"{dataset.name} has no user-defined split. Use another protocol, for example 'strong'.")
    return (dataset.parts & np.uint8(bits)) > 0
