"""Rows that come one by one, from JSON or from forms that are no tables, as columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from recdash.data.readers import cells, table
from recdash.data.readers.options import ROLES, ReadOptions
from recdash.data.readers.source import FIRST_ROWS, SKIP_BAD, Source
from recdash.data.readers.table import BadRows, Layout

_AT_ONCE = 100_000
_MEND = "Correct or remove it, or leave such rows out (--skip-bad)."
Row = tuple[int, list[str]]  # line or number from 1, and the texts of the roles that there are


def read(
    rows: Iterable[Row],
    names: Mapping[str, str],
    name: str,
    options: ReadOptions,
    *,
    unit: str = "line",
    about: Mapping[str, str],
    ignored: tuple[str, ...] = (),
) -> Source:
    """Turn rows into columns. names: of the columns of the roles, in the order of the texts; unit: what is counted.

    Raises DataError for the first wrong row, unless bad ones may be left out.
    """
    waiting = iter(rows)
    chunk = list(islice(waiting, _AT_ONCE))
    place = {role: list(names).index(role) for role in ROLES if role in names}
    times = [texts[place["time"]] for _, texts in chunk[:1000]] if "time" in place else []
    layout = Layout(
        fields=len(names),
        delimiter=",",
        user=place["user"],
        item=place["item"],
        rating=place.get("rating"),
        time=place.get("time"),
        time_format=options.time_format or cells.text_format(times, f"{name}: the time"),
        mend=_MEND,
        fixes=SKIP_BAD,
    )
    bad, lines = BadRows(), list[int]()
    first = tuple(tuple(texts) for _, texts in chunk[:FIRST_ROWS])
    gathered = table.Gathered(layout)
    while chunk:
        numbers, texts = [line for line, _ in chunk], [found for _, found in chunk]
        gathered.add(table.exact(numbers, texts, layout, name, unit, len(lines), bad if options.skip_bad else None))
        lines.extend(numbers)
        chunk = list(islice(waiting, _AT_ONCE))
    skipped = set(bad.records)
    kept = [line for place, line in enumerate(lines) if place not in skipped] if skipped else lines
    return Source(
        name=name,
        columns=gathered.columns(name),
        roles=names,
        where=lambda row: f"{name}, {unit} {kept[row]}",
        ignored=ignored,
        rows=first,
        text_times=layout.time_format is not None,
        about=about,
        bad=bad,
    )
