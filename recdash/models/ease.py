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
from recdash.models.low_rank import ITEM_VECTOR_WIDTH, truncated_svd
from recdash.settings import Config, setting

FLOAT64_MAX_ITEMS = 12_000  # above, three matrices of items x items take more than 3.2 GiB in float64
MATRICES = 3  # of items x items in memory at once: the Gram matrix, its Cholesky factor, its inverse
_CELLS_PER_CHUNK = 1 << 24  # of the Gram matrix, computed from sparse blocks


@dataclass(frozen=True, kw_only=True)
class EASEConfig(Config):
    """Settings of EASE."""

    l2: float = setting(500.0, low=1e-6, high=1e9, help="ridge penalty; more users need a larger one")
    precision: str = setting(
        "auto",
        choices=("auto", "float32", "float64"),
        help="data type of the solution; auto uses float64 up to 12,000 items, float32 above",
    )

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        return cls()


class EASE(ClosedFormModel):
    """Each item regressed on all others; scores are x B with diag(B) = 0 (Steck, WWW 2019, equations 1 and 8)."""

    name: ClassVar[str] = "ease"
    exact_contributions: ClassVar[bool] = True
    title: ClassVar[str] = "EASE"
    about: ClassVar[str] = "Linear autoencoder solved in closed form."
    source: ClassVar[str] = "Steck, WWW 2019"
    config_class: ClassVar[type[Config]] = EASEConfig

    def __init__(self, config: EASEConfig, shape: DataShape | None = None) -> None:
        super().__init__(config, shape or DataShape(0, 0, 0))

    @property
    def weights(self) -> Tensor:
        """B, (items, items) float32: B[i, j] is what item i in a history adds to the score of j."""
        return self.tensors()["weights"]

    @property
    def precision(self) -> str:
        """Data type of the solution; it depends on the setting and the number of items alone."""
        if self.config.precision != "auto":
            return str(self.config.precision)
        return "float64" if self.shape.items <= FLOAT64_MAX_ITEMS else "float32"

    def solve(self, train: Any) -> Self:
        """Solve for B: P = (X'X + l2 I)^-1 by Cholesky; B_ij = -P_ij / P_jj off the diagonal.

        Args:
            train: Histories or a scipy matrix, (users, items); all entries count as 1.

        Returns:
            The model itself.

        Raises:
            TrainingError: The matrices do not fit into memory, or the penalty is too small for the precision.
        """
        rows = train if isinstance(train, Histories) else Histories.from_csr(train)
        self.shape = DataShape(len(rows), rows.n_items, rows.n_entries)
        dtype = torch.float64 if self.precision == "float64" else torch.float32
        no_float64 = self.device.type == "mps" and dtype == torch.float64  # on Apple's GPU
        device = torch.device("cpu") if no_float64 else self.device
        self._check_memory(device, dtype)
        gram = _gram(rows, dtype).to(device)  # (users, items) -> (items, items)
        gram.diagonal().add_(self.config.l2)
        factor, failed = torch.linalg.cholesky_ex(gram)
        if bool(failed):  # rounding made an eigenvalue negative
            advice = "Set precision=float64, or raise" if dtype == torch.float32 else "Raise"
            raise TrainingError(
                f"EASE: l2 = {self.config.l2:g} is too small to solve for the weights in {self.precision}. {advice} l2."
            )
        inverse = torch.cholesky_inverse(factor)
        del factor  # (items, items), before the weights are copied
        weights = inverse.div_(-inverse.diagonal().clone())
        weights.diagonal().zero_()
        self.load_tensors({"weights": weights.float()})
        return self

    def _check_memory(self, device: torch.device, dtype: torch.dtype) -> None:
        """Raise TrainingError if the matrices do not fit on the device; free memory has no other effect."""
        items = self.shape.items
        need, free = MATRICES * dtype.itemsize * items**2, devices.available_bytes(device)
        if free is None or need <= free:
            return
        fits_in_float32 = dtype == torch.float64 and need <= 2 * free
        advice = "Set precision=float32, drop rare items" if fits_in_float32 else "Drop rare items"
        raise TrainingError(
            f"EASE needs {need / 2**30:,.1f} GiB for {items:,} items, {free / 2**30:,.1f} GiB are free on {device}. "
            f"{advice} or use another model."
        )

    def contributions(self, picks: Sequence[int], items: Sequence[int]) -> NDArray[np.float32]:
        """Return what each pick adds to the score of each item, exactly: B[pick, item], (picks, items)."""
        rows, columns = (torch.tensor(list(chosen), dtype=torch.long) for chosen in (picks, items))
        found = self.weights[rows[:, None], columns]  # only these cells: (picks, all items) may take gigabytes
        return np.asarray(found.cpu().numpy(), np.float32)

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the leading right singular vectors of B times their singular values, (items, width).

        Row j approximates column j of B, which predicts item j, up to a rotation that keeps distances.
        """
        weights = self.weights.cpu().numpy()  # (items, items)
        svd = truncated_svd(weights, ITEM_VECTOR_WIDTH)
        return (svd.right * svd.values).astype(np.float32)

    def score_batch(self, batch: Batch) -> Tensor:
        """Return the sum of the rows of B for the items of each history, (rows, items)."""
        ones = torch.ones(len(batch.items), device=batch.items.device)
        return sparse_product(self.weights, ones, batch)


def _gram(rows: Histories, dtype: torch.dtype) -> Tensor:
    """Return X'X, (items, items), on the CPU: the number of users who have both items."""
    binary = rows.matrix()
    by_item = binary.T.tocsr()
    out = torch.empty(rows.n_items, rows.n_items, dtype=dtype)
    step = max(1, _CELLS_PER_CHUNK // max(1, rows.n_items))
    for start in range(0, rows.n_items, step):
        out[start : start + step] = torch.from_numpy((by_item[start : start + step] @ binary).toarray())
    return out
