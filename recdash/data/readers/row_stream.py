"""Rows that come one by one, from JSON or from forms that are no tables, as columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from recdash.data.readers import cells, line_parser
from recdash.data.readers.columns import BadRows, Gathered, Layout
from recdash.data.readers.dataset_builder import FIRST_ROWS, SKIP_BAD, Source
from recdash.data.readers.read_options import NONE, ROLES, ReadOptions
from recdash.errors import DataError, Fixes

_AT_ONCE = 100_000
FIRST_BAD = 20  # rows that are wrong in the same way from the first on: their column is, not they
_MEND = "Correct or remove it, or leave such rows out (--skip-bad)."
_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_ROLE = re.compile(r"\b[Tt]he (user|item|rating|time)\b")
FileRow = tuple[int, list[str]]  # line or number from 1, and the texts of the roles that there are


def read(
    rows: Iterable[FileRow],
    names: Mapping[str, str],
    name: str,
    options: ReadOptions,
    *,
    unit: str = "line",
    about: Mapping[str, str],
    ignored: tuple[str, ...] = (),
    named: bool = False,
) -> Source:
    """Turn rows into columns. names: of the columns of the roles, in the order of the texts; unit: what is counted.

    named: the columns of the roles can be named by options.
    Raises DataError for the first wrong row, unless bad ones may be left out, and for a column that is wrong in all.
    """
    waiting = iter(rows)
    chunk = list(islice(waiting, _AT_ONCE))
    place = {role: list(names).index(role) for role in ROLES if role in names}
    times = [texts[place["time"]] for _, texts in chunk[:1000]] if "time" in place else []
    commas = _commas(chunk, place.get("rating"))
    layout = Layout(
        fields=len(names),
        delimiter="\t" if commas else ",",  # which tells whether a comma may stand before decimals
        user=place["user"],
        item=place["item"],
        rating=place.get("rating"),
        time=place.get("time"),
        time_format=options.time_format or cells.text_format(times, f"{name}: the time"),
        commas=commas,
        mend=_MEND,
        fixes=SKIP_BAD,
    )
    bad, lines = BadRows(), list[int]()
    first = tuple(tuple(texts) for _, texts in chunk[:FIRST_ROWS])
    gathered = Gathered(layout)
    if not options.skip_bad:
        _refuse_column(chunk[:FIRST_BAD], layout, name, unit, named)
    while chunk:
        numbers, texts = [line for line, _ in chunk], [found for _, found in chunk]
        gathered.add(
            line_parser.parse(numbers, texts, layout, name, unit, len(lines), bad if options.skip_bad else None)
        )
        lines.extend(numbers)
        chunk = list(islice(waiting, _AT_ONCE))
    if lines and len(bad) == len(lines):
        raise whole_column(name, bad.texts[:FIRST_BAD], named=named)
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


def has_commas(texts: Iterable[str]) -> bool:
    """Whether the numbers of a column have a comma before their decimals: all fractions, and not thousands by look."""
    commas = [text.strip() for text in texts if "," in text or "." in text]
    if not commas or not all(_COMMA_NUMBER.fullmatch(text) for text in commas):
        return False
    return not all(_THOUSANDS.fullmatch(text) for text in commas)


def are_alike(texts: Sequence[str]) -> bool:
    """Whether rows are wrong in the same column; texts: what is wrong with each, as "line 2: the user is empty"."""
    return len({found and found[1] for text in texts for found in [_ROLE.search(text)]}) == 1


def whole_column(name: str, texts: Sequence[str], *, named: bool) -> DataError:
    """The error for rows that are all wrong: not they are to be corrected or left out, but their column.

    texts: as of `are_alike`, of the first rows.  named: options can name the columns.
    """
    found = _ROLE.search(texts[0]) if are_alike(texts) else None
    role = found[1] if found else ""
    also = f", and {f'no {role} in' if role else 'none of'} the first {len(texts):,} rows can be read"
    advice = "Correct the file"
    fixes: Fixes = {}
    if role and named:
        advice = f"Correct the column, or name another one (--{role} COLUMN)"
        if role in ("rating", "time"):
            advice += f", or none (--{role} {NONE})"
            fixes = {f"There is no {role}": {role: NONE}}
    return DataError(f"{name}, {texts[0]}{also if len(texts) > 1 else ''}. {advice}.", fixes=fixes)


def _commas(chunk: Sequence[FileRow], place: int | None) -> frozenset[int | None]:
    return frozenset([place] if place is not None and has_commas(texts[place] for _, texts in chunk) else [])


def _refuse_column(chunk: Sequence[FileRow], layout: Layout, name: str, unit: str, named: bool) -> None:
    """Refuse a column that is wrong in the same way in all of these rows, for leaving them out would not help."""
    bad = BadRows()
    if chunk:
        line_parser.parse([line for line, _ in chunk], [texts for _, texts in chunk], layout, name, unit, 0, bad)
    if chunk and len(bad) == len(chunk) and are_alike(bad.texts):
        raise whole_column(name, bad.texts, named=named)
