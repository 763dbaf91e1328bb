"""Interactions from delimited text: a fast pass per block, and an exact one that finds what is wrong in which line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recdash.data.readers import cells
from recdash.data.readers.blocks import Block, shown
from recdash.data.readers.cells import Bad, Moments
from recdash.data.readers.dialect import SPACES, is_comment
from recdash.errors import DataError, Fixes

if TYPE_CHECKING:
    import pandas as pd

_STAND_IN = "\x1f"  # for delimiters of more than one character, which the fast parser does not know
_WHOLE = re.compile(r"[ \t]*[0-9]{1,18}[ \t]*", re.ASCII)
_SHOWN_BAD = 10
_SPOILT_ROWS = 3  # all wrong in one column: the column is at fault, not the rows
_QUOTES_ARE_LETTERS: Fixes = {"Quotes are letters": {"quotes": False}}


@dataclass(frozen=True)
class Layout:
    """How the lines of a file are made; positions of columns count from 0, None where there is no such column.

    whole_ids: ids are whole numbers; otherwise they are words, kept to the letter (only outer spaces go).
    time_format: how times that are no numbers are written (see `cells.text_times`).  quoted: fields may stand in double
    quotes.  commas: columns in which a comma stands before decimals.  comment: what lines that are no rows begin with.
    header: a row of names, which must not come again.  long_fields: quoted fields may hold what look like rows.
    escaped: quotes inside quotes have a backslash before them.
    scale: lowest and highest rating; others are errors.  mend: the last sentence of messages.  fixes: as of
    `DataError`, for bad rows.
    """

    fields: int
    delimiter: str
    user: int
    item: int
    rating: int | None
    time: int | None
    whole_ids: bool = False
    time_format: str | None = None
    quoted: bool = False
    commas: frozenset[int | None] = frozenset()
    comment: str = ""
    header: tuple[str, ...] = ()
    long_fields: bool = False
    escaped: bool = False
    scale: tuple[float, float] | None = None
    mend: str = "Correct that line."
    fixes: Fixes = field(default_factory=dict)

    @property
    def columns(self) -> list[int]:
        """Positions of the columns that are read, ascending."""
        return sorted(place for place in (self.user, self.item, self.rating, self.time) if place is not None)


class Escaped(Exception):
    """Quotes inside quotes have backslashes before them, which is to be said to the parser."""


class Columns(NamedTuple):
    """Aligned columns of interactions: ids (whole numbers or categories), ratings float32, times."""

    users: Any
    items: Any
    ratings: NDArray[np.float32] | None
    times: Moments | None

    def take(self, rows: NDArray[Any]) -> Columns:
        """Return the chosen rows."""
        ratings = None if self.ratings is None else self.ratings[rows]
        times = None if self.times is None else self.times.take(rows)
        return Columns(self.users[rows], self.items[rows], ratings, times)


@dataclass
class BadRows:
    """Rows that were left out because their lines are wrong, with what is wrong with each."""

    lines: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    records: list[int] = field(default_factory=list)  # numbers among all rows, from 0

    def __len__(self) -> int:
        return len(self.lines)

    def said(self) -> str:
        """Say how many there are, and the first ten."""
        more = "" if len(self) <= _SHOWN_BAD else ", ..."
        return f"{len(self):,} bad rows left out ({'; '.join(self.texts[:_SHOWN_BAD])}{more})"


class _Whole:
    """Whole numbers of one id column, gathered over blocks in as few bytes as they need."""

    def __init__(self) -> None:
        self.parts: list[NDArray[Any]] = []

    def add(self, numbers: NDArray[np.int64]) -> None:
        small = len(numbers) == 0 or numbers.max() < 2**31
        self.parts.append(numbers.astype(np.int32) if small else numbers)

    def column(self) -> NDArray[Any]:
        return _popped(self.parts)


class _Words:
    """Words of one id column, gathered over blocks as codes of the distinct ones."""

    def __init__(self) -> None:
        self.code_of: dict[str, int] = {}
        self.parts: list[NDArray[Any]] = []

    def add(self, coded: cells.Coded) -> None:
        codes, words = coded
        code_of = self.code_of
        codes_of_block = [code_of.setdefault(word, len(code_of)) for word in words]
        self.parts.append(np.array(codes_of_block, np.int32)[codes])

    def column(self) -> pd.Series[Any]:
        import pandas as pd

        return pd.Series(pd.Categorical.from_codes(_popped(self.parts), categories=pd.Index(list(self.code_of))))


class Parsed(NamedTuple):
    """A block of rows: ids coded, or whole numbers; and the number of its rows, bad ones included."""

    users: Any
    items: Any
    ratings: NDArray[np.float64] | None
    times: Moments | None
    rows: int


class Gathered:
    """Columns that grow by one block after another."""

    def __init__(self, layout: Layout) -> None:
        self._ids: tuple[Any, Any] = (_Whole(), _Whole()) if layout.whole_ids else (_Words(), _Words())
        self._ratings: list[NDArray[np.float32]] = []
        self._times: list[Moments] = []
        self.rows = 0
        self._when_empty = layout.mend if layout.whole_ids else "It needs rows below its header."

    def add(self, parsed: Parsed) -> None:
        """Append the rows of a block."""
        for column, ids in zip(self._ids, (parsed.users, parsed.items), strict=True):
            column.add(ids)
        if parsed.ratings is not None:
            self._ratings.append(parsed.ratings.astype(np.float32))
        if parsed.times is not None:
            self._times.append(parsed.times)
        self.rows += parsed.rows

    def columns(self, name: str) -> Columns:
        """Return all of them; raises DataError when there is no row."""
        users, items = self._ids
        if not any(len(part) for part in users.parts):
            if self.rows:
                raise DataError(
                    f"{name}: none of its {self.rows:,} rows can be read. Name other columns, or correct it."
                )
            raise DataError(f"{name}: the file is empty; no interactions were found. {self._when_empty}")
        ratings = _popped(self._ratings) if self._ratings else None
        return Columns(users.column(), items.column(), ratings, _joined(self._times) if self._times else None)


def read_columns(source: Iterable[Block], layout: Layout, name: str, bad: BadRows | None = None) -> Columns:
    """Read all blocks.

    bad: takes the rows that are wrong; without it the first of them is a DataError with the number of its line.
    """
    gathered = Gathered(layout)
    for block in source:
        parsed = _fast(block, layout)
        if parsed is None:
            lines, rows = [], []
            for line, fields in _lines(block, layout, name):
                lines.append(line)
                rows.append(fields)
            parsed = exact(lines, rows, layout, name, "line", gathered.rows, bad)
        gathered.add(parsed)
    return gathered.columns(name)


def line_of(source: Iterable[Block], layout: Layout, name: str, row: int) -> int:
    """Return the number of the line on which a row, counted from 0, stands."""
    for block in source:
        for line, _ in _lines(block, layout, name):
            if row == 0:
                return line
            row -= 1
    raise ValueError("no such row")


def _joined(times: list[Moments]) -> Moments:
    nanos: list[NDArray[np.int64]] = []
    if any(part.nanos is not None for part in times):
        nanos = [np.zeros(len(part.whole), np.int64) if part.nanos is None else part.nanos for part in times]
    whole = [part.whole for part in times]
    times.clear()
    return Moments(_popped(whole), _popped(nanos) if nanos else None)


def _popped(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Join parts into one array, and let go of them."""
    joined = np.concatenate(parts)
    parts.clear()
    return joined


def _fast(block: Block, layout: Layout) -> Parsed | None:
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
        times, bad = (Moments(column, None), Bad()) if whole_times else _times(column, layout)
        if bad:
            return None
    return Parsed(users, items, ratings, times, len(frame))


def _times(texts: Any, layout: Layout) -> tuple[Moments, Bad]:
    if layout.time_format is None:
        return cells.number_times(texts, layout.time in layout.commas)
    return cells.text_times(texts, layout.time_format)


def _has_header(users: cells.Coded, items: cells.Coded, layout: Layout) -> bool:
    """Whether the header may come again among these rows."""
    return bool(layout.header) and layout.header[layout.user] in users[1] and layout.header[layout.item] in items[1]


def exact(
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
    times = None if layout.time is None else _times(columns[layout.time], layout)
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


def _lines(block: Block, layout: Layout, name: str) -> Iterator[tuple[int, list[str]]]:
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


def named(delimiter: str) -> str:
    """Return a delimiter as messages call it."""
    return {"\t": "a tab", " ": "a space", SPACES: "spaces"}.get(delimiter, f'"{delimiter}"')
