"""The format of a file's rows: which field is what, and how fields are parsed."""

from __future__ import annotations

from dataclasses import dataclass, field

from recdash.data.readers.dialect import SPACES
from recdash.errors import Fixes


@dataclass(frozen=True)
class RowFormat:
    """How rows are parsed.

    Attributes:
        fields: Fields per row.
        delimiter: Separator between fields.
        user: Index of the user column, from 0.
        item: Index of the item column.
        rating: Index of the rating column; None if there is none.
        time: Index of the time column; None if there is none.
        integer_ids: Whether ids are integers; otherwise they are text, stripped of surrounding blanks only.
        time_format: Format of textual times, see `cells.parse_text_times`; None for numbers.
        quoted: Whether fields may be in double quotes.
        decimal_commas: Columns with a decimal comma.
        comment: The sign that starts comment lines; "" for none.
        header: The row of column names; a repeated one is an error.
        multiline_fields: Whether quoted fields may contain whole lines.
        backslash_quotes: Whether quotes inside quoted fields are escaped by a backslash.
        scale: Lowest and highest rating; ratings outside are errors.
        advice: Last sentence of messages about bad rows.
        fixes: Fixes for bad rows, see `DataError`.
    """

    fields: int
    delimiter: str
    user: int
    item: int
    rating: int | None
    time: int | None
    integer_ids: bool = False
    time_format: str | None = None
    quoted: bool = False
    decimal_commas: frozenset[int | None] = frozenset()
    comment: str = ""
    header: tuple[str, ...] = ()
    multiline_fields: bool = False
    backslash_quotes: bool = False
    scale: tuple[float, float] | None = None
    advice: str = "Fix this line."
    fixes: Fixes = field(default_factory=dict)

    @property
    def columns(self) -> list[int]:
        """Indices of the columns that are read, ascending."""
        return sorted(index for index in (self.user, self.item, self.rating, self.time) if index is not None)


def delimiter_name(delimiter: str) -> str:
    """Return the name of a delimiter for messages."""
    return {"\t": "a tab", " ": "a space", SPACES: "spaces"}.get(delimiter, f'"{delimiter}"')
