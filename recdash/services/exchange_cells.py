"""Cells of an export: how values are written in each file format, and read back from untrusted files."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from recdash.errors import quote, short_repr
from recdash.reporting.table_format import escape_formula

Kind = Literal["text", "json", "count", "number", "numbers", "any"]
NAMES_OF_KINDS = {
    "text": "text",
    "json": "JSON",
    "count": "a whole number from 0",
    "number": "a number",
    "numbers": "a list of numbers",
}
LATEST_TIME = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
_LONGEST_TEXT, _LONGEST_JSON, _DEEPEST_JSON = 100_000, 4_000_000, 40
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf, "infinity": math.inf, "-infinity": -math.inf}


class CellError(ValueError):
    """A cell holds no valid value; the message says what was found instead."""


def number_text(value: float) -> str:
    """Return a number as text from which the same number is read: "nan", "inf" or the shortest decimal form."""
    return repr(value) if isinstance(value, int) else repr(float(value))


def escape_csv(text: str) -> str:
    """Return a text cell that no spreadsheet evaluates; `unescape_csv` returns the original."""
    return f"'{text}" if text.startswith("'") else escape_formula(text)


def unescape_csv(text: str) -> str:
    """Undo `escape_csv`."""
    return text.removeprefix("'")


def csv_cells(kind: Kind, values: Sequence[Any]) -> list[str]:
    """Return the CSV cells of a column; None becomes an empty cell."""
    encode = _CSV_ENCODERS[kind]
    return ["" if value is None else encode(value) for value in values]


def json_cells(kind: Kind, values: Sequence[Any]) -> list[Any]:
    """Return a column as JSON values; numbers that JSON does not have become "nan", "inf" or "-inf"."""
    if kind == "json":
        return [None if value is None else _plain_json(value) for value in values]
    return [_json_value(value) for value in values]


def parse(kind: Kind, cell: Any) -> Any:
    """Return the value of a cell.

    Args:
        kind: Kind of the column; "any" columns are for human readers and are not parsed.
        cell: Text from a CSV file, or a value from JSON or Parquet. None and, except in columns of text, the empty
            text stand for a missing value.

    Raises:
        CellError: The cell holds something else.
    """
    if cell is None or (cell == "" and kind != "text"):
        return None
    return _PARSERS[kind](cell)


def parse_number(cell: Any) -> float:
    """Return a cell as a number; raises CellError for anything else, also for numbers too large for 64 bits."""
    if isinstance(cell, float):
        return cell
    if isinstance(cell, bool) or not isinstance(cell, (int, str)):
        raise CellError(short_repr(cell))
    text = str(cell).strip() if isinstance(cell, str) else ""
    if text.lower() in _NOT_FINITE:
        return _NOT_FINITE[text.lower()]
    if isinstance(cell, str) and (len(text) > 400 or not _NUMBER.fullmatch(text)):
        raise CellError(quote(cell))
    try:
        number = float(cell)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise CellError(f"{quote(text) if text else short_repr(cell)}, which is too large")
    return number


def parse_json(cell: Any) -> Any:
    """Return JSON from a text cell, or from an object or list that is JSON already; raises CellError."""
    if isinstance(cell, str):
        if len(cell) > _LONGEST_JSON:
            raise CellError(f"{len(cell):,} characters")
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            raise CellError(quote(cell)) from None
    if _is_deeper_than(cell, _DEEPEST_JSON):
        raise CellError("values nested too deeply")
    return cell


def is_clean_text(text: str) -> bool:
    """Whether a database can store a text: no NUL, no half of a surrogate pair."""
    return "\0" not in text and text == text.encode(errors="replace").decode()


def clean_text(text: str) -> str:
    """Return a text without the characters that `is_clean_text` refuses."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _parse_text(cell: Any) -> str:
    if not isinstance(cell, str):
        raise CellError(short_repr(cell))
    if len(cell) > _LONGEST_TEXT:
        raise CellError(f"{len(cell):,} characters")
    if not is_clean_text(cell):
        raise CellError(f"{quote(cell)}, which has invalid characters")
    return cell


def _parse_count(cell: Any) -> int:
    if isinstance(cell, str) and re.fullmatch(r"\d{1,19}", cell.strip(), re.ASCII):
        cell = int(cell)
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if type(cell) is not int or not 0 <= cell < 2**63:
        raise CellError(short_repr(cell) if not isinstance(cell, str) else quote(cell))
    return cell


def _parse_numbers(cell: Any) -> list[float]:
    if isinstance(cell, str):
        cell = cell.split()
    if not isinstance(cell, list):
        raise CellError(short_repr(cell))
    if any(value is None for value in cell):
        raise CellError("a list with missing values")
    return [parse_number(value) for value in cell]


def _is_deeper_than(value: Any, depth: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_is_deeper_than(part, depth - 1) for part in inner)


def _plain_json(value: Any) -> Any:
    """Return a JSON value unchanged, or as text if it has numbers that JSON does not have."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(value)
    return value


def _json_value(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return number_text(value)
    return [_json_value(inner) for inner in value] if isinstance(value, list) else value


def _any_text(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number_text(value)
    return escape_csv(value if isinstance(value, str) else json.dumps(value))


_CSV_ENCODERS: dict[Kind, Callable[[Any], str]] = {
    "text": escape_csv,
    "json": json.dumps,
    "count": str,
    "number": number_text,
    "numbers": lambda values: " ".join(map(number_text, values)),
    "any": _any_text,
}
_PARSERS: dict[Kind, Callable[[Any], Any]] = {
    "text": _parse_text,
    "json": parse_json,
    "count": _parse_count,
    "number": parse_number,
    "numbers": _parse_numbers,
    "any": lambda cell: cell,
}
