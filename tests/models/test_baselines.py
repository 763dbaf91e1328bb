"""Random and item-kNN, against what they are by definition."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from recdash.data.histories import Histories
from recdash.evaluation import evaluate
from recdash.models.data_shape import DataShape
from recdash.models.itemknn import ItemKNN, ItemKNNConfig
from recdash.recommend.ranked_list import CONTRIBUTION, rank
from recdash.splits import Split
from recdash.training import fit
from tests.devices import fake_gpu
from tests.toy_data import toy_split


@pytest.fixture(scope="module")
def split() -> Split:
    return toy_split()


@pytest.mark.parametrize("neighbours", [5, 1000])
def test_item_knn_sums_the_nearest_cosines(neighbours: int, split: Split) -> None:
    model = fit("itemknn", split, neighbours=neighbours, shrinkage=4.0)
    x = split.train.matrix().toarray().astype(np.float64)
    common = x.T @ x
    counts = x.sum(0)
    cosine = common / (np.sqrt(np.outer(counts, counts)) + 4.0)
    np.fill_diagonal(cosine, 0)
    for candidate in range(split.n_items):
        order = np.lexsort((np.arange(split.n_items), -cosine[:, candidate]))
        cosine[order[neighbours:], candidate] = 0
    rows = split.test.fold_in
    np.testing.assert_allclose(model.score(rows), rows.matrix().toarray() @ cosine, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_item_knn_breaks_ties_by_the_lower_index(device: str) -> None:
    rows = Histories.from_csr(np.ones((4, 9)))  # every similarity is the same
    with fake_gpu.installed() if device == "cuda" else nullcontext():
        model = ItemKNN(ItemKNNConfig(neighbours=3), DataShape(4, 9, 36)).to(torch.device(device)).solve(rows)
        stored = model.similarities.toarray() > 0  # (picks, candidates)
    for candidate in range(9):
        assert np.flatnonzero(stored[:, candidate]).tolist() == [item for item in range(4) if item != candidate][:3]


def test_item_knn_gives_reasons_that_add_up(split: Split) -> None:
    model = fit("itemknn", split)
    assert isinstance(model, ItemKNN)
    found = rank(model, [split.catalogue[2], split.catalogue[5]], 5)
    assert found.reason_kind == CONTRIBUTION
    for suggestion in found.items:
        assert sum(reason.share for reason in suggestion.reasons) == pytest.approx(suggestion.score, rel=1e-4)


def test_random_ranks_as_chance_does_and_the_seed_decides(split: Split) -> None:
    precision = [evaluate(fit("random", split, seed=seed), split).mean["precision@10"] for seed in range(20)]
    targets = split.test.held_out.counts.mean()
    candidates = split.n_items - split.test.fold_in.counts.mean()
    assert np.mean(precision) == pytest.approx(targets / candidates, rel=0.15)
    assert len(set(precision)) > 10
    rows = split.test.fold_in
    np.testing.assert_array_equal(fit("random", split, seed=1).score(rows), fit("random", split, seed=1).score(rows))
