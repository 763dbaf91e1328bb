"""Errors for JSON that is not a sequence of records; each names the form and how to convert it."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from recdash.data.readers import column_roles
from recdash.data.readers.record_values import unwrap_mongodb
from recdash.errors import DataError, quote

_PANDAS_CALL = 'df.to_json(path, orient="records", lines=True)'
_SAMPLE_CUT_LENGTH = 1 << 15  # characters; a longer sample is not the whole file
_MAX_DEPTH = 4  # of nested objects searched for records


def refuse_other_objects(text: str, name: str) -> None:
    """Raise DataError for text that starts with an object but is not JSON lines, and name what it is."""
    line = text.partition("\n")[0]
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError) as error:
        if _is_python_dict(line):
            raise DataError(
                f"{name}, line 1: this is a Python dict, not JSON. Read each line with ast.literal_eval and write it "
                "with json.dumps, one record per line."
            ) from error
        is_cut = getattr(error, "pos", 0) >= len(text.rstrip()) or "Unterminated" in str(error)
        if is_cut and len(text) > _SAMPLE_CUT_LENGTH:
            raise DataError(
                f"{name}, line 1: the first JSON object is longer than 64 KB; it may contain the whole table. "
                f"Write one record per line, without long texts; in pandas: {_PANDAS_CALL}"
            ) from error
        return
    rest = text[end:].strip()
    if rest.startswith(","):
        raise DataError(
            f"{name}, line {text[:end].count(chr(10)) + 1}: a comma follows the object; JSON lines have none. "
            "Remove the commas at the ends of lines, or put [ before the first object and ] after the last."
        )
    if rest.startswith("{") and "\n" in text[:end]:
        raise DataError(
            f"{name}, line 1: each JSON object spans several lines. Write one object per line: "
            "jq -c . FILE > records.jsonl"
        )
    is_record = column_roles.names_user_and_item([key for key, member in value.items() if not _is_nested(member)])
    if not rest and not is_record and any(map(_is_nested, value.values())):
        raise _single_object_error(name, value)
    if not rest and "\n" in text[:end]:
        raise DataError(
            f"{name}, line 1: a single JSON object over several lines. Write one record per line: "
            "jq -c . FILE > records.jsonl"
        )


def _is_nested(value: Any) -> bool:
    return isinstance(unwrap_mongodb(value), (dict, list))


def _is_python_dict(line: str) -> bool:
    with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        return isinstance(ast.literal_eval(line.strip().rstrip(",")), dict)
    return False


def _single_object_error(name: str, value: Mapping[str, Any]) -> DataError:
    """Return the error for a table in a single object; it names the form and how to write JSON lines."""
    path = _jq_path(value)
    if path:
        return DataError(
            f"{name}: a single JSON object that contains the records. Write one record per line: "
            f"jq -c '{path}' FILE > records.jsonl, or in pandas {_PANDAS_CALL}"
        )
    form = "a single JSON object that contains the table"
    if {"columns", "data"} <= set(value):
        form = 'a single JSON object with columns and data (orient="split")'
    elif value and all(
        isinstance(member, dict) and column_roles.names_user_and_item(list(member)) for member in value.values()
    ):
        form = 'a single JSON object with an object per row (orient="index")'
    elif column_roles.names_user_and_item(list(value)):
        form = "a single JSON object with a list or object per column"
    return DataError(f"{name}: {form}. Write one record per line; in pandas: {_PANDAS_CALL}")


def _jq_path(value: Any, path: str = "", depth: int = 0) -> str:
    """Return the jq path of a list of records inside an object; "" for none."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        inner = _nested_record_field(value[0])
        if column_roles.names_user_and_item(list(value[0])) or inner:
            return f"{path}[]{inner and '.' + inner}"
    if isinstance(value, dict) and depth < _MAX_DEPTH:
        for key, member in value.items():
            if found := _jq_path(member, f"{path}.{key}", depth + 1):
                return found
    return ""


def _nested_record_field(record: Mapping[str, Any]) -> str:
    """Return the field that contains an object with user and item; "" for none."""
    return next(
        (
            key
            for key, member in record.items()
            if isinstance(member, dict) and column_roles.names_user_and_item(list(member))
        ),
        "",
    )


def refuse_nested_record(record: Mapping[str, Any], name: str) -> None:
    """Raise DataError if user and item are in an object inside the records."""
    if inner := _nested_record_field(record):
        raise DataError(
            f"{name}: user and item are inside the object {quote(inner)} of each record. Extract that object: "
            f"jq -c '.{inner}' FILE > records.jsonl"
        )
