"""Interactions from delimited text, block by block: fast where a block is sound, else line by line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recdash.data.readers import cells, line_parser
from recdash.data.readers.cells import Bad, Moments
from recdash.data.readers.chunks import Chunk
from recdash.data.readers.columns import BadRows, Columns, Gathered, Layout, Parsed
from recdash.data.readers.dialect import SPACES

if TYPE_CHECKING:
    import pandas as pd

_STAND_IN = "\x1f"  # for delimiters of more than one character, which the fast parser does not know


def read_columns(source: Iterable[Chunk], layout: Layout, name: str, bad: BadRows | None = None) -> Columns:
    """Read all blocks.

    bad: takes the rows that are wrong; without it the first of them is a DataError with the number of its line.
    """
    gathered = Gathered(layout)
    for block in source:
        parsed = _fast(block, layout)
        if parsed is None:
            lines, rows = [], []
            for line, fields in line_parser.lines_of(block, layout, name):
                lines.append(line)
                rows.append(fields)
            parsed = line_parser.parse(lines, rows, layout, name, "line", gathered.rows, bad)
        gathered.add(parsed)
    return gathered.columns(name)


def line_of(source: Iterable[Chunk], layout: Layout, name: str, row: int) -> int:
    """Return the number of the line on which a row, counted from 0, stands."""
    for block in source:
        for line, _ in line_parser.lines_of(block, layout, name):
            if row == 0:
                return line
            row -= 1
    raise ValueError("no such row")


def _fast(block: Chunk, layout: Layout) -> Parsed | None:
    """Parse a block in C; None when anything about it is not as it should be."""
    data, mark = _plain(block.data, layout)
    if data is None:
        return None
    quoted = layout.quoted and b'"' in data
    rows = _rows(data, mark, layout.fields, quoted)
    if rows is None:
        return None
    whole_times = layout.time_format is None
    frame = _frame(data, mark, layout, quoted, whole_times)
    if frame is None and layout.time is not None and whole_times:
        whole_times = False  # fractions, say, which take longer
        frame = _frame(data, mark, layout, quoted, whole_times)
    if frame is None or len(frame) != rows:
        return None
    return _checked(frame, layout, whole_times)


def _plain(data: bytes, layout: Layout) -> tuple[bytes | None, str]:
    """A block without comments, and with one character between the fields; None where none is free for that."""
    if layout.comment and layout.comment.encode() in data:
        sign = re.escape(layout.comment.encode())
        data = re.sub(rb"(?m)^%s(?:[ \t%s][^\n]*)?(?:\n|\Z)" % (sign, sign), b"", data)
    if layout.escaped:
        data = data.replace(b'\\"', b'""')
    mark = layout.delimiter
    if mark != SPACES and len(mark.encode()) == 1:
        return data, mark
    if _STAND_IN.encode() in data:
        return None, mark
    if mark == SPACES:
        return re.sub(rb"[ \t]+", _STAND_IN.encode(), re.sub(rb"(?m)^[ \t]+|[ \t\r]+$", b"", data)), _STAND_IN
    return data.replace(mark.encode(), _STAND_IN.encode()), _STAND_IN


def _frame(data: bytes, mark: str, layout: Layout, quoted: bool, whole_times: bool) -> pd.DataFrame | None:
    import pandas as pd

    try:
        with np.errstate(invalid="ignore"):  # of an id that is not finite, which the cast refuses anyhow
            return pd.read_csv(
                BytesIO(data),
                sep=mark,
                header=None,
                names=[str(place) for place in range(layout.fields)],
                usecols=layout.columns,
                dtype={str(place): _type(place, layout, whole_times) for place in layout.columns},
                engine="c",
                na_filter=False,
                skipinitialspace=quoted and mark != " ",
                quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
                decimal="," if layout.rating in layout.commas else ".",
                low_memory=False,
            )
    except (ValueError, OverflowError, LookupError):
        return None


def _rows(data: bytes, mark: str, fields: int, quoted: bool) -> int | None:
    """Count the lines with the right number of fields; None when another one is not blank.

    quoted: what stands between double quotes counts as letters; a line that ends between them is for the exact pass.
    """
    letters = np.frombuffer(data, np.uint8)
    marks, ends = letters == ord(mark), letters == ord("\n")
    if quoted:
        quotes = letters == ord('"')
        inside = np.cumsum(quotes, dtype=np.int32) % 2 == 1
        if np.any(ends & inside) or not _close_fields(letters, np.flatnonzero(quotes), mark):
            return None
        marks &= ~inside
    starts = np.concatenate([[0], np.flatnonzero(ends) + 1])
    starts = starts[starts < len(letters)]
    if not len(starts):
        return 0
    right = np.add.reduceat(marks, starts, dtype=np.int32) == fields - 1
    lengths = np.diff(starts, append=len(letters))
    return int(right.sum()) if np.all(lengths[~right] <= len("\r\n")) else None


def _close_fields(letters: NDArray[np.uint8], quotes: NDArray[np.int64], mark: str) -> bool:
    """Whether every quote, in turn, opens and closes a field, or stands doubled inside one."""
    if len(quotes) % 2:
        return False
    around = np.zeros(256, np.bool_)
    around[[ord(mark), ord("\n"), ord("\r"), ord(" "), ord('"')]] = True
    padded = np.concatenate([[ord("\n")], letters, [ord("\n")]])
    return bool(around[padded[quotes[::2]]].all() and around[padded[quotes[1::2] + 2]].all())


def _type(place: int, layout: Layout, whole_times: bool) -> Any:
    if place == layout.rating:
        return np.float64
    if place == layout.time:
        return np.int64 if whole_times else object
    return np.int64 if layout.whole_ids else object


def _checked(frame: pd.DataFrame, layout: Layout, whole_times: bool) -> Parsed | None:
    users: Any = frame[str(layout.user)].to_numpy()
    items: Any = frame[str(layout.item)].to_numpy()
    if layout.whole_ids:
        if min(users.min(initial=0), items.min(initial=0)) < 0:
            return None
    else:
        (users, bad_users), (items, bad_items) = cells.ids(users), cells.ids(items)
        if bad_users or bad_items or _has_header(users, items, layout):
            return None
    ratings = None if layout.rating is None else frame[str(layout.rating)].to_numpy()
    if ratings is not None:
        low, high = layout.scale or (-cells.LARGEST, cells.LARGEST)
        if not np.all((ratings >= low) & (ratings <= high)):  # false for what is not a number, too
            return None
    times: Moments | None = None
    if layout.time is not None:
        column = frame[str(layout.time)].to_numpy()
        times, bad = (Moments(column, None), Bad()) if whole_times else line_parser.times_of(column, layout)
        if bad:
            return None
    return Parsed(users, items, ratings, times, len(frame))


def _has_header(users: cells.Coded, items: cells.Coded, layout: Layout) -> bool:
    """Whether the header may come again among these rows."""
    return bool(layout.header) and layout.header[layout.user] in users[1] and layout.header[layout.item] in items[1]
