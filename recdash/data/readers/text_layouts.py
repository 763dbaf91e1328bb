"""Forms of text that are no tables of interactions: wide matrices, Netflix's blocks, adjacency lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from recdash.data.readers import dialect, row_stream
from recdash.data.readers.cells import MISSING, NUMBER
from recdash.data.readers.chunks import (
    Chunk,
    ProgressCallback,
    chunks_of,
)
from recdash.data.readers.column_roles import Roles
from recdash.data.readers.dataset_builder import Source
from recdash.data.readers.read_options import NONE, ReadOptions
from recdash.data.readers.row_stream import FileRow
from recdash.data.readers.text_streams import Input
from recdash.data.readers.title_files import ID_NAMES, ITEM_NAMES, TITLE_NAMES, plain
from recdash.errors import DataError

NAMES = {
    "wide": "a matrix of users and items",
    "blocks": "blocks of an item and its ratings, as Netflix's",
    "lists": "adjacency lists",
}
ROLES: dict[str, Roles] = {
    "wide": {"user": 0, "item": 1, "rating": 2},
    "blocks": {"user": 0, "item": 1, "rating": 2, "time": 3},
    "lists": {"user": 0, "item": 1},
}
COLUMNS = {
    "wide": ("row", "column", "cell"),
    "blocks": ("user", "block", "rating", "date"),
    "lists": ("first", "others"),
}
_HEAD = re.compile(r"\s*(\S+):\s*")


def beginning(
    shape: str, sample: str, name: str, options: ReadOptions
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Names of the columns that a shape gives, and its first rows."""
    found = _rows(shape, iter([Chunk(sample.encode(), 1)]), name, options)
    return COLUMNS[shape], tuple(tuple(texts) for _, (_, texts) in zip(range(100), found, strict=False))


def read(
    source: Input,
    shape: str,
    columns: tuple[str, ...],
    where: Roles,
    options: ReadOptions,
    progress: ProgressCallback | None,
) -> Source:
    """Read all rows of a shape."""
    found = _rows(shape, chunks_of(source, progress=progress), source.name, options)
    names = {role: columns[place] for role, place in where.items() if place is not None}
    return row_stream.read(found, names, source.name, options, about={"format": NAMES[shape], "encoding": "utf-8"})


def _rows(shape: str, lines: Iterator[Chunk], name: str, options: ReadOptions) -> Iterator[FileRow]:
    numbered = (
        (number, text)
        for block in lines
        for number, text in enumerate(block.data.decode().split("\n"), block.line)
        if text.strip()
    )
    if shape == "blocks":
        return _blocks(numbered, name)
    return _lists(numbered) if shape == "lists" else _wide(numbered, name, options)


def _blocks(lines: Iterator[tuple[int, str]], name: str) -> Iterator[FileRow]:
    """`item:` and, below it, a line of user, rating and date for each of its ratings (Netflix Prize README)."""
    item = ""
    for line, text in lines:
        head = _HEAD.fullmatch(text)
        if head is not None:
            item = head[1]
            continue
        fields = text.strip().split(",")
        if len(fields) != 3 or not item:
            raise DataError(
                f"{name}, line {line}: expected user,rating,date below a line such as 1:. Correct that line."
            )
        yield line, [fields[0], item, fields[1], fields[2]]


def _lists(lines: Iterator[tuple[int, str]]) -> Iterator[FileRow]:
    """A user and all of its items, with spaces between them, as LightGCN's files have."""
    for line, text in lines:
        user, *items = text.split()
        for item in items:
            yield line, [user, item]


def _wide(lines: Iterator[tuple[int, str]], name: str, options: ReadOptions) -> Iterator[FileRow]:
    """A row per user and a column per item; empty cells are no ratings."""
    first = next(lines, (1, ""))
    mark = dialect.delimiter(options.delimiter) if options.delimiter else max("\t;,", key=first[1].count)
    head = [cell.strip() for cell in dialect.split([first[1]], mark, True)[0]]
    named = options.header if options.header is not None else not all(NUMBER.fullmatch(cell) for cell in head)
    if not named and options.user is None:
        raise DataError(
            f"{name}: the first column may name the users or be a rating. Say which: --user 1, or --user none to "
            "number the rows.",
            fixes={"The first column names the users": {"user": 1}, "The rows are the users": {"user": "none"}},
        )
    ids = options.user is None or str(options.user).lower() != NONE
    if named and ids and plain(head[0]) in (*ID_NAMES, *ITEM_NAMES, *TITLE_NAMES):
        raise DataError(
            f"{name}: the first column names items ({head[0]}), so each row is an item. Turn the matrix round: a row "
            "per user."
        )
    items = head if named else [str(place + 1) for place in range(len(head))]
    for number, (line, text) in enumerate(lines if named else chain([first], lines), 1):
        cells = [cell.strip() for cell in dialect.split([text], mark, True)[0]]
        if len(cells) != len(head):
            raise DataError(f"{name}, line {line}: expected {len(head)} cells, found {len(cells)}. Correct that line.")
        user = cells[0] if ids else str(number)
        for item, cell in zip(items[ids:], cells[ids:], strict=True):
            if cell.lower() not in MISSING:
                yield line, [user, item, cell]
