"""From the columns of a file to a `Dataset`: value types, bad rows, notes, and a description of how it was read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recdash.data.dataset import Dataset
from recdash.data.item_words import word_of_column, word_of_name
from recdash.data.items import Item
from recdash.data.readers import value_types
from recdash.data.readers.columns import BadRows, Columns
from recdash.data.readers.read_options import DEFAULT_SKIP_SHARE, ReadOptions
from recdash.data.timestamps import ColumnError, Times
from recdash.errors import DataError, Fixes, quote

PREVIEW_ROWS = 6
SKIP_BAD: Fixes = {"Skip invalid rows": {"skip_bad": True}}
_MAX_SKIP_SHARE = 0.5  # of all rows; a fix offers to skip no more
_MAX_TEXT_IDS, _MIN_NUMERIC_RATIO = 2, 20  # report up to 2 textual ids among at least 20 times as many numeric ones
_MAX_ROUNDS = 6  # of skipping invalid values, one kind per round


@dataclass(frozen=True)
class Source:
    """The columns of a file.

    Attributes:
        name: The file's name.
        columns: The columns of the roles.
        roles: The column name of each role.
        locate_row: Returns where a row is, such as "mine.csv, line 7".
        recognised: How each role's column was found.
        ignored: Names of the unused columns.
        rows: The first rows, with one text per role.
        text_times: Whether times were textual, and so count seconds since 1970.
        format_facts: How the file is written, by name, for display.
        notes: Notes for the dataset.
        bad: Skipped rows.
    """

    name: str
    columns: Columns
    roles: Mapping[str, str]
    locate_row: Callable[[int], str]
    recognised: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    text_times: bool = False
    format_facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    bad: BadRows = field(default_factory=BadRows)


@dataclass(frozen=True)
class Reading:
    """A dataset and how its file was read; dropped: notes on rows that were left out."""

    dataset: Dataset
    source: Source
    dropped: tuple[str, ...] = ()

    def column_summary(self) -> str:
        """Describe the column of each role."""
        return "columns: " + ", ".join(f"{role} = {column}" for role, column in self.source.roles.items())

    def to_dict(self) -> dict[str, Any]:
        """Return how the file was read, as JSON values."""
        data, source = self.dataset, self.source
        positives = data.n_positives
        return {
            "file": source.name,
            **source.format_facts,
            "columns": dict(source.roles),
            "recognised": dict(source.recognised),
            "ignored_columns": list(source.ignored),
            "rows": [dict(zip(source.roles, row, strict=False)) for row in source.rows],
            "users": data.n_users,
            "items": data.n_items,
            "interactions": len(data),
            "feedback": data.feedback,
            "scale": None if data.scale is None else list(data.scale),
            "positive_from": data.default_positive_from,
            "positives": positives,
            "min_positives": data.min_positives,
            "time_kind": data.time_kind,
            "from": None if data.times is None else data.format_time(int(data.times.min())),
            "to": None if data.times is None else data.format_time(int(data.times.max())),
            "tied_share": data.tied_share,
            "ties": None if data.times is None else data.tie_rule(),
            "dropped": list(self.dropped),
            "notes": list(data.notes),
        }


def build_dataset(
    source: Source,
    options: ReadOptions,
    *,
    name: str,
    items_by_id: Mapping[str, Item] | None = None,
    note_columns: bool = True,
) -> Reading:
    """Infer the types of the columns and build the dataset.

    Args:
        source: The columns of the file.
        options: How to read them.
        name: Name of the dataset.
        items_by_id: Titles by item id.
        note_columns: Whether the dataset's notes list the columns.

    Raises:
        DataError: A value is invalid, named by its line, or there are more bad rows than `options` lets skip.
    """
    columns, rows, dropped = _without_ignored(source, options)
    bad = source.bad
    for _ in range(_MAX_ROUNDS):
        try:
            values, times = _infer_types(columns, source, options)
            break
        except ColumnError as error:
            where = source.locate_row(int(rows[error.row]))
            if not options.skip_bad or error.wrong.all():
                raise DataError(f"{where}: {error}", fixes={**error.fixes, **_fix_for_misfit(error)}) from error
            bad.texts.append(f"{where.rpartition(', ')[2]}: {str(error).partition('. ')[0]}")
            bad.lines.extend([0] * int(error.wrong.sum()))
            columns, rows = columns.take(~error.wrong), rows[~error.wrong]
        except value_types.AmbiguousColumn as error:
            raise DataError(f"{source.name}: {error}", fixes=error.fixes) from error
    else:
        raise DataError(f"{source.name}: too many kinds of invalid values to skip. Fix the file.")
    if len(bad):
        _check_bad_share(source, bad, options)
        dropped.append(bad.summary())
    id_notes = [_note_text_ids(columns.users, "user"), _note_text_ids(columns.items, "item")]
    notes = (*source.notes, *filter(None, [values.note if values else "", *id_notes, *dropped]))
    dataset = Dataset.build(
        name,
        users=_normalise_ids(columns.users, source, "user"),
        items=_normalise_ids(columns.items, source, "item"),
        ratings=columns.ratings,
        times=times,
        items_by_id=items_by_id or {},
        scale=None if values is None else values.scale,
        feedback=None if values is None else values.feedback,
        source=source.name,
        notes=notes,
        positive_from=options.positive_from if options.positive_from is not None else values and values.positive_from,
        min_positives=options.min_positives,
        ties=options.ties or "file",
        item_word=_item_word(source, options),
    )
    dropped += [note for note in dataset.notes if "duplicate (user" in note]
    reading = Reading(dataset, source, tuple(dropped))
    notes = (*([reading.column_summary()] if note_columns else []), *dataset.notes, *_title_notes(dataset, items_by_id))
    return replace(reading, dataset=replace(dataset, notes=notes))


def _item_word(source: Source, options: ReadOptions) -> str | None:
    """Return the word for the items from the name of their column, or of the file of their titles."""
    word = word_of_column(source.roles.get("item", ""))
    return word if word or options.titles is None else word_of_name(options.titles.name)


def _without_ignored(source: Source, options: ReadOptions) -> tuple[Columns, NDArray[np.int64], list[str]]:
    columns, rows = source.columns, np.arange(len(source.columns.users))
    if not options.ignore_ratings or columns.ratings is None:
        return columns, rows, []
    is_used = ~np.isin(columns.ratings.astype(np.float32), np.array(options.ignore_ratings, np.float32))
    if not is_used.any():
        raise DataError(f"{source.name}: every rating is ignored. Ignore fewer values (--ignore-rating).")
    values = ", ".join(f"{value:g}" for value in options.ignore_ratings)
    return columns.take(is_used), rows[is_used], [f"{int((~is_used).sum()):,} rows with a rating of {values} left out"]


def _infer_types(
    columns: Columns, source: Source, options: ReadOptions
) -> tuple[value_types.InferredValues | None, Times | None]:
    values = None
    if columns.ratings is not None:
        values = value_types.infer_values(columns.ratings, source.roles["rating"], options)
    return values, value_types.infer_times(columns, source.roles.get("time", ""), source.text_times)


def _fix_for_misfit(error: ColumnError) -> Fixes:
    """Return the fix that skips the invalid rows, unless they are half of all or more."""
    count, share = int(error.wrong.sum()), float(error.wrong.mean())
    return _skip_fix(count, share) if share < _MAX_SKIP_SHARE else {}


def _skip_fix(count: int, share: float) -> Fixes:
    label = "Skip the invalid row" if count == 1 else f"Skip the {count:,} invalid rows"
    return {label: {"skip_bad": True if share <= DEFAULT_SKIP_SHARE else math.ceil(100 * share) / 100}}


def _check_bad_share(source: Source, bad: BadRows, options: ReadOptions) -> None:
    rows = len(bad) + len(source.columns.users)
    if len(bad) > max(1, options.skip_bad * rows):
        advice = f" --skip-bad skips up to 1% of the rows; to skip these, give --skip-bad {100 * len(bad) / rows:.0f}%."
        fixes = _skip_fix(len(bad), len(bad) / rows)
        raise DataError(
            f"{source.name}: {len(bad):,} of {rows:,} rows are invalid. The first: {bad.texts[0]}.{advice}", fixes=fixes
        )


def _note_text_ids(column: Any, role: str) -> str:
    """Note the few ids that are no numbers while all others are, such as that of a totals line; "" for none."""
    import pandas as pd  # lazy: pandas

    if not isinstance(column, pd.Series) or not isinstance(column.dtype, pd.CategoricalDtype):
        return ""
    text_ids = [name for name in column.cat.categories if not name.replace(".", "", 1).isdecimal()]
    if not 0 < len(text_ids) <= _MAX_TEXT_IDS or len(text_ids) * _MIN_NUMERIC_RATIO > len(column.cat.categories):
        return ""
    return f"all {role} ids are numbers except {', '.join(map(quote, text_ids))}, which may not be a {role}"


def _normalise_ids(column: Any, source: Source, role: str) -> Any:
    """Normalise numeric ids, so that "1.0" and "1" are one id; other ids stay unchanged."""
    import pandas as pd  # lazy: pandas

    if not isinstance(column, pd.Series) or not isinstance(column.dtype, pd.CategoricalDtype):
        return column
    try:
        names = value_types.numeric_ids(list(column.cat.categories))
    except value_types.AmbiguousColumn as error:
        raise DataError(f"{source.name}: in the {role} column, {error}") from error
    if names is None:
        return column
    codes, unique = pd.factorize(np.array(names, object))
    return pd.Series(pd.Categorical.from_codes(codes[column.cat.codes.to_numpy()], categories=pd.Index(unique)))


def _title_notes(dataset: Dataset, items_by_id: Mapping[str, Item] | None) -> Iterator[str]:
    """Note how many items have no title; raises DataError if none has one although titles were given."""
    if not items_by_id:
        return
    untitled = [entry.id for entry in dataset.catalogue.items if entry.id not in items_by_id]
    if len(untitled) == len(dataset.catalogue):
        raise DataError(
            f"none of the {len(items_by_id):,} titles belongs to an item of {dataset.source}: item ids look like "
            f"{untitled[0]}, ids of titles like {next(iter(items_by_id))}. Use the same ids in both files."
        )
    if untitled:
        yield f"{len(untitled):,} items have no title and are shown by their ids"
