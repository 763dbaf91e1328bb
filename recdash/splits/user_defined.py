"""A split that came with the data (see `data.own`): nothing is drawn, the parts are what the files say."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recdash.data.dataset import Dataset
from recdash.data.dataset_file import OwnSplit
from recdash.data.histories import Histories
from recdash.data.split_roles import TEST_FOLD_IN, TEST_HELD_OUT, TRAIN, VALIDATION_FOLD_IN, VALIDATION_HELD_OUT
from recdash.data.time_ties import TieRule
from recdash.errors import SplitError
from recdash.splits.rating_split import RatingSplit, hold_out
from recdash.splits.split import HeldOut, Split
from recdash.splits.strong import ids, liked, positive_threshold, restrict

NAMES: dict[OwnSplit, str] = {"ranking": "own", "rating": "own-ratings"}


def named(protocol: str, dataset: str, own_split: OwnSplit | None) -> str:
    """Return the protocol that is meant: "own" stands for the split of a data set, whatever its task.

    Raises SplitError for another protocol on data with a split of their own, and for this one on data without.
    """
    if own_split is None:
        if protocol in NAMES.values():
            raise SplitError(
                f"{dataset} came without a split of its own. Use another protocol, for example 'strong', or import a "
                "split: recdash data import NAME --train F --test F G"
            )
        return protocol
    if protocol not in (NAMES["ranking"], NAMES[own_split]):
        raise SplitError(f"{dataset} came with its own split; use protocol {NAMES[own_split]!r}.")
    return NAMES[own_split]


def fits(protocol: str, own_split: OwnSplit | None) -> bool:
    """Whether a protocol is to be offered for data with this split of their own, or without one."""
    return protocol not in NAMES.values() if own_split is None else protocol == NAMES[own_split]


def own(
    dataset: Dataset, *, protocol: str, positive_from: float | None, ties: TieRule | None = None
) -> Split | RatingSplit:
    """Build the split that a data set came with.

    Ranking: positives by the usual threshold; items are those of the training positives, and what is held out of other
    items is counted and dropped.  A held-out part with a fold-in of its own is read from it; the users of one without
    are read from their training rows, and for testing also from what validation held out of them.
    Raises SplitError where a part has no positives left.
    """
    if dataset.own_split == "rating":
        return _rating(dataset, protocol)
    threshold = positive_threshold(dataset, positive_from)
    everything = _rows(dataset, TRAIN, ties)
    positives = liked(everything, threshold)
    if not positives.n_entries:
        what = "" if threshold is None else f" rated {threshold:g} or more, so nothing is liked. Lower positive_from"
        raise SplitError(f"{dataset.name}: no training row is left{what}.")
    learned, kept = np.flatnonzero(positives.counts), np.unique(positives.items)
    cut = _Cut(dataset, threshold, ties, kept, learned)
    train = restrict(positives, kept).take(learned)
    validation, test = cut.validation(), cut.test()
    return Split(
        protocol=protocol,
        seed=None,
        train=train,
        validation=validation,
        test=test,
        catalogue=dataset.catalogue.take(kept),
        ratings=None if everything.values is None else restrict(everything, kept).take(learned),
        scale=dataset.scale,
        dataset=dataset.name,
        dataset_fingerprint=dataset.fingerprint,
        user_ids=ids(dataset, learned),
        facts=cut.facts(train, validation, test),
    )


@dataclass(frozen=True)
class _Cut:
    """What the held-out parts of one ranking share. kept: items of the split.  learned: users with training rows."""

    dataset: Dataset
    threshold: float | None
    ties: TieRule | None
    kept: NDArray[np.int32]
    learned: NDArray[np.int64]

    def validation(self) -> HeldOut | None:
        """Return the validation part, where there is one."""
        if not self._has(VALIDATION_HELD_OUT):
            return None
        return self._part(VALIDATION_FOLD_IN, VALIDATION_HELD_OUT, TRAIN)

    def test(self) -> HeldOut:
        """Return the test part."""
        one_file = not self._has(VALIDATION_FOLD_IN)
        return self._part(TEST_FOLD_IN, TEST_HELD_OUT, TRAIN | VALIDATION_HELD_OUT if one_file else TRAIN)

    def facts(self, train: Histories, validation: HeldOut | None, test: HeldOut) -> dict[str, int | float | str]:
        """Count what became of the files; the users of the parts where no user is in two of them."""
        parts = {name: part for name, part in (("validation", validation), ("test", test)) if part is not None}
        users = {"train": len(train), **{name: len(part) for name, part in parts.items()}}
        names = set(ids(self.dataset, self.learned)).union(*(part.user_ids for part in parts.values()))
        apart = len(names) == sum(users.values())
        return {
            "positive_from": "every row" if self.threshold is None else self.threshold,
            "users": self.dataset.n_users,
            **({f"{name}_users": count for name, count in users.items()} if apart else {}),
            "items": len(self.kept),
            "train_positives": train.n_entries,
            **{f"{name}_targets": part.held_out.n_entries for name, part in parts.items()},
            "removed_held_out_entries": self._unseen(),
            **{f"unscored_{name}_users": int((part.held_out.counts == 0).sum()) for name, part in parts.items()},
            **({"ties": _inside(self.dataset, TRAIN).tie_rule(self.ties)} if self.dataset.tied_share else {}),
        }

    def _part(self, fold_in: int, held_out: int, without: int) -> HeldOut:
        """Build a held-out part; `without` a fold-in of its own its users are read from those other parts."""
        own_fold_in = self._has(fold_in)
        users = self._users(fold_in | held_out if own_fold_in else held_out)
        places = np.searchsorted(self.learned, users).clip(max=len(self.learned) - 1)
        known = self.learned[places] == users
        if not own_fold_in:
            users, places, known = users[known], places[known], known[known]
        return HeldOut(
            self._positives(fold_in if own_fold_in else without).take(users),
            self._positives(held_out).take(users),
            ids(self.dataset, users),
            places if known.all() else None,
        )

    def _positives(self, bits: int) -> Histories:
        return restrict(liked(_rows(self.dataset, bits, self.ties), self.threshold), self.kept)

    def _users(self, bits: int) -> NDArray[np.int64]:
        return np.flatnonzero(np.bincount(self.dataset.users[_of(self.dataset, bits)]))

    def _has(self, bit: int) -> bool:
        return bool(_of(self.dataset, bit).any())

    def _unseen(self) -> int:
        """Number of positives of the held-out parts, fold-in or held out, whose items nobody in training likes."""
        rows = _of(self.dataset, 0xFF & ~TRAIN) & ~np.isin(self.dataset.items, self.kept)
        if self.threshold is not None and self.dataset.ratings is not None:
            rows &= self.dataset.ratings >= self.threshold
        return int(rows.sum())


def _rating(dataset: Dataset, protocol: str) -> RatingSplit:
    train, validation, test = (np.flatnonzero(_of(dataset, bit)) for bit in (TRAIN, VALIDATION_HELD_OUT, TEST_HELD_OUT))
    return hold_out(dataset, protocol, None, train, validation if len(validation) else None, test)


def _rows(dataset: Dataset, bits: int, ties: TieRule | None) -> Histories:
    """All rows of these parts by user, one row for each user of the data, in time order where there are times."""
    return _inside(dataset, bits).in_time(ties)


def _inside(dataset: Dataset, bits: int) -> Dataset:
    """The interactions of these parts, with the users and items of all."""
    rows = np.flatnonzero(_of(dataset, bits))
    return replace(
        dataset,
        users=dataset.users[rows],
        items=dataset.items[rows],
        ratings=None if dataset.ratings is None else dataset.ratings[rows],
        times=None if dataset.times is None else dataset.times[rows],
        parts=None,
    )


def _of(dataset: Dataset, bits: int) -> NDArray[np.bool_]:
    """Which rows of the data are in any of these parts, (n,)."""
    if dataset.parts is None:
        raise SplitError(f"{dataset.name} came without a split of its own. Use another protocol, for example 'strong'.")
    return (dataset.parts & np.uint8(bits)) > 0
