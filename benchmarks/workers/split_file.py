"""The split of a benchmark as one `.npz` file, which every library's environment can read: numpy and scipy suffice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

PARTS = ("train", "validation_fold_in", "validation_held_out", "test_fold_in", "test_held_out")


def save(path: Path, matrices: dict[str, sparse.csr_matrix]) -> None:
    """Write the five matrices of a split, (users, items) each, one row per user of its part."""
    arrays: dict[str, Any] = {}
    for part in PARTS:
        matrix = matrices[part]
        arrays |= {f"{part}_indptr": matrix.indptr, f"{part}_items": matrix.indices}
    np.savez(path, n_items=np.int64(matrices["train"].shape[1]), **arrays)


def load(path: Path | str) -> dict[str, sparse.csr_matrix]:
    """Read the five matrices of a split; entries are 1, float32, sorted by item."""
    with np.load(path) as file:
        n_items = int(file["n_items"])
        matrices = {}
        for part in PARTS:
            indptr, items = file[f"{part}_indptr"], file[f"{part}_items"]
            ones = np.ones(len(items), np.float32)
            matrices[part] = sparse.csr_matrix((ones, items, indptr), (len(indptr) - 1, n_items))
            matrices[part].sort_indices()
    return matrices
