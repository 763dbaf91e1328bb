"""Interactions from delimited text, chunk by chunk: parsed in C where a chunk is clean, otherwise line by line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recdash.data.readers import cells, line_parser
from recdash.data.readers.cells import Problems, RawTimes
from recdash.data.readers.chunks import Chunk
from recdash.data.readers.columns import (
    BadRows,
    ColumnBuilder,
    Columns,
    ParsedRows,
)
from recdash.data.readers.dialect import SPACES
from recdash.data.readers.row_format import RowFormat

if TYPE_CHECKING:
    import pandas as pd

_SUBSTITUTE = "\x1f"  # replaces delimiters of several characters, which the C parser does not support


def read_columns(source: Iterable[Chunk], row_format: RowFormat, name: str, bad: BadRows | None = None) -> Columns:
    """Read the columns of all chunks.

    Args:
        source: The chunks of the file, without its header.
        row_format: How rows are parsed.
        name: The file's name in messages.
        bad: Receives bad rows; without it the first bad row is an error.

    Raises:
        DataError: The file has no rows or, without `bad`, a bad one; the message has its line number.
    """
    builder = ColumnBuilder(row_format)
    for chunk in source:
        parsed = _parse_fast(chunk, row_format)
        if parsed is None:
            numbers, rows = [], []
            for line, fields in line_parser.iter_rows(chunk, row_format, name):
                numbers.append(line)
                rows.append(fields)
            parsed = line_parser.parse_rows(numbers, rows, row_format, name, "line", builder.rows, bad)
        builder.add(parsed)
    return builder.build(name)


def line_number(source: Iterable[Chunk], row_format: RowFormat, name: str, row: int) -> int:
    """Return the line number of a row; row: counted from 0."""
    for chunk in source:
        for line, _ in line_parser.iter_rows(chunk, row_format, name):
            if row == 0:
                return line
            row -= 1
    raise ValueError("no such row")


def _parse_fast(chunk: Chunk, row_format: RowFormat) -> ParsedRows | None:
    """Parse a chunk with pandas' C parser; None unless the chunk is clean."""
    data, delimiter = _simplify(chunk.data, row_format)
    if data is None:
        return None
    quoted = row_format.quoted and b'"' in data
    rows = _count_rows(data, delimiter, row_format.fields, quoted)
    if rows is None:
        return None
    integer_times = row_format.time_format is None
    frame = _parse_csv(data, delimiter, row_format, quoted, integer_times)
    if frame is None and row_format.time is not None and integer_times:
        integer_times = False  # the times may have fractions, which are slower to parse
        frame = _parse_csv(data, delimiter, row_format, quoted, integer_times)
    if frame is None or len(frame) != rows:
        return None
    return _validate(frame, row_format, integer_times)


def _simplify(data: bytes, row_format: RowFormat) -> tuple[bytes | None, str]:
    """Return a chunk without comments and with a one-byte delimiter; None if no byte is free for that."""
    if row_format.comment and row_format.comment.encode() in data:
        sign = re.escape(row_format.comment.encode())
        data = re.sub(rb"(?m)^%s(?:[ \t%s][^\n]*)?(?:\n|\Z)" % (sign, sign), b"", data)
    if row_format.backslash_quotes:
        data = data.replace(b'\\"', b'""')
    delimiter = row_format.delimiter
    if delimiter != SPACES and len(delimiter.encode()) == 1:
        return data, delimiter
    if _SUBSTITUTE.encode() in data:
        return None, delimiter
    if delimiter == SPACES:
        return re.sub(rb"[ \t]+", _SUBSTITUTE.encode(), re.sub(rb"(?m)^[ \t]+|[ \t\r]+$", b"", data)), _SUBSTITUTE
    return data.replace(delimiter.encode(), _SUBSTITUTE.encode()), _SUBSTITUTE


def _parse_csv(
    data: bytes, delimiter: str, row_format: RowFormat, quoted: bool, integer_times: bool
) -> pd.DataFrame | None:
    import pandas as pd  # lazy: pandas

    try:
        with np.errstate(invalid="ignore"):  # raised for ids that are not finite, which the cast refuses as well
            return pd.read_csv(
                BytesIO(data),
                sep=delimiter,
                header=None,
                names=[str(index) for index in range(row_format.fields)],
                usecols=row_format.columns,
                dtype={str(index): _dtype(index, row_format, integer_times) for index in row_format.columns},
                engine="c",
                na_filter=False,
                skipinitialspace=quoted and delimiter != " ",
                quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
                decimal="," if row_format.rating in row_format.decimal_commas else ".",
                low_memory=False,
            )
    except (ValueError, OverflowError, LookupError):
        return None


def _count_rows(data: bytes, delimiter: str, fields: int, quoted: bool) -> int | None:
    """Count the lines with the right number of fields; None if another line is not blank.

    quoted: whether delimiters inside double quotes are text; a quoted line end gives None.
    """
    if not quoted and (rows := _count_equal_rows(data, delimiter, fields)) is not None:
        return rows
    bytes_ = np.frombuffer(data, np.uint8)
    delimiters, ends = bytes_ == ord(delimiter), bytes_ == ord("\n")
    if quoted:
        quotes = bytes_ == ord('"')
        inside = np.cumsum(quotes, dtype=np.int32) % 2 == 1
        if np.any(ends & inside) or not _quotes_enclose_fields(bytes_, np.flatnonzero(quotes), delimiter):
            return None
        delimiters &= ~inside
    starts = np.concatenate([[0], np.flatnonzero(ends) + 1])
    starts = starts[starts < len(bytes_)]
    if not len(starts):
        return 0
    right = np.add.reduceat(delimiters, starts, dtype=np.int32) == fields - 1
    lengths = np.diff(starts, append=len(bytes_))
    return int(right.sum()) if np.all(lengths[~right] <= len("\r\n")) else None


def _count_equal_rows(data: bytes, delimiter: str, fields: int) -> int | None:
    """Count the lines if all have the right number of fields; None otherwise, as for a blank line.

    What is left without other bytes must be the same for each line. This takes an eighth of the time of adding up the
    delimiters of each line.
    """
    line = delimiter.encode() * (fields - 1) + b"\n"
    found = data.translate(None, bytes(byte for byte in range(256) if byte not in line))
    if not data.endswith(b"\n"):
        found += b"\n"
    rows = len(found) // len(line)
    return rows if fields > 1 and found == line * rows else None


def _quotes_enclose_fields(bytes_: NDArray[np.uint8], quotes: NDArray[np.int64], delimiter: str) -> bool:
    """Whether quotes alternately open and close fields, or are doubled inside one."""
    if len(quotes) % 2:
        return False
    around = np.zeros(256, np.bool_)
    around[[ord(delimiter), ord("\n"), ord("\r"), ord(" "), ord('"')]] = True
    padded = np.concatenate([[ord("\n")], bytes_, [ord("\n")]])
    return bool(around[padded[quotes[::2]]].all() and around[padded[quotes[1::2] + 2]].all())


def _dtype(index: int, row_format: RowFormat, integer_times: bool) -> Any:
    if index == row_format.rating:
        return np.float64
    if index == row_format.time:
        return np.int64 if integer_times else object
    return np.int64 if row_format.integer_ids else object


def _validate(frame: pd.DataFrame, row_format: RowFormat, integer_times: bool) -> ParsedRows | None:
    users: Any = frame[str(row_format.user)].to_numpy()
    items: Any = frame[str(row_format.item)].to_numpy()
    if row_format.integer_ids:
        if min(users.min(initial=0), items.min(initial=0)) < 0:
            return None
    else:
        (users, bad_users), (items, bad_items) = cells.parse_ids(users), cells.parse_ids(items)
        if bad_users or bad_items or _contains_header(users, items, row_format):
            return None
    ratings = None if row_format.rating is None else frame[str(row_format.rating)].to_numpy()
    if ratings is not None:
        low, high = row_format.scale or (-cells.LARGEST, cells.LARGEST)
        if not np.all((ratings >= low) & (ratings <= high)):  # also false for NaN
            return None
    times: RawTimes | None = None
    if row_format.time is not None:
        column = frame[str(row_format.time)].to_numpy()
        times, bad = (
            (RawTimes(column, None), Problems()) if integer_times else line_parser.parse_times(column, row_format)
        )
        if bad:
            return None
    return ParsedRows(users, items, ratings, times, len(frame))


def _contains_header(users: cells.EncodedIds, items: cells.EncodedIds, row_format: RowFormat) -> bool:
    """Whether the header may be repeated among these rows."""
    return (
        bool(row_format.header)
        and row_format.header[row_format.user] in users[1]
        and row_format.header[row_format.item] in items[1]
    )
