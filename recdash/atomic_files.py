"""Files that recdash writes for itself: replaced atomically, and read back with one error for any damage.

This is the only module that writes a temporary file and renames it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from recdash.errors import RecdashError
from recdash.json_values import json_object


@contextmanager
def wrap_read_errors(
    path: Path | str, kind: type[RecdashError], fix: str, what: str = "cannot be read"
) -> Iterator[None]:
    """Turn any error raised while a file is read and validated into one error of one kind.

    Damaged bytes make numpy, zipfile, zlib and json raise some twenty kinds of exceptions, MemoryError and
    RuntimeError among them, so all exceptions are caught. Put nothing but the reading into the block.

    Args:
        path: File named in the message.
        kind: Class of the error. An error of this class passes unchanged.
        fix: How to fix it, as a sentence.
        what: What went wrong.

    Raises:
        RecdashError: of class `kind`, for any exception in the block.
    """
    try:
        yield
    except kind:
        raise
    except Exception as error:
        reason = str(error).rstrip(".") if isinstance(error, RecdashError) else type(error).__name__
        raise kind(f"{path}: {what} ({reason}). {fix}") from error


@contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file for writing that replaces `path` when the block ends without an error.

    A reader sees the old content or the new content, also after a crash. Concurrent writers do not disturb each other;
    the last one to finish wins. The folder must exist. Raises OSError.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # else a crash after the rename may leave an empty file
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file atomically, see `atomic_writer`. Raises OSError."""
    with atomic_writer(path) as file:
        file.write(content)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Replace a JSON file atomically and create its folder.

    Raises:
        OSError: if the file cannot be written.
        ValueError: for NaN or infinite numbers, which JSON does not have.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    replace_file(path, text.encode())


def append_json_line(path: Path, row: Mapping[str, Any]) -> None:
    """Append a JSON object as one line. It starts a new line even if a crash truncated the last one. Raises OSError."""
    with path.open("a+b") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        truncated = file.read(1) not in (b"", b"\n")
        file.write(b"\n" * truncated + json.dumps(dict(row)).encode() + b"\n")


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects written by `append_json_line`, without truncated and damaged lines.

    The list is empty if there is no such file. Raises OSError if the file exists and cannot be read.
    """
    rows = []
    for line in path.read_bytes().split(b"\n") if path.is_file() else []:
        with suppress(ValueError):
            rows.append(json_object(line.decode("utf-8")))
    return rows


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some systems cannot open a folder; the rename itself is still atomic
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
