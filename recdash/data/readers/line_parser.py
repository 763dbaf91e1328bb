"""The exact parser of rows: it decides what is valid, and reports each problem with its line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recdash.data.readers import cells
from recdash.data.readers.cells import Problems, RawTimes
from recdash.data.readers.chunks import Chunk
from recdash.data.readers.columns import BadRows, ParsedRows
from recdash.data.readers.dialect import SPACES, is_comment
from recdash.data.readers.row_format import RowFormat, delimiter_name
from recdash.errors import DataError, Fixes, quote

_INTEGER = re.compile(r"[ \t]*[0-9]{1,18}[ \t]*", re.ASCII)
_MIN_COLUMN_ROWS = 3  # at least this many rows, all wrong in one column, are a problem of the column
_NO_QUOTES_FIX: Fixes = {"Quotes are letters": {"quotes": False}}


class BackslashQuotes(Exception):
    """The file escapes quotes by backslashes; parse it again with `RowFormat.backslash_quotes`."""


def parse_rows(
    lines: list[int],
    rows: list[list[str]],
    row_format: RowFormat,
    name: str,
    unit: str,
    offset: int,
    bad: BadRows | None,
) -> ParsedRows:
    """Parse rows one by one.

    Args:
        lines: The number of each row in the file.
        rows: The fields of each row.
        row_format: How rows are parsed.
        name: The file's name in messages.
        unit: What `lines` counts, such as "line" or "record".
        offset: The number of rows parsed before these.
        bad: Receives bad rows; None makes the first bad row an error.

    Raises:
        DataError: `bad` is None and a row is invalid.
    """
    problems: dict[int, str] = {}
    for index, fields in enumerate(rows):
        if len(fields) != row_format.fields:
            separator = delimiter_name(row_format.delimiter)
            problems[index] = f"expected {row_format.fields} fields separated by {separator}, found {len(fields)}"
        elif row_format.header and tuple(cell.strip() for cell in fields) == row_format.header:
            problems[index] = "the header is repeated here"
    complete = np.array([index for index in range(len(rows)) if index not in problems], np.int64)
    columns = {index: [rows[row][index] for row in complete] for index in row_format.columns}
    users, items = (
        _parse_ids(columns[index], role, row_format)
        for role, index in (("user", row_format.user), ("item", row_format.item))
    )
    ratings = None if row_format.rating is None else _parse_ratings(columns[row_format.rating], row_format)
    times = None if row_format.time is None else parse_times(columns[row_format.time], row_format)
    parsed = {"user": users, "item": items, "rating": ratings, "time": times}
    for role, column in parsed.items():
        for index, problem in ({} if column is None else column[1]).items():
            problems.setdefault(int(complete[index]), f"the {role} {problem}")
    if problems and bad is None:
        first = min(problems)
        bad_role = next((role for role, column in parsed.items() if column and len(column[1]) == len(rows)), None)
        if bad_role and len(rows) >= _MIN_COLUMN_ROWS:
            raise DataError(
                f"{name}, {unit} {lines[first]}: {problems[first]}; all other rows have the same problem. Select "
                f"another column (--{bad_role} COLUMN), or fix this one."
            )
        raise DataError(
            f"{name}, {unit} {lines[first]}: {problems[first]}. {row_format.advice}", fixes=row_format.fixes
        )
    for row in sorted(problems):
        assert bad is not None  # noqa: S101
        bad.lines.append(lines[row])
        bad.texts.append(f"{unit} {lines[row]}: {problems[row]}")
        bad.records.append(offset + row)
    good = np.array([row not in problems for row in complete.tolist()], np.bool_)
    return ParsedRows(
        _select_ids(users[0], good, row_format),
        _select_ids(items[0], good, row_format),
        None if ratings is None else ratings[0][good],
        None if times is None else times[0].take(good),
        len(rows),
    )


def _parse_ids(texts: list[str], role: str, row_format: RowFormat) -> tuple[Any, Problems]:
    if not row_format.integer_ids:
        return cells.parse_ids(texts)
    bad = {
        index: f"id is {quote(text)}, not a whole number" if text.strip() else "is empty"
        for index, text in enumerate(texts)
        if not _INTEGER.fullmatch(text)
    }
    return np.array([0 if index in bad else int(text) for index, text in enumerate(texts)], np.int64), bad


def _select_ids(column: Any, good: NDArray[np.bool_], row_format: RowFormat) -> Any:
    if row_format.integer_ids:
        return column[good]
    codes, texts = column
    used, new_codes = np.unique(codes[good], return_inverse=True)
    return new_codes, [texts[code] for code in used]


def _parse_ratings(texts: list[str], row_format: RowFormat) -> tuple[NDArray[np.float64], Problems]:
    values, bad = cells.parse_numbers(texts, row_format.delimiter != ",")
    if row_format.scale is not None:
        low, high = row_format.scale
        for index in np.flatnonzero((values < low) | (values > high)).tolist():
            bad.setdefault(index, f"is {quote(texts[index])}, outside the scale {low:g} to {high:g}")
    return values, bad


def parse_times(texts: Any, row_format: RowFormat) -> tuple[RawTimes, Problems]:
    """Parse the cells of the time column."""
    if row_format.time_format is None:
        return cells.parse_numeric_times(texts, row_format.time in row_format.decimal_commas)
    return cells.parse_text_times(texts, row_format.time_format)


def iter_rows(chunk: Chunk, row_format: RowFormat, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and fields of every row; skips blank lines and comments."""
    if not row_format.quoted:
        for number, raw in enumerate(chunk.data.split(b"\n"), chunk.line):
            text = raw.decode().removesuffix("\r")
            fields = text.split(None if row_format.delimiter == SPACES else row_format.delimiter)
            if text.strip() and not _is_comment(text, fields, row_format):
                yield number, fields
        return
    data = chunk.data.replace(b'\\"', b'""') if row_format.backslash_quotes else chunk.data
    texts = StringIO(data.decode(), newline="")
    spaced = row_format.delimiter != " "
    reader = csv.reader(texts, delimiter=row_format.delimiter, skipinitialspace=spaced, strict=True)
    start = chunk.line
    try:
        for fields in reader:
            if any(field.strip() for field in fields) and not _is_comment(fields[0], fields, row_format):
                _refuse_unclosed_quote(fields, row_format, f"{name}, line {start}")
                yield start, fields
            start = chunk.line + reader.line_num
    except csv.Error as error:
        if b'\\"' in chunk.data and not row_format.backslash_quotes:
            raise BackslashQuotes from error
        raise DataError(
            f"{name}, line {start}: a quoted field is not closed. Fix this line, or add --no-quotes if quotes are "
            "ordinary characters.",
            fixes=_NO_QUOTES_FIX,
        ) from error


def _is_comment(text: str, fields: list[str], row_format: RowFormat) -> bool:
    """Whether a line is a comment: it starts with the comment sign and is spaced as one, or is no row."""
    if not row_format.comment or not text.startswith(row_format.comment):
        return False
    return is_comment(text, row_format.comment) or len(fields) != row_format.fields


def _refuse_unclosed_quote(fields: list[str], row_format: RowFormat, where: str) -> None:
    """Raise DataError for a quoted field that contains whole rows: its quote is not closed, or not a quote."""
    for index, cell in enumerate(fields):
        first, *middle = cell.split("\n")
        if not middle or row_format.multiline_fields:
            continue
        *middle, last = middle
        ends_a_row = first.count(row_format.delimiter) == row_format.fields - 1 - index
        if (ends_a_row and last.count(row_format.delimiter) == index) or any(
            line.count(row_format.delimiter) == row_format.fields - 1 for line in middle
        ):
            raise DataError(
                f"{where}: a quoted field starts here and seems to contain other rows. Add --no-quotes if quotes are "
                "ordinary characters, --quotes if the field has several lines.",
                fixes={**_NO_QUOTES_FIX, "The field has several lines": {"quotes": True}},
            )
