"""Columns of interactions, built from parsed rows chunk by chunk; bad rows are listed separately."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recdash.data.readers import cells
from recdash.data.readers.cells import RawTimes
from recdash.data.readers.row_format import RowFormat
from recdash.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_MAX_LISTED = 10  # bad rows in a summary


class Columns(NamedTuple):
    """Aligned columns of interactions: ids (integers or categories), ratings (float32) and times, each (rows,)."""

    users: Any
    items: Any
    ratings: NDArray[np.float32] | None
    times: RawTimes | None

    def take(self, rows: NDArray[Any]) -> Columns:
        """Return the selected rows; rows: indices or a mask."""
        ratings = None if self.ratings is None else self.ratings[rows]
        times = None if self.times is None else self.times.take(rows)
        return Columns(self.users[rows], self.items[rows], ratings, times)


@dataclass
class BadRows:
    """Skipped bad rows.

    Attributes:
        lines: Their line numbers, from 1.
        texts: What is wrong with each, such as "line 7: the user is empty".
        records: Their numbers among all rows, from 0.
    """

    lines: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    records: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)

    def summary(self) -> str:
        """Describe how many there are, and the first ten."""
        more = "" if len(self) <= _MAX_LISTED else ", ..."
        return f"{len(self):,} invalid rows left out ({'; '.join(self.texts[:_MAX_LISTED])}{more})"


class ParsedRows(NamedTuple):
    """The rows of a chunk: ids as integers or encoded; rows counts the bad ones, too."""

    users: Any
    items: Any
    ratings: NDArray[np.float64] | None
    times: RawTimes | None
    rows: int


class _IntegerIds:
    """An integer id column, collected over chunks; int32 where the numbers fit."""

    def __init__(self) -> None:
        self.parts: list[NDArray[Any]] = []

    def add(self, numbers: NDArray[np.int64]) -> None:
        small = len(numbers) == 0 or numbers.max() < 2**31
        self.parts.append(numbers.astype(np.int32) if small else numbers)

    def column(self) -> NDArray[Any]:
        return _join_and_clear(self.parts)


class _TextIds:
    """A text id column, collected over chunks as codes of the distinct ids."""

    def __init__(self) -> None:
        self.code_of: dict[str, int] = {}
        self.parts: list[NDArray[Any]] = []

    def add(self, coded: cells.EncodedIds) -> None:
        codes, texts = coded
        code_of = self.code_of
        codes_of_block = [code_of.setdefault(text, len(code_of)) for text in texts]
        self.parts.append(np.array(codes_of_block, np.int32)[codes])

    def column(self) -> pd.Series[Any]:
        import pandas as pd  # lazy: pandas

        return pd.Series(
            pd.Categorical.from_codes(_join_and_clear(self.parts), categories=pd.Index(list(self.code_of)))
        )


class ColumnBuilder:
    """Collects the columns of a file chunk by chunk."""

    def __init__(self, row_format: RowFormat) -> None:
        self._ids: tuple[Any, Any] = (
            (_IntegerIds(), _IntegerIds()) if row_format.integer_ids else (_TextIds(), _TextIds())
        )
        self._ratings: list[NDArray[np.float32]] = []
        self._times: list[RawTimes] = []
        self.rows = 0
        self._empty_advice = row_format.advice if row_format.integer_ids else "Add rows below the header."

    def add(self, parsed: ParsedRows) -> None:
        """Append the rows of a chunk."""
        for column, ids in zip(self._ids, (parsed.users, parsed.items), strict=True):
            column.add(ids)
        if parsed.ratings is not None:
            self._ratings.append(parsed.ratings.astype(np.float32))
        if parsed.times is not None:
            self._times.append(parsed.times)
        self.rows += parsed.rows

    def build(self, name: str) -> Columns:
        """Return the columns and release the chunks; raises DataError if there are no rows."""
        users, items = self._ids
        if not any(len(part) for part in users.parts):
            if self.rows:
                raise DataError(
                    f"{name}: none of the {self.rows:,} rows is valid. Select other columns, or fix the file."
                )
            raise DataError(f"{name}: the file contains no interactions. {self._empty_advice}")
        ratings = _join_and_clear(self._ratings) if self._ratings else None
        return Columns(users.column(), items.column(), ratings, _join_times(self._times) if self._times else None)


def _join_times(times: list[RawTimes]) -> RawTimes:
    nanos: list[NDArray[np.int64]] = []
    if any(part.nanos is not None for part in times):
        nanos = [np.zeros(len(part.whole), np.int64) if part.nanos is None else part.nanos for part in times]
    whole = [part.whole for part in times]
    times.clear()
    return RawTimes(_join_and_clear(whole), _join_and_clear(nanos) if nanos else None)


def _join_and_clear(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Join parts into one array and empty the list, so that their memory is freed early."""
    joined = np.concatenate(parts)
    parts.clear()
    return joined
