"""Rows of any format on their way to a `Dataset`: what was read, from where, and what it was taken for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recdash.data.dataset import Dataset
from recdash.data.items import Item
from recdash.data.readers import column_types
from recdash.data.readers.chunks import shown
from recdash.data.readers.columns import BadRows, Columns
from recdash.data.readers.read_options import USUAL_SKIP, ReadOptions
from recdash.data.timestamps import Misfit, Times
from recdash.errors import DataError, Fixes

FIRST_ROWS = 6
SKIP_BAD: Fixes = {"Leave bad rows out": {"skip_bad": True}}
_MOST_SKIPPED = 0.5  # of all rows, that a fix offers to leave out
_ODD, _MANY = 2, 20  # so few ids that are no numbers, among so many times as many that are
_ROUNDS = 6  # of leaving out values that do not belong, one kind in each


@dataclass(frozen=True)
class Source:
    """Columns as read.

    roles: the name of the column of each role that there is.  recognised: how each was found.  ignored: names of the
    other columns.  rows: the first rows, the texts of the roles in order.  text_times: times were written as text, so
    they count from 1970.  where: says where a row stands, "file, line 7".  about: how the file is made, for people.
    bad: rows left out.
    """

    name: str
    columns: Columns
    roles: Mapping[str, str]
    where: Callable[[int], str]
    recognised: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    text_times: bool = False
    about: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    bad: BadRows = field(default_factory=BadRows)


@dataclass(frozen=True)
class Reading:
    """A data set, and how the file was understood."""

    dataset: Dataset
    source: Source
    dropped: tuple[str, ...] = ()

    def described(self) -> str:
        """Say which column was taken for what."""
        return "columns: " + ", ".join(f"{role} = {column}" for role, column in self.source.roles.items())

    def to_dict(self) -> dict[str, Any]:
        """Return what was understood, as JSON values."""
        data, source = self.dataset, self.source
        positives = data.n_positives
        return {
            "file": source.name,
            **source.about,
            "columns": dict(source.roles),
            "recognised": dict(source.recognised),
            "ignored_columns": list(source.ignored),
            "rows": [dict(zip(source.roles, row, strict=False)) for row in source.rows],
            "users": data.n_users,
            "items": data.n_items,
            "interactions": len(data),
            "feedback": data.feedback,
            "scale": None if data.scale is None else list(data.scale),
            "positive_from": data.usual_positive_from,
            "positives": positives,
            "min_positives": data.min_positives,
            "time_kind": data.time_kind,
            "from": None if data.times is None else data.said_time(int(data.times.min())),
            "to": None if data.times is None else data.said_time(int(data.times.max())),
            "tied_share": data.tied_share,
            "ties": None if data.times is None else data.tie_rule(),
            "dropped": list(self.dropped),
            "notes": list(data.notes),
        }


def assemble(
    source: Source, options: ReadOptions, *, name: str, known: Mapping[str, Item] | None = None, described: bool = True
) -> Reading:
    """Give the columns their meaning and build the data set.

    Raises DataError, with the line, for what does not belong in a column, and for more bad rows than may be left out.
    """
    columns, rows, dropped = _without_ignored(source, options)
    bad = source.bad
    for _ in range(_ROUNDS):
        try:
            values, times = _understood(columns, source, options)
            break
        except Misfit as error:
            where = source.where(int(rows[error.row]))
            if not options.skip_bad or error.wrong.all():
                raise DataError(f"{where}: {error}", fixes={**error.fixes, **_skipping(error)}) from error
            bad.texts.append(f"{where.rpartition(', ')[2]}: {str(error).partition('. ')[0]}")
            bad.lines.extend([0] * int(error.wrong.sum()))
            columns, rows = columns.take(~error.wrong), rows[~error.wrong]
        except column_types.Unclear as error:
            raise DataError(f"{source.name}: {error}", fixes=error.fixes) from error
    else:
        raise DataError(f"{source.name}: too many kinds of wrong values to leave them out. Correct the file.")
    if len(bad):
        _check_share(source, bad, options)
        dropped.append(bad.said())
    odd = [_odd_ids(columns.users, "user"), _odd_ids(columns.items, "item")]
    notes = (*source.notes, *filter(None, [values.note if values else "", *odd, *dropped]))
    dataset = Dataset.build(
        name,
        users=_ids(columns.users, source, "user"),
        items=_ids(columns.items, source, "item"),
        ratings=columns.ratings,
        times=times,
        known=known or {},
        scale=None if values is None else values.scale,
        feedback=None if values is None else values.feedback,
        source=source.name,
        notes=notes,
        positive_from=options.positive_from if options.positive_from is not None else values and values.positive_from,
        min_positives=options.min_positives,
        ties=options.ties or "file",
    )
    dropped += [note for note in dataset.notes if "duplicate (user" in note]
    found = Reading(dataset, source, tuple(dropped))
    notes = (*([found.described()] if described else []), *dataset.notes, *_about_titles(dataset, known))
    return replace(found, dataset=replace(dataset, notes=notes))


def _without_ignored(source: Source, options: ReadOptions) -> tuple[Columns, NDArray[np.int64], list[str]]:
    columns, rows = source.columns, np.arange(len(source.columns.users))
    if not options.ignore_ratings or columns.ratings is None:
        return columns, rows, []
    keep = ~np.isin(columns.ratings.astype(np.float32), np.array(options.ignore_ratings, np.float32))
    if not keep.any():
        raise DataError(f"{source.name}: every rating is one of those to ignore. Name others, or none.")
    said = ", ".join(f"{value:g}" for value in options.ignore_ratings)
    return columns.take(keep), rows[keep], [f"{int((~keep).sum()):,} rows with a rating of {said} left out"]


def _understood(
    columns: Columns, source: Source, options: ReadOptions
) -> tuple[column_types.Values | None, Times | None]:
    values = None
    if columns.ratings is not None:
        values = column_types.values(columns.ratings, source.roles["rating"], options)
    return values, column_types.times(columns, source.roles.get("time", ""), source.text_times)


def _skipping(error: Misfit) -> Fixes:
    """The fix that leaves out what is wrong, while most is right."""
    count, share = int(error.wrong.sum()), float(error.wrong.mean())
    return _leave_out(count, share) if share < _MOST_SKIPPED else {}


def _leave_out(count: int, share: float) -> Fixes:
    said = "Leave the bad row out" if count == 1 else f"Leave the {count:,} bad rows out"
    return {said: {"skip_bad": True if share <= USUAL_SKIP else math.ceil(100 * share) / 100}}


def _check_share(source: Source, bad: BadRows, options: ReadOptions) -> None:
    rows = len(bad) + len(source.columns.users)
    if len(bad) > max(1, options.skip_bad * rows):
        usual = (
            f" --skip-bad leaves out at most one in a hundred unless told so (--skip-bad {100 * len(bad) / rows:.0f}%)."
        )
        fixes = _leave_out(len(bad), len(bad) / rows)
        raise DataError(
            f"{source.name}: {len(bad):,} of {rows:,} rows are bad, first {bad.texts[0]}.{usual}", fixes=fixes
        )


def _odd_ids(column: Any, role: str) -> str:
    """Say which few ids are no numbers where all others are, such as that of a line with totals; "" for none."""
    import pandas as pd

    if not isinstance(column, pd.Series) or not isinstance(column.dtype, pd.CategoricalDtype):
        return ""
    words = [name for name in column.cat.categories if not name.replace(".", "", 1).isdecimal()]
    if not 0 < len(words) <= _ODD or len(words) * _MANY > len(column.cat.categories):
        return ""
    return f"all {role} ids are numbers but {', '.join(map(shown, words))}, which may be no {role}"


def _ids(column: Any, source: Source, role: str) -> Any:
    """Take numbers as numbers, so that "1.0" and "1" are one id, and everything else to the letter."""
    import pandas as pd

    if not isinstance(column, pd.Series) or not isinstance(column.dtype, pd.CategoricalDtype):
        return column
    try:
        names = column_types.numeric_ids(list(column.cat.categories))
    except column_types.Unclear as error:
        raise DataError(f"{source.name}: in the {role} column, {error}") from error
    if names is None:
        return column
    codes, unique = pd.factorize(np.array(names, object))
    return pd.Series(pd.Categorical.from_codes(codes[column.cat.codes.to_numpy()], categories=pd.Index(unique)))


def _about_titles(dataset: Dataset, known: Mapping[str, Item] | None) -> Iterator[str]:
    """Say how many items have no title, and why none has one, where titles were given."""
    if not known:
        return
    bare = [entry.id for entry in dataset.catalogue.items if entry.id not in known]
    if len(bare) == len(dataset.catalogue):
        raise DataError(
            f"none of the {len(known):,} titles is of an item in {dataset.source}: ids there are like {bare[0]}, in "
            f"the titles like {next(iter(known))}. Check that both use the same ids."
        )
    if bare:
        yield f"{len(bare):,} items have no title and are shown by their ids"
