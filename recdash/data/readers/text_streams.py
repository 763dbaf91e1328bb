"""Files as streams of UTF-8: whatever packs them is undone, whatever encodes them is found out or named."""

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

from recdash.data.readers import encodings
from recdash.errors import DataError, UsageError, shown

_SAMPLE = 1 << 16
_CHUNK = 1 << 20
_MOSTLY = 0.7  # of all bytes that are not ASCII, in letters of UTF-8
_WHOLE = 1 << 26  # bytes of a list of titles
_MARKS = {  # the longer ones first; what may be said about a file that begins with each
    codecs.BOM_UTF32_LE: ("utf-32", "utf-32-le"), codecs.BOM_UTF32_BE: ("utf-32", "utf-32-be"),
    codecs.BOM_UTF8: ("utf-8", "utf-8-sig"), codecs.BOM_UTF16_LE: ("utf-16", "utf-16-le"),
    codecs.BOM_UTF16_BE: ("utf-16", "utf-16-be"),
}  # fmt: skip
_NO_FILES = frozenset(("punycode", "idna", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem"))
_ESCAPES = re.compile(rb"\x1b(?:\$[@BA]|\$\([CD]|\([IJ]|(\$\)C))")  # of ISO-2022-JP, and of ISO-2022-KR
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"PK\x03\x04")
_OTHER_FORMATS = {
    b"\x89HDF": "an HDF5 file", b"\x93NUMPY": "a NumPy array", b"SQLite format 3": "an SQLite database",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook", b"%PDF": "a PDF", b"(\xb5/\xfd": "packed with zstd",
    b"7z\xbc\xaf": "a 7z archive", b"Rar!": "a RAR archive", b"ARROW1": "an Arrow file",
    **{bytes((0x80, protocol)): "a Python pickle" for protocol in range(2, 6)},
}  # fmt: skip
_TAR = slice(257, 262)  # of the first bytes
PARQUET = b"PAR1"
_CLUTTER = ("__MACOSX/", ".")  # what archives hold besides the table


@dataclass(frozen=True)
class Input:
    """An open file: the name that messages use, its bytes, its size on disk and how far reading has come in it.

    encoding: of the bytes on disk when the stream recodes them to UTF-8, else None.
    """

    name: str
    stream: IO[bytes]
    size: int | None
    position: Callable[[], int]
    encoding: str | None = None


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what the operating system or an archive says about a file into one DataError."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{name}: there is no such file. Check the path.") from error
    except IsADirectoryError as error:
        raise DataError(f"{name}: this is a folder. Give the file inside it.") from error
    except (EOFError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{name}: the archive is cut short or damaged. Download or copy it again.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not {error.encoding} text throughout. Give its encoding (--encoding E).") from error
    except UnicodeError as error:
        raise DataError(f"{name}: cannot be decoded ({error}). Give another encoding (--encoding E).") from error
    except OSError as error:
        if error.errno is None:  # what bz2 says of damaged data
            raise DataError(f"{name}: the archive is cut short or damaged. Download or copy it again.") from error
        raise DataError(f"{name}: cannot be read ({error.strerror}). Check the file and its permissions.") from error


@contextmanager
def open_input(path: Path, encoding: str | None = None) -> Iterator[Input]:
    """Open a file, plain or packed (gzip, bzip2, xz, or a zip with one file inside), as its first bytes tell.

    encoding: of its text; by default UTF-8, or what a byte order mark or the pattern of UTF-16 says.
    Raises DataError for archives with several files, and for formats that are no text, by their names.
    """
    called = _called(path)
    with reading(called), path.open("rb") as raw, _unpacked(called, raw) as (stream, name):
        start = stream.read(_SAMPLE) if stream.seekable() else b""
        stream.seek(0)
        _check_format(start, name, unpacked=stream is not raw)
        source = Input(name, stream, path.stat().st_size, raw.tell)
        yield recoded(source, _encoding(start, encoding, name))


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, by its first bytes."""
    with reading(_called(path)), path.open("rb") as raw:
        return raw.read(4) == PARQUET


def recoded(source: Input, encoding: str | None) -> Input:
    """Return the same input as a stream of UTF-8; None says that it is UTF-8 already."""
    if encoding is None:
        return source
    name = _codec(encoding)
    stream = io.BufferedReader(_Recoded(source.stream, codecs.getincrementaldecoder(name)()), _CHUNK)  # type: ignore[type-var]
    return replace(source, stream=stream, encoding=name)


def beginning(source: Input, size: int = _SAMPLE) -> bytes:
    """Return the first whole lines of a file, about `size` bytes of them, without a byte order mark."""
    with reading(source.name):
        data = source.stream.read(size)
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\0" in data:
        raise not_text(source.name, data)
    end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    return data[:end] if len(data) >= size - len(codecs.BOM_UTF8) and end else data


def text(source: Input, otherwise: str | None = None) -> str:
    """Return a whole small file as text: UTF-8, else in the encoding `otherwise`, else Western.

    Raises DataError above 64 MB, and for what is no text of a clear encoding.
    """
    with reading(source.name):
        data = source.stream.read(_WHOLE)
        if source.stream.read(1):
            raise DataError(
                f"{source.name}: more than 64 MB, too large for a list of titles. Check that it is the right file."
            )
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\0" in data:
        raise not_text(source.name, data)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(_codec(otherwise) if otherwise else other_encoding(data, source.name), "replace")


def not_text(name: str, data: bytes, line: int = 1) -> DataError:
    """Return the error for data with a NUL in it."""
    return DataError(
        f"{name}, line {line + data[: data.index(0)].count(10)}: this is no text in UTF-8 or a Western encoding. "
        "Save it as UTF-8, or give its encoding (--encoding E)."
    )


def other_encoding(data: bytes, name: str) -> str:
    """Return "cp1252" for Western text that is not UTF-8; raises DataError, with guesses, where it looks like another.

    In Western text single letters are not ASCII; in most other scripts whole words are, and where two bytes make a
    letter the second may be ASCII.
    """
    high = [byte >= 0x80 for byte in data]
    valid = sum(len(letter.encode()) for letter in data.decode("utf-8", "ignore") if letter >= "\x80")
    if valid > _MOSTLY * sum(high):
        raise DataError(f"{name}: most of it is UTF-8, but not all. Correct what is not, or give --encoding E.")
    if not any(high):
        return "cp1252"
    beside = zip([False, *high[:-1]], high, [*high[1:], False], strict=True)
    near = sum(1 for before, here, after in beside if here and (before or after))
    found = encodings.guesses(data)
    options = [guess.option for guess in found]
    if near <= 0.5 * sum(high) and not (found and encodings.is_eastern(found[0]) and "cp1252" not in options):
        try:
            data.decode("cp1252")
        except UnicodeDecodeError as error:
            raise DataError(f"{name}: neither UTF-8 nor Western text. Give its encoding (--encoding E).") from error
        return "cp1252"
    fixes = {f"Read it as {guess.title}": {"encoding": guess.option} for guess in found}
    raise DataError(f"{name}: not UTF-8; {_said(found)}.", fixes=fixes)


def _said(found: Sequence[encodings.Guess]) -> str:
    """What to say about text in an encoding that is none of the usual two."""
    if not found:
        return "give its encoding, such as --encoding gbk or --encoding cp1251"
    if len(found) == 1:
        return f"this looks like {found[0].title}: give --encoding {found[0].option}"
    *others, last = (f"{guess.title} (--encoding {guess.option})" for guess in found)
    return f"this may be {', '.join(others)} or {last}: say which"


def _called(path: Path) -> str:
    """The name of a file in messages; that of the current folder is not empty."""
    return path.name or path.resolve().name or str(path)


def _codec(encoding: str) -> str:
    """Return Python's name of an encoding of text; raises UsageError for whatever else has a codec."""
    try:
        info = codecs.lookup(encoding)
        fine = info._is_text_encoding and info.name not in _NO_FILES
    except (LookupError, TypeError, ValueError):
        fine = False
    if not fine:
        raise UsageError(f"There is no encoding {shown(encoding)}. Give for example utf-8, cp1252, gbk or utf-16.")
    return info.name


def _check_format(start: bytes, name: str, *, unpacked: bool) -> None:
    """Raise DataError for what is no text, by its first bytes."""
    if start.startswith(PARQUET):
        raise DataError(f"{name}: Parquet inside an archive is not read. Unpack it and give the file inside.")
    if unpacked and start.startswith(_PACKED):
        raise DataError(f"{name}: this is packed twice. Unpack it once and give the file inside.")
    if start[_TAR] == b"ustar":
        raise DataError(f"{name}: this is a tar archive. Unpack it and give the table inside.")
    for magic, what in _OTHER_FORMATS.items():
        if start.startswith(magic):
            raise DataError(f"{name}: this is {what}, not text. Export the table as CSV or Parquet.")


def _encoding(start: bytes, said: str | None, name: str) -> str | None:
    """The encoding of a file, None for UTF-8; raises DataError where what was said cannot be right."""
    if said is None:
        _refuse_escapes(start, name)
        return _marked(start)
    codec = _codec(said)
    mark = next((mark for mark in _MARKS if start.startswith(mark)), None)
    if mark is not None and codec not in _MARKS[mark]:
        option = _MARKS[mark][0]
        title = option.upper() if option == "utf-8" else _MARKS[mark][1].upper()
        raise DataError(
            f"{name}: begins with the byte order mark of {title}, so it is not {codec}. Leave --encoding out, or give "
            f"--encoding {option}.",
            fixes={f"Read it as {title}": {"encoding": option}},
        )
    if mark is not None or codec not in ("utf-16", "utf-32"):
        return codec
    found = _marked(start)
    if found is None or not found.startswith(codec):
        raise DataError(
            f"{name}: {codec} without a byte order mark. Say which bytes come first (--encoding {codec}-le or "
            f"--encoding {codec}-be).",
            fixes={f"Read it as {end.upper()}": {"encoding": end} for end in (f"{codec}-le", f"{codec}-be")},
        )
    return found


def _refuse_escapes(start: bytes, name: str) -> None:
    """Refuse encodings that switch between sets of letters: to UTF-8 they look like ASCII."""
    if found := _ESCAPES.search(start):
        title, option = ("ISO-2022-KR", "iso2022_kr") if found[1] else ("ISO-2022-JP", "iso2022_jp")
        raise DataError(
            f"{name}: not UTF-8; this looks like {title}: give --encoding {option}.",
            fixes={f"Read it as {title}": {"encoding": option}},
        )


def _marked(start: bytes) -> str | None:
    """The encoding that a byte order mark names, or the zeros between the letters of UTF-16 show; None for UTF-8."""
    for mark, (encoding, _) in _MARKS.items():
        if start.startswith(mark):
            return None if encoding == "utf-8" else encoding
    sample = start[:1024]
    for place, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        letters = sample[place::2]
        zeros = letters.count(0)  # of delimiters and digits at least
        if zeros > 3 and zeros > 0.2 * len(letters) and 0 not in sample[1 - place :: 2]:
            return encoding
    return None


@contextmanager
def _unpacked(called: str, raw: IO[bytes]) -> Iterator[tuple[IO[bytes], str]]:
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
        if not info.is_dir() and not info.filename.startswith(_CLUTTER) and "/." not in info.filename
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


class _Recoded(io.RawIOBase):
    """A stream of UTF-8 over one of another encoding."""

    def __init__(self, stream: IO[bytes], decoder: codecs.IncrementalDecoder) -> None:
        self._stream, self._decoder, self._ready, self._over = stream, decoder, b"", False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        while not self._ready and not self._over:
            fresh = self._stream.read(_CHUNK)
            self._over = not fresh
            self._ready = self._decoder.decode(fresh, final=self._over).encode("utf-8", "surrogatepass")
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size
