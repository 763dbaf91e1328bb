"""Files that recdash writes for itself and reads back: a crash or a failing disk may have left anything in them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from recdash.errors import RecdashError
from recdash.json_values import json_object


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


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Replace a JSON file whole, and make its folder. Raises OSError, ValueError for numbers that JSON has not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    replace_file(path, text.encode())
