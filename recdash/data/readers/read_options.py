"""Options for reading a file of interactions; unset options are detected from the file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from recdash.data.time_ties import TIE_RULES, TieRule
from recdash.errors import UsageError, short_repr
from recdash.settings import known_name, real_number, whole_number

NONE = "none"  # given in place of a column: the file has no such column
ROLES = ("user", "item", "rating", "time")
FORMATS = ("table", "wide", "blocks", "lists", "json", "parquet")
_SCALE = re.compile(r"\s*(-?[\d.]+)\s*(?:\.\.|to|:)\s*(-?[\d.]+)\s*")
DEFAULT_SKIP_SHARE = 0.01  # of all rows, for skip_bad=True


@dataclass(frozen=True)
class ReadOptions:
    """Options of `interactions.read_file`; None means detect.

    Attributes:
        user: User column, by name (case-insensitive) or number from 1.
        item: Item column, likewise.
        rating: Rating column, likewise, or "none" if there is none.
        time: Time column, likewise, or "none" if there is none.
        titles: File of item titles.
        delimiter: Separator between columns.
        encoding: Text encoding, as Python names it.
        header: Whether the first row names the columns.
        quotes: False if double quotes are ordinary characters, True if quoted fields may span lines.
        format: One of `FORMATS`.
        time_format: Format of times, as for `strftime`.
        scale: Lowest and highest possible rating.
        positive_from: Lowest rating that counts as a positive.
        min_positives: Fewest positives of a user in a split.
        ignore_ratings: Values that mean "not rated"; their rows are skipped.
        ties: Rule that orders events of one user at the same time.
        skip_bad: Largest share of bad rows to skip; 0 makes the first bad row an error.
    """

    user: str | int | None = None
    item: str | int | None = None
    rating: str | int | None = None
    time: str | int | None = None
    titles: Path | None = None
    delimiter: str | None = None
    encoding: str | None = None
    header: bool | None = None
    quotes: bool | None = None
    format: str | None = None
    time_format: str | None = None
    scale: tuple[float, float] | None = None
    positive_from: float | None = None
    min_positives: int | None = None
    ignore_ratings: tuple[float, ...] = ()
    ties: TieRule | None = None
    skip_bad: float = 0.0

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Parse options given as text or as values.

        Args:
            **values: Options by name; None counts as not given. scale may be "1..5", skip_bad True or "5%".

        Raises:
            UsageError: An option is unknown or its value invalid.
        """
        known = {field.name for field in fields(cls)}
        if unknown := set(values) - known:
            raise UsageError(
                f"Unknown option for reading a file: {sorted(unknown)[0]!r}. Known: {', '.join(sorted(known))}."
            )
        values = {name: value for name, value in values.items() if value is not None}
        for role in ROLES:
            column = values.get(role)
            if isinstance(column, bool) or (isinstance(column, int) and column < 1):
                raise UsageError(
                    f"{role}: columns are numbered from 1, found {short_repr(column)}. Give a name or a number from 1."
                )
        if "scale" in values:
            values["scale"] = parse_scale(values["scale"])
        if "positive_from" in values:
            values["positive_from"] = _parse_number("positive_from", values["positive_from"])
        if "min_positives" in values:
            values["min_positives"] = whole_number("min_positives", values["min_positives"], 1)
        if "ignore_ratings" in values:
            values["ignore_ratings"] = parse_numbers(values["ignore_ratings"])
        if "ties" in values:
            known_name("tie rule", values["ties"], TIE_RULES)
        if "skip_bad" in values:
            values["skip_bad"] = _parse_share(values["skip_bad"])
        if "titles" in values:
            values["titles"] = Path(values["titles"])
        if values.get("format") not in (None, *FORMATS):
            raise UsageError(f"Unknown format: {short_repr(values['format'])}. Known: {', '.join(FORMATS)}.")
        return cls(**values)

    def given(self) -> dict[str, Any]:
        """Return the options that differ from their defaults."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }

    def with_defaults(self, **defaults: Any) -> Self:
        """Return these options, with defaults for those that are None."""
        return replace(self, **{name: value for name, value in defaults.items() if getattr(self, name) is None})


def parse_scale(given: Any) -> tuple[float, float]:
    """Parse a rating scale: "1..5", or two numbers."""
    parts = given
    if isinstance(given, str):
        match = _SCALE.fullmatch(given)
        parts = match.groups() if match else ()
    try:
        low, high = (_parse_number("scale", part) for part in parts)
    except (TypeError, ValueError):
        raise UsageError(
            f"scale: expected the lowest and highest rating, found {short_repr(given)}. Write 1..5."
        ) from None
    if not low < high:
        raise UsageError(f"scale: {low:g} is not below {high:g}. Give the lowest rating first, for example 1..5.")
    return low, high


def parse_numbers(given: Any) -> tuple[float, ...]:
    """Parse one number, several, or comma-separated text."""
    given = [given] if isinstance(given, str) or not isinstance(given, Iterable) else given
    listed = [part for entry in given for part in (entry.split(",") if isinstance(entry, str) else [entry])]
    return tuple(dict.fromkeys(_parse_number("ignore_ratings", part) for part in listed))


def _parse_number(option: str, given: Any) -> float:
    if isinstance(given, str):
        with suppress(ValueError):
            given = float(given)
    return real_number(option, given)


def _parse_share(given: Any) -> float:
    if isinstance(given, bool):
        return DEFAULT_SKIP_SHARE if given else 0.0
    text = str(given).strip()
    share = _parse_number("skip_bad", text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= share < 1:
        raise UsageError(f"skip_bad: expected a share of all rows, found {short_repr(given)}. For example: 5%.")
    return share
