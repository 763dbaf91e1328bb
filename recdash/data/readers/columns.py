"""How the lines of a file are made, and what they become: columns of interactions, and rows that are none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recdash.data.readers import cells
from recdash.data.readers.cells import Moments
from recdash.data.readers.dialect import SPACES
from recdash.errors import DataError, Fixes

if TYPE_CHECKING:
    import pandas as pd

_SHOWN_BAD = 10


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


class Parsed(NamedTuple):
    """A block of rows: ids coded, or whole numbers; and the number of its rows, bad ones included."""

    users: Any
    items: Any
    ratings: NDArray[np.float64] | None
    times: Moments | None
    rows: int


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


def named(delimiter: str) -> str:
    """Return a delimiter as messages call it."""
    return {"\t": "a tab", " ": "a space", SPACES: "spaces"}.get(delimiter, f'"{delimiter}"')
