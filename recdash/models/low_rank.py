"""Truncated singular value decomposition, deterministic: exact for narrow matrices, by random projection for others."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ITEM_VECTOR_WIDTH = 32  # of singular vectors of items x items similarities; 128 separate genres no better on ML-1M
_OVERSAMPLING = 10  # extra columns of the projection, which make the last singular vectors accurate
_POWER_ITERATIONS = 3  # products with A'A; more separate genres no better on ML-1M, and cost time
_EXACT_MAX_SIDE = 1024  # up to here the Gram matrix of the smaller side is decomposed


class TruncatedSVD(NamedTuple):
    """Leading part of A = U S V': `left` (rows, rank), `values` (rank,) descending, `right` (columns, rank)."""

    left: NDArray[np.float64]
    values: NDArray[np.float64]
    right: NDArray[np.float64]


def truncated_svd(matrix: Any, rank: int, *, seed: int = 0) -> TruncatedSVD:
    """Return the leading singular vectors and values.

    Dense matrices with a small side are decomposed exactly, others by random projection with power iterations (Halko et
    al., SIAM Review 2011, algorithms 4.4 and 5.1).

    The sign of each pair of vectors is fixed: the entry of `left` with the largest magnitude is positive, ties going to
    the first. So the result does not mirror between runs or machines.

    Args:
        matrix: (rows, columns) numpy array or scipy sparse array.
        rank: Number of singular vectors; at most the smaller side of the matrix is returned.
        seed: Seed of the projection.
    """
    rank = min(rank, *matrix.shape)
    if rank == 0:
        return TruncatedSVD(np.zeros((matrix.shape[0], 0)), np.zeros(0), np.zeros((matrix.shape[1], 0)))
    if isinstance(matrix, np.ndarray) and min(matrix.shape) <= _EXACT_MAX_SIDE:
        left, values, right = _by_gram(matrix.astype(np.float64), rank)
    else:
        left, values, right = _by_projection(matrix, rank, seed)
    signs = _signs(left)
    return TruncatedSVD(left * signs, values, right * signs)


def _by_gram(matrix: NDArray[np.float64], rank: int) -> TruncatedSVD:
    if matrix.shape[0] < matrix.shape[1]:
        transposed = _by_gram(matrix.T, rank)
        return TruncatedSVD(transposed.right, transposed.values, transposed.left)
    squares, vectors = np.linalg.eigh(matrix.T @ matrix)  # ascending
    right = vectors[:, ::-1][:, :rank]  # (columns, rank)
    values = np.sqrt(np.maximum(squares[::-1][:rank], 0))
    left = matrix @ right / np.where(values > 0, values, 1)  # (rows, rank); 0 where the value is 0
    return TruncatedSVD(left, values, right)


def _by_projection(matrix: Any, rank: int, seed: int) -> TruncatedSVD:
    rows, columns = matrix.shape
    width = min(rank + _OVERSAMPLING, rows, columns)
    dtype = matrix.dtype if matrix.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    basis = np.random.default_rng(seed).standard_normal((columns, width)).astype(dtype)
    basis, _ = np.linalg.qr(matrix @ basis)  # (rows, width)
    for _ in range(_POWER_ITERATIONS):
        other, _ = np.linalg.qr(matrix.T @ basis)  # (columns, width)
        basis, _ = np.linalg.qr(matrix @ other)  # (rows, width)
    small = (matrix.T @ basis).T.astype(np.float64)  # (width, columns)
    left_small, values, right = np.linalg.svd(small, full_matrices=False)
    left = basis.astype(np.float64) @ left_small[:, :rank]  # (rows, rank)
    return TruncatedSVD(left, values[:rank], right[:rank].T)


def _signs(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 or -1 for each column, so that its entry of largest magnitude becomes positive."""
    if not len(vectors):
        return np.ones(vectors.shape[1])
    magnitudes = np.abs(vectors)
    first = np.argmax(magnitudes >= magnitudes.max(0) * (1 - 1e-6), axis=0)  # rounding does not decide between ties
    return np.where(vectors[first, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)
