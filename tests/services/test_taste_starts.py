"""Starts of a taste: different popular items, a varied surprise, and test users of a run without their ids."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from recdash import paths
from recdash.data import dataset_registry
from recdash.data.dataset import Dataset
from recdash.errors import UsageError
from recdash.recommend.ranked_list import rank
from recdash.services import compare, datasets, recommend, taste_starts
from recdash.services import runs as service
from recdash.services.run_splits import SplitSource
from recdash.splits import Split
from tests.toy_data import toy_dataset

ML_1M = Path(os.environ.get("RECDASH_TEST_DATA", "/nowhere")) / "ml-1m"
GENRES = ("Drama", "Comedy", "Horror", "Western")


@pytest.fixture
def films(toy: str) -> str:
    """The toy data with genres."""
    made = toy_dataset()
    ids = np.array([int(item.id) for item in made.catalogue.items])[made.items]
    known = {item.id: item._replace(genres=(GENRES[int(item.id) % 4],)) for item in made.catalogue.items}
    built = Dataset.build(
        "films", users=made.users, items=ids, ratings=made.ratings, times=made.times, items_by_id=known,
        scale=made.scale, source="toy",
    )  # fmt: skip
    built.save(paths.data_dir() / "sets" / "films")
    return "films"


def test_starters_are_popular_and_cover_genres_evenly(films: str) -> None:
    found = recommend.starter_items(films, 12)
    assert len({item.id for item in found}) == 12 == len(found)
    counts = [sum(genre in item.genres for item in found) for genre in GENRES]
    assert counts == [3, 3, 3, 3]
    loaded = datasets.load(films)
    popularity = np.bincount(loaded.items)
    assert popularity[loaded.catalogue.index_of[found[0].id]] == popularity.max()
    assert recommend.starter_items(films, 3) == found[:3] and recommend.starter_items(films, 100)[:12] == found


def test_a_surprise_is_different_each_time_and_varied(films: str) -> None:
    found = recommend.surprise(films, 4, seed=1)
    assert found == recommend.surprise(films, 4, seed=1)
    assert {item.genres for item in found} == {(genre,) for genre in GENRES}
    assert len({tuple(recommend.surprise(films, 4, seed=seed)) for seed in range(10)}) == 10
    assert len({tuple(recommend.surprise(films, 4)) for _ in range(6)}) > 1


def test_a_test_user_of_a_run_is_read_from_its_own_split(here) -> None:
    (run,) = compare.start(compare.requests("toy", ["ease"], split_seed=7))
    split = SplitSource.of_run(service.find(run.id)).make()
    assert isinstance(split, Split) and split.fingerprint == service.find(run.id).split_fingerprint
    for number in (1, 2, len(split.test)):
        found = recommend.example_user("toy", run.id, number)
        row = number - 1
        fold_in, held_out = split.test.fold_in.row(row), split.test.held_out.row(row)
        assert [item.id for item in found.taste.items] == [split.catalogue[index].id for index in fold_in]
        assert {item.id for item in found.held_out} == {split.catalogue[index].id for index in held_out}
        assert found.label == f"test user {number}" and found.n_users == len(split.test)
        assert split.test.user_ids[row] not in repr((found.number, found.label))
        model = recommend.load_model(service.find(run.id))
        assert found.taste.liked == found.taste.items, "a ranking model reads every fold-in item"
        listed = {ranked.item.id for ranked in rank(model, found.taste, 45).items}
        assert {item.id for item in found.held_out} <= listed


def test_without_a_run_the_default_split_has_test_users(toy: str) -> None:
    found = recommend.example_user("toy", None, 3)
    assert found.taste.items and found.held_out and not set(found.taste.items) & set(found.held_out)
    assert 1 <= recommend.example_user("toy").number <= found.n_users


def test_a_test_user_of_a_rating_run_has_training_ratings_and_liked_test_items(here) -> None:
    (run,) = compare.start(compare.requests("toy", ["bias"]))
    found = recommend.example_user("toy", run.id, 1)
    loaded = datasets.load("toy")
    ratings = {
        (int(user), loaded.catalogue[int(item)].id): float(value)
        for user, item, value in zip(loaded.users, loaded.items, loaded.ratings, strict=True)
    }
    owners = [
        user
        for user in range(loaded.n_users)
        if all(ratings.get((user, entry.item.id)) == entry.mark for entry in found.taste)
    ]
    assert len(owners) == 1
    assert all(ratings[owners[0], item.id] >= 4 for item in found.held_out)
    assert not {item.id for item in found.held_out} & {item.id for item in found.taste.items}


@pytest.mark.parametrize("number", [0, -1, 10_000])
def test_an_unknown_test_user_is_refused_with_the_range(toy: str, number: int) -> None:
    with pytest.raises(UsageError, match="Give a number from 1 to "):
        recommend.example_user("toy", None, number)


def test_a_run_of_another_dataset_has_no_test_user_here(here) -> None:
    (run,) = compare.start(compare.requests("toy", ["popularity"]))
    with pytest.raises(UsageError, match="trained on toy"):
        recommend.example_user("demo", run.id, 1)


def test_users_in_memory_are_bounded(here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taste_starts, "MAX_EXAMPLE_USERS", 5)
    taste_starts._users_of_split.cache_clear()
    try:
        assert recommend.example_user("toy", None, 5).n_users == 5
    finally:
        taste_starts._users_of_split.cache_clear()


@pytest.mark.slow
@pytest.mark.skipif(not ML_1M.is_dir(), reason="needs RECDASH_TEST_DATA with ml-1m")
def test_starters_of_movielens_are_well_known_films_of_many_genres_and_decades(tmp_path: Path) -> None:
    dataset_registry.get("ml-1m", ML_1M)
    found = recommend.starter_items("ml-1m", 12)
    assert len({genre for item in found for genre in item.genres}) >= 14
    assert len({item.year // 10 for item in found}) >= 5
    loaded = datasets.load("ml-1m")
    popularity = np.bincount(loaded.items)
    assert min(popularity[loaded.catalogue.index_of[item.id]] for item in found) >= 1000
