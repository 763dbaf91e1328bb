"""Dialect detection for text files: header, delimiter, quoting and comments, from the first lines."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from recdash.data.readers.cells import NUMBER
from recdash.data.readers.column_roles import has_header, names_user_and_item
from recdash.data.readers.read_options import ReadOptions
from recdash.errors import DataError, UsageError, quote

SPACES = "spaces"  # runs of spaces and tabs
_LONG_DELIMITERS = ("::", "||")
_DELIMITERS = ("\t", *_LONG_DELIMITERS, ";", "|", ",", " ", SPACES)
_DELIMITER_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "bar": "|", "space": " "}
_COMMENT_SIGNS = ("#", "%")
_SEP_LINE = re.compile(r"sep=(.)", re.IGNORECASE)
_SAMPLE_LINES = 200
_MAX_TITLE_LINES = 10  # that an export may write above its table
_DATE = re.compile(r"\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?")
_DECIMAL_COMMA_NUMBER = re.compile(r"\s*[+-]?\d+(,\d+)?\s*", re.ASCII)
_QUOTED_FIELD = re.compile(r'"(?:[^"]|"")*"')
_LIBSVM_LINE = re.compile(r"\S+( [^ :]+:[^ :]+)+")
_SEPARATOR_CELL = re.compile(r"[-=+]{3,}")
_BLOCK_HEADER = re.compile(r"\d+:\s*")

TextLayout = Literal["table", "wide", "blocks", "lists", "json"]


@dataclass(frozen=True)
class Dialect:
    """How delimited text is written.

    Attributes:
        skip: Lines before the first row of data, including the header.
        comment: The sign that starts comment lines; "" for none.
        delimiter: One character, "::", "||" or `SPACES`.
        quoted: Whether fields may be in double quotes.
        carriage_returns: Whether lines end in carriage returns only.
        columns: Names from the header; None without one.
        rows: The first rows of data.
        width: Fields per row.
    """

    skip: int
    comment: str
    delimiter: str
    quoted: bool
    carriage_returns: bool
    columns: tuple[str, ...] | None
    rows: tuple[tuple[str, ...], ...]
    width: int


def detect_text_layout(sample: str, name: str) -> TextLayout:
    """Return the layout of a text; raises DataError for known but unsupported formats."""
    lines = [line.strip() for line in islice(filter(str.strip, re.split("\r\n|\r|\n", sample)), 50)]
    first = lines[0] if lines else ""
    if first.startswith(("{", "[{", "[[")) or (first == "[" and len(lines) > 1 and lines[1][:1] in "{["):
        return "json"
    if first.lower().startswith("%%matrixmarket"):
        raise DataError(
            f"{name}: this is a Matrix Market file. Load it with scipy.io.mmread, then use Split.from_matrices."
        )
    if first.lower().startswith(("<!doctype", "<html", "<?xml")):
        raise DataError(f"{name}: this is a web page or XML, not a table. Export the table as CSV.")
    if re.match(r"(insert into|create table|drop table)\b", first, re.IGNORECASE):
        raise DataError(f"{name}: this is an SQL dump, not a table. Export the table as CSV.")
    if lines and all(_LIBSVM_LINE.fullmatch(line) for line in lines):
        raise DataError(f"{name}: this is libsvm's sparse format. Load it as a matrix, then use Split.from_matrices.")
    if _BLOCK_HEADER.fullmatch(first) and any("," in line for line in lines[1:]):
        return "blocks"
    if _are_adjacency_lists(lines):
        return "lists"
    return "wide" if _is_wide_matrix(lines) else "table"


def detect_dialect(sample: str, name: str, options: ReadOptions) -> Dialect:
    """Detect the dialect from the first lines.

    Args:
        sample: The beginning of the file, whole lines.
        name: The file's name in messages.
        options: Options that override detection.

    Raises:
        DataError: The text is empty, no table or ambiguous.
    """
    carriage_returns = "\r" in sample and "\n" not in sample
    lines = re.split("\r\n|\r|\n", sample)
    skip, comment, declared = _read_preamble(lines)
    delimiter = parse_delimiter(options.delimiter) if options.delimiter else declared
    body = [line for line in lines[skip:] if line.strip() and not is_comment(line, comment)]
    head = lines[skip - 1].lstrip("#% ") if comment and skip else ""
    if not body:
        raise DataError(
            f"{name}: the file is empty. It needs one line per interaction: user, item, optionally rating and time."
        )
    chosen, quoted = _best_delimiter(body, name, delimiter, options.quotes)
    if chosen == SPACES and any('"' in line for line in body[:_SAMPLE_LINES]):
        raise DataError(f"{name}: quotes with runs of spaces are not supported. Separate columns by one delimiter.")
    rows = split_fields(body, chosen, quoted, _SAMPLE_LINES)
    _refuse_title_lines(rows, name, skip)
    columns: tuple[str, ...] | None = None
    if head and names_user_and_item(split_fields([head], chosen, quoted)[0]) and not has_header(rows, options, name):
        columns = _stripped(split_fields([head], chosen, quoted)[0])  # a commented-out header
    elif has_header(rows, options, name):
        columns, rows = _stripped(rows[0]), rows[1:]
        skip = next(index for index in range(skip, len(lines)) if lines[index] == body[0]) + body[0].count("\n") + 1
    _refuse_separator_line(rows, name, skip)
    width = _row_width(columns, rows, name)
    if columns is not None and len(columns) == width - 1:
        columns = ("(row)", *columns) if any(row[-1] for row in rows) else (*columns, "")
    return Dialect(skip, comment, chosen, quoted, carriage_returns, columns, tuple(map(tuple, rows)), width)


def _refuse_title_lines(rows: Sequence[Sequence[str]], name: str, skip: int) -> None:
    """Raise DataError for a header below other lines, such as the title of an export."""
    width = Counter(map(len, rows)).most_common(1)[0][0]
    below = next(
        (index for index, row in enumerate(rows[:_MAX_TITLE_LINES]) if len(row) == width and names_user_and_item(row)),
        0,
    )
    if below and any(len(row) != width for row in rows[:below]):
        raise DataError(
            f"{name}, line {skip + below + 1}: other lines precede the column names. Remove the lines above them."
        )


def _refuse_separator_line(rows: Sequence[Sequence[str]], name: str, skip: int) -> None:
    """Raise DataError for a row of dashes, as text tables have below the header."""
    for index, row in enumerate(rows):
        if row and all(_SEPARATOR_CELL.fullmatch(cell.strip()) for cell in row):
            raise DataError(f"{name}, line {skip + index + 1}: a line of dashes, not data. Remove this line.")


def parse_delimiter(text: str) -> str:
    """Parse a delimiter given by name, such as "tab", or literally."""
    delimiter = _DELIMITER_NAMES.get(text.lower(), text)
    if delimiter not in (*_LONG_DELIMITERS, SPACES) and (len(delimiter) != 1 or delimiter in '"\r\n\0'):
        raise UsageError(f'The delimiter {quote(text)} is not supported. Give one character, "tab", "spaces" or "::".')
    return delimiter


def split_fields(lines: Sequence[str], delimiter: str, quoted: bool, limit: int | None = None) -> list[list[str]]:
    """Split lines into fields; limit: the most rows to return."""
    if delimiter == SPACES:
        return [line.split() for line in islice(lines, limit)]
    if not quoted or len(delimiter) > 1:
        return [line.split(delimiter) for line in islice(lines, limit)]
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != " ")
    try:
        return list(islice(reader, limit))
    except csv.Error:
        return [line.split(delimiter) for line in islice(lines, limit)]


def is_number(cell: str, delimiter: str) -> bool:
    """Whether a cell is a number; decimal commas count unless the comma is the delimiter."""
    return bool(NUMBER.fullmatch(cell) or (delimiter != "," and _DECIMAL_COMMA_NUMBER.fullmatch(cell)))


def is_comment(line: str, comment: str) -> bool:
    """Whether a line is a comment: its sign is followed by a blank, itself or nothing ("#ann" may be a user)."""
    return (
        bool(comment) and line.startswith(comment) and line[len(comment) : len(comment) + 1] in ("", " ", "\t", comment)
    )


def _read_preamble(lines: Sequence[str]) -> tuple[int, str, str | None]:
    """Return the number of lines before the table, their comment sign, and the delimiter of a `sep=` line."""
    index, comment, declared = 0, "", None
    while index < len(lines):
        line = lines[index].strip()
        if found := _SEP_LINE.fullmatch(line.strip('"')):
            declared = found[1]
        elif line.startswith(_COMMENT_SIGNS) and _is_preamble_comment(line, lines[index + 1 :]):
            comment = line[0]
        elif line:
            break
        index += 1
    return index, comment, declared


def _is_preamble_comment(line: str, others: Sequence[str]) -> bool:
    """Whether a line that starts like a comment differs from the rows below, by its spacing or number of fields."""
    if is_comment(line, line[0]) or names_user_and_item(re.split(r"[,;|\t ]+", line[1:])):
        return True
    first_row = next((other for other in others if other.strip() and not is_comment(other, line[0])), "")
    return all(
        line.count(delimiter) != first_row.count(delimiter)
        for delimiter in _DELIMITERS
        if delimiter != SPACES and delimiter in first_row
    )


def _best_delimiter(lines: Sequence[str], name: str, declared: str | None, quotes: bool | None) -> tuple[str, bool]:
    """Choose delimiter and quoting: prefer those that give a header with user and item, then the most even rows."""
    delimiters = [declared] if declared else list(_DELIMITERS)
    candidates = [
        (delimiter, _detect_quoting(lines, delimiter) if quotes is None else quotes and len(delimiter) == 1)
        for delimiter in delimiters
    ]
    scores = {candidate: _score_delimiter(lines, *candidate) for candidate in candidates}
    best = max(scores, key=scores.__getitem__)
    if not declared and scores[best][-1] < 2:
        raise DataError(
            f"{name}, line 1: found one column, expected at least user and item. If the delimiter is unusual, give it "
            "(--delimiter C)."
        )
    return best


def _score_delimiter(lines: Sequence[str], delimiter: str, quoted: bool) -> tuple[bool, float, bool, int, int]:
    rows = split_fields(lines, delimiter, quoted, _SAMPLE_LINES)
    width, count = Counter(map(len, rows)).most_common(1)[0]
    if width < 2:
        return False, 0.0, False, 0, 1
    if delimiter in (" ", SPACES) and any(cell[-1:] in ",;|" for cell in rows[0][:-1]):
        return False, 0.0, False, 0, 1  # the blanks only follow the real delimiter
    evenness = round(count / len(rows), 1)
    body = [row for row in rows[1:] or rows if len(row) == width]
    if delimiter == " " and any(not cell or "\t" in cell for row in body for cell in row):
        return False, 0.0, False, 0, 1
    numeric = sum(
        all(is_number(row[index], delimiter) or _DATE.fullmatch(row[index]) for row in body) for index in range(width)
    )
    named = names_user_and_item(rows[0]) and len(rows[0]) in (width, width - 1)
    empty = any(not any(row[index].strip() for row in body) for index in range(width - 1))
    return named, evenness, not empty and (delimiter != SPACES or numeric == width), numeric, width


def _detect_quoting(lines: Sequence[str], delimiter: str) -> bool:
    """Whether fields may be quoted; with tabs and spaces only if every quote encloses a field."""
    if delimiter not in "\t ":
        return len(delimiter) == 1
    return any('"' in line for line in lines) and _quotes_enclose_fields(lines, delimiter)


def _quotes_enclose_fields(lines: Sequence[str], delimiter: str) -> bool:
    """Whether every quote opens or closes a whole field on its line, or is doubled inside one."""
    blank = " " if delimiter != " " else ""
    for line in lines:
        rest, more = line, True
        while more:
            field = _QUOTED_FIELD.match(rest.lstrip(blank) if blank else rest)
            if field is None:
                cell, found, rest = rest.partition(delimiter)
                if '"' in cell:
                    return False
                more = bool(found)
                continue
            rest = (rest.lstrip(blank) if blank else rest)[field.end() :]
            rest = rest.lstrip(blank) if blank else rest
            if rest and not rest.startswith(delimiter):
                return False
            more, rest = bool(rest), rest[len(delimiter) :]
    return True


def _stripped(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in cells)


def _row_width(columns: Sequence[str] | None, rows: Sequence[Sequence[str]], name: str) -> int:
    """Return the fields per row: those of the header, plus one for unnamed row numbers or a trailing delimiter."""
    if columns is None:
        return Counter(map(len, rows)).most_common(1)[0][0]
    return (
        len(columns) + 1
        if rows and all(len(row) == len(columns) + 1 for row in rows) and _has_extra_column(rows)
        else len(columns)
    )


def _has_extra_column(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the extra field is an empty last column, or a row number in the first."""
    if not any(row[-1].strip() for row in rows):
        return True
    first = [row[0].strip() for row in rows]
    return first in ([str(index) for index in range(len(rows))], [str(index + 1) for index in range(len(rows))])


def _are_adjacency_lists(lines: Sequence[str]) -> bool:
    """Whether these are adjacency lists: each line a user and all its items."""
    rows = [line.split() for line in lines]
    widths, users = {len(row) for row in rows}, {row[0] for row in rows}
    if len(rows) < 2 or max(widths) < 4 or len(users) < len(rows):
        return False
    if not all(cell.isascii() and cell.isdecimal() for row in rows for cell in row):
        return False
    if len(widths) > 1:
        return max(widths) > 4
    # All lines have the same length, so this may be a table; ratings are at most 10, times at least 10^8.
    columns = [[int(row[index]) for row in rows] for index in range(1, len(rows[0]))]
    return len(rows) > 2 and all(max(column) > 10 and max(column) < 10**8 for column in columns[1:])


def _is_wide_matrix(lines: Sequence[str]) -> bool:
    """Whether this is a user-item matrix: at least five columns, all of them small numbers."""
    for delimiter in ("\t", ";", ","):
        rows = split_fields(lines, delimiter, True)
        if len({len(row) for row in rows}) != 1 or len(rows[0]) < 5:
            continue
        body = rows if all(NUMBER.fullmatch(cell) for cell in rows[0]) else [row[1:] for row in rows[1:]]
        cells = [cell.strip() for row in body for cell in row]
        filled = [cell for cell in cells if cell and cell.lower() not in ("nan", "na")]
        if len(rows) > 1 and filled and all(NUMBER.fullmatch(cell) for cell in filled):
            largest = max(abs(float(cell)) for cell in filled)
            return largest <= 100 and not (rows is not body and names_user_and_item(rows[0]))
    return False
