"""Conditions on runs: what `recdash.analysis.run_filter` makes of a field, an operator and values."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeAlias

from recdash.analysis.run_fields import (
    AGES,
    CONTAINS,
    DURATIONS,
    FLAGS,
    NUMBERS,
    TEXTS,
    UNITS,
    Context,
    is_metric,
    metric_of,
    parse_date,
    setting_of,
    setting_text,
)
from recdash.errors import UsageError, quote
from recdash.evaluation.selection_metric import SELECTION_METRIC_NAMES
from recdash.runs.run_records import RunRecord

Condition: TypeAlias = Callable[[RunRecord, Context], bool]
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TRUTH = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_DAY = 86400.0
_REGEX_MEMORY = 1 << 20  # bytes of a compiled regular expression


class FilterError(UsageError):
    """A filter is malformed; the message names the character.

    Attributes:
        position: Index of the character in the query.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"{message} (character {position + 1}).")
        self.position = position


@dataclass(frozen=True)
class Value:
    """A value in a query, with its position and whether it was quoted."""

    text: str
    position: int
    quoted: bool


def condition(
    field: str, comparison: str, values: Sequence[Value], settings: Collection[str] | None, position: int
) -> Condition:
    """Return the condition `field comparison value, value...`.

    Args:
        field: Name of the field, in lower case.
        comparison: ":", "=", "!=", "<", "<=", ">" or ">=".
        values: At least one value.
        settings: Known names of settings; None accepts any name.
        position: Index of the field in the query.

    Raises:
        FilterError: The field is unknown, or a value does not fit it.
    """
    if comparison == "!=":
        equal = condition(field, "=", values, settings, position)
        return lambda run, context: not equal(run, context)
    if comparison in _COMPARE and len(values) > 1:
        raise FilterError(f"{quote(field + comparison)} takes one value", values[1].position)
    if field == "group":
        return _comparable(tuple(value.text.casefold() for value in values))
    if field in TEXTS or field in FLAGS:
        if comparison in _COMPARE:
            raise FilterError(f"{field} is not a number. Use {field}:value", position)
        return _flag(field, values) if field in FLAGS else _text(field, comparison, values)
    if field in DURATIONS:
        return _any([_duration(field, comparison, value) for value in values])
    if field in NUMBERS or is_metric(field):
        return _any([_number(field, comparison, value) for value in values])
    if settings is None or field in settings:
        return _any([_setting(field, comparison, value) for value in values])
    raise _unknown_field(field, settings, position)


def regex(field: str, pattern: Any, position: int) -> Condition:
    """Return the condition that a text field contains a match of a regular expression."""
    if field not in TEXTS:
        raise FilterError(
            f"{quote(field)} is not a text field. Regular expressions search {', '.join(TEXTS)}", position
        )
    values = TEXTS[field]
    return lambda run, context: any(pattern.search(value) for value in values(run))


def compile_regex(pattern: str, position: int) -> Any:
    """Compile a regular expression whose search takes time linear in the text; raises FilterError.

    Python's `re` backtracks: the time of a pattern such as (a+)+$, which any visitor may type, grows exponentially.
    """
    import re2  # lazy: few filters have a regular expression

    options = re2.Options()
    options.case_sensitive, options.dot_nl, options.log_errors = False, True, False
    options.max_mem = _REGEX_MEMORY
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0]
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise FilterError(f"Invalid regular expression: {text}", position) from error


def _any(conditions: Sequence[Condition]) -> Condition:
    if len(conditions) == 1:
        return conditions[0]
    return lambda run, context: any(one(run, context) for one in conditions)


def _text(field: str, comparison: str, values: Sequence[Value]) -> Condition:
    texts_of, contains = TEXTS[field], field in CONTAINS and comparison == ":"
    wanted = [(value.text.casefold(), comparison == "=" or value.quoted) for value in values]

    def fits(text: str, value: str, whole: bool) -> bool:
        return value in text if contains else text == value if whole else text.startswith(value)

    def check(run: RunRecord, _: Context) -> bool:
        texts = [text.casefold() for text in texts_of(run)]
        return any(fits(text, value, whole) for value, whole in wanted for text in texts)

    return check


def _flag(field: str, values: Sequence[Value]) -> Condition:
    wanted = set()
    for value in values:
        if value.text.casefold() not in _TRUTH:
            raise FilterError(f"{field} is yes or no, found {quote(value.text)}", value.position)
        wanted.add(_TRUTH[value.text.casefold()])
    holds = FLAGS[field]
    return lambda run, context: holds(run, context) in wanted


def _comparable(ids: tuple[str, ...]) -> Condition:
    def check(run: RunRecord, context: Context) -> bool:
        keys = context.cache.get(ids)
        if keys is None:
            keys = {key for run_id, key in context.groups.items() if run_id.startswith(ids)}
            context.cache[ids] = keys
        return context.groups.get(run.id) in keys

    return check


def _number(field: str, comparison: str, value: Value) -> Condition:
    wanted = _parse_number(field, value)
    if field in NUMBERS:
        read = NUMBERS[field]
        return lambda run, _: _holds(read(run), comparison, wanted)
    return lambda run, _: _holds(metric_of(run, field), comparison, wanted)


def _duration(field: str, comparison: str, value: Value) -> Condition:
    read, date = DURATIONS[field], parse_date(value.text) if field in AGES else None
    if date is not None and comparison in (":", "="):
        return lambda run, context: _is_within_day(read(run, context.now), context.now, date)
    if date is not None:
        return lambda run, context: _holds(_moment(read(run, context.now), context.now), comparison, date)
    number = value.text.casefold().rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = value.text.casefold()[len(number) :]
    if unit and unit not in UNITS:
        expected = "30s, 5min, 2h, 7d or 1w" + (", or a date such as 2026-11-01" if field in AGES else "")
        raise FilterError(f"{quote(value.text)} is not a time. Write {expected}", value.position)
    comparison = "<=" if comparison == ":" else comparison
    wanted = _parse_number(field, Value(number, value.position, value.quoted)) * UNITS.get(unit, 1)
    return lambda run, context: _holds(read(run, context.now), comparison, wanted)


def _setting(field: str, comparison: str, value: Value) -> Condition:
    if comparison in _COMPARE:
        wanted = _parse_number(field, value)
        return lambda run, _: any(
            _holds(one, comparison, wanted) for one in setting_of(run, field) if isinstance(one, int | float)
        )
    text = value.text.casefold()
    number = _float(text)

    def check(run: RunRecord, _: Context) -> bool:
        for found in setting_of(run, field):
            if number is not None and isinstance(found, int | float) and not isinstance(found, bool):
                return _holds(found, "=", number)
            shown = setting_text(found).casefold()
            return shown == text or (found is None and text == "none") or (comparison == ":" and _starts(shown, value))
        return False

    return check


def _starts(shown: str, value: Value) -> bool:
    return not value.quoted and shown.startswith(value.text.casefold())


def _holds(found: float | None, comparison: str, wanted: float) -> bool:
    if found is None:
        return False
    if comparison in _COMPARE:
        return _COMPARE[comparison](found, wanted)
    try:
        return math.isclose(found, wanted, rel_tol=1e-9)
    except OverflowError:  # an integer beyond the largest float
        return False


def _moment(age: float | None, now: float) -> float | None:
    return None if age is None else now - age


def _is_within_day(age: float | None, now: float, date: float) -> bool:
    return age is not None and date <= now - age < date + _DAY


def _parse_number(field: str, value: Value) -> float:
    percent = value.text.endswith("%")
    number = _float(value.text.removesuffix("%"))
    if number is None:
        name = field if field.isprintable() and len(field) < 40 else quote(field)
        raise FilterError(f"{name} is compared with a number, found {quote(value.text)}", value.position)
    return number / 100 if percent else number


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _unknown_field(field: str, settings: Collection[str], position: int) -> FilterError:
    known = [*TEXTS, *NUMBERS, *DURATIONS, *FLAGS, "group", *SELECTION_METRIC_NAMES, *sorted(settings)]
    near = get_close_matches(field, known, n=1)
    guess = f" Did you mean {near[0]}?" if near else ' Quote it to search for the text, as in "a:b"'
    return FilterError(f"Unknown field {quote(field)}.{guess}", position)
