"""Sparse EASE: regressions of items on their neighbours, for large catalogues (Steck, NeurIPS 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from recdash import devices
from recdash.data.array_checks import INT32_MAX
from recdash.data.histories import Histories
from recdash.errors import TrainingError
from recdash.models.base import ClosedFormModel
from recdash.models.batch import Batch
from recdash.models.data_shape import DataShape
from recdash.models.low_rank import ITEM_VECTOR_WIDTH, truncated_svd
from recdash.models.neighbourhood_regressions import SingularError, neighbour_weights
from recdash.models.sparse_covariance import Pattern, ScaledCovariance
from recdash.settings import Config, setting

_AUTO_DENSITY = 2.0  # percent; the largest of the paper
_AUTO_NEIGHBOURS = 100  # at least, on average, on small catalogues: on MovieLens-100K 2 percent are 28
_BYTES_PER_ENTRY = 20  # neighbours gathered, joined and solved, or weights by column and by row
_BYTES_PER_INTERACTION = 40  # the matrix and its transpose, each also while it is made
_STORED_SHARE = 8  # one part in so many of the memory stores pairs of popular items
_BYTES_PER_THREAD = 200 << 20  # of a block of pairs that is counted


@dataclass(frozen=True, kw_only=True)
class SparseEASEConfig(Config):
    """Settings of sparse EASE."""

    search_space: ClassVar[dict[str, str]] = {
        "l2": "log:1..50",
        "alpha": "0.3..1",
    }
    l2: float = setting(6.0, low=1e-6, high=1e9, help="ridge penalty of the scaled items")
    density: float | None = setting(
        None,
        low=1e-6,
        high=100,
        unit="percent",
        help="share of all pairs of items that have a weight; by default 2 percent, or 100 weights per item if that is "
        "more, and less to stay within the memory",
    )
    memory: float = setting(
        0.5, low=0.01, high=10_000, unit="GiB", help="memory of neighbours and weights where the density is not given"
    )
    max_neighbours: int = setting(
        1000, low=1, high=1_000_000, unit="items", help="maximum number of items with a weight on an item"
    )
    alpha: float = setting(
        0.75,
        low=0,
        high=1,
        help="exponent of the variances that scale the items; with 1 pairs are chosen by correlation, less prefers "
        "popular items",
    )
    shared: float = setting(
        0.0,
        low=0,
        high=1,
        help="share of the nearest neighbours solved together with an item, the paper's r; faster, less accurate",
    )

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        return cls()


class SparseEASE(ClosedFormModel):
    """Each item regressed on the items it co-varies with most; scores are x B with a sparse B (Steck, NeurIPS 2019)."""

    name: ClassVar[str] = "sparse_ease"
    exact_contributions: ClassVar[bool] = True
    title: ClassVar[str] = "Sparse EASE"
    about: ClassVar[str] = "Linear autoencoder with few weights per item, for large catalogues."
    source: ClassVar[str] = "Steck, NeurIPS 2019"
    config_class: ClassVar[type[Config]] = SparseEASEConfig

    def solve(self, train: Any) -> Self:
        """Solve for B: of the item's neighbourhood P = (C + l2 I)^-1, B_ij = -P_ij / P_jj, scaled back.

        Args:
            train: Histories or a scipy matrix, (users, items); all entries count as 1.

        Returns:
            The model itself.

        Raises:
            TrainingError: The memory does not suffice, or the penalty is too small.
        """
        rows = train if isinstance(train, Histories) else Histories.from_csr(train)
        self.shape = DataShape(len(rows), rows.n_items, rows.n_entries)
        self._check_memory()
        covariance = ScaledCovariance(rows, self.config.alpha, n_stored_items(self.config))
        pattern = covariance.pattern(n_entries(self.config, self.shape.items), self.config.max_neighbours)
        try:
            weights = neighbour_weights(covariance, pattern, self.config.l2, self.config.shared)
        except SingularError as error:
            raise TrainingError(
                f"Sparse EASE: l2 = {self.config.l2:g} is too small to solve for the weights in float32. Raise l2."
            ) from error
        self._store(covariance, pattern, weights)
        return self

    def _store(self, covariance: ScaledCovariance, pattern: Pattern, weights: NDArray[np.float32]) -> None:
        """Store B by row: entry (i, j) scaled by s_i / s_j, items with their own indices."""
        scale, order, items = covariance.scale, covariance.order.astype(np.int32), covariance.n_items
        columns = np.repeat(np.arange(items, dtype=np.int32), np.diff(pattern.indptr))
        weights *= (scale[pattern.indices] / scale[columns]).astype(np.float32)
        del columns
        parts = (weights, order[pattern.indices], pattern.indptr.astype(np.int32))
        by_row = sparse.csc_array(parts, shape=(items, items)).tocsr()
        parts = (by_row.data, order[by_row.indices], by_row.indptr)
        by_row = sparse.csr_array(parts, shape=(items, items))
        by_row.sort_indices()
        self.load_tensors(
            {
                "indptr": torch.from_numpy(by_row.indptr.astype(np.int64)),
                "indices": torch.from_numpy(by_row.indices.astype(np.int32)),
                "weights": torch.from_numpy(by_row.data.astype(np.float32)),
            }
        )

    def _check_memory(self) -> None:
        """Raise TrainingError if the memory does not suffice; free memory has no other effect."""
        need, free = bytes_needed(self.config, self.shape), devices.available_bytes(torch.device("cpu"))
        if free is None or need <= free:
            return
        raise TrainingError(
            f"Sparse EASE needs {need / 2**30:,.1f} GiB for {self.shape.items:,} items, {free / 2**30:,.1f} GiB are "
            f"free. Set a smaller {'memory' if self.config.density is None else 'density'}, for example "
            f"{'memory=0.1' if self.config.density is None else f'density={self.config.density / 4:g}'}."
        )

    @property
    def weights(self) -> Any:
        """B, CSR (items, items): B[i, j] is what item i in a history adds to the score of j."""
        parts = [self.tensors()[name].cpu().numpy() for name in ("weights", "indices", "indptr")]
        return sparse.csr_array(tuple(parts), shape=(self.shape.items, self.shape.items))

    @property
    def n_parameters(self) -> int:
        """Number of weights, without their indices."""
        return self.tensors()["weights"].numel()

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the leading right singular vectors of B times their singular values, (items, width).

        Row j approximates column j of B, which predicts item j, up to a rotation that keeps distances.
        """
        svd = truncated_svd(self.weights, ITEM_VECTOR_WIDTH)
        return (svd.right * svd.values).astype(np.float32)

    def score_batch(self, batch: Batch) -> Tensor:
        """Return the sums of the rows of B for each history, (rows, items); the sparse product runs on the CPU."""
        items, offsets = batch.items.cpu().numpy(), batch.offsets.cpu().numpy()
        rows = sparse.csr_array((np.ones(len(items), np.float32), items, offsets), shape=(len(batch), batch.n_items))
        return torch.from_numpy((rows @ self.weights).toarray()).to(batch.items.device)

    def contributions(self, picks: Sequence[int], items: Sequence[int]) -> NDArray[np.float32]:
        """Return what each pick adds to the score of each item, exactly: B[pick, item], (picks, items)."""
        parts = self.weights[list(picks)][:, list(items)]
        return np.asarray(parts.toarray(), np.float32)


def n_stored_items(config: Any) -> int:
    """Return of how many popular items all pairs are stored while solving; 4 bytes a pair."""
    return isqrt(int(config.memory * 2**30 / (4 * _STORED_SHARE)))


def n_entries(config: Any, items: int) -> int:
    """Return the maximum number of weights, from `density`, or from the number of items and `memory`."""
    pairs = items * (items - 1)
    if config.density is not None:
        wanted = int(pairs * config.density / 100)
    else:
        left = config.memory * 2**30 * (1 - 1 / _STORED_SHARE)
        wanted = max(int(pairs * _AUTO_DENSITY / 100), items * _AUTO_NEIGHBOURS)
        wanted = min(wanted, int(left / _BYTES_PER_ENTRY))
    return min(wanted, pairs, items * int(config.max_neighbours), INT32_MAX)


def bytes_needed(config: Any, shape: DataShape) -> int:
    """Return the peak memory of `solve`; the number of threads counts too."""
    stored = min(shape.items, n_stored_items(config))
    return (
        4 * stored**2
        + _BYTES_PER_ENTRY * n_entries(config, shape.items)
        + _BYTES_PER_INTERACTION * shape.interactions
        + min(_BYTES_PER_THREAD * torch.get_num_threads(), 64 * shape.items**2)
    )
