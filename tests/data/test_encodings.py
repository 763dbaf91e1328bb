"""Files in encodings other than UTF-8 are read exactly, or refused with the name of the likely encoding."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recdash.data.readers import interactions
from recdash.data.readers.read_options import ReadOptions
from recdash.data.readers.text_streams import detect_encoding
from recdash.errors import DataError, RecdashError, UsageError

TABLE = "user,item\nann,7\nbob,8\n"
TITLES = {
    "gbk": (
        "小明0,电影标题很好看0",
        "卧虎藏龙,霸王别姬,花样年华",
        "红高粱,活着,无间道,让子弹飞",
        "流浪地球,战狼,哪吒之魔童降世",
    ),
    "big5": ("小明0,電影標題0", "臥虎藏龍,悲情城市,海角七號", "花樣年華,重慶森林,阿飛正傳"),
    "shift_jis": (
        "太郎0,映画タイトル0",
        "千と千尋の神隠し,七人の侍",
        "ハウルの動く城,東京物語",
        "ウイスキー,カメラ,スター・ウォーズ",
    ),
    "euc_jp": ("太郎0,映画タイトル0", "千と千尋の神隠し,七人の侍", "ハウルの動く城,東京物語"),
    "euc_kr": ("철수0,영화제목0", "기생충,올드보이,살인의 추억", "택시운전사,극한직업,명량"),
    "cp1251": ("Иван0,Фильм0", "Анна,Солярис,Иван,Сталкер", "Москва слезам не верит,Ирония судьбы"),
    "koi8_r": ("Иван0,Фильм0", "Анна,Солярис,Иван,Сталкер", "Москва слезам не верит,Ирония судьбы"),
    "cp866": ("Иван0,Фильм0", "Москва слезам не верит,Ирония судьбы"),
    "cp1253": ("Γιάννης0,Ταινία0", "Ο Θίασος,Ποτέ την Κυριακή", "Κυνόδοντας,Στέλλα,Ευδοκία"),
    "cp1255": ("משה0,סרט0", "ואלס עם באשיר,הערת שוליים", "לבנון,בופור,הלהקה"),
    "cp1256": ("باب الحديد,المومياء,الأرض", "أحمد,فيلم,محمد,كتاب"),
    "cp874": ("สมชาย0,ภาพยนตร์0", "องค์บาก,ต้มยำกุ้ง"),
    "cp1250": ("Zażółć0,gęślą0",),
}
CASES = [(encoding, titles) for encoding, listed in TITLES.items() for titles in listed]
SHORT = {"cp1255", "cp1250"}  # in which a few words may be those of another script


def table(titles: str, rows: int) -> str:
    """A file whose items are these titles in turn."""
    listed = titles.split(",")
    return "user,item,rating\n" + "".join(f"{n},{listed[n % len(listed)]},{n % 5 + 1}\n" for n in range(rows))


def refused(path: Path, **options: Any) -> RecdashError:
    """The one-line error of reading a file."""
    with pytest.raises(RecdashError) as caught:
        interactions.read_file(path, ReadOptions.of(**options))
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


@pytest.mark.parametrize("rows", [3, 400])
@pytest.mark.parametrize(("encoding", "titles"), CASES)
def test_the_encoding_of_a_script_is_offered_and_reads_the_file(
    encoding: str, titles: str, rows: int, tmp_path: Path
) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(table(titles, rows).encode(encoding))
    error = refused(path)
    assert isinstance(error, DataError)
    offered = [fix["encoding"] for fix in error.fixes.values()]
    assert encoding in offered and len(offered) <= 3
    assert f"--encoding {encoding}" in str(error)
    if encoding not in SHORT:
        assert offered == [encoding]
    read = interactions.read_file(path, ReadOptions.of(encoding=encoding)).dataset
    assert {item.id for item in read.catalogue.items} == set(titles.split(",")[:rows])


@pytest.mark.parametrize("titles", ["Amélie,Les Misérables,Délicatessen", "Große Freiheit,Mädchen in Uniform", "Å,Æ"])
def test_western_text_is_read_as_such(titles: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(table(titles, 40).encode("cp1252"))
    assert {item.id for item in interactions.read(path).catalogue.items} == set(titles.split(","))


def test_a_letter_beyond_the_usual_set_asks_for_the_larger_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(table("千と千尋の神隠し①,七人の侍②", 4).encode("cp932"))
    error = refused(path)
    assert isinstance(error, DataError) and list(error.fixes.values()) == [{"encoding": "cp932"}]


def test_an_excerpt_has_the_same_encoding_as_the_file() -> None:
    data = table("千と千尋の神隠し,七人の侍", 900).encode("euc_jp")
    for start in range(20, 24):
        with pytest.raises(DataError, match="looks like EUC-JP"):
            detect_encoding(data[start : start + 6001], "mine.csv")


def test_text_that_nothing_fits_says_so(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(b"user,item\n" + b"".join(b"%d,\xff\xfe\xff\xff\xfe\n" % n for n in range(5)))
    assert "not UTF-8" in str(refused(path))


@pytest.mark.parametrize(("encoding", "title"), [("iso2022_jp", "七人の侍"), ("iso2022_kr", "기생충")])
def test_encodings_that_look_like_ascii_are_refused_by_name(encoding: str, title: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(table(title, 3).encode(encoding))
    error = refused(path)
    assert isinstance(error, DataError) and list(error.fixes.values()) == [{"encoding": encoding}]
    assert interactions.read(path, encoding=encoding).catalogue[0].id == title


@pytest.mark.parametrize("encoding", ["base64", "hex", "rot13", "zip", "punycode", "idna", "undefined", "klingon", ""])
def test_only_encodings_of_text_are_accepted(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(TABLE)
    error = refused(path, encoding=encoding)
    assert isinstance(error, UsageError) and "Unknown encoding" in str(error)
    titles = tmp_path / "titles.csv"
    titles.write_bytes("item,title\n7,Amélie\n".encode("cp1252"))
    assert "Unknown encoding" in str(refused(path, titles=titles, encoding=encoding))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_detected_by_its_zero_bytes(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(table("七人の侍,ハウルの動く城", 40).encode(encoding))
    for options in ({}, {"encoding": "utf-16"}, {"encoding": encoding}):
        assert interactions.read(path, **options).catalogue[1].id == "七人の侍"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_utf_16_is_refused_where_nothing_says_which_byte_comes_first(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(TABLE)
    error = refused(path, encoding=encoding)
    assert isinstance(error, DataError) and f"{encoding} without a byte order mark" in str(error)
    assert list(error.fixes.values()) == [{"encoding": f"{encoding}-le"}, {"encoding": f"{encoding}-be"}]


@pytest.mark.parametrize(
    ("written", "requested"),
    [
        ("utf-16", "utf-16-be"),
        ("utf-8-sig", "cp1252"),
        ("utf-8-sig", "utf-16"),
        ("utf-32", "utf-16"),
        ("utf-16", "gbk"),
    ],
)
def test_a_byte_order_mark_contradicts_another_encoding(written: str, requested: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(TABLE.encode(written))
    error = refused(path, encoding=requested)
    assert isinstance(error, DataError) and f"so it is not {requested}" in str(error)
    (fix,) = error.fixes.values()
    assert len(interactions.read(path, **fix)) == 2


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_are_refused_by_name(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "mine.pkl"
    path.write_bytes(pickle.dumps({"user": [1], "item": [2]}, protocol))
    assert str(refused(path)).startswith("mine.pkl: this is a Python pickle")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2"])
def test_tar_archives_are_refused_by_name(mode: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.tar"
    with tarfile.open(path, mode) as archive:
        info = tarfile.TarInfo("mine.csv")
        info.size = len(TABLE)
        archive.addfile(info, io.BytesIO(TABLE.encode()))
    assert str(refused(path)) == "mine.tar: this is a tar archive. Unpack it and give the table inside."


def test_a_file_compressed_twice_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(TABLE.encode())
    twice, inside = tmp_path / "mine.csv.gz", tmp_path / "mine.zip"
    twice.write_bytes(gzip.compress(packed))
    with zipfile.ZipFile(inside, "w") as archive:
        archive.writestr("mine.csv.gz", packed)
    assert "mine.csv.gz: the file is compressed twice" in str(refused(twice))
    assert "mine.zip: mine.csv.gz: the file is compressed twice" in str(refused(inside))


def test_arrays_and_empty_archives_and_folders_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays, empty = tmp_path / "mine.npz", tmp_path / "none.zip"
    np.savez(arrays, a=np.arange(3))
    with zipfile.ZipFile(empty, "w"):
        pass
    assert "archive of NumPy arrays" in str(refused(arrays)) and "Split.from_matrices" in str(refused(arrays))
    assert "expected one table inside, found nothing" in str(refused(empty))
    monkeypatch.chdir(tmp_path)
    assert str(refused(Path())).startswith(f"{tmp_path.name}: this is a folder")
