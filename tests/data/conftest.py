"""Small files in each published form, written by hand."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

FLAGS = "0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0"  # Animation, Children's, Comedy
FILES: Mapping[str, Mapping[str, bytes]] = {
    "100k": {
        "u.data": b"196\t242\t3\t881250949\n186\t302\t3\t891717742\n196\t302\t5\t881250950\n",
        "u.item": (
            f"242|Kolya (1996)|24-Jan-1997||http://x/|{FLAGS}\n302|Mis\xe9rables, Les (1995)|01-Jan-1995|||{FLAGS}\n"
        ).encode("latin-1"),
        "u.genre": b"unknown|0\nAction|1\n",
    },
    "1m": {
        "ratings.dat": b"1::1193::5::978300760\n1::661::3::978302109\n2::1193::4::978298413\n",
        "movies.dat": "661::Giant Peach (1996)::Animation|Children's\n1193::Caf\xe9, The (1975)::Drama\n".encode(
            "latin-1"
        ),
        "users.dat": b"1::F::1::10::48067\n",
    },
    "10m": {
        "ratings.dat": b"1::122::5::838985046\n1::185::4.5::838983525\n2::122::0.5::868245777\n",
        "movies.dat": "122::Caf\xe9, The (1992)::Comedy|Romance\n185::Net, The (1995)::Action|Crime\n".encode(),
    },
    "csv": {
        "ratings.csv": b"userId,movieId,rating,timestamp\n1,2,3.5,1112486027\n1,29,3.5,1112484676\n2,2,0.5,974820889\n",
        "movies.csv": (
            b"movieId,title,genres\r\n2,Jumanji (1995),Adventure|Children\r\n"
            b'29,"City of Lost Children, The (Cit\xc3\xa9 des enfants perdus, La) (1995)",(no genres listed)\r\n'
        ),
    },
}


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[..., Path]:
    """Write the files of a form into a folder; `changes` replace a file or, with None, leave it out."""

    def write(form: str, changes: Mapping[str, bytes | None] | None = None, name: str = "") -> Path:
        folder = tmp_path / (name or f"files-{form}")
        folder.mkdir()
        for file, content in {**FILES[form], **(changes or {})}.items():
            if content is not None:
                (folder / file).write_bytes(content)
        return folder

    return write


@pytest.fixture
def zip_of(tmp_path: Path) -> Callable[..., Path]:
    """Write the files of a form into a zip, below a top folder unless that is empty."""

    def write(form: str, changes: Mapping[str, bytes] | None = None, top: str = "top/", name: str = "a.zip") -> Path:
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file, content in {**FILES[form], **(changes or {})}.items():
                archive.writestr(top + file, content)
        return path

    return write
