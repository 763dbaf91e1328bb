"""RecBole's atomic files as they are: interactions in `.inter`, items in the `.item` beside it."""

from __future__ import annotations

from pathlib import Path

from recdash.data.catalogue import Item
from recdash.data.dataset import Dataset
from recdash.data.readers import csv
from recdash.data.readers.blocks import Progress
from recdash.data.readers.inputs import open_input, text
from recdash.data.readers.options import ReadOptions
from recdash.data.readers.source import Reading
from recdash.data.readers.titles import read_item_file
from recdash.errors import DataError


def read(path: Path, *, name: str | None = None, progress: Progress | None = None) -> Dataset:
    """Read `NAME.inter`, or the only one in a folder, see `read_file`."""
    return read_file(path, ReadOptions(), name=name, progress=progress).dataset


def read_file(
    path: Path, options: ReadOptions, *, name: str | None = None, progress: Progress | None = None
) -> Reading:
    """Read an `.inter` file, with types in its header or without; titles come from the `.item` file beside it.

    Raises DataError with file and line for what is wrong.
    """
    inter = find_inter(path)
    known = {} if options.titles is not None else _items(inter)
    return csv.read_file(inter, options, name=name, known=known, progress=progress)


def find_inter(path: Path) -> Path:
    """Return the `.inter` file meant by a file or a folder."""
    if not path.is_dir():
        return path
    inside = sorted(path.glob("*.inter"))
    if len(inside) != 1:
        raise DataError(f"{path.name}: expected one .inter file, found {len(inside)}. Give the file itself.")
    return inside[0]


def _items(inter: Path) -> dict[str, Item]:
    beside = inter.with_suffix(".item")
    if not beside.is_file():
        return {}
    with open_input(beside) as source:
        return read_item_file(source.name, text(source))
