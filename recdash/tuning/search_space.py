"""Search spaces: which values of which settings a search tries, as text, from the config classes, and from files.

A space is one text per setting:

    log:1e-4..1e-2      uniform on a logarithmic scale
    0.1..0.7            uniform
    0.1..0.7 step 0.1   uniform over the multiples of a step, from the lower end
    choice:64,100,200   one of these values; layer widths are written as 600-200, "none" is no hidden layer
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recdash.errors import UsageError, short_repr, unknown_name
from recdash.settings import Config, Setting, format_setting, settings_of

OFF = "off"  # in place of a space: the setting keeps the preset's value
MAX_CHOICES = 200
_EXAMPLES = "Write log:1e-4..1e-2, 0.1..0.7, 0.1..0.7 step 0.1 or choice:64,100,200"
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(
    rf"(?:(log|linear)\s*:)?\s*({_NUMBER})\s*\.\.\s*({_NUMBER})(?:\s+step\s+({_NUMBER}))?", re.IGNORECASE
)


@dataclass(frozen=True)
class Dimension:
    """The values of one setting that a search tries.

    Attributes:
        name: Name of the setting.
        is_integer: Whether the values of a range are whole numbers.
        low, high: Ends of a range, inclusive; None for choices.
        log: Whether a range is searched on a logarithmic scale.
        step: Distance between the values of a range, from `low`; None for all values.
        choices: The values, if they are listed.
    """

    name: str
    is_integer: bool = False
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = ()

    @property
    def text(self) -> str:
        """The dimension as text, which `parse_dimension` reads."""
        if self.low is None or self.high is None:
            return f"choice:{','.join(_choice_text(value) for value in self.choices)}"
        ends = f"{self.low:.10g}..{self.high:.10g}"
        return f"{'log:' if self.log else ''}{ends}" + ("" if self.step is None else f" step {self.step:g}")

    def at(self, share: float) -> Any:
        """Return the value at a share of the dimension from 0 to 1: its inverse is `share_of`."""
        if self.low is None or self.high is None:
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        if self.log:
            value = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
            value = float(f"{value:.4g}")  # four digits are enough, and readable
        elif self.step is not None:
            n_steps = round((self.high - self.low) / self.step)
            value = float(f"{self.low + self.step * min(int(share * (n_steps + 1)), n_steps):.10g}")
        elif self.is_integer:
            value = self.low + min(math.floor(share * (self.high - self.low + 1)), self.high - self.low)
        else:
            value = float(f"{self.low + share * (self.high - self.low):.4g}")
        value = min(max(value, self.low), self.high)
        return round(value) if self.is_integer else value

    def share_of(self, value: Any) -> float | None:
        """Return where a value lies in the dimension, from 0 to 1; None for a value outside it."""
        if self.low is None or self.high is None:
            if value not in self.choices:
                return None
            return (self.choices.index(value) + 0.5) / len(self.choices)
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return None
        if self.high == self.low:
            return 0.5
        if self.log:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)

    def grid(self, points: int) -> tuple[Any, ...]:
        """Return the values of a grid: all listed or stepped values, or some points of a range, both ends included."""
        if self.low is None or self.high is None:
            return self.choices
        n_steps = round((self.high - self.low) / (self.step or 1.0))
        if self.step is not None or (self.is_integer and not self.log and n_steps < points):
            return tuple(dict.fromkeys(self.at((number + 0.5) / (n_steps + 1)) for number in range(n_steps + 1)))
        return tuple(dict.fromkeys(self.at(number / (points - 1)) for number in range(points)))


Space = tuple[Dimension, ...]


def parse_dimension(declared: Setting, text: str) -> Dimension:
    """Return the dimension of a setting.

    Args:
        declared: The setting.
        text: The values, as in this module's docstring; a list without "choice:" is a list of choices.

    Raises:
        UsageError: The text is none of the forms, or has a value that the setting does not allow.
    """
    plain = text.strip()
    found = _RANGE.fullmatch(plain)
    if found is not None:
        return _range(declared, plain, *found.groups())
    kind, colon, rest = plain.partition(":")
    if colon and kind.strip().lower() != "choice":
        raise UsageError(f"{declared.name}: {short_repr(text)} is not a search space. {_EXAMPLES}.")
    listed = rest if colon else plain
    if ".." in listed or not listed.strip():
        raise UsageError(f"{declared.name}: {short_repr(text)} is not a search space. {_EXAMPLES}.")
    return _choices(declared, [_parse_choice(declared, part) for part in listed.split(",") if part.strip()])


def parse_space(config: type[Config], texts: Mapping[str, str]) -> Space:
    """Return the space of a model from one text per setting; settings that are "off" are left out.

    Raises:
        UsageError: A setting is unknown, a text is invalid, or nothing is left to search.
    """
    known = {declared.name: declared for declared in settings_of(config)}
    for name in texts:
        if name not in known:
            raise unknown_name(f"{config.__name__} setting", name, known)
    return tuple(parse_dimension(known[name], text) for name, text in texts.items() if text.strip().lower() != OFF)


def declared_space(config: type[Config]) -> dict[str, str]:
    """Return the space that a config class declares, one text per setting; empty for a model without settings."""
    return dict(config.search_space)


def including(space: Space, values: Mapping[str, Any]) -> Space:
    """Return the space widened so that it includes some values, such as those of a preset."""
    return tuple(_including(dimension, values[dimension.name]) for dimension in space if dimension.name in values)


def parse_options(texts: Sequence[str]) -> dict[str, str]:
    """Return {setting: text} of options such as "latent=choice:64,100"; raises UsageError for any other text."""
    spaces: dict[str, str] = {}
    for text in texts:
        name, equals, rest = text.partition("=")
        if not equals or not name.strip() or not rest.strip():
            raise UsageError(f"--space {text!r} is not NAME=VALUES. {_EXAMPLES}, for example latent=choice:64,100,200.")
        if name.strip() in spaces:
            raise UsageError(f"--space {name.strip()} is given twice. Write all its values in one option.")
        spaces[name.strip()] = rest.strip()
    return spaces


def read_file(path: Path) -> dict[str, str]:
    """Return {setting: text} of a file in the form of RecBole's `hyper.test`.

    A line is `NAME choice [A,B]`, `NAME uniform LOW,HIGH`, `NAME quniform LOW,HIGH,STEP` or `NAME loguniform LOW,HIGH`
    with the natural logarithms of the ends, as in Hyperopt. Empty lines and comments after "#" are skipped.

    Raises:
        UsageError: The file cannot be read, or a line is none of these.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise UsageError(f"{path}: cannot be read ({reason}). Name a file with one setting per line.") from error
    spaces: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        parts = line.partition("#")[0].split(None, 2)
        if not parts:
            continue
        where = f"{path}, line {number}"
        if len(parts) != 3:
            raise UsageError(f"{where}: expected NAME KIND VALUES. Example: learning_rate choice [0.01,0.005,0.001].")
        name, kind, values = parts
        if name in spaces:
            raise UsageError(f"{where}: {name} is listed twice. Write all its values in one line.")
        spaces[name] = _file_dimension(where, kind.lower(), values)
    if not spaces:
        raise UsageError(f"{path}: no setting is listed. Example: learning_rate choice [0.01,0.005,0.001].")
    return spaces


def space_texts(space: Iterable[Dimension]) -> dict[str, str]:
    """Return a space as one text per setting."""
    return {dimension.name: dimension.text for dimension in space}


def comparable(value: Any) -> Any:
    """Return a value as JSON gives it back, so that a stored one can be compared with a new one."""
    if isinstance(value, Mapping):
        return {str(name): comparable(inner) for name, inner in value.items()}
    return [comparable(inner) for inner in value] if isinstance(value, list | tuple) else value


def _range(declared: Setting, text: str, scale: str | None, first: str, last: str, width: str | None) -> Dimension:
    low, high = float(first), float(last)
    step = None if width is None else float(width)
    log = (scale or "").lower() == "log"
    if declared.kind not in ("int", "float"):
        raise UsageError(f"{declared.name}: {short_repr(text)} is a range, but the setting is no number. List values.")
    if not low < high or not math.isfinite(high - low):
        raise UsageError(f"{declared.name}: {short_repr(text)} does not end above its start. {_EXAMPLES}.")
    if log and (low <= 0 or step is not None):
        reason = "has a step" if step is not None else "needs ends above 0"
        raise UsageError(f"{declared.name}: {short_repr(text)} is logarithmic and {reason}. {_EXAMPLES}.")
    is_integer = declared.kind == "int"
    if is_integer and not all(number == int(number) for number in (low, high, step or 1.0)):
        raise UsageError(f"{declared.name}: {short_repr(text)} is no range of whole numbers. Example: 1..5.")
    if step is not None and not 0 < step <= high - low:
        raise UsageError(f"{declared.name}: a step of {step:g} does not suit {short_repr(text)}. {_EXAMPLES}.")
    for end in (low, high):
        problem = declared.problem(int(end) if is_integer else end)
        if problem:
            raise UsageError(problem)
    if step is not None:
        high = float(f"{low + step * math.floor((high - low) / step + 1e-9):.10g}")
    return Dimension(declared.name, is_integer, low, high, log, step)


def _choices(declared: Setting, values: Sequence[Any]) -> Dimension:
    for value in values:
        problem = declared.problem(value)
        if problem:
            raise UsageError(problem)
    distinct = tuple(dict.fromkeys(values))
    if not distinct or len(distinct) > MAX_CHOICES:
        raise UsageError(f"{declared.name}: {len(distinct)} values; give 1 to {MAX_CHOICES}.")
    return Dimension(declared.name, declared.kind == "int", choices=distinct)


def _parse_choice(declared: Setting, part: str) -> Any:
    plain = part.strip().strip("'\"")
    return declared.parse("" if plain.lower() == "none" and declared.kind == "ints" else plain)


def _choice_text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value!r}"
    return format_setting(value)


def _including(dimension: Dimension, value: Any) -> Dimension:
    if dimension.share_of(value) is not None:
        return dimension
    if dimension.low is None or dimension.high is None:
        return Dimension(dimension.name, dimension.is_integer, choices=(value, *dimension.choices))
    outside = isinstance(value, bool) or not isinstance(value, int | float) or dimension.step is not None
    if outside or (dimension.log and value <= 0):
        return dimension
    low, high = min(dimension.low, value), max(dimension.high, value)
    return Dimension(dimension.name, dimension.is_integer, low, high, dimension.log)


def _file_dimension(where: str, kind: str, values: str) -> str:
    if kind == "choice":
        listed = values.strip()
        if not (listed.startswith("[") and listed.endswith("]")) or not listed.strip("[] "):
            raise UsageError(f"{where}: choice needs a list. Example: learning_rate choice [0.01,0.005,0.001].")
        return f"choice:{_without_inner_lists(listed[1:-1])}"
    counts = {"uniform": 2, "loguniform": 2, "quniform": 3}
    if kind not in counts:
        raise UsageError(f"{where}: {short_repr(kind)} is none of choice, uniform, loguniform, quniform.")
    try:
        numbers = [float(part) for part in values.strip("[]() ").split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != counts[kind] or not all(map(math.isfinite, numbers)):
        raise UsageError(f"{where}: {kind} needs {counts[kind]} numbers separated by commas. Example: uniform 0,1.")
    if kind == "loguniform":
        try:
            low, high = (float(f"{math.exp(number):.6g}") for number in numbers)
        except OverflowError:
            raise UsageError(f"{where}: loguniform takes natural logarithms of the ends. Example: -9,-4.") from None
        return f"log:{low!r}..{high!r}"
    return f"{numbers[0]!r}..{numbers[1]!r}" + (f" step {numbers[2]!r}" if kind == "quniform" else "")


def _without_inner_lists(text: str) -> str:
    """Write the lists of a list, such as '[600,200]', as layer widths: 600-200."""
    return re.sub(r"\[([^\]]*)\]", lambda inner: inner[1].replace(" ", "").replace(",", "-") or "none", text)
