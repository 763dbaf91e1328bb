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
from recdash.models.gram import gram_blocks
from recdash.models.low_rank import ITEM_VECTOR_WIDTH, truncated_svd
from recdash.settings import Config, setting

_CELLS_PER_CHUNK = 1 << 18  # float64 similarities at a time: 2 MiB, which stay in the cache


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
        device = self.device if self.device.type == "cuda" else torch.device("cpu")  # Apple's GPU has no float64
        counts = torch.from_numpy(np.bincount(rows.items, minlength=rows.n_items).astype(np.float64)).to(device)
        parts: list[tuple[Tensor, Tensor, Tensor]] = []  # candidates, picks, similarities
        for candidates, common in gram_blocks(rows, device):
            size = _rows_at_once(common)
            for start in range(0, len(candidates), size):
                some = slice(start, start + size)
                parts.append(self._neighbours(candidates[some], common[some], counts))
        columns, picks, values = (
            np.concatenate([part[which].cpu().numpy() for part in parts] or [np.empty(0)]) for which in range(3)
        )
        shape = (rows.n_items, rows.n_items)
        similarities = sparse.coo_array((values, (picks, columns)), shape).tocsr().sorted_indices()
        self.load_tensors(
            {
                "indptr": torch.from_numpy(similarities.indptr.astype(np.int64)),
                "indices": torch.from_numpy(similarities.indices.astype(np.int64)),
                "similarity": torch.from_numpy(similarities.data.astype(np.float32)),
            }
        )
        return self

    def _neighbours(self, candidates: Tensor, common: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the nearest items of some candidates.

        Args:
            candidates: (candidates,) their item indices.
            common: (candidates, items) common users with every item.
            counts: (items,) float64 users of every item.

        Returns:
            Candidate, item and similarity of each pair, (pairs,).
        """
        products = counts[candidates, None] * counts  # (candidates, items)
        cosine = common.double().div_(products.sqrt_().add_(self.config.shrinkage).add_(1e-12))
        cosine[torch.arange(len(candidates), device=candidates.device), candidates] = 0
        stored = _largest(cosine, min(self.config.neighbours, len(counts))) & (cosine > 0)
        rows, items = stored.nonzero(as_tuple=True)  # by row, then by item
        return candidates[rows], items, cosine[rows, items]

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


def _largest(values: Tensor, k: int) -> Tensor:
    """Return where the k largest values of each row are, (rows, columns) bool; of equal ones the first."""
    smallest = values.topk(k, sorted=False).values.amin(1, keepdim=True)  # (rows, 1)
    found = values >= smallest
    crowded = (found.sum(1) > k).nonzero()[:, 0]  # rows with several values equal to the smallest
    some = values[crowded]
    tied = some == smallest[crowded]
    left = k - (some > smallest[crowded]).sum(1, keepdim=True)
    found[crowded] &= ~tied | (tied.cumsum(1) <= left)
    return found


def _rows_at_once(block: Tensor) -> int:
    cells = _CELLS_PER_CHUNK if block.device.type == "cpu" else 256 * _CELLS_PER_CHUNK
    return max(1, cells // max(1, block.shape[1]))
