"""Untrusted zips: only known members are read, and zip bombs are refused."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from recdash.data.readers import movielens, release_files
from recdash.errors import DataError


def test_members_are_found_with_and_without_a_top_folder(zip_of: Callable[..., Path]) -> None:
    below, plain = zip_of("1m", top="ml-1m/"), zip_of("1m", top="", name="plain.zip")
    assert movielens.read(below).fingerprint == movielens.read(plain).fingerprint
    assert movielens.read(plain).name == "plain"


def test_members_of_other_names_and_outside_paths_are_never_opened(zip_of: Callable[..., Path], tmp_path: Path) -> None:
    evil = {"../evil.txt": b"x", "README": b"x" * 100, "deep/er/ratings.dat": b"junk", "/abs/ratings.dat": b"junk"}
    path = zip_of("1m", {f"../{name}": content for name, content in evil.items()}, top="ml-1m/")
    before = sorted(tmp_path.rglob("*"))
    assert len(movielens.read(path)) == 3
    assert sorted(tmp_path.rglob("*")) == before


def test_two_folders_with_the_same_files_are_ambiguous(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as both:
        for top in ("a", "b"):
            both.writestr(f"{top}/ratings.dat", "1::1::1::1\n")
    with pytest.raises(DataError, match="several folders inside contain the files"):
        movielens.read(tmp_path / "two.zip")


def test_a_zip_bomb_is_refused_before_it_is_read(zip_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = zip_of("1m", {"ratings.dat": b"1::1::1::1\n" * 2_000_000})
    monkeypatch.setattr(zipfile.ZipExtFile, "read", lambda *_: pytest.fail("the bomb was opened"))
    said = r"ratings.dat claims to unpack from .* to 22,000,000 bytes, more than the limit of 100 times"
    with release_files.open_members(path, movielens.KNOWN) as members, pytest.raises(DataError, match=said):
        members.open("ratings.dat").__enter__()


def test_a_member_larger_than_any_published_one_is_refused(
    zip_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release_files, "MAX_MEMBER_BYTES", 10)
    with pytest.raises(DataError, match="claims to unpack"):
        movielens.read(zip_of("1m"))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.99])
def test_a_truncated_zip_is_reported(share: float, zip_of: Callable[..., Path]) -> None:
    path = zip_of("1m")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError, match=r"a\.zip: not a complete zip archive\. Download it again\.$"):
        movielens.read(path)


def test_a_flipped_bit_inside_a_member_is_noticed(zip_of: Callable[..., Path]) -> None:
    path = zip_of("1m", {"ratings.dat": b"".join(b"%d::%d::3::5\n" % (user, user * 7) for user in range(1, 900))})
    content = bytearray(path.read_bytes())
    content[200] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(DataError):
        movielens.read(path)


def test_an_encrypted_member_asks_for_the_folder(zip_of: Callable[..., Path]) -> None:
    path = zip_of("1m")
    content = path.read_bytes()
    for header, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        parts = content.split(header)
        content = header.join([parts[0], *(part[: flags - 4] + b"\x01" + part[flags - 3 :] for part in parts[1:])])
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"is encrypted\. Unpack the archive yourself"):
        movielens.read(path)


def test_another_packing_asks_for_the_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as packed:
        packed.writestr("movies.dat", "1::A (1990)::B\n")
        packed.writestr("ratings.dat", "1::1::1::1\n")
    with pytest.raises(DataError, match="unsupported compression"):
        movielens.read(tmp_path / "a.zip")
