"""The files inside an upload: a CSV file, or the known members of a zip archive, read in memory within limits."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from recdash.errors import DataError, quote

MAX_BYTES = 20 << 20  # of an upload, and of each file in an archive
_RATINGS = ("ratings.csv", "diary.csv", "movielens-ratings.csv")  # the first of these in an archive is read
_LIKES = "likes/films.csv"
_LIKES_ALONE = re.compile(r"films( ?\(\d+\))?\.csv", re.IGNORECASE)  # likes/films.csv, uploaded without its archive
_MAC_EXTRAS = "__MACOSX/"
_NO_TOP = {"likes", "deleted", "orphaned", "lists", "..", ".", ""}  # folders in an export, and none at all
_MAX_RATIO = 200  # uncompressed to compressed bytes; ratings compress to about a fifth
_PLAIN_ZIP = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class UploadedFile(NamedTuple):
    """A CSV file.

    Attributes:
        name: Its name.
        content: Its bytes.
        is_likes: Whether it is Letterboxd's list of liked films, likes/films.csv.
    """

    name: str
    content: bytes
    is_likes: bool


def files_in_upload(content: bytes, name: str) -> list[UploadedFile]:
    """Return the file itself, or the files of ratings and of likes in a zip archive; at least one.

    Raises:
        DataError: The upload is too large, or the archive is damaged or has none of the files.
    """
    name = re.split(r"[\\/]", name)[-1]
    if len(content) > MAX_BYTES:
        raise DataError(f"{quote(name)}: larger than {MAX_BYTES >> 20} MB. Choose a file of ratings.")
    if not content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return [UploadedFile(name, content, _LIKES_ALONE.fullmatch(name) is not None)]
    with _archive_errors(name), zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = _by_path(archive.infolist())
        wanted = [member for member in _RATINGS if member in members][:1] + [_LIKES] * (_LIKES in members)
        if not wanted:
            found = ", ".join(map(quote, list(members)[:5])) or "nothing"
            expected = ", ".join((*_RATINGS, _LIKES))
            raise DataError(f"{quote(name)}: expected one of {expected} in the archive, found {found}.")
        return [UploadedFile(one, _unpack(archive, members[one], name), one == _LIKES) for one in wanted]


def _by_path(infos: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """Return the members by path, without a folder that holds all of them: an export that was packed again has one."""
    listed = [info for info in infos if not info.is_dir() and not info.filename.startswith(_MAC_EXTRAS)]
    tops = {info.filename.partition("/")[0] for info in listed if "/" in info.filename}
    packed_again = len(tops) == 1 and all("/" in info.filename for info in listed) and tops.isdisjoint(_NO_TOP)
    return {info.filename.partition("/")[2] if packed_again else info.filename: info for info in listed}


@contextmanager
def _archive_errors(name: str) -> Iterator[None]:
    """Turn errors of a damaged archive into a DataError; zipfile and zlib raise many kinds."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{quote(name)}: the archive is damaged. Download it again.") from error


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> bytes:
    """Return a member's content, in memory and within the limits, whatever size the archive declares."""
    where = f"{quote(name)}: {info.filename}"
    if info.flag_bits & 1:
        raise DataError(f"{where} is encrypted. Unpack it and choose the CSV file.")
    if info.compress_type not in _PLAIN_ZIP:
        raise DataError(f"{where} is compressed in an unusual way. Unpack it and choose the CSV file.")
    if info.file_size > MAX_BYTES or info.file_size > _MAX_RATIO * max(info.compress_size, 1):
        raise DataError(f"{where} is too large when unpacked. Choose an archive as exported.")
    with archive.open(info) as stream:
        data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise DataError(f"{where} is too large when unpacked. Choose an archive as exported.")
    return data
