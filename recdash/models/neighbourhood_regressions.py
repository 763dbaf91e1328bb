"""Ridge regression of items on their neighbours alone: many small systems (Steck, NeurIPS 2019, section 3.2)."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from recdash.models.sparse_covariance import IntArray, Pattern, ScaledCovariance, in_threads

_MOST_ITEMS = 2_048  # of a batch of neighbourhoods whose covariances are computed together: 16 MiB
_MOST_BLOCKS = 512
_MOST_MISSES = 8  # neighbourhoods that do not fit before a batch ends
_SMALLEST_PIVOT = 1e-6  # of a system, relative to its largest variance: float32 has 7 digits
_MOST_NEW = 0.25  # of the items of a neighbourhood that joins a batch; rare items have few neighbours in common

Float32Array = NDArray[np.float32]


class _Block(NamedTuple):
    """Items (block,) of one system, the centre first, and how many of its columns are used."""

    items: IntArray
    n_columns: int


class SingularError(ArithmeticError):
    """A system is not positive definite in float32: the penalty is too small."""


def neighbour_weights(covariance: ScaledCovariance, pattern: Pattern, l2: float, shared: float) -> Float32Array:
    """Return the weights of the entries of a pattern, (entries,).

    The inverse P of C + l2 I on an item and its neighbours gives B_ij = -P_ij / P_jj for the item j, and for the first
    `shared` of its most similar neighbours, which then need no inverse of their own. What several inverses say of an
    entry is averaged.

    Args:
        covariance: Covariances of the items.
        pattern: Neighbours of each item.
        l2: Ridge penalty.
        shared: Share of the columns of an inverse that is used.

    Raises:
        SingularError: The penalty is too small.
    """
    sums = np.zeros(len(pattern.indices), np.float32)
    averaged = shared > 0
    counts = np.zeros(len(sums) if averaged else 0, np.uint16)
    for batch, solutions in in_threads(lambda some: _solved(covariance, some, l2), _batches(pattern, shared)):
        for block, solution in zip(batch, solutions, strict=True):
            for column in range(block.n_columns):
                entries = pattern.column(int(block.items[column]))
                rows = pattern.indices[entries]
                if not averaged:  # the neighbours are the rows
                    sums[entries] = solution[1:, 0]
                    continue
                places = np.searchsorted(rows, block.items)
                known = places < len(rows)
                known[known] = rows[places[known]] == block.items[known]
                at = entries.start + places[known]
                sums[at] += solution[known, column]
                counts[at] += 1
    if averaged:
        sums /= np.maximum(counts, 1)
    return sums


def _blocks(pattern: Pattern, shared: float) -> dict[int, _Block]:
    """Return the systems to solve by their centre, those with most neighbours first."""
    n_neighbours = np.diff(pattern.indptr)
    left = np.ones(len(n_neighbours), np.bool_)
    blocks = {}
    for item in np.argsort(-n_neighbours, kind="stable").tolist():
        if not left[item]:
            continue
        entries = pattern.column(item)
        neighbours = pattern.indices[entries].astype(np.int64)
        n_columns = 1
        if shared:
            neighbours = neighbours[np.argsort(-pattern.sizes[entries], kind="stable")]
            n_columns = max(1, ceil(shared * (len(neighbours) + 1)))
            left[neighbours[: n_columns - 1]] = False
        blocks[item] = _Block(np.concatenate([[item], neighbours]), n_columns)
    return blocks


def _batches(pattern: Pattern, shared: float) -> Iterator[list[_Block]]:
    """Yield systems that have many items in common, so that their covariances are computed once."""
    blocks = _blocks(pattern, shared)
    inside = np.zeros(len(pattern.indptr) - 1, np.bool_)
    while blocks:
        first = next(iter(blocks))
        batch: list[_Block] = []
        members: list[IntArray] = []
        n_members = misses = 0
        for centre in blocks[first].items.tolist():
            block = blocks.get(centre)
            if block is None:
                continue
            new = block.items[~inside[block.items]]
            if batch and (len(new) > _MOST_NEW * len(block.items) or n_members + len(new) > _MOST_ITEMS):
                misses += 1
                if misses == _MOST_MISSES:
                    break
                continue
            inside[new] = True
            members.append(new)
            n_members += len(new)
            batch.append(blocks.pop(centre))
            if len(batch) == _MOST_BLOCKS:
                break
        for some in members:
            inside[some] = False
        yield batch


def _solved(covariance: ScaledCovariance, batch: list[_Block], l2: float) -> tuple[list[_Block], list[Float32Array]]:
    """Return the batch, and of each system the columns of B that are used, (block, columns)."""
    members = np.unique(np.concatenate([block.items for block in batch]))
    square = torch.from_numpy(covariance.square(members))  # (members, members)
    solutions = []
    for block in batch:
        rank = np.argsort(np.argsort(block.items))  # of each item within the block
        system = square
        if len(block.items) < len(members):
            places = torch.from_numpy(np.searchsorted(members, np.sort(block.items)))
            system = square[places[:, None], places]
        elif len(batch) > 1:
            system = square.clone()
        system.diagonal().add_(l2)
        factor, failed = torch.linalg.cholesky_ex(system)
        pivots = factor.diagonal().square()
        if int(failed) or float(pivots.min()) < _SMALLEST_PIVOT * float(system.diagonal().max()):
            raise SingularError
        used = torch.from_numpy(rank[: block.n_columns])
        ones = torch.zeros(len(system), block.n_columns)
        ones[used, torch.arange(block.n_columns)] = 1
        inverse = torch.cholesky_solve(ones, factor)  # some of its columns (block, columns)
        own = inverse[used, torch.arange(block.n_columns)]
        solutions.append(np.asarray((inverse / -own).numpy()[rank]))
    return batch, solutions
