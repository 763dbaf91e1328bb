"""How a file was understood, in words, before anything of it is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash.reporting import tables

if TYPE_CHECKING:
    from recdash.data.readers.interactions import Plan

_WORTH_SAYING = 0.01  # of the interactions tied
_MOST_NAMES = 6  # of columns, in one line
MOST_LINES, LONGEST_LINE = 4, 160  # of a file as it is
_MIDNIGHT = "T00:00:00Z"


def lines(understood: Mapping[str, Any]) -> list[str]:
    """Return what `Reading.to_dict` says as lines for a terminal."""
    rows = [list(row.values()) for row in understood["rows"]]
    said = [made(understood)]
    if rows:
        said.append(tables.columns([list(understood["columns"]), *rows]))
    return [*said, *sentences(understood)]


def made(understood: Mapping[str, Any]) -> str:
    """Say how the file is made: format, delimiter, encoding, header."""
    parts = [understood.get("format", ""), understood.get("encoding", "")]
    if understood.get("delimiter"):
        parts.append(f"{understood['delimiter']} between the columns")
    if understood.get("header"):
        parts.append("column names in the first row" if understood["header"] == "yes" else "no column names")
    return f"{understood['file']}: {', '.join(filter(None, parts))}"


def sentences(understood: Mapping[str, Any]) -> list[str]:
    """Say what was taken for what, how much there is, and what was left out."""
    ignored = understood["ignored_columns"]
    sizes = (_counted(understood[what], what[:-1]) for what in ("users", "items", "interactions"))
    return [
        f"Columns: {recognised(understood)}" + (f"; not used: {some_of(ignored)}" if ignored else ""),
        ", ".join(sizes),
        feedback(understood),
        times(understood),
        *(f"Left out: {left_out(one)}" for one in understood["dropped"]),
        *(f"Note: {one}" for one in other_notes(understood)),
    ]


def recognised(understood: Mapping[str, Any]) -> str:
    """Say which column was taken for what, and why: "user = user_id (by its name), ..."."""
    how = understood["recognised"]
    columns = understood["columns"].items()
    return ", ".join(f"{role} = {name}" + (f" ({how[role]})" if how.get(role) else "") for role, name in columns)


def some_of(names: Sequence[str]) -> str:
    """Return the first names of many: "a, b, c, d, e, f and 24 more"."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def left_out(dropped: str) -> str:
    """Return one text of `Reading.dropped` as it reads after "Left out:"."""
    one = re.sub(r"^1 ((?:bad |duplicate \(user, item\) )?)rows\b", r"1 \1row", dropped)
    return re.sub(r" left out(?= \(|$)", "", one, count=1)


def feedback(understood: Mapping[str, Any]) -> str:
    """Say what the values mean and how many positives that gives; takes what `datasets.describe` says as well."""
    scale, least, positives = understood["scale"], understood["positive_from"], understood["positives"]
    if understood["feedback"] == "events":
        return f"No ratings: every row is a positive, {positives:,} in all"
    what = {"labels": "Labels", "counts": "Counts"}.get(understood["feedback"], "Ratings")
    on = "" if scale is None else f" on a scale of {scale[0]:g} to {scale[1]:g}"
    if least is None:
        return f"{what}{on}: every row is a positive, {positives:,} in all"
    share = f"{_counted(positives, 'positive')} ({positives / understood['interactions']:.0%} of all)"
    none = "" if positives else "; say what counts as liked (--positive-from) or the scale (--scale)"
    return f"{what}{on}; {least:g} or more is a positive: {share}{none}"


def times(understood: Mapping[str, Any], asked: str | None = None) -> str:
    """Say what the times are, and how many events share theirs; takes what `datasets.describe` says as well.

    asked: the rule for such events that somebody chose, where that is known; the file may not be able to follow it.
    """
    if understood["time_kind"] is None:
        return "No times: histories have no order"
    first, last = str(understood["from"]), str(understood["to"])
    if first.endswith(_MIDNIGHT) and last.endswith(_MIDNIGHT):
        first, last = first.removesuffix(_MIDNIGHT), last.removesuffix(_MIDNIGHT)
    what = "dates" if understood["time_kind"] == "dates" else "an order, no dates"
    said = f"Times are {what}, from {first} to {last}"
    share = understood["tied_share"]
    if share < _WORTH_SAYING:
        return said
    how = "the order of the file says"
    if understood["ties"] == "random":
        why = "the order of the file is not an order of time, so " if asked == "file" else ""
        how = f"{why}chance decides"
    shared = f"{share:.0%} of the events share their time with another event of the same user"
    return f"{said}; {shared}; {how} which came first"


def other_notes(understood: Mapping[str, Any]) -> list[str]:
    """Return the notes that nothing else says."""
    said = set(understood["dropped"])
    return [note for note in understood["notes"] if note not in said and not note.startswith("columns: ")]


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def preview(path: Path, **options: Any) -> Plan:
    """Return how an import would read a file, from its beginning alone; takes the options of `datasets.read_file`."""
    from recdash.data.readers import interactions

    return interactions.look(path, **options)


def first_lines(path: Path, encoding: str | None = None, *, foreign: bool = False) -> tuple[str, ...]:
    """Return how a file begins, as text that was not understood, cut to a readable size.

    foreign: prefer lines with letters beyond ASCII, which tell whether an encoding is the right one.
    Raises DataError for what is no text in that encoding.
    """
    from recdash.data.readers import text_streams

    with text_streams.open_input(path, encoding) as source:
        lines = text_streams.beginning(source).decode("utf-8", "replace").splitlines()
    if foreign:
        lines = [line for line in lines if not line.isascii()] or lines
    return tuple(line[:LONGEST_LINE] for line in lines[:MOST_LINES])
