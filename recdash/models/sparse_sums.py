"""Products of sparse and dense matrices on the CPU that read only the entries: weighted sums of rows, and their dual.

Both walk through the entries with PyTorch's own vectorised kernels, which need no MKL. One row is summed by one thread
in a fixed order, so that neither the number of threads nor the other rows of a batch change a bit of the result.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")


def weighted_sums(table: Tensor, indices: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum of table rows for each row of a sparse matrix: the matrix times the table.

    No gradient: the backward pass of the operation used here is slow, and the gradient is a sum of the same kind.

    Args:
        table: (columns, width).
        indices: (entries,) column of each entry.
        offsets: (rows + 1,) row r has the entries `offsets[r]` to `offsets[r + 1] - 1`.
        weights: (entries,) value of each entry.

    Returns:
        (rows, width) in the data type of the table.
    """
    # Detached: for a table that requires a gradient PyTorch takes a slower path, even where none is recorded.
    plain, factors = table.detach(), weights.detach().to(table.dtype)
    found: Tensor = torch.embedding_bag(
        plain, indices, offsets, mode=0, per_sample_weights=factors, include_last_offset=True
    )[0]  # mode 0 is the sum
    return found


def entry_products(left: Tensor, right: Tensor, offsets: Tensor, indices: Tensor) -> Tensor:
    """Return the inner products of rows of two matrices at the entries of a sparse matrix; no gradient.

    Args:
        left: (rows, width) float32.
        right: (columns, width) float32.
        offsets: (rows + 1,) row r has the entries `offsets[r]` to `offsets[r + 1] - 1`.
        indices: (entries,) column of each entry.

    Returns:
        (entries,) float32.
    """
    if len(indices) == 0 or left.shape[1] == 0:
        return torch.zeros(len(indices))
    size = (len(left), len(right))
    with torch.no_grad():
        cells = torch.sparse_csr_tensor(offsets, indices, torch.zeros(len(indices)), size, check_invariants=False)
        # (rows, width) @ (width, columns), computed at the cells only
        found: Tensor = torch.sparse.sampled_addmm(cells, left, right.T, beta=0).values()
    return found


def pair_products(left: Tensor, right: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the inner product of a row of `left` and a row of `right` for each pair; no gradient.

    Args:
        left: (rows, width).
        right: (columns, width).
        rows: (pairs,) row of `left`, in any order.
        columns: (pairs,) row of `right`.

    Returns:
        (pairs,) float32.
    """
    if left.device.type != "cpu":
        with torch.no_grad():
            return (left[rows].float() * right[columns].float()).sum(1)  # (pairs, width) -> (pairs,)
    # Grouped by row (a counting sort), so that a row of `left` is read once and stays in the cache.
    one_row = (np.arange(len(rows)), rows.numpy(), [0, len(rows)])
    grouped = sparse.csr_array(one_row, shape=(1, len(left))).tocsc()
    offsets, order = (torch.from_numpy(part.astype(np.int64)) for part in (grouped.indptr, grouped.data))
    products = entry_products(left.float(), right.float(), offsets, columns[order])
    return torch.empty_like(products).index_copy_(0, order, products)
