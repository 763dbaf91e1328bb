"""Values that JSON can hold, on the way out and checked on the way in."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def json_object(text: str) -> dict[str, Any]:
    """Return a JSON object; raises ValueError for text that is none, and for JSON of another type."""
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError(f"{type(found).__name__} in place of an object")
    return found


def is_count(value: object) -> bool:
    """Whether a JSON value is a whole number from 0 on that a database can hold."""
    return type(value) is int and 0 <= value < 2**63


def is_number(value: object) -> bool:
    """Whether a JSON value is a number that a database can hold; true and false are none."""
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**63)


def numbers_by_name(value: object) -> dict[str, float]:
    """Return a JSON object of numbers; raises ValueError for anything else."""
    if not isinstance(value, dict) or not all(is_number(number) for number in value.values()):
        raise ValueError("not an object of numbers")
    return value


def json_safe(value: Any) -> Any:
    """Return the value with mappings as dicts, tuples as lists, and NaN or infinities as None."""
    if isinstance(value, Mapping):
        return {str(key): json_safe(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_safe(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
