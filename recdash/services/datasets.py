"""Datasets for pages and the command line: a thin layer over `recdash.data.dataset_registry`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recdash.analysis import dataset_stats
from recdash.data import dataset_registry
from recdash.data.split_parts import SplitFiles
from recdash.errors import (
    DataError,
    RecdashError,
    StoreError,
    UsageError,
    unknown_name,
)
from recdash.services.store_access import open_store, refuse_when_read_only
from recdash.settings import DEFAULT_SPLIT_SEED
from recdash.splits import make_split

if TYPE_CHECKING:
    from recdash.analysis.dataset_stats import Distributions
    from recdash.data.dataset import Dataset
    from recdash.data.dataset_registry import DatasetEntry
    from recdash.data.readers.dataset_builder import Reading
    from recdash.splits.split_options import SplitOptions

ProgressCallback = Callable[[int, int | None], None]  # (bytes done, total bytes or None if unknown)


def entries() -> list[DatasetEntry]:
    """Return every dataset that is installed or can be downloaded."""
    return dataset_registry.available()


def entry(name: str) -> DatasetEntry:
    """Return one dataset; raises UsageError with the known names for any other name."""
    if (installed := dataset_registry.installed_entry(name)) is not None:
        return installed
    known = {one.name: one for one in entries()}
    if name not in known:
        raise unknown_name("dataset", name, known)
    return known[name]


def name_in_runs(given: str | None) -> str | None:
    """Return the name under which runs record a dataset given by name or path; None stays None.

    A dataset that was removed is still known by its runs. Raises UsageError with the known names for any other name.
    """
    if given is None:
        return None
    try:
        return dataset_registry.name_of(given)
    except UsageError:
        removed = {given, dataset_registry.absolute_path(given)} & {run.dataset for run in open_store().runs()}
        if not removed:
            raise
        return min(removed)


def load(name: str) -> Dataset:
    """Return a dataset by name or path; the last few stay in memory.

    A file that cannot be read with default options is read with those of the newest run on it.
    """
    installed = dataset_registry.installed_entry(name)
    if installed is not None and installed.ready:
        return _loaded(name, installed.fingerprint)
    try:
        return dataset_registry.load_dataset(name)
    except DataError:
        dataset = _load_as_runs_did(name)
        if dataset is None:
            raise
        return dataset


def get(name: str, source: Path | None = None, progress: ProgressCallback | None = None) -> DatasetEntry:
    """Download a known dataset, or install it from a local folder or zip file; refused if read-only."""
    refuse_when_read_only("downloaded")
    dataset_registry.get(name, source, progress)
    return entry(name)


def read_file(name: str, file: Path, *, progress: ProgressCallback | None = None, **options: Any) -> Reading:
    """Read a file of interactions as a preview of an import; nothing is saved.

    Args:
        name: Name of the dataset to be.
        file: The file.
        progress: Function that receives (bytes done, total bytes).
        options: Fields of `recdash.data.readers.read_options.ReadOptions`.
    """
    return dataset_registry.read_file(name, file, progress=progress, **options)


def save(reading: Reading) -> DatasetEntry:
    """Save a reading under its name and replace an earlier import; refused if read-only."""
    refuse_when_read_only("imported")
    return dataset_registry.saved_entry(dataset_registry.save(reading.dataset).name)


def import_csv(name: str, csv: Path, *, progress: ProgressCallback | None = None, **options: Any) -> DatasetEntry:
    """Read a file of interactions and save it as a dataset; refused if read-only."""
    refuse_when_read_only("imported")
    return save(read_file(name, csv, progress=progress, **options))


def read_split(
    name: str,
    train: Path,
    validation: Sequence[Path],
    test: Sequence[Path],
    *,
    task: str | None = None,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> Dataset:
    """Read a user-defined split as a preview of an import, and check that it can be evaluated; nothing is saved.

    Args:
        name: Name of the dataset to be.
        train: File of the training part.
        validation: Files of fold-in and held-out items, or of held-out items only.
        test: Likewise.
        task: "ranking" or "rating"; inferred from the files by default.
        progress: Function that receives (bytes done, total bytes).
        options: Fields of `recdash.data.readers.read_options.ReadOptions`.
    """
    files = SplitFiles(train, tuple(validation), tuple(test))
    dataset = dataset_registry.read_split(name, files, task=task, progress=progress, **options)
    make_split(dataset, "own")  # raises if it cannot be evaluated
    return dataset


def save_split(dataset: Dataset) -> DatasetEntry:
    """Save a dataset from `read_split` under its name and replace an earlier import; refused if read-only."""
    refuse_when_read_only("imported")
    return entry(dataset_registry.save(dataset).name)


def remove(name: str) -> None:
    """Remove the files of a dataset; its runs stay. Refused if read-only, or while a run trains on it."""
    refuse_when_read_only("removed")
    try:
        busy = [run.id for run in open_store().runs(dataset=name) if run.state.is_active()]
    except StoreError:
        busy = []  # a damaged store must not prevent freeing disk space
    if busy:
        raise UsageError(
            f"{name} is in use by {', '.join(busy)}. Stop these runs first: recdash runs stop {' '.join(busy)}"
        )
    dataset_registry.remove(name)


def describe(name: str) -> dict[str, Any]:
    """Return statistics of a dataset: size, density, rating histogram, popularity skew, activity, dates."""
    data = load(name)
    by_item, by_user = np.sort(np.bincount(data.items))[::-1], np.bincount(data.users)
    tenth = max(1, len(by_item) // 10)
    statistics: dict[str, Any] = {
        "name": name,
        "source": data.source,
        "generated": data.generated,
        "fingerprint": data.fingerprint,
        "notes": list(data.notes),
        "users": data.n_users,
        "items": data.n_items,
        "interactions": len(data),
        "density": len(data) / (data.n_users * data.n_items),
        "scale": None if data.scale is None else list(data.scale),
        "feedback": data.feedback,
        "positive_from": data.default_positive_from,
        "positives": data.n_positives,
        "time_kind": data.time_kind,
        "tied_share": data.tied_share,
        "own_split": data.own_split,
        "top_tenth_share": float(by_item[:tenth].sum() / len(data)),
        "median_per_user": float(np.median(by_user)),
        "median_per_item": float(np.median(by_item)),
    }
    if data.ratings is not None and data.feedback != "counts":
        values, counts = np.unique(data.ratings, return_counts=True)
        statistics["mean_rating"] = float(data.ratings.mean())
        statistics["ratings"] = [[float(value), int(count)] for value, count in zip(values, counts, strict=True)]
    if data.times is not None and data.time_kind == "dates":
        statistics["from"], statistics["to"] = (
            data.format_time(int(data.times.min())),
            data.format_time(int(data.times.max())),
        )
    return statistics


def distributions(name: str) -> Distributions:
    """Return the distribution of a dataset's interactions over items, users and time."""
    return dataset_stats.distributions(load(name))


def split_facts(
    name: str, protocol: str, split_seed: int = DEFAULT_SPLIT_SEED, options: SplitOptions | None = None
) -> Mapping[str, Any]:
    """Return the number of users, items and entries in the parts of a split.

    Raises SplitError if the protocol cannot split the data.
    """
    from recdash.splits.split_options import SplitOptions  # lazy: pandas

    split = (options or SplitOptions()).make(load(name), protocol, seed=split_seed)
    return dict(split.facts)


def _load_as_runs_did(name: str) -> Dataset | None:
    """Read a file with the options of the newest run on it that has some; None without such a run."""
    from recdash.splits.split_options import SplitOptions  # lazy: pandas

    with suppress(RecdashError):
        for run in open_store().runs(dataset=dataset_registry.name_of(name)):
            if run.options:
                return SplitOptions.from_dict(run.options).load(run.dataset)
    return None


@lru_cache(maxsize=3)
def _loaded(name: str, fingerprint: str) -> Dataset:
    data = dataset_registry.load_dataset(name)
    if fingerprint and data.fingerprint != fingerprint:
        raise DataError(f"{name} changed while it was read. Try again.")
    return data
