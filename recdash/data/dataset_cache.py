"""Data sets that can be made again at any time, the demo and files given by path, kept so as to load at once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

from recdash import paths
from recdash.atomic_files import reading_back
from recdash.data import demo
from recdash.data.dataset import Dataset
from recdash.data.items import Item
from recdash.data.readers import interactions, movielens, recbole
from recdash.data.readers.archive import holds_known
from recdash.data.readers.chunks import ProgressCallback
from recdash.data.readers.dataset_builder import Reading
from recdash.data.readers.read_options import ReadOptions
from recdash.data.readers.text_streams import reading
from recdash.errors import DataError

_READERS = 2  # goes up when a reader reads the same file differently, so that no old cache is used
_KEPT = 12  # the least recently used go first
DEMO_NOTE = "The films are real, the tastes are generated."


def dataset_at(path: Path, options: ReadOptions, progress: ProgressCallback | None = None) -> Dataset:
    """Read whatever lies at a path; options that were given say that it is a file of interactions."""
    with reading(path.name):
        real = Path(os.path.realpath(path, strict=True))
    said = sorted((name, repr(value)) for name, value in options.given().items())
    key = _key("path", _READERS, str(real), said, _stamps(real, options))
    return _cached(key, lambda: _read(real, options, progress))


def read_file(
    path: Path, options: ReadOptions, *, name: str | None = None, progress: ProgressCallback | None = None
) -> Reading:
    """Read a file of interactions, see `readers.csv.read_file`; an `.inter` file has its titles beside it."""
    read = recbole.read_file if path.suffix == ".inter" else interactions.read_file
    return read(path, options, name=name, progress=progress)


def demo_dataset() -> Dataset:
    """Return the demo, generated when it is asked for the first time."""
    with reading("films.csv of the demo"):
        films = demo.films_path().read_bytes()
    return _cached(_key("demo", demo.GENERATOR_VERSION, films), _make_demo)


def _read(path: Path, options: ReadOptions, progress: ProgressCallback | None) -> Dataset:
    if not path.is_dir() and not path.is_file():
        raise DataError(f"{path.name}: this is neither a file nor a folder. Give a file with one line per interaction.")
    if path.is_dir() and any(path.glob("*.inter")):
        return recbole.read_file(path, options, progress=progress).dataset
    if path.is_dir() or (path.suffix.lower() == ".zip" and holds_known(path, movielens.KNOWN)):
        return movielens.read(path, progress=progress)
    return read_file(path, options, progress=progress).dataset


def _make_demo() -> Dataset:
    import pandas as pd

    # The table is part of the program and fixed: where the generator fails, the table is damaged.
    with reading_back(demo.films_path(), DataError, "Restore it from the repository.", "damaged list of films"):
        films = pd.read_csv(demo.films_path(), dtype={"id": str, "title": str}, keep_default_na=False)
        seen = demo.generate(films)
        rows = zip(*(films[column].tolist() for column in ("id", "title", "year", "genres")), strict=True)
        known = {
            id_: Item(id_, title, int(year), tuple(filter(None, genres.split("|"))))
            for id_, title, year, genres in rows
        }
    return Dataset.build(
        "demo",
        users=seen.users + 1,
        items=films["id"].to_numpy()[seen.items],
        ratings=seen.ratings,
        times=seen.times,
        known=known,
        scale=(1, 5),
        source=f"made by recdash, generator version {demo.GENERATOR_VERSION}",
        generated=True,
        notes=(DEMO_NOTE,),
    )


def _stamps(path: Path, options: ReadOptions) -> list[tuple[str, int, int]]:
    """Name, size and time of change of every file that reading this path may open."""
    files = [path, path.with_suffix(".item"), *([options.titles] if options.titles is not None else [])]
    if path.is_dir():
        with reading(path.name):
            tops = [path, *sorted(child for child in path.iterdir() if child.is_dir())]
        files = [
            *path.glob("*.inter"),
            *path.glob("*.item"),
            *(top / name for top in tops for name in sorted(movielens.KNOWN)),
        ]
    found = []
    for file in files:
        with suppress(OSError):
            about = file.stat()
            found.append((str(file), about.st_size, about.st_mtime_ns))
    return sorted(found)


def _key(*parts: Any) -> str:
    return blake2b(repr(parts).encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()


def _cached(key: str, make: Callable[[], Dataset]) -> Dataset:
    """Load what was made under this key; when it is not there or damaged, make it and try to keep it."""
    home = paths.data_dir() / "cache"
    if Dataset.is_kept(home / key):
        with suppress(DataError):
            dataset = Dataset.load(home / key)
            with suppress(OSError):
                os.utime(home / key)
            return dataset
    dataset = make()
    with suppress(OSError):  # without a place to write it is made each time
        dataset.save(home / key)
        _forget_old(home)
    return dataset


def _forget_old(home: Path) -> None:
    by_use = sorted(home.iterdir(), key=lambda folder: folder.stat().st_mtime_ns, reverse=True)
    for folder in by_use[_KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)
