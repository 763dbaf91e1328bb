"""MovieLens releases: addresses, checksums, sizes, and their download."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recdash import paths
from recdash.data.readers.chunks import ProgressCallback
from recdash.data.readers.text_streams import file_errors
from recdash.errors import DataError, unknown_name

BASE_URL = "https://files.grouplens.org/datasets/movielens/"
CITATION = (
    "F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context. "
    "ACM Transactions on Interactive Intelligent Systems 5(4), article 19. doi:10.1145/2827872"
)
LICENCE = "For research, not to be redistributed; the terms are in the README inside the archive (GroupLens)."
RETRIES = 2
_CHUNK = 1 << 18
_TIMEOUT = 30  # seconds without an answer
_MD5 = re.compile(r"\b[0-9a-f]{32}\b")


@dataclass(frozen=True)
class Release:
    """A published release.

    Attributes:
        name: Name of the dataset.
        layout: File layout, see `recdash.data.readers.movielens.LAYOUTS`.
        checksum: As "algorithm:digits"; None if it is published in a file next to the archive.
        users: Published number of users.
        items: Published number of items with at least one rating.
        ratings: Published number of ratings.
        scale: Lowest and highest possible rating.
        pinned: Whether the archive at this address never changes.
    """

    name: str
    layout: str
    checksum: str | None
    users: int
    items: int
    ratings: int
    scale: tuple[float, float] = (0.5, 5)
    pinned: bool = True

    @property
    def archive(self) -> str:
        """File name of the archive."""
        return f"{self.name}.zip"


# SHA-256 as TensorFlow Datasets lists them, MD5 of ml-10m as published with it; sizes from the releases' READMEs.
_100K = "sha256:50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229"
_1M = "sha256:a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20"
_10M = "md5:ce571fd55effeba0271552578f2648bd"
_20M = "sha256:96f243c338a8665f6bcc89c53edf6ee39162a846940de6b7c8c48aeada765ff3"
_25M = "sha256:8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa"
_SMALL = "sha256:696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436"
_RELEASES = (
    Release("ml-100k", "100k", _100K, 943, 1_682, 100_000, (1, 5)),
    Release("ml-1m", "1m", _1M, 6_040, 3_706, 1_000_209, (1, 5)),
    Release("ml-10m", "10m", _10M, 69_878, 10_677, 10_000_054),
    Release("ml-20m", "csv", _20M, 138_493, 26_744, 20_000_263),
    Release("ml-25m", "csv", _25M, 162_541, 59_047, 25_000_095),
    Release("ml-32m", "csv", None, 200_948, 84_432, 32_000_204),
    Release("ml-latest-small", "csv", _SMALL, 610, 9_724, 100_836, pinned=False),
)
RELEASES: Mapping[str, Release] = {release.name: release for release in _RELEASES}


def release_of(name: str) -> Release:
    """Return the release of that name. Raises UsageError, listing the known names."""
    if name not in RELEASES:
        raise unknown_name("MovieLens release", name, RELEASES)
    return RELEASES[name]


def archive_path(release: Release) -> Path:
    """Return the path of the downloaded archive."""
    return paths.data_dir() / "downloads" / release.archive


def download(name: str, progress: ProgressCallback | None = None, *, base_url: str | None = None) -> Path:
    """Download and verify the archive of a release, unless it is already here.

    The file appears complete and verified, or not at all: pooch writes a temporary file and renames it.

    Args:
        name: Name of the release.
        progress: Called with the bytes downloaded and the total.
        base_url: Another server, for tests.

    Returns:
        The path of the archive.

    Raises:
        DataError: There is no network, the checksum is wrong, or the file cannot be written.
    """
    release, target, url = release_of(name), archive_path(release_of(name)), base_url or BASE_URL
    import pooch  # lazy: pooch, requests
    from requests.exceptions import RequestException  # lazy: requests

    pooch.get_logger().setLevel("ERROR")
    try:
        checksum = release.checksum if release.pinned else None
        if checksum is None and release.pinned:
            checksum = _download_checksum(target, f"{url}{release.archive}.md5")
        fetcher = pooch.create(
            path=target.parent, base_url=url, registry={release.archive: checksum}, retry_if_failed=RETRIES
        )
        bar: Any = _PoochProgress(progress) if progress is not None else False
        web = pooch.HTTPDownloader(progressbar=bar, chunk_size=_CHUNK, timeout=_TIMEOUT)
        return Path(fetcher.fetch(release.archive, downloader=web))
    except RequestException as error:
        raise DataError(
            f"{release.archive}: download from {url} failed ({_reason(error)}). {_next_steps(name)}"
        ) from error
    except ValueError as error:
        _checksum_file(target).unlink(missing_ok=True)
        raise DataError(
            f"{release.archive}: the file from {url} does not have the published checksum. {_next_steps(name)}"
        ) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DataError(f"{target}: cannot be written ({reason}). Free some space or set RECDASH_DATA_DIR.") from error


def verify(path: Path, release: Release) -> str:
    """Verify a local zip against the published checksum.

    Returns:
        A note on the result, for the dataset.

    Raises:
        DataError: The archive of a pinned release has a different checksum.
    """
    published = release.checksum or _read_checksum_file(path)
    if published is None:
        return f"read from {path.name}; not verified, as the publisher's checksum file is not next to it"
    algorithm, _, expected = published.partition(":")
    found = checksum_of(path, algorithm)
    if found == expected:
        return f"read from {path.name}; {algorithm} verified"
    if not release.pinned:
        return f"read from {path.name}, {algorithm} {found}; {release.name} is updated from time to time"
    raise DataError(
        f"{path.name}: {algorithm} {found} differs from the published {expected}. Download it again; "
        "if the difference is intended, unpack it and give the folder."
    )


def checksum_of(path: Path, algorithm: str = "sha256") -> str:
    """Return the checksum of a file as hexadecimal digits."""
    with file_errors(path.name), path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _download_checksum(target: Path, url: str) -> str:
    """Return the checksum from the publisher's `.md5` file, downloaded unless it is already here."""
    import pooch  # lazy: pooch, requests

    file = _checksum_file(target)
    if not file.is_file():
        web = pooch.HTTPDownloader(timeout=_TIMEOUT)
        pooch.retrieve(url, known_hash=None, fname=file.name, path=target.parent, downloader=web)
    checksum = _read_checksum_file(target)
    if checksum is None:
        raise ValueError("no checksum in the .md5 file")
    return checksum


def _checksum_file(archive: Path) -> Path:
    return archive.with_name(f"{archive.name}.md5")


def _read_checksum_file(archive: Path) -> str | None:
    file = _checksum_file(archive)
    if not file.is_file():
        return None
    found = _MD5.search(file.read_text(encoding="latin-1")[:4096].lower())
    return f"md5:{found[0]}" if found else None


def _next_steps(name: str) -> str:
    return f"Try again later, or use a local copy: recdash data get {name} --from FOLDER_OR_ZIP."


def _reason(error: Exception) -> str:
    from requests.exceptions import ConnectionError, HTTPError, Timeout  # lazy: requests

    if isinstance(error, HTTPError) and error.response is not None:
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, Timeout):
        return "timeout"
    return "no connection" if isinstance(error, ConnectionError) else type(error).__name__


class _PoochProgress:
    """Progress bar with the interface that pooch expects; calls back. A retry starts again from zero."""

    def __init__(self, progress: ProgressCallback) -> None:
        self._progress, self._total, self._done = progress, 0, 0

    @property
    def total(self) -> int:
        return self._total

    @total.setter
    def total(self, total: int) -> None:
        self._total, self._done = total, 0

    def update(self, n_bytes: int) -> None:
        self._done += n_bytes
        self._progress(min(self._done, self._total) if self._total else self._done, self._total or None)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        pass
