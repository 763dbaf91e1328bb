"""Conversion to JSON values, and validation of JSON values that were read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def json_object(text: str) -> dict[str, Any]:
    """Parse a JSON object. Raises ValueError for text that is not JSON, and for JSON of another type."""
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError(f"{type(found).__name__} instead of an object")
    return found


def is_count(value: object) -> bool:
    """Return whether a JSON value is a non-negative integer that fits a database column (64 bits)."""
    return type(value) is int and 0 <= value < 2**63


def is_number(value: object) -> bool:
    """Return whether a JSON value is a number that fits a database column; booleans are not numbers."""
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**63)


def numbers_by_name(value: object) -> dict[str, float]:
    """Return a JSON object of numbers. Raises ValueError for anything else."""
    if not isinstance(value, dict) or not all(is_number(number) for number in value.values()):
        raise ValueError("not an object of numbers")
    return value


def json_safe(value: Any) -> Any:
    """Convert mappings to dicts, tuples to lists, and NaN and infinities to None."""
    if isinstance(value, Mapping):
        return {str(key): json_safe(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_safe(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
