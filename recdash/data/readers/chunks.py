"""Text files as chunks of whole lines: files of any size in bounded memory, with progress and line numbers."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

from recdash.data.readers.text_streams import (
    Input,
    file_errors,
    not_text_error,
)
from recdash.errors import DataError

ProgressCallback = Callable[[int, int | None], None]  # (bytes read, total bytes; None if unknown)

CHUNK_BYTES = 1 << 24  # read at once
_MAX_RATIO = 100  # unpacked to packed size; text compresses 3 to 15 times, so more is a zip bomb
_RATIO_FREE_BYTES = 1 << 28  # unpacked size up to which any ratio is accepted
_BOM_AT_LINE_START = re.compile(rb"(?m)^" + codecs.BOM_UTF8)
_RECORDS = rb'(?:^|%s) *"[^"]*(?:""[^"]*)*(?:"|\Z)|(\n)'  # a quoted field, or the end of a record


class Chunk(NamedTuple):
    """Whole lines in UTF-8, and the number of the first line in the file, from 1."""

    data: bytes
    line: int


def read_chunks(
    source: Input,
    *,
    quoted: str | None = None,
    carriage_returns: bool = False,
    progress: ProgressCallback | None = None,
) -> Iterator[Chunk]:
    """Yield the whole file in chunks, without byte order marks.

    Args:
        source: The file.
        quoted: Delimiter of a file with quoted fields, whose line ends do not end a row; None for no quoting.
        carriage_returns: Whether lines end in carriage returns only.
        progress: Called after each chunk.

    Raises:
        UnicodeDecodeError: The bytes are not UTF-8.
        DataError: The file is not text, damaged or a zip bomb.
    """
    record_pattern = None if quoted is None else re.compile(_RECORDS % re.escape(quoted.encode()), re.MULTILINE)
    rest, line, total = b"", 1, 0
    while True:
        with file_errors(source.name):
            new_bytes = source.stream.read(CHUNK_BYTES)
            done = source.position()
        total += len(new_bytes)
        if total > _RATIO_FREE_BYTES and total > _MAX_RATIO * max(done, 1):
            raise DataError(
                f"{source.name}: unpacks to more than {_MAX_RATIO} times its size. Unpack it first if you trust it."
            )
        data = rest + (new_bytes.replace(b"\r", b"\n") if carriage_returns else new_bytes)
        if codecs.BOM_UTF8 in new_bytes:  # at the start, and at the joints of concatenated files
            data = _BOM_AT_LINE_START.sub(b"", data)
        if b"\0" in new_bytes:
            raise not_text_error(source.name, data, line)
        end = _last_record_end(data, record_pattern) if new_bytes else len(data)
        if not end and len(data) > 4 * CHUNK_BYTES:
            raise DataError(
                f"{source.name}, line {line}: the line never ends. Check that the file is text with one row per line."
            )
        whole, rest = data[:end], data[end:]
        if whole:
            if not whole.isascii():
                whole.decode("utf-8")
            yield Chunk(whole, line)
        if progress is not None:
            progress(done, source.size)
        if not new_bytes:
            return
        line += whole.count(b"\n")


def skip_lines(chunks: Iterator[Chunk], count: int) -> Iterator[Chunk]:
    """Skip the first lines; the other lines keep their numbers."""
    for chunk in chunks:
        data, line = chunk
        while count and data:
            _, _, data = data.partition(b"\n")
            line, count = line + 1, count - 1
        if data:
            yield Chunk(data, line)


def split_header(chunks: Iterator[Chunk]) -> tuple[str, Iterator[Chunk]]:
    """Split off the first line; an empty file has the header ""."""
    first = next(chunks, Chunk(b"", 1))
    header, _, rest = first.data.partition(b"\n")
    return header.decode().rstrip("\r"), chain([Chunk(rest, 2)] if rest else [], chunks)


def _last_record_end(data: bytes, record_pattern: re.Pattern[bytes] | None) -> int:
    """Return the end of the last whole record; a quote left open for many chunks is refused by the parser."""
    if record_pattern is not None and b'"' in data:
        end = 0
        for match in record_pattern.finditer(data):
            if match.lastindex:
                end = match.end()
        if end or len(data) < 4 * CHUNK_BYTES:
            return end
    return data.rfind(b"\n") + 1
