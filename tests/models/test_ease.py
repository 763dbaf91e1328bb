"""EASE against independent derivations of the same weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack

from recdash import devices
from recdash.data.catalogue import Catalogue
from recdash.data.histories import Histories
from recdash.errors import TrainingError
from recdash.models import ease as module
from recdash.models import registry
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

    def counted(
        rows: Histories, l2: float, dtype: torch.dtype, device: torch.device, **more: float
    ) -> RidgeWeights | None:
        tried.append(dtype)
        return ridge_weights(rows, l2, dtype, device, **more)

    monkeypatch.setattr(module, "ridge_weights", counted)
    monkeypatch.setattr(module, "_MIN_ITEMS_FLOAT32", 1)
    EASE(EASEConfig(l2=1.0)).solve(dense)
    assert tried == [torch.float32]
    EASE(EASEConfig(l2=1.0)).solve(duplicated())
    assert tried[1:] == [torch.float32, torch.float64]
    EASE(EASEConfig(l2=1.0, precision="float64")).solve(dense)
    assert tried[3:] == [torch.float64]


def popular(users: int = 400, items: int = 60, seed: int = 5) -> NDArray[np.float64]:
    """Data (users, items) in which the popularity of the items differs tenfold."""
    rng = np.random.default_rng(seed)
    return (rng.random((users, items)) < rng.uniform(0.05, 0.5, items)).astype(np.float64)


def relaxed_weights(x: NDArray[np.float64], l2: float, dropout: float, relax: float) -> NDArray[np.float64]:
    """Return B as Moon et al. (SIGIR 2023) write it: columns of P times (1 - xi) / P_jj or g_j, then diagonal 0."""
    penalties = l2 + x.sum(0) * dropout / (1 - dropout)
    inverse = np.linalg.inv(x.T @ x + np.diag(penalties))
    own = np.diag(inverse)
    weights = inverse * np.where(1 - penalties * own > relax, -(1 - relax) / own, -penalties)
    np.fill_diagonal(weights, 0)
    return np.asarray(weights)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(
    ("dropout", "relax"), [(0.0, 0.0), (0.33, 0.0), (0.0, 0.6), (0.2, 0.6), (0.9, 0.05), (0.2, 1.0)]
)
def test_dropout_and_relax_give_the_weights_of_the_papers(precision: str, dropout: float, relax: float) -> None:
    x = popular()
    config = EASEConfig(l2=5.0, dropout=dropout, relax=relax, precision=precision)
    weights = EASE(config).solve(sparse.csr_array(x)).weights.numpy()
    expected = relaxed_weights(x, 5.0, dropout, relax)
    assert np.linalg.norm(weights - expected) < 1e-5 * np.linalg.norm(expected)
    assert np.all(np.diag(weights) == 0)


def test_dropout_is_the_ridge_penalty_of_each_item_in_the_expected_loss() -> None:
    x, dropout, l2 = popular(), 0.25, 3.0
    weights = EASE(EASEConfig(l2=l2, dropout=dropout, precision="float64")).solve(x).weights.numpy().astype(np.float64)
    penalties = l2 + x.sum(0) * dropout / (1 - dropout)
    for item in range(0, 60, 7):
        others = np.delete(np.arange(60), item)
        gram = x[:, others].T @ x[:, others] + np.diag(penalties[others])
        np.testing.assert_allclose(
            weights[others, item], np.linalg.solve(gram, x[:, others].T @ x[:, item]), rtol=1e-4, atol=1e-6
        )
    # The same optimum from data: inputs dropped at random, the rest scaled up, many times over.
    rng = np.random.default_rng(0)
    gram, item = np.zeros((60, 60)), 3
    product = np.zeros(60)
    for _ in range(400):
        noisy = x * (rng.random(x.shape) >= dropout) / (1 - dropout)
        gram += noisy.T @ noisy / 400
        product += noisy.T @ x[:, item] / 400
    others = np.delete(np.arange(60), item)
    drawn = np.linalg.solve(gram[np.ix_(others, others)] + l2 * np.eye(59), product[others])
    assert np.linalg.norm(drawn - weights[others, item]) < 0.03 * np.linalg.norm(drawn)


def test_without_relax_and_dropout_every_bit_is_as_before_they_existed() -> None:
    x = popular()
    rows = Histories.from_csr(x)
    for dtype in (torch.float32, torch.float64):
        plain = ridge_weights(rows, 7.0, dtype, torch.device("cpu"))
        given = ridge_weights(rows, 7.0, dtype, torch.device("cpu"), dropout=0.0, relax=0.0)
        assert plain is not None and given is not None and torch.equal(plain.weights, given.weights)
    matrix = x.T @ x + 7.0 * np.eye(60)
    solved = module.EASE(EASEConfig(l2=7.0, precision="float64")).solve(x).weights
    # LAPACK's own inverse with the plain penalty, rounded once: no operation was added
    factor, _ = lapack.dpotrf(matrix, lower=1)
    lower, _ = lapack.dpotri(factor, lower=1)
    whole = np.tril(lower) + np.tril(lower, -1).T
    weights = whole / -np.diag(whole)
    np.fill_diagonal(weights, 0)
    assert np.array_equal(solved.numpy(), weights.astype(np.float32))


def test_the_measured_error_holds_with_dropout_and_relax() -> None:
    x = popular(3000, 300)
    options = {"dropout": 0.2, "relax": 0.5}
    found = ridge_weights(Histories.from_csr(x), 2.0, torch.float32, torch.device("cpu"), **options)
    assert found is not None
    expected = relaxed_weights(x, 2.0, 0.2, 0.5)
    error = np.linalg.norm(found.weights.numpy() - expected) / np.linalg.norm(expected)
    assert 0.5 * error < found.relative_error < 2 * error < 1e-4


def test_a_saved_model_keeps_dropout_and_relax_and_one_without_them_loads(
    dense: NDArray[np.float64], tmp_path: Path
) -> None:
    model = EASE(EASEConfig(l2=1.0, dropout=0.3, relax=0.2)).solve(dense)
    model.catalogue = Catalogue.bare([str(number) for number in range(6)])
    model.save(tmp_path / "model")
    loaded = registry.load(tmp_path / "model")
    assert (loaded.config.dropout, loaded.config.relax) == (0.3, 0.2)
    assert np.array_equal(loaded.score(dense), model.score(dense))
    assert np.allclose(loaded.contributions([0, 2], [1]).sum(), model.weights[[0, 2], 1].sum())
    manifest = tmp_path / "model" / "checkpoint.json"
    before = json.loads(manifest.read_text())
    for setting in ("dropout", "relax"):
        del before["config"][setting]
    manifest.write_text(json.dumps(before))
    assert registry.load(tmp_path / "model").config == EASEConfig(l2=1.0)
