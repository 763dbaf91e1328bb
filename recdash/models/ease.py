"""EASE: a linear autoencoder without self-weights, in closed form (Steck, WWW 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recdash import devices
from recdash.data.histories import Histories
from recdash.errors import TrainingError
from recdash.models.base import ClosedFormModel
from recdash.models.batch import Batch
from recdash.models.data_shape import DataShape
from recdash.models.layers import sparse_product
from recdash.settings import Config, setting

FLOAT64_UP_TO = 12_000  # items; above, three such matrices take more than 3.2 GiB in float64
_MATRICES = 3  # of items x items that are held at once: the Gram matrix, its Cholesky factor, its inverse
_CELLS_AT_ONCE = 1 << 24  # of the Gram matrix, made from sparse blocks


@dataclass(frozen=True, kw_only=True)
class EASEConfig(Config):
    """Settings of EASE."""

    l2: float = setting(500.0, low=1e-6, high=1e9, help="the ridge penalty; it grows with the number of users")
    precision: str = setting(
        "auto",
        choices=("auto", "float32", "float64"),
        help="the number format of the solution; auto takes float64 up to 12,000 items",
    )

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        return cls()


class EASE(ClosedFormModel):
    """Each item regressed on all others; scores are x B with diag(B) = 0 (Steck, WWW 2019, equations 1 and 8)."""

    name: ClassVar[str] = "ease"
    title: ClassVar[str] = "EASE"
    source: ClassVar[str] = "Steck, WWW 2019"
    config_class: ClassVar[type[Config]] = EASEConfig

    def __init__(self, config: EASEConfig, shape: DataShape | None = None) -> None:
        super().__init__(config, shape or DataShape(0, 0, 0))

    @property
    def weights(self) -> Tensor:
        """B, (items, items) float32: B[i, j] is what having i adds to the score of j."""
        return self.tensors()["weights"]

    @property
    def precision(self) -> str:
        """The number format of the solution; it follows from the setting and the number of items alone."""
        if self.config.precision != "auto":
            return str(self.config.precision)
        return "float64" if self.shape.items <= FLOAT64_UP_TO else "float32"

    def solve(self, train: Any) -> Self:
        """Solve for B from binary histories or a matrix (users, items).

        P = (X'X + l2 I)^-1 by Cholesky; B_ij = -P_ij / P_jj off the diagonal.  Raises TrainingError, before anything
        is built, when the matrices do not fit into the memory that is there.
        """
        rows = train if isinstance(train, Histories) else Histories.from_csr(train)
        self.shape = DataShape(len(rows), rows.n_items, rows.n_entries)
        dtype = torch.float64 if self.precision == "float64" else torch.float32
        no_float64 = self.device.type == "mps" and dtype == torch.float64  # on Apple's GPU
        where = torch.device("cpu") if no_float64 else self.device
        self._check_memory(where, dtype)
        gram = _gram(rows, dtype).to(where)
        gram.diagonal().add_(self.config.l2)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
        weights = inverse.div_(-inverse.diagonal().clone())
        weights.diagonal().zero_()
        self.load_tensors({"weights": weights.float()})
        return self

    def _check_memory(self, device: torch.device, dtype: torch.dtype) -> None:
        """Raise TrainingError when the matrices do not fit on the device; how much is free decides nothing else."""
        items = self.shape.items
        need, free = _MATRICES * dtype.itemsize * items**2, devices.available_bytes(device)
        if free is None or need <= free:
            return
        half = dtype == torch.float64 and need <= 2 * free
        instead = "Set precision=float32, drop rare items" if half else "Drop rare items"
        raise TrainingError(
            f"EASE needs {need / 2**30:,.1f} GiB for {items:,} items, {free / 2**30:,.1f} GiB are free on {device}. "
            f"{instead} or use another model."
        )

    def contributions(self, picks: Sequence[int], items: Sequence[int]) -> NDArray[np.float32]:
        """What each pick adds to the score of each item, exactly: B[pick, item]."""
        return np.asarray(self.weights[list(picks)][:, list(items)].cpu().numpy(), np.float32)

    def score_batch(self, batch: Batch) -> Tensor:
        """Sum of the rows of B that belong to the items of each history."""
        ones = torch.ones(len(batch.items), device=batch.items.device)
        return sparse_product(self.weights, ones, batch)


def _gram(rows: Histories, dtype: torch.dtype) -> Tensor:
    """X'X, (items, items), on the CPU: how many users have both items."""
    binary = rows.matrix()
    by_item = binary.T.tocsr()
    out = torch.empty(rows.n_items, rows.n_items, dtype=dtype)
    step = max(1, _CELLS_AT_ONCE // max(1, rows.n_items))
    for start in range(0, rows.n_items, step):
        out[start : start + step] = torch.from_numpy((by_item[start : start + step] @ binary).toarray())
    return out
