"""RecBole's atomic files as they are: interactions in `.inter`, items in the `.item` beside it."""

from __future__ import annotations

from pathlib import Path

from recdash.data.dataset import Dataset
from recdash.data.items import Item
from recdash.data.readers import interactions
from recdash.data.readers.chunks import ProgressCallback
from recdash.data.readers.dataset_builder import Reading
from recdash.data.readers.read_options import ReadOptions
from recdash.data.readers.text_streams import open_input, text
from recdash.data.readers.title_files import read_item_file
from recdash.errors import DataError


def read(path: Path, *, name: str | None = None, progress: ProgressCallback | None = None) -> Dataset:
    """Read `NAME.inter`, or the only one in a folder, see `read_file`."""
    return read_file(path, ReadOptions(), name=name, progress=progress).dataset


def read_file(
    path: Path, options: ReadOptions, *, name: str | None = None, progress: ProgressCallback | None = None
) -> Reading:
    """Read an `.inter` file, with types in its header or without; titles come from the `.item` file beside it.

    Raises DataError with file and line for what is wrong.
    """
    inter = find_inter(path)
    known = {} if options.titles is not None else _items(inter)
    return interactions.read_file(inter, options, name=name, known=known, progress=progress)


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
