"""Settings declared once, as fields of frozen dataclasses; forms, help, records and validation read them there."""

from __future__ import annotations

import dataclasses
import json
import math
import numbers
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

from recdash.errors import UsageError, shown, unknown

_KEY = "recdash"
DEFAULT_SPLIT_SEED = 98765  # of Liang et al. (WWW 2018), and the default everywhere
HIGHEST_SEED = 2**32 - 1  # as numpy's RandomState wants it


@dataclass(frozen=True)
class Setting:
    """What is known about one setting: its type, default, bounds (both inclusive), choices, unit and meaning."""

    name: str
    kind: str  # "int", "float", "bool", "str" or "ints" (a tuple of whole numbers)
    optional: bool
    default: Any
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    unit: str
    help: str

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with the value, or None."""
        if value is None:
            return None if self.optional else self._wrong(value, f"is not {self._noun()}")
        if not self._type_fits(value):
            return self._wrong(value, f"is not {self._noun()}")
        if self.choices and value not in self.choices:
            return self._wrong(value, f"is none of {', '.join(self.choices)}")
        numbers = value if self.kind == "ints" else (value,)
        if self.kind in ("int", "float", "ints") and not all(self._inside(number) for number in numbers):
            return self._wrong(value, f"is outside {self.bounds()}")
        return None

    def parse(self, text: str) -> Any:
        """Turn text from a command line or a form into a value; unreadable text comes back as it is, for `problem`."""
        plain = text.strip()
        if self.optional and plain.lower() in ("", "none", "off"):
            return None
        try:
            if self.kind == "int":
                return int(plain)
            if self.kind == "float":
                return float(plain)
            if self.kind == "ints":
                return tuple(int(part) for part in plain.strip("()[] ").replace("-", ",").split(",") if part.strip())
        except ValueError:
            return text
        if self.kind == "bool":
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(
                plain.lower(), text
            )
        return plain

    def bounds(self) -> str:
        """Return the interval of allowed values in mathematical brackets."""
        left = "(-inf" if self.low is None else f"[{self.low:g}"
        right = "inf)" if self.high is None else f"{self.high:g}]"
        return f"{left}, {right}"

    def _type_fits(self, value: Any) -> bool:
        if self.kind == "ints":
            return isinstance(value, tuple) and all(type(number) is int for number in value)
        if self.kind == "float":
            return type(value) in (int, float) and _is_finite(value)
        return type(value).__name__ == self.kind

    def _inside(self, number: float) -> bool:
        return (self.low is None or number >= self.low) and (self.high is None or number <= self.high)

    def _noun(self) -> str:
        noun = {
            "int": "a whole number",
            "float": "a number",
            "bool": "true or false",
            "str": "a word",
            "ints": "a list of whole numbers",
        }
        return noun[self.kind]

    def _wrong(self, value: Any, what: str) -> str:
        return f"{self.name} = {shown(value)} {what}. It is {self.help}, for example {self.default!r}."


def whole_number(what: str, value: Any, low: int, high: int = sys.maxsize) -> int:
    """Return a whole number that somebody gave, numpy's too; raises UsageError, naming it, for anything else."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not low <= int(value) <= high:
        upwards = "" if high == sys.maxsize else f" to {high}"
        raise UsageError(f"{what} = {shown(value)} is not a whole number from {low}{upwards}. Give for example {low}.")
    return int(value)


def real_number(what: str, value: Any) -> float:
    """Return a finite number that somebody gave, numpy's too; raises UsageError, naming it, for anything else."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not _is_finite(value):
        raise UsageError(f"{what} = {shown(value)} is not a number. Give for example 4.")
    return float(value)


def known_name(what: str, value: Any, known: Iterable[str]) -> str:
    """Return a name that somebody gave; raises UsageError, listing the known ones, for anything else."""
    names = list(known)
    if not isinstance(value, str) or value not in names:
        raise unknown(what, value, names)
    return value


def as_names(given: Any) -> list[str]:
    """Return names that somebody gave as a list; one text is a list separated by commas, as on the command line.

    Raises UsageError for what is no list of texts.
    """
    if isinstance(given, str):
        return [part.strip() for part in given.split(",") if part.strip()]
    try:
        names = list(given)
    except TypeError as error:
        raise UsageError(f"Expected a list of names, found {shown(given)}. Give a list of texts.") from error
    for name in names:
        if not isinstance(name, str):
            raise UsageError(f"Expected names, found {shown(name)} among them. Give a list of texts.")
    return names


def callback(what: str, value: Any) -> None:
    """Raise UsageError unless the value is None or can be called."""
    if value is not None and not callable(value):
        raise UsageError(f"{what} = {shown(value)} cannot be called. Give a function, or nothing.")


def setting(
    default: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    unit: str = "",
    help: str,
) -> Any:
    """Declare one field of a config dataclass; `help` completes the sentence "It is ..."."""
    metadata = {_KEY: {"low": low, "high": high, "choices": choices, "unit": unit, "help": help}}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Config:
    """A frozen, validated group of settings. All problems are collected and raised together as one UsageError."""

    def __post_init__(self) -> None:
        given = {declared.name: getattr(self, declared.name) for declared in settings_of(type(self))}
        for name, value in self.checked(given).items():
            object.__setattr__(self, name, value)
        self._refuse(self.conflicts())

    def conflicts(self) -> list[str]:
        """Return what is wrong between settings that are each fine alone; models override this."""
        return []

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return some of the settings as plain values; raises UsageError that tells all that are wrong, or unknown."""
        declared = {s.name: s for s in settings_of(cls)}
        plain = {name: _plain(value) for name, value in values.items()}
        cls._refuse([problem for name in plain if (problem := cls._declared(name, declared).problem(plain[name]))])
        return plain

    @classmethod
    def _declared(cls, name: str, declared: Mapping[str, Setting]) -> Setting:
        if name not in declared:
            raise unknown(f"setting of {cls.__name__} called", name, declared)
        return declared[name]

    @classmethod
    def _refuse(cls, problems: list[str]) -> None:
        if problems:
            raise UsageError(" ".join(f"{cls.__name__}.{problem}" for problem in problems))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values that JSON can hold."""
        values = {s.name: getattr(self, s.name) for s in settings_of(type(self))}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def to_json(self) -> str:
        """Return the settings as one JSON object with sorted names."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values; an unknown name is an error that lists the known ones."""
        return cls(**cls.checked(values))

    @classmethod
    def parse(cls, pairs: Mapping[str, str]) -> dict[str, Any]:
        """Turn `name=text` pairs into values by the declared kinds; unknown names are errors."""
        declared = {s.name: s for s in settings_of(cls)}
        return {name: cls._declared(name, declared).parse(text) for name, text in pairs.items()}


def settings_of(config: type[Config]) -> tuple[Setting, ...]:
    """Return the declared settings of a config class, in order of declaration."""
    key: Any = config  # mypy does not see that a class is hashable
    return _settings_of(key)


def _plain(value: Any) -> Any:
    """Return numpy's numbers as Python's, and a list or array as a tuple."""
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        value = value.tolist()
    return tuple(_plain(one) for one in value) if isinstance(value, list | tuple) else value


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except (OverflowError, TypeError, ValueError):  # a whole number that no float holds, a number of another kind
        return False


@cache
def _settings_of(config: Any) -> tuple[Setting, ...]:
    hints = typing.get_type_hints(config)
    declared = [field for field in dataclasses.fields(config) if _KEY in field.metadata]
    return tuple(_read(field, hints[field.name]) for field in declared)


def _read(field: dataclasses.Field[Any], hint: Any) -> Setting:
    optional = isinstance(hint, types.UnionType) and type(None) in typing.get_args(hint)
    if optional:
        (hint,) = [part for part in typing.get_args(hint) if part is not type(None)]
    kind = "ints" if typing.get_origin(hint) is tuple else hint.__name__
    return Setting(name=field.name, kind=kind, optional=optional, default=field.default, **field.metadata[_KEY])
