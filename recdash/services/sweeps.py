"""Sweeps: lists and ranges of settings as text, and the grid of runs that they make."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from recdash.errors import UsageError, short_repr, unknown_name
from recdash.models import registry
from recdash.services import training_requests
from recdash.settings import format_setting, settings_of

if TYPE_CHECKING:
    from recdash.runs.run_records import Request
    from recdash.settings import Setting

MAX_RUNS = 200  # of one start; beyond, a queue can no longer be watched, and a grid is a poor search
MAX_VALUES = 200  # of one range
_NAME_LENGTH = 120  # of a run
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\s*\.\.\s*({_NUMBER})(?:\s+(?:step\s+({_NUMBER})|log\s+(\d{{1,9}})))?", re.IGNORECASE)
_EXAMPLES = "Write a list or a range, for example 64, 128, 256 or 0.1..0.5 step 0.1 or 1e-4..1e-2 log 5."

Grid = Mapping[str, Sequence[Any]]


def sweepable(models: Sequence[str]) -> dict[str, Setting]:
    """Return the settings of some models by name; of equal names, that of the first model."""
    found: dict[str, Setting] = {}
    for model in models:
        for declared in settings_of(registry.model_class(model).config_class):
            found.setdefault(declared.name, declared)
    return found


def parse_values(declared: Setting, text: str) -> tuple[Any, ...]:
    """Return the values of a setting in a list, without repetitions.

    The parts of a list are separated by commas. A part is one value as on the command line, or a range: "0.1..0.5
    step 0.1" includes both ends where the step meets the upper one, "1e-4..1e-2 log 5" has five values at equal
    ratios, and "2..6" counts in ones. Layer widths are written as 600-200.

    Args:
        declared: The setting.
        text: The list.

    Raises:
        UsageError: The text is empty, is no list, or has a value that the setting does not allow.
    """
    values: list[Any] = []
    for part in text.replace(";", ",").split(","):
        part = part.strip()
        if not part:
            continue
        found = _RANGE.fullmatch(part)
        if found is None and ".." in part:
            raise UsageError(f"{declared.name}: {short_repr(part)} is not a range. {_EXAMPLES}")
        values += _range(declared, part, *found.groups()) if found else [_single(declared, part)]
    for value in values:
        problem = declared.problem(value)
        if problem:
            raise UsageError(problem)
    if not values:
        raise UsageError(f"{declared.name}: no values to sweep over. {_EXAMPLES}")
    return tuple(dict.fromkeys(values))


def parse(models: Sequence[str], texts: Mapping[str, str]) -> dict[str, tuple[Any, ...]]:
    """Return the values of each swept setting.

    Args:
        models: Names of the models; each takes the settings that it has.
        texts: Lists by name of the setting.

    Raises:
        UsageError: No model has the setting, or a list is invalid.
    """
    known = sweepable(models)
    for name in texts:
        if name not in known:
            raise unknown_name(f"setting of {', '.join(models)}", name, known)
    return {name: parse_values(known[name], text) for name, text in texts.items()}


def parse_options(models: Sequence[str], texts: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Return the values of each swept setting, from texts such as "latent=64,128"; raises UsageError as `parse`."""
    lists: dict[str, str] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--sweep {text!r} is not NAME=VALUES. Example: --sweep latent=64,128.")
        if name.strip() in lists:
            raise UsageError(f"--sweep {name.strip()} is given twice. Write all its values in one list.")
        lists[name.strip()] = values
    return parse(models, lists)


def combinations(model: str, grid: Grid) -> list[dict[str, Any]]:
    """Return the settings of each run of one model, the last setting varying fastest; one empty without a sweep."""
    own = {declared.name for declared in settings_of(registry.model_class(model).config_class)}
    names = [name for name in grid if name in own]
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*(grid[name] for name in names))]


def count(models: Sequence[str], grid: Grid, seeds: int = 1) -> int:
    """Return the number of runs of a sweep, without making them."""
    own = {model: {one.name for one in settings_of(registry.model_class(model).config_class)} for model in models}
    return seeds * sum(
        math.prod(len(values) for name, values in grid.items() if name in names) for names in own.values()
    )


def check_count(n_runs: int) -> None:
    """Raise UsageError if a start would queue more than MAX_RUNS runs."""
    if n_runs > MAX_RUNS:
        raise UsageError(
            f"The sweep has {n_runs:,} runs; at most {MAX_RUNS} are queued at once, as each is one training. "
            "Give fewer values, settings, models or seeds."
        )


def of_requests(bases: Sequence[Request], grid: Grid, seeds: Sequence[int] = (0,)) -> list[Request]:
    """Return the checked requests of a sweep: each request with every combination of its swept settings and every seed.

    Args:
        bases: Checked requests, one per model; their seeds do not count.
        grid: Values of the swept settings by name; without any, one run per request and seed. Each model takes the
            settings that it has.
        seeds: Training seeds.

    Raises:
        UsageError: There are more than MAX_RUNS runs, or the values of two settings do not go together.
    """
    check_count(count([base.model for base in bases], grid, len(seeds)))
    checked = [_swept_request(base, swept) for base in bases for swept in combinations(base.model, grid)]
    return [named(training_requests.with_seed(one, seed), swept) for seed in seeds for one, swept in checked]


def _swept_request(base: Request, swept: Mapping[str, Any]) -> tuple[Request, Mapping[str, Any]]:
    """Return the checked request with swept settings, and these settings."""
    if not swept:
        return base, swept
    return training_requests.checked_request(replace(base, settings={**base.settings, **swept})), swept


def named(request: Request, swept: Mapping[str, Any]) -> Request:
    """Return a request whose name ends with the swept values, so that the runs of a sweep have different names.

    The name becomes, for example, "Mult-VAE on demo, latent 64".
    """
    if not swept:
        return request
    values = ", ".join(f"{name} {format_setting(value)}" for name, value in swept.items())
    return replace(request, name=f"{request.name}, {values}"[:_NAME_LENGTH].rstrip(", "))


def tag_of(grid: Grid, token: str) -> str:
    """Return the tag that the runs of one sweep share, such as "sweep-latent-3f9c".

    Args:
        grid: The swept settings.
        token: Text that differs from sweep to sweep; its first four characters are used.
    """
    names = "-".join(name.replace("_", "-") for name in grid) if len(grid) < 3 else f"{len(grid)}-settings"
    return f"sweep-{names}-{token[:4]}"


def _single(declared: Setting, part: str) -> Any:
    return declared.parse("" if part.lower() == "none" and declared.kind == "ints" else part)


def _range(declared: Setting, part: str, low: str, high: str, step: str | None, ratio_count: str | None) -> list[Any]:
    if declared.kind not in ("int", "float"):
        raise UsageError(
            f"{declared.name}: {short_repr(part)} is a range, but the setting is no number. List its values."
        )
    try:
        first, last = Decimal(low), Decimal(high)
    except InvalidOperation:  # an exponent beyond those of decimals
        raise UsageError(f"{declared.name}: {short_repr(part)} is out of range. {_EXAMPLES}") from None
    if not all(math.isfinite(float(end)) for end in (first, last)):
        raise UsageError(f"{declared.name}: {short_repr(part)} is out of range. {_EXAMPLES}")
    if first > last:
        raise UsageError(f"{declared.name}: {short_repr(part)} starts above its end. Write {high}..{low}.")
    for end in (first, last):  # before a range of a million invalid values is made
        problem = declared.problem(_number(declared, end))
        if problem:
            raise UsageError(problem)
    numbers = (
        _ratios(declared, part, first, last, int(ratio_count))
        if ratio_count
        else _steps(declared, part, first, last, step)
    )
    return [_number(declared, number) for number in numbers]


def _steps(declared: Setting, part: str, first: Decimal, last: Decimal, step: str | None) -> list[Decimal]:
    if step is None and declared.kind == "float":
        raise UsageError(f"{declared.name}: {short_repr(part)} has no step. Write {first}..{last} step 0.1, or log 5.")
    width = Decimal(step or 1)
    if width <= 0 or (declared.kind == "int" and width != width.to_integral_value()):
        raise UsageError(f"{declared.name}: a step of {step} does not suit it. {_EXAMPLES}")
    n_values = int((last - first) / width) + 1
    _check_values(declared, part, n_values)
    return [first + width * number for number in range(n_values)]


def _ratios(declared: Setting, part: str, first: Decimal, last: Decimal, n_values: int) -> list[Decimal]:
    if first <= 0 or n_values < 2:
        raise UsageError(
            f"{declared.name}: {short_repr(part)} needs ends above 0 and at least 2 values. Example: 1e-4..1e-2 log 5."
        )
    _check_values(declared, part, n_values)
    low, high = math.log(first), math.log(last)
    between = [math.exp(low + (high - low) * number / (n_values - 1)) for number in range(1, n_values - 1)]
    return [first, *(Decimal(f"{value:.4g}") for value in between), last]  # four digits are enough, and readable


def _check_values(declared: Setting, part: str, n_values: int) -> None:
    if n_values > MAX_VALUES:
        raise UsageError(
            f"{declared.name}: {short_repr(part)} has {n_values:,} values, at most {MAX_VALUES} are allowed. "
            "Use a larger step."
        )


def _number(declared: Setting, number: Decimal) -> int | float:
    return round(number) if declared.kind == "int" else float(number)
