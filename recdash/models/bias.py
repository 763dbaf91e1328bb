"""Bias: global mean plus damped user and item offsets; the yardstick of rating prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from recdash.data.histories import Histories
from recdash.models.base import ClosedFormModel
from recdash.models.batch import Batch
from recdash.models.data_shape import DataShape
from recdash.models.rating_model import Observed, RatingModel
from recdash.settings import Config, setting

VARIANTS = ("global", "item", "user", "both")


@dataclass(frozen=True, kw_only=True)
class BiasConfig(Config):
    """Settings of the bias model."""

    variant: str = setting("both", choices=VARIANTS, help="which offsets are added to the global mean")
    item_damping: float = setting(
        3.0, low=0, high=1e6, unit="ratings", help="how many average ratings an item starts with"
    )
    user_damping: float = setting(
        5.0, low=0, high=1e6, unit="ratings", help="how many average ratings a user starts with"
    )
    sweeps: int = setting(15, low=1, high=1000, help="how often the two kinds of offsets are computed in turn")
    unseen: str = setting(
        "mean", choices=("mean", "paper"), help="the prediction for an unseen user or item, mean or 3"
    )

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        return cls()


class Bias(RatingModel, ClosedFormModel):
    """r = mean + b_user + b_item, offsets found in turn with damping (spec: protocols, C7)."""

    name: ClassVar[str] = "bias"
    title: ClassVar[str] = "Bias"
    source: ClassVar[str] = "yardstick"
    config_class: ClassVar[type[Config]] = BiasConfig
    reads_picks: ClassVar[bool] = False  # they move the stars of all items alike

    def solve(self, train: Any) -> Self:
        """Alternate b_i = sum(r - mean - b_u) / (n_i + damping) and the same for users."""
        rows: Histories = train
        self.observe(rows)
        users, items = rows.row_of, rows.items
        residual = self.observed.values.astype(np.float64) - self.observed.mean
        of_user, of_item = np.zeros(len(rows)), np.zeros(rows.n_items)
        config = self.config
        alone = config.variant != "both"
        for _ in range(1 if alone else config.sweeps):
            if config.variant in ("item", "both"):
                left = np.bincount(items, residual - of_user[users], rows.n_items)
                of_item = left / _at_least_one(self.observed.item_counts, 0.0 if alone else config.item_damping)
            if config.variant in ("user", "both"):
                left = np.bincount(users, residual - of_item[items], len(rows))
                of_user = left / _at_least_one(self.observed.user_counts, 0.0 if alone else config.user_damping)
        offsets = {"user": of_user, "item": of_item}
        self._tensors = {name: torch.from_numpy(values.astype(np.float32)) for name, values in offsets.items()}
        return self.to(self.device)

    def predict_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """Mean plus offsets."""
        return self.observed.mean + self._tensors["user"][users] + self._tensors["item"][items]

    def score_batch(self, batch: Batch) -> Tensor:
        """Mean plus item offsets plus the offset that the row's own stars give its user, (rows, items)."""
        of_item = self._tensors["item"]
        left = self.ratings_of(batch) - self.observed.mean - of_item[batch.items]
        total = torch.zeros(len(batch), dtype=left.dtype, device=left.device).index_add_(0, batch.row_of, left)
        own = total / (batch.counts + self.config.user_damping).clamp(min=1)
        if self.config.variant not in ("user", "both"):
            own = torch.zeros_like(own)
        return self.only_ranked((self.observed.mean + own[:, None] + of_item[None, :]).float())

    def tensors(self) -> dict[str, Tensor]:
        """Offsets and the observed ratings."""
        return self._tensors | self.observed.tensors()

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` gave."""
        self.observed = Observed.from_tensors(tensors)
        super().load_tensors({name: tensors[name] for name in ("user", "item")})


def _at_least_one(counts: Any, damping: float) -> Any:
    return np.maximum(counts + damping, 1)
