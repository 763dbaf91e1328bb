"""The exact reading of rows: what it accepts counts, and it finds what is wrong in which line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recdash.data.readers import cells
from recdash.data.readers.cells import Bad, Moments
from recdash.data.readers.chunks import Chunk, shown
from recdash.data.readers.columns import BadRows, Layout, Parsed, named
from recdash.data.readers.dialect import SPACES, is_comment
from recdash.errors import DataError, Fixes

_WHOLE = re.compile(r"[ \t]*[0-9]{1,18}[ \t]*", re.ASCII)
_SPOILT_ROWS = 3  # all wrong in one column: the column is at fault, not the rows
_QUOTES_ARE_LETTERS: Fixes = {"Quotes are letters": {"quotes": False}}


class Escaped(Exception):
    """Quotes inside quotes have backslashes before them, which is to be said to the parser."""


def parse(
    lines: list[int], rows: list[list[str]], layout: Layout, name: str, unit: str, before: int, bad: BadRows | None
) -> Parsed:
    """Read rows one by one; what this accepts counts, what it refuses becomes the message, or goes to `bad`.

    lines: where each row stands, in units called `unit`.  before: rows before these.
    """
    wrong: dict[int, str] = {}
    for place, fields in enumerate(rows):
        if len(fields) != layout.fields:
            wrong[place] = (
                f"expected {layout.fields} fields separated by {named(layout.delimiter)}, found {len(fields)}"
            )
        elif layout.header and tuple(cell.strip() for cell in fields) == layout.header:
            wrong[place] = "the header comes again here"
    kept = np.array([place for place in range(len(rows)) if place not in wrong], np.int64)
    columns = {place: [rows[row][place] for row in kept] for place in layout.columns}
    users, items = (
        _ids(columns[place], kind, layout) for kind, place in (("user", layout.user), ("item", layout.item))
    )
    ratings = None if layout.rating is None else _ratings(columns[layout.rating], layout)
    times = None if layout.time is None else times_of(columns[layout.time], layout)
    cells_of = {"user": users, "item": items, "rating": ratings, "time": times}
    for kind, column in cells_of.items():
        for place, said in ({} if column is None else column[1]).items():
            wrong.setdefault(int(kept[place]), f"the {kind} {said}")
    if wrong and bad is None:
        first = min(wrong)
        spoilt = next((kind for kind, column in cells_of.items() if column and len(column[1]) == len(rows)), None)
        if spoilt and len(rows) >= _SPOILT_ROWS:
            raise DataError(
                f"{name}, {unit} {lines[first]}: {wrong[first]}, and so are all others. Name another column "
                f"(--{spoilt} COLUMN), or correct this one."
            )
        raise DataError(f"{name}, {unit} {lines[first]}: {wrong[first]}. {layout.mend}", fixes=layout.fixes)
    for row in sorted(wrong):
        assert bad is not None  # noqa: S101
        bad.lines.append(lines[row])
        bad.texts.append(f"{unit} {lines[row]}: {wrong[row]}")
        bad.records.append(before + row)
    good = np.array([row not in wrong for row in kept.tolist()], np.bool_)
    return Parsed(
        _chosen(users[0], good, layout),
        _chosen(items[0], good, layout),
        None if ratings is None else ratings[0][good],
        None if times is None else times[0].take(good),
        len(rows),
    )


def _ids(texts: list[str], kind: str, layout: Layout) -> tuple[Any, Bad]:
    if not layout.whole_ids:
        return cells.ids(texts)
    bad = {
        place: f"id is {shown(text)}, not a whole number" if text.strip() else "is empty"
        for place, text in enumerate(texts)
        if not _WHOLE.fullmatch(text)
    }
    return np.array([0 if place in bad else int(text) for place, text in enumerate(texts)], np.int64), bad


def _chosen(column: Any, good: NDArray[np.bool_], layout: Layout) -> Any:
    if layout.whole_ids:
        return column[good]
    codes, words = column
    used, again = np.unique(codes[good], return_inverse=True)
    return again, [words[code] for code in used]


def _ratings(texts: list[str], layout: Layout) -> tuple[NDArray[np.float64], Bad]:
    values, bad = cells.numbers(texts, layout.delimiter != ",")
    if layout.scale is not None:
        low, high = layout.scale
        for place in np.flatnonzero((values < low) | (values > high)).tolist():
            bad.setdefault(place, f"is {shown(texts[place])}, outside the scale {low:g} to {high:g}")
    return values, bad


def times_of(texts: Any, layout: Layout) -> tuple[Moments, Bad]:
    """Read the cells of the time column."""
    if layout.time_format is None:
        return cells.number_times(texts, layout.time in layout.commas)
    return cells.text_times(texts, layout.time_format)


def lines_of(block: Chunk, layout: Layout, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, fields) of every line that is a row."""
    if not layout.quoted:
        for number, raw in enumerate(block.data.split(b"\n"), block.line):
            text = raw.decode().removesuffix("\r")
            fields = text.split(None if layout.delimiter == SPACES else layout.delimiter)
            if text.strip() and not _is_comment(text, fields, layout):
                yield number, fields
        return
    data = block.data.replace(b'\\"', b'""') if layout.escaped else block.data
    texts = StringIO(data.decode(), newline="")
    spaced = layout.delimiter != " "
    reader = csv.reader(texts, delimiter=layout.delimiter, skipinitialspace=spaced, strict=True)
    start = block.line
    try:
        for fields in reader:
            if any(field.strip() for field in fields) and not _is_comment(fields[0], fields, layout):
                _refuse_swallowed(fields, layout, f"{name}, line {start}")
                yield start, fields
            start = block.line + reader.line_num
    except csv.Error as error:
        if b'\\"' in block.data and not layout.escaped:
            raise Escaped from error
        raise DataError(
            f"{name}, line {start}: a quote opens a field and does not close it. Correct that line, or add --no-quotes "
            "where quotes are letters.",
            fixes=_QUOTES_ARE_LETTERS,
        ) from error


def _is_comment(text: str, fields: list[str], layout: Layout) -> bool:
    """Whether a line is a comment: by its look, or because it begins so and has another number of fields than rows."""
    if not layout.comment or not text.startswith(layout.comment):
        return False
    return is_comment(text, layout.comment) or len(fields) != layout.fields


def _refuse_swallowed(fields: list[str], layout: Layout, where: str) -> None:
    """Refuse a quoted field that holds whole rows: its quote is a letter, or one that somebody forgot to close."""
    for place, cell in enumerate(fields):
        first, *middle = cell.split("\n")
        if not middle or layout.long_fields:
            continue
        *middle, last = middle
        ends_a_row = first.count(layout.delimiter) == layout.fields - 1 - place
        if (ends_a_row and last.count(layout.delimiter) == place) or any(
            line.count(layout.delimiter) == layout.fields - 1 for line in middle
        ):
            raise DataError(
                f"{where}: a quote opens here and seems to hold other rows. Add --no-quotes where quotes are letters, "
                "--quotes where the field does have several lines.",
                fixes={**_QUOTES_ARE_LETTERS, "The field has several lines": {"quotes": True}},
            )
