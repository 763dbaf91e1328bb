"""`Split`: the training, validation and test parts of a ranking task, as one immutable value."""

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
from recdash.errors import SplitError, short_repr
from recdash.models.data_shape import DataShape
from recdash.splits.rating_split import RatingSplit, from_arrays
from recdash.splits.sealed_part import sealed


@dataclass(frozen=True, eq=False)
class EvaluationPart:
    """Users of an evaluation part: the model reads their fold-in and is scored on their held-out items.

    Attributes:
        fold_in: Rows that the model reads.
        held_out: Rows that it must rank high, one per row of `fold_in`.
        user_ids: Original id of each user.
        train_rows: (users,) int64, the training row of each user under weak generalisation; None for unseen users.
    """

    fold_in: Histories
    held_out: Histories
    user_ids: tuple[str, ...] = ()
    train_rows: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.fold_in)


@dataclass(frozen=True, eq=False)
class Split:
    """A split for ranking. Rows are positives in time order; their values are ratings.

    Strong generalisation holds out users. For six users a to f, with one user in each held-out part:

        train       a: 1 2 3 4   b: 2 3 5   c: 1 4 5   d: 2 4     the model is trained on whole rows
        validation  e: fold-in 1 2 5, held-out 4                  selects epochs and settings
        test        f: fold-in 2 3 4, held-out 1                  evaluated once, at the end

    Weak generalisation holds out interactions of the training users:

        train       a: 1 2 3      b: 2 5     validation  a: fold-in 1 2 3, held-out 4      b: fold-in 2 5, held-out 3
        test        a: fold-in 1 2 3 4, held-out 6       b: fold-in 2 3 5, held-out 1

    Attributes:
        protocol: Name of the protocol; "own" for `from_matrices`.
        seed: Seed of the split; None if nothing is random.
        train: Training rows.
        validation: Users for model selection; None if there are none.
        test: Users for the final evaluation.
        catalogue: Items, in the order of their indices.
        ratings: All ratings of the training users on the same items, positive or not, for models that predict ratings.
        scale: Lowest and highest possible rating; None without ratings.
        dataset: Name of the dataset.
        dataset_fingerprint: Fingerprint of the dataset.
        user_ids: Original ids of the training users.
        facts: Counts and settings of the protocol.

    Raises:
        SplitError: An evaluation part has no held-out items.
    """

    protocol: str
    seed: int | None
    train: Histories
    validation: EvaluationPart | None
    test: EvaluationPart
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
                    f"{name}: no held-out items of its {len(part)} users, so there is nothing to evaluate. "
                    "Hold out at least one item, or use more data."
                )

    @property
    def n_items(self) -> int:
        """Number of items in the split: those of the training users."""
        return self.train.n_items

    @property
    def shape(self) -> DataShape:
        """Sizes and scale, on which presets and layer sizes may depend."""
        return DataShape(len(self.train), self.n_items, self.train.n_entries, self.scale)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything that affects results; only results with equal fingerprints are comparable."""
        digest = blake2b(self.protocol.encode(), digest_size=8)
        parts = [self.train, self.test.fold_in, self.test.held_out]
        if self.validation is not None:
            parts += [self.validation.fold_in, self.validation.held_out]
        for part in parts:
            for array in (np.array([len(part), part.n_items]), part.indptr, part.items):
                digest.update(np.ascontiguousarray(array).tobytes())
        if self.facts.get("ties") == "random":  # for "file" the rows above already determine the order
            digest.update(b"ties at random")
        if self.test.train_rows is not None:
            digest.update(self.test.train_rows.tobytes())
        digest.update("\n".join(item.id for item in self.catalogue.items).encode())
        return digest.hexdigest()

    def without_test(self) -> Self:
        """Return the same split without its test part: whatever reads it raises SplitError. The fingerprint stays."""
        return sealed(self)

    def part(self, on: str) -> EvaluationPart:
        """Return the part named "validation" or "test". Raises SplitError if there is no such part."""
        found = {"validation": self.validation, "test": self.test}.get(str(on))
        if found is None:
            raise SplitError(
                f"This split has no part {short_repr(on)} to evaluate on. Use 'test', or give a validation part."
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
        """Build a ranking split from matrices.

        Each matrix has shape (users, items); non-zero entries are positives. It is a scipy sparse matrix of any format,
        or anything numpy reads as two dimensions, such as a DataFrame. The split has no order and no ratings, so models
        that need them refuse it.

        Args:
            train: Matrix of the training users.
            validation: (fold_in, held_out) pair of matrices. Without it the last epoch is used.
            test: (fold_in, held_out) pair of matrices.
            items: Unique names of the columns, or a Catalogue; default: the column numbers.

        Returns:
            The split, with protocol "own".

        Raises:
            DataError: An input is not a matrix, has negative or non-finite entries, or a name is invalid.
            SplitError: Shapes differ, a part has no held-out items, or a held-out item is in its own fold-in.
        """
        rows = Histories.from_csr(train, name="train")
        if rows.n_entries == 0:
            raise SplitError("train: no positives. Give a matrix with at least one non-zero entry.")
        if test is None:
            raise SplitError("test: missing. Give a (fold_in, held_out) pair of matrices.")
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
        """Build a split for rating prediction from arrays.

        Each part is a tuple (users, items, ratings) of three columns of equal length (arrays, lists, Series or
        tensors), or a DataFrame with these three columns in this order. Users and items are whole numbers from 0,
        without large gaps.

        Args:
            train: Training ratings.
            validation: Ratings for model selection. Without them the last epoch is used.
            test: Ratings for the final evaluation.

        Returns:
            The split, with protocol "own" and the observed range of the training ratings as scale.

        Raises:
            SplitError: A part is not such a triple, is empty, contains invalid numbers, or a (user, item) pair occurs
                twice.
        """
        return from_arrays(train, validation, test)


def _catalogue(items: Catalogue | Iterable[Hashable] | None, n_items: int) -> Catalogue:
    if items is None:
        return Catalogue.bare(range(n_items))
    catalogue = Catalogue.of_names(items)
    if len(catalogue) != n_items:
        raise SplitError(f"items: {len(catalogue)} names for {n_items} columns. Give one name per column.")
    return catalogue


def _pair(pair: Any, name: str, n_items: int) -> EvaluationPart:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise SplitError(f"{name}: expected two matrices (fold_in, held_out), found {_describe(pair)}.")
    first, second = (
        Histories.from_csr(part, name=f"{name} {what}")
        for part, what in zip(pair, ("fold_in", "held_out"), strict=True)
    )
    if len(first) != len(second):
        raise SplitError(
            f"{name}: fold_in has {len(first)} users, held_out {len(second)}. Row i of both must be the same user."
        )
    for part in (first, second):
        if part.n_items != n_items:
            raise SplitError(
                f"{name}: {part.n_items} items, but train has {n_items}. All matrices must have the same columns."
            )
    shared = first.matrix().multiply(second.matrix()).nnz
    if shared:
        raise SplitError(
            f"{name}: {shared} held-out entries are also in the fold-in, which is never recommended. Remove them from "
            "one of the two."
        )
    return EvaluationPart(first, second)


def _describe(pair: Any) -> str:
    return f"{len(pair)} parts" if isinstance(pair, tuple | list) else type(pair).__name__
