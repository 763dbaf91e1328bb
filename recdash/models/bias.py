"""Bias: global mean plus damped user and item offsets; the baseline of rating prediction."""

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
from recdash.models.rating_model import RatingModel, TrainingRatings
from recdash.settings import Config, setting

VARIANTS = ("global", "item", "user", "both")


@dataclass(frozen=True, kw_only=True)
class BiasConfig(Config):
    """Settings of the bias model."""

    search_space: ClassVar[dict[str, str]] = {
        "item_damping": "log:0.1..50",
        "user_damping": "log:0.1..50",
    }
    variant: str = setting("both", choices=VARIANTS, help="offsets added to the global mean")
    item_damping: float = setting(
        3.0,
        low=0,
        high=1e6,
        unit="ratings",
        help="damping of item offsets: number of pseudo-ratings equal to the mean that each item is given",
    )
    user_damping: float = setting(
        5.0,
        low=0,
        high=1e6,
        unit="ratings",
        help="damping of user offsets: number of pseudo-ratings equal to the mean that each user is given",
    )
    sweeps: int = setting(15, low=1, high=1000, help="number of alternations between item and user offsets")
    unseen: str = setting(
        "mean",
        choices=("mean", "paper"),
        help="prediction for unseen users and items: mean is the training mean, paper is 3",
    )

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        return cls()


class Bias(RatingModel, ClosedFormModel):
    """r = mean + b_user + b_item, with damped offsets by alternation."""

    name: ClassVar[str] = "bias"
    title: ClassVar[str] = "Bias"
    about: ClassVar[str] = "Mean rating plus user and item offsets."
    source: ClassVar[str] = "baseline"
    config_class: ClassVar[type[Config]] = BiasConfig
    uses_history: ClassVar[bool] = False  # they change the predictions of all items alike

    def solve(self, train: Any) -> Self:
        """Alternate b_i = sum(r - mean - b_u) / (n_i + damping) and the same for users."""
        rows: Histories = train
        self.set_training_ratings(rows)
        users, items = rows.row_of, rows.items
        centred = self.training_ratings.values.astype(np.float64) - self.training_ratings.mean
        of_user, of_item = np.zeros(len(rows)), np.zeros(rows.n_items)  # (users,) and (items,)
        config = self.config
        single = config.variant != "both"
        for _ in range(1 if single else config.sweeps):
            if config.variant in ("item", "both"):
                residuals = np.bincount(items, centred - of_user[users], rows.n_items)
                of_item = residuals / _at_least_one(
                    self.training_ratings.item_counts, 0.0 if single else config.item_damping
                )
            if config.variant in ("user", "both"):
                residuals = np.bincount(users, centred - of_item[items], len(rows))
                of_user = residuals / _at_least_one(
                    self.training_ratings.user_counts, 0.0 if single else config.user_damping
                )
        offsets = {"user": of_user, "item": of_item}
        self._tensors = {name: torch.from_numpy(values.astype(np.float32)) for name, values in offsets.items()}
        return self.to(self.device)

    def predict_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """Return mean plus offsets, (pairs,)."""
        return self.training_ratings.mean + self._tensors["user"][users] + self._tensors["item"][items]

    def score_batch(self, batch: Batch) -> Tensor:
        """Return mean plus item offsets plus the user offset from the row's own ratings, (rows, items)."""
        of_item = self._tensors["item"]
        residuals = self.ratings_of(batch) - self.training_ratings.mean - of_item[batch.items]  # (entries,)
        # (entries,) -> (rows,)
        total = torch.zeros(len(batch), dtype=residuals.dtype, device=residuals.device).index_add_(
            0, batch.row_of, residuals
        )
        own = total / (batch.counts + self.config.user_damping).clamp(min=1)
        if self.config.variant not in ("user", "both"):
            own = torch.zeros_like(own)
        return self.demote_rare_items((self.training_ratings.mean + own[:, None] + of_item[None, :]).float())

    def tensors(self) -> dict[str, Tensor]:
        """Return the offsets and the training ratings."""
        return self._tensors | self.training_ratings.tensors()

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what `tensors` returned."""
        self.training_ratings = TrainingRatings.from_tensors(tensors)
        super().load_tensors({name: tensors[name] for name in ("user", "item")})


def _at_least_one(counts: Any, damping: float) -> Any:
    return np.maximum(counts + damping, 1)
