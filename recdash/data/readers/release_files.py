"""Files of a published dataset, in a folder or a zip, found by their exact names; no other file is opened."""

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

from recdash.data.readers.text_streams import (
    Input,
    file_errors,
    open_input,
)
from recdash.errors import DataError

MAX_MEMBER_BYTES = 4 << 30  # bytes; the largest published file, ratings.csv of ml-32m, has 0.9 GB
MAX_RATIO = 100  # unpacked to packed size; text compresses 3 to 15 times
_RATIO_FREE_BYTES = 1 << 20  # members up to this size may have any ratio
_COMPRESSION_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ZIP_ERRORS = (
    zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, ValueError, NotImplementedError, RuntimeError,
    IndexError, OverflowError, struct.error, zlib.error, lzma.LZMAError,
)  # fmt: skip


Location = TypeVar("Location")


class Members(ABC):
    """The known files of one dataset; names: without folders."""

    def __init__(self, label: str, names: Collection[str]) -> None:
        self.label = label
        self.names = frozenset(names)

    @abstractmethod
    @contextmanager
    def open(self, name: str) -> Iterator[Input]:
        """Open one of `names` as a stream."""
        raise NotImplementedError


class _Folder(Members):
    def __init__(self, folder: Path, file_names: Collection[str]) -> None:
        with file_errors(folder.name):
            folders = [
                folder,
                *sorted(child for child in folder.iterdir() if child.is_dir() and not child.is_symlink()),
            ]
        candidates = [
            (folder, names)
            for folder in folders
            if (names := [name for name in file_names if (folder / name).is_file()])
        ]
        self.folder, names = _choose_folder(candidates, folder.name, root=folder)
        super().__init__(self.folder.name, names)

    @contextmanager
    def open(self, name: str) -> Iterator[Input]:
        with open_input(self.folder / name) as source:
            yield source


class _Zip(Members):
    def __init__(self, archive: zipfile.ZipFile, label: str, file_names: Collection[str]) -> None:
        self.archive = archive
        folders: dict[str, list[str]] = {}
        for path in set(archive.namelist()):
            folder, _, name = path.rpartition("/")
            if name in file_names and "/" not in folder and "\\" not in folder:
                folders.setdefault(folder, []).append(name)
        self.folder, names = _choose_folder(list(folders.items()), label, root="")
        super().__init__(label, names)

    @contextmanager
    def open(self, name: str) -> Iterator[Input]:
        info = self.archive.getinfo(f"{self.folder}/{name}" if self.folder else name)
        label = f"{self.label}: {name}"
        if info.flag_bits & 1:
            raise DataError(f"{label} is encrypted. Unpack the archive yourself and give the folder.")
        if info.compress_type not in _COMPRESSION_METHODS:
            raise DataError(
                f"{label} uses an unsupported compression. Unpack the archive yourself and give the folder."
            )
        is_bomb = info.file_size > _RATIO_FREE_BYTES and info.file_size > MAX_RATIO * max(info.compress_size, 1)
        if is_bomb or info.file_size > MAX_MEMBER_BYTES:
            raise DataError(
                f"{label} claims to unpack from {info.compress_size:,} to {info.file_size:,} bytes, more than the "
                f"limit of {MAX_RATIO} times or {MAX_MEMBER_BYTES >> 30} GB. Download it again from its publisher."
            )
        with _zip_errors(self.label):
            stream = self.archive.open(info)
        with stream:
            yield Input(name, stream, info.file_size, stream.tell)


@contextmanager
def open_members(path: Path, file_names: Collection[str]) -> Iterator[Members]:
    """Open a folder or zip that contains files of the known names, directly or in one folder inside.

    Args:
        path: The folder or zip.
        file_names: Names of the files that may be opened.

    Raises:
        DataError: There is no such file, several folders inside have some, or the zip is damaged.
    """
    if path.is_dir():
        yield _Folder(path, file_names)
        return
    with file_errors(path.name), path.open("rb") as file:
        with _zip_errors(path.name):
            archive = zipfile.ZipFile(file)
        yield _Zip(archive, path.name, file_names)


def contains_known_files(path: Path, file_names: Collection[str]) -> bool:
    """Whether a zip has files of the known names; also true for a damaged zip, for `open_members` to report."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.rpartition("/")[2] in file_names for name in archive.namelist())
    except (*_ZIP_ERRORS, OSError):
        return True


@contextmanager
def _zip_errors(label: str) -> Iterator[None]:
    try:
        yield
    except _ZIP_ERRORS as error:
        raise DataError(f"{label}: not a complete zip archive. Download it again.") from error


def _choose_folder(
    candidates: list[tuple[Location, list[str]]], label: str, root: Location
) -> tuple[Location, list[str]]:
    """Choose the root if it has known files, otherwise the only folder inside that has some."""
    for folder, names in candidates:
        if folder == root:
            return folder, names
    if len(candidates) != 1:
        problem = "several folders inside contain" if candidates else "no folder contains"
        raise DataError(
            f"{label}: {problem} the files of a dataset. Give the folder or zip that contains its ratings and movies."
        )
    return candidates[0]
