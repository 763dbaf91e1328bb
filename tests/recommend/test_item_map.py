"""The map of items: near items are alike, popularity is removed, and nothing moves between two calls."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.spatial import cKDTree

from recdash.errors import DataError, UsageError
from recdash.recommend import item_map
from recdash.recommend.item_map import project


def clusters(n: int = 300, width: int = 16) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors around three centres, with a large part that is popularity alone."""
    rng = np.random.default_rng(5)
    group = np.arange(n) % 3
    popularity = rng.zipf(1.6, n).clip(1, 5000)
    centres = rng.standard_normal((3, width))
    vectors = centres[group] + 0.2 * rng.standard_normal((n, width))
    vectors += 8 * np.log1p(popularity)[:, None] * rng.standard_normal(width)
    return vectors.astype(np.float32), popularity, group


def purity(positions: np.ndarray, group: np.ndarray) -> float:
    """Share of the ten nearest items that are of the same group."""
    near = cKDTree(positions).query(positions, k=11)[1][:, 1:]
    return float((group[near] == group[:, None]).mean())


def test_items_of_a_group_are_near_each_other_whatever_their_popularity() -> None:
    vectors, popularity, group = clusters()
    positions = project(vectors, popularity)
    assert purity(positions, group) > 0.95
    plain = vectors - vectors.mean(0)
    left, values, _ = np.linalg.svd(plain, full_matrices=False)
    assert purity(left[:, :2] * values[:2], group) < 0.8  # what the removal of popularity is for
    for axis in (0, 1):
        assert abs(np.corrcoef(positions[:, axis], np.log1p(popularity))[0, 1]) < 0.3


def test_two_calls_give_the_same_map_also_when_the_vectors_are_rounded_differently() -> None:
    vectors, popularity, _ = clusters()
    first = project(vectors, popularity)
    np.testing.assert_array_equal(first, project(vectors.copy(), popularity))
    nudged = vectors * (1 + 1e-6 * np.random.default_rng(0).standard_normal(vectors.shape))
    np.testing.assert_allclose(project(nudged, popularity), first, atol=1e-2)  # nothing mirrors


def test_items_without_training_interactions_are_not_on_the_map() -> None:
    vectors, popularity, _ = clusters()
    popularity[[3, 40]] = 0
    vectors[7] = np.nan
    positions = project(vectors, popularity)
    assert np.flatnonzero(np.isnan(positions).any(1)).tolist() == [3, 7, 40]
    others = np.delete(np.arange(len(vectors)), [3, 7, 40])
    np.testing.assert_array_equal(positions[others], project(vectors[others], popularity[others]))


def test_most_items_fill_the_square_and_outliers_stay_inside() -> None:
    vectors, popularity, _ = clusters()
    positions = project(vectors, popularity)
    extent = np.abs(positions).max(0)
    assert (extent > 0.9).all() and (extent <= 1).all()


@settings(max_examples=60, deadline=None)
@given(
    vectors=arrays.arrays(
        np.float32,
        st.tuples(st.integers(0, 12), st.integers(0, 5)),
        elements=st.one_of(st.floats(width=32), st.floats(-1, 1, width=32)),
    ),
    data=st.data(),
)
def test_any_vectors_give_positions_in_the_square_or_none(vectors: np.ndarray, data: st.DataObject) -> None:
    popularity = data.draw(arrays.arrays(np.int64, len(vectors), elements=st.integers(0, 10**9)))
    positions = project(vectors, popularity)
    assert positions.shape == (len(vectors), 2)
    placed = (popularity > 0) & np.isfinite(vectors).all(1)
    assert np.isfinite(positions[placed]).all() and np.isnan(positions[~placed]).all()
    assert (np.abs(positions[placed]) <= 1).all()


def test_wrong_shapes_and_methods_are_refused() -> None:
    with pytest.raises(DataError, match="vectors"):
        project(np.zeros(4))
    with pytest.raises(DataError, match="popularity"):
        project(np.zeros((4, 2)), np.ones(3, np.int64))
    with pytest.raises(UsageError, match="pca, umap"):
        project(np.zeros((4, 2)), method="tsne")  # type: ignore[arg-type]


def test_without_umap_the_message_names_the_package(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    monkeypatch.setattr(item_map, "find_spec", lambda name: None)
    assert item_map.available_methods() == ("pca",)
    with pytest.raises(UsageError, match="pip install umap-learn"):
        project(*clusters()[:2], method="umap")


def test_umap_starts_from_the_pca_map_with_a_fixed_seed(monkeypatch) -> None:
    asked: dict[str, object] = {}

    class Recorder:
        def __init__(self, **settings: object) -> None:
            asked.update(settings)

        def fit_transform(self, rows: np.ndarray) -> np.ndarray:
            asked["rows"] = rows
            return np.asarray(asked["init"])

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Recorder))
    vectors, popularity, _ = clusters()
    positions = project(vectors, popularity, method="umap", seed=7)
    assert asked["random_state"] == 7 and asked["n_jobs"] == 1
    assert asked["rows"].shape == (300, 50) and np.abs(asked["init"]).max() == pytest.approx(10, rel=1e-5)
    np.testing.assert_allclose(positions, project(vectors, popularity), atol=1e-4)


def test_the_real_umap_gives_the_same_map_twice() -> None:
    pytest.importorskip("umap", reason="umap-learn is not installed")
    vectors, popularity, group = clusters(120)
    positions = project(vectors, popularity, method="umap")
    np.testing.assert_array_equal(positions, project(vectors, popularity, method="umap"))
    assert purity(positions, group) > 0.9


@pytest.mark.slow
def test_twenty_thousand_items_take_a_few_seconds() -> None:
    import time

    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((20_000, 200)).astype(np.float32)
    started = time.process_time()
    project(vectors, rng.zipf(1.5, 20_000).clip(0, 9000))
    assert time.process_time() - started < 10


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ease", "itemknn"])
def test_near_films_share_genres_on_movielens(test_data: Path, name: str) -> None:
    """Mean Jaccard index of genres with the ten nearest of the 600 most popular films; a random map has 0.16."""
    import recdash

    split = recdash.make_split(recdash.load_dataset(test_data / "ml-100k"), "strong")
    model = recdash.fit(name, split)
    popular = np.argsort(-model.popularity, kind="stable")[:600]
    positions = project(model.item_vectors(), model.popularity)[popular]
    genres = [set(model.catalogue[int(item)].genres) for item in popular]
    near = cKDTree(positions).query(positions, k=11)[1][:, 1:]
    overlap = [
        np.mean([len(genres[row] & genres[other]) / len(genres[row] | genres[other]) for other in others])
        for row, others in enumerate(near)
    ]
    assert 0.195 < np.mean(overlap) < 0.30
