"""Splits for rating prediction: single ratings are held out, users and items stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from recdash.data.array_checks import check_count, finite_numbers, whole_numbers
from recdash.data.catalogue import Catalogue
from recdash.data.dataset import Dataset
from recdash.data.histories import Histories
from recdash.data.stable_order import order_in_groups, sort_ties
from recdash.errors import SplitError, short_repr
from recdash.models.data_shape import DataShape
from recdash.splits.sealed_part import sealed

HELD_OUT_SHARES = {"ratings-90": (0.09, 0.1), "ratings-80": (0.1, 0.1)}  # shares of validation and test
_TEMPORAL_TRAIN_SHARE = 0.9


@dataclass(frozen=True, eq=False)
class Entries:
    """Single ratings in coordinate form.

    Attributes:
        users: (entries,) int32 user indices.
        items: (entries,) int32 item indices.
        values: (entries,) float32 ratings.
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    values: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.values)

    def take(self, chosen: NDArray[Any]) -> Self:
        """Return the chosen entries."""
        return type(self)(self.users[chosen], self.items[chosen], self.values[chosen])


@dataclass(frozen=True, eq=False)
class RatingSplit:
    """A split for rating prediction. A test rating is never an input of any kind.

    Attributes:
        protocol: Name of the protocol; "own" for `Split.from_ratings`.
        seed: Seed of the split; None if nothing is random.
        train: Training rows, with ratings as values.
        validation: Ratings for model selection; None if there are none.
        test: Ratings for the final evaluation.
        catalogue: Items, in the order of their indices.
        scale: Lowest and highest possible rating.
        dataset: Name of the dataset.
        dataset_fingerprint: Fingerprint of the dataset.
        user_ids: Original ids of the users.
        facts: Counts and settings of the protocol.

    Raises:
        SplitError: A part has no ratings.
    """

    protocol: str
    seed: int | None
    train: Histories
    validation: Entries | None
    test: Entries
    catalogue: Catalogue
    scale: tuple[float, float]
    dataset: str = ""
    dataset_fingerprint: str = ""
    user_ids: tuple[str, ...] = ()
    facts: Mapping[str, int | float | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.train.n_entries == 0:
            raise SplitError("train: no ratings. Give at least one, or use more data.")
        for name, part in (("validation", self.validation), ("test", self.test)):
            if part is not None and len(part) == 0:
                raise SplitError(f"{name}: no ratings, so there is nothing to evaluate. Give some, or use more data.")

    @property
    def n_items(self) -> int:
        """Number of items, rated in training or not."""
        return self.train.n_items

    @property
    def shape(self) -> DataShape:
        """Sizes and scale, on which presets and layer sizes may depend."""
        return DataShape(len(self.train), self.n_items, self.train.n_entries, self.scale)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything that affects results; only results with equal fingerprints are comparable."""
        digest = blake2b(self.protocol.encode(), digest_size=8)
        arrays: list[Any] = [self.train.indptr, self.train.items, self.train.values]
        for part in (self.validation, self.test):
            arrays += [] if part is None else [part.users, part.items, part.values]
        for array in arrays:
            digest.update(np.ascontiguousarray(array).tobytes() + b"|")
        digest.update("\n".join(item.id for item in self.catalogue.items).encode())
        return digest.hexdigest()

    def without_test(self) -> Self:
        """Return the same split without its test part: whatever reads it raises SplitError. The fingerprint stays."""
        return sealed(self)

    def part(self, on: str) -> Entries:
        """Return the part named "validation" or "test". Raises SplitError if there is no such part."""
        found = {"validation": self.validation, "test": self.test}.get(str(on))
        if found is None:
            raise SplitError(
                f"This split has no part {short_repr(on)} to evaluate on. Use 'test', or give a validation part."
            )
        return found


def from_arrays(train: Any, validation: Any, test: Any) -> RatingSplit:
    """Build a split from (users, items, ratings) triples, see `Split.from_ratings`."""
    given = {"train": train, "validation": validation, "test": test}
    parts = {name: _Triple.of(part, name) for name, part in given.items() if part is not None}
    if "train" not in parts or len(parts["train"].values) == 0 or "test" not in parts:
        raise SplitError("train or test is missing or empty. Give triples of arrays (users, items, ratings).")
    n_users, n_items = _count(parts, "users"), _count(parts, "items")
    pairs = np.concatenate([part.users * n_items + part.items for part in parts.values()])
    if len(np.unique(pairs)) < len(pairs):
        raise SplitError("A (user, item) pair occurs twice. Each pair may be in one part, once. Remove duplicates.")
    entries = {name: part.entries() for name, part in parts.items()}
    rows = _rows(entries["train"], n_users, n_items, ordered=False)
    observed = entries["train"].values
    return RatingSplit(
        protocol="own",
        seed=None,
        train=rows,
        validation=entries.get("validation"),
        test=entries["test"],
        catalogue=Catalogue.bare(range(n_items)),
        scale=(float(observed.min()), float(observed.max())),
    )


def split_ratings(dataset: Dataset, protocol: str, seed: int) -> RatingSplit:
    """Hold out single ratings at random, or those after a date.

    Raises SplitError if the dataset has no ratings, or no dates for `ratings-temporal`.
    """
    ratings_and_scale(dataset)  # raises before anything is drawn
    choose = _parts_by_date if protocol == "ratings-temporal" else _random_parts
    train, validation, test, facts = choose(dataset, protocol, seed)
    return build_rating_split(dataset, protocol, seed, train, validation, test, facts)


def build_rating_split(
    dataset: Dataset,
    protocol: str,
    seed: int | None,
    train: NDArray[np.int64],
    validation: NDArray[np.int64] | None,
    test: NDArray[np.int64],
    facts: Mapping[str, int | float | str] | None = None,
) -> RatingSplit:
    """Build a split from the row numbers of its ratings. Raises SplitError if the dataset has no ratings."""
    ratings, scale = ratings_and_scale(dataset)
    everything, train = Entries(dataset.users, dataset.items, ratings), _sort_by_user_and_time(dataset, train)
    return RatingSplit(
        protocol=protocol,
        seed=seed,
        train=_rows(everything.take(train), dataset.n_users, dataset.n_items, ordered=dataset.times is not None),
        validation=None if validation is None else everything.take(validation),
        test=everything.take(test),
        catalogue=dataset.catalogue,
        scale=scale,
        dataset=dataset.name,
        dataset_fingerprint=dataset.fingerprint,
        user_ids=dataset.user_ids,
        facts={
            "users": dataset.n_users,
            "items": dataset.n_items,
            "train_ratings": len(train),
            "validation_ratings": 0 if validation is None else len(validation),
            "test_ratings": len(test),
            **(facts or {}),
        },
    )


def ratings_and_scale(dataset: Dataset) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """Return ratings and scale. Raises SplitError if the dataset has none."""
    if dataset.ratings is None or dataset.scale is None:
        raise SplitError(f"{dataset.name} has no ratings to predict. Use a ranking protocol, for example 'strong'.")
    return dataset.ratings, dataset.scale


_Parts = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], dict[str, int | float | str]]


def _random_parts(dataset: Dataset, protocol: str, seed: int) -> _Parts:
    of_validation, of_test = HELD_OUT_SHARES[protocol]
    shuffled = np.random.default_rng(seed).permutation(len(dataset))
    n_test, n_validation = round(of_test * len(dataset)), round(of_validation * len(dataset))
    test, validation, train = np.split(shuffled, [n_test, n_test + n_validation])
    return train, validation, test, {}


def _parts_by_date(dataset: Dataset, protocol: str, seed: int) -> _Parts:
    if dataset.times is None or dataset.time_kind != "dates":
        found = "no time column" if dataset.times is None else "an order but no dates"
        raise SplitError(f"{dataset.name} has {found}, but this protocol splits by date. Use 'ratings-90'.")
    date = int(np.quantile(dataset.times, _TEMPORAL_TRAIN_SHARE))
    train = np.flatnonzero(dataset.times < date)
    after = np.flatnonzero(dataset.times >= date)
    known = np.isin(dataset.users[after], dataset.users[train]) & np.isin(dataset.items[after], dataset.items[train])
    shuffled = np.random.default_rng(seed).permutation(after[known])
    half = len(shuffled) // 2
    if half == 0:
        raise SplitError(f"{dataset.name}: no user has ratings before and after the split date. Use 'ratings-90'.")
    facts: dict[str, int | float | str] = {"cut_at": date // dataset.ticks, "removed_unseen": int((~known).sum())}
    return train, shuffled[:half], shuffled[half:], facts


def _sort_by_user_and_time(dataset: Dataset, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sort row numbers by user, time and item; in the order of the source if there are no times."""
    chosen = np.sort(chosen)
    if dataset.times is None:
        return chosen
    users, times, items = dataset.users[chosen], dataset.times[chosen], dataset.items[chosen]
    order = order_in_groups(users, times, dataset.n_users)
    sort_ties(order, users, times, items.__getitem__)
    return chosen[order]


def _rows(entries: Entries, n_users: int, n_items: int, *, ordered: bool) -> Histories:
    return Histories.from_entries(
        entries.users, entries.items, entries.values, n_rows=n_users, n_items=n_items, ordered=ordered
    )


class _Triple(NamedTuple):
    """One part as given by the user: users, items (n,) int64 from 0, values (n,) float32."""

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    values: NDArray[np.float32]

    @classmethod
    def of(cls, part: Any, name: str) -> Self:
        """Read three columns. Raises SplitError, with the name of the part, for invalid input."""
        users, items, values = _columns(part, name)
        read = cls(
            _indices(users, f"{name}: users"),
            _indices(items, f"{name}: items"),
            finite_numbers(values, f"{name}: ratings", SplitError),
        )
        if len({len(column) for column in read}) != 1:
            raise SplitError(
                f"{name}: {len(read.users)} users, {len(read.items)} items, {len(read.values)} ratings. "
                "Give columns of equal length."
            )
        return read

    def entries(self) -> Entries:
        """Convert to the types of a split, after the index bounds are checked."""
        return Entries(self.users.astype(np.int32), self.items.astype(np.int32), self.values)


def _columns(part: Any, name: str) -> tuple[Any, Any, Any]:
    """Return the three columns of a triple, not yet converted."""
    from scipy import sparse  # lazy: scipy

    if hasattr(part, "iloc"):  # a DataFrame, whose iteration would give column names, or a Series
        part = tuple(part.iloc[:, index] for index in range(part.shape[1])) if part.ndim == 2 else None
    try:
        columns = () if sparse.issparse(part) else tuple(part)
    except Exception as error:  # iteration runs code of arbitrary classes, which may raise anything
        raise SplitError(f"{name}: expected three arrays (users, items, ratings), found {short_repr(part)}.") from error
    if len(columns) != 3:
        raise SplitError(
            f"{name}: expected three arrays (users, items, ratings), found {len(columns)} parts. "
            "Turn rows into columns with zip(*rows), a table with columns[:, 0], columns[:, 1], columns[:, 2]."
        )
    if _is_ambiguous(part):
        raise SplitError(
            f"{name}: 3 x 3 numbers are ambiguous (columns or rows). Give a tuple of arrays (users, items, ratings)."
        )
    return columns[0], columns[1], columns[2]


def _is_ambiguous(part: Any) -> bool:
    """Return whether the input may also be three rows (user, item, rating): a 3 x 3 array or list of tuples."""
    if isinstance(part, list):
        return all(isinstance(row, tuple) and len(row) == 3 for row in part)
    return tuple(getattr(part, "shape", ())) == (3, 3)


def _indices(source: Any, where: str) -> NDArray[np.int64]:
    """Read user or item indices."""
    column = whole_numbers(source, where, SplitError)
    if column.min(initial=0) < 0:
        index = int(np.argmax(column < 0))
        raise SplitError(
            f"{where}: expected whole numbers from 0, found {column[index]} at position {index}. Number them from 0."
        )
    return column


def _count(parts: Mapping[str, _Triple], what: Literal["users", "items"]) -> int:
    """Return the number of users or items in all parts. Raises SplitError if it far exceeds the number of ratings."""
    count = 1 + max(int(getattr(part, what).max(initial=-1)) for part in parts.values())
    check_count(
        count, sum(len(part.values) for part in parts.values()), what, f"Numbers up to {count - 1:,}", SplitError
    )
    return count
