"""`Split`: one immutable value that says what is learned from, what is chosen on and what is tested on."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recdash.data.array_checks import check_count
from recdash.data.catalogue import Catalogue
from recdash.data.histories import Histories
from recdash.errors import SplitError, shown
from recdash.models.data_shape import DataShape
from recdash.splits.rating_split import RatingSplit, from_arrays


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Users a model answers for: it reads their fold-in and is scored on their held-out items.

    train_rows: (users,) int64, the training row of each of them under weak generalisation; None where nobody here was
    trained on.
    """

    fold_in: Histories
    held_out: Histories
    user_ids: tuple[str, ...] = ()
    train_rows: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.fold_in)


@dataclass(frozen=True, eq=False)
class Split:
    """A ranking split. Six users a..f under strong generalisation with one user in each held-out part:

        train       a: 1 2 3 4   b: 2 3 5   c: 1 4 5   d: 2 4     the model learns from whole rows
        validation  e: fold-in 1 2 5, held out 4                  epochs and settings are chosen here
        test        f: fold-in 2 3 4, held out 1                  read once, at the end

    Under weak generalisation the same users stand in every part, and entries are held out in place of users:

        train       a: 1 2 3      b: 2 5     validation  a: fold-in 1 2 3, held out 4      b: fold-in 2 5, held out 3
        test        a: fold-in 1 2 3 4, held out 6       b: fold-in 2 3 5, held out 1

    Rows are positives in time order, values their ratings.  `ratings` holds all ratings of the training users on the
    same items, liked or not, for models that predict ratings.  `facts` counts what the protocol did.  Raises SplitError
    where a part to measure on has no users, or nothing is held out of any of them.
    """

    protocol: str
    seed: int | None
    train: Histories
    validation: HeldOut | None
    test: HeldOut
    catalogue: Catalogue
    ratings: Histories | None = None
    scale: tuple[float, float] | None = None
    dataset: str = ""
    dataset_fingerprint: str = ""
    user_ids: tuple[str, ...] = ()
    facts: Mapping[str, int | float | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, part in (("validation", self.validation), ("test", self.test)):
            if part is not None and part.held_out.n_entries == 0:
                raise SplitError(
                    f"{name}: nothing is held out of its {len(part)} users, so there is nothing to measure. "
                    "Hold out at least one item, or use more data."
                )

    @property
    def n_items(self) -> int:
        """Items of the split: those of the training users."""
        return self.train.n_items

    @property
    def shape(self) -> DataShape:
        """What presets and layers may know."""
        return DataShape(len(self.train), self.n_items, self.train.n_entries, self.scale)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything that decides a figure; results are comparable only when it is equal."""
        digest = blake2b(self.protocol.encode(), digest_size=8)
        parts = [self.train, self.test.fold_in, self.test.held_out]
        if self.validation is not None:
            parts += [self.validation.fold_in, self.validation.held_out]
        for part in parts:
            for array in (np.array([len(part), part.n_items]), part.indptr, part.items):
                digest.update(np.ascontiguousarray(array).tobytes())
        if self.facts.get("ties") == "random":  # "file" is what the rows say by themselves
            digest.update(b"ties at random")
        if self.test.train_rows is not None:
            digest.update(self.test.train_rows.tobytes())
        digest.update("\n".join(item.id for item in self.catalogue.items).encode())
        return digest.hexdigest()

    def part(self, on: str) -> HeldOut:
        """Return "validation" or "test"; raises SplitError when there is none of that name."""
        found = {"validation": self.validation, "test": self.test}.get(str(on))
        if found is None:
            raise SplitError(
                f"This split has no part {shown(on)} to evaluate on. Choose 'test', or give a validation part."
            )
        return found

    @classmethod
    def from_matrices(
        cls,
        train: Any,
        validation: Any = None,
        test: Any = None,
        *,
        items: Catalogue | Iterable[Hashable] | None = None,
    ) -> Self:
        """Build from matrices (users, items), non-zero = positive; held-out parts are (fold_in, held_out) pairs.

        A matrix is a sparse one of scipy, of any format, or what numpy reads as two dimensions, a DataFrame among them.
        items: names of the columns, unique, or a Catalogue; by default their numbers.  Without `validation` nothing is
        selected: the last epoch counts.  Raises DataError for what is no matrix (see `Histories.from_csr`) or no name,
        SplitError when shapes differ, nothing is held out in a part, or a held-out item is in its own fold-in.
        """
        rows = Histories.from_csr(train, name="train")
        if rows.n_entries == 0:
            raise SplitError("train: no positives at all. Give a matrix with at least one non-zero entry.")
        if test is None:
            raise SplitError("test: a (fold_in, held_out) pair of matrices is needed.")
        check_count(rows.n_items, rows.n_entries, "items", "train", SplitError)
        return cls(
            protocol="own",
            seed=None,
            train=rows,
            validation=None if validation is None else _pair(validation, "validation", rows.n_items),
            test=_pair(test, "test", rows.n_items),
            catalogue=_catalogue(items, rows.n_items),
        )

    @classmethod
    def from_ratings(cls, train: Any, validation: Any = None, test: Any = None) -> RatingSplit:
        """Build a split for rating prediction from (users, items, ratings) triples; see `ratings.from_arrays`."""
        return from_arrays(train, validation, test)


def _catalogue(items: Catalogue | Iterable[Hashable] | None, n_items: int) -> Catalogue:
    if items is None:
        return Catalogue.bare(range(n_items))
    catalogue = Catalogue.of_names(items)
    if len(catalogue) != n_items:
        raise SplitError(f"items: {len(catalogue)} entries for {n_items} columns. Give one entry per column.")
    return catalogue


def _pair(pair: Any, name: str, n_items: int) -> HeldOut:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise SplitError(f"{name}: expected two matrices (fold_in, held_out), found {_described(pair)}.")
    first, second = (
        Histories.from_csr(part, name=f"{name} {what}")
        for part, what in zip(pair, ("fold_in", "held_out"), strict=True)
    )
    if len(first) != len(second):
        raise SplitError(
            f"{name}: fold_in has {len(first)} users, held_out {len(second)}. Row i of both is the same user."
        )
    for part in (first, second):
        if part.n_items != n_items:
            raise SplitError(
                f"{name}: {part.n_items} items where train has {n_items}. Columns are the same items throughout."
            )
    shared = first.matrix().multiply(second.matrix()).nnz
    if shared:
        raise SplitError(
            f"{name}: {shared} held-out entries are also in the fold-in, where no list may show them. Remove them."
        )
    return HeldOut(first, second)


def _described(pair: Any) -> str:
    return f"{len(pair)} parts" if isinstance(pair, tuple | list) else type(pair).__name__
