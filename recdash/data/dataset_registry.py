"""Datasets by name: the demo, MovieLens releases, imports, and files given by their path."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from recdash import paths
from recdash.data import dataset_cache, dataset_file, download
from recdash.data.dataset import Dataset
from recdash.data.dataset_cache import demo_dataset, demo_key, load_path
from recdash.data.dataset_file import OwnSplit
from recdash.data.readers import movielens
from recdash.data.readers import split_files as own_reader
from recdash.data.readers.chunks import ProgressCallback
from recdash.data.readers.dataset_builder import Reading
from recdash.data.readers.read_options import ReadOptions
from recdash.data.split_parts import SplitFiles
from recdash.data.timestamps import TimeKind
from recdash.errors import (
    DataError,
    UsageError,
    unknown_name,
)

DEMO = "demo"
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters and undecodable bytes
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


@dataclass(frozen=True)
class DatasetEntry:
    """One line of the list of datasets. A release that is not downloaded has its published sizes."""

    name: str
    ready: bool
    users: int | None = None
    items: int | None = None
    interactions: int | None = None
    generated: bool = False
    source: str = ""
    notes: tuple[str, ...] = ()
    fingerprint: str = ""
    time_kind: TimeKind | None = None
    scale: tuple[float, float] | None = None
    tied_share: float = 0.0
    own_split: OwnSplit | None = None


def load_dataset(name_or_path: str | Path, *, progress: ProgressCallback | None = None, **options: Any) -> Dataset:
    """Load a dataset by name or path.

    Args:
        name_or_path: "demo", the name of a downloaded or imported dataset, or a path: a MovieLens folder or zip, or a
            file of interactions (CSV in any dialect, JSON, Parquet, RecBole). A file that was read is cached.
        progress: Called with the bytes read so far and the total.
        options: For a file of interactions, such as `user="customer"` or `scale="1..5"`; see
            `recdash.data.readers.read_options.ReadOptions`.

    Returns:
        The dataset, immutable, with users and items indexed from 0.

    Raises:
        UsageError: The name or path does not exist, or an option is invalid.
        DataError: The file is damaged or cannot be interpreted.
    """
    given = _options(options)
    name = _resolve_name(name_or_path)
    if not _is_known(name):
        return load_path(Path(name), given, progress)
    if name != DEMO and not _is_saved(name):
        raise UsageError(
            f"The dataset {name} is not downloaded. Run: recdash data get {name} "
            "(without a network, add --from FOLDER_OR_ZIP)."
        )
    if names := list(given.given()):
        raise UsageError(
            f"The dataset {name} is already imported, so file options have no effect. Leave out {', '.join(names)}, "
            "or give the path of a file."
        )
    return demo_dataset() if name == DEMO else _load_saved(name)


def name_of(name_or_path: str | Path) -> str:
    """Return the name under which runs record a dataset. Reads no data.

    Args:
        name_or_path: As for `load_dataset`. A known name takes precedence over a file of that name; a `Path` is never
            taken for a name.

    Returns:
        The name of a known dataset; for any other file or folder its absolute path without symbolic links.

    Raises:
        UsageError: There is no such name or path, or the path contains control characters.
    """
    name = _resolve_name(name_or_path)
    if _CONTROL.search(name):
        raise UsageError(f"{name!a}: the path contains control characters. Rename the file.")
    return name


def _resolve_name(name_or_path: str | Path) -> str:
    if isinstance(name_or_path, str) and _is_known(name_or_path):
        return name_or_path
    if str(name_or_path).strip() and os.path.lexists(_expand(name_or_path)):
        return absolute_path(name_or_path)
    ready = [entry.name for entry in available() if entry.ready]
    error = unknown_name("dataset", str(name_or_path), ready)
    raise UsageError(
        f"{error} Download one (recdash data get NAME) or import a CSV (recdash data import NAME --csv FILE)."
    )


def absolute_path(path: str | Path) -> str:
    """Return the form of a path that names a dataset. The path need not exist."""
    with suppress(ValueError):  # a NUL character in the path
        return os.path.realpath(_expand(path))
    return str(path)


def available() -> list[DatasetEntry]:
    """List the demo, downloaded and imported datasets, and the MovieLens releases that can be downloaded."""
    root = paths.data_dir() / "sets"
    names = sorted(child.name for child in root.iterdir() if _NAME.fullmatch(child.name)) if root.is_dir() else []
    entries = [saved_entry(name) for name in names if Dataset.is_saved(_folder_of(name))]
    saved = {entry.name for entry in entries}
    return [
        _demo_entry(),
        *entries,
        *(_release_entry(release) for name, release in download.RELEASES.items() if name not in saved),
    ]


def get(name: str, source: Path | None = None, progress: ProgressCallback | None = None) -> Dataset:
    """Install a MovieLens release from a local folder or zip, or from the network.

    A zip is verified against the published checksum. For a folder the checksum of its ratings file is noted instead.

    Args:
        name: Name of the release, or "demo".
        source: Folder or zip; by default the archive is downloaded, unless the dataset is already installed.
        progress: Called with the bytes done and the total, first for the download, then for reading.

    Returns:
        The dataset.

    Raises:
        UsageError: There is no such release or source.
        DataError: The download failed, the archive is damaged or another one, or the data folder cannot be written.
    """
    if name == DEMO:
        return demo_dataset()
    release = download.release_of(name)
    if source is None:
        with suppress(DataError):
            return Dataset.load(_folder_of(name))
    path = _expand(source) if source is not None else download.download(name, progress)
    if not path.exists():
        raise UsageError(f"{path}: no such folder or zip. Give the folder or the archive of {name}.")
    return save(_read_release(release, path, progress))


def read_file(name: str, file: Path, *, progress: ProgressCallback | None = None, **options: Any) -> Reading:
    """Read a file of interactions for an import, without saving it.

    Args:
        name: Name of the new dataset.
        file: Path of the file.
        progress: Called with the bytes read so far and the total.
        options: See `recdash.data.readers.read_options.ReadOptions`.

    Raises:
        UsageError: The name or an option is invalid.
        DataError: The file cannot be interpreted.
    """
    check_name(name)
    return dataset_cache.read_file(_expand(file), _options(options), name=name, progress=progress)


def import_csv(name: str, csv: Path, *, progress: ProgressCallback | None = None, **options: Any) -> Dataset:
    """Import a file of interactions under a name and replace an earlier import, see `read_file`."""
    return save(read_file(name, csv, progress=progress, **options).dataset)


def read_split(
    name: str,
    files: SplitFiles,
    *,
    task: str | None = None,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> Dataset:
    """Read the files of a user-defined split for an import, without saving it.

    See `recdash.data.readers.split_files.read`; options are those of `ReadOptions`.
    """
    check_name(name)
    given = {key: value for key, value in options.items() if value is not None}
    return own_reader.read(name, files, task=task, progress=progress, **given)


def remove(name: str) -> None:
    """Delete a downloaded or imported dataset and its archive."""
    if name == DEMO:
        raise UsageError("The demo is part of recdash and cannot be removed.")
    saved = [entry.name for entry in available() if entry.name != DEMO and Dataset.is_saved(_folder_of(entry.name))]
    archive = download.archive_path(download.RELEASES[name]) if name in download.RELEASES else None
    if name not in saved and not (archive and archive.exists()):
        raise unknown_name("removable dataset", name, saved)
    try:
        if archive is not None:
            archive.unlink(missing_ok=True)
            archive.with_name(f"{archive.name}.md5").unlink(missing_ok=True)
        if name in saved:
            shutil.rmtree(_folder_of(name))
    except OSError as error:
        raise _write_error(_folder_of(name), error) from error


def _read_release(release: download.Release, path: Path, progress: ProgressCallback | None) -> Dataset:
    if path.is_dir():
        note = f'read from the folder "{path.name}", which has no published checksum'
    else:
        note = download.verify(path, release)
    dataset = movielens.read(path, name=release.name, layout=release.layout, progress=progress)
    notes = [note if not path.is_dir() else f"{note}; {movielens.checksum(path, release.layout)}", *dataset.notes]
    if len(dataset) != release.ratings:
        notes.append(_size_note(release, path, len(dataset)))
    return replace(dataset, source=f"MovieLens, {release.archive}", notes=tuple(notes))


def _size_note(release: download.Release, path: Path, ratings: int) -> str:
    """Return the note for a release that is updated from time to time; raise DataError for a fixed one."""
    sizes = f"{ratings:,} ratings; the published release has {release.ratings:,}"
    if not release.pinned:
        return sizes
    other = next((one.name for one in download.RELEASES.values() if one.ratings == ratings), None)
    hint = f"recdash data get {other} --from {path.name}" if other else "recdash data import NAME --csv FILE"
    raise DataError(f"{path.name}: not {release.name}: {sizes}. Import it as another dataset: {hint}.")


def _load_saved(name: str) -> Dataset:
    """Load a saved dataset; read a damaged one again if its archive is still here."""
    try:
        return Dataset.load(_folder_of(name))
    except DataError:
        release = download.RELEASES.get(name)
        if release is None or not download.archive_path(release).is_file():
            raise
        return save(_read_release(release, download.archive_path(release), None))


def save(dataset: Dataset) -> Dataset:
    """Save a dataset under its name. Raises DataError if it cannot be written."""
    try:
        dataset.save(_folder_of(dataset.name))
    except OSError as error:
        raise _write_error(_folder_of(dataset.name), error) from error
    return dataset


def _write_error(folder: Path, error: OSError) -> DataError:
    reason = error.strerror or type(error).__name__
    return DataError(
        f"{folder}: cannot be written ({reason}). Free some space or set RECDASH_DATA_DIR to another folder."
    )


def _demo_entry() -> DatasetEntry:
    try:
        return _demo_entry_of(demo_key())
    except DataError as error:
        return DatasetEntry(DEMO, False, notes=(str(error),), generated=True)


@lru_cache(maxsize=2)  # pages ask for it many times, and reading the whole demo takes 30 ms
def _demo_entry_of(_key: str) -> DatasetEntry:
    demo = demo_dataset()
    return DatasetEntry(
        DEMO,
        True,
        demo.n_users,
        demo.n_items,
        len(demo),
        True,
        demo.source,
        demo.notes,
        demo.fingerprint,
        demo.time_kind,
        demo.scale,
        demo.tied_share,
    )


def installed_entry(name: str) -> DatasetEntry | None:
    """Return the entry of an installed dataset, or None; faster than `available`, which reads all of them."""
    if name == DEMO:
        return _demo_entry()
    return saved_entry(name) if _is_saved(name) else None


def saved_entry(name: str) -> DatasetEntry:
    """Return the entry of a downloaded or imported dataset."""
    folder = _folder_of(name)
    try:
        return _saved_entry_of(name, folder, dataset_file.stamp(folder))
    except DataError as error:
        return DatasetEntry(name, False, notes=(f"damaged: {error}",))


@lru_cache(maxsize=256)  # pages ask for all entries at each click
def _saved_entry_of(name: str, folder: Path, _stamp: tuple[int, ...]) -> DatasetEntry:
    facts = Dataset.read_facts(folder)
    scale = None if facts["scale"] is None else (facts["scale"][0], facts["scale"][1])
    sizes = (facts["users"], facts["items"], facts["interactions"])
    return DatasetEntry(
        name,
        True,
        *sizes,
        facts["generated"],
        facts["source"],
        tuple(facts["notes"]),
        facts["fingerprint"],
        facts["time_kind"],
        scale,
        facts["tied_share"],
        facts["own_split"],
    )


def _release_entry(release: download.Release) -> DatasetEntry:
    return DatasetEntry(
        release.name,
        False,
        release.users,
        release.items,
        release.ratings,
        source=download.BASE_URL + release.archive,
        notes=(f"not downloaded; run recdash data get {release.name}", download.LICENCE),
        time_kind="dates",
        scale=release.scale,
    )


def _options(given: Mapping[str, Any]) -> ReadOptions:
    titles = given.get("titles")
    return ReadOptions.of(**{**given, "titles": None if titles is None else _expand(titles)})


def _expand(path: str | Path) -> Path:
    with suppress(RuntimeError):  # "~name" of an unknown user
        return Path(path).expanduser()
    return Path(path)


def _is_known(name: str) -> bool:
    """Return whether this is the name of an installed dataset or of a release."""
    return name == DEMO or name in download.RELEASES or _is_saved(name)


def _is_saved(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and Dataset.is_saved(_folder_of(name))


def _folder_of(name: str) -> Path:
    return paths.data_dir() / "sets" / name


def check_name(name: str) -> None:
    """Raise UsageError if an import cannot have this name."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a valid dataset name. Use up to 60 letters, digits, '-', '_' and '.', starting with a "
            "letter or digit."
        )
    if name.lower() in (DEMO, *download.RELEASES):
        raise UsageError(f"The name {name} is reserved for a built-in dataset. Import under another name.")
