"""RecBole's atomic files as they are: interactions in `.inter`, items in the `.item` beside it."""

from __future__ import annotations

from pathlib import Path

from recdash.data.catalogue import Item
from recdash.data.dataset import Dataset
from recdash.data.readers import csv
from recdash.data.readers.blocks import Progress, open_input, shown, text
from recdash.data.readers.titles import read_item_file
from recdash.errors import DataError


def read(path: Path, *, name: str | None = None, progress: Progress | None = None) -> Dataset:
    """Read `NAME.inter`, or the only one in a folder; columns are found by the names in its header.

    Raises DataError with file and line for what is wrong.
    """
    path = find_inter(path)
    plan = csv.look(path, delimiter="\t", header=True)
    plan.check(path.name)
    untyped = [column for column in plan.columns if ":" not in column]
    if untyped:
        what = f'expected columns like "user_id:token", found {shown(untyped[0])}'
        raise DataError(f"{path.name}, line 1: {what}. Keep the header that RecBole writes.")
    return csv.read_planned(
        path, plan, name=name or csv.plain_stem(path), known=_items(path), progress=progress, quoted=False
    )


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
