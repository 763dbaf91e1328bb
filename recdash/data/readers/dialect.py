"""How the lines of a text file are made: where the rows begin, what stands between the fields, what quotes mean."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from recdash.data.readers.cells import NUMBER
from recdash.data.readers.chunks import shown
from recdash.data.readers.column_roles import looks_like_header, names_both
from recdash.data.readers.read_options import ReadOptions
from recdash.errors import DataError, UsageError

SPACES = "spaces"  # any number of them, or of tabs
_LONG = ("::", "||")
_DELIMITERS = ("\t", *_LONG, ";", "|", ",", " ", SPACES)
_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "bar": "|", "space": " "}
_COMMENTS = ("#", "%")
_SEP = re.compile(r"sep=(.)", re.IGNORECASE)
_LINES = 200
_TITLES = 10  # lines that an export may put above its table
_DATE = re.compile(r"\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?")
_COMMA_NUMBER = re.compile(r"\s*[+-]?\d+(,\d+)?\s*", re.ASCII)
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_SVM = re.compile(r"\S+( [^ :]+:[^ :]+)+")
_RULE = re.compile(r"[-=+]{3,}")
_BLOCK = re.compile(r"\d+:\s*")

Shape = Literal["table", "wide", "blocks", "lists", "json"]


@dataclass(frozen=True)
class Dialect:
    """skip: lines before the first row, a header included.  comment: what lines that are no rows begin with, or "".
    delimiter: one character, "::" or `SPACES`.  quoted: fields may stand in double quotes.  returns: lines end in
    carriage returns alone.  columns: names in the header, None without one.  rows: the first rows of data.
    width: fields of a row.
    """

    skip: int
    comment: str
    delimiter: str
    quoted: bool
    returns: bool
    columns: tuple[str, ...] | None
    rows: tuple[tuple[str, ...], ...]
    width: int


def shape_of(sample: str, name: str) -> Shape:
    """Tell tables from other forms of text; raises DataError for those that are known and not read."""
    lines = [line.strip() for line in islice(filter(str.strip, re.split("\r\n|\r|\n", sample)), 50)]
    first = lines[0] if lines else ""
    if first.startswith(("{", "[{", "[[")) or (first == "[" and len(lines) > 1 and lines[1][:1] in "{["):
        return "json"
    if first.lower().startswith("%%matrixmarket"):
        raise DataError(f"{name}: this is a Matrix Market file. Read it with scipy.io.mmread and Split.from_matrices.")
    if first.lower().startswith(("<!doctype", "<html", "<?xml")):
        raise DataError(f"{name}: this is a web page or XML, not a table. Export the table as CSV.")
    if re.match(r"(insert into|create table|drop table)\b", first, re.IGNORECASE):
        raise DataError(f"{name}: this is an SQL dump, not a table. Export the table as CSV.")
    if lines and all(_SVM.fullmatch(line) for line in lines):
        raise DataError(f"{name}: this is libsvm's sparse format. Read it as a matrix, and use Split.from_matrices.")
    if _BLOCK.fullmatch(first) and any("," in line for line in lines[1:]):
        return "blocks"
    if _are_lists(lines):
        return "lists"
    return "wide" if _is_wide(lines) else "table"


def find(sample: str, name: str, options: ReadOptions) -> Dialect:
    """Find the dialect from the first lines; what was said counts. Raises DataError where no table can be seen."""
    returns = "\r" in sample and "\n" not in sample
    lines = re.split("\r\n|\r|\n", sample)
    skip, comment, told = _preamble(lines)
    mark = delimiter(options.delimiter) if options.delimiter else told
    body = [line for line in lines[skip:] if line.strip() and not is_comment(line, comment)]
    head = lines[skip - 1].lstrip("#% ") if comment and skip else ""
    if not body:
        raise DataError(
            f"{name}: the file is empty. It needs one line per interaction: user, item and maybe rating, time."
        )
    chosen, quoted = _best(body, name, mark, options.quotes)
    if chosen == SPACES and any('"' in line for line in body[:_LINES]):
        raise DataError(f"{name}: quotes beside runs of spaces are not read. Put one delimiter between the columns.")
    rows = split(body, chosen, quoted, _LINES)
    _refuse_title(rows, name, skip)
    columns: tuple[str, ...] | None = None
    if head and names_both(split([head], chosen, quoted)[0]) and not looks_like_header(rows, options, name):
        columns = _names(split([head], chosen, quoted)[0])  # a header behind the sign of a comment
    elif looks_like_header(rows, options, name):
        columns, rows = _names(rows[0]), rows[1:]
        skip = next(place for place in range(skip, len(lines)) if lines[place] == body[0]) + body[0].count("\n") + 1
    _refuse_rule(rows, name, skip)
    width = _width(columns, rows, name)
    if columns is not None and len(columns) == width - 1:
        columns = ("(row)", *columns) if any(row[-1] for row in rows) else (*columns, "")
    return Dialect(skip, comment, chosen, quoted, returns, columns, tuple(map(tuple, rows)), width)


def _refuse_title(rows: Sequence[Sequence[str]], name: str, skip: int) -> None:
    """Refuse names of columns that stand below lines that are no rows, such as the title of an export."""
    width = Counter(map(len, rows)).most_common(1)[0][0]
    below = next((place for place, row in enumerate(rows[:_TITLES]) if len(row) == width and names_both(row)), 0)
    if below and any(len(row) != width for row in rows[:below]):
        raise DataError(
            f"{name}, line {skip + below + 1}: the names of the columns stand below other lines. Remove those above."
        )


def _refuse_rule(rows: Sequence[Sequence[str]], name: str, skip: int) -> None:
    for place, row in enumerate(rows):
        if row and all(_RULE.fullmatch(cell.strip()) for cell in row):
            raise DataError(f"{name}, line {skip + place + 1}: a rule of dashes, not a row. Remove that line.")


def delimiter(word: str) -> str:
    """Read a delimiter as people name it."""
    mark = _WORDS.get(word.lower(), word)
    if mark not in (*_LONG, SPACES) and (len(mark) != 1 or mark in '"\r\n\0'):
        raise UsageError(f'The delimiter {shown(word)} cannot be used. Give one character, "tab", "spaces" or "::".')
    return mark


def split(lines: Sequence[str], mark: str, quoted: bool, most: int | None = None) -> list[list[str]]:
    """Cut lines into fields."""
    if mark == SPACES:
        return [line.split() for line in islice(lines, most)]
    if not quoted or len(mark) > 1:
        return [line.split(mark) for line in islice(lines, most)]
    reader = csv.reader(lines, delimiter=mark, skipinitialspace=mark != " ")
    try:
        return list(islice(reader, most))
    except csv.Error:
        return [line.split(mark) for line in islice(lines, most)]


def is_number(cell: str, mark: str) -> bool:
    """Whether a cell is a number, or one with a decimal comma where commas do not separate."""
    return bool(NUMBER.fullmatch(cell) or (mark != "," and _COMMA_NUMBER.fullmatch(cell)))


def is_comment(line: str, sign: str) -> bool:
    """Whether a line that begins with the sign of comments is one by its look: a blank or the sign itself follows."""
    return bool(sign) and line.startswith(sign) and line[len(sign) : len(sign) + 1] in ("", " ", "\t", sign)


def _preamble(lines: Sequence[str]) -> tuple[int, str, str | None]:
    """Lines before the table, the sign of comments among them, and the delimiter that one of them names."""
    place, comment, told = 0, "", None
    while place < len(lines):
        line = lines[place].strip()
        if found := _SEP.fullmatch(line.strip('"')):
            told = found[1]
        elif line.startswith(_COMMENTS) and _is_apart(line, lines[place + 1 :]):
            comment = line[0]
        elif line:
            break
        place += 1
    return place, comment, told


def _is_apart(line: str, others: Sequence[str]) -> bool:
    """Whether a line that begins like a comment is none of the rows below: by its look, or its number of fields."""
    if is_comment(line, line[0]) or names_both(re.split(r"[,;|\t ]+", line[1:])):
        return True
    row = next((other for other in others if other.strip() and not is_comment(other, line[0])), "")
    return all(line.count(mark) != row.count(mark) for mark in _DELIMITERS if mark != SPACES and mark in row)


def _best(lines: Sequence[str], name: str, told: str | None, quotes: bool | None) -> tuple[str, bool]:
    """Choose delimiter and quoting: those that name user and item in a header, then those that cut most evenly."""
    marks = [told] if told else list(_DELIMITERS)
    ways = [(mark, _quoting(lines, mark) if quotes is None else quotes and len(mark) == 1) for mark in marks]
    scores = {way: _score(lines, *way) for way in ways}
    best = max(scores, key=scores.__getitem__)
    if not told and scores[best][-1] < 2:
        raise DataError(
            f"{name}, line 1: found one column where user and item were expected. If the delimiter is unusual, name it "
            "(--delimiter C)."
        )
    return best


def _score(lines: Sequence[str], mark: str, quoted: bool) -> tuple[bool, float, bool, int, int]:
    rows = split(lines, mark, quoted, _LINES)
    width, count = Counter(map(len, rows)).most_common(1)[0]
    if width < 2:
        return False, 0.0, False, 0, 1
    if mark in (" ", SPACES) and any(cell[-1:] in ",;|" for cell in rows[0][:-1]):
        return False, 0.0, False, 0, 1  # blanks behind the delimiters of a table
    even = round(count / len(rows), 1)
    body = [row for row in rows[1:] or rows if len(row) == width]
    if mark == " " and any(not cell or "\t" in cell for row in body for cell in row):
        return False, 0.0, False, 0, 1
    numeric = sum(
        all(is_number(row[place], mark) or _DATE.fullmatch(row[place]) for row in body) for place in range(width)
    )
    named = names_both(rows[0]) and len(rows[0]) in (width, width - 1)
    empty = any(not any(row[place].strip() for row in body) for place in range(width - 1))
    return named, even, not empty and (mark != SPACES or numeric == width), numeric, width


def _quoting(lines: Sequence[str], mark: str) -> bool:
    """Whether fields may be quoted: beside tabs and spaces quotes are letters unless all are used consistently."""
    if mark not in "\t ":
        return len(mark) == 1
    return any('"' in line for line in lines) and _consistent(lines, mark)


def _consistent(lines: Sequence[str], mark: str) -> bool:
    """Whether every quote opens or closes a whole field of one line, or stands doubled inside one."""
    blank = " " if mark != " " else ""
    for line in lines:
        rest, more = line, True
        while more:
            field = _QUOTED.match(rest.lstrip(blank) if blank else rest)
            if field is None:
                cell, found, rest = rest.partition(mark)
                if '"' in cell:
                    return False
                more = bool(found)
                continue
            rest = (rest.lstrip(blank) if blank else rest)[field.end() :]
            rest = rest.lstrip(blank) if blank else rest
            if rest and not rest.startswith(mark):
                return False
            more, rest = bool(rest), rest[len(mark) :]
    return True


def _names(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in cells)


def _width(columns: Sequence[str] | None, rows: Sequence[Sequence[str]], name: str) -> int:
    """Fields of a row: those of the header, unless all rows have one more, as row names or a last delimiter give."""
    if columns is None:
        return Counter(map(len, rows)).most_common(1)[0][0]
    return (
        len(columns) + 1
        if rows and all(len(row) == len(columns) + 1 for row in rows) and _extra(rows)
        else len(columns)
    )


def _extra(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the one field more is empty throughout at the end, or counts the rows at the start."""
    if not any(row[-1].strip() for row in rows):
        return True
    first = [row[0].strip() for row in rows]
    return first in ([str(place) for place in range(len(rows))], [str(place + 1) for place in range(len(rows))])


def _are_lists(lines: Sequence[str]) -> bool:
    """Whether these are adjacency lists: a user and all of its items in a line."""
    rows = [line.split() for line in lines]
    widths, users = {len(row) for row in rows}, {row[0] for row in rows}
    if len(rows) < 2 or max(widths) < 4 or len(users) < len(rows):
        return False
    if not all(cell.isascii() and cell.isdecimal() for row in rows for cell in row):
        return False
    if len(widths) > 1:
        return max(widths) > 4
    # As long as each other: columns of ratings or of times would show by their size.
    columns = [[int(row[place]) for row in rows] for place in range(1, len(rows[0]))]
    return len(rows) > 2 and all(max(column) > 10 and max(column) < 10**8 for column in columns[1:])


def _is_wide(lines: Sequence[str]) -> bool:
    """Whether this is a matrix of users and items: many columns, all numbers, or the same few ratings throughout."""
    for mark in ("\t", ";", ","):
        rows = split(lines, mark, True)
        if len({len(row) for row in rows}) != 1 or len(rows[0]) < 5:
            continue
        body = rows if all(NUMBER.fullmatch(cell) for cell in rows[0]) else [row[1:] for row in rows[1:]]
        cells = [cell.strip() for row in body for cell in row]
        filled = [cell for cell in cells if cell and cell.lower() not in ("nan", "na")]
        if len(rows) > 1 and filled and all(NUMBER.fullmatch(cell) for cell in filled):
            largest = max(abs(float(cell)) for cell in filled)
            return largest <= 100 and not (rows is not body and names_both(rows[0]))
    return False
