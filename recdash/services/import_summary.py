"""How a file was read, as text for the terminal and the pages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash.reporting import table_format

if TYPE_CHECKING:
    from recdash.data.readers.interactions import DetectedFormat

_MIN_TIED_SHARE = 0.01  # of the interactions; fewer ties are not mentioned
_MAX_NAMES = 6  # of columns in one line
MAX_LINES, MAX_LINE_LENGTH = 4, 160  # of a raw file
_MIDNIGHT = "T00:00:00Z"


def lines(reading_summary: Mapping[str, Any]) -> list[str]:
    """Return the summary of a file as lines for a terminal; reading_summary: see `Reading.to_dict`."""
    rows = [list(row.values()) for row in reading_summary["rows"]]
    found = [file_format(reading_summary)]
    if rows:
        found.append(table_format.plain_table([list(reading_summary["columns"]), *rows]))
    return [*found, *sentences(reading_summary)]


def file_format(reading_summary: Mapping[str, Any]) -> str:
    """Describe the format, encoding, separator and header of a file."""
    parts = [reading_summary.get("format", ""), reading_summary.get("encoding", "")]
    if reading_summary.get("delimiter"):
        parts.append(f"columns separated by {reading_summary['delimiter']}")
    if reading_summary.get("header"):
        parts.append("with a header" if reading_summary["header"] == "yes" else "without a header")
    return f"{reading_summary['file']}: {', '.join(filter(None, parts))}"


def sentences(reading_summary: Mapping[str, Any]) -> list[str]:
    """Describe columns, sizes, ratings and times, what was left out, and other notes."""
    ignored = reading_summary["ignored_columns"]
    sizes = (_count(reading_summary[what], what[:-1]) for what in ("users", "items", "interactions"))
    return [
        f"Columns: {columns(reading_summary)}" + (f"; not used: {first_names(ignored)}" if ignored else ""),
        ", ".join(sizes),
        feedback(reading_summary),
        times(reading_summary),
        *(f"Left out: {left_out(dropped)}" for dropped in reading_summary["dropped"]),
        *(f"Note: {note}" for note in other_notes(reading_summary)),
    ]


def columns(reading_summary: Mapping[str, Any]) -> str:
    """Describe the column of each role and how it was found: "user = user_id (by name), ..."."""
    methods = reading_summary["recognised"]
    roles = reading_summary["columns"].items()
    return ", ".join(f"{role} = {name}" + (f" ({methods[role]})" if methods.get(role) else "") for role, name in roles)


def first_names(names: Sequence[str]) -> str:
    """Return the first names of a long list: "a, b, c, d, e, f and 24 more"."""
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def left_out(dropped: str) -> str:
    """Return a text of `Reading.dropped` without its "left out", to follow "Left out:"."""
    singular = re.sub(r"^1 ((?:invalid |duplicate \(user, item\) )?)rows\b", r"1 \1row", dropped)
    return re.sub(r" left out(?= \(|$)", "", singular, count=1)


def feedback(reading_summary: Mapping[str, Any]) -> str:
    """Describe the type of the values and the number of positives; reading_summary: or as of `datasets.describe`."""
    scale, threshold, positives = (
        reading_summary["scale"],
        reading_summary["positive_from"],
        reading_summary["positives"],
    )
    if reading_summary["feedback"] == "events":
        return f"No ratings: every row is a positive, {positives:,} in total"
    kind = {"labels": "Labels", "counts": "Counts"}.get(reading_summary["feedback"], "Ratings")
    on_scale = "" if scale is None else f" on a scale of {scale[0]:g} to {scale[1]:g}"
    if threshold is None:
        return f"{kind}{on_scale}: every row is a positive, {positives:,} in total"
    share = f"{_count(positives, 'positive')} ({positives / reading_summary['interactions']:.0%} of all rows)"
    advice = "" if positives else "; set the threshold (--positive-from) or the scale (--scale)"
    return f"{kind}{on_scale}; {threshold:g} or more is a positive: {share}{advice}"


def times(reading_summary: Mapping[str, Any], requested: str | None = None) -> str:
    """Describe the times and the share of tied events.

    Args:
        reading_summary: See `Reading.to_dict`, or `datasets.describe`.
        requested: The tie rule that was asked for, if known; not every file has an order to follow.
    """
    if reading_summary["time_kind"] is None:
        return "No times: histories have no order"
    first, last = str(reading_summary["from"]), str(reading_summary["to"])
    if first.endswith(_MIDNIGHT) and last.endswith(_MIDNIGHT):
        first, last = first.removesuffix(_MIDNIGHT), last.removesuffix(_MIDNIGHT)
    kind = "dates" if reading_summary["time_kind"] == "dates" else "an order, not dates"
    text = f"Times are {kind}, from {first} to {last}"
    share = reading_summary["tied_share"]
    if share < _MIN_TIED_SHARE:
        return text
    rule = "ordered as in the file"
    if reading_summary["ties"] == "random":
        reason = ", because the file is not in order of time" if requested == "file" else ""
        rule = f"ordered at random{reason}"
    return f"{text}; {share:.0%} of the events are tied with another event of the same user, {rule}"


def other_notes(reading_summary: Mapping[str, Any]) -> list[str]:
    """Return the notes that no other part of the summary covers."""
    covered = set(reading_summary["dropped"])
    return [note for note in reading_summary["notes"] if note not in covered and not note.startswith("columns: ")]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def preview(path: Path, **options: Any) -> DetectedFormat:
    """Detect from a file's first rows how an import would read it.

    Args:
        path: The file.
        **options: See `ReadOptions.of`.
    """
    from recdash.data.readers import interactions  # lazy: readers

    return interactions.detect_format(path, **options)


def first_lines(path: Path, encoding: str | None = None, *, foreign: bool = False) -> tuple[str, ...]:
    """Return the first lines of a file as raw text, shortened for display.

    Args:
        path: The file.
        encoding: Its encoding; detected by default.
        foreign: Whether to prefer lines beyond ASCII, which show if the encoding is right.

    Raises:
        DataError: The file is not text in this encoding.
    """
    from recdash.data.readers import text_streams  # lazy: readers

    with text_streams.open_input(path, encoding) as source:
        raw = text_streams.read_sample(source).decode("utf-8", "replace").splitlines()
    if foreign:
        raw = [line for line in raw if not line.isascii()] or raw
    return tuple(line[:MAX_LINE_LENGTH] for line in raw[:MAX_LINES])
