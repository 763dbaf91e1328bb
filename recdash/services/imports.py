"""How a file was understood, in words, before anything of it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recdash.services import tables

_WORTH_SAYING = 0.01  # of the interactions tied


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
    return [
        "Columns: "
        + ", ".join(
            _column(role, name, understood["recognised"].get(role)) for role, name in understood["columns"].items()
        )
        + (f"; not used: {', '.join(ignored)}" if ignored else ""),
        f"{understood['users']:,} users, {understood['items']:,} items, {understood['interactions']:,} interactions",
        feedback(understood),
        times(understood),
        *(f"Left out: {one}" for one in understood["dropped"]),
        *(f"Note: {one}" for one in _other_notes(understood)),
    ]


def _column(role: str, name: str, how: str | None) -> str:
    return f"{role} = {name} ({how})" if how else f"{role} = {name}"


def feedback(understood: Mapping[str, Any]) -> str:
    """Say what the values mean and how many positives that gives."""
    scale, least, positives = understood["scale"], understood["positive_from"], understood["positives"]
    share = f"{positives:,} positives ({positives / understood['interactions']:.0%} of all)"
    if understood["feedback"] == "events":
        return f"No ratings: every row is a positive, {positives:,} in all"
    what = {"labels": "Labels", "counts": "Counts"}.get(understood["feedback"], "Ratings")
    on = "" if scale is None else f" on a scale of {scale[0]:g} to {scale[1]:g}"
    if least is None:
        return f"{what}{on}: every row is a positive, {positives:,} in all"
    none = "" if positives else "; say what counts as liked (--positive-from) or the scale (--scale)"
    return f"{what}{on}; {least:g} or more is a positive: {share}{none}"


def times(understood: Mapping[str, Any]) -> str:
    """Say what the times are and how many events they leave without an order."""
    if understood["time_kind"] is None:
        return "No times: histories have no order"
    what = "dates" if understood["time_kind"] == "dates" else "an order, no dates"
    said = f"Times are {what}, from {understood['from']} to {understood['to']}"
    share = understood["tied_share"]
    if share < _WORTH_SAYING:
        return said
    how = "the order of the file decides" if understood["ties"] == "file" else "chance decides"
    return (
        f"{said}; {share:.0%} of the events are tied with another one of the same user, of which {how} what came first"
    )


def _other_notes(understood: Mapping[str, Any]) -> list[str]:
    said = set(understood["dropped"])
    return [note for note in understood["notes"] if note not in said and not note.startswith("columns: ")]
