"""Rating splits: shares, disjointness, dates; a test rating is never an input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import recdash
from recdash.data.dataset_registry import load_dataset
from recdash.errors import DataError, SplitError, UsageError
from recdash.models import registry
from recdash.models.base import Model
from recdash.splits import RatingSplit, Split, make_split
from recdash.splits.rating_split import Entries
from tests.toy_data import toy_dataset

RATING = [name for name in registry.names() if registry.model_class(name).task == "rating"]
SMALL: dict[str, Any] = {"epochs": 3, "latent": 6, "hidden": (8,), "batch_size": 20}


def rating_split(protocol: str = "ratings-90", seed: int = 1) -> RatingSplit:
    split = make_split(toy_dataset(), protocol, seed=seed)
    assert isinstance(split, RatingSplit)
    return split


def small_fit(name: str, split: RatingSplit, **more: Any) -> Model:
    fields = set(registry.model_class(name).config_class.__dataclass_fields__)
    return recdash.fit(name, split, **{key: value for key, value in (SMALL | more).items() if key in fields})


def pairs(split: RatingSplit, part: Entries) -> set[tuple[int, int]]:
    return set(zip(part.users.tolist(), part.items.tolist(), strict=True))


@pytest.mark.parametrize(("protocol", "shares"), [("ratings-90", (0.81, 0.09, 0.1)), ("ratings-80", (0.8, 0.1, 0.1))])
def test_parts_have_the_stated_shares_and_share_no_rating(protocol: str, shares: tuple[float, ...]) -> None:
    split = rating_split(protocol)
    assert split.validation is not None
    n = len(toy_dataset())
    found = (split.train.n_entries / n, len(split.validation) / n, len(split.test) / n)
    assert found == pytest.approx(shares, abs=2 / n)
    train = set(zip(split.train.row_of.tolist(), split.train.items.tolist(), strict=True))
    parts = [train, pairs(split, split.validation), pairs(split, split.test)]
    assert len(set.union(*parts)) == sum(map(len, parts)) == n


def test_the_temporal_cut_leaves_nothing_later_in_training_and_nobody_new_in_the_test() -> None:
    data, split = toy_dataset(), rating_split("ratings-temporal")
    assert split.validation is not None
    when = {(u, i): t for u, i, t in zip(data.users.tolist(), data.items.tolist(), np.asarray(data.times), strict=True)}
    cut = split.facts["cut_at"]
    train = zip(split.train.row_of.tolist(), split.train.items.tolist(), strict=True)
    assert max(when[pair] for pair in train) < float(cut)
    for part in (split.validation, split.test):
        assert min(when[pair] for pair in pairs(split, part)) >= float(cut)
        assert (split.train.counts[part.users] > 0).all()
        assert (np.bincount(split.train.items, minlength=split.n_items)[part.items] > 0).all()


def test_the_temporal_cut_needs_dates_not_just_an_order() -> None:
    data = toy_dataset()
    with pytest.raises(SplitError, match="no time column"):
        make_split(toy_dataset(times=False), "ratings-temporal")
    with pytest.raises(SplitError, match="an order but no dates"):
        make_split(replace(data, times=np.arange(len(data))), "ratings-temporal")


def test_data_without_ratings_is_refused() -> None:
    with pytest.raises(SplitError, match="no ratings to predict"):
        make_split(toy_dataset(ratings=False), "ratings-90")


def test_the_fingerprint_depends_on_seed_and_protocol() -> None:
    prints = {rating_split(p, s).fingerprint for p in ("ratings-90", "ratings-80") for s in (1, 2)}
    assert len(prints) == 4
    assert rating_split().fingerprint == rating_split().fingerprint


@pytest.mark.parametrize("name", RATING)
def test_changing_every_test_rating_changes_no_prediction(name: str) -> None:
    split = rating_split()
    changed = replace(split, test=replace(split.test, values=6 - split.test.values))
    first, second = small_fit(name, split), small_fit(name, changed)
    users, items = split.test.users, split.test.items
    assert np.array_equal(first.predict(users, items), second.predict(users, items))  # type: ignore[attr-defined]


class TestFromRatings:
    train = (np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([5.0, 3.0, 1.0]))
    test = (np.array([1]), np.array([0]), np.array([4.0]))

    def test_arrays_become_rows(self) -> None:
        split = Split.from_ratings(self.train, test=self.test)
        assert [split.train.row(r).tolist() for r in range(2)] == [[0, 1], [1]]
        assert split.scale == (1.0, 5.0)
        model = recdash.fit("bias", split)
        assert model.predict([1], [0]).shape == (1,)  # type: ignore[attr-defined]

    @pytest.mark.parametrize(
        ("train", "message"),
        [
            (5, "three arrays"),
            ((np.array([0]), np.array([0, 1]), np.array([1.0])), "1 users, 2 items"),
            ((np.array([-1]), np.array([0]), np.array([1.0])), "whole numbers from 0, found -1"),
            ((np.array([0.5]), np.array([0]), np.array([1.0])), "whole numbers from 0"),
            ((np.array([np.nan]), np.array([0]), np.array([1.0])), "whole numbers from 0"),
            ((np.array(["a"]), np.array([0]), np.array([1.0])), "whole numbers from 0"),
            ((np.array([0]), np.array([0]), np.array([np.nan])), "finite"),
            ((np.array([1]), np.array([0]), np.array([2.0])), "twice"),
            ((np.array([], int), np.array([], int), np.array([])), "train or test is missing or empty"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, train: Any, message: str) -> None:
        with pytest.raises(SplitError, match=message):
            Split.from_ratings(train, test=self.test)

    def test_numbers_of_users_and_items_may_be_whole_floats(self) -> None:
        plain = Split.from_ratings(self.train, test=self.test)
        users, items, values = self.train
        as_read = Split.from_ratings((users.astype(float), items.astype(np.float32), values), test=self.test)
        assert as_read.fingerprint == plain.fingerprint

    def test_ranking_models_refuse_it_and_rating_models_refuse_a_split_without_stars(self) -> None:
        with pytest.raises(UsageError, match="predicts no ratings"):
            recdash.fit("ease", Split.from_ratings(self.train, test=self.test))
        matrix = np.ones((3, 4))
        plain = Split.from_matrices(matrix, test=(np.eye(1, 4), np.eye(1, 4, 1)))
        for name in RATING:
            with pytest.raises(UsageError, match="learns from ratings"):
                recdash.fit(name, plain)


@pytest.mark.parametrize("name", RATING)
class TestEveryRatingModel:
    def test_predictions_are_float32_within_the_scale(self, name: str) -> None:
        split = rating_split()
        found = small_fit(name, split).predict(split.test.users, split.test.items)  # type: ignore[attr-defined]
        assert found.dtype == np.float32
        assert found.min() >= 1
        assert found.max() <= 5

    def test_an_unseen_user_or_item_gets_the_mean_or_three(self, name: str) -> None:
        train = (np.array([0, 0, 1, 1, 3]), np.array([0, 1, 0, 1, 3]), np.array([5.0, 5.0, 4.0, 5.0, 1.0]))
        split = Split.from_ratings(train, test=(np.array([2, 0]), np.array([0, 2]), np.array([4.0, 4.0])))
        pairs_ = ([2, 0, 99], [0, 2, 0])
        assert small_fit(name, split).predict(*pairs_) == pytest.approx([4.0] * 3)  # type: ignore[attr-defined]
        paper = small_fit(name, split, unseen="paper")
        assert paper.predict(*pairs_).tolist() == [3.0] * 3  # type: ignore[attr-defined]

    def test_saving_and_loading_gives_equal_predictions(self, name: str, tmp_path: Path) -> None:
        split = rating_split()
        model = small_fit(name, split)
        model.save(tmp_path / "model")
        loaded = recdash.load_model(tmp_path / "model")
        users, items = split.test.users, split.test.items
        assert np.array_equal(loaded.predict(users, items), model.predict(users, items))  # type: ignore[attr-defined]

    def test_unequal_or_broken_pairs_are_refused(self, name: str) -> None:
        model: Any = small_fit(name, rating_split())
        with pytest.raises(DataError, match="2 users and 1 items"):
            model.predict([0, 1], [0])
        with pytest.raises(UsageError, match="whole numbers"):
            model.predict([0.5], [0])

    def test_figures_of_the_report_agree_with_each_other(self, name: str) -> None:
        split = rating_split()
        model: Any = small_fit(name, split)
        report = recdash.evaluate(model, split)
        errors = model.predict(split.test.users, split.test.items).astype(float) - split.test.values
        assert report.mean["rmse"] == pytest.approx(np.sqrt((errors**2).mean()))
        assert report.mean["mae"] == pytest.approx(np.abs(errors).mean())
        assert report.mean["macro_rmse"] == pytest.approx(np.nanmean(report.per_user["rmse"]))
        low, high = report.interval["rmse"]
        assert low < report.mean["rmse"] < high

    def test_it_ranks_unseen_users_from_their_stars(self, name: str) -> None:
        split = make_split(toy_dataset(), "strong", held_out_users=20)
        assert isinstance(split, Split)
        report = recdash.evaluate(small_fit(name, split), split)  # type: ignore[arg-type]
        assert 0 < report.mean["ndcg@100"] < 1


def test_bias_reaches_the_known_figure_on_ml_1m(test_data: Path) -> None:
    split = make_split(load_dataset(test_data / "ml-1m"), "ratings-90", seed=1)
    expected = {"both": 0.907, "global": 1.119, "user": 1.036, "item": 0.979}
    for variant, rmse in expected.items():
        report = recdash.evaluate(recdash.fit("bias", split, variant=variant), split)
        assert report.mean["rmse"] == pytest.approx(rmse, abs=0.005 if variant != "both" else 0.003)
