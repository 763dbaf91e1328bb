"""Data sets, as pages and the command line see them: a thin layer over recdash.data.library."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash.data import library
from recdash.errors import DataError, StoreError, UsageError, unknown
from recdash.services.access import open_store, refuse_when_read_only

if TYPE_CHECKING:
    from recdash.data.dataset import Dataset
    from recdash.data.library import Entry

Progress = Callable[[int, int | None], None]  # (bytes done, bytes in all; None when unknown)


def entries() -> list[Entry]:
    """Return every data set that is here or could be fetched."""
    return library.available()


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
        return library.name_of(given)
    except UsageError:
        gone = {given, library.absolute(given)} & {run.dataset for run in open_store().runs()}
        if not gone:
            raise
        return min(gone)


def load(name: str) -> Dataset:
    """Return a data set by name or path; the last few stay in memory."""
    one = next((one for one in entries() if one.name == name and one.ready), None)
    return library.load_dataset(name) if one is None else _loaded(name, one.fingerprint)


def get(name: str, source: Path | None = None, progress: Progress | None = None) -> Entry:
    """Fetch a known data set, from its publisher or from a folder or zip at hand; refused when read only."""
    refuse_when_read_only("fetched")
    library.get(name, source, progress)
    return entry(name)


def import_csv(name: str, csv: Path, *, progress: Progress | None = None, **columns: Any) -> Entry:
    """Import anybody's CSV under a name of its own; refused when read only.

    columns: those of `recdash.data.library.import_csv`: user, item, rating, time, titles, delimiter, header.
    """
    refuse_when_read_only("imported")
    library.import_csv(name, csv, progress=progress, **columns)
    return entry(name)


def remove(name: str) -> None:
    """Remove a data set's files; runs trained on it stay. Refused when read only or while a run trains on it."""
    refuse_when_read_only("removed")
    try:
        busy = [run.id for run in open_store().runs(dataset=name) if run.state.is_active()]
    except StoreError:
        busy = []  # a broken store must not keep anybody from freeing space
    if busy:
        raise UsageError(f"{name} is in use by {', '.join(busy[:3])}. Stop it first: recdash runs stop {busy[0]}")
    library.remove(name)


def describe(name: str) -> dict[str, Any]:
    """Return the numbers of a data set: users, items, density, rating histogram, long tail, activity, dates."""
    import numpy as np

    from recdash.runs.records import iso

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
        "time_kind": data.time_kind,
        "top_tenth_share": float(by_item[:tenth].sum() / len(data)),
        "median_per_user": float(np.median(by_user)),
        "median_per_item": float(np.median(by_item)),
    }
    if data.ratings is not None:
        values, counts = np.unique(data.ratings, return_counts=True)
        found["mean_rating"] = float(data.ratings.mean())
        found["ratings"] = [[float(value), int(count)] for value, count in zip(values, counts, strict=True)]
    if data.times is not None and data.time_kind == "dates":
        found["from"], found["to"] = iso(float(data.times.min())), iso(float(data.times.max()))
    return found


@lru_cache(maxsize=3)
def _loaded(name: str, fingerprint: str) -> Dataset:
    data = library.load_dataset(name)
    if fingerprint and data.fingerprint != fingerprint:
        raise DataError(f"{name} changed while it was being read. Try again.")
    return data
