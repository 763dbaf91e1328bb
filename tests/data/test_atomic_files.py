"""Atomic replacement of files, JSON lines, and one error for any damage found when a file is read back."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recdash import atomic_files, paths
from recdash.atomic_files import (
    append_json_line,
    atomic_writer,
    read_json_lines,
    replace_file,
    wrap_read_errors,
)
from recdash.data import dataset_cache, dataset_registry
from recdash.data.catalogue import Catalogue
from recdash.data.dataset import Dataset
from recdash.data.items import Item
from recdash.errors import DataError, StoreError, UsageError
from recdash.json_values import (
    is_count,
    is_number,
    json_object,
)
from tests.file_damage import ways
from tests.toy_data import toy_dataset

EVERYDAY = ("a third", "zeros", "objects", "single numbers")
WAYS = [pytest.param(way, marks=() if way in EVERYDAY else pytest.mark.slow) for way in ways(".npz")]


@given(before=st.binary(max_size=60), rows=st.lists(st.dictionaries(st.text(max_size=3), st.integers()), max_size=3))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_appended_is_read_whatever_stands_before(
    before: bytes, rows: list[dict[str, int]], tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(before)
    for row in rows:
        append_json_line(path, row)
    found = read_json_lines(path)
    assert found[len(found) - len(rows) :] == rows
    assert path.read_bytes().startswith(before)


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="disk full"), atomic_writer(path) as file:
        file.write(b"new")
        raise OSError("disk full")
    assert [(child.name, child.read_bytes()) for child in tmp_path.iterdir()] == [("file", b"old")]


def test_threads_that_replace_one_file_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    path, contents = tmp_path / "file", [bytes([number]) * 99_999 for number in range(32)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: replace_file(path, content), contents))
    assert path.read_bytes() in contents and list(tmp_path.iterdir()) == [path]


def test_temporary_files_are_renamed_in_one_module_only() -> None:
    package = Path(atomic_files.__file__).parent
    marks = re.compile(r"fsync|mkstemp|NamedTemporaryFile|os\.replace|os\.rename")
    found = {path.name for path in package.rglob("*.py") if marks.search(path.read_text(encoding="utf-8"))}
    assert found == {"atomic_files.py"}


def test_rows_begin_a_file_without_an_empty_line(tmp_path: Path) -> None:
    append_json_line(tmp_path / "rows.jsonl", {"a": 1})
    append_json_line(tmp_path / "rows.jsonl", {"b": float("nan")})
    assert (tmp_path / "rows.jsonl").read_text() == '{"a": 1}\n{"b": NaN}\n'
    assert read_json_lines(tmp_path / "none.jsonl") == [] == read_json_lines(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "true", '"x"', "[" * 99_999, '{"a":' * 99_999, "\0" * 9])
def test_text_that_is_no_object_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_object(text)


@pytest.mark.parametrize("value", [True, None, "1", [1], -(2**64), 2**64])
def test_what_is_no_number_is_none(value: object) -> None:
    assert not is_number(value) and not is_count(value)
    assert is_number(-1) and is_number(1.5) and is_count(0) and not is_count(-1) and not is_count(1.0)


@pytest.mark.parametrize("error", [OSError("x"), MemoryError(), RecursionError(), RuntimeError(), UsageError("Wrong.")])
def test_whatever_goes_wrong_while_reading_is_one_error_of_one_kind(error: Exception) -> None:
    line = r"^a/b: cannot be read \(\w+\)\. Get it again\.$"
    with pytest.raises(DataError, match=line), wrap_read_errors(Path("a/b"), DataError, "Get it again."):
        raise error
    with pytest.raises(StoreError, match="as it was"), wrap_read_errors("a", StoreError, "Mend it."):
        raise StoreError("as it was")


@pytest.mark.parametrize(
    "text", ["{}", "null", "3", '"ab"', "[1]", "[[1, 2]]", '[["1", "t", "x", [], []]]', '[[null, "t", null, [], []]]',
             '[["1", "t", null, [null], []]]', '[["1", "t", null, {}, []]]'],
)  # fmt: skip
def test_a_catalogue_that_nobody_wrote_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="not a list of items"):
        Catalogue.from_json(text)


def test_a_catalogue_survives_being_written() -> None:
    catalogue = Catalogue((Item("1", "t", None, ("A",), ("B",)), Item("2", "u", 1990)))
    assert Catalogue.from_json(catalogue.to_json()) == catalogue


@pytest.mark.parametrize("way", WAYS)
def test_a_damaged_data_set_is_a_data_error_of_one_line(way: str, tmp_path: Path) -> None:
    toy_dataset().save(tmp_path)
    facts = Dataset.read_facts(tmp_path)
    ways(".npz")[way](tmp_path / "dataset.npz")
    line = r"damaged dataset \(\w+\)\. Get or import it again\.$"
    with pytest.raises(DataError, match=line):
        Dataset.load(tmp_path)
    try:
        assert Dataset.read_facts(tmp_path) == facts, "the damage lies elsewhere in the file"
    except DataError as error:
        assert re.search(line, str(error))


@pytest.mark.parametrize("way", WAYS)
def test_a_damaged_cache_is_rebuilt(way: str, tmp_path: Path, own_folders: Path) -> None:
    source = tmp_path / "mine.csv"
    source.write_text("user,item\n" + "".join(f"{number % 7},{number % 11}\n" for number in range(77)))
    first = dataset_registry.load_dataset(source)
    (kept,) = (own_folders / "cache").glob("*/dataset.npz")
    ways(".npz")[way](kept)
    assert dataset_registry.load_dataset(source).fingerprint == first.fingerprint
    if way != "a folder":
        assert Dataset.load(kept.parent).fingerprint == first.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"name": 3}, {"users": "many"}, {"scale": 5}, {"scale": [1]}, {"scale": [1, "x"]}, {"notes": "one"},
        {"notes": [1]}, {"source": None}, {"generated": "no"}, {"fingerprint": 1}, {"format": "1"},
    ],
    ids=str,
)  # fmt: skip
def test_facts_of_another_type_are_a_data_error(change: dict[str, object], tmp_path: Path, monkeypatch) -> None:
    data = toy_dataset()
    facts = data._facts()
    monkeypatch.setattr(Dataset, "_facts", lambda self: facts | change)
    data.save(tmp_path)
    with pytest.raises(DataError):
        Dataset.load(tmp_path)
    with pytest.raises(DataError):
        Dataset.read_facts(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 90, b"id,title\n1,A\n", b"\xff\xfe\0", b"id,title,year,genres\n1,A,x,B\n"]
)
def test_a_damaged_list_of_films_is_a_data_error(content: bytes, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "films.csv").write_bytes(content)
    monkeypatch.setattr(paths, "demo_films", lambda: tmp_path / "films.csv")
    with pytest.raises(DataError, match=r"damaged list of movies \(\w+\)\. Restore it"):
        dataset_cache.demo_dataset()
    (entry,) = [entry for entry in dataset_registry.available() if entry.name == "demo"]
    assert not entry.ready and "damaged list of movies" in entry.notes[0]
