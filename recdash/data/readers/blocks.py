"""Text files as blocks of whole lines: any size in bounded memory, with progress and line numbers."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, NamedTuple
from zipfile import BadZipFile

from recdash.errors import DataError

Progress = Callable[[int, int | None], None]  # (bytes done, bytes in all; None when unknown)

BLOCK = 1 << 24  # bytes read at once
_GZIP_RATIO, _GZIP_FREE = 100, 1 << 28  # text shrinks 3 to 15 times; what grows 100 times is a bomb, small files aside
_RECORDS = rb'(?:^|%s) *"[^"]*(?:""[^"]*)*(?:"|\Z)|(\n)'  # a quoted field, or the end of a record
_NOT_TEXT = "this is neither UTF-8 nor Latin-1 text (perhaps UTF-16, or no text at all). Save it as UTF-8."


class Block(NamedTuple):
    """Whole lines in UTF-8, and the number of the first of them in its file, from 1."""

    data: bytes
    line: int


@dataclass(frozen=True)
class Input:
    """An open file: the name that messages use, its bytes, its size on disk and how far reading has come in it."""

    name: str
    stream: IO[bytes]
    size: int | None
    position: Callable[[], int]


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what the operating system or an archive says about a file into one DataError."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{name}: there is no such file. Check the path.") from error
    except IsADirectoryError as error:
        raise DataError(f"{name}: this is a folder. Give the file inside it.") from error
    except (EOFError, BadZipFile, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{name}: the archive is cut short or damaged. Download or copy it again.") from error
    except OSError as error:
        raise DataError(
            f"{name}: cannot be read ({error.strerror or type(error).__name__}). Check the file and its rights."
        ) from error


@contextmanager
def open_input(path: Path) -> Iterator[Input]:
    """Open a plain or gzip'd file; which of both it is, its first bytes tell."""
    with reading(path.name), path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream: IO[bytes] = gzip.GzipFile(fileobj=raw) if zipped else raw  # type: ignore[assignment]
        yield Input(path.name, stream, path.stat().st_size, raw.tell)


def blocks(
    source: Input, *, encoding: str = "utf-8", quoted: str | None = None, progress: Progress | None = None
) -> Iterator[Block]:
    """Yield the whole file, without its byte order mark.

    quoted: the delimiter of a file whose fields may stand in double quotes; a line end inside them does not end a line.
    Raises UnicodeDecodeError when the bytes are not of that encoding, DataError when they are no text at all.
    """
    marks = None if quoted is None else re.compile(_RECORDS % re.escape(quoted.encode()), re.MULTILINE)
    rest, line, total = b"", 1, 0
    while True:
        with reading(source.name):
            fresh = source.stream.read(BLOCK)
            done = source.position()
        total += len(fresh)
        if total > _GZIP_FREE and total > _GZIP_RATIO * max(done, 1):
            raise DataError(
                f"{source.name}: unpacks to more than {_GZIP_RATIO} times its size. Unpack it yourself if you trust it."
            )
        data = rest + fresh
        if line == 1 and not rest:
            data = _without_mark(data, source.name)
        if b"\0" in fresh:
            raise DataError(f"{source.name}, line {line + data[: data.index(0)].count(10)}: {_NOT_TEXT}")
        end = _cut(data, marks) if fresh else len(data)
        if not end and len(data) > 4 * BLOCK:
            raise DataError(
                f"{source.name}, line {line}: the line does not end. Check that this is text with one row per line."
            )
        whole, rest = data[:end], data[end:]
        if whole:
            yield Block(_utf8(whole, encoding), line)
        if progress is not None:
            progress(done, source.size)
        if not fresh:
            return
        line += whole.count(b"\n")


def split_header(lines: Iterator[Block]) -> tuple[str, Iterator[Block]]:
    """Take the first line off; an empty file has the header ""."""
    first = next(lines, Block(b"", 1))
    header, _, rest = first.data.partition(b"\n")
    return header.decode().rstrip("\r"), chain([Block(rest, 2)] if rest else [], lines)


def beginning(source: Input, size: int = 1 << 16) -> str:
    """Return the first whole lines of a file, about `size` bytes of them: UTF-8, else Latin-1."""
    with reading(source.name):
        data = source.stream.read(size)
    whole = data[: data.rfind(b"\n") + 1] if len(data) == size and b"\n" in data else data
    return _decoded(whole, source.name)


def text(source: Input) -> str:
    """Return a whole small file as text: UTF-8, else Latin-1. Raises DataError above 64 MB or for what is no text."""
    with reading(source.name):
        data = source.stream.read(1 << 26)
        if source.stream.read(1):
            raise DataError(
                f"{source.name}: more than 64 MB, too large for a list of titles. Check that it is the right file."
            )
    return _decoded(data, source.name)


def _decoded(data: bytes, name: str) -> str:
    data = _without_mark(data, name)
    if b"\0" in data:
        raise DataError(f"{name}, line {1 + data[: data.index(0)].count(10)}: {_NOT_TEXT}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def shown(value: str) -> str:
    """Quote something found in a file for a message: on one line, and short."""
    short = value if len(value) <= 40 else value[:37] + "..."
    return f'"{short}"' if short.isprintable() else json.dumps(short)


def _without_mark(data: bytes, name: str) -> bytes:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{name}, line 1: {_NOT_TEXT}")
    return data.removeprefix(b"\xef\xbb\xbf")


def _utf8(data: bytes, encoding: str) -> bytes:
    if data.isascii():
        return data
    decoded = data.decode(encoding)
    return data if encoding == "utf-8" else decoded.encode()


def _cut(data: bytes, marks: re.Pattern[bytes] | None) -> int:
    """Return where the last whole record ends; a quote open for many blocks is left to the parser to refuse."""
    if marks is not None and b'"' in data:
        end = 0
        for mark in marks.finditer(data):
            if mark.lastindex:
                end = mark.end()
        if end or len(data) < 4 * BLOCK:
            return end
    return data.rfind(b"\n") + 1
