"""RecBole's atomic files: interactions in `.inter`, titles in the `.item` file next to it."""

from __future__ import annotations

from pathlib import Path

from recdash.data.dataset import Dataset
from recdash.data.items import Item
from recdash.data.readers import interactions
from recdash.data.readers.chunks import ProgressCallback
from recdash.data.readers.dataset_builder import Reading
from recdash.data.readers.read_options import ReadOptions
from recdash.data.readers.text_streams import open_input, read_text
from recdash.data.readers.title_files import read_item_file
from recdash.errors import DataError


def read(path: Path, *, name: str | None = None, progress: ProgressCallback | None = None) -> Dataset:
    """Read an `.inter` file, or the only one in a folder, as a dataset; see `read_file`."""
    return read_file(path, ReadOptions(), name=name, progress=progress).dataset


def read_file(
    path: Path, options: ReadOptions, *, name: str | None = None, progress: ProgressCallback | None = None
) -> Reading:
    """Read an `.inter` file, with or without types in its header; titles come from the `.item` file next to it.

    Args:
        path: The file, or a folder that contains one `.inter` file.
        options: How to read it; `options.titles` replaces the `.item` file.
        name: Name of the dataset; defaults to the file's name without its extension.
        progress: Called with the bytes read and the file's size.

    Raises:
        DataError: The file is invalid or ambiguous; the message names the file and line.
    """
    inter = find_inter(path)
    items_by_id = {} if options.titles is not None else _read_items(inter)
    return interactions.read_file(inter, options, name=name, items_by_id=items_by_id, progress=progress)


def find_inter(path: Path) -> Path:
    """Return the path itself if it is a file, or the only `.inter` file of a folder."""
    if not path.is_dir():
        return path
    inside = sorted(path.glob("*.inter"))
    if len(inside) != 1:
        raise DataError(f"{path.name}: expected one .inter file, found {len(inside)}. Give the file itself.")
    return inside[0]


def _read_items(inter: Path) -> dict[str, Item]:
    items_path = inter.with_suffix(".item")
    if not items_path.is_file():
        return {}
    with open_input(items_path) as source:
        return read_item_file(source.name, read_text(source))
