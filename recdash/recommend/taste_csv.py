"""Rows of CSV text in which one bad row never hides the others, and cells that are safe in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from recdash.data.readers.time_formats import matching_formats

_MAX_LINES = 10  # of one row, whose quoted cells may contain line breaks
_DATE_SAMPLE = 2000  # dates that decide between day first and month first
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def split_lines(content: bytes) -> list[str]:
    """Decode a file and split it into lines, each with its line break.

    UTF-16 is recognised by its mark; otherwise each line is UTF-8 or, if it is not valid UTF-8, Windows-1252.
    """
    return re.split(r"(?<=\n)|(?<=\r)(?!\n)", _decode(content))


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return "\n".join(map(_decode_line, lines))


def _decode_line(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", "replace")


def csv_records(
    lines: Sequence[str], delimiter: str, width: int, first_line: int
) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the line and the cells of each row, or what is wrong with it.

    A row with an open quote continues on the next lines only if it then has the right number of cells; otherwise it
    is wrong alone, and the next line starts a new row.
    """
    index = 0
    while index < len(lines):
        start, index = index, index + 1
        if not lines[start].strip():
            continue
        cells, end = parse_cells(lines[start], delimiter), start + 1
        if lines[start].count('"') % 2 and (cells is None or len(cells) != width):
            cells, end = _joined(lines, start, delimiter, width)
        if cells is None:
            yield first_line + start, "a quotation mark is not closed, or a cell is too long"
            continue
        index = end
        while len(cells) > width and not cells[-1].strip():
            cells.pop()
        if len(cells) > width:
            yield first_line + start, f"expected {width} cells, found {len(cells)}"
        elif any(map(str.strip, cells)):
            yield first_line + start, cells + [""] * (width - len(cells))


def _joined(lines: Sequence[str], start: int, delimiter: str, width: int) -> tuple[list[str] | None, int]:
    """Return the cells of a row of several lines and the position after it; None if there is no such row."""
    text = lines[start]
    for end in range(start + 1, min(start + _MAX_LINES, len(lines))):
        text += lines[end]
        if text.count('"') % 2 == 0:
            cells = parse_cells(text, delimiter)
            return (cells if cells is not None and len(cells) == width else None), end + 1
    return None, start + 1


def parse_cells(text: str, delimiter: str) -> list[str] | None:
    """Return the cells of one row; None if it is not one row."""
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=text.count('"') % 2 == 1))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def escape_cell(text: str) -> str:
    """Return text that no spreadsheet evaluates as a formula; `unescape_cell` undoes it."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "'")) else text


def unescape_cell(cell: str) -> str:
    """Return the text of a cell written by `escape_cell`."""
    return cell.removeprefix("'")


def parse_dates(texts: Sequence[str]) -> list[float | None]:
    """Return dates as seconds since 1970, (texts,); None for what is no date.

    Plain numbers are such seconds. Where day and month could be either, the order that fits most texts is used.
    """
    found = [_number(text) if text.isdecimal() else _seconds(text) for text in texts]
    unread = [text for text, seconds in zip(texts, found, strict=True) if seconds is None and text]
    formats = matching_formats(unread[0]) if unread else []
    if not formats:
        return found
    best = max(formats, key=lambda one: sum(_seconds(text, one) is not None for text in unread[:_DATE_SAMPLE]))
    return [
        _seconds(text, best) if seconds is None and text else seconds
        for text, seconds in zip(texts, found, strict=True)
    ]


def _number(text: str) -> float | None:
    return float(text) if len(text) <= 15 else None


def _seconds(text: str, time_format: str | None = None) -> float | None:
    with suppress(ValueError, OverflowError):
        date = datetime.fromisoformat(text) if time_format is None else datetime.strptime(text, time_format)
        return ((date if date.tzinfo else date.replace(tzinfo=UTC)) - _EPOCH).total_seconds()
    return None
