"""User-defined splits on the command line, from files to results and recommendations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recdash.cli.main import main
from tests.toy_data import toy_dataset


@pytest.fixture
def call(capsys):
    """Run a command line here; gives exit status, standard output and standard error."""

    def do(*words: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(list(map(str, words)))
        out, err = capsys.readouterr()
        return status, out, err

    return do


@pytest.fixture
def document(call):
    """Run a command line that must succeed with exactly one JSON document on standard output."""

    def do(*words: str | Path) -> Any:
        status, out, err = call(*words, "--json")
        (line,) = [line for line in out.splitlines() if not line.startswith("20")]  # workers that run here speak, too
        assert status == 0, err
        return json.loads(line)

    return do


def write(path: Path, columns: Sequence[Iterable[Any]], header: str) -> Path:
    lines = (",".join(map(str, row)) for row in zip(*columns, strict=True))
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


@pytest.fixture
def ranking(tmp_path: Path) -> list[str | Path]:
    """Options that import the toy data with 30 users for validation and 30 for testing, every fourth entry held out."""
    toy = toy_dataset()
    assert toy.ratings is not None
    out = np.arange(len(toy)) % 4 == 0
    parts = {
        "train": toy.users < 180,
        "vf": (toy.users >= 180) & (toy.users < 210) & ~out,
        "vh": (toy.users >= 180) & (toy.users < 210) & out,
        "tf": (toy.users >= 210) & ~out,
        "th": (toy.users >= 210) & out,
    }
    paths = {
        name: write(
            tmp_path / f"{name}.csv", (toy.users[rows] + 1, toy.items[rows] + 1, toy.ratings[rows]), "user,item,rating"
        )
        for name, rows in parts.items()
    }
    titles = write(
        tmp_path / "titles.csv", (range(1, 46), (f"Film {n} ({1950 + n})" for n in range(1, 46))), "id,title"
    )
    held_out = ["--validation", paths["vf"], paths["vh"], "--test", paths["tf"], paths["th"]]
    return ["--train", paths["train"], *held_out, "--titles", titles]


@pytest.fixture
def rating(tmp_path: Path) -> list[str | Path]:
    """Options that import the toy data with a tenth of the ratings for testing and none for validation."""
    toy = toy_dataset()
    assert toy.ratings is not None
    out = np.arange(len(toy)) % 10 == 0
    paths = [
        write(tmp_path / f"{name}.csv", (toy.users[rows], toy.items[rows], toy.ratings[rows]), "user,item,rating")
        for name, rows in (("train", ~out), ("test", out))
    ]
    return ["--train", paths[0], "--test", paths[1]]


def test_from_files_to_results_and_recommendations(call, document, here, ranking) -> None:
    entry = document("data", "import", "mine", *ranking)
    assert (entry["own_split"], entry["users"]) == ("ranking", 240)
    assert document("data", "show", "mine")["own_split"] == "ranking"
    found = document("train", "ease", "popularity", "--dataset", "mine")
    assert [(run["state"], run["protocol"]) for run in found["runs"]] == [("finished", "own")] * 2
    rows = document("results", "--dataset", "mine")["results"]
    assert [row["model"] for row in rows] == ["ease", "popularity"]
    assert rows[0]["metrics"]["ndcg@100"]["mean"] > rows[1]["metrics"]["ndcg@100"]["mean"]
    assert "mine, own\n" in call("results", "--dataset", "mine")[1], "no seed drew this split"
    lists = document("recommend", "--dataset", "mine", "--pick", "Film 4 (1954)", "--model", "ease", "-k", "3")
    assert lists["picks"][0]["title"] == "Film 4" and len(lists["recommendations"]["ease"]) == 3


@pytest.mark.slow
def test_unsuitable_models_are_skipped_with_the_reason(call, waiting, ranking) -> None:
    assert call("data", "import", "mine", *ranking)[0] == 0
    status, out, err = call("compare", "--dataset", "mine", "--detach", "--json")
    assert status == 0, err
    runs = json.loads(out)["runs"]
    assert {run["protocol"] for run in runs} == {"own"} and {"ease", "multvae"} <= {run["model"] for run in runs}
    assert "Skipped: svae reads the order of histories; mine has none." in err
    assert "Skipped: autorec predicts ratings; mine has a split for ranking" in err
    assert not {"svae", "autorec", "bias"} & {run["model"] for run in runs}
    named = call("compare", "--dataset", "mine", "--detach", "--json", "--protocol", "own")
    assert [run["id"] for run in json.loads(named[1])["runs"]] == [run["id"] for run in runs]


def test_split_seeds_repeat_the_training_and_not_the_split(document, here, ranking) -> None:
    document("data", "import", "mine", *ranking)
    found = document("compare", "--dataset", "mine", "--models", "ease", "--seeds", "1,2")
    assert {(run["seed"], run["split_seed"]) for run in found["runs"]} == {(1, 98765), (2, 98765)}
    assert len({row["split"] for row in found["results"]}) == 1


@pytest.mark.slow
def test_a_split_of_ratings_without_validation(call, document, here, rating) -> None:
    status, _, err = call("data", "import", "stars", *rating)
    assert status == 0 and "rating prediction, because all files have ratings" in err
    found = document("train", "bias", "--dataset", "stars")
    assert [(run["state"], run["protocol"]) for run in found["runs"]] == [("finished", "own-ratings")]
    assert 0.5 < found["results"][0]["metrics"]["rmse"]["mean"] < 1.2
    assert document("train", "bias", "--dataset", "stars", "--protocol", "own")["runs"][0]["protocol"] == "own-ratings"
    status, _, err = call("train", "ease", "--dataset", "stars")
    assert status == 1 and "ease ranks items; stars has a split for rating prediction" in err
    status, out, err = call("compare", "--dataset", "stars", "--detach", "--json")
    assert {"bias", "autorec"} <= {run["model"] for run in json.loads(out.splitlines()[-1])["runs"]}
    assert "Skipped: ease ranks items; stars has a split for rating prediction." in err


def test_a_dry_run_prints_and_saves_nothing(call, document, toy, ranking) -> None:
    found = document("data", "import", "mine", *ranking, "--dry-run")
    assert (found["kept"], found["understood"]["own_split"], found["understood"]["users"]) == (False, "ranking", 240)
    assert "Nothing saved" in call("data", "import", "mine", *ranking, "--dry-run")[2]
    assert call("data", "show", "mine")[0] == 2


def test_a_split_without_held_out_items_is_refused_and_not_saved(call, toy, tmp_path) -> None:
    train = write(tmp_path / "train.csv", ((1, 1, 2), (1, 2, 2), (5, 1, 4)), "user,item,rating")
    test = write(tmp_path / "test.csv", ((2,), (1,), (1,)), "user,item,rating")
    status, out, err = call("data", "import", "mine", "--train", train, "--test", test, "--task", "ranking")
    assert (status, out, err.count("\n")) == (1, "", 1) and "test: no held-out items" in err
    assert call("data", "show", "mine")[0] == 2


def test_unsuitable_protocols_and_datasets_are_refused(call, waiting, ranking) -> None:
    assert call("data", "import", "mine", *ranking)[0] == 0
    result = call("train", "ease", "--dataset", "mine", "--protocol", "strong")
    assert result == (1, "", "recdash: mine has a user-defined split. Use protocol 'own'.\n")
    status, _, err = call("train", "ease", "--dataset", "toy", "--protocol", "own")
    assert status == 1 and "toy has no user-defined split" in err
    assert "Unknown protocol: 'onw'" in call("train", "ease", "--dataset", "toy", "--protocol", "onw")[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--test", "h.csv"], "--test needs --train"),
        (["--task", "ranking"], "--task needs --train"),
        (["--train", "t.csv", "--csv", "x.csv"], "--csv and --train exclude each other"),
        (["--train", "t.csv"], "--test is missing"),
        (["--train", "t.csv", "--test", "a.csv", "b.csv", "c.csv"], "--test: 3 files"),
        (["--train", "t.csv", "--test", "t.csv"], "given twice"),
        ([], "--csv FILE, or the files of a split: --train F --test F G"),
    ],
)
def test_conflicting_options_are_one_line_and_status_two(call, toy, arguments, message) -> None:
    status, out, err = call("data", "import", "mine", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1) and message in err
