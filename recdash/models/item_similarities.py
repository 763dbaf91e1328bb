"""`ItemSimilarityModel`: scores are sums of stored similarities between the picks and their nearest items."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from recdash.data.histories import Histories
from recdash.models.base import ClosedFormModel
from recdash.models.batch import Batch
from recdash.models.gram import gram_blocks
from recdash.models.low_rank import ITEM_VECTOR_WIDTH, truncated_svd

_CELLS_PER_CHUNK = 1 << 18  # float64 similarities at a time: 2 MiB, which stay in the cache


class ItemSimilarityModel(ClosedFormModel):
    """Each candidate stores its most similar items; no items x items matrix is ever dense.

    Subclasses implement `similarity_rows` and have a setting `neighbours`.
    """

    exact_contributions: ClassVar[bool] = True

    @abstractmethod
    def similarity_rows(self, candidates: Tensor, common: Tensor, counts: Tensor) -> Tensor:
        """Return the similarities of some candidates to every item; those of 0 or less are not stored.

        Args:
            candidates: (candidates,) their item indices.
            common: (candidates, items) float64 weight of the users in common with every item; may be overwritten.
            counts: (items,) float64 users of every item.

        Returns:
            (candidates, items) float64.
        """

    def user_weights(self, rows: Histories) -> NDArray[np.float64] | None:
        """Return the weight of each user in the sums over common users, (users,); None counts each one once."""
        return None

    def finish(self, similarities: Any) -> Any:
        """Return the similarities to store, CSR (picks, candidates) float64; by default unchanged."""
        return similarities

    def solve(self, train: Any) -> Self:
        """Sum over common users and store the most similar items of each candidate; ties go to the lower item index."""
        rows = Histories.from_any(train, self.shape.items)
        device = self.device if self.device.type == "cuda" else torch.device("cpu")  # Apple's GPU has no float64
        counts = torch.from_numpy(np.bincount(rows.items, minlength=rows.n_items).astype(np.float64)).to(device)
        parts: list[tuple[Tensor, Tensor, Tensor]] = []  # candidates, picks, similarities
        for candidates, common in gram_blocks(rows, device, self.user_weights(rows)):
            size = _rows_at_once(common)
            for start in range(0, len(candidates), size):
                some = slice(start, start + size)
                parts.append(self._neighbours(candidates[some], common[some], counts))
        columns, picks, values = (
            np.concatenate([part[which].cpu().numpy() for part in parts] or [np.empty(0)]) for which in range(3)
        )
        shape = (rows.n_items, rows.n_items)
        similarities = self.finish(sparse.coo_array((values, (picks, columns)), shape).tocsr().sorted_indices())
        self.load_tensors(
            {
                "indptr": torch.from_numpy(similarities.indptr.astype(np.int64)),
                "indices": torch.from_numpy(similarities.indices.astype(np.int64)),
                "similarity": torch.from_numpy(similarities.data.astype(np.float32)),
            }
        )
        return self

    def _neighbours(self, candidates: Tensor, common: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return candidate, item and similarity of each stored pair of some candidates, (pairs,) each."""
        similarity = self.similarity_rows(candidates, common.double(), counts)  # (candidates, items)
        similarity[torch.arange(len(candidates), device=candidates.device), candidates] = 0
        stored = _largest(similarity, min(self.config.neighbours, len(counts))) & (similarity > 0)
        rows, items = stored.nonzero(as_tuple=True)  # by row, then by item
        return candidates[rows], items, similarity[rows, items]

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
