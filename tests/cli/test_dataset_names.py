"""A dataset given by path is the same dataset in every command, however the path is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recdash.cli.main import main
from recdash.data import dataset_registry
from recdash.errors import UsageError
from recdash.services import (
    compare,
    datasets,
    launch,
    report,
    results,
    runs,
    trained_runs,
    training_requests,
)
from tests.toy_data import toy_dataset

SPELLINGS = (
    "ratings.csv", "./ratings.csv", "../x/ratings.csv", "~/ratings.csv", "~/../x/./ratings.csv", "../link.csv",
    "../linked/ratings.csv", "ABSOLUTE",
)  # fmt: skip
EVERYDAY = ("./ratings.csv", "~/ratings.csv", "../linked/ratings.csv")


def some_slow(*values: str) -> list[Any]:
    """The same values, those outside `EVERYDAY` marked as slow."""
    return [pytest.param(value, marks=() if value in EVERYDAY else pytest.mark.slow) for value in values]


Call = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def ratings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CSV in the current folder, which is also the home folder, and links to it from the folder above."""
    folder = tmp_path.resolve() / "x"
    folder.mkdir()
    toy = toy_dataset()
    rows = zip(toy.users, toy.items, toy.ratings, toy.times, strict=True)
    path = folder / "ratings.csv"
    path.write_text("user,item,rating,time\n" + "".join(f"{u},{i},{r},{t}\n" for u, i, r, t in rows))
    (folder.parent / "link.csv").symlink_to(path)
    (folder.parent / "linked").symlink_to(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    return path


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command line with --json: exit status, the document where there is one, and standard error."""

    def do(*words: str) -> tuple[int, Any, str]:
        capsys.readouterr()
        status = main([*words, "--json"])
        out, err = capsys.readouterr()
        lines = [line for line in out.splitlines() if line.startswith("{")]
        return status, json.loads(lines[-1]) if lines else None, err

    return do


def spelt(how: str, path: Path) -> str:
    return how.replace("ABSOLUTE", str(path))


@pytest.mark.parametrize("how", some_slow(*SPELLINGS))
def test_a_path_means_the_same_in_every_command(how: str, ratings: Path, here: list[str], call: Call) -> None:
    given = spelt(how, ratings)
    status, trained, _ = call("train", "popularity", "--dataset", given)
    assert status == 0 and trained["runs"][0]["dataset"] == str(ratings)
    assert trained["runs"][0]["name"].endswith("on ratings.csv")
    run_id = here[0]
    for other in SPELLINGS:
        asked = ("--dataset", spelt(other, ratings))
        assert [row["run"] for row in call("results", *asked)[1]["results"]] == [run_id]
        assert [run["id"] for run in call("runs", "list", *asked)[1]["runs"]] == [run_id]
        assert call("report", *asked, "--out", str(ratings.with_name("r.md")))[1]["runs"] == [run_id]
        answer = call("recommend", *asked, "--model", "popularity", "--pick", "7")[1]
        assert answer["models"]["popularity"]["run"] == run_id and answer["dataset"] == str(ratings)
    assert call("recommend", "--run", run_id, "--pick", "7")[0] == 0
    assert call("recommend", "--run", run_id, "--dataset", given, "--pick", "7")[0] == 0
    assert call("curves", run_id)[1]["run"] == run_id
    assert [run["id"] for run in call("compare", "--models", "popularity", "--dataset", given)[1]["runs"]] == [run_id]
    assert here == [run_id], "nothing is trained twice"


@pytest.mark.parametrize("how", some_slow(*SPELLINGS))
def test_a_path_means_the_same_in_every_service(how: str, ratings: Path, here: list[str]) -> None:
    given = spelt(how, ratings)
    assert (
        dataset_registry.name_of(given)
        == dataset_registry.name_of(Path(given))
        == datasets.name_in_runs(given)
        == str(ratings)
    )
    assert training_requests.data_entry(given).name == str(ratings)
    assert training_requests.data_entry(given).fingerprint == datasets.load(given).fingerprint
    (run,) = launch.train(compare.requests(given, ["popularity"]))
    assert run.dataset == str(ratings) and [found.id for found in runs.list_runs(dataset=given)] == [run.id]
    assert [group.rows[0].run.id for group in results.groups(dataset=given)] == [run.id]
    assert results.best(dataset=given) is not None
    assert [found.id for found in trained_runs.best_runs(given)] == [run.id]
    assert report.create(dataset=given).sections[0].group.dataset == str(ratings)
    assert compare.find_runs(compare.requests(given, ["popularity"])).runs[0] is not None


def test_an_installed_dataset_wins_over_a_file_of_the_same_name(ratings: Path, here: list[str], call: Call) -> None:
    (ratings.parent / "toy").write_text(ratings.read_text())
    (ratings.parent / "demo").mkdir()
    (ratings.parent / "ml-1m").mkdir()
    assert [dataset_registry.name_of(name) for name in ("toy", "demo", "ml-1m")] == ["toy", "demo", "ml-1m"]
    assert [dataset_registry.name_of(f"./{name}") for name in ("toy", "demo")] == [
        str(ratings.parent / "toy"),
        str(ratings.parent / "demo"),
    ]
    assert dataset_registry.name_of(Path("toy")) == str(ratings.parent / "toy")
    assert call("train", "popularity", "--dataset", "toy")[1]["runs"][0]["dataset"] == "toy"
    assert call("train", "popularity", "--dataset", "./toy")[1]["runs"][0]["dataset"] == str(ratings.parent / "toy")
    assert [row["dataset"] for row in call("results", "--dataset", "toy")[1]["results"]] == ["toy"]


COMMANDS = (["results"], ["runs", "list"], ["report"], ["recommend", "--pick", "7"], ["train", "ease"], ["compare"])


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    "name",
    [
        "./nowhere.csv", "tyo",
        *some_slow("../nowhere/x", "/no/such/file.csv", "~nobody-of-that-name/x", "", "a\0b"),
    ],
)  # fmt: skip
def test_an_unknown_dataset_is_one_line(name: str, command: list[str], toy: str, call: Call) -> None:
    status, found, err = call(*command, "--dataset", name)
    assert (status, found, err.count("\n")) == (2, None, 1)
    assert "Unknown dataset" in err and (name != "tyo" or "Did you mean 'toy'?" in err)


def test_runs_on_a_removed_dataset_are_found_by_its_name(ratings: Path, here: list[str], call: Call) -> None:
    csv = ratings.with_name("other.csv")
    csv.write_text(ratings.read_text())
    dataset_registry.import_csv("shop", csv)
    by_name = call("train", "popularity", "--dataset", "shop")[1]["runs"][0]["id"]
    by_path = call("train", "popularity", "--dataset", "./other.csv")[1]["runs"][0]["id"]
    dataset_registry.remove("shop")
    csv.unlink()
    for name, run_id in (("shop", by_name), ("./other.csv", by_path), (str(csv), by_path)):
        assert [row["run"] for row in call("results", "--dataset", name)[1]["results"]] == [run_id]
        assert [run["id"] for run in call("runs", "list", "--dataset", name)[1]["runs"]] == [run_id]
    with pytest.raises(UsageError, match="Unknown dataset"):
        training_requests.data_entry("./other.csv")


def test_a_dataset_that_is_not_downloaded_is_known(call: Call, toy: str) -> None:
    assert call("results", "--dataset", "ml-1m")[1]["results"] == []
    assert call("runs", "list", "--dataset", "ml-1m")[1] == {"runs": []}
    assert "ml-1m is not downloaded" in call("train", "ease", "--dataset", "ml-1m")[2]


@pytest.mark.parametrize("name", ["two\nlines.csv", "\udcff.csv", "\x1b[31m.csv"])
def test_an_unprintable_path_is_one_line_and_can_still_be_read(name: str, ratings: Path, call: Call, toy: str) -> None:
    ratings.with_name(name).write_text(ratings.read_text())
    for command in (["train", "popularity"], ["results"]):
        status, found, err = call(*command, "--dataset", name)
        assert (status, found, err.count("\n")) == (2, None, 1) and "Rename the file" in err
    assert dataset_registry.load_dataset(name).n_users == 240
