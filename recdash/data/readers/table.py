"""Interactions from delimited text: a fast pass per block, and a slow one that finds a bad block's first bad line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recdash.data.readers.blocks import Block, shown
from recdash.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_STAND_IN = "\x1f"  # for delimiters of more than one character, which the fast parser does not know
_WHOLE = re.compile(r"[ \t]*[0-9]{1,18}[ \t]*")
NUMBER = re.compile(r"[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t]*")
_LARGEST_TIME = 2.0**63
_LARGEST_RATING = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Layout:
    """How the lines of a file are made; positions of columns count from 0, None where there is no such column.

    whole_ids: ids are whole numbers; otherwise they are words, kept to the letter (only outer spaces go).
    iso_times: times are written as ISO dates, otherwise as numbers.  quoted: fields may stand in double quotes.
    scale: lowest and highest rating; others are errors.  mend: the last sentence of messages about a bad line.
    """

    fields: int
    delimiter: str
    user: int
    item: int
    rating: int | None
    time: int | None
    whole_ids: bool = False
    iso_times: bool = False
    quoted: bool = False
    scale: tuple[float, float] | None = None
    mend: str = "Mend that line."

    @property
    def columns(self) -> list[int]:
        """Positions of the columns that are read, ascending."""
        return sorted(place for place in (self.user, self.item, self.rating, self.time) if place is not None)


class Columns(NamedTuple):
    """Aligned columns of interactions; ids are whole numbers or words, ratings float32, times int64."""

    users: Any
    items: Any
    ratings: NDArray[np.float32] | None
    times: NDArray[np.int64] | None


class _Whole:
    """Whole numbers of one id column, gathered over blocks in as few bytes as they need."""

    def __init__(self) -> None:
        self.parts: list[NDArray[Any]] = []

    def add(self, numbers: NDArray[np.int64]) -> None:
        small = len(numbers) == 0 or numbers.max() < 2**31
        self.parts.append(numbers.astype(np.int32) if small else numbers)

    def column(self) -> NDArray[Any]:
        return np.concatenate(self.parts)


class _Words:
    """Words of one id column, gathered over blocks as codes of the distinct ones."""

    def __init__(self) -> None:
        self.code_of: dict[str, int] = {}
        self.parts: list[NDArray[Any]] = []

    def add(self, coded: tuple[NDArray[np.int64], list[str]]) -> None:
        codes, words = coded
        code_of = self.code_of
        codes_of_block = [code_of.setdefault(word, len(code_of)) for word in words]
        self.parts.append(np.array(codes_of_block, np.int32)[codes])

    def column(self) -> pd.Series[Any]:
        import pandas as pd

        return pd.Series(pd.Categorical.from_codes(np.concatenate(self.parts), categories=pd.Index(list(self.code_of))))


def _coded(words: Any) -> tuple[NDArray[np.int64], list[str]]:
    """Return the code of each word and the distinct words, without outer spaces."""
    import pandas as pd

    codes, unique = pd.factorize(words)
    return codes, [word.strip() for word in unique]


def read_columns(source: Iterable[Block], layout: Layout, name: str) -> Columns:
    """Read all blocks. Raises DataError with the line number of the first line that does not fit the layout."""
    user_ids, item_ids = (_Whole(), _Whole()) if layout.whole_ids else (_Words(), _Words())
    ratings: list[NDArray[np.float32]] = []
    times: list[NDArray[np.int64]] = []
    for block in source:
        columns = _fast(block, layout) or _slow(block, layout, name)
        user_ids.add(columns.users)
        item_ids.add(columns.items)
        if columns.ratings is not None:
            ratings.append(columns.ratings)
        if columns.times is not None:
            times.append(columns.times)
    if not any(len(part) for part in user_ids.parts):
        raise DataError(f"{name}: the file is empty; no interactions were found. {layout.mend}")
    return Columns(
        user_ids.column(),
        item_ids.column(),
        np.concatenate(ratings) if ratings else None,
        np.concatenate(times) if times else None,
    )


def _fast(block: Block, layout: Layout) -> Columns | None:
    """Parse a block in C; None when anything about it is not as it should be."""
    import pandas as pd

    data, mark = block.data, layout.delimiter
    if len(mark.encode()) > 1:
        if _STAND_IN.encode() in data:
            return None
        data, mark = data.replace(mark.encode(), _STAND_IN.encode()), _STAND_IN
    quoted = layout.quoted and b'"' in data
    rows = None if quoted else _rows(data, mark, layout.fields)
    if not quoted and rows is None:
        return None
    if quoted and _first_width(data, mark) > layout.fields:
        return None  # pandas would take the fields too many for row names
    try:
        with np.errstate(invalid="ignore"):  # of an id that is not finite, which the cast refuses anyhow
            frame = pd.read_csv(
                BytesIO(data),
                sep=mark,
                header=None,
                names=[str(place) for place in range(layout.fields)],
                usecols=None if quoted else layout.columns,  # with `usecols`, pandas lets lines be too long
                dtype={str(place): _type(place, layout) for place in range(layout.fields)},
                engine="c",
                na_filter=False,
                skipinitialspace=quoted and mark != " ",
                quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
                low_memory=False,
            )
        return _checked(frame, layout) if quoted or len(frame) == rows else None
    except (ValueError, OverflowError, LookupError):
        return None


def _first_width(data: bytes, mark: str) -> float:
    try:
        return len(next(csv.reader([data[: data.find(b"\n") + 1].decode()], delimiter=mark), []))
    except csv.Error:
        return np.inf


def _rows(data: bytes, mark: str, fields: int) -> int | None:
    """Count the lines with the right number of fields; None when another one is not blank."""
    letters = np.frombuffer(data, np.uint8)
    starts = np.concatenate([[0], np.flatnonzero(letters == ord("\n")) + 1])
    starts = starts[starts < len(letters)]
    if not len(starts):
        return 0
    right = np.add.reduceat(letters == ord(mark), starts, dtype=np.int32) == fields - 1
    lengths = np.diff(starts, append=len(letters))
    return int(right.sum()) if np.all(lengths[~right] <= len("\r\n")) else None


def _type(place: int, layout: Layout) -> Any:
    if place == layout.rating or (place == layout.time and not layout.iso_times):
        return np.float64
    return np.int64 if layout.whole_ids and place in (layout.user, layout.item) else object


def _checked(frame: pd.DataFrame, layout: Layout) -> Columns | None:
    users: Any = frame[str(layout.user)].to_numpy()
    items: Any = frame[str(layout.item)].to_numpy()
    if layout.whole_ids:
        if min(users.min(initial=0), items.min(initial=0)) < 0:
            return None
    else:
        users, items = _coded(users), _coded(items)
        if "" in users[1] or "" in items[1]:
            return None
    ratings = None if layout.rating is None else frame[str(layout.rating)].to_numpy()
    if ratings is not None:
        low, high = layout.scale or (-_LARGEST_RATING, _LARGEST_RATING)
        if not np.all((ratings >= low) & (ratings <= high)):  # false for what is not a number, too
            return None
        ratings = ratings.astype(np.float32)
    if layout.time is None:
        return Columns(users, items, ratings, None)
    times = frame[str(layout.time)]
    seconds = _from_iso(times) if layout.iso_times else times.to_numpy()
    if seconds is None or not np.all(np.abs(seconds) < _LARGEST_TIME):
        return None
    return Columns(users, items, ratings, seconds.astype(np.int64))


def _from_iso(times: pd.Series[Any]) -> NDArray[np.int64] | None:
    import pandas as pd

    moments = pd.to_datetime(times, format="ISO8601", utc=True)
    if moments.isna().any():
        return None
    return moments.dt.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64)


def _slow(block: Block, layout: Layout, name: str) -> Columns:
    """Parse a block line by line; what it accepts counts, what it refuses becomes the message."""
    rows: list[tuple[Any, ...]] = []
    for line, fields in _lines(block, layout, name):
        where = f"{name}, line {line}"
        if len(fields) != layout.fields:
            expected = f"expected {layout.fields} fields separated by {_named(layout.delimiter)}"
            raise DataError(f"{where}: {expected}, found {len(fields)}. {layout.mend}")
        user, item = (
            _id(fields[place], layout, f"{where}: the {kind}")
            for kind, place in (("user", layout.user), ("item", layout.item))
        )
        rating = None if layout.rating is None else _rating(fields[layout.rating], layout, f"{where}: the rating")
        time = None if layout.time is None else _time(fields[layout.time], layout, f"{where}: the time")
        rows.append((user, item, rating, time))
    users, items, ratings, times = zip(*rows, strict=True) if rows else ((), (), (), ())
    whole = layout.whole_ids
    return Columns(
        np.array(users, np.int64) if whole else _coded(np.array(users, object)),
        np.array(items, np.int64) if whole else _coded(np.array(items, object)),
        None if layout.rating is None else np.array(ratings, np.float32),
        None if layout.time is None else np.array(times, np.int64),
    )


def _lines(block: Block, layout: Layout, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, fields) of every line that is not blank."""
    if not layout.quoted:
        for number, raw in enumerate(block.data.splitlines(), block.line):
            if raw.strip():
                yield number, raw.decode().split(layout.delimiter)
        return
    reader = csv.reader(
        StringIO(block.data.decode(), newline=""), delimiter=layout.delimiter, skipinitialspace=layout.delimiter != " "
    )
    start = block.line
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                yield start, fields
            start = block.line + reader.line_num
    except csv.Error as error:
        raise DataError(f"{name}, line {start}: a quoted field does not end ({error}). {layout.mend}") from error


def _id(text: str, layout: Layout, what: str) -> int | str:
    if not text.strip():
        raise DataError(f"{what} is empty. {layout.mend}")
    if not layout.whole_ids:
        return text
    if not _WHOLE.fullmatch(text):
        raise DataError(f"{what} id is {shown(text)}, not a whole number. {layout.mend}")
    return int(text)


def _rating(text: str, layout: Layout, what: str) -> float:
    if not text.strip():
        raise DataError(f"{what} is empty. {layout.mend}")
    value = float(text) if NUMBER.fullmatch(text) else np.nan
    if not abs(value) <= _LARGEST_RATING:
        raise DataError(f"{what} is {shown(text)}, not a number. {layout.mend}")
    if layout.scale is not None and not layout.scale[0] <= value <= layout.scale[1]:
        raise DataError(
            f"{what} is {shown(text)}, outside the scale {layout.scale[0]:g} to {layout.scale[1]:g}. {layout.mend}"
        )
    return value


def _time(text: str, layout: Layout, what: str) -> int:
    if not text.strip():
        raise DataError(f"{what} is empty. {layout.mend}")
    if not layout.iso_times:
        value = float(text) if NUMBER.fullmatch(text) else np.nan
        if not abs(value) < _LARGEST_TIME:
            raise DataError(f"{what} is {shown(text)}, not a number of seconds. {layout.mend}")
        return int(value)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise DataError(
            f"{what} is {shown(text)}, not an ISO date such as 2026-11-20 or 2026-11-20T18:30:00Z. {layout.mend}"
        ) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _named(delimiter: str) -> str:
    return {"\t": "a tab", " ": "a space"}.get(delimiter, f'"{delimiter}"')
