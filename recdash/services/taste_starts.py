"""Where a taste can start: popular and different items, a surprise, or a test user of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recdash.data.catalogue import Catalogue
from recdash.data.dataset import Dataset
from recdash.data.histories import Histories
from recdash.data.items import Item
from recdash.errors import DataError, UsageError
from recdash.recommend.taste import DEFAULT_SCALE, LIKE, Taste, TasteEntry
from recdash.services import datasets, training_requests
from recdash.services.dataset_popularity import popularity_of
from recdash.services.run_splits import SplitSource
from recdash.services.store_access import open_store
from recdash.splits import RatingSplit, Split

MAX_EXAMPLE_USERS = 1000  # of a run, in memory
_POOL = 150  # most popular items that starters are chosen from
_SURPRISE_SHARE = 0.1  # of the items, most popular first, that a surprise is drawn from
_MIN_SURPRISE_POOL = 60


@dataclass(frozen=True)
class ExampleUser:
    """A test user as a start, without an id of the data.

    Attributes:
        number: Number of the user, from 1.
        n_users: Number of users to choose from.
        taste: What the models read in the evaluation: the fold-in items, or the training ratings of a rating split.
        held_out: The items that the evaluation expects in the lists; mark them as hits.
    """

    number: int
    n_users: int
    taste: Taste
    held_out: tuple[Item, ...]

    @property
    def label(self) -> str:
        """Name for display, "test user 17"."""
        return f"test user {self.number}"


def empty_taste(dataset: Dataset) -> Taste:
    """Return a taste without entries, on the rating scale of a dataset."""
    return _taste(dataset, ())


def starter_items(dataset: str, n: int = 12) -> list[Item]:
    """Return popular and different items.

    Each is the one of the 150 most popular whose genres and decade are least covered by those before it; of equal ones
    the most popular.
    """
    return list(_starter_items(dataset, datasets.load(dataset).fingerprint)[: max(0, n)])


def surprise(dataset: str, n: int = 5, seed: int | None = None) -> list[Item]:
    """Return random, fairly well-known items of different genres and decades.

    Items are drawn among the most popular tenth, the more popular the more likely; of several draws the one whose
    genres and decade are least covered is taken.

    Args:
        dataset: Name of a dataset, or path of a file.
        n: Number of items.
        seed: Seed of the draw; None for a different one each time.
    """
    loaded, rng = datasets.load(dataset), np.random.default_rng(seed)
    counts = popularity_of(loaded).counts
    pool = _by_popularity(counts)[: max(_MIN_SURPRISE_POOL, int(_SURPRISE_SHARE * len(counts)), n)]
    weights = np.sqrt(counts[pool].astype(np.float64))
    size = min(len(pool), 4 * n)
    drawn = rng.choice(pool, size=size, replace=False, p=weights / weights.sum())
    return _spread([loaded.catalogue[int(index)] for index in drawn], n)


def example_user(dataset: str, run_id: str | None = None, number: int | None = None) -> ExampleUser:
    """Return a test user of a run's split, whose held-out items no model of this split was trained on.

    Args:
        dataset: Name of a dataset, or path of a file.
        run_id: The run; without one the default split of the dataset is made.
        number: Number of the user from 1; None for a random one.

    Raises:
        UsageError: There is no user of this number, or the run is of another dataset.
        DataError: The dataset has changed since the run.
    """
    run = None if run_id is None else open_store().run(run_id)
    if run is not None and run.dataset != datasets.name_in_runs(dataset):
        raise UsageError(f"Run {run.id} was trained on {run.dataset}, not on {dataset}. Name that dataset.")
    loaded = datasets.load(dataset)
    users = _users_of_split(_default_source(loaded) if run is None else SplitSource.of_run(run))
    n_users = len(users.read)
    if number is None:
        number = int(np.random.default_rng().integers(n_users)) + 1
    if not 1 <= number <= n_users:
        raise UsageError(f"There is no test user {number}. Give a number from 1 to {n_users}.")
    row = number - 1
    stars = users.read.values
    start = int(users.read.indptr[row])
    entries = tuple(
        TasteEntry(users.catalogue[int(index)], LIKE if stars is None else float(stars[start + place]))
        for place, index in enumerate(users.read.row(row))
    )
    held_out = tuple(users.catalogue[int(index)] for index in users.held_out.row(row))
    taste = _taste(loaded, entries)
    return ExampleUser(number, n_users, _with_threshold(taste, users.positive_from), held_out)


@dataclass(frozen=True, eq=False)
class _ExampleUsers:
    """Test users of a split: what models read of them, (users, items), and what they must find."""

    read: Histories
    held_out: Histories
    catalogue: Catalogue
    positive_from: float | None


@lru_cache(maxsize=4)
def _users_of_split(source: SplitSource) -> _ExampleUsers:
    """Return the test users of a split; the split itself does not stay in memory."""
    split = source.make()
    positive_from = split.facts.get("positive_from")
    threshold = None if positive_from is None or isinstance(positive_from, str) else float(positive_from)
    users = _of_ratings(split) if isinstance(split, RatingSplit) else _of_ranking(split, threshold)
    if not len(users.read):
        raise DataError(f"{source.dataset}: no test user has both input and held-out items. Choose another run.")
    return users


def _default_source(dataset: Dataset) -> SplitSource:
    """Return the split of a run that asks for no protocol: the dataset's own one if it was imported with one."""
    protocol = training_requests.resolve_protocol(None, dataset.name) or training_requests.default_protocol("ease")
    return SplitSource(dataset.name, dataset.fingerprint, protocol)


def _of_ranking(split: Split, threshold: float | None) -> _ExampleUsers:
    part = split.test
    rows = np.flatnonzero((part.fold_in.counts > 0) & (part.held_out.counts > 0))[:MAX_EXAMPLE_USERS]
    return _ExampleUsers(part.fold_in.take(rows), part.held_out.take(rows), split.catalogue, threshold)


def _of_ratings(split: RatingSplit) -> _ExampleUsers:
    """Users with positives among their test ratings; they are read by their training ratings."""
    low, high = split.scale
    threshold = low + 0.75 * (high - low)
    positive = split.test.values >= threshold
    held_out = Histories.from_entries(
        split.test.users[positive],
        split.test.items[positive],
        None,
        n_rows=len(split.train),
        n_items=split.train.n_items,
        ordered=False,
    )
    rows = np.flatnonzero((held_out.counts > 0) & (split.train.counts > 0))[:MAX_EXAMPLE_USERS]
    return _ExampleUsers(split.train.take(rows), held_out.take(rows), split.catalogue, threshold)


def _taste(dataset: Dataset, entries: tuple[TasteEntry, ...]) -> Taste:
    scale = dataset.scale or DEFAULT_SCALE
    return _with_threshold(Taste(entries, scale), dataset.default_positive_from)


def _with_threshold(taste: Taste, positive_from: float | None) -> Taste:
    if positive_from is None:
        low, high = taste.scale
        positive_from = low if any(not isinstance(entry.mark, str) for entry in taste) else low + 0.75 * (high - low)
    return Taste(taste.entries, taste.scale, positive_from)


@lru_cache(maxsize=8)
def _starter_items(dataset: str, fingerprint: str) -> tuple[Item, ...]:
    loaded = datasets.load(dataset)
    popular = _by_popularity(popularity_of(loaded).counts)[:_POOL]
    return tuple(_spread([loaded.catalogue[int(index)] for index in popular], len(popular)))


def _by_popularity(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return item indices, most popular first; ties go to the lower index."""
    return np.argsort(-counts, kind="stable")


def _spread(items: Sequence[Item], n: int) -> list[Item]:
    """Return n of the items, each time the first of those whose genres and decade are least covered so far."""
    left, covered, chosen = list(items), Counter[str](), list[Item]()
    while left and len(chosen) < n:
        best = min(left, key=lambda item: sum(covered[trait] for trait in _traits(item)))
        left.remove(best)
        covered.update(_traits(best))
        chosen.append(best)
    return chosen


def _traits(item: Item) -> tuple[str, ...]:
    decade = () if item.year is None else (f"{item.year // 10}0s",)
    return *item.genres[:2], *decade
