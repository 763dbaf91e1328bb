"""Exact batched solutions of implicit-feedback least squares, in the smaller of two dimensions (Hu et al., ICDM 2008).

A row with entries S and penalty p has the factors w = A^-1 (sum of the factors of S), with
A = unobserved_weight Y'Y + sum over S of y y' + p I. In the eigenbasis of Y'Y the first and last term are a diagonal D.
With Z = Y_S D^(-1/2), the remaining matrix is I + Z'Z (latent x latent), or I + ZZ' (entries x entries) by the
push-through identity: Z'(I + ZZ')^-1 = (I + Z'Z)^-1 Z'. Both have eigenvalues of at least 1, so float32 is accurate.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recdash.models.job_queue import JobQueue

_CELLS = 1 << 20  # entries x latent of the rows that are solved at a time: 4 MiB, which stay in the cache
_GPU_CELLS = 1 << 26
_PADDING = 1.2  # longest history of the rows that are solved at a time, relative to the shortest
_PADDED_ENTRIES = 4  # the same in entries, for short histories


class Solution(NamedTuple):
    """Solutions of rows.

    Attributes:
        factors: (rows, latent) float32; 0 for rows without entries.
        losses: (rows,) float32 squared error of each row with its own penalty; all entries have the target 1.
    """

    factors: Tensor
    losses: Tensor


def in_eigenbasis(factors: Tensor) -> Tensor:
    """Return factors F Q, (rows, latent) float32, with Q the eigenvectors of F'F by falling eigenvalue.

    Rotated in float64 and rounded at the end: products of small columns would drown in the errors of large ones.
    """
    exact = factors.double()
    _, vectors = torch.linalg.eigh((exact.T @ exact).cpu())  # ascending
    rotated: Tensor = exact @ vectors.flip(1).to(exact.device)
    return rotated.float()


def solve_rows(
    factors: Tensor, items: Tensor, offsets: Tensor, penalties: Tensor, unobserved_weight: float
) -> Solution:
    """Solve for the factors of rows, given those of their entries.

    Args:
        factors: (others, latent) float32, whose Gram matrix is diagonal (`in_eigenbasis`).
        items: (entries,) int64 indices into `factors`.
        offsets: (rows + 1,) int64.
        penalties: (rows,) float32 L2 penalty of each row, positive.
        unobserved_weight: Weight of the squared score of every pair.
    """
    shared = (unobserved_weight * factors.double().square().sum(0)).float()  # (latent,)
    bounds = offsets.cpu().numpy()
    solved = factors.new_zeros(len(bounds) - 1, factors.shape[1])
    losses = factors.new_zeros(len(bounds) - 1)
    most_cells = _most_cells(factors)

    def solve(rows: NDArray[np.int64], longest: int) -> None:
        chosen = torch.from_numpy(rows).to(factors.device)
        start, count = offsets[chosen], offsets[chosen + 1] - offsets[chosen]
        scale = (shared + penalties[chosen, None]).rsqrt_()  # (rows, latent) D^(-1/2)

        def scaled(low: int, high: int) -> tuple[Tensor, Tensor]:
            """Return Z at these positions of each row, (rows, positions, latent), and whether they are entries."""
            position = torch.arange(low, high, device=factors.device)
            inside = (position < count[:, None])[:, :, None]  # (rows, positions, 1)
            entries = items[(start[:, None] + position).clamp_(max=len(items) - 1)]
            return factors[entries].mul_(scale[:, None]).mul_(inside), inside.to(factors.dtype)

        if longest <= factors.shape[1]:
            z, ones = scaled(0, longest)
            residuals = _solve(z @ z.mT, ones)  # 1 - score of each entry
            found = z.mT @ residuals
            losses[chosen] = (residuals * ones).sum((1, 2))
        else:
            step = max(1, most_cells // (len(rows) * factors.shape[1]))
            gram, right = scale.new_zeros(len(rows), *2 * scale.shape[1:]), scale.new_zeros(*scale.shape, 1)
            for low in range(0, longest, step):
                z, ones = scaled(low, min(longest, low + step))
                gram.baddbmm_(z.mT, z)
                right.baddbmm_(z.mT, ones)
            found = _solve(gram, right)
            losses[chosen] = count - (found * right).sum((1, 2))
        solved[chosen] = found[:, :, 0].mul_(scale)

    jobs = [partial(solve, rows, longest) for rows, longest in _groups(np.diff(bounds), factors)]
    if factors.device.type != "cpu" or len(items) * factors.shape[1] < _CELLS:
        for job in jobs:
            job()
        return Solution(solved, losses)
    with JobQueue(len(jobs)) as queue:  # LAPACK factorises the matrices of a batch one after the other
        for job in reversed(jobs):  # the longest rows first
            queue.put(job)
        queue.join()
    return Solution(solved, losses)


def _solve(gram: Tensor, right: Tensor) -> Tensor:
    """Return (I + gram)^-1 right, (rows, size, 1), from gram (rows, size, size), which is overwritten."""
    gram.diagonal(dim1=1, dim2=2).add_(1)
    return torch.cholesky_solve(right, torch.linalg.cholesky_ex(gram)[0])


def _most_cells(factors: Tensor) -> int:
    return _CELLS if factors.device.type == "cpu" else _GPU_CELLS


def _groups(counts: NDArray[np.int64], factors: Tensor) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Yield rows of similar length, with the length of the longest; rows without entries are left out."""
    latent, cells = factors.shape[1], _most_cells(factors)
    order = np.argsort(counts, kind="stable")
    order = order[counts[order] > 0]
    lengths = counts[order]
    start = 0
    while start < len(order):
        limit = max(_PADDING * lengths[start], lengths[start] + _PADDED_ENTRIES)
        stop = int(np.searchsorted(lengths, limit, "right"))
        longest = int(lengths[stop - 1])
        stop = min(stop, start + max(1, cells // (longest * latent)))
        yield order[start:stop], int(lengths[stop - 1])
        start = stop
