"""Files that recdash writes for itself and reads back: a crash or a failing disk may have left anything in them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from recdash.errors import RecdashError


@contextmanager
def reading_back(path: Path | str, kind: type[RecdashError], fix: str, what: str = "cannot be read") -> Iterator[None]:
    """Turn whatever goes wrong while a file is read and its content checked into one error of this kind.

    Damaged bytes make numpy, zipfile, zlib and json raise some twenty kinds of exceptions, MemoryError and
    RuntimeError among them, so all of them count; nothing but the reading belongs into the block.
    """
    try:
        yield
    except kind:
        raise
    except Exception as error:
        why = str(error).rstrip(".") if isinstance(error, RecdashError) else type(error).__name__
        raise kind(f"{path}: {what} ({why}). {fix}") from error


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


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Append a JSON object as one line.

    It begins on a line of its own also where a crash cut the line before short. Raises OSError.
    """
    with path.open("a+b") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        broken = file.read(1) not in (b"", b"\n")
        file.write(b"\n" * broken + json.dumps(dict(row)).encode() + b"\n")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the objects that `append_row` wrote, without the lines that are cut short or damaged.

    Empty without such a file; raises OSError when it is there and cannot be read.
    """
    rows = []
    for line in path.read_bytes().split(b"\n") if path.is_file() else []:
        with suppress(ValueError):
            rows.append(json_object(line.decode("utf-8")))
    return rows


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file whole: a reader sees the old content or the new one, also after a crash. Raises OSError."""
    work = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with work.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        work.replace(path)
        _sync(path.parent)
    finally:
        work.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    with suppress(OSError):  # some systems cannot open a folder; the rename itself is still atomic
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
