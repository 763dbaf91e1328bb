"""Formatting for people: Markdown escaping, durations, ages, counts, lists."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")  # all ASCII punctuation; Markdown allows a backslash before each
_SHORTCODE = re.compile(r":(?=[\w+-]+(?:/[\w+-]+)?:)")
_JOINER = "\u2060"  # word joiner, no width: keeps ":name:" from becoming an emoji
_ARROWS = re.compile(r"(?<!\S)(<?-{1,2}>?|[<>~]=)(?!\S)")


def escape(text: str) -> str:
    r"""Return text that Markdown shows unchanged: `M*A*S*H`, `$1,000,000 Duck`, `<b>x</b>`, `:tada:`."""
    line = " ".join(text.split())
    line = _SHORTCODE.sub(f":{_JOINER}", line)
    line = _ARROWS.sub(lambda match: _JOINER.join(match[1]), line)
    return _PUNCTUATION.sub(r"\\\1", line)


def duration(seconds: float | None, none: str = "–") -> str:
    """Return a duration for people: "0.4 s", "12 s", "3 min 5 s", "2 h 10 min"; `none` if it is unknown."""
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
    """Return the approximate age of a time in seconds: "just now", "5 min ago", "3 days ago"; "–" for None."""
    if moment is None:
        return "–"
    seconds = max(0.0, (time.time() if now is None else now) - moment)
    for size, word in ((86400 * 30, "month"), (86400, "day"), (3600, "h"), (60, "min")):
        count = int(seconds // size)
        if count:
            return f"{count} {word}{'s' if count > 1 and word in ('day', 'month') else ''} ago"
    return "just now"


def count(number: float | None) -> str:
    """Return a whole number with thousands separators: 1,000,209; "–" for None."""
    return "–" if number is None else f"{number:,.0f}"


def byte_size(n_bytes: int) -> str:
    """Return a number of bytes for people: "640 KiB", "35 MiB", "1.4 GiB"."""
    if n_bytes < 1 << 20:
        return f"{n_bytes / 2**10:,.0f} KiB"
    return f"{n_bytes / 2**20:,.0f} MiB" if n_bytes < 1 << 30 else f"{n_bytes / 2**30:,.1f} GiB"


def plural(number: int, singular: str, plural_form: str | None = None) -> str:
    """Return a number with its noun: "1 run", "3 runs"."""
    return f"{number:,} {singular if number == 1 else plural_form or singular + 's'}"


def listed(items: Iterable[str], last: str = "and") -> str:
    """Return an enumeration: "a", "a and b", "a, b and c"."""
    *head, tail = list(items) or [""]
    return f"{', '.join(head)} {last} {tail}" if head else tail
