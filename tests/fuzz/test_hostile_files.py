"""Damaged, foreign and malicious files are read or end in one DataError, in bounded time."""

from __future__ import annotations

import gzip
import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recdash.data import dataset_registry
from recdash.data.dataset import Dataset
from recdash.data.readers import interactions, movielens, recbole
from recdash.errors import DataError, RecdashError, UsageError

SECONDS = 5.0  # for a file of a few kilobytes; an endless or quadratic pass takes longer
EXAMPLES = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

FLAGS = "|".join("0" * 19)
MOVIELENS = {
    "100k": {
        "u.data": "".join(f"{n % 5 + 1}\t{n % 3 + 1}\t{n % 5 + 1}\t{881250949 + n}\n" for n in range(20)),
        "u.item": "".join(f"{n}|Film, The ({1990 + n})|x|||{FLAGS}\n" for n in range(1, 4)),
    },
    "1m": {
        "ratings.dat": "".join(f"{n % 5 + 1}::{n % 3 + 1}::{n % 5 + 1}::{n}\n" for n in range(20)),
        "movies.dat": "".join(f"{n}::Film, The (Autre film, L') ({1990 + n})::A|B\n" for n in range(1, 4)),
        "users.dat": "1::F::1::10::48067\n",
    },
    "csv": {
        "ratings.csv": "userId,movieId,rating,timestamp\n"
        + "".join(f"{n % 5},{n % 3},{n % 5 + 0.5},{n}\n" for n in range(20)),
        "movies.csv": "movieId,title,genres\n" + "".join(f'{n},"Film, The ({1990 + n})",A|B\n' for n in range(3)),
    },
}
CSV = "user,item,rating,time\n" + "".join(
    f'"u {n % 5}",i{n % 3},{n % 5 / 2},2020-01-{n + 1:02d}T10:00:00\n' for n in range(20)
)
INTER = "user_id:token\titem_id:token\trating:float\n" + "".join(f"{n % 5}\t{n % 3}\t{n % 5}\n" for n in range(20))
ITEM = "item_id:token\tmovie_title:token_seq\trelease_year:token\n" + "".join(
    f"{n}\tFilm {n}\t{1990 + n}\n" for n in range(3)
)


@st.composite
def damage(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """One to three small injuries: bytes changed, cut out, doubled, put in, or the end cut off."""
    injuries = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["flip", "cut", "double", "insert", "truncate"]),
                st.floats(0, 1),
                st.integers(1, 40),
                st.sampled_from(
                    [
                        b"\0",
                        b"\n",
                        b"\r",
                        b'"',
                        b"::",
                        b",",
                        b"\t",
                        b"|",
                        b"\xff\xfe",
                        b"nan",
                        b"-",
                        b"1e999",
                        b"\x1f",
                        b" " * 50,
                    ]
                ),
            ),
            min_size=1,
            max_size=3,
        )
    )

    def injure(content: bytes) -> bytes:
        for kind, place, length, piece in injuries:
            at = int(place * len(content))
            if kind == "flip":
                content = content[:at] + bytes(byte ^ length for byte in content[at : at + 2]) + content[at + 2 :]
            elif kind == "cut":
                content = content[:at] + content[at + length :]
            elif kind == "double":
                content = content[: at + length] + content[at:]
            elif kind == "insert":
                content = content[:at] + piece + content[at:]
            else:
                content = content[:at]
        return content

    return injure


def reads_or_refuses(read: Callable[[], Dataset]) -> None:
    """Run a reader: a sound data set, or an error in one line, in bounded time."""
    start = time.monotonic()
    try:
        data = read()
    except (DataError, UsageError) as error:
        assert str(error) and len(str(error).splitlines()) == 1
        assert len(str(error)) < 1000
    else:
        assert len(data) > 0
        assert data.ratings is None or bool(np.all(np.isfinite(data.ratings)))
        assert int(data.users.max()) < data.n_users and int(data.items.max()) < data.n_items
    assert time.monotonic() - start < SECONDS


@pytest.mark.parametrize("form", list(MOVIELENS))
@given(injure=damage(), which=st.integers(0, 1))
@EXAMPLES
def test_an_injured_movielens_folder(form: str, injure: Callable[[bytes], bytes], which: int, tmp_path: Path) -> None:
    for number, (name, content) in enumerate(MOVIELENS[form].items()):
        (tmp_path / name).write_bytes(injure(content.encode()) if number == which else content.encode())
    reads_or_refuses(lambda: movielens.read(tmp_path))


@given(injure=damage(), form=st.sampled_from(list(MOVIELENS)))
@EXAMPLES
def test_an_injured_zip(injure: Callable[[bytes], bytes], form: str, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in MOVIELENS[form].items():
            archive.writestr(f"top/{name}", content)
    path = tmp_path / "a.zip"
    path.write_bytes(injure(packed.getvalue()))
    reads_or_refuses(lambda: movielens.read(path))


@given(injure=damage(), packed=st.booleans(), header=st.sampled_from([None, True, False]))
@EXAMPLES
def test_an_injured_csv(injure: Callable[[bytes], bytes], packed: bool, header: bool | None, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(injure(gzip.compress(CSV.encode())) if packed else injure(CSV.encode()))
    reads_or_refuses(lambda: interactions.read(path, header=header))


@given(injure=damage(), which=st.booleans())
@EXAMPLES
def test_an_injured_recbole_pair(injure: Callable[[bytes], bytes], which: bool, tmp_path: Path) -> None:
    (tmp_path / "a.inter").write_bytes(injure(INTER.encode()) if which else INTER.encode())
    (tmp_path / "a.item").write_bytes(ITEM.encode() if which else injure(ITEM.encode()))
    reads_or_refuses(lambda: recbole.read(tmp_path / "a.inter"))


@given(content=st.binary(max_size=300), name=st.sampled_from(["a.csv", "a.zip", "a.inter", "ratings.dat", "u.data"]))
@EXAMPLES
def test_any_bytes_under_any_name(content: bytes, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    reads_or_refuses(lambda: dataset_registry.load_dataset(path))


@given(
    content=st.text(st.sampled_from('ab1 ,;|\t"\n\r.:-é'), max_size=120), header=st.sampled_from([None, True, False])
)
@EXAMPLES
def test_any_text_that_looks_like_a_table(content: str, header: bool | None, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content.encode())
    reads_or_refuses(lambda: interactions.read(path, header=header))


@given(injure=damage())
@EXAMPLES
def test_an_injured_cache(injure: Callable[[bytes], bytes], tmp_path: Path) -> None:
    data = Dataset.build(
        "toy", users=np.arange(50), items=np.arange(50), ratings=np.ones(50), times=None, source="a test"
    )
    data.save(tmp_path / "saved")
    path = tmp_path / "saved" / "dataset.npz"
    path.write_bytes(injure(path.read_bytes()))
    reads_or_refuses(lambda: Dataset.load(tmp_path / "saved"))


@pytest.mark.parametrize(
    "content",
    [
        b"user,item\n" + b"(" * 300_000 + b",1\n",
        b'user,item\n"' + b"x" * 300_000,
        b"user,item\n" + b'"' * 300_001,
        b"user,item\n" + b"1," * 300_000,
        b"user,item,time\n1,2," + b"9" * 300_000,
        b"user,item,rating\n1,2," + b"0" * 300_000 + b"1\n",
        b"\n" * 300_000,
        b"," * 300_000,
        b"user,item\r" + b"1,2\r" * 50_000,
        b"\xff" * 300_000,
    ],
)
def test_long_and_empty_lines_take_no_longer_than_others(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    reads_or_refuses(lambda: interactions.read(path))


@pytest.mark.parametrize(
    "title",
    ["(" * 100_000, " " * 100_000 + "(1995)", "a (" * 30_000 + ")" * 30_000, "x, The" * 20_000, f"a{' ' * 200_000}b"],
)
def test_titles_made_to_be_slow_are_not(title: str, tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text("1::1::1::1\n")
    (tmp_path / "movies.dat").write_text(f"1::{title}::Drama\n")
    reads_or_refuses(lambda: movielens.read(tmp_path))


def test_a_device_a_loop_of_links_and_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (Path("/dev/zero"), Path("/dev/null"), tmp_path / "loop", tmp_path):
        with pytest.raises(RecdashError):
            dataset_registry.load_dataset(path)
