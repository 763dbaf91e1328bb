"""A pick by title means the popular item, in the service, on the command line, on the page and in a model."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
import streamlit as st

from recdash import paths
from recdash.cli.main import main
from recdash.data.catalogue import Catalogue
from recdash.data.dataset import Dataset
from recdash.data.items import Item
from recdash.errors import CheckpointError, UsageError
from recdash.models import registry
from recdash.recommend.ranked_list import ListOptions
from recdash.services import datasets, recommend
from recdash.services.dataset_popularity import popularity_of
from recdash.training import fit
from recdash.ui.recommend import queries
from tests.toy_data import toy_dataset, toy_split

TITLES = {"7": "9", "9": "Cat Lives", "11": "Blue Moon", "12": "Pink Moon", "13": "Green Sea", "14": "Deep Sea"}
RARE = "12"


@pytest.fixture
def moons(toy: str) -> str:
    """The toy data with a title that is the id of another film, and two that share a word; "Pink Moon" is rare."""
    made = toy_dataset()
    ids = np.array([int(item.id) for item in made.catalogue.items])[made.items]
    kept = (ids != int(RARE)) | (np.cumsum(ids == int(RARE)) <= 3)
    known = {item.id: item._replace(title=TITLES.get(item.id, item.title)) for item in made.catalogue.items}
    named = Dataset.build(
        "moons",
        users=made.users[kept],
        items=ids[kept],
        ratings=made.ratings[kept],
        times=None,
        items_by_id=known,
        scale=made.scale,
        source="toy",
    )
    named.save(paths.data_dir() / "sets" / "moons")
    return "moons"


@pytest.fixture
def fresh_cache() -> Iterator[None]:
    st.cache_data.clear()
    yield
    st.cache_data.clear()


def picked(*picks: str | int | Item) -> list[str]:
    return [pick.id for pick in recommend.recommend("moons", picks, k=3).picks]


def test_the_service_chooses_by_popularity(moons: str) -> None:
    assert picked("moon", 7, "#7", "9", "#9", "Cat Lives") == ["11", "7", "9"]
    assert recommend.find_items("moons", "moon")[0].title == "Blue Moon"


def test_the_service_lists_what_fits_equally_well(moons: str) -> None:
    with pytest.raises(
        UsageError, match=r"Green Sea \(1963\) \(#13\).*Give a title with its year, or an id such as #1"
    ):
        picked("sea")


def test_popularity_is_counted_once(moons: str) -> None:
    loaded = datasets.load("moons")
    assert popularity_of(loaded) is popularity_of(loaded)
    counts = popularity_of(loaded).counts
    np.testing.assert_array_equal(counts, np.bincount(loaded.items, minlength=loaded.n_items))


def test_the_command_line_prints_the_chosen_item(moons: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["recommend", "--dataset", "moons", "--pick", "moon", "--pick", "#9", "-k", "2"]
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("Picks: Blue Moon (1961) (#11), Cat Lives (1959) (#9)\n")
    assert main([*words, "--json"]) == 0
    picks = json.loads(capsys.readouterr().out)["picks"]
    assert picks == [{"id": "11", "title": "Blue Moon", "year": 1961}, {"id": "9", "title": "Cat Lives", "year": 1959}]


@pytest.mark.parametrize(
    ("pick", "said"),
    [
        ("sea", "'sea' matches several items about equally well: "),
        ("", "A pick is empty. Give a title such as "),
        ("  ", "A pick is empty. Give a title such as "),
        ("#999", "No item has the id '999'. Give a title such as "),
        ("zorglub", "No item matches 'zorglub'. Give a title such as "),
        ("blue sky", "No item matches 'blue sky'. Nearest: Blue Moon (1961) (#11)"),
    ],
)
def test_a_pick_that_names_no_single_item_is_one_line_and_status_two(
    moons: str, capsys: pytest.CaptureFixture[str], pick: str, said: str
) -> None:
    assert main(["recommend", "--dataset", "moons", "--pick", pick]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith(f"recdash: {said}")


def test_a_click_on_the_page_picks_that_very_film(moons: str, fresh_cache: None) -> None:
    entries = (("9", "like"), ("7", "like"))
    answer = queries.recommendations("moons", entries, [], ListOptions(k=3))
    assert [pick.title for pick in answer.picks] == ["Cat Lives", "9"]


def test_a_model_keeps_the_popularity_it_was_trained_on_and_picks_by_it(tmp_path) -> None:
    split = toy_split()
    model = fit("ease", split)
    assert model.popularity is not None
    np.testing.assert_array_equal(model.popularity, np.bincount(split.train.items, minlength=split.n_items))
    model.popularity[11] = 0
    model.catalogue = Catalogue(
        tuple(item._replace(title=TITLES.get(item.id, item.title)) for item in model.catalogue.items)
    )
    assert model.recommend(["moon"], 5) == model.recommend(["#11"], 5)
    model.save(tmp_path / "kept")
    loaded = registry.load(tmp_path / "kept")
    np.testing.assert_array_equal(loaded.popularity, model.popularity)
    assert [one.id for one in loaded.recommend(["moon"], 5)] == [one.id for one in model.recommend([11], 5)]


def test_a_model_of_an_earlier_version_has_no_popularity_and_still_answers(tmp_path) -> None:
    model = fit("popularity", toy_split())
    model.popularity = None
    model.save(tmp_path / "old")
    assert not (tmp_path / "old" / "popularity.json").exists()
    old = registry.load(tmp_path / "old")
    assert old.popularity is None and len(old.recommend(["Film 4"], 5)) == 5


@pytest.mark.parametrize("content", ["", "[1, 2]", "{}", "[" + "1.5," * 44 + '"a"]'])
def test_a_damaged_popularity_file_is_reported(tmp_path, content: str) -> None:
    fit("popularity", toy_split()).save(tmp_path / "kept")
    (tmp_path / "kept" / "popularity.json").write_text(content)
    with pytest.raises(CheckpointError, match="checksum"):
        registry.load(tmp_path / "kept")


def test_a_popularity_file_of_other_items_is_reported(tmp_path) -> None:
    model = fit("popularity", toy_split())
    model.popularity = np.array([1, 2])
    model.save(tmp_path / "kept")
    with pytest.raises(CheckpointError, match="does not fit"):
        registry.load(tmp_path / "kept")
