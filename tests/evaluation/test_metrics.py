"""Metrics by hand, and what must hold for any list."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recdash.data.histories import Histories
from recdash.errors import TrainingError, UsageError
from recdash.evaluation import evaluate, metrics
from recdash.evaluation.bootstrap import bootstrap_intervals
from recdash.evaluation.evaluator import NAMES, default_metrics
from recdash.evaluation.top_k import hits_in
from recdash.models import registry
from recdash.models.data_shape import DataShape
from recdash.models.ranking import mask_seen, top_k
from recdash.splits import EvaluationPart, Split
from tests.toy_data import random_histories, toy_split

HITS = np.array([[False, True, False, True]])  # held-out items at ranks 2 and 4
THREE = np.array([3])  # of three in all


def test_ndcg_by_hand() -> None:
    # DCG = 1/log2(3) + 1/log2(5) = 0.6309 + 0.4307; ideal = 1 + 0.6309 + 0.5
    assert metrics.ndcg_at_k(HITS, THREE, 4)[0] == pytest.approx(1.0616 / 2.1309, abs=1e-4)
    assert metrics.ndcg_at_k(HITS, np.array([1]), 2)[0] == pytest.approx(0.6309, abs=1e-4)


def test_recall_has_two_divisors() -> None:
    assert metrics.recall_at_k(HITS, THREE, 2)[0] == 1 / 2  # min(2, 3)
    assert metrics.recall_all_at_k(HITS, THREE, 2)[0] == 1 / 3


def test_precision_divides_by_k_even_when_the_list_is_shorter() -> None:
    assert metrics.precision_at_k(HITS, THREE, 4)[0] == 0.5
    assert metrics.precision_at_k(HITS, THREE, 8)[0] == 0.25


def test_average_precision_by_hand() -> None:
    # (1/2 + 2/4) / min(4, 3)
    assert metrics.average_precision_at_k(HITS, THREE, 4)[0] == pytest.approx(1 / 3)


def test_reciprocal_rank_and_hit_rate_by_hand() -> None:
    assert metrics.reciprocal_rank_at_k(HITS, THREE, 4)[0] == 1 / 2
    assert metrics.reciprocal_rank_at_k(HITS, THREE, 1)[0] == 0
    assert metrics.hitrate_at_k(HITS, THREE, 1)[0] == 0
    assert metrics.hitrate_at_k(HITS, THREE, 2)[0] == 1


def test_novelty_by_hand() -> None:
    # items with 1 and 4 of 4 training users: -log2(1/4) = 2 bits and 0 bits
    assert metrics.novelty_at_k(np.array([[0, 1]]), np.array([1, 4]), 4, 2)[0] == 1
    assert metrics.novelty_at_k(np.array([[0, -1]]), np.array([0, 4]), 4, 2)[0] == 2  # never seen counts as once


def test_popularity_percentile_by_hand() -> None:
    assert metrics.popularity_percentile_at_k(np.array([[2, 0]]), np.array([1, 2, 3, 4]), 2)[0] == pytest.approx(0.25)


def test_coverage_and_gini_count_items_that_are_never_listed() -> None:
    top = np.array([[0, 1], [0, -1]])
    assert metrics.coverage_at_k(top, 4, 2) == 0.5
    # counts 0, 0, 1, 2: (-3*0 - 1*0 + 1*1 + 3*2) / (4 * 3)
    assert metrics.gini_at_k(top, 4, 2) == pytest.approx(7 / 12)
    assert metrics.gini_at_k(np.array([[0, 1, 2, 3]]), 4, 4) == 0


@pytest.mark.parametrize("name", metrics.HIT_METRICS)
def test_a_user_without_targets_gets_nan(name: str) -> None:
    assert np.isnan(metrics.HIT_METRICS[name](np.zeros((1, 5), np.bool_), np.array([0]), 5)[0])


@given(st.integers(0, 10_000), st.integers(1, 30))
def test_metrics_lie_between_0_and_1_and_the_ideal_order_reaches_1(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    hits = rng.random((8, 25)) < 0.3
    relevant = np.maximum(hits.sum(axis=1), 1)
    ideal = np.arange(25) < relevant[:, None]
    for name, metric in metrics.HIT_METRICS.items():
        values = metric(hits, relevant, k)
        assert (values >= 0).all(), name
        assert (values <= 1 + 1e-12).all(), name
        if name in ("ndcg", "recall", "map", "mrr", "hitrate"):
            np.testing.assert_allclose(metric(ideal, relevant, k), 1, err_msg=name)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 5))
def test_the_list_is_a_stable_sort_of_the_scores_also_with_ties(seed: int, k: int, levels: int) -> None:
    scores = torch.from_numpy(np.random.default_rng(seed).integers(0, levels, (6, 10)).astype(np.float32))
    values, items = top_k(scores, k)
    expected = np.argsort(-scores.numpy(), axis=1, kind="stable")[:, :k]
    assert np.array_equal(items.numpy(), expected)
    assert np.array_equal(values.numpy(), np.take_along_axis(scores.numpy(), expected, 1))


@pytest.mark.parametrize("kind", ["random", "few levels", "mostly equal", "constant", "minus zero"])
@pytest.mark.parametrize("k", [1, 7, 60])
def test_the_list_of_a_large_catalogue_is_a_stable_sort_too(kind: str, k: int) -> None:
    rng = np.random.default_rng(k)
    scores = rng.standard_normal((40, 700)).astype(np.float32)
    if kind == "few levels":
        scores = rng.integers(-2, 3, scores.shape).astype(np.float32)
    elif kind == "mostly equal":
        scores *= rng.random(scores.shape) < 0.02
    elif kind != "random":
        scores[:] = 0
        scores[:, ::2] *= -1 if kind == "minus zero" else 1
    scores[rng.random(scores.shape) < 0.1] = -np.inf  # seen items
    scores[0] = -np.inf
    values, items = top_k(torch.from_numpy(scores), k)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert np.array_equal(items.numpy(), expected)
    assert np.array_equal(values.numpy(), np.take_along_axis(scores, expected, 1))


def test_masking_happens_in_place_and_only_where_seen() -> None:
    scores = torch.zeros(2, 4)
    back = mask_seen(scores, Histories.from_rows([[1], [0, 3]], 4))
    assert back is scores
    assert torch.isinf(scores).tolist() == [[False, True, False, False], [True, False, False, True]]


def test_scores_that_are_no_numbers_are_refused() -> None:
    for wrong in (float("nan"), float("inf"), -float("inf")):
        with pytest.raises(TrainingError, match="NaN or infinity"):
            mask_seen(torch.tensor([[0.0, wrong]]), Histories.from_rows([[0]], 2))


def test_hits_are_looked_up_in_the_users_own_row() -> None:
    held_out = Histories.from_rows([[3], [1, 2], []], 4)
    assert hits_in(np.array([[3, 1], [3, 1], [3, -1]], np.int32), held_out).tolist() == [
        [True, False],
        [False, True],
        [False, False],
    ]


def test_hits_are_the_same_when_the_users_need_several_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    held_out = random_histories(9, 30, rng)
    top = np.where(rng.random((9, 12)) < 0.2, -1, rng.integers(0, 30, (9, 12))).astype(np.int32)
    expected = [[item in held_out.row(user).tolist() for item in row] for user, row in enumerate(top.tolist())]
    for cells in (1, 70, 1000):
        monkeypatch.setattr("recdash.evaluation.top_k._CELLS_PER_CHUNK", cells)
        assert hits_in(top, held_out).tolist() == expected


def test_a_random_ranker_has_the_precision_of_chance() -> None:
    rng = np.random.default_rng(0)
    held_out = Histories.from_rows([rng.permutation(200)[:20].tolist() for _ in range(3000)], 200)
    top = np.stack([rng.permutation(200)[:10] for _ in range(3000)]).astype(np.int32)
    precision = metrics.precision_at_k(hits_in(top, held_out), held_out.counts, 10)
    assert abs(precision.mean() - 0.1) < 0.005


def test_the_order_of_users_is_irrelevant() -> None:
    split = toy_split()
    model = registry.build("ease", registry.configure("ease", split.shape), split.shape)
    model.solve(split.train)  # type: ignore[attr-defined]
    order = np.random.default_rng(0).permutation(len(split.test))
    moved = replace(split, test=EvaluationPart(split.test.fold_in.take(order), split.test.held_out.take(order)))
    first, second = evaluate(model, split), evaluate(model, moved)
    for name, value in first.mean.items():
        assert second.mean[name] == pytest.approx(value), name
        if name in first.per_user:
            np.testing.assert_allclose(second.per_user[name], first.per_user[name][order])


def test_every_default_metric_is_reported_with_an_interval_around_its_mean() -> None:
    split = toy_split()
    model = registry.build("popularity", registry.configure("popularity", split.shape), split.shape)
    model.solve(split.train)  # type: ignore[attr-defined]
    report = evaluate(model, split)
    assert tuple(report.mean) == default_metrics()
    assert {name.split("@")[0] for name in report.mean} == set(NAMES)
    for name, values in report.per_user.items():
        low, high = report.interval[name]
        assert low <= report.mean[name] <= high
        assert len(values) == len(split.test)
        assert np.nanmean(values) == pytest.approx(report.mean[name])


def test_metrics_can_be_named_and_unknown_ones_are_refused() -> None:
    split = toy_split()
    model = registry.build("popularity", registry.configure("popularity", split.shape), split.shape)
    model.solve(split.train)  # type: ignore[attr-defined]
    assert list(evaluate(model, split, metric_names=["recall@3"]).mean) == ["recall@3"]
    for wrong in ("recall", "recall@0", "recal@5"):
        with pytest.raises(UsageError):
            evaluate(model, split, metric_names=[wrong])


def test_when_candidates_run_out_the_rest_of_the_list_is_empty() -> None:
    shape = DataShape(3, 6, 9)
    train = random_histories(3, 6, np.random.default_rng(1))
    model = registry.build("popularity", registry.configure("popularity", shape), shape)
    model.solve(train)  # type: ignore[attr-defined]
    fold, held = Histories.from_rows([[0, 1, 2]], 6), Histories.from_rows([[4]], 6)
    split = Split.from_matrices(train.matrix() + 0, test=(fold.matrix(), held.matrix()))
    top = evaluate(model, split).top
    assert (top[0, :3] >= 0).all()
    assert (top[0, 3:] == -1).all()


def test_bootstrap_intervals_cover_the_true_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(300):
        low, high = bootstrap_intervals({"m": rng.exponential(1.0, 200)}, resamples=300, seed=seed)["m"]
        covered += low <= 1 <= high
    assert 0.90 <= covered / 300 <= 0.98


def test_an_interval_does_not_depend_on_the_metrics_that_share_its_resamples() -> None:
    rng = np.random.default_rng(3)
    full, gaps = rng.random(40), np.where(rng.random(40) < 0.3, np.nan, rng.random(40))
    alone, together = bootstrap_intervals({"a": full}), bootstrap_intervals({"a": full, "b": 2 * full, "c": gaps})
    assert together["a"] == pytest.approx(alone["a"], rel=1e-12)
    assert together["b"] == pytest.approx([2 * bound for bound in alone["a"]], rel=1e-12)


def test_users_without_a_value_leave_mean_and_interval() -> None:
    values = np.array([0.2, np.nan, 0.4] * 50)
    low, high = bootstrap_intervals({"m": values})["m"]
    assert 0.2 < low < 0.3 < high < 0.4
