"""Rating prediction: single ratings are held out, users and items stay (spec: protocols, P-C)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recdash.data.array_checks import check_count, finite_numbers, whole_numbers
from recdash.data.catalogue import Catalogue
from recdash.data.dataset import Dataset
from recdash.data.histories import Histories
from recdash.errors import SplitError, shown
from recdash.models.data_shape import DataShape

HELD_OUT = {"ratings-90": (0.09, 0.1), "ratings-80": (0.1, 0.1)}  # shares of validation and test
_TEMPORAL_TRAIN = 0.9


@dataclass(frozen=True, eq=False)
class Entries:
    """Single ratings: users, items (entries,) int32, values (entries,) float32."""

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
    """Ratings to learn from, to choose on and to test on; a test rating is never an input of any kind.

    train: rows of users with their ratings as values.  facts: counts of what the protocol did.  Raises SplitError where
    a part has no ratings.
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
            raise SplitError("train: no ratings to learn from. Give at least one, or use more data.")
        for name, part in (("validation", self.validation), ("test", self.test)):
            if part is not None and len(part) == 0:
                raise SplitError(f"{name}: no ratings, so there is nothing to measure. Give some, or use more data.")

    @property
    def n_items(self) -> int:
        """Items, rated in training or not."""
        return self.train.n_items

    @property
    def shape(self) -> DataShape:
        """What presets and layers may know."""
        return DataShape(len(self.train), self.n_items, self.train.n_entries, self.scale)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything that decides a figure."""
        digest = blake2b(self.protocol.encode(), digest_size=8)
        arrays: list[Any] = [self.train.indptr, self.train.items, self.train.values]
        for part in (self.validation, self.test):
            arrays += [] if part is None else [part.users, part.items, part.values]
        for array in arrays:
            digest.update(np.ascontiguousarray(array).tobytes() + b"|")
        digest.update("\n".join(item.id for item in self.catalogue.items).encode())
        return digest.hexdigest()

    def part(self, on: str) -> Entries:
        """Return "validation" or "test"; raises SplitError when there is none of that name."""
        found = {"validation": self.validation, "test": self.test}.get(str(on))
        if found is None:
            raise SplitError(
                f"This split has no part {shown(on)} to evaluate on. Choose 'test', or give a validation part."
            )
        return found


def from_arrays(train: Any, validation: Any, test: Any) -> RatingSplit:
    """Build from (users, items, ratings) triples; users and items are whole numbers from 0, nearly without gaps.

    A triple is three columns of equal length (arrays, lists, Series, tensors), or a DataFrame with these three columns
    in this order.  Raises SplitError for anything else, for numbers that are negative or far above the number of
    ratings, for ratings that are no finite numbers, for a pair that comes twice, and for a part without ratings.
    """
    given = {"train": train, "validation": validation, "test": test}
    parts = {name: _Triple.of(part, name) for name, part in given.items() if part is not None}
    if "train" not in parts or len(parts["train"].values) == 0 or "test" not in parts:
        raise SplitError("train and test are needed: triples of arrays (users, items, ratings), train not empty.")
    n_users, n_items = _count(parts, "users"), _count(parts, "items")
    pairs = np.concatenate([part.users * n_items + part.items for part in parts.values()])
    if len(np.unique(pairs)) < len(pairs):
        raise SplitError("The same (user, item) pair stands in the arrays twice. Each pair may be in one part, once.")
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

    Raises SplitError for data without ratings, and for `ratings-temporal` on data without dates.
    """
    ratings_of(dataset)
    choose = _by_date if protocol == "ratings-temporal" else _at_random
    train, validation, test, facts = choose(dataset, protocol, seed)
    return hold_out(dataset, protocol, seed, train, validation, test, facts)


def hold_out(
    dataset: Dataset,
    protocol: str,
    seed: int | None,
    train: NDArray[np.int64],
    validation: NDArray[np.int64] | None,
    test: NDArray[np.int64],
    facts: Mapping[str, int | float | str] | None = None,
) -> RatingSplit:
    """Build a split from the places of its ratings in the data set; raises SplitError for data without ratings."""
    ratings, scale = ratings_of(dataset)
    everything, train = Entries(dataset.users, dataset.items, ratings), _in_order(dataset, train)
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


def ratings_of(dataset: Dataset) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """Return ratings and scale; raises SplitError for data without them."""
    if dataset.ratings is None or dataset.scale is None:
        raise SplitError(f"{dataset.name} has no ratings to predict. Use a ranking protocol, for example 'strong'.")
    return dataset.ratings, dataset.scale


Parts = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], dict[str, int | float | str]]


def _at_random(dataset: Dataset, protocol: str, seed: int) -> Parts:
    of_validation, of_test = HELD_OUT[protocol]
    shuffled = np.random.default_rng(seed).permutation(len(dataset))
    n_test, n_validation = round(of_test * len(dataset)), round(of_validation * len(dataset))
    test, validation, train = np.split(shuffled, [n_test, n_test + n_validation])
    return train, validation, test, {}


def _by_date(dataset: Dataset, protocol: str, seed: int) -> Parts:
    if dataset.times is None or dataset.time_kind != "dates":
        what = "no time column" if dataset.times is None else "an order but no dates"
        raise SplitError(f"{dataset.name} has {what}, so there is no date to cut at. Use 'ratings-90'.")
    date = int(np.quantile(dataset.times, _TEMPORAL_TRAIN))
    train = np.flatnonzero(dataset.times < date)
    after = np.flatnonzero(dataset.times >= date)
    known = np.isin(dataset.users[after], dataset.users[train]) & np.isin(dataset.items[after], dataset.items[train])
    shuffled = np.random.default_rng(seed).permutation(after[known])
    half = len(shuffled) // 2
    if half == 0:
        raise SplitError(f"{dataset.name}: nobody rated both before and after the date of the cut. Use 'ratings-90'.")
    facts: dict[str, int | float | str] = {"cut_at": date // dataset.ticks, "removed_unseen": int((~known).sum())}
    return train, shuffled[:half], shuffled[half:], facts


def _in_order(dataset: Dataset, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    chosen = np.sort(chosen)
    if dataset.times is None:
        return chosen
    return chosen[np.lexsort((dataset.items[chosen], dataset.times[chosen]))]


def _rows(entries: Entries, n_users: int, n_items: int, *, ordered: bool) -> Histories:
    return Histories.from_entries(
        entries.users, entries.items, entries.values, n_rows=n_users, n_items=n_items, ordered=ordered
    )


class _Triple(NamedTuple):
    """What somebody gave as one part: users, items (n,) int64 from 0, values (n,) float32."""

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    values: NDArray[np.float32]

    @classmethod
    def of(cls, part: Any, name: str) -> Self:
        """Read three columns; raises SplitError, with the name of the part, for what is none of them."""
        users, items, values = _columns(part, name)
        read = cls(
            _from_zero(users, f"{name}: users"),
            _from_zero(items, f"{name}: items"),
            finite_numbers(values, f"{name}: ratings", SplitError),
        )
        if len({len(column) for column in read}) != 1:
            raise SplitError(
                f"{name}: {len(read.users)} users, {len(read.items)} items, {len(read.values)} ratings. "
                "Give one of each a row."
            )
        return read

    def entries(self) -> Entries:
        """Return them as a split keeps them, once it is known that the numbers fit."""
        return Entries(self.users.astype(np.int32), self.items.astype(np.int32), self.values)


def _columns(part: Any, name: str) -> tuple[Any, Any, Any]:
    """The three columns of a triple, not yet read."""
    if hasattr(part, "iloc"):  # a DataFrame, which goes through its column names, or a Series
        part = tuple(part.iloc[:, place] for place in range(part.shape[1])) if part.ndim == 2 else None
    try:
        columns = () if sparse.issparse(part) else tuple(part)
    except Exception as error:  # going through it runs the code of any class, which may raise anything
        raise SplitError(f"{name}: expected three arrays (users, items, ratings), found {shown(part)}.") from error
    if len(columns) != 3:
        raise SplitError(
            f"{name}: expected three arrays (users, items, ratings), found {len(columns)} parts. "
            "Turn rows into columns with zip(*rows), a table with columns[:, 0], columns[:, 1], columns[:, 2]."
        )
    if _may_be_rows(part):
        raise SplitError(
            f"{name}: 3 x 3 numbers may be three columns or three rows. Give a tuple of arrays (users, items, ratings)."
        )
    return columns[0], columns[1], columns[2]


def _may_be_rows(part: Any) -> bool:
    """Whether these three may as well be rows (user, item, rating): one array, or a list of tuples, of 3 x 3."""
    if isinstance(part, list):
        return all(isinstance(row, tuple) and len(row) == 3 for row in part)
    return tuple(getattr(part, "shape", ())) == (3, 3)


def _from_zero(source: Any, where: str) -> NDArray[np.int64]:
    """Read numbers of users or items."""
    column = whole_numbers(source, where, SplitError)
    if column.min(initial=0) < 0:
        place = int(np.argmax(column < 0))
        raise SplitError(
            f"{where}: expected whole numbers from 0, found negative ones, the first is {column[place]} at position "
            f"{place}. Number them first."
        )
    return column


def _count(parts: Mapping[str, _Triple], what: Literal["users", "items"]) -> int:
    """Number of users or items of all parts; raises SplitError when that is far more than there are ratings."""
    count = 1 + max(int(getattr(part, what).max(initial=-1)) for part in parts.values())
    check_count(
        count, sum(len(part.values) for part in parts.values()), what, f"Numbers up to {count - 1:,}", SplitError
    )
    return count
