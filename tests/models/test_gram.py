"""The Gram matrix by blocks, and the ridge weights made from it, against dense float64 algebra."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from recdash import devices
from recdash.data.histories import Histories
from recdash.models import gram, ridge_weights
from tests.devices import fake_gpu

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def dense() -> NDArray[np.float64]:
    rng = np.random.default_rng(4)
    return (rng.random((300, 90)) < rng.random(90) ** 3).astype(np.float64)  # few popular items


def exact_weights(dense: NDArray[np.float64], l2: float) -> NDArray[np.float64]:
    inverse = np.linalg.inv(dense.T @ dense + l2 * np.eye(dense.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


@pytest.mark.parametrize("width", [0, 1, 20, 90])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_gram_matrix_is_the_same_in_blocks(
    width: int, threads: int, dense: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gram, "_DENSE_WIDTHS", (width,))
    monkeypatch.setattr(gram, "_DENSE_CELLS", 500)
    monkeypatch.setattr(gram, "CELLS_PER_BLOCK", 700)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    rows = Histories.from_csr(dense)
    np.testing.assert_array_equal(gram.gram_matrix(rows, CPU).numpy(), dense.T @ dense)
    found = {
        int(item): row for items, block in gram.gram_blocks(rows, CPU) for item, row in zip(items, block, strict=True)
    }
    np.testing.assert_array_equal(np.stack([found[item].numpy() for item in range(90)]), dense.T @ dense)


def test_the_gram_matrix_is_the_same_on_a_gpu(dense: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gram, "_DENSE_CELLS", 500)
    with fake_gpu.installed():
        found = gram.gram_matrix(Histories.from_csr(dense), GPU).cpu()
    np.testing.assert_array_equal(found.numpy(), dense.T @ dense)


@pytest.mark.parametrize("full", [False, True])
def test_blocks_of_a_gpu_are_counted_by_the_cpu_if_it_is_full(full: bool, dense: NDArray[np.float64]) -> None:
    with fake_gpu.installed() as gpu:
        found = np.zeros((90, 90))
        free = 90 if full else 10**9
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(devices, "available_bytes", lambda device: free)
            for items, block in gram.gram_blocks(Histories.from_csr(dense), GPU):
                assert items.device.type == block.device.type == "cuda"
                found[items.cpu().numpy()] = block.cpu().numpy()
        assert (gpu.calls.get("aten::addmm_", 0) > 0) is not full
    np.testing.assert_array_equal(found, dense.T @ dense)


@pytest.mark.parametrize("device", [CPU, GPU], ids=["cpu", "gpu"])
@pytest.mark.parametrize("width", [0, 20, 90])
def test_users_may_have_weights(
    width: int, device: torch.device, dense: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gram, "_DENSE_WIDTHS", (width,))
    monkeypatch.setattr(gram, "_DENSE_CELLS", 500)
    monkeypatch.setattr(gram, "CELLS_PER_BLOCK", 700)
    weights = np.random.default_rng(1).uniform(0.01, 3, len(dense))
    found = np.zeros((90, 90))
    with fake_gpu.installed() if device == GPU else nullcontext():
        for items, block in gram.gram_blocks(Histories.from_csr(dense), device, weights):
            found[items.cpu().numpy()] = block.cpu().numpy()
    np.testing.assert_allclose(found, dense.T @ (weights[:, None] * dense), rtol=1e-5, atol=1e-4)


def test_data_without_users_or_items_have_a_gram_matrix_too() -> None:
    assert gram.gram_matrix(Histories.from_rows([], 5), CPU).tolist() == [[0.0] * 5] * 5
    assert gram.gram_matrix(Histories.from_rows([[], []], 0), CPU).shape == (0, 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_ridge_weights_equal_the_float64_inverse(
    dtype: torch.dtype, device: str, dense: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ridge_weights, "_CELLS_PER_BLOCK", 1000)
    rows, expected = Histories.from_csr(dense), exact_weights(dense, 3.0)
    if device == "cuda":
        with fake_gpu.installed():
            found = ridge_weights.ridge_weights(rows, 3.0, dtype, GPU)
    else:
        found = ridge_weights.ridge_weights(rows, 3.0, dtype, CPU)
    assert found is not None
    error = np.linalg.norm(found.weights.cpu().numpy() - expected) / np.linalg.norm(expected)
    assert error < (2e-6 if dtype == torch.float32 else 1e-7)


@pytest.mark.parametrize("size", [1e-6, 1e-4, 1e-2])
def test_the_measured_error_is_the_error(size: float, dense: NDArray[np.float64]) -> None:
    """Weights with a known error: off the diagonal, and in the variances P_jj that divide the columns."""
    rng = np.random.default_rng(0)
    expected = exact_weights(dense, 3.0)
    inverse = np.linalg.inv(dense.T @ dense + 3.0 * np.eye(90))
    wrong = expected * (1 + size * rng.standard_normal(expected.shape))
    variances = np.diag(inverse) * (1 + size * rng.standard_normal(90))
    rows, weights = Histories.from_csr(dense), torch.from_numpy(wrong.astype(np.float32))
    found = ridge_weights._relative_error(weights, torch.from_numpy(variances), rows, np.full(90, 3.0))
    error = np.linalg.norm(wrong - expected) / np.linalg.norm(expected)
    assert 0.5 * error < found < 2.5 * error


def test_a_matrix_that_is_not_definite_has_no_weights() -> None:
    rows = Histories.from_csr(np.ones((5, 3)))
    assert ridge_weights.ridge_weights(rows, -20.0, torch.float64, CPU) is None
    assert ridge_weights.ridge_weights(rows, -20.0, torch.float32, CPU) is None
