"""The place that knows data sets by name: the demo, what was got or imported, and files given by their path."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recdash import paths
from recdash.data import dataset_cache, download
from recdash.data.dataset import Dataset
from recdash.data.dataset_cache import dataset_at, demo_dataset
from recdash.data.dataset_file import OwnSplit
from recdash.data.readers import movielens
from recdash.data.readers import split_files as own_reader
from recdash.data.readers.chunks import ProgressCallback
from recdash.data.readers.dataset_builder import Reading
from recdash.data.readers.read_options import ReadOptions
from recdash.data.split_roles import SplitFiles
from recdash.data.timestamps import TimeKind
from recdash.errors import DataError, UsageError, unknown

DEMO = "demo"
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters, and bytes that are no text
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


@dataclass(frozen=True)
class Entry:
    """One line of the list of data sets. A release that is not here yet has the sizes that were published."""

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
    """Load "demo", a data set that was got or imported, or a path: a MovieLens folder or zip, or any file of
    interactions (CSV of any dialect, JSON, Parquet, RecBole).

    options: for such a file, see `readers.options.ReadOptions`. What a path holds is cached.
    Raises UsageError for a name or path that does not exist, DataError for what is wrong with the data.
    """
    given = _options(options)
    name = _named(name_or_path)
    if not _is_known(name):
        return dataset_at(Path(name), given, progress)
    if name != DEMO and not _is_kept(name):
        raise UsageError(
            f"The data set {name} is not here yet. Get it: recdash data get {name} "
            "(without a network, add --from FOLDER_OR_ZIP)."
        )
    if said := given.given():
        raise UsageError(
            f"The data set {name} has its columns already; {', '.join(said)} are for a file given by its path."
        )
    return demo_dataset() if name == DEMO else _kept(name)


def name_of(name_or_path: str | Path) -> str:
    """Return what a data set is called wherever it is recorded, however it was given.

    That is the name of one that is known; of any other file or folder its absolute path without symbolic links. A
    known name wins over a file of that name, and a `Path` is never a name. Nothing is read.
    Raises UsageError, with what is here, when there is neither, and for a path that cannot be written on one line.
    """
    name = _named(name_or_path)
    if _CONTROL.search(name):
        raise UsageError(f"{name!a}: this path has characters that no list of data sets can show. Rename the file.")
    return name


def _named(name_or_path: str | Path) -> str:
    if isinstance(name_or_path, str) and _is_known(name_or_path):
        return name_or_path
    if str(name_or_path).strip() and os.path.lexists(_path(name_or_path)):
        return absolute(name_or_path)
    here = [entry.name for entry in available() if entry.ready]
    error = unknown("data set", str(name_or_path), here)
    raise UsageError(f"{error} Get one (recdash data get NAME) or import a CSV (recdash data import NAME --csv FILE).")


def absolute(path: str | Path) -> str:
    """Return a path, which need not exist, in the form in which it names a data set."""
    with suppress(ValueError):  # a NUL in it, which no file has
        return os.path.realpath(_path(path))
    return str(path)


def available() -> list[Entry]:
    """List the demo, what was got and imported, and the MovieLens releases that are not here yet."""
    home = paths.data_dir() / "sets"
    names = sorted(child.name for child in home.iterdir() if _NAME.fullmatch(child.name)) if home.is_dir() else []
    entries = [kept_entry(name) for name in names if Dataset.is_kept(_home(name))]
    here = {entry.name for entry in entries}
    return [
        _demo_entry(),
        *entries,
        *(_missing(release) for name, release in download.RELEASES.items() if name not in here),
    ]


def get(name: str, source: Path | None = None, progress: ProgressCallback | None = None) -> Dataset:
    """Make a MovieLens release ready: from a folder or zip at hand, else from the network; what is ready already stays.

    A zip is held against the published checksum. A folder cannot be: the checksum of its ratings is noted instead.
    progress: bytes done and in all, first of the download, then of the reading.
    """
    if name == DEMO:
        return demo_dataset()
    release = download.release_of(name)
    if source is None:
        with suppress(DataError):
            return Dataset.load(_home(name))
    path = _path(source) if source is not None else download.download(name, progress)
    if not path.exists():
        raise UsageError(f"{path}: there is no such folder or zip. Give the folder or the archive of {name}.")
    return keep(_read_release(release, path, progress))


def read_file(name: str, file: Path, *, progress: ProgressCallback | None = None, **options: Any) -> Reading:
    """Read a file of interactions for an import under a name, and keep nothing yet.

    options: see `readers.options.ReadOptions`.  Raises UsageError for a name that cannot be used.
    """
    check_name(name)
    return dataset_cache.read_file(_path(file), _options(options), name=name, progress=progress)


def import_csv(name: str, csv: Path, *, progress: ProgressCallback | None = None, **options: Any) -> Dataset:
    """Keep a file of interactions (see `read_file`) under a name, in place of an earlier import."""
    return keep(read_file(name, csv, progress=progress, **options).dataset)


def read_split(
    name: str,
    files: SplitFiles,
    *,
    task: str | None = None,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> Dataset:
    """Read a split that was made elsewhere for an import under a name, and keep nothing yet.

    See `readers.own.read`; options are those of `readers.options.ReadOptions`.
    """
    check_name(name)
    given = {key: value for key, value in options.items() if value is not None}
    return own_reader.read(name, files, task=task, progress=progress, **given)


def remove(name: str) -> None:
    """Delete a data set that was got or imported, and the archive it came from."""
    if name == DEMO:
        raise UsageError("The demo is part of recdash and cannot be removed.")
    here = [entry.name for entry in available() if entry.name != DEMO and Dataset.is_kept(_home(entry.name))]
    archive = download.archive_path(download.RELEASES[name]) if name in download.RELEASES else None
    if name not in here and not (archive and archive.exists()):
        raise unknown("data set to remove called", name, here)
    try:
        if archive is not None:
            archive.unlink(missing_ok=True)
            archive.with_name(f"{archive.name}.md5").unlink(missing_ok=True)
        if name in here:
            shutil.rmtree(_home(name))
    except OSError as error:
        raise _unwritable(_home(name), error) from error


def _read_release(release: download.Release, path: Path, progress: ProgressCallback | None) -> Dataset:
    if path.is_dir():
        note = f'read from the folder "{path.name}", which has no published checksum'
    else:
        note = download.verify(path, release)
    dataset = movielens.read(path, name=release.name, form=release.form, progress=progress)
    notes = [note if not path.is_dir() else f"{note}; {movielens.checksum(path, release.form)}", *dataset.notes]
    if len(dataset) != release.ratings:
        notes.append(_of_another_size(release, path, len(dataset)))
    return replace(dataset, source=f"MovieLens, {release.archive}", notes=tuple(notes))


def _of_another_size(release: download.Release, path: Path, ratings: int) -> str:
    """Return the note for a release that changes; raises DataError for one that is always the same."""
    said = f"{ratings:,} ratings; the published release has {release.ratings:,}"
    if not release.pinned:
        return said
    other = next((one.name for one in download.RELEASES.values() if one.ratings == ratings), None)
    hint = f"recdash data get {other} --from {path.name}" if other else "recdash data import NAME --csv FILE"
    raise DataError(f"{path.name}: not {release.name}: {said}. Read it as what it is: {hint}.")


def _kept(name: str) -> Dataset:
    """Load what was kept; a damaged one is made again when its archive still lies here."""
    try:
        return Dataset.load(_home(name))
    except DataError:
        release = download.RELEASES.get(name)
        if release is None or not download.archive_path(release).is_file():
            raise
        return keep(_read_release(release, download.archive_path(release), None))


def keep(dataset: Dataset) -> Dataset:
    """Keep a data set under its name; raises DataError where it cannot be written."""
    try:
        dataset.save(_home(dataset.name))
    except OSError as error:
        raise _unwritable(_home(dataset.name), error) from error
    return dataset


def _unwritable(folder: Path, error: OSError) -> DataError:
    what = error.strerror or type(error).__name__
    return DataError(
        f"{folder}: cannot be written ({what}). Free some space or set RECDASH_DATA_DIR to another folder."
    )


def _demo_entry() -> Entry:
    try:
        demo = demo_dataset()
    except DataError as error:
        return Entry(DEMO, False, notes=(str(error),), generated=True)
    return Entry(
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


def kept_entry(name: str) -> Entry:
    """Return the line of a data set that was got or imported, without looking at any other."""
    try:
        facts = Dataset.facts(_home(name))
    except DataError as error:
        return Entry(name, False, notes=(f"damaged: {error}",))
    scale = None if facts["scale"] is None else (facts["scale"][0], facts["scale"][1])
    sizes = (facts["users"], facts["items"], facts["interactions"])
    return Entry(
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


def _missing(release: download.Release) -> Entry:
    return Entry(
        release.name,
        False,
        release.users,
        release.items,
        release.ratings,
        source=download.BASE_URL + release.archive,
        notes=(f"not here yet: recdash data get {release.name}", download.LICENCE),
        time_kind="dates",
        scale=release.scale,
    )


def _options(given: Mapping[str, Any]) -> ReadOptions:
    titles = given.get("titles")
    return ReadOptions.of(**{**given, "titles": None if titles is None else _path(titles)})


def _path(words: str | Path) -> Path:
    with suppress(RuntimeError):  # "~name" of nobody
        return Path(words).expanduser()
    return Path(words)


def _is_known(name: str) -> bool:
    """Whether this is the name of a data set, here or not here yet."""
    return name == DEMO or name in download.RELEASES or _is_kept(name)


def _is_kept(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and Dataset.is_kept(_home(name))


def _home(name: str) -> Path:
    return paths.data_dir() / "sets" / name


def check_name(name: str) -> None:
    """Raise UsageError for what cannot name an import."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a data set. Use up to 60 letters, digits, '-', '_' and '.', a letter or digit first."
        )
    if name.lower() in (DEMO, *download.RELEASES):
        raise UsageError(f"The name {name} belongs to a data set of its own. Import yours under another name.")
