"""Checks of a split read from files: common ids, a fold-in for every held-out user, and no leaks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recdash.data.dataset import Dataset
from recdash.data.split_parts import ALLOWED, FOLD_IN_OF, TRAIN
from recdash.errors import DataError


class SplitChecks:
    """Checks the joined files of a split for mistakes that would falsify results.

    Args:
        dataset: The joined files.
        labels: The name of each part's file in messages, by the part's bit.
    """

    def __init__(self, dataset: Dataset, labels: dict[int, str]) -> None:
        self.dataset, self.labels = dataset, labels
        self.held_out = [bit for bit in FOLD_IN_OF if bit in labels]

    def check_ids(self) -> None:
        """Raise DataError for files without common ids, and for held-out users without a fold-in."""
        for bit in self.held_out:
            self._require_overlap(bit, TRAIN, "item", self.dataset.items)
            source = self._history_part(bit)
            users, known = self._indices(bit, self.dataset.users), self._indices(source, self.dataset.users)
            self._require_overlap(bit, source, "user", self.dataset.users)
            missing = np.setdiff1d(users, known)
            if len(missing) and source != TRAIN:
                raise DataError(
                    f"{self.labels[bit]}: {_count_is(len(missing), 'user')} without a row in {self.labels[source]}, "
                    f"the first is {self.dataset.user_ids[missing[0]]}. Every held-out user needs a fold-in: add it, "
                    "or remove the user."
                )

    def check_leaks(self) -> None:
        """Raise DataError for a held-out pair that is also in a file that models learn or read from."""
        assert self.dataset.parts is not None  # noqa: S101  (made here)
        for bit in reversed(self.held_out):
            is_held_out = (self.dataset.parts & bit) > 0
            forbidden = self.dataset.parts & np.uint8(~ALLOWED[bit] & 0xFF)  # (rows,) bits of other parts
            leaks = np.flatnonzero(is_held_out & (forbidden > 0))
            if len(leaks):
                row = leaks[0]
                other = next(part for part in self.labels if forbidden[row] & part)
                count = int(((forbidden[leaks] & other) > 0).sum())
                raise DataError(
                    f"{self.labels[bit]}: {_count_is(count, 'pair')} also in {self.labels[other]}, the first is user "
                    f"{self.dataset.user_ids[self.dataset.users[row]]}, item "
                    f"{self.dataset.catalogue[self.dataset.items[row]].id}. {_leak_advice(bit, other)}"
                )

    def notes(self) -> tuple[str, ...]:
        """Note the held-out rows that a ranking cannot use, or the unknown users and items of a rating split."""
        assert self.dataset.parts is not None  # noqa: S101  (made here)
        if self.dataset.own_split != "ranking":
            return self._unknown_notes()
        notes, known_items, train = [], self._indices(TRAIN, self.dataset.items), self.labels[TRAIN]
        for bit in self.held_out:
            rows = (self.dataset.parts & bit) > 0
            unseen = int((rows & ~np.isin(self.dataset.items, known_items)).sum())
            if unseen:
                notes.append(
                    f"{self.labels[bit]}: {_count_is(unseen, 'row')} left out; {train} lacks their items, so no model "
                    "can recommend them"
                )
            if self._history_part(bit) == TRAIN:
                unknown = np.setdiff1d(self.dataset.users[rows], self._indices(TRAIN, self.dataset.users))
                if len(unknown):
                    notes.append(
                        f"{self.labels[bit]}: {_count_is(len(unknown), 'user')} left out, without a row in {train}"
                    )
        return tuple(notes)

    def _unknown_notes(self) -> tuple[str, ...]:
        """Note the held-out users and items of a rating split that are not in training; their ratings count."""
        notes = []
        for bit in self.held_out:
            for noun, column in (("user", self.dataset.users), ("item", self.dataset.items)):
                unknown = np.setdiff1d(self._indices(bit, column), self._indices(TRAIN, column))
                if len(unknown):
                    notes.append(
                        f"{self.labels[bit]}: {_count_is(len(unknown), noun)} not in {self.labels[TRAIN]}; their "
                        f"ratings are predicted without any rating of that {noun}"
                    )
        return tuple(notes)

    def _require_overlap(self, bit: int, other: int, noun: str, column: NDArray[np.int32]) -> None:
        own, others = self._indices(bit, column), self._indices(other, column)
        if not np.isin(own, others).any():
            raise DataError(
                f"{self.labels[bit]} has none of the {noun}s of {self.labels[other]}: its {noun} ids look like "
                f"{self._examples(own, noun)}, those of {self.labels[other]} like {self._examples(others, noun)}. "
                "Use the same ids in all files."
            )

    def _history_part(self, bit: int) -> int:
        """Return the part that holds the histories of a held-out part's users."""
        fold_in = FOLD_IN_OF[bit]
        return fold_in if fold_in in self.labels else TRAIN

    def _indices(self, bit: int, column: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the distinct users or items of one part, ascending."""
        assert self.dataset.parts is not None  # noqa: S101  (made here)
        return np.flatnonzero(np.bincount(column[(self.dataset.parts & bit) > 0]))

    def _examples(self, indices: NDArray[np.int64], noun: str) -> str:
        items = self.dataset.catalogue.items
        ids = [self.dataset.user_ids[i] if noun == "user" else items[i].id for i in indices[:3].tolist()]
        return ", ".join(name[:24] for name in ids)


def _leak_advice(bit: int, other: int) -> str:
    """Explain why a held-out pair may not be in another part, and how to fix it."""
    if other == TRAIN:
        return "Held-out pairs must not be trained on; remove them from one of the two files."
    if other == FOLD_IN_OF[bit]:
        return "Held-out pairs must not be in the fold-in; remove them from one of the two files."
    return "Pairs held out for testing must not be in any other file; remove them from one of the two."


def _count_is(count: int, noun: str) -> str:
    return f"{count:,} {noun} is" if count == 1 else f"{count:,} {noun}s are"
