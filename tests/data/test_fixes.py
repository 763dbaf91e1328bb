"""Errors about a file say what its owner can choose so that it is read, as options as well as in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recdash.data.readers import interactions
from recdash.data.readers.read_options import ReadOptions
from recdash.errors import DataError

CYRILLIC = "user,item\n" + "".join(
    f"{n},\u0444\u0438\u043b\u044c\u043c \u043e \u0432\u043e\u0439\u043d\u0435\n" for n in range(40)
)
SWALLOWED = 'user,item,rating\n1,"Heroes,5\n2,Low,4\n3,Lodger",3\n'


def refused(path: Path, **options: Any) -> DataError:
    """The error of reading a file."""
    with pytest.raises(DataError) as caught:
        interactions.read_file(path, ReadOptions.of(**options))
    return caught.value


@pytest.mark.parametrize(
    ("content", "offered"),
    [
        (CYRILLIC.encode("cp1251"), {"Read it as Windows Cyrillic"}),
        (SWALLOWED, {"Quotes are letters", "The field has several lines"}),
        ('user,item,rating\n1,"Heroes,5\n2,Low,4\n', {"Quotes are letters"}),
        ("user,item,plays\n1,2,0\n1,3,0\n", {"Every row is a positive"}),
        ("user,item,item\n1,2,3\n1,3,4\n", {"Column 2 is the item", "Column 3 is the item"}),
        ("who,item,stars\n1,2,3\n1,3,4\n", {'"who" is the user'}),
        ("0,1,2\n7,8,5\n8,9,4\n", {"It is a row of data", "It numbers the columns"}),
        ("1 2 3 4 5\n2 3 4\n3 1 2 9 8 7\n", {"Read it as lists", "Each line is one interaction"}),
        ('{"user_id":"","item_id":"7"}\n{"user_id":"1","item_id":"7"}\n', {"Skip invalid rows"}),
    ],
)
def test_a_refusal_offers_what_reads_the_file_or_leads_to_another_question(
    tmp_path: Path, content: str | bytes, offered: set[str]
) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    error = refused(path)
    assert set(error.fixes) == offered
    for fix in error.fixes.values():
        try:
            interactions.read_file(path, ReadOptions.of(**fix))
        except DataError as other:
            assert str(other) != str(error)


def test_rows_that_do_not_fit_can_be_left_out_as_many_as_there_are(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    rows = "".join(f"{n},7,978300{n:03}\n" for n in range(95)) + "".join(f"{n},8,978300760000\n" for n in range(5))
    path.write_text(f"user,item,time\n{rows}")
    fix = refused(path).fixes
    assert fix == {"Skip the 5 invalid rows": {"skip_bad": 0.05}}
    assert len(interactions.read_file(path, ReadOptions.of(**fix["Skip the 5 invalid rows"])).dataset) == 95


def test_rows_of_which_most_do_not_fit_are_not_offered_to_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("user,item,rating\n1,2,11\n1,3,12\n1,4,3\n")
    assert not any("invalid row" in label for label in refused(path, scale="1..5").fixes)


def test_a_missing_value_in_parquet_can_be_left_out(tmp_path: Path) -> None:
    import pandas as pd

    path = tmp_path / "mine.parquet"
    pd.DataFrame({"user": ["a", None, "c"], "item": [1, 2, 3]}).to_parquet(path)
    assert refused(path).fixes == {"Skip invalid rows": {"skip_bad": True}}


def test_an_error_without_a_choice_offers_none(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("")
    assert refused(path).fixes == {}
