"""The Gram matrix X'X of binary histories: how many users have both items, by blocks; users may have weights."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import blas
from torch import Tensor

from recdash import devices
from recdash.data.histories import Histories

CELLS_PER_BLOCK = 1 << 21  # of the Gram matrix in one block: 8 MiB, while it is computed three times that
_DENSE_CELLS = 1 << 24  # users x items of a dense part of the data: 64 MiB in float32
_DENSE_WIDTHS = (0, 256, 512, 1024, 2048, 4096)  # numbers of popular items to choose from
_SECONDS_PER_PRODUCT = 1.2e-11  # of a symmetric product in float32, on one core; only the ratio to the next decides
_SECONDS_PER_PAIR = 5e-9  # of a sparse product, on one core
_GPU_BYTES = 3 * 4  # per cell of the matrix, while it is summed up on a GPU
_PADDING = 64  # the tensor cores of a GPU need a width that is a multiple of 8

Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int64]


def gram_matrix(rows: Histories, device: torch.device) -> Tensor:
    """Return X'X, (items, items) float32 on the device; exact for fewer than 2^24 users."""
    if device.type == "cuda":
        return _on_gpu(rows, device)
    out = torch.empty(rows.n_items, rows.n_items)
    for items, block in _blocks(rows):
        out[items] = torch.from_numpy(block)
    return out.to(device)


def gram_blocks(
    rows: Histories, device: torch.device, weights: NDArray[np.float64] | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield X'X, or X' diag(weights) X, by blocks of rows, in any order.

    On a GPU they are parts of the whole matrix, if that fits there. Otherwise the CPU counts, a few blocks at a time.

    Args:
        rows: (users, items).
        device: Device of the blocks.
        weights: (users,) positive weight of each user; None counts each one once, which is exact.

    Yields:
        Items (block,) int64 and the numbers or weights of common users (block, items) float32, both on the device.
    """
    if device.type == "cuda" and _GPU_BYTES * rows.n_items**2 <= (devices.available_bytes(device) or 0):
        whole = _on_gpu(rows, device, weights)
        size = max(1, 8 * CELLS_PER_BLOCK // max(1, rows.n_items))
        for items in torch.split(torch.arange(rows.n_items, device=device), size):
            yield items, whole[items]
        return
    for numbers, block in _blocks(rows, weights):
        yield torch.from_numpy(numbers).to(device), torch.from_numpy(block).to(device)


def _blocks(rows: Histories, weights: NDArray[np.float64] | None = None) -> Iterator[tuple[IntArray, Float32Array]]:
    """Yield items and their rows of X'X: pairs of popular items from dense products, all other pairs from sparse ones.

    The few popular items make most of the pairs, and a dense product counts a pair a hundred times as fast.
    """
    popular = _popular_items(rows)
    is_popular = np.zeros(rows.n_items, np.bool_)
    is_popular[popular] = True
    common = _dense_counts(rows, popular, weights)  # (popular, popular)
    binary = rows.matrix()  # (users, items)
    rare = rows.select(~is_popular[rows.items]).matrix()  # (users, items) without the popular ones
    by_item = binary.T.tocsr()  # (items, users)
    if weights is not None:
        by_item.data *= weights[by_item.indices].astype(np.float32)
    size = max(1, CELLS_PER_BLOCK // max(1, rows.n_items))

    def of_popular(start: int) -> tuple[IntArray, Float32Array]:
        items = popular[start : start + size]
        block = (by_item[items] @ rare).toarray()
        block[:, popular] = common[start : start + size]
        return items, block

    def of_rare(items: IntArray) -> tuple[IntArray, Float32Array]:
        return items, (by_item[items] @ binary).toarray()

    others = np.flatnonzero(~is_popular)
    threads = max(1, torch.get_num_threads())
    with ThreadPoolExecutor(threads) as pool:  # SciPy's products do not hold Python's lock
        jobs: Iterator[Future[tuple[IntArray, Float32Array]]] = chain(
            (pool.submit(of_popular, start) for start in range(0, len(popular), size)),
            (pool.submit(of_rare, others[start : start + size]) for start in range(0, len(others), size)),
        )
        waiting: list[Future[tuple[IntArray, Float32Array]]] = []
        for job in jobs:
            waiting.append(job)
            if len(waiting) > threads:
                yield waiting.pop(0).result()
        for job in waiting:
            yield job.result()


def _popular_items(rows: Histories) -> IntArray:
    """Return the items, ascending, whose common users are cheapest to count by dense products."""
    rank = np.empty(rows.n_items, np.int64)
    rank[np.argsort(-np.bincount(rows.items, minlength=rows.n_items), kind="stable")] = np.arange(rows.n_items)
    entry_ranks, entry_rows = rank[rows.items], rows.row_of
    costs = {}
    for width in _DENSE_WIDTHS:
        if width <= rows.n_items:
            per_user = np.bincount(entry_rows[entry_ranks < width], minlength=len(rows)).astype(np.float64)
            pairs = (rows.counts.astype(np.float64) ** 2).sum() - (per_user**2).sum()
            costs[width] = len(rows) * width**2 * _SECONDS_PER_PRODUCT + pairs * _SECONDS_PER_PAIR
    return np.flatnonzero(rank < min(costs, key=costs.__getitem__))


def _dense_counts(rows: Histories, items: IntArray, weights: NDArray[np.float64] | None = None) -> Float32Array:
    """Return the numbers or weights of common users of some items, (some, some), from dense rows of bounded size."""
    width = len(items)
    out = np.zeros((width, width), np.float32, order="F")
    if not width:
        return out
    column = np.full(rows.n_items, -1, np.int32)
    column[items] = np.arange(width)
    chosen = column[rows.items] >= 0
    part = rows.select(chosen)
    roots = np.ones(part.n_entries, np.float32)
    if weights is not None:
        roots = np.sqrt(weights[part.row_of]).astype(np.float32)
    matrix: Any = sparse.csr_array((roots, column[part.items], part.indptr), shape=(len(rows), width))
    step = max(1, _DENSE_CELLS // width)
    for start in range(0, len(rows), step):
        dense = matrix[start : start + step].toarray()  # (users, some)
        out = blas.ssyrk(1.0, dense.T, beta=1.0, c=out, overwrite_c=1, lower=1)
    return np.asarray(mirrored(torch.from_numpy(out.T)).numpy())


def _on_gpu(rows: Histories, device: torch.device, weights: NDArray[np.float64] | None = None) -> Tensor:
    """Return X'X or X' diag(weights) X on a GPU, from dense blocks of users.

    They are bfloat16, where that is exact (no weights) and products keep float32 sums, else float32.
    """
    n_items, wide = rows.n_items, -(-rows.n_items // _PADDING) * _PADDING
    narrow = weights is None and _sums_in_float32(device)
    roots = None if weights is None else torch.from_numpy(np.sqrt(weights).astype(np.float32)).to(device)
    indptr = torch.from_numpy(np.ascontiguousarray(rows.indptr))
    offsets, entries = indptr.to(device), torch.from_numpy(rows.items).to(device)
    out = torch.zeros(wide, wide, device=device)
    step = max(1, 8 * _DENSE_CELLS // max(1, wide))
    with full_float32():
        for start in range(0, len(rows), step):
            stop = min(len(rows), start + step)
            low, high = int(indptr[start]), int(indptr[stop])
            users = torch.repeat_interleave(
                torch.arange(stop - start, device=device), offsets[start : stop + 1].diff(), output_size=high - low
            )
            dense = torch.zeros(stop - start, wide, device=device, dtype=torch.bfloat16 if narrow else torch.float32)
            dense[users, entries[low:high].long()] = 1
            if roots is not None:
                dense *= roots[start:stop, None]
            if narrow:
                out += torch.mm(dense.T, dense, out_dtype=torch.float32)
            else:
                out.addmm_(dense.T, dense)
    return out[:n_items, :n_items].contiguous()


def mirrored(matrix: Tensor) -> Tensor:
    """Copy the upper triangle of a square matrix onto the lower one, in place and by blocks that fit into the cache."""
    size = 512
    for start in range(0, len(matrix), size):
        own = matrix[start : start + size, start : start + size]
        own.copy_(own.triu() + own.triu(1).T)
        for above in range(0, start, size):
            matrix[start : start + size, above : above + size] = matrix[above : above + size, start : start + size].T
    return matrix


@contextmanager
def full_float32() -> Iterator[None]:
    """Multiply float32 matrices with all their bits in the block; TF32 keeps 10 of them, too few for counts."""
    products: Any = torch.backends.cuda.matmul
    before = products.fp32_precision
    products.fp32_precision = "ieee"
    try:
        yield
    finally:
        products.fp32_precision = before


@cache
def _sums_in_float32(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 matrices into float32."""
    ones = torch.ones(16, 16, device=device, dtype=torch.bfloat16)
    try:
        return torch.mm(ones, ones, out_dtype=torch.float32).dtype == torch.float32
    except (TypeError, NotImplementedError, RuntimeError):  # an older PyTorch, or an older GPU
        return False
