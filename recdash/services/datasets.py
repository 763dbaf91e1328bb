"""Data sets, as pages and the command line see them: a thin layer over recdash.data.dataset_registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash.data import dataset_registry
from recdash.errors import DataError, RecdashError, StoreError, UsageError, unknown
from recdash.services.store_access import open_store, refuse_when_read_only
from recdash.settings import DEFAULT_SPLIT_SEED

if TYPE_CHECKING:
    from recdash.analysis.dataset_stats import Distributions
    from recdash.data.dataset import Dataset
    from recdash.data.dataset_registry import Entry
    from recdash.data.readers.dataset_builder import Reading
    from recdash.splits.split_options import SplitOptions

ProgressCallback = Callable[[int, int | None], None]  # (bytes done, bytes in all; None when unknown)


def entries() -> list[Entry]:
    """Return every data set that is here or could be fetched."""
    return dataset_registry.available()


def entry(name: str) -> Entry:
    """Return one of them; raises UsageError, listing the known names, for any other name."""
    found = {one.name: one for one in entries()}
    if name not in found:
        raise unknown("data set", name, found)
    return found[name]


def name_in_runs(given: str | None) -> str | None:
    """Return what runs call a data set that was given by name or path; None, for any, stays None.

    One that is gone is known by its runs. Raises UsageError, with what is here, when nothing is called like that.
    """
    if given is None:
        return None
    try:
        return dataset_registry.name_of(given)
    except UsageError:
        gone = {given, dataset_registry.absolute(given)} & {run.dataset for run in open_store().runs()}
        if not gone:
            raise
        return min(gone)


def load(name: str) -> Dataset:
    """Return a data set by name or path; the last few stay in memory.

    A path whose file leaves something to be said is read as a run on it was told to.
    """
    one = next((one for one in entries() if one.name == name and one.ready), None)
    if one is not None:
        return _loaded(name, one.fingerprint)
    try:
        return dataset_registry.load_dataset(name)
    except DataError:
        told = _as_told(name)
        if told is None:
            raise
        return told


def get(name: str, source: Path | None = None, progress: ProgressCallback | None = None) -> Entry:
    """Fetch a known data set, from its publisher or from a folder or zip at hand; refused when read only."""
    refuse_when_read_only("fetched")
    dataset_registry.get(name, source, progress)
    return entry(name)


def read_file(name: str, file: Path, *, progress: ProgressCallback | None = None, **options: Any) -> Reading:
    """Read a file of interactions for an import under a name, to be looked at; nothing is kept.

    options: see `recdash.data.readers.read_options.ReadOptions`.
    """
    return dataset_registry.read_file(name, file, progress=progress, **options)


def keep(reading: Reading) -> Entry:
    """Keep what was read under its name, in place of an earlier import; refused when read only."""
    refuse_when_read_only("imported")
    return dataset_registry.kept_entry(dataset_registry.keep(reading.dataset).name)


def import_csv(name: str, csv: Path, *, progress: ProgressCallback | None = None, **options: Any) -> Entry:
    """Read a file of interactions and keep it under a name of its own; refused when read only."""
    refuse_when_read_only("imported")
    return keep(read_file(name, csv, progress=progress, **options))


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
    """Read a split that was made elsewhere for an import, and see that it can be measured on; nothing is kept.

    validation, test: fold-in and held-out, or only what is held out (see `recdash.data.split_roles.SplitFiles`).
    options: see `recdash.data.readers.read_options.ReadOptions`.
    """
    from recdash.data.split_roles import SplitFiles
    from recdash.splits import make_split

    files = SplitFiles(train, tuple(validation), tuple(test))
    found = dataset_registry.read_split(name, files, task=task, progress=progress, **options)
    make_split(found, "own")
    return found


def keep_split(dataset: Dataset) -> Entry:
    """Keep what `read_split` gave under its name, in place of an earlier import; refused when read only."""
    refuse_when_read_only("imported")
    return entry(dataset_registry.keep(dataset).name)


def remove(name: str) -> None:
    """Remove a data set's files; runs trained on it stay. Refused when read only or while a run trains on it."""
    refuse_when_read_only("removed")
    try:
        busy = [run.id for run in open_store().runs(dataset=name) if run.state.is_active()]
    except StoreError:
        busy = []  # a broken store must not keep anybody from freeing space
    if busy:
        raise UsageError(f"{name} is in use by {', '.join(busy[:3])}. Stop it first: recdash runs stop {busy[0]}")
    dataset_registry.remove(name)


def describe(name: str) -> dict[str, Any]:
    """Return the numbers of a data set: users, items, density, rating histogram, long tail, activity, dates."""
    import numpy as np

    data = load(name)
    by_item, by_user = np.sort(np.bincount(data.items))[::-1], np.bincount(data.users)
    tenth = max(1, len(by_item) // 10)
    found: dict[str, Any] = {
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
        "positive_from": data.usual_positive_from,
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
        found["mean_rating"] = float(data.ratings.mean())
        found["ratings"] = [[float(value), int(count)] for value, count in zip(values, counts, strict=True)]
    if data.times is not None and data.time_kind == "dates":
        found["from"], found["to"] = data.said_time(int(data.times.min())), data.said_time(int(data.times.max()))
    return found


def distributions(name: str) -> Distributions:
    """Return how a data set's interactions spread over items, users and time."""
    from recdash.analysis import dataset_stats  # lazy: numpy

    return dataset_stats.distributions(load(name))


def split_facts(
    name: str, protocol: str, split_seed: int = DEFAULT_SPLIT_SEED, options: SplitOptions | None = None
) -> Mapping[str, Any]:
    """Return what a protocol makes of a data set: users, items and entries of its parts.

    Raises SplitError when the data cannot be split so.
    """
    from recdash.splits.split_options import SplitOptions  # lazy: pandas

    split = (options or SplitOptions()).make(load(name), protocol, seed=split_seed)
    return dict(split.facts)


def _as_told(name: str) -> Dataset | None:
    """Read a path with the options of the newest run on it that had some; None where there is no such run."""
    from recdash.splits.split_options import SplitOptions

    with suppress(RecdashError):
        for run in open_store().runs(dataset=dataset_registry.name_of(name)):
            if run.options:
                return SplitOptions.from_dict(run.options).load(run.dataset)
    return None


@lru_cache(maxsize=3)
def _loaded(name: str, fingerprint: str) -> Dataset:
    data = dataset_registry.load_dataset(name)
    if fingerprint and data.fingerprint != fingerprint:
        raise DataError(f"{name} changed while it was being read. Try again.")
    return data
