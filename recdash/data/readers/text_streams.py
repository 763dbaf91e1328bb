"""Files as streams of UTF-8: decompressed, and decoded in a detected or given encoding."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

from recdash.data.readers import encoding_guess
from recdash.errors import (
    DataError,
    UsageError,
    short_repr,
)

_SAMPLE_BYTES = 1 << 16
_BUFFER_BYTES = 1 << 20
_MOSTLY_UTF8 = 0.7  # share of the non-ASCII bytes that are valid UTF-8
_MAX_TEXT_BYTES = 1 << 26  # limit of a file read as a whole, such as a list of titles
_BOMS = {  # longest first; the encodings that a file with this mark may be given as
    codecs.BOM_UTF32_LE: ("utf-32", "utf-32-le"), codecs.BOM_UTF32_BE: ("utf-32", "utf-32-be"),
    codecs.BOM_UTF8: ("utf-8", "utf-8-sig"), codecs.BOM_UTF16_LE: ("utf-16", "utf-16-le"),
    codecs.BOM_UTF16_BE: ("utf-16", "utf-16-be"),
}  # fmt: skip
_NOT_FILE_ENCODINGS = frozenset(
    ("punycode", "idna", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem")
)
_ISO_2022_ESCAPE = re.compile(rb"\x1b(?:\$[@BA]|\$\([CD]|\([IJ]|(\$\)C))")  # of ISO-2022-JP, and of ISO-2022-KR
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"PK\x03\x04")
_OTHER_FORMATS = {
    b"\x89HDF": "an HDF5 file", b"\x93NUMPY": "a NumPy array", b"SQLite format 3": "an SQLite database",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook", b"%PDF": "a PDF", b"(\xb5/\xfd": "packed with zstd",
    b"7z\xbc\xaf": "a 7z archive", b"Rar!": "a RAR archive", b"ARROW1": "an Arrow file",
    **{bytes((0x80, protocol)): "a Python pickle" for protocol in range(2, 6)},
}  # fmt: skip
_TAR_MAGIC = slice(257, 262)  # position of "ustar"
PARQUET = b"PAR1"
_IGNORED_PREFIXES = ("__MACOSX/", ".")  # of archive members that are no tables


@dataclass(frozen=True)
class Input:
    """An open file.

    Attributes:
        name: The name in messages.
        stream: The file's content, as UTF-8.
        size: Bytes on disk; None if unknown.
        position: Returns the bytes read from disk so far.
        encoding: The encoding on disk if the stream converts it to UTF-8; None for UTF-8.
    """

    name: str
    stream: IO[bytes]
    size: int | None
    position: Callable[[], int]
    encoding: str | None = None


@contextmanager
def file_errors(name: str) -> Iterator[None]:
    """Turn errors of the operating system, decompression and decoding into a DataError about the file."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{name}: no such file. Check the path.") from error
    except IsADirectoryError as error:
        raise DataError(f"{name}: this is a folder. Give a file inside it.") from error
    except (EOFError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{name}: the archive is cut short or damaged. Download or copy it again.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not valid {error.encoding} text. Give the encoding (--encoding E).") from error
    except UnicodeError as error:
        raise DataError(f"{name}: cannot be decoded ({error}). Give another encoding (--encoding E).") from error
    except OSError as error:
        if error.errno is None:  # raised by bz2 for damaged data
            raise DataError(f"{name}: the archive is cut short or damaged. Download or copy it again.") from error
        raise DataError(f"{name}: cannot be read ({error.strerror}). Check the file and its permissions.") from error


@contextmanager
def open_input(path: Path, encoding: str | None = None) -> Iterator[Input]:
    """Open a file, plain or compressed (gzip, bzip2, xz, or a zip with one file), as detected from its first bytes.

    Args:
        path: The file.
        encoding: The text encoding; defaults to UTF-8, or to UTF-16 or UTF-32 where the bytes show it.

    Raises:
        DataError: The file is missing or damaged, is an archive of several files, or no text.
        UsageError: There is no such encoding.
    """
    called = _display_name(path)
    with file_errors(called), path.open("rb") as raw, _decompressed(called, raw) as (stream, name):
        start = stream.read(_SAMPLE_BYTES) if stream.seekable() else b""
        stream.seek(0)
        _check_format(start, name, unpacked=stream is not raw)
        source = Input(name, stream, path.stat().st_size, raw.tell)
        yield as_utf8(source, _choose_encoding(start, encoding, name))


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, judged by its first bytes."""
    with file_errors(_display_name(path)), path.open("rb") as raw:
        return raw.read(4) == PARQUET


def as_utf8(source: Input, encoding: str | None) -> Input:
    """Return the input converted to UTF-8; encoding: of the input, None for UTF-8."""
    if encoding is None:
        return source
    name = _codec_name(encoding)
    stream = io.BufferedReader(_Utf8Stream(source.stream, codecs.getincrementaldecoder(name)()), _BUFFER_BYTES)  # type: ignore[type-var]
    return replace(source, stream=stream, encoding=name)


def read_sample(source: Input, size: int = _SAMPLE_BYTES) -> bytes:
    """Return the first whole lines of a file, about `size` bytes of them, without a byte order mark."""
    with file_errors(source.name):
        data = source.stream.read(size)
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\0" in data:
        raise not_text_error(source.name, data)
    end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    return data[:end] if len(data) >= size - len(codecs.BOM_UTF8) and end else data


def read_text(source: Input, fallback: str | None = None) -> str:
    """Return a whole small file as text.

    Args:
        source: The file.
        fallback: The encoding if the file is not UTF-8; None detects Western text.

    Raises:
        DataError: The file is larger than 64 MB, no text, or in an encoding that is not clear.
    """
    with file_errors(source.name):
        data = source.stream.read(_MAX_TEXT_BYTES)
        if source.stream.read(1):
            raise DataError(
                f"{source.name}: larger than 64 MB, too large for a list of titles. Check that it is the right file."
            )
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\0" in data:
        raise not_text_error(source.name, data)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(_codec_name(fallback) if fallback else detect_encoding(data, source.name), "replace")


def not_text_error(name: str, data: bytes, line: int = 1) -> DataError:
    """Return the error for data that contains a NUL byte."""
    return DataError(
        f"{name}, line {line + data[: data.index(0)].count(10)}: not text in UTF-8 or a Western encoding. "
        "Save it as UTF-8, or give its encoding (--encoding E)."
    )


def detect_encoding(data: bytes, name: str) -> str:
    """Return "cp1252" for Western text that is not UTF-8; raises DataError, with guesses, for other encodings.

    In Western text, bytes beyond ASCII are single letters. In most other scripts they form whole words; in multibyte
    encodings the second byte of a letter may be ASCII.
    """
    high = [byte >= 0x80 for byte in data]
    valid = sum(len(letter.encode()) for letter in data.decode("utf-8", "ignore") if letter >= "\x80")
    if valid > _MOSTLY_UTF8 * sum(high):
        raise DataError(f"{name}: mostly UTF-8, with invalid bytes. Fix these, or give the encoding (--encoding E).")
    if not any(high):
        return "cp1252"
    neighbours = zip([False, *high[:-1]], high, [*high[1:], False], strict=True)
    clustered = sum(1 for before, here, after in neighbours if here and (before or after))
    found = encoding_guess.guess_encodings(data)
    options = [guess.option for guess in found]
    if clustered <= 0.5 * sum(high) and not (
        found and encoding_guess.is_multibyte(found[0]) and "cp1252" not in options
    ):
        try:
            data.decode("cp1252")
        except UnicodeDecodeError as error:
            raise DataError(f"{name}: neither UTF-8 nor Western text. Give the encoding (--encoding E).") from error
        return "cp1252"
    fixes = {f"Read it as {guess.title}": {"encoding": guess.option} for guess in found}
    raise DataError(f"{name}: not UTF-8; {_encoding_advice(found)}.", fixes=fixes)


def _encoding_advice(guesses: Sequence[encoding_guess.Guess]) -> str:
    """Return the advice for text in an encoding other than UTF-8 and Western."""
    if not guesses:
        return "give the encoding, for example --encoding gbk or --encoding cp1251"
    if len(guesses) == 1:
        return f"looks like {guesses[0].title}; give --encoding {guesses[0].option}"
    *others, last = (f"{guess.title} (--encoding {guess.option})" for guess in guesses)
    return f"may be {', '.join(others)} or {last}; give one of them"


def _display_name(path: Path) -> str:
    """Return the name of a file for messages; never empty, also for the current folder."""
    return path.name or path.resolve().name or str(path)


def _codec_name(encoding: str) -> str:
    """Return Python's name of a text encoding; raises UsageError for unknown ones and other codecs."""
    try:
        info = codecs.lookup(encoding)
        fine = info._is_text_encoding and info.name not in _NOT_FILE_ENCODINGS
    except (LookupError, TypeError, ValueError):
        fine = False
    if not fine:
        raise UsageError(f"Unknown encoding: {short_repr(encoding)}. For example: utf-8, cp1252, gbk or utf-16.")
    return info.name


def _check_format(start: bytes, name: str, *, unpacked: bool) -> None:
    """Raise DataError for formats other than text, judged by the first bytes."""
    if start.startswith(PARQUET):
        raise DataError(f"{name}: Parquet inside an archive is not supported. Unpack it and give the file inside.")
    if unpacked and start.startswith(_COMPRESSED):
        raise DataError(f"{name}: the file is compressed twice. Unpack it once and give the file inside.")
    if start[_TAR_MAGIC] == b"ustar":
        raise DataError(f"{name}: this is a tar archive. Unpack it and give the table inside.")
    for magic, what in _OTHER_FORMATS.items():
        if start.startswith(magic):
            raise DataError(f"{name}: this is {what}, not text. Export the table as CSV or Parquet.")


def _choose_encoding(start: bytes, requested: str | None, name: str) -> str | None:
    """Return the encoding of a file, None for UTF-8; raises DataError if the given one contradicts its bytes."""
    if requested is None:
        _refuse_escapes(start, name)
        return _encoding_from_bytes(start)
    codec = _codec_name(requested)
    mark = next((mark for mark in _BOMS if start.startswith(mark)), None)
    if mark is not None and codec not in _BOMS[mark]:
        option = _BOMS[mark][0]
        title = option.upper() if option == "utf-8" else _BOMS[mark][1].upper()
        raise DataError(
            f"{name}: starts with the byte order mark of {title}, so it is not {codec}. Omit --encoding, or give "
            f"--encoding {option}.",
            fixes={f"Read it as {title}": {"encoding": option}},
        )
    if mark is not None or codec not in ("utf-16", "utf-32"):
        return codec
    detected = _encoding_from_bytes(start)
    if detected is None or not detected.startswith(codec):
        raise DataError(
            f"{name}: {codec} without a byte order mark. Give the byte order (--encoding {codec}-le or "
            f"--encoding {codec}-be).",
            fixes={f"Read it as {end.upper()}": {"encoding": end} for end in (f"{codec}-le", f"{codec}-be")},
        )
    return detected


def _refuse_escapes(start: bytes, name: str) -> None:
    """Raise DataError for encodings with escape sequences (ISO 2022), which are also valid ASCII."""
    if found := _ISO_2022_ESCAPE.search(start):
        title, option = ("ISO-2022-KR", "iso2022_kr") if found[1] else ("ISO-2022-JP", "iso2022_jp")
        raise DataError(
            f"{name}: not UTF-8; looks like {title}; give --encoding {option}.",
            fixes={f"Read it as {title}": {"encoding": option}},
        )


def _encoding_from_bytes(start: bytes) -> str | None:
    """Detect UTF-16 and UTF-32 by a byte order mark, and UTF-16 also by its zero bytes; None for UTF-8."""
    for mark, (encoding, _) in _BOMS.items():
        if start.startswith(mark):
            return None if encoding == "utf-8" else encoding
    sample = start[:1024]
    for index, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        letters = sample[index::2]
        zeros = letters.count(0)  # the high bytes of delimiters and digits, at least
        if zeros > 3 and zeros > 0.2 * len(letters) and 0 not in sample[1 - index :: 2]:
            return encoding
    return None


@contextmanager
def _decompressed(called: str, raw: IO[bytes]) -> Iterator[tuple[IO[bytes], str]]:
    magic = raw.read(8)
    raw.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        yield gzip.GzipFile(fileobj=raw), called  # type: ignore[misc]
    elif magic.startswith(b"BZh"):
        yield bz2.BZ2File(raw), called
    elif magic.startswith(b"\xfd7zXZ\x00"):
        yield lzma.LZMAFile(raw), called  # noqa: SIM115  (closed with `raw`)
    elif magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        with zipfile.ZipFile(raw) as archive:
            member = _only_member(archive, called)
            with archive.open(member) as stream:
                yield stream, f"{called}: {PurePosixPath(member.filename).name}"
    else:
        yield raw, called


def _only_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    inside = [
        info
        for info in archive.infolist()
        if not info.is_dir() and not info.filename.startswith(_IGNORED_PREFIXES) and "/." not in info.filename
    ]
    if any(info.filename.startswith(("xl/", "word/")) for info in inside):
        raise DataError(f"{name}: this is an Excel workbook, not text. Save the sheet as CSV.")
    if inside and all(info.filename.endswith(".npy") for info in inside):
        raise DataError(f"{name}: this is an archive of NumPy arrays, not a table. Read them with Split.from_matrices.")
    if len(inside) != 1:
        found = ", ".join(info.filename for info in inside[:5]) or "nothing"
        raise DataError(f"{name}: expected one table inside, found {found}. Unpack it and give the file itself.")
    if inside[0].flag_bits & 1:
        raise DataError(f"{name} is encrypted. Unpack it and give the file inside.")
    return inside[0]


class _Utf8Stream(io.RawIOBase):
    """A stream of UTF-8 that converts a stream in another encoding."""

    def __init__(self, stream: IO[bytes], decoder: codecs.IncrementalDecoder) -> None:
        self._stream, self._decoder, self._ready, self._over = stream, decoder, b"", False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        while not self._ready and not self._over:
            fresh = self._stream.read(_BUFFER_BYTES)
            self._over = not fresh
            self._ready = self._decoder.decode(fresh, final=self._over).encode("utf-8", "surrogatepass")
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size
