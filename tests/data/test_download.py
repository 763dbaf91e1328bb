"""Downloads, tried against a server on this machine: verified, whole or not at all, and one line when there is none."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from recdash.data import dataset_registry, download
from recdash.errors import DataError, UsageError


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """An address and the folder that it serves; downloads are not tried twice."""
    folder = tmp_path / "served"
    folder.mkdir()
    served = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=served.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    monkeypatch.setattr(download, "RETRIES", 0)
    url = f"http://127.0.0.1:{served.server_port}/"
    monkeypatch.setattr(download, "BASE_URL", url)
    yield url, folder
    served.shutdown()
    thread.join()


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Change what is known about a release; it has the three ratings of the archives here."""

    def change(name: str, **facts: object) -> None:
        facts = {"ratings": 3, **facts}
        monkeypatch.setattr(
            download, "RELEASES", {**download.RELEASES, name: replace(download.RELEASES[name], **facts)}
        )

    return change


def sha256(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_a_download_is_verified_kept_and_then_read(
    server: tuple[str, Path], published: Callable[..., None], zip_of: Callable[..., Path], own_folders: Path
) -> None:
    archive = zip_of("1m", name="served/ml-1m.zip")
    published("ml-1m", checksum=sha256(archive))
    steps: list[tuple[int, int | None]] = []
    data = dataset_registry.get("ml-1m", progress=lambda done, total: steps.append((done, total)))
    assert (data.name, len(data)) == ("ml-1m", 3)
    assert data.notes == ("read from ml-1m.zip; sha256 verified",)
    assert (archive.stat().st_size, archive.stat().st_size) in steps
    assert (own_folders / "downloads" / "ml-1m.zip").read_bytes() == archive.read_bytes()


def test_what_is_here_already_is_not_downloaded_again(
    server: tuple[str, Path], published: Callable[..., None], zip_of: Callable[..., Path]
) -> None:
    archive = zip_of("1m", name="served/ml-1m.zip")
    published("ml-1m", checksum=sha256(archive))
    first = download.download("ml-1m", base_url=server[0])
    archive.unlink()
    assert download.download("ml-1m", base_url=server[0]) == first
    assert dataset_registry.get("ml-1m").fingerprint == dataset_registry.get("ml-1m").fingerprint


def test_another_checksum_than_published_leaves_nothing_behind(
    server: tuple[str, Path], zip_of: Callable[..., Path], own_folders: Path
) -> None:
    zip_of("1m", name="served/ml-1m.zip")
    with pytest.raises(
        DataError, match=r"ml-1m\.zip: the file from .* does not have the published checksum\. .*--from"
    ):
        download.download("ml-1m", base_url=server[0])
    assert list((own_folders / "downloads").iterdir()) == []


def test_the_checksum_of_ml_32m_comes_from_beside_its_archive(
    server: tuple[str, Path], published: Callable[..., None], zip_of: Callable[..., Path], own_folders: Path
) -> None:
    published("ml-32m")
    archive = zip_of("csv", name="served/ml-32m.zip")
    beside = server[1] / "ml-32m.zip.md5"
    beside.write_text(f"{hashlib.md5(archive.read_bytes()).hexdigest()}  ml-32m.zip\n")
    assert "md5 verified" in dataset_registry.get("ml-32m").notes[0]
    dataset_registry.remove("ml-32m")
    assert list((own_folders / "downloads").iterdir()) == []
    for wrong in ("0" * 32, "<html>"):
        beside.write_text(wrong)
        with pytest.raises(DataError, match="does not have the published checksum"):
            download.download("ml-32m")
        assert list((own_folders / "downloads").iterdir()) == []


def test_the_release_that_changes_is_taken_as_it_is_and_its_checksum_noted(
    server: tuple[str, Path], zip_of: Callable[..., Path]
) -> None:
    zip_of("csv", name="served/ml-latest-small.zip")
    notes = dataset_registry.get("ml-latest-small").notes
    assert "is updated from time to time" in notes[0]
    assert "3 ratings; the published release has 100,836" in notes


@pytest.mark.parametrize(("url", "reason"), [(None, "HTTP status 404"), ("http://127.0.0.1:9/", "no connection")])
def test_without_the_archive_the_message_tells_of_the_other_way(
    url: str | None, reason: str, server: tuple[str, Path], own_folders: Path
) -> None:
    with pytest.raises(DataError) as caught:
        download.download("ml-20m", base_url=url or server[0])
    assert reason in str(caught.value)
    assert "recdash data get ml-20m --from FOLDER_OR_ZIP" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_download_that_cannot_be_written_says_where(server: tuple[str, Path], own_folders: Path) -> None:
    own_folders.mkdir()
    (own_folders / "downloads").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot be written \(.*\)\. Free some space or set RECDASH_DATA_DIR"):
        download.download("ml-20m", base_url=server[0])


def test_a_zip_at_hand_is_held_against_the_published_checksum(
    zip_of: Callable[..., Path], published: Callable[..., None]
) -> None:
    path = zip_of("1m", name="mine.zip")
    with pytest.raises(DataError) as caught:
        dataset_registry.get("ml-1m", path)
    found, wanted = sha256(path).partition(":")[2], download.RELEASES["ml-1m"].checksum.partition(":")[2]
    assert found in str(caught.value) and wanted in str(caught.value)
    assert "unpack it and give the folder" in str(caught.value)
    published("ml-1m", checksum=sha256(path))
    assert dataset_registry.get("ml-1m", path).notes[0] == "read from mine.zip; sha256 verified"


def test_a_zip_whose_checksum_is_not_known_here_is_taken_and_that_is_said(
    zip_of: Callable[..., Path], published: Callable[..., None]
) -> None:
    published("ml-32m")
    assert "not verified" in dataset_registry.get("ml-32m", zip_of("csv", name="ml-32m.zip")).notes[0]


def test_a_release_that_does_not_exist_lists_those_that_do() -> None:
    with pytest.raises(UsageError, match=r"'ml-2m'.*ml-100k, ml-1m, ml-10m, ml-20m, ml-25m, ml-32m, ml-latest-small"):
        download.download("ml-2m")
