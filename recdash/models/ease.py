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
from recdash.models.ridge_weights import RidgeWeights, bytes_needed, ridge_weights
from recdash.settings import Config, setting

FLOAT64_MAX_ITEMS = 12_000  # above, float64 needs more than 1.6 GiB, and twice the time of float32
_TOLERANCE = 1e-6  # of the weights, relative: a solution in float32 this near to float64 is as good
_MAX_ERROR = 1e-2  # of a solution in float32 that was asked for; a larger error is no solution
_MIN_ITEMS_FLOAT32 = 1000  # below, float64 takes milliseconds, and its error needs no measuring


@dataclass(frozen=True, kw_only=True)
class EASEConfig(Config):
    """Settings of EASE."""

    search_space: ClassVar[dict[str, str]] = {
        "l2": "log:20..5000",
        "dropout": "0..0.6",
        "relax": "0..0.8",
    }
    l2: float = setting(500.0, low=1e-6, high=1e9, help="ridge penalty; more users need a larger one")
    dropout: float = setting(
        0.0,
        low=0,
        high=0.99,
        help="chance that an input is dropped, in expectation (EDLAE); adds a penalty that grows with an item's users",
    )
    relax: float = setting(
        0.0,
        low=0,
        high=1,
        help="largest weight of an item on itself in the solution, before it is set to 0 (RLAE, with dropout RDLAE)",
    )
    precision: str = setting(
        "auto",
        choices=("auto", "float32", "float64"),
        help="data type of the solution; auto uses float64, or float32 where that is as accurate, up to 12,000 items, "
        "float32 above",
    )

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        return cls()


class EASE(ClosedFormModel):
    """Each item regressed on all others; scores are x B with diag(B) = 0 (Steck, WWW 2019, equations 1 and 8).

    With `dropout` it is EDLAE (Steck, NeurIPS 2020), with `relax` RLAE, with both RDLAE (Moon et al., SIGIR 2023).
    """

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
        """Data type whose accuracy the solution has; it depends on the setting and the number of items alone."""
        if self.config.precision != "auto":
            return str(self.config.precision)
        return "float64" if self.shape.items <= FLOAT64_MAX_ITEMS else "float32"

    def solve(self, train: Any) -> Self:
        """Solve for B: P = (X'X + diag g)^-1 by Cholesky; B_ij = -P_ij / P_jj off the diagonal, shrunk by `relax`.

        Args:
            train: Histories or a scipy matrix, (users, items); all entries count as 1.

        Returns:
            The model itself.

        Raises:
            TrainingError: The matrices do not fit into memory, or the penalty is too small for the precision.
        """
        rows = train if isinstance(train, Histories) else Histories.from_csr(train)
        self.shape = DataShape(len(rows), rows.n_items, rows.n_entries)
        device = self.device if self.device.type == "cuda" else torch.device("cpu")  # Apple's GPU has no float64
        self._check_memory(device)
        found = self._solve_in_float32(rows, device)
        if found is None and self.precision == "float64":
            found = self._ridge_weights(rows, torch.float64, device)
        if found is None:  # rounding made an eigenvalue negative
            advice = "Set precision=float64, or raise" if self.precision == "float32" else "Raise"
            raise TrainingError(
                f"EASE: l2 = {self.config.l2:g} is too small to solve for the weights in {self.precision}. {advice} l2."
            )
        self.load_tensors({"weights": found.weights})
        return self

    def _solve_in_float32(self, rows: Histories, device: torch.device) -> RidgeWeights | None:
        """Return the solution in float32 if its measured error is small enough for the setting `precision`."""
        if self.config.precision == "float64" or (
            self.precision == "float64" and self.shape.items < _MIN_ITEMS_FLOAT32
        ):
            return None
        found = self._ridge_weights(rows, torch.float32, device)
        limit = _TOLERANCE if self.precision == "float64" else _MAX_ERROR
        return found if found is not None and found.relative_error <= limit else None

    def _ridge_weights(self, rows: Histories, dtype: torch.dtype, device: torch.device) -> RidgeWeights | None:
        chosen = self.config
        return ridge_weights(rows, chosen.l2, dtype, device, dropout=chosen.dropout, relax=chosen.relax)

    def _check_memory(self, device: torch.device) -> None:
        """Raise TrainingError if the matrices do not fit on the device; free memory has no other effect."""
        items, free = self.shape.items, devices.available_bytes(device)
        need, less = (bytes_needed(items, dtype, device) for dtype in (getattr(torch, self.precision), torch.float32))
        if free is None or need <= free:
            return
        advice = "Set precision=float32, drop rare items" if less <= free else "Drop rare items"
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
