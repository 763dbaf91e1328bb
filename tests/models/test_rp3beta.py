"""RP3beta against its formula in dense matrices."""

from __future__ import annotations

import numpy as np
import pytest

from recdash.data.histories import Histories
from recdash.models.data_shape import DataShape
from recdash.models.rp3beta import RP3beta, RP3betaConfig
from recdash.splits import Split
from recdash.training import fit
from tests.toy_data import toy_split


@pytest.fixture(scope="module")
def split() -> Split:
    return toy_split()


def walks(x: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    """Powers of the probabilities of the steps pick -> user -> item, times popularity^-beta; zero diagonal."""
    users, items = np.maximum(x.sum(1), 1), np.maximum(x.sum(0), 1)
    to_users, to_items = (x.T / items[:, None]) ** alpha, (x / users[:, None]) ** alpha
    found = to_users @ to_items * items**-beta  # (picks, candidates)
    np.fill_diagonal(found, 0)
    return found


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("neighbours", [5, 1000])
def test_scores_are_sums_of_the_likeliest_walks(neighbours: int, normalise: bool, split: Split) -> None:
    model = fit("rp3beta", split, alpha=0.7, beta=0.3, neighbours=neighbours, normalise=normalise)
    expected = walks(split.train.matrix().toarray().astype(np.float64), 0.7, 0.3)
    for candidate in range(split.n_items):
        order = np.lexsort((np.arange(split.n_items), -expected[:, candidate]))
        expected[order[neighbours:], candidate] = 0
    if normalise:
        expected /= np.maximum(expected.sum(1, keepdims=True), 1e-300)
    rows = split.test.fold_in
    np.testing.assert_allclose(model.score(rows), rows.matrix().toarray() @ expected, rtol=1e-4, atol=1e-7)


def test_a_walk_by_hand() -> None:
    rows = Histories.from_rows([[0, 1], [0, 1, 2, 3]], 4)  # item 0 has two users, with two and four items
    model = RP3beta(RP3betaConfig(alpha=1, beta=0, normalise=False), DataShape(2, 4, 6)).solve(rows)
    assert model.similarities.toarray()[0] == pytest.approx([0, 1 / 2 * (1 / 2 + 1 / 4), 1 / 8, 1 / 8])


def test_an_item_or_user_without_training_data_gets_no_walks() -> None:
    rows = Histories.from_rows([[0, 1], [], [0, 1]], 3)
    model = RP3beta(RP3betaConfig(), DataShape(3, 3, 4)).solve(rows)
    assert np.isfinite(model.similarities.toarray()).all()
    assert not model.similarities.toarray()[2].any() and not model.similarities.toarray()[:, 2].any()
