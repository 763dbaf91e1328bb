"""EASE: a linear autoencoder without self-weights, in closed form (Steck, WWW 2019)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recdash.data.histories import Histories
from recdash.errors import TrainingError
from recdash.models.base import ClosedFormModel
from recdash.models.batch import Batch
from recdash.models.layers import sparse_product
from recdash.models.shape import Shape
from recdash.settings import Config, setting


@dataclass(frozen=True, kw_only=True)
class EASEConfig(Config):
    """Settings of EASE."""

    l2: float = setting(500.0, low=1e-6, high=1e9, help="the ridge penalty; it grows with the number of users")

    @classmethod
    def auto(cls, shape: Shape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        return cls()


class EASE(ClosedFormModel):
    """Each item regressed on all others; scores are x B with diag(B) = 0 (Steck, WWW 2019, equations 1 and 8)."""

    name: ClassVar[str] = "ease"
    title: ClassVar[str] = "EASE"
    source: ClassVar[str] = "Steck, WWW 2019"
    config_class: ClassVar[type[Config]] = EASEConfig

    def __init__(self, config: EASEConfig, shape: Shape | None = None) -> None:
        super().__init__(config, shape or Shape(0, 0, 0))

    @property
    def weights(self) -> Tensor:
        """B, (items, items) float32: B[i, j] is what having i adds to the score of j."""
        return self.tensors()["weights"]

    def solve(self, train: Any) -> Self:
        """Solve for B from binary histories or a matrix (users, items).

        P = (X'X + l2 I)^-1 by Cholesky; B_ij = -P_ij / P_jj off the diagonal. In float64 where memory allows,
        so that rankings do not depend on rounding.  Raises TrainingError when the matrix cannot fit in memory.
        """
        rows = train if isinstance(train, Histories) else Histories.from_csr(train)
        self.shape = Shape(len(rows), rows.n_items, rows.n_entries)
        binary = rows.matrix()
        where = torch.device("cpu") if self.device.type == "mps" else self.device  # Apple's GPU has no float64
        gram = torch.from_numpy((binary.T @ binary).toarray()).to(where, _precision(rows.n_items, where))
        gram.diagonal().add_(self.config.l2)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
        weights = inverse.div_(-inverse.diagonal().clone())
        weights.diagonal().zero_()
        self.load_tensors({"weights": weights.float()})
        return self

    def contributions(self, picks: Sequence[int], items: Sequence[int]) -> NDArray[np.float32]:
        """What each pick adds to the score of each item, exactly: B[pick, item]."""
        return np.asarray(self.weights[list(picks)][:, list(items)].cpu().numpy(), np.float32)

    def score_batch(self, batch: Batch) -> Tensor:
        """Sum of the rows of B that belong to the items of each history."""
        ones = torch.ones(len(batch.items), device=batch.items.device)
        return sparse_product(self.weights, ones, batch)


def _precision(n_items: int, device: torch.device) -> torch.dtype:
    """float64 if three matrices of it fit into half of the free memory, else float32 if those fit at all."""
    free = _free_memory(device)
    if 3 * 8 * n_items**2 <= free / 2:
        return torch.float64
    if 3 * 4 * n_items**2 <= free:
        return torch.float32
    need = 3 * 4 * n_items**2 / 2**30
    raise TrainingError(
        f"EASE needs {need:.0f} GiB for {n_items:,} items, {free / 2**30:.0f} GiB are free. "
        "Drop rare items or use another model."
    )


def _free_memory(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (ValueError, OSError):
        return 4.0 * 2**30
