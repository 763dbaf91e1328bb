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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

from recdash.errors import DataError, UsageError

_SAMPLE = 1 << 16
_CHUNK = 1 << 20
_WHOLE = 1 << 26  # bytes of a list of titles
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_EASTERN = (("gb18030", "GBK", "gbk"), ("big5", "Big5", "big5"), ("shift_jis", "Shift JIS", "shift_jis"),
    ("euc_kr", "EUC-KR", "euc_kr"))  # fmt: skip
_EASTERN_LETTERS = re.compile("[\u4e00-\u9fff\u3040-\u30ff\uac00-\ud7a3]")
_OTHER_FORMATS = {
    b"\x89HDF": "an HDF5 file", b"\x93NUMPY": "a NumPy array", b"SQLite format 3": "an SQLite database",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook", b"%PDF": "a PDF", b"(\xb5/\xfd": "packed with zstd",
    b"7z\xbc\xaf": "a 7z archive", b"Rar!": "a RAR archive", b"\x80\x04\x95": "a Python pickle",
    b"ARROW1": "an Arrow file",
}  # fmt: skip
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
    with reading(path.name), path.open("rb") as raw, _unpacked(path, raw) as (stream, name):
        start = stream.read(_SAMPLE) if stream.seekable() else b""
        stream.seek(0)
        if start.startswith(PARQUET):
            raise DataError(f"{name}: Parquet inside an archive is not read. Unpack it and give the file inside.")
        for magic, what in _OTHER_FORMATS.items():
            if start.startswith(magic):
                raise DataError(f"{name}: this is {what}, not text. Export the table as CSV or Parquet.")
        source = Input(name, stream, path.stat().st_size, raw.tell)
        yield recoded(source, encoding or _marked(start))


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, by its first bytes."""
    with reading(path.name), path.open("rb") as raw:
        return raw.read(4) == PARQUET


def recoded(source: Input, encoding: str | None) -> Input:
    """Return the same input as a stream of UTF-8; None says that it is UTF-8 already."""
    if encoding is None:
        return source
    try:
        name = codecs.lookup(encoding).name
        decoder = codecs.getincrementaldecoder(name)()
        decoder.decode(b"")
    except (LookupError, TypeError, ValueError) as error:
        raise UsageError(
            f"There is no encoding {encoding!r}. Give for example utf-8, cp1252, gbk or utf-16."
        ) from error
    return replace(source, stream=io.BufferedReader(_Recoded(source.stream, decoder), _CHUNK), encoding=name)  # type: ignore[type-var]


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
        return data.decode(otherwise or other_encoding(data, source.name), "replace")


def not_text(name: str, data: bytes, line: int = 1) -> DataError:
    """Return the error for data with a NUL in it."""
    return DataError(
        f"{name}, line {line + data[: data.index(0)].count(10)}: this is no text in UTF-8 or a Western encoding. "
        "Save it as UTF-8, or give its encoding (--encoding E)."
    )


def other_encoding(data: bytes, name: str) -> str:
    """Return "cp1252" for Western text that is not UTF-8; raises DataError, with a guess, where it looks like another.

    In Western text single letters are not ASCII; in Chinese, Japanese, Korean or Cyrillic whole words are.
    """
    valid = sum(letter >= "\x80" for letter in data.decode("utf-8", "ignore"))
    high = [byte >= 0x80 for byte in data]
    if valid > 0.3 * sum(high):  # two bytes and more make a letter in UTF-8
        raise DataError(f"{name}: most of it is UTF-8, but not all. Correct what is not, or give --encoding E.")
    if not any(high):
        return "cp1252"
    beside = zip([False, *high[:-1]], high, [*high[1:], False], strict=True)
    near = sum(1 for before, here, after in beside if here and (before or after))
    if near <= 0.5 * sum(high):
        try:
            data.decode("cp1252")
        except UnicodeDecodeError as error:
            raise DataError(f"{name}: neither UTF-8 nor Western text. Give its encoding (--encoding E).") from error
        return "cp1252"
    guess, encodings = _guess(data)
    fixes = {f"Read it as {title}": {"encoding": encoding} for title, encoding in encodings.items()}
    raise DataError(f"{name}: not UTF-8; {guess}.", fixes=fixes)


def _guess(data: bytes) -> tuple[str, dict[str, str]]:
    """What to say about text that is not UTF-8, and the encodings that it may have, by their names."""
    letters = bytes(byte for byte in data if byte >= 0x80)
    cyrillic = sum(byte >= 0xC0 for byte in letters) / len(letters)
    for codec, title, word in _EASTERN:
        with_errors = data.decode(codec, "replace")
        others = [letter for letter in with_errors if ord(letter) >= 0x80]
        common = sum(
            "\u4e00" <= one <= "\u9fff" or "\u3040" <= one <= "\u30ff" or "\uac00" <= one <= "\ud7a3" for one in others
        )
        if "\ufffd" not in with_errors and common >= 0.7 * len(others) and (codec != "gb18030" or cyrillic < 0.97):
            return f"this looks like {title}: give --encoding {word}", {title: word}
    if cyrillic > 0.9:
        known = {"Windows Cyrillic": "cp1251", "KOI8-R": "koi8_r"}
        return "this looks like Cyrillic: give --encoding cp1251, or koi8_r", known
    return "give its encoding, such as --encoding gbk or --encoding cp1251", {}


def _marked(start: bytes) -> str | None:
    """The encoding that a byte order mark names, or the zeros between the letters of UTF-16 show; None for UTF-8."""
    for mark, encoding in _BOMS:
        if start.startswith(mark):
            return None if encoding == "utf-8-sig" else encoding
    sample = start[:1024]
    for place, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        letters = sample[place::2]
        if len(letters) > 3 and letters.count(0) > 0.6 * len(letters) and 0 not in sample[1 - place :: 2]:
            return encoding
    return None


@contextmanager
def _unpacked(path: Path, raw: IO[bytes]) -> Iterator[tuple[IO[bytes], str]]:
    magic = raw.read(8)
    raw.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        yield gzip.GzipFile(fileobj=raw), path.name  # type: ignore[misc]
    elif magic.startswith(b"BZh"):
        yield bz2.BZ2File(raw), path.name
    elif magic.startswith(b"\xfd7zXZ\x00"):
        yield lzma.LZMAFile(raw), path.name  # noqa: SIM115  (closed with `raw`)
    elif magic.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(raw) as archive:
            member = _only_member(archive, path.name)
            with archive.open(member) as stream:
                yield stream, f"{path.name}: {PurePosixPath(member.filename).name}"
    else:
        yield raw, path.name


def _only_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    inside = [
        info
        for info in archive.infolist()
        if not info.is_dir() and not info.filename.startswith(_CLUTTER) and "/." not in info.filename
    ]
    if any(info.filename.startswith(("xl/", "word/")) for info in inside):
        raise DataError(f"{name}: this is an Excel workbook, not text. Save the sheet as CSV.")
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
