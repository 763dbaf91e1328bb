"""Settings, declared once as fields of frozen dataclasses, for validation, forms, help and run records."""

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
from typing import Any, ClassVar, Self

from recdash.errors import (
    UsageError,
    short_repr,
    unknown_name,
)

_KEY = "recdash"
DEFAULT_SPLIT_SEED = 98765  # of the program of Liang et al. (WWW 2018)
HIGHEST_SEED = 2**32 - 1  # limit of numpy's RandomState


@dataclass(frozen=True)
class Setting:
    """The declaration of one setting.

    Attributes:
        name: Name of the field.
        kind: "int", "float", "bool", "str" or "ints" (a tuple of whole numbers).
        optional: Whether None is allowed.
        default: Default value.
        low: Lowest allowed number, inclusive; None without a bound.
        high: Highest allowed number, inclusive; None without a bound.
        choices: Allowed values, if they are fixed names.
        unit: Unit of the value, or "".
        help: Meaning, as a phrase that completes "It is ...".
    """

    name: str
    kind: str
    optional: bool
    default: Any
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    unit: str
    help: str

    def problem(self, value: Any) -> str | None:
        """Return why the value is invalid; None if it is valid."""
        if value is None:
            return None if self.optional else self._message(value, f"is not {self._type_name()}")
        if not self._type_fits(value):
            return self._message(value, f"is not {self._type_name()}")
        if self.choices and value not in self.choices:
            return self._message(value, f"is none of {', '.join(self.choices)}")
        numbers = value if self.kind == "ints" else (value,)
        if self.kind in ("int", "float", "ints") and not all(self._inside(number) for number in numbers):
            return self._message(value, f"is outside {self.bounds()}")
        return None

    def parse(self, text: str) -> Any:
        """Parse text from the command line or a form. Invalid text is returned unchanged, for `problem` to report."""
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
        """Return the interval of allowed values, such as "[0, inf)"."""
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

    def _type_name(self) -> str:
        noun = {
            "int": "a whole number",
            "float": "a number",
            "bool": "true or false",
            "str": "a text",
            "ints": "a list of whole numbers",
        }
        return noun[self.kind]

    def _message(self, value: Any, what: str) -> str:
        return f"{self.name} = {short_repr(value)} {what}. Meaning: {self.help}. Example: {self.default!r}."


def whole_number(what: str, value: Any, low: int, high: int = sys.maxsize) -> int:
    """Return an argument as a whole number (numpy integers are accepted).

    Args:
        what: Name of the argument, for the message.
        value: The argument.
        low: Lowest allowed value.
        high: Highest allowed value.

    Raises:
        UsageError: The value is not a whole number in this range.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not low <= int(value) <= high:
        upwards = "" if high == sys.maxsize else f" to {high}"
        raise UsageError(f"{what} = {short_repr(value)} is not a whole number from {low}{upwards}. For example: {low}.")
    return int(value)


def real_number(what: str, value: Any) -> float:
    """Return an argument as a finite float (numpy numbers are accepted). Raises UsageError for anything else."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not _is_finite(value):
        raise UsageError(f"{what} = {short_repr(value)} is not a number. For example: 4.")
    return float(value)


def known_name(what: str, value: Any, known: Iterable[str]) -> str:
    """Return an argument that is a known name. Raises UsageError, listing the known names, for anything else."""
    names = list(known)
    if not isinstance(value, str) or value not in names:
        raise unknown_name(what, value, names)
    return value


def name_list(given: Any) -> list[str]:
    """Return a list of names, given as a list or as text separated by commas.

    Raises UsageError if the argument is not a list of texts.
    """
    if isinstance(given, str):
        return [part.strip() for part in given.split(",") if part.strip()]
    try:
        names = list(given)
    except TypeError as error:
        raise UsageError(f"Expected a list of names, found {short_repr(given)}. Give a list of texts.") from error
    for name in names:
        if not isinstance(name, str):
            raise UsageError(f"Expected names, found {short_repr(name)} among them. Give a list of texts.")
    return names


def check_callable(what: str, value: Any) -> None:
    """Raise UsageError unless the value is None or can be called."""
    if value is not None and not callable(value):
        raise UsageError(f"{what} = {short_repr(value)} is not callable. Give a function, or leave it out.")


def setting(
    default: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    unit: str = "",
    help: str,
) -> Any:
    """Declare one field of a config dataclass; `help` is a noun phrase without article or full stop."""
    metadata = {_KEY: {"low": low, "high": high, "choices": choices, "unit": unit, "help": help}}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Base class of frozen, validated groups of settings. All problems are raised together as one UsageError.

    Attributes:
        search_space: What `recdash tune` searches by default: the values of settings by name, as texts such as
            "log:1e-4..1e-2", "0.1..0.7" or "choice:64,100,200" (`recdash.tuning.search_space`). Models declare theirs.
    """

    search_space: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        given = {declared.name: getattr(self, declared.name) for declared in settings_of(type(self))}
        for name, value in self.checked(given).items():
            object.__setattr__(self, name, value)
        self._raise_all(self.conflicts())

    def conflicts(self) -> list[str]:
        """Return problems between settings that are valid individually. Models override this."""
        return []

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return some of the settings as plain values. Raises UsageError, listing all invalid or unknown ones."""
        declared = {s.name: s for s in settings_of(cls)}
        plain = {name: _plain(value) for name, value in values.items()}
        cls._raise_all([problem for name in plain if (problem := cls._lookup(name, declared).problem(plain[name]))])
        return plain

    @classmethod
    def _lookup(cls, name: str, declared: Mapping[str, Setting]) -> Setting:
        if name not in declared:
            raise unknown_name(f"{cls.__name__} setting", name, declared)
        return declared[name]

    @classmethod
    def _raise_all(cls, problems: list[str]) -> None:
        if problems:
            raise UsageError(" ".join(f"{cls.__name__}.{problem}" for problem in problems))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        values = {s.name: getattr(self, s.name) for s in settings_of(type(self))}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def to_json(self) -> str:
        """Return the settings as one JSON object with sorted names."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values. Raises UsageError, listing the known names, for an unknown one."""
        return cls(**cls.checked(values))

    @classmethod
    def parse(cls, pairs: Mapping[str, str]) -> dict[str, Any]:
        """Parse `name=text` pairs by the declared kinds. Raises UsageError for unknown names."""
        declared = {s.name: s for s in settings_of(cls)}
        return {name: cls._lookup(name, declared).parse(text) for name, text in pairs.items()}


def format_setting(value: object) -> str:
    """Return the value of a setting as a form takes it: "600-200" for layer widths, "off" for None."""
    if value is None:
        return "off"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return "-".join(str(part) for part in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def settings_of(config: type[Config]) -> tuple[Setting, ...]:
    """Return the settings of a config class, in order of declaration."""
    key: Any = config  # mypy does not see that a class is hashable
    return _settings_of(key)


def _plain(value: Any) -> Any:
    """Convert numpy numbers to Python numbers, and a list or array to a tuple."""
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        value = value.tolist()
    return tuple(_plain(one) for one in value) if isinstance(value, list | tuple) else value


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except (OverflowError, TypeError, ValueError):  # an integer too large for a float, or another kind of number
        return False


@cache
def _settings_of(config: Any) -> tuple[Setting, ...]:
    hints = typing.get_type_hints(config)
    declared = [field for field in dataclasses.fields(config) if _KEY in field.metadata]
    return tuple(_setting_of_field(field, hints[field.name]) for field in declared)


def _setting_of_field(field: dataclasses.Field[Any], hint: Any) -> Setting:
    optional = isinstance(hint, types.UnionType) and type(None) in typing.get_args(hint)
    if optional:
        (hint,) = [part for part in typing.get_args(hint) if part is not type(None)]
    kind = "ints" if typing.get_origin(hint) is tuple else hint.__name__
    return Setting(name=field.name, kind=kind, optional=optional, default=field.default, **field.metadata[_KEY])
