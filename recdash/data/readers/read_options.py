"""What somebody can say about a file of interactions; whatever is left out is found from the file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from recdash.data.time_ties import RULES, TieRule
from recdash.errors import UsageError, shown
from recdash.settings import known_name, real_number, whole_number

NONE = "none"  # as the name of a column: there is none
ROLES = ("user", "item", "rating", "time")
FORMATS = ("table", "wide", "blocks", "lists", "json", "parquet")
_SCALE = re.compile(r"\s*(-?[\d.]+)\s*(?:\.\.|to|:)\s*(-?[\d.]+)\s*")
USUAL_SKIP = 0.01


@dataclass(frozen=True)
class ReadOptions:
    """Options of `readers.csv.read`.

    user, item, rating, time: a column by name (upper or lower case) or number from 1; "none" says there is none.
    titles: a file of item titles.  delimiter, encoding: as they are in the file.  header: whether the first row names
    the columns.  quotes: False when double quotes are letters.  format: see `FORMATS`.  time_format: as strftime
    writes.  scale: lowest and highest possible rating.  positive_from: lowest rating that counts as liked.
    min_positives: of each user that is used.  ignore_ratings: values that mean "not rated"; their rows are left out.
    ties: what orders events of one user at the same time, where an order is read.
    skip_bad: leave bad rows out, up to this share of all (True: one in a hundred); False refuses the file.
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
    def of(cls, **words: Any) -> Self:
        """Read options as people give them, text or values; raises UsageError for a wrong one."""
        known = {field.name for field in fields(cls)}
        if unknown := set(words) - known:
            raise UsageError(
                f"There is no option {sorted(unknown)[0]!r} for a file. Known: {', '.join(sorted(known))}."
            )
        given = {name: value for name, value in words.items() if value is not None}
        for role in ROLES:
            column = given.get(role)
            if isinstance(column, bool) or (isinstance(column, int) and column < 1):
                raise UsageError(
                    f"{role}: columns count from 1, found {shown(column)}. Give a name or a number from 1."
                )
        if "scale" in given:
            given["scale"] = scale_of(given["scale"])
        if "positive_from" in given:
            given["positive_from"] = _number("positive_from", given["positive_from"])
        if "min_positives" in given:
            given["min_positives"] = whole_number("min_positives", given["min_positives"], 1)
        if "ignore_ratings" in given:
            given["ignore_ratings"] = numbers_of(given["ignore_ratings"])
        if "ties" in given:
            known_name("tie rule", given["ties"], RULES)
        if "skip_bad" in given:
            given["skip_bad"] = _share(given["skip_bad"])
        if "titles" in given:
            given["titles"] = Path(given["titles"])
        if given.get("format") not in (None, *FORMATS):
            raise UsageError(f"There is no format {shown(given['format'])}. Known: {', '.join(FORMATS)}.")
        return cls(**given)

    def given(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }

    def with_defaults(self, **usual: Any) -> Self:
        """Fill in options that were not given."""
        return replace(self, **{name: value for name, value in usual.items() if getattr(self, name) is None})


def scale_of(given: Any) -> tuple[float, float]:
    """Read a scale: "1..5", or two numbers."""
    parts = given
    if isinstance(given, str):
        found = _SCALE.fullmatch(given)
        parts = found.groups() if found else ()
    try:
        low, high = (_number("scale", part) for part in parts)
    except (TypeError, ValueError):
        raise UsageError(f"scale: expected the lowest and highest rating, found {shown(given)}. Write 1..5.") from None
    if not low < high:
        raise UsageError(f"scale: {low:g} to {high:g} does not rise. Give the lowest rating first, for example 1..5.")
    return low, high


def numbers_of(given: Any) -> tuple[float, ...]:
    """Read one number, several, or text with commas between them."""
    given = [given] if isinstance(given, str) or not isinstance(given, Iterable) else given
    listed = [part for one in given for part in (one.split(",") if isinstance(one, str) else [one])]
    return tuple(dict.fromkeys(_number("ignore_ratings", part) for part in listed))


def _number(what: str, given: Any) -> float:
    if isinstance(given, str):
        with suppress(ValueError):
            given = float(given)
    return real_number(what, given)


def _share(given: Any) -> float:
    if isinstance(given, bool):
        return USUAL_SKIP if given else 0.0
    text = str(given).strip()
    share = _number("skip_bad", text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= share < 1:
        raise UsageError(f"skip_bad: expected a share of all rows, found {shown(given)}. Write for example 5%.")
    return share
