"""Item-kNN: similar items by cosine similarity (Sarwar et al., WWW 2001; Deshpande and Karypis, 2004)."""

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
from recdash.models.low_rank import ITEM_VECTOR_WIDTH, truncated_svd
from recdash.settings import Config, setting

_CELLS_PER_CHUNK = 1 << 23  # dense similarities in memory at once: 64 MiB


@dataclass(frozen=True, kw_only=True)
class ItemKNNConfig(Config):
    """Settings of item-kNN."""

    neighbours: int = setting(
        100, low=1, high=1_000_000, unit="items", help="number of most similar items stored for each item"
    )
    shrinkage: float = setting(
        10.0,
        low=0,
        high=1e9,
        help="addend to the divisor of the cosine, which lowers the similarity of items with few common users",
    )

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        return cls()


class ItemKNN(ClosedFormModel):
    """Scores are sums of similarities to the picks: s_ij = c_ij / (sqrt(c_i c_j) + shrinkage), c counting users."""

    name: ClassVar[str] = "itemknn"
    exact_contributions: ClassVar[bool] = True
    title: ClassVar[str] = "Item-kNN"
    about: ClassVar[str] = "Items similar to the picks, by co-occurrence among training users."
    source: ClassVar[str] = "Sarwar et al., WWW 2001"
    config_class: ClassVar[type[Config]] = ItemKNNConfig

    def solve(self, train: Any) -> Self:
        """Count common users and store the most similar items of each candidate; ties go to the lower item index."""
        rows = Histories.from_any(train, self.shape.items)
        binary: Any = rows.matrix()
        counts = np.bincount(rows.items, minlength=rows.n_items).astype(np.float64)
        size = max(1, _CELLS_PER_CHUNK // max(1, rows.n_items))
        columns = binary.tocsc()
        blocks = [
            self._neighbours(binary, columns[:, start : start + size], counts, start)
            for start in range(0, rows.n_items, size)
        ]
        similarities = sparse.vstack(blocks, format="csr").T.tocsr().sorted_indices()
        self.load_tensors(
            {
                "indptr": torch.from_numpy(similarities.indptr.astype(np.int64)),
                "indices": torch.from_numpy(similarities.indices.astype(np.int64)),
                "similarity": torch.from_numpy(similarities.data.astype(np.float32)),
            }
        )
        return self

    def _neighbours(self, binary: Any, block: Any, counts: NDArray[np.float64], start: int) -> Any:
        """Return the similarities of candidates to their nearest items, (candidates, items) CSR."""
        common = (block.T @ binary).toarray().astype(np.float64)
        of_candidates = counts[start : start + len(common)]  # (candidates,)
        cosine = common / (np.sqrt(of_candidates[:, None] * counts) + self.config.shrinkage + 1e-12)
        cosine[np.arange(len(common)), start + np.arange(len(common))] = 0.0
        nearest = np.argsort(-cosine, axis=1, kind="stable")[:, : self.config.neighbours]
        rows = np.repeat(np.arange(len(common)), nearest.shape[1])
        values = cosine[rows, nearest.ravel()]  # (candidates * neighbours,)
        return sparse.csr_array(
            (values[values > 0], (rows[values > 0], nearest.ravel()[values > 0])), shape=(len(common), len(counts))
        )

    @property
    def similarities(self) -> Any:
        """Stored similarities, CSR (picks, candidates)."""
        parts = [self.tensors()[name].cpu().numpy() for name in ("similarity", "indices", "indptr")]
        return sparse.csr_array(tuple(parts), shape=(self.shape.items, self.shape.items))

    @property
    def n_parameters(self) -> int:
        """Number of stored similarities, without their indices."""
        return self.tensors()["similarity"].numel()

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the leading right singular vectors of the similarities times their singular values, (items, width).

        Row j approximates column j, the similarities that predict item j, up to a rotation that keeps distances.
        """
        svd = truncated_svd(self.similarities, ITEM_VECTOR_WIDTH)
        return (svd.right * svd.values).astype(np.float32)

    def score_batch(self, batch: Batch) -> Tensor:
        """Return the sums of similarities, (rows, items); the sparse product runs on the CPU."""
        items, offsets = batch.items.cpu().numpy(), batch.offsets.cpu().numpy()
        rows = sparse.csr_array((np.ones(len(items), np.float32), items, offsets), shape=(len(batch), batch.n_items))
        return torch.from_numpy((rows @ self.similarities).toarray()).to(batch.items.device)

    def contributions(self, picks: Sequence[int], items: Sequence[int]) -> NDArray[np.float32]:
        """Return what each pick adds to the score of each item, exactly, (picks, items)."""
        parts = self.similarities[list(picks)][:, list(items)]
        return np.asarray(parts.toarray(), np.float32)
