"""Rating prediction: single ratings are held out, users and items stay (spec: protocols, P-C)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recdash.data.catalogue import Catalogue
from recdash.data.dataset import Dataset
from recdash.data.histories import Histories
from recdash.errors import SplitError
from recdash.models.shape import Shape

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

    train: rows of users with their ratings as values.  facts: counts of what the protocol did.
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

    @property
    def n_items(self) -> int:
        """Items, rated in training or not."""
        return self.train.n_items

    @property
    def shape(self) -> Shape:
        """What presets and layers may know."""
        return Shape(len(self.train), self.n_items, self.train.n_entries, self.scale)

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
        found = {"validation": self.validation, "test": self.test}.get(on)
        if found is None:
            raise SplitError(f"This split has no part {on!r} to evaluate on. Choose 'test', or give a validation part.")
        return found


def from_arrays(train: Any, validation: Any, test: Any) -> RatingSplit:
    """Build from (users, items, ratings) triples of arrays; users and items are whole numbers from 0.

    Raises SplitError for arrays of unequal length, negative numbers, ratings that are no numbers, or a pair that is
    in two parts.
    """
    parts = {"train": train, "validation": validation, "test": test}
    checked = {name: _checked(part, name) for name, part in parts.items() if part is not None}
    if "train" not in checked or len(checked["train"]) == 0 or "test" not in checked:
        raise SplitError("train and test are needed: triples of arrays (users, items, ratings), train not empty.")
    n_users = 1 + max(int(part.users.max(initial=-1)) for part in checked.values())
    n_items = 1 + max(int(part.items.max(initial=-1)) for part in checked.values())
    pairs = np.concatenate([part.users.astype(np.int64) * n_items + part.items for part in checked.values()])
    if len(np.unique(pairs)) < len(pairs):
        raise SplitError("The same (user, item) pair stands in the arrays twice. Each pair may be in one part, once.")
    rows = _rows(checked["train"], n_users, n_items, ordered=False)
    observed = checked["train"].values
    return RatingSplit(
        protocol="own",
        seed=None,
        train=rows,
        validation=checked.get("validation"),
        test=checked["test"],
        catalogue=Catalogue.bare(range(n_items)),
        scale=(float(observed.min()), float(observed.max())),
    )


def split_ratings(dataset: Dataset, protocol: str, seed: int) -> RatingSplit:
    """Hold out single ratings at random, or those after a date.

    Raises SplitError for data without ratings, and for `ratings-temporal` on data without dates.
    """
    stars_of(dataset)
    choose = _by_date if protocol == "ratings-temporal" else _at_random
    train, validation, test, facts = choose(dataset, protocol, seed)
    return hold_out(dataset, protocol, seed, train, validation, test, facts)


def hold_out(
    dataset: Dataset,
    protocol: str,
    seed: int,
    train: NDArray[np.int64],
    validation: NDArray[np.int64] | None,
    test: NDArray[np.int64],
    facts: Mapping[str, int | float | str] | None = None,
) -> RatingSplit:
    """Build a split from the places of its ratings in the data set; raises SplitError for data without ratings."""
    ratings, scale = stars_of(dataset)
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


def stars_of(dataset: Dataset) -> tuple[NDArray[np.float32], tuple[float, float]]:
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
    facts: dict[str, int | float | str] = {"cut_at": date, "removed_unseen": int((~known).sum())}
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


def _whole(column: NDArray[Any]) -> bool:
    """Whether these are whole numbers, floats among them as a text file's columns come."""
    if np.issubdtype(column.dtype, np.floating):
        return bool((column == np.floor(column)).all())
    return bool(np.issubdtype(column.dtype, np.integer))


def _checked(part: Any, name: str) -> Entries:
    try:
        users, items, values = (np.asarray(column) for column in part)
    except (TypeError, ValueError) as error:
        raise SplitError(f"{name}: expected three arrays (users, items, ratings).") from error
    if not len(users) == len(items) == len(values):
        raise SplitError(
            f"{name}: {len(users)} users, {len(items)} items, {len(values)} ratings. Give one of each a row."
        )
    for column, what in ((users, "users"), (items, "items")):
        if column.size and not (_whole(column) and column.min() >= 0):
            found = "negative ones" if _whole(column) else column.dtype
            raise SplitError(f"{name}: {what} must be whole numbers from 0, found {found}. Number them first.")
    if not np.issubdtype(values.dtype, np.number) or not np.isfinite(values).all():
        raise SplitError(f"{name}: ratings must be finite numbers. Remove the other rows.")
    return Entries(users.astype(np.int32), items.astype(np.int32), values.astype(np.float32))
