"""Item-kNN: what goes with the picks, by cosine similarity (Sarwar et al., WWW 2001; Deshpande and Karypis, 2004)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from recdash.data.histories import Histories
from recdash.models.base import ClosedFormModel
from recdash.models.batch import Batch
from recdash.models.data_shape import DataShape
from recdash.settings import Config, setting

_CELLS_AT_ONCE = 1 << 23  # similarities held dense while neighbours are chosen: 64 MiB


@dataclass(frozen=True, kw_only=True)
class ItemKNNConfig(Config):
    """Settings of item-kNN."""

    neighbours: int = setting(
        100, low=1, high=1_000_000, unit="items", help="how many of the most similar items are kept for each item"
    )
    shrinkage: float = setting(
        10.0, low=0, high=1e9, help="added to the divisor of the cosine, so that few common users count for less"
    )

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        return cls()


class ItemKNN(ClosedFormModel):
    """Scores are sums of similarities to the picks: s_ij = c_ij / (sqrt(c_i c_j) + shrinkage), c counting users."""

    name: ClassVar[str] = "itemknn"
    title: ClassVar[str] = "Item-kNN"
    source: ClassVar[str] = "Sarwar et al., WWW 2001"
    config_class: ClassVar[type[Config]] = ItemKNNConfig

    def solve(self, train: Any) -> Self:
        """Count common users and keep, for each candidate, its most similar items; ties to the lower item index."""
        rows = Histories.from_any(train, self.shape.items)
        binary: Any = rows.matrix()
        counts = np.bincount(rows.items, minlength=rows.n_items).astype(np.float64)
        size = max(1, _CELLS_AT_ONCE // max(1, rows.n_items))
        columns = binary.tocsc()
        blocks = [
            self._neighbours(binary, columns[:, start : start + size], counts, start)
            for start in range(0, rows.n_items, size)
        ]
        kept = sparse.vstack(blocks, format="csr").T.tocsr().sorted_indices()
        self.load_tensors(
            {
                "indptr": torch.from_numpy(kept.indptr.astype(np.int64)),
                "indices": torch.from_numpy(kept.indices.astype(np.int64)),
                "similarity": torch.from_numpy(kept.data.astype(np.float32)),
            }
        )
        return self

    def _neighbours(self, binary: Any, block: Any, counts: NDArray[np.float64], start: int) -> Any:
        """Rows of candidates: similarities to their nearest items, (candidates, items) CSR."""
        common = (block.T @ binary).toarray().astype(np.float64)
        mine = counts[start : start + len(common)]
        cosine = common / (np.sqrt(mine[:, None] * counts) + self.config.shrinkage + 1e-12)
        cosine[np.arange(len(common)), start + np.arange(len(common))] = 0.0
        nearest = np.argsort(-cosine, axis=1, kind="stable")[:, : self.config.neighbours]
        rows = np.repeat(np.arange(len(common)), nearest.shape[1])
        found = cosine[rows, nearest.ravel()]
        return sparse.csr_array(
            (found[found > 0], (rows[found > 0], nearest.ravel()[found > 0])), shape=(len(common), len(counts))
        )

    @property
    def similarities(self) -> Any:
        """Kept similarities, CSR (picks, candidates)."""
        parts = [self.tensors()[name].cpu().numpy() for name in ("similarity", "indices", "indptr")]
        return sparse.csr_array(tuple(parts), shape=(self.shape.items, self.shape.items))

    @property
    def n_learned(self) -> int:
        """How many similarities are kept; where they stand does not count."""
        return self.tensors()["similarity"].numel()

    def score_batch(self, batch: Batch) -> Tensor:
        """Sums of similarities; the sparse product is done on the host."""
        items, offsets = batch.items.cpu().numpy(), batch.offsets.cpu().numpy()
        rows = sparse.csr_array((np.ones(len(items), np.float32), items, offsets), shape=(len(batch), batch.n_items))
        return torch.from_numpy((rows @ self.similarities).toarray()).to(batch.items.device)

    def contributions(self, picks: Sequence[int], items: Sequence[int]) -> NDArray[np.float32]:
        """What each pick adds to the score of each item, exactly."""
        parts = self.similarities[list(picks)][:, list(items)]
        return np.asarray(parts.toarray(), np.float32)
