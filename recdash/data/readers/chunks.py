"""Text files as blocks of whole lines: any size in bounded memory, with progress and line numbers."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

from recdash.data.readers.text_streams import Input, not_text, reading
from recdash.errors import DataError

ProgressCallback = Callable[[int, int | None], None]  # (bytes done, bytes in all; None when unknown)

BLOCK = 1 << 24  # bytes read at once
_PACKED_RATIO, _PACKED_FREE = (
    100,
    1 << 28,
)  # text shrinks 3 to 15 times; what grows 100 times is a bomb, small files aside
_MARKS = re.compile(rb"(?m)^" + codecs.BOM_UTF8)
_RECORDS = rb'(?:^|%s) *"[^"]*(?:""[^"]*)*(?:"|\Z)|(\n)'  # a quoted field, or the end of a record


class Chunk(NamedTuple):
    """Whole lines in UTF-8, and the number of the first of them in its file, from 1."""

    data: bytes
    line: int


def chunks_of(
    source: Input, *, quoted: str | None = None, returns: bool = False, progress: ProgressCallback | None = None
) -> Iterator[Chunk]:
    """Yield the whole file, without its byte order mark.

    quoted: the delimiter of a file whose fields may stand in double quotes; a line end inside them does not end a line.
    returns: lines end in carriage returns alone.
    Raises UnicodeDecodeError when the bytes are not UTF-8, DataError when they are no text at all.
    """
    marks = None if quoted is None else re.compile(_RECORDS % re.escape(quoted.encode()), re.MULTILINE)
    rest, line, total = b"", 1, 0
    while True:
        with reading(source.name):
            fresh = source.stream.read(BLOCK)
            done = source.position()
        total += len(fresh)
        if total > _PACKED_FREE and total > _PACKED_RATIO * max(done, 1):
            raise DataError(
                f"{source.name}: unpacks to more than {_PACKED_RATIO} times its size. "
                "Unpack it yourself if you trust it."
            )
        data = rest + (fresh.replace(b"\r", b"\n") if returns else fresh)
        if codecs.BOM_UTF8 in fresh:  # at the beginning, and where files were put one behind the other
            data = _MARKS.sub(b"", data)
        if b"\0" in fresh:
            raise not_text(source.name, data, line)
        end = _cut(data, marks) if fresh else len(data)
        if not end and len(data) > 4 * BLOCK:
            raise DataError(
                f"{source.name}, line {line}: the line does not end. Check that this is text with one row per line."
            )
        whole, rest = data[:end], data[end:]
        if whole:
            if not whole.isascii():
                whole.decode("utf-8")
            yield Chunk(whole, line)
        if progress is not None:
            progress(done, source.size)
        if not fresh:
            return
        line += whole.count(b"\n")


def without_first_lines(lines: Iterator[Chunk], count: int) -> Iterator[Chunk]:
    """Take the first lines off, and keep the numbers of the others."""
    for block in lines:
        data, line = block
        while count and data:
            _, _, data = data.partition(b"\n")
            line, count = line + 1, count - 1
        if data:
            yield Chunk(data, line)


def split_header(lines: Iterator[Chunk]) -> tuple[str, Iterator[Chunk]]:
    """Take the first line off; an empty file has the header ""."""
    first = next(lines, Chunk(b"", 1))
    header, _, rest = first.data.partition(b"\n")
    return header.decode().rstrip("\r"), chain([Chunk(rest, 2)] if rest else [], lines)


def shown(value: str) -> str:
    """Quote something found in a file for a message: on one line, and short."""
    short = value if len(value) <= 40 else value[:37] + "..."
    return f'"{short}"' if short.isprintable() else json.dumps(short)


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
