"""Importing on the command line: the result of the detection is printed first, and options also apply to a path."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from recdash.cli.main import main
from recdash.data import dataset_registry


@pytest.fixture
def zeros(tmp_path: Path) -> Path:
    """130 users with 20 ratings each, of which most are 0 for "not rated"."""
    rng = np.random.default_rng(0)
    lines = ["user,book,rating"]
    for user in range(130):
        lines += [
            f"{user},{item},{rating}" for item, rating in zip(rng.permutation(60)[:20], [0] * 12 + [8] * 8, strict=True)
        ]
    path = tmp_path / "books.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def shown(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main(list(map(str, words)))
    out, err = capsys.readouterr()
    return status, out, err


def test_a_dry_run_prints_and_saves_nothing(zeros: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("data", "import", "books", "--csv", zeros, "--ignore-rating", 0, "--dry-run", "--json")
    status, out, err = shown(capsys, *words)
    found = json.loads(out)
    assert (status, found["kept"]) == (0, False)
    understood = found["understood"]
    assert (understood["users"], understood["interactions"], understood["positives"]) == (130, 1040, 1040)
    assert understood["recognised"] == {"user": "by name", "item": "by name", "rating": "by name"}
    assert understood["rows"][0].keys() == {"user", "item", "rating"}
    assert "Columns: user = user (by name)" in err
    assert "Ratings on a scale of 1 to 10; 8 or more is a positive: 1,040 positives (100% of all rows)" in err
    assert "Left out: 1,560 rows with a rating of 0\n" in err
    assert "books" not in [entry.name for entry in dataset_registry.available()]


def test_an_import_saves_the_options_of_its_splits(zeros: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("data", "import", "books", "--csv", zeros, "--scale", "0..10", "--positive-from", 8, "--min-positives", 6)
    status, _, err = shown(capsys, *words, "--ties", "random")
    assert status == 0, err
    data = dataset_registry.load_dataset("books")
    assert (data.scale, data.default_positive_from, data.min_positives, data.ties) == ((0, 10), 8, 6, "random")


def test_an_ambiguous_path_is_read_with_the_suggested_option(
    here: list[str], zeros: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = ("train", "popularity", "--dataset", zeros)
    status, _, err = shown(capsys, *train)
    assert status == 1 and "--ignore-rating 0" in err
    status, out, err = shown(capsys, *train, "--ignore-rating", 0, "--json")
    assert status == 0, err
    (line,) = [line for line in out.splitlines() if line.startswith("{")]
    assert json.loads(line)["runs"][0]["state"] == "finished"
    status, out, err = shown(capsys, "recommend", "--pick", "#7", "--dataset", zeros)
    assert status == 0, err


@pytest.mark.parametrize("word", ["--user", "--item", "--rating", "--time"])
def test_column_0_is_refused(word: str, zeros: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = shown(capsys, "data", "import", "books", "--csv", zeros, word, "0")
    assert status == 2 and "columns are numbered from 1, found 0" in err


def test_columns_count_from_1_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = shown(capsys, "data", "import", "--help")
    assert status == 0 and out.count("number from 1") == 4 and "from 0" not in out


def test_singular_plural_and_long_lists_of_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "one.csv"
    names = ",".join(f"f{n}" for n in range(30))
    path.write_text(
        f"user,item,rating,date,{names}\nann,heat,5,2011-05-01{',x' * 30}\nann,dune,1,2011-05-09{',x' * 30}\n"
    )
    status, _, err = shown(capsys, "data", "import", "one", "--csv", path, "--dry-run")
    assert status == 0 and "1 user, 2 items, 2 interactions" in err
    assert "4 or more is a positive: 1 positive (50% of all rows)" in err
    assert "Times are dates, from 2011-05-01 to 2011-05-09" in err
    assert "not used: f0, f1, f2, f3, f4, f5 and 24 more" in err
