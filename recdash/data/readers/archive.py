"""The files of a published data set, in a folder or in a zip, found by their exact names; nothing else is opened."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from recdash.data.readers.text_streams import Input, open_input, reading
from recdash.errors import DataError

LARGEST_MEMBER = 4 << 30  # bytes; the largest published file, ratings.csv of ml-32m, has 0.9 GB
LARGEST_RATIO = 100  # unpacked to packed; text shrinks 3 to 15 times
_RATIO_FREE = 1 << 20  # members below this size may shrink as they like
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ZIP_DAMAGE = (
    zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, ValueError, NotImplementedError, RuntimeError,
    IndexError, OverflowError, struct.error, zlib.error, lzma.LZMAError,
)  # fmt: skip


Top = TypeVar("Top")


class Members(ABC):
    """The known files of one data set: their plain names, and a way to read each as a stream."""

    def __init__(self, label: str, names: Collection[str]) -> None:
        self.label = label
        self.names = frozenset(names)

    @abstractmethod
    @contextmanager
    def open(self, name: str) -> Iterator[Input]:
        """Open one of `names`."""
        raise NotImplementedError


class _Folder(Members):
    def __init__(self, folder: Path, known: Collection[str]) -> None:
        with reading(folder.name):
            tops = [folder, *sorted(child for child in folder.iterdir() if child.is_dir() and not child.is_symlink())]
        holding = [(top, names) for top in tops if (names := [name for name in known if (top / name).is_file()])]
        self.top, names = _one(holding, folder.name, here=folder)
        super().__init__(self.top.name, names)

    @contextmanager
    def open(self, name: str) -> Iterator[Input]:
        with open_input(self.top / name) as source:
            yield source


class _Zip(Members):
    def __init__(self, archive: zipfile.ZipFile, label: str, known: Collection[str]) -> None:
        self.archive = archive
        tops: dict[str, list[str]] = {}
        for path in set(archive.namelist()):
            top, _, name = path.rpartition("/")
            if name in known and "/" not in top and "\\" not in top:
                tops.setdefault(top, []).append(name)
        self.top, names = _one(list(tops.items()), label, here="")
        super().__init__(label, names)

    @contextmanager
    def open(self, name: str) -> Iterator[Input]:
        info = self.archive.getinfo(f"{self.top}/{name}" if self.top else name)
        label = f"{self.label}: {name}"
        if info.flag_bits & 1:
            raise DataError(f"{label} is encrypted. Unpack the archive yourself and give the folder.")
        if info.compress_type not in _PACKINGS:
            raise DataError(f"{label} is packed in an unusual way. Unpack the archive yourself and give the folder.")
        bomb = info.file_size > _RATIO_FREE and info.file_size > LARGEST_RATIO * max(info.compress_size, 1)
        if bomb or info.file_size > LARGEST_MEMBER:
            raise DataError(
                f"{label} claims to unpack from {info.compress_size:,} to {info.file_size:,} bytes, more than the "
                f"{LARGEST_RATIO} times or {LARGEST_MEMBER >> 30} GB allowed. Download it again from its publisher."
            )
        with _zip_damage(self.label):
            stream = self.archive.open(info)
        with stream:
            yield Input(name, stream, info.file_size, stream.tell)


@contextmanager
def open_members(path: Path, known: Collection[str]) -> Iterator[Members]:
    """Open a folder or a zip that holds files of the known names, directly or in one folder inside.

    Raises DataError when there is none, when two folders inside have some, and when the zip is damaged.
    """
    if path.is_dir():
        yield _Folder(path, known)
        return
    with reading(path.name), path.open("rb") as file:
        with _zip_damage(path.name):
            archive = zipfile.ZipFile(file)
        yield _Zip(archive, path.name, known)


def holds_known(path: Path, known: Collection[str]) -> bool:
    """Whether a zip has files of the known names, or is no whole zip, which their reader says best."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.rpartition("/")[2] in known for name in archive.namelist())
    except (*_ZIP_DAMAGE, OSError):
        return True


@contextmanager
def _zip_damage(label: str) -> Iterator[None]:
    try:
        yield
    except _ZIP_DAMAGE as error:
        raise DataError(f"{label}: not a whole zip archive. Download it again.") from error


def _one(holding: list[tuple[Top, list[str]]], label: str, here: Top) -> tuple[Top, list[str]]:
    """Choose the place itself, else the only folder inside that has something."""
    for top, names in holding:
        if top == here:
            return top, names
    if len(holding) != 1:
        what = "several folders inside have" if holding else "there is none of"
        raise DataError(
            f"{label}: {what} the files of a data set. Give the folder or zip in which ratings and movies lie together."
        )
    return holding[0]
