"""Parts of the users and of the items: by hand, and adding up to the whole."""

from __future__ import annotations

import numpy as np
import pytest

from recdash.data.histories import Histories
from recdash.evaluation import evaluate, latency, slices
from recdash.splits import make_split
from recdash.training import fit
from tests.toy_data import toy_dataset, toy_split


def test_users_are_quartered_by_their_histories() -> None:
    history = np.array([5, 6, 7, 8, 9, 10, 11, 12, 99])
    scored = np.array([True] * 8 + [False])
    found = slices.user_slices(history, scored)
    assert found.slice_of.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, -1]
    assert found.ranges == ((5, 6), (7, 8), (9, 10), (11, 12)) and found.sizes == (2, 2, 2, 2)


def test_parts_that_nobody_is_in_are_left_out() -> None:
    found = slices.user_slices(np.array([5, 5, 5, 5, 30]), np.ones(5, bool))
    assert found.ranges == ((5, 5), (30, 30)) and found.slice_of.tolist() == [0, 0, 0, 0, 1]
    nobody = slices.user_slices(np.array([5, 6]), np.zeros(2, bool))
    assert nobody.sizes == () and nobody.membership().shape == (2, 0)


def test_items_are_divided_so_that_the_parts_share_the_interactions() -> None:
    counts = np.array([1, 1, 1, 1, 4, 4, 4, 0])  # 16 in all, 4 a part: the rarest five, then one item each
    found = slices.item_slices(counts)
    assert found.slice_of.tolist() == [0, 0, 0, 0, 1, 2, 3, 0]
    assert found.sizes == (5, 1, 1, 1) and found.ranges[0] == (0, 1)


def test_ndcg_by_popularity_by_hand() -> None:
    # items 0, 1 rare, 2, 3 popular; the user's list is 2, 0, 1, held out are 0 and 2
    found = slices.Slices(np.array([0, 0, 1, 1], np.int8), ((1, 1), (9, 9)), (2, 2))
    top, held_out = np.array([[2, 0, 1]], np.int32), Histories.from_rows([[0, 2]], 4)
    figures = slices.by_item(top, held_out, found).values()
    assert figures[0] == pytest.approx(1 / np.log2(3))  # the rare one at rank 2, where rank 1 is best
    assert figures[1] == pytest.approx(1.0)


def test_a_user_without_held_out_items_of_a_part_does_not_count_there() -> None:
    found = slices.Slices(np.array([0, 1], np.int8), ((1, 1), (9, 9)), (1, 1))
    top, held_out = np.array([[0, 1], [1, 0]], np.int32), Histories.from_rows([[0], [1]], 2)
    sums = slices.by_item(top, held_out, found)
    assert sums.denominator.sum(axis=0).tolist() == [1, 1] and sums.values().tolist() == [1, 1]


def test_parts_of_the_users_add_up_to_the_whole() -> None:
    split = toy_split()
    report = evaluate(fit("ease", split), split)
    values, history = report.per_user["ndcg@100"], report.facts["history"]
    found = slices.user_slices(history, ~np.isnan(values))
    sums = slices.by_user(values, found)
    assert sums.numerator.sum() / sums.denominator.sum() == pytest.approx(report.mean["ndcg@100"])
    assert sum(found.sizes) == report.n_scored
    assert history.tolist() == split.test.fold_in.counts.tolist()


def test_popularity_counts_training_users_only_and_favours_popular_items() -> None:
    split = toy_split()
    report = evaluate(fit("popularity", split), split)
    assert report.facts["item_counts"].sum() == split.train.n_entries
    held_out = Histories(report.facts["held_out_ends"], report.facts["held_out_items"], None, split.n_items)
    assert held_out.items.tolist() == split.test.held_out.items.tolist()
    by_item = slices.by_item(report.top, held_out, slices.item_slices(report.facts["item_counts"])).values()
    assert by_item[-1] > by_item[0]


def test_squared_errors_by_popularity_add_up_to_the_pooled_rmse() -> None:
    split = make_split(toy_dataset(), "ratings-90", seed=1)
    report = evaluate(fit("bias", split), split)
    squared, entries = report.facts["squared"], report.facts["entries"]
    assert entries.sum() == len(split.test) and squared.shape == entries.shape == (240, 4)
    assert np.sqrt(squared.sum(dtype=np.float64) / entries.sum()) == pytest.approx(report.mean["rmse"], rel=1e-6)


@pytest.mark.parametrize("protocol", ["strong", "ratings-90"])
def test_the_time_of_one_list_is_measured_for_every_task(protocol: str) -> None:
    split = make_split(toy_dataset(), protocol, seed=1)
    model = fit("ease" if protocol == "strong" else "bias", split)
    rows = split.test.fold_in if protocol == "strong" else split.train
    seconds = latency.seconds_per_list(model, rows, lists=3)
    assert seconds is not None and 0 < seconds < 1
    assert latency.seconds_per_list(model, Histories.from_rows([[], []], rows.n_items)) is None
