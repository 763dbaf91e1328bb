"""EASE against independent derivations of the same weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import sparse

from recdash import devices
from recdash.data.histories import Histories
from recdash.errors import TrainingError
from recdash.models import ease as module
from recdash.models.ease import EASE, EASEConfig
from recdash.models.ridge_weights import RidgeWeights, ridge_weights


@pytest.fixture
def dense() -> NDArray[np.float64]:
    return (np.random.default_rng(3).random((12, 6)) < 0.5).astype(np.float64)


def test_each_column_is_ridge_regression_on_the_other_items(dense: NDArray[np.float64]) -> None:
    l2 = 0.7
    weights = EASE(EASEConfig(l2=l2)).solve(dense).weights.numpy()
    for item in range(6):
        others = np.delete(np.arange(6), item)
        gram = dense[:, others].T @ dense[:, others] + l2 * np.eye(5)
        ridge = np.linalg.solve(gram, dense[:, others].T @ dense[:, item])
        np.testing.assert_allclose(weights[others, item], ridge, rtol=1e-5, atol=1e-7)
    assert np.all(np.diag(weights) == 0)


def test_the_off_diagonal_part_is_stationary(dense: NDArray[np.float64]) -> None:
    weights = EASE(EASEConfig(l2=2.0)).solve(dense).weights.numpy().astype(np.float64)
    gradient = dense.T @ (dense - dense @ weights) - 2.0 * weights
    np.fill_diagonal(gradient, 0)
    assert np.abs(gradient).max() < 1e-5


def test_relabelling_the_items_relabels_the_scores(dense: NDArray[np.float64]) -> None:
    order = np.array([4, 2, 0, 5, 1, 3])
    plain = EASE(EASEConfig(l2=1.0)).solve(dense).score(dense)
    moved = EASE(EASEConfig(l2=1.0)).solve(dense[:, order]).score(dense[:, order])
    np.testing.assert_allclose(moved, plain[:, order], rtol=1e-5, atol=1e-6)


def test_scores_are_the_sum_of_the_rows_of_the_picks(dense: NDArray[np.float64]) -> None:
    model = EASE(EASEConfig(l2=1.0)).solve(dense)
    np.testing.assert_allclose(model.score(dense), dense @ model.weights.numpy(), rtol=1e-5, atol=1e-6)


def test_a_matrix_that_cannot_fit_in_memory_is_refused_with_its_size(
    dense: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the Gram matrix was built before its memory was checked")

    monkeypatch.setattr(module, "ridge_weights", never)
    with pytest.raises(TrainingError, match=r"EASE needs 559\.\d GiB for 387,384 items, .* GiB are free on cpu"):
        EASE(EASEConfig(precision="auto")).solve(sparse.csr_array(([1.0], ([0], [7])), shape=(1, 387_384)))
    monkeypatch.setattr(devices, "available_bytes", lambda device: 300)
    with pytest.raises(TrainingError, match=r"GiB for 6 items, .* Set precision=float32"):
        EASE(EASEConfig()).solve(dense)


@pytest.mark.parametrize("free", [10**4, 10**12, None])
def test_the_precision_follows_from_the_number_of_items_and_never_from_free_memory(
    free: int | None, dense: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    plenty = EASE(EASEConfig(l2=0.3)).solve(dense)
    monkeypatch.setattr(devices, "available_bytes", lambda device: free)
    model = EASE(EASEConfig(l2=0.3)).solve(dense)
    assert model.precision == "float64"
    assert np.array_equal(model.weights.numpy(), plenty.weights.numpy())
    monkeypatch.setattr(module, "FLOAT64_MAX_ITEMS", 5)
    assert EASE(EASEConfig()).solve(dense).precision == "float32"
    assert EASE(EASEConfig(precision="float64")).solve(dense).precision == "float64"


def duplicated() -> NDArray[np.float64]:
    """Data (4000, 60) in which every two items have the same users: only the penalty makes X'X + l2 I invertible."""
    return np.repeat(np.random.default_rng(2).random((4000, 30)) < 0.5, 2, axis=1).astype(np.float64)


def test_a_penalty_too_small_for_the_precision_is_one_clear_error() -> None:
    same = duplicated()
    model = EASE(EASEConfig(l2=1e-6, precision="float32"))
    with pytest.raises(TrainingError, match=r"l2 = 1e-06 is too small .* in float32\. Set precision=float64, or raise"):
        model.solve(sparse.csr_matrix(same))
    assert np.isfinite(EASE(EASEConfig(l2=1.0, precision="float32")).solve(sparse.csr_matrix(same)).weights).all()


def test_float32_is_taken_only_where_it_is_as_accurate_as_float64(
    dense: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[torch.dtype] = []

    def counted(rows: Histories, l2: float, dtype: torch.dtype, device: torch.device) -> RidgeWeights | None:
        tried.append(dtype)
        return ridge_weights(rows, l2, dtype, device)

    monkeypatch.setattr(module, "ridge_weights", counted)
    monkeypatch.setattr(module, "_MIN_ITEMS_FLOAT32", 1)
    EASE(EASEConfig(l2=1.0)).solve(dense)
    assert tried == [torch.float32]
    EASE(EASEConfig(l2=1.0)).solve(duplicated())
    assert tried[1:] == [torch.float32, torch.float64]
    EASE(EASEConfig(l2=1.0, precision="float64")).solve(dense)
    assert tried[3:] == [torch.float64]
