"""Text layouts other than one interaction per line: user-item matrices, Netflix Prize files, adjacency lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from recdash.data.readers import dialect, row_stream
from recdash.data.readers.cells import MISSING, NUMBER
from recdash.data.readers.chunks import (
    Chunk,
    ProgressCallback,
    read_chunks,
)
from recdash.data.readers.column_names import (
    ID_NAMES,
    ITEM_NAMES,
    TITLE_NAMES,
    normalise_name,
)
from recdash.data.readers.column_roles import Roles
from recdash.data.readers.dataset_builder import Source
from recdash.data.readers.read_options import NONE, ReadOptions
from recdash.data.readers.row_stream import FileRow
from recdash.data.readers.text_streams import Input
from recdash.errors import DataError

NAMES = {
    "wide": "user-item matrix",
    "blocks": "Netflix's blocks, each an item with its ratings",
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
_BLOCK_HEADER = re.compile(r"\s*(\S+):\s*")


def sample_rows(
    layout: str, sample: str, name: str, options: ReadOptions
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return the column names of a layout, and its first 100 rows."""
    rows = _iter_rows(layout, iter([Chunk(sample.encode(), 1)]), name, options)
    return COLUMNS[layout], tuple(tuple(texts) for _, (_, texts) in zip(range(100), rows, strict=False))


def read(
    source: Input,
    layout: str,
    columns: tuple[str, ...],
    roles: Roles,
    options: ReadOptions,
    progress: ProgressCallback | None,
) -> Source:
    """Read all rows of a layout."""
    rows = _iter_rows(layout, read_chunks(source, progress=progress), source.name, options)
    names = {role: columns[index] for role, index in roles.items() if index is not None}
    facts = {"format": NAMES[layout], "encoding": "utf-8"}
    return row_stream.read(rows, names, source.name, options, format_facts=facts)


def _iter_rows(layout: str, lines: Iterator[Chunk], name: str, options: ReadOptions) -> Iterator[FileRow]:
    numbered = (
        (number, text)
        for chunk in lines
        for number, text in enumerate(chunk.data.decode().split("\n"), chunk.line)
        if text.strip()
    )
    if layout == "blocks":
        return _iter_blocks(numbered, name)
    return _iter_lists(numbered) if layout == "lists" else _iter_wide(numbered, name, options)


def _iter_blocks(lines: Iterator[tuple[int, str]], name: str) -> Iterator[FileRow]:
    """Yield the ratings below each line `item:`, written as user,rating,date (Netflix Prize README)."""
    item = ""
    for line, text in lines:
        header = _BLOCK_HEADER.fullmatch(text)
        if header is not None:
            item = header[1]
            continue
        fields = text.strip().split(",")
        if len(fields) != 3 or not item:
            raise DataError(f"{name}, line {line}: expected user,rating,date below a line such as 1:. Fix this line.")
        yield line, [fields[0], item, fields[1], fields[2]]


def _iter_lists(lines: Iterator[tuple[int, str]]) -> Iterator[FileRow]:
    """Yield the pairs of lines that hold a user and all its items, separated by spaces, as LightGCN's files."""
    for line, text in lines:
        user, *items = text.split()
        for item in items:
            yield line, [user, item]


def _iter_wide(lines: Iterator[tuple[int, str]], name: str, options: ReadOptions) -> Iterator[FileRow]:
    """Yield the filled cells of a matrix with a row per user and a column per item."""
    first = next(lines, (1, ""))
    delimiter = dialect.parse_delimiter(options.delimiter) if options.delimiter else max("\t;,", key=first[1].count)
    header = [cell.strip() for cell in dialect.split_fields([first[1]], delimiter, True)[0]]
    has_header = options.header if options.header is not None else not all(NUMBER.fullmatch(cell) for cell in header)
    if not has_header and options.user is None:
        raise DataError(
            f"{name}: the first column may hold user ids or ratings. Give --user 1 for ids, or --user none to number "
            "the users by row.",
            fixes={"The first column names the users": {"user": 1}, "The rows are the users": {"user": "none"}},
        )
    has_user_column = options.user is None or str(options.user).lower() != NONE
    if has_header and has_user_column and normalise_name(header[0]) in (*ID_NAMES, *ITEM_NAMES, *TITLE_NAMES):
        raise DataError(
            f"{name}: the first column names items ({header[0]}), so each row is an item. Transpose it: one row "
            "per user."
        )
    items = header if has_header else [str(index + 1) for index in range(len(header))]
    for number, (line, text) in enumerate(lines if has_header else chain([first], lines), 1):
        cells = [cell.strip() for cell in dialect.split_fields([text], delimiter, True)[0]]
        if len(cells) != len(header):
            raise DataError(f"{name}, line {line}: expected {len(header)} cells, found {len(cells)}. Fix this line.")
        user = cells[0] if has_user_column else str(number)
        for item, cell in zip(items[has_user_column:], cells[has_user_column:], strict=True):
            if cell.lower() not in MISSING:
                yield line, [user, item, cell]
