"""`recdash recommend`: several models, tastes from options and files, filters, and all users of a dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recdash.cli.main import INTERRUPTED, main
from recdash.data import dataset_registry
from recdash.data.items import Item
from recdash.recommend.taste import Mark, TasteEntry
from recdash.recommend.taste_files import write_taste_csv
from recdash.services import all_users, compare, datasets, taste_profiles
from tests.run_helpers import Runs

TOY = ("recommend", "--dataset", "toy")


@pytest.fixture
def document(call: Any) -> Any:
    """The JSON document of a command."""
    return lambda *words: json.loads(call(*words, "--json")[0])


def error_of(capsys: Any, *words: str, status: int = 2) -> str:
    capsys.readouterr()
    assert main(list(words)) == status
    out, err = capsys.readouterr()
    assert out == "" and len(err.strip().splitlines()) >= 1
    return str(err.strip().splitlines()[-1])


@pytest.fixture
def trained(here) -> list[str]:
    """Runs of popularity, EASE and item-kNN."""
    return [run.id for run in compare.start(compare.requests("toy", ["popularity", "ease", "itemknn"]))]


def test_models_are_repeated_or_separated_by_commas(trained, document) -> None:
    for words in (("--model", "itemknn,ease"), ("--model", "itemknn", "--model", "ease")):
        assert list(document(*TOY, "--pick", "4", *words)["recommendations"]) == ["itemknn", "ease"]


def test_runs_are_repeated_or_separated_by_commas_and_names_may_contain_commas(here, document) -> None:
    first, second = compare.start(compare.requests("toy", ["ease"], seeds=[1, 2]))
    assert "," in first.name and first.name != second.name
    for words in ((f"{second.id},{first.id}",), (second.name, first.name)):
        options = [word for one in words for word in ("--run", one)]
        found = document("recommend", "--pick", "4", *options)
        assert [about["run"] for about in found["models"].values()] == [second.id, first.id]


def test_likes_dislikes_and_stars_are_one_taste_in_their_order(trained, document, call) -> None:
    words = ("--pick", "Film 4", "--rate", "Film 7=2.5", "--dislike", "13", "--rate", "#9=4.5", "-k", "45")
    found = document(*TOY, "--model", "ease,popularity", *words)
    marks = [(entry["id"], entry["mark"]) for entry in found["taste"]]
    assert marks == [("4", "like"), ("7", "2.5"), ("13", "dislike"), ("9", "4.5")]
    assert [pick["id"] for pick in found["picks"]] == ["4", "9"]
    for places in found["recommendations"].values():
        assert not {"4", "7", "13", "9"} & {place["id"] for place in places} and len(places) == 41
    out, _ = call(*TOY, "--model", "ease", *words[:-2])
    assert out.splitlines()[:3] == [
        "Picks: Film 4 (1954) (#4)",
        "Rated: Film 7 (1957) (#7) 2.5, Film 9 (1959) (#9) 4.5",
        "Disliked: Film 13 (1963) (#13)",
    ]


def test_the_last_mark_of_an_item_counts(trained, document) -> None:
    found = document(*TOY, "--pick", "4", "--pick", "7", "--dislike", "Film 4")
    assert [(entry["id"], entry["mark"]) for entry in found["taste"]] == [("4", "dislike"), ("7", "like")]


def test_why_names_the_picks_that_raise_the_score(trained, call) -> None:
    out, _ = call(*TOY, "--pick", "4", "--pick", "7", "--model", "ease", "--why")
    assert out.count("contribution: Film") == 10


def test_a_file_of_ratings_is_read_and_its_rows_are_reported(trained, document, call, tmp_path: Path) -> None:
    file = tmp_path / "ratings.csv"
    file.write_text(
        "Date,Name,Year,Letterboxd URI,Rating\n"
        "2020-01-01,Film 4,1954,https://boxd.it/a,5\n2020-01-02,Film 7,1957,https://boxd.it/b,1.5\n"
        "2020-01-03,Parasite,2019,https://boxd.it/c,5\n2020-01-04,Film 9,1959,https://boxd.it/d,six\n"
    )
    words = (*TOY, "--from-csv", str(file), "--pick", "13", "--model", "ease")
    found = document(*words)
    assert [(entry["id"], entry["mark"]) for entry in found["taste"]] == [("4", "5"), ("7", "1.5"), ("13", "like")]
    told = found["imported"]
    assert (told["source"], told["matched"]) == ("Letterboxd", 2)
    assert [row["title"] for row in told["unmatched"]] == ["Parasite (2019)"] and len(told["bad_rows"]) == 1
    _, err = call(*words)
    assert "Letterboxd: 2 matched, 1 not in this dataset, 1 unreadable." in err
    assert "Not in this dataset: Parasite (2019)" in err


def test_a_taste_written_by_recdash_gives_the_same_lists(trained, document, tmp_path: Path) -> None:
    words = ("--pick", "4", "--dislike", "7", "--rate", "9=4.5")
    expected = document(*TOY, *words)
    file = tmp_path / "mine.csv"
    catalogue = datasets.load("toy").catalogue
    marks: dict[str, Mark] = {"4": "like", "7": "dislike", "9": 4.5}
    file.write_text(write_taste_csv(TasteEntry(catalogue[catalogue.index_of[one]], marks[one]) for one in marks))
    found = document(*TOY, "--from-csv", str(file))
    assert found["taste"] == expected["taste"] and found["recommendations"] == expected["recommendations"]


def test_a_saved_taste_comes_first_and_later_marks_replace_its_own(trained, document, capsys: Any) -> None:
    catalogue = datasets.load("toy").catalogue
    entries = [TasteEntry(catalogue[3]), TasteEntry(catalogue[6], "dislike")]
    taste_profiles.save("toy", "Rainy Sunday", entries)
    found = document(*TOY, "--profile", "Rainy Sunday", "--pick", "13", "--pick", "7")
    assert [(entry["id"], entry["mark"]) for entry in found["taste"]] == [("4", "like"), ("7", "like"), ("13", "like")]
    assert "Rainy Sunday" in error_of(capsys, *TOY, "--profile", "Rainy")


def test_items_of_a_saved_taste_that_are_gone_are_named(trained, call) -> None:
    taste_profiles.save("toy", "mine", [TasteEntry(Item("4", "Film 4", 1954)), TasteEntry(Item("999", "Gone", 1999))])
    _, err = call(*TOY, "--profile", "mine")
    assert "No longer in this dataset: Gone (1999)" in err


def test_filters_and_adventure(trained, document) -> None:
    found = document(*TOY, "--pick", "4", "--model", "ease", "--years", "1960..1969", "-k", "45")
    years = {place["year"] for place in found["recommendations"]["ease"]}
    assert years == set(range(1960, 1970))
    for text, expected in (("1960", {1960}), ("1994..", {1994, 1995}), ("..1952", {1951, 1952})):
        places = document(*TOY, "--pick", "4", "--model", "ease", "--years", text)["recommendations"]["ease"]
        assert {place["year"] for place in places} == expected
    usual, bold = (document(*TOY, "--pick", "4", "--model", "ease", "--adventure", a) for a in ("0", "-1"))
    assert usual["recommendations"] != bold["recommendations"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--years", "abc"), "'abc' is no range of years"),
        (("--years", ".."), "'..' is no range of years"),
        (("--years", "1999..1990"), "Swap them"),
        (("--genre", "Opera"), "Unknown genre of toy: 'Opera'"),
        (("--adventure", "-2"), "outside [-1, 1]"),
        (("--rate", "Film 4"), "'Film 4' is not TITLE=STARS"),
        (("--rate", "Film 4=good"), "is not TITLE=STARS"),
        (("--rate", "Film 4=9"), "9 stars are outside the scale of toy, 1 to 5"),
        (("--rate", "Film 4=nan"), "outside the scale"),
        (("--dislike", "Zorglub"), "No item matches 'Zorglub'"),
        (("--output", "x.parquet"), "--output needs --all-users"),
        (("--all-users",), "--all-users needs --output"),
        (("--all-users", "--output", "x.parquet", "--pick", "4"), "Leave out --pick, --dislike and --rate"),
        (("--all-users", "--output", "x.parquet", "--adventure", "1"), "Leave out --adventure"),
        (("--all-users", "--output", "x.txt"), "must be .parquet or .csv"),
        (("--all-users", "--output", "x.parquet", "-k", "0"), "outside [1, 1000]"),
        (("--all-users", "--output", "x.parquet", "--profile", ""), "Leave out --profile"),
        (("--all-users", "--output", "x.parquet", "--years", ""), "Leave out --years"),
    ],
)
def test_usage_errors_are_one_line(runs: Runs, capsys: Any, words: tuple[str, ...], message: str) -> None:
    runs.answering()
    assert message in error_of(capsys, *TOY, *words)


def test_a_missing_file_of_ratings_is_named(toy, capsys: Any, tmp_path: Path) -> None:
    told = error_of(capsys, *TOY, "--from-csv", str(tmp_path / "no.csv"), status=1)
    assert "no.csv: cannot be read (No such file or directory)" in told


@pytest.mark.slow
def test_the_default_dataset_is_one_that_is_still_there(trained, document) -> None:
    assert document("recommend", "--pick", "4")["dataset"] == "toy"
    dataset_registry.remove("toy")
    assert document("recommend", "--pick", "Heat")["dataset"] == "demo"


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs an endless file")
def test_a_file_of_ratings_is_not_read_beyond_the_limit(toy, capsys: Any) -> None:
    assert '"zero": larger than 20 MB' in error_of(capsys, *TOY, "--from-csv", "/dev/zero", status=1)


def test_all_users_are_written_to_a_file(trained, document, call, tmp_path: Path) -> None:
    output = tmp_path / "lists.parquet"
    out, err = call(*TOY, "--all-users", "--output", str(output), "--model", "ease,popularity", "-k", "3")
    assert out == f"Wrote 1,440 rows to {output}.\n" and "240 users with a list" in err
    found = document(*TOY, "--all-users", "--output", str(output), "--model", "ease", "-k", "3")
    assert (found["output"], found["rows"], found["columns"]) == (str(output), 720, list(all_users.COLUMNS))
    assert found["runs"][0]["users"] == 240
    assert list(pd.read_parquet(output)["run"].unique()) == [found["runs"][0]["id"]]


def test_all_users_need_no_dataset_with_a_run(trained, call, tmp_path: Path) -> None:
    call("recommend", "--run", trained[1], "--all-users", "--output", str(tmp_path / "lists.csv"))
    assert len(pd.read_csv(tmp_path / "lists.csv")) == 2400


def test_interrupting_all_users_leaves_no_file(trained, capsys: Any, tmp_path: Path, monkeypatch: Any) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    from recdash.models.ease import EASE

    monkeypatch.setattr(EASE, "score_batch", interrupt)
    folder = tmp_path / "out"
    folder.mkdir()
    words = [*TOY, "--all-users", "--output", str(folder / "lists.parquet"), "--model", "ease"]
    assert main(words) == INTERRUPTED and list(folder.iterdir()) == []
