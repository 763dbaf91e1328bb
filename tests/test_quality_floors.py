"""Quality floors on real data: MovieLens-1M with preset `auto`, shortened, so floors are 3% looser than the full ones.

The full figures are in benchmarks/results/. Every floor has two sides: a figure too good to be true fails as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import recdash
from recdash.data.dataset import Dataset
from recdash.models.base import Model
from recdash.splits import RatingSplit, Split

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ml_1m(real_data: Path) -> Dataset:
    return recdash.load_dataset(real_data / "ml-1m")


@pytest.fixture(scope="module")
def real_data() -> Path:
    import os

    folder = os.environ.get("RECDASH_TEST_DATA", "")
    if not (Path(folder) / "ml-1m" / "ratings.dat").is_file():
        pytest.skip("RECDASH_TEST_DATA names no folder with ml-1m")
    return Path(folder)


@pytest.fixture(scope="module")
def strong(ml_1m: Dataset) -> Split:
    split = recdash.make_split(ml_1m, "strong", held_out_users=750)
    assert isinstance(split, Split)
    return split


@pytest.fixture(scope="module")
def ease(strong: Split) -> dict[str, float]:
    return recdash.evaluate(recdash.fit("ease", strong), strong).mean


def test_popularity_is_where_it_belongs(strong: Split) -> None:
    found = recdash.evaluate(recdash.fit("popularity", strong), strong).mean
    assert found["ndcg@100"] == pytest.approx(0.210, abs=0.015)


def test_ease_is_where_it_belongs(ease: dict[str, float]) -> None:
    assert ease["ndcg@100"] == pytest.approx(0.4155, abs=0.02)
    assert ease["recall@20"] == pytest.approx(0.356, abs=0.02)
    assert ease["recall@50"] == pytest.approx(0.475, abs=0.02)


@pytest.mark.parametrize(("model", "epochs", "floor"), [("multdae", 40, 0.955), ("multvae", 50, 0.936)])
def test_autoencoders_come_close_to_ease(
    model: str, epochs: int, floor: float, strong: Split, ease: dict[str, float]
) -> None:
    found = recdash.evaluate(recdash.fit(model, strong, epochs=epochs), strong).mean
    assert floor < found["ndcg@100"] / ease["ndcg@100"] < 1.04


def test_cdae_with_fitted_newcomers_comes_close_to_ease(strong: Split, ease: dict[str, float]) -> None:
    found = recdash.evaluate(recdash.fit("cdae", strong, epochs=20), strong).mean
    assert 0.97 * 0.93 < found["ndcg@100"] / ease["ndcg@100"] < 1.03


def test_recvae_beats_ease_deep_in_the_list(strong: Split, ease: dict[str, float]) -> None:
    found = recdash.evaluate(recdash.fit("recvae", strong, epochs=24, averaging=0.6), strong).mean
    assert 0.97 * 1.005 < found["ndcg@100"] / ease["ndcg@100"] < 1.06
    assert 0.97 * 1.035 < found["recall@50"] / ease["recall@50"] < 1.10


def test_item_knn_lies_between_popularity_and_ease(strong: Split, ease: dict[str, float]) -> None:
    found = recdash.evaluate(recdash.fit("itemknn", strong), strong).mean
    assert 0.75 < found["ndcg@100"] / ease["ndcg@100"] < 0.95


def test_rp3beta_lies_between_item_knn_and_ease(strong: Split, ease: dict[str, float]) -> None:
    found = recdash.evaluate(recdash.fit("rp3beta", strong), strong).mean
    assert 0.91 < found["ndcg@100"] / ease["ndcg@100"] < 0.98


def test_ials_is_as_good_as_ease(strong: Split, ease: dict[str, float]) -> None:
    found = recdash.evaluate(recdash.fit("ials", strong, latent=64, epochs=8), strong).mean
    assert 0.99 < found["ndcg@100"] / ease["ndcg@100"] < 1.05


def test_sparse_ease_at_two_percent_is_as_good_as_ease(strong: Split, ease: dict[str, float]) -> None:
    found = recdash.evaluate(recdash.fit("sparse_ease", strong, density=2.0), strong).mean
    assert found["ndcg@100"] == pytest.approx(ease["ndcg@100"], abs=0.01)


def test_dropout_and_relax_improve_ease(strong: Split, ease: dict[str, float]) -> None:
    found = recdash.evaluate(recdash.fit("ease", strong, dropout=0.3, relax=0.6), strong).mean
    assert 1.008 < found["ndcg@100"] / ease["ndcg@100"] < 1.03


def test_svae_makes_use_of_the_order(ml_1m: Dataset) -> None:
    split = recdash.make_split(ml_1m, "strong-temporal")
    found = recdash.evaluate(recdash.fit("svae", split, epochs=4, decay=0.7), split).mean
    assert 0.97 * 0.285 < found["ndcg@100"] < 0.34
    assert 0.97 * 0.48 < found["recall_all@100"] < 0.56


def test_the_temporal_fold_is_harder(ml_1m: Dataset) -> None:
    split = recdash.make_split(ml_1m, "strong-temporal", held_out_users=750)
    found = recdash.evaluate(recdash.fit("ease", split), split).mean
    assert found["ndcg@100"] == pytest.approx(0.2289, abs=0.005)
    assert found["recall@20"] == pytest.approx(0.174, abs=0.005)


@pytest.fixture(scope="module")
def ratings(ml_1m: Dataset) -> RatingSplit:
    split = recdash.make_split(ml_1m, "ratings-90", seed=1)
    assert isinstance(split, RatingSplit)
    return split


RATING: list[tuple[str, dict[str, Any], float]] = [
    ("autorec", {"batch_size": 128, "learning_rate": 2e-3, "epochs": 24, "decay_every": 8}, 0.841),
    ("autorec", {"variant": "user", "batch_size": 128, "learning_rate": 1e-3, "epochs": 24, "decay_every": 12}, 0.880),
    ("deeprec", {"epochs": 25}, 0.888),
]


@pytest.mark.parametrize(("model", "shortened", "floor"), RATING)
def test_rating_models_stay_below_their_ceiling(
    model: str, shortened: dict[str, Any], floor: float, ratings: RatingSplit
) -> None:
    found: Model = recdash.fit(model, ratings, **shortened)
    rmse = recdash.evaluate(found, ratings).mean["rmse"]
    assert 0.80 < rmse < 1.03 * floor
