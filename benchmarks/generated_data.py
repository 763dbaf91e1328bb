"""Generated interactions shaped like public datasets: log-normal activity, popularity a power of the rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

import recdash
from recdash.data.dataset import Dataset
from recdash.splits import Split

FOLD_OUT = 0.2  # share of a held-out user's items that are held out
_MIN_PER_USER, _MAX_PER_USER = 5, 3000


@dataclass(frozen=True)
class Shape:
    """Users, items and positives of a dataset."""

    users: int
    items: int
    positives: int

    def scaled(self, *, users: float = 1, items: float = 1, per_user: float = 1) -> Shape:
        """Return a shape with fractions of users, items, and positives per user."""
        return Shape(round(self.users * users), round(self.items * items), round(self.positives * users * per_user))


ML_1M = Shape(6_034, 3_533, 575_000)
ML_20M = Shape(136_677, 20_108, 9_990_682)
ML_32M = Shape(200_948, 84_432, 16_000_000)  # half of its ratings, about those of 4 and above
MILLION = Shape(1_000_000, 100_000, 50_000_000)


def interactions(shape: Shape, seed: int = 0) -> sparse.csr_matrix:
    """Return a binary matrix, (users, items) float32. Repeated draws merge, so it has somewhat fewer positives."""
    rng = np.random.default_rng(seed)
    activity = np.clip(np.exp(rng.normal(3.7, 1.05, shape.users)), _MIN_PER_USER, _MAX_PER_USER)
    activity = np.maximum(_MIN_PER_USER, activity * shape.positives / activity.sum()).astype(np.int64)
    popularity = np.cumsum((np.arange(shape.items) + 20.0) ** -1.15)
    indptr = np.concatenate([[0], np.cumsum(activity)])
    ranks = np.searchsorted(popularity / popularity[-1], rng.random(indptr[-1], np.float32))
    items = rng.permutation(shape.items).astype(np.int32)[np.minimum(ranks, shape.items - 1)]
    matrix = sparse.csr_matrix((np.ones(len(items), np.float32), items, indptr), (shape.users, shape.items))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def split_of(matrix: sparse.csr_matrix, held_out_users: int, seed: int = 0, *, validation: bool = True) -> Split:
    """Return a split with unseen users; without validation, nothing but training takes time in `fit`."""
    rng = np.random.default_rng(seed)
    held_out = rng.permutation(matrix.shape[0])[: 2 * held_out_users]
    train = matrix[np.setdiff1d(np.arange(matrix.shape[0]), held_out)]
    parts = [_fold(matrix[rows], rng) for rows in (held_out[:held_out_users], held_out[held_out_users:])]
    return recdash.Split.from_matrices(train, validation=parts[0] if validation else None, test=parts[1])


def dataset(shape: Shape, seed: int = 0) -> Dataset:
    """Return a dataset with ratings from 1 to 5 and times, for models that need them."""
    rng = np.random.default_rng(seed)
    entries = interactions(shape, seed).tocoo()
    taste = rng.normal(0, 0.5, shape.users)[entries.row] + rng.normal(0, 0.5, shape.items)[entries.col]
    stars = np.clip(np.rint(4 + taste + rng.normal(0, 0.8, entries.nnz)), 1, 5).astype(np.float32)
    return Dataset.build(
        "generated",
        users=entries.row.astype(np.int64),
        items=entries.col.astype(np.int64),
        ratings=stars,
        times=rng.permutation(entries.nnz).astype(np.int64),
        scale=(1.0, 5.0),
        source="generated",
    )


def _fold(rows: sparse.csr_matrix, rng: np.random.Generator) -> tuple[Any, Any]:
    """Split each row at random into fold-in and held-out items; both keep at least one of a row of two or more."""
    entries = rows.tocoo()
    is_out = rng.random(entries.nnz) < FOLD_OUT
    starts = rows.indptr[:-1][np.diff(rows.indptr) > 1]
    is_out[starts], is_out[starts + 1] = True, False

    def part(mask: Any) -> sparse.csr_matrix:
        return sparse.csr_matrix((entries.data[mask], (entries.row[mask], entries.col[mask])), rows.shape)

    return part(~is_out), part(is_out)
