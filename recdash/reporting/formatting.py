"""Words and numbers for people: titles shown as they are, times and sizes in plain language."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable

_MARKS = re.compile(r"([!-/:-@\[-`{-~])")  # every ASCII mark; Markdown takes a backslash before any of them
_SHORTCODE = re.compile(r":(?=[\w+-]+(?:/[\w+-]+)?:)")
_JOINER = "\u2060"  # no width: it only keeps ":name:" from becoming a picture
_ARROWS = re.compile(r"(?<!\S)(<?-{1,2}>?|[<>~]=)(?!\S)")


def escape(text: str) -> str:
    r"""Return text that Markdown shows as it is: `M*A*S*H`, `$1,000,000 Duck`, `<b>x</b>`, `:tada:`."""
    whole = " ".join(text.split())
    whole = _SHORTCODE.sub(f":{_JOINER}", whole)
    whole = _ARROWS.sub(lambda found: _JOINER.join(found[1]), whole)
    return _MARKS.sub(r"\\\1", whole)


def duration(seconds: float | None, none: str = "–") -> str:
    """Return a duration as people say it: "0.4 s", "12 s", "3 min 5 s", "2 h 10 min"; `none` where there is none."""
    if seconds is None or not math.isfinite(seconds):
        return none
    if seconds < 0.05:
        return "under 0.1 s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def ago(moment: float | None, now: float | None = None) -> str:
    """Return how long ago a moment was, roughly: "just now", "5 min ago", "3 days ago"; "–" for none."""
    if moment is None:
        return "–"
    seconds = max(0.0, (time.time() if now is None else now) - moment)
    for size, word in ((86400 * 30, "month"), (86400, "day"), (3600, "h"), (60, "min")):
        count = int(seconds // size)
        if count:
            return f"{count} {word}{'s' if count > 1 and word in ('day', 'month') else ''} ago"
    return "just now"


def count(number: float | None) -> str:
    """Return a whole number with thin groups of three: 1,000,209; "–" for none."""
    return "–" if number is None else f"{number:,.0f}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: "1 run", "3 runs"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(words: Iterable[str], last: str = "and") -> str:
    """Return words as an enumeration: "a", "a and b", "a, b and c"."""
    *head, tail = list(words) or [""]
    return f"{', '.join(head)} {last} {tail}" if head else tail


def setting(value: object) -> str:
    """Return the value of a setting as it is written in a form: 600-200 for widths, "off" for none."""
    if value is None:
        return "off"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return "-".join(str(part) for part in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
