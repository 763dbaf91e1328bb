"""Columns from a stream of rows, as from JSON and from text that is not a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from recdash.data.readers import cells, line_parser
from recdash.data.readers.columns import BadRows, ColumnBuilder
from recdash.data.readers.dataset_builder import (
    PREVIEW_ROWS,
    SKIP_BAD,
    Source,
)
from recdash.data.readers.read_options import NONE, ROLES, ReadOptions
from recdash.data.readers.row_format import RowFormat
from recdash.errors import DataError, Fixes

_BATCH_ROWS = 100_000
COLUMN_CHECK_ROWS = 20  # if this many first rows fail in the same column, the column is wrong, not the rows
_FIX = "Fix or remove it, or skip invalid rows (--skip-bad)."
_DECIMAL_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_ROLE_IN_PROBLEM = re.compile(r"\b[Tt]he (user|item|rating|time)\b")
FileRow = tuple[int, list[str]]  # line or record number, from 1, and one text per role


def read(
    rows: Iterable[FileRow],
    names: Mapping[str, str],
    name: str,
    options: ReadOptions,
    *,
    unit: str = "line",
    format_facts: Mapping[str, str],
    ignored: tuple[str, ...] = (),
    named: bool = False,
) -> Source:
    """Collect rows as columns.

    Args:
        rows: The rows.
        names: The column name of each role, in the order of the texts.
        name: The file's name in messages.
        options: How to read the file.
        unit: What row numbers count: "line" or "record".
        format_facts: How the file is written, by name, for display.
        ignored: Names of the unused columns.
        named: Whether options can select the columns.

    Raises:
        DataError: A row is invalid and bad rows are not skipped, or a column is invalid in all rows.
    """
    stream = iter(rows)
    batch = list(islice(stream, _BATCH_ROWS))
    index = {role: list(names).index(role) for role in ROLES if role in names}
    times = [texts[index["time"]] for _, texts in batch[:1000]] if "time" in index else []
    decimal_commas = _decimal_comma_columns(batch, index.get("rating"))
    row_format = RowFormat(
        fields=len(names),
        # The parser accepts decimal commas unless the comma is the delimiter.
        delimiter="\t" if decimal_commas else ",",
        user=index["user"],
        item=index["item"],
        rating=index.get("rating"),
        time=index.get("time"),
        time_format=options.time_format or cells.detect_time_format(times, f"{name}: the time"),
        decimal_commas=decimal_commas,
        advice=_FIX,
        fixes=SKIP_BAD,
    )
    bad, lines = BadRows(), list[int]()
    first = tuple(tuple(texts) for _, texts in batch[:PREVIEW_ROWS])
    builder = ColumnBuilder(row_format)
    if not options.skip_bad:
        _check_columns(batch[:COLUMN_CHECK_ROWS], row_format, name, unit, named)
    while batch:
        numbers, texts = [line for line, _ in batch], [found for _, found in batch]
        builder.add(
            line_parser.parse_rows(
                numbers, texts, row_format, name, unit, len(lines), bad if options.skip_bad else None
            )
        )
        lines.extend(numbers)
        batch = list(islice(stream, _BATCH_ROWS))
    if lines and len(bad) == len(lines):
        raise column_error(name, bad.texts[:COLUMN_CHECK_ROWS], named=named)
    skipped = set(bad.records)
    valid_lines = [line for index, line in enumerate(lines) if index not in skipped] if skipped else lines
    return Source(
        name=name,
        columns=builder.build(name),
        roles=names,
        locate_row=lambda row: f"{name}, {unit} {valid_lines[row]}",
        ignored=ignored,
        rows=first,
        text_times=row_format.time_format is not None,
        format_facts=format_facts,
        bad=bad,
    )


def has_decimal_commas(texts: Iterable[str]) -> bool:
    """Whether the fractions of a column have decimal commas; "1,234" throughout may be thousands instead."""
    decimal_commas = [text.strip() for text in texts if "," in text or "." in text]
    if not decimal_commas or not all(_DECIMAL_COMMA_NUMBER.fullmatch(text) for text in decimal_commas):
        return False
    return not all(_THOUSANDS.fullmatch(text) for text in decimal_commas)


def have_same_problem(texts: Sequence[str]) -> bool:
    """Whether all problems are in the same column; texts: as in "line 2: the user is empty"."""
    return len({found and found[1] for text in texts for found in [_ROLE_IN_PROBLEM.search(text)]}) == 1


def column_error(name: str, texts: Sequence[str], *, named: bool) -> DataError:
    """Return the error for a column that is invalid in all rows, so that skipping them would not help.

    Args:
        name: The file's name.
        texts: Problems of the first rows, see `have_same_problem`.
        named: Whether options can select the columns.
    """
    found = _ROLE_IN_PROBLEM.search(texts[0]) if have_same_problem(texts) else None
    role = found[1] if found else ""
    also = f"; {f'no {role} in' if role else 'none of'} the first {len(texts):,} rows is valid"
    advice = "Fix the file"
    fixes: Fixes = {}
    if role and named:
        advice = f"Fix the column, or select another one (--{role} COLUMN)"
        if role in ("rating", "time"):
            advice += f", or none (--{role} {NONE})"
            fixes = {f"There is no {role}": {role: NONE}}
    return DataError(f"{name}, {texts[0]}{also if len(texts) > 1 else ''}. {advice}.", fixes=fixes)


def _decimal_comma_columns(batch: Sequence[FileRow], index: int | None) -> frozenset[int | None]:
    return frozenset([index] if index is not None and has_decimal_commas(texts[index] for _, texts in batch) else [])


def _check_columns(batch: Sequence[FileRow], row_format: RowFormat, name: str, unit: str, named: bool) -> None:
    """Raise DataError for a column that is invalid in all of the first rows."""
    bad = BadRows()
    if batch:
        line_parser.parse_rows(
            [line for line, _ in batch], [texts for _, texts in batch], row_format, name, unit, 0, bad
        )
    if batch and len(bad) == len(batch) and have_same_problem(bad.texts):
        raise column_error(name, bad.texts, named=named)
