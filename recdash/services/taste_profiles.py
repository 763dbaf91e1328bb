"""Named tastes, saved per dataset as CSV files, and import of a visitor's ratings from other sites.

Saved tastes belong to the installation: every visitor can load them. A file is `tastes/DATASET/NAME.csv` in the data
folder; its name is derived from the name of the taste, which is free text and stands inside the file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary

from recdash import paths
from recdash.atomic_files import replace_file
from recdash.data import dataset_registry
from recdash.data.dataset import Dataset
from recdash.errors import DataError, UsageError, short_repr, unknown_name
from recdash.recommend.taste import Taste, TasteEntry
from recdash.recommend.taste_files import TasteImport, read_saved_taste, read_taste_file, write_taste_csv
from recdash.recommend.taste_uploads import MAX_BYTES
from recdash.recommend.title_matching import TitleMatcher
from recdash.services import datasets
from recdash.services.dataset_popularity import popularity_of
from recdash.services.store_access import refuse_when_read_only
from recdash.services.taste_starts import empty_taste

MAX_TASTES = 200  # per dataset
MAX_NAME = 80  # letters
_SLUG = 40  # letters
_MATCHERS: WeakKeyDictionary[Dataset, TitleMatcher] = WeakKeyDictionary()


class SavedTaste(NamedTuple):
    """A saved taste: its name, the number of its entries and when it was saved, in seconds since 1970."""

    name: str
    n_entries: int
    saved_at: float


@dataclass(frozen=True)
class LoadedTaste:
    """A taste that was loaded.

    Attributes:
        name: Its name.
        taste: The entries whose items the dataset has.
        missing: The other entries. They stay in the file, also when the taste is saved again.
    """

    name: str
    taste: Taste
    missing: tuple[TasteEntry, ...] = ()


def import_ratings(dataset: str, content: bytes, file_name: str) -> TasteImport:
    """Read a visitor's ratings from Letterboxd, IMDb, MovieLens or recdash, see `read_taste_file`.

    Raises:
        UsageError: The dataset is unknown.
        DataError: The file is too large, damaged, of no known format, or has the ratings of several users.
    """
    loaded = datasets.load(dataset)
    start = empty_taste(loaded)
    if loaded not in _MATCHERS:
        _MATCHERS[loaded] = TitleMatcher(loaded.catalogue, popularity_of(loaded).counts)
    return read_taste_file(
        content,
        file_name,
        loaded.catalogue,
        scale=start.scale,
        positive_from=start.positive_from,
        matcher=_MATCHERS[loaded],
    )


def saved_tastes(dataset: str) -> tuple[SavedTaste, ...]:
    """Return the saved tastes of a dataset, by name. Damaged files are left out."""
    found = []
    for path in _files(dataset):
        try:
            name, entries = _read(path)
            found.append(SavedTaste(name, len(entries), path.stat().st_mtime))
        except (DataError, OSError):  # damaged, or deleted by another process
            continue
    return tuple(sorted(found, key=lambda one: (one.name.casefold(), one.name)))


def save(dataset: str, name: str, taste: Iterable[TasteEntry], *, overwrite: bool = True) -> str:
    """Save a taste under a name and return the name as saved.

    Entries of an earlier version whose items the dataset no longer has keep their places.

    Args:
        dataset: Name of the dataset, or path of its file.
        name: Name; leading, trailing and repeated spaces do not count.
        taste: Entries.
        overwrite: Whether to replace a taste with this name.

    Raises:
        UsageError: The installation is read-only, the name is empty or too long, it exists and may not be replaced, or
            the dataset has 200 tastes already.
    """
    refuse_when_read_only("saved")
    name = _checked_name(name)
    path = _path(dataset, name)
    entries = list(taste)
    if path.exists():
        if not overwrite:
            raise UsageError(f"There is a taste {short_repr(name)} already. Choose another name, or replace it.")
        _restore_missing_entries(dataset, path, entries)
    elif len(_files(dataset)) >= MAX_TASTES:
        raise UsageError(f"{MAX_TASTES} tastes are saved for this dataset, the most. Delete one first.")
    _write(path, name, entries)
    return name


def load(dataset: str, name: str) -> LoadedTaste:
    """Return a saved taste.

    Raises:
        UsageError: There is no taste with this name (the message lists the known ones).
        DataError: Its file is damaged.
    """
    loaded = datasets.load(dataset)
    name = _checked_name(name)
    _, entries = _read(_existing(dataset, name))
    index_of = loaded.catalogue.index_of
    known = tuple(
        TasteEntry(loaded.catalogue[index_of[item.id]], mark) for item, mark in entries if item.id in index_of
    )
    missing = tuple(entry for entry in entries if entry.item.id not in index_of)
    return LoadedTaste(name, replace(empty_taste(loaded), entries=known), missing)


def rename(dataset: str, name: str, new_name: str) -> str:
    """Rename a taste and return the new name.

    Raises:
        UsageError: The installation is read-only, there is no such taste, or the new name is invalid or in use.
    """
    refuse_when_read_only("renamed")
    old, new_name = _existing(dataset, _checked_name(name)), _checked_name(new_name)
    new = _path(dataset, new_name)
    if new == old:
        return new_name
    if new.exists():
        raise UsageError(f"There is a taste {short_repr(new_name)} already. Choose another name.")
    _, entries = _read(old)
    _write(new, new_name, entries)
    old.unlink(missing_ok=True)
    return new_name


def delete(dataset: str, name: str) -> None:
    """Delete a taste. Raises UsageError if the installation is read-only or there is no taste with this name."""
    refuse_when_read_only("deleted")
    _existing(dataset, _checked_name(name)).unlink(missing_ok=True)


def _checked_name(name: str) -> str:
    shown = "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in name)
    tidy = " ".join(unicodedata.normalize("NFC", shown).split())
    if all(unicodedata.category(letter) in ("Cf", "Zs") for letter in tidy):
        tidy = ""  # nothing of it can be seen
    if not tidy or len(tidy) > MAX_NAME:
        raise UsageError(f"The name of a taste has 1 to {MAX_NAME} letters, found {len(tidy)}. Choose another name.")
    if not tidy.isascii() and any("\ud800" <= letter <= "\udfff" for letter in tidy):
        raise UsageError(f"The name {short_repr(tidy)} is not valid text. Choose another name.")
    return tidy


def _slug(text: str) -> str:
    """Return a file name for any text: readable letters, and a hash that makes it unique."""
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    readable = re.sub("[^a-z0-9]+", "-", plain).strip("-")[:_SLUG].strip("-")
    return f"{readable}-{blake2b(text.encode(), digest_size=6).hexdigest()}".lstrip("-")


def _folder(dataset: str) -> Path:
    dataset = dataset_registry.name_of(dataset)
    is_plain = re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,60}", dataset) is not None
    return paths.data_dir() / "tastes" / (dataset if is_plain else _slug(dataset))


def _path(dataset: str, name: str) -> Path:
    return _folder(dataset) / f"{_slug(name)}.csv"


def _files(dataset: str) -> list[Path]:
    return sorted(path for path in _folder(dataset).glob("*.csv") if path.is_file())


def _existing(dataset: str, name: str) -> Path:
    path = _path(dataset, name)
    if not path.is_file():
        raise unknown_name("taste", name, [one.name for one in saved_tastes(dataset)])
    return path


def _restore_missing_entries(dataset: str, path: Path, entries: list[TasteEntry]) -> None:
    """Insert the entries of an earlier version whose items the dataset does not have, at their places."""
    index_of = datasets.load(dataset).catalogue.index_of
    ids = {entry.item.id for entry in entries}
    with suppress(DataError):  # the earlier version is damaged: replace it
        for place, entry in enumerate(_read(path)[1]):
            if entry.item.id not in index_of and entry.item.id not in ids:
                entries.insert(place, entry)


def _write(path: Path, name: str, entries: Iterable[TasteEntry]) -> None:
    text = write_taste_csv(entries, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode())
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}). Check the data folder.") from error


def _read(path: Path) -> tuple[str, list[TasteEntry]]:
    """Return the name and the entries of a file; raises DataError if it is damaged."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError("too large")
        return read_saved_taste(path.read_bytes())
    except (DataError, OSError) as error:
        reason = str(error).rstrip(".") if isinstance(error, DataError) else error.strerror
        raise DataError(f"{path}: is no saved taste ({reason}). Save it again, or delete the file.") from error
