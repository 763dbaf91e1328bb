"""AutoRec: one hidden layer over rating rows, of users or of items (Sedhain et al., WWW 2015 companion)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recdash.data.histories import Histories
from recdash.models.base import (
    GradientConfig,
    GradientModel,
    Loss,
    TrainingProgress,
)
from recdash.models.batch import Batch
from recdash.models.data_shape import DataShape
from recdash.models.layers import SparseLinear
from recdash.models.losses import at_entries
from recdash.models.rating_model import OBSERVED, Observed, RatingModel
from recdash.settings import setting

_BIAS_PULL = 1.0  # how strongly a newcomer's bias is held at the users' mean bias


@dataclass(frozen=True, kw_only=True)
class AutoRecConfig(GradientConfig):
    """Settings of AutoRec."""

    variant: str = setting("item", choices=("item", "user"), help="whose rating rows are encoded: items' or users'")
    latent: int = setting(500, low=1, high=20_000, unit="units", help="the width of the hidden layer, k in the paper")
    l2: float = setting(
        200.0, low=0, high=1e6, help="the paper's lambda: lambda/2 times the squared weights, once an epoch"
    )
    initial_sd: float = setting(0.03, low=1e-6, high=1, help="the standard deviation of the weights before training")
    solver: str = setting(
        "adam", choices=("adam", "rprop"), help="the optimiser; rprop is the paper's, on the full batch"
    )
    decay: float = setting(0.5, low=0.01, high=1, help="the factor of the step size every `decay_every` epochs")
    decay_every: int | None = setting(
        None, low=1, high=10_000, unit="epochs", help="after how many epochs the step size shrinks, off for never"
    )
    unseen: str = setting(
        "mean", choices=("mean", "paper"), help="the prediction for an unseen user or item, mean or 3"
    )

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        activity = shape.interactions / max(shape.users, 1)
        if given.get("variant") == "user":
            batch = int(np.clip(math.ceil(shape.users / 3), 64, 2048))
            rest: dict[str, Any] = {
                "learning_rate": 6e-3,
                "l2": round(3 * activity, 1),
                "epochs": 150,
                "decay_every": 60,
                "patience": 60,
            }
        else:
            batch = int(np.clip(math.ceil(shape.items / 7), 64, 1000))
            rest = {
                "learning_rate": 3e-3,
                "l2": round(2.2 * activity, 1),
                "epochs": 90,
                "decay_every": 30,
                "patience": 20,
            }
        return cls(**rest, batch_size=batch, averaging=0.85)


class AutoRec(RatingModel, GradientModel):
    """h(r) = W g(V r + mu) + b, charged at observed entries only (paper, equations 1 and 2)."""

    name: ClassVar[str] = "autorec"
    title: ClassVar[str] = "AutoRec"
    source: ClassVar[str] = "Sedhain et al., WWW 2015"
    config_class: ClassVar[type[GradientConfig]] = AutoRecConfig

    def __init__(self, config: AutoRecConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        width = shape.users if self.by_item else shape.items
        self.first = SparseLinear(width, config.latent)
        self.last = nn.Linear(config.latent, width)
        self._everything: Batch | None = None

    @property
    def by_item(self) -> bool:
        """Whether a row of training is an item."""
        return bool(self.config.variant == "item")

    def initialise(self, generator: torch.Generator) -> None:
        """Weights truncated normal, biases 0."""
        sd = self.config.initial_sd
        for layer in (self.first, self.last):
            nn.init.trunc_normal_(layer.weight, std=sd, a=-2 * sd, b=2 * sd, generator=generator)
            nn.init.zeros_(layer.bias)

    def training_rows(self, train: Histories) -> Histories:
        """Rows of users as they are, or turned into rows of items."""
        return train.transposed() if self.by_item else train

    def loss(self, batch: Batch, progress: TrainingProgress) -> Loss:
        """Squared errors of the observed entries, one value per row (equation 2).

        The penalty's share of a batch, lambda/2 |w|^2 times rows of the batch over all rows, is left to the optimiser's
        weight decay, which adds the same gradient; resilient propagation has none and gets it here.
        """
        stars = self.ratings_of(batch)
        outputs = self.last(self.encode(batch, stars))
        errors = (at_entries(outputs, batch).float() - stars).square()
        squared = torch.zeros(len(batch), device=errors.device).index_add(0, batch.row_of, errors)
        total = squared + self._penalty() / self._rows if self.config.solver == "rprop" else squared
        return Loss(total, {"squared_error": squared, "ratings": batch.counts.float()})

    def summarise(self, means: dict[str, float]) -> dict[str, float]:
        """Turn squared errors into the training RMSE, and complete the objective with its penalty, per row."""
        squared, ratings = means.pop("squared_error"), means.pop("ratings")
        with torch.no_grad():
            penalty = float(self._penalty()) / self._rows
        rmse = math.sqrt(squared / max(ratings, 1e-12))
        return means | {"loss": squared + penalty, "penalty": penalty, "train_rmse": rmse}

    def _penalty(self) -> Tensor:
        squares: Tensor = self.first.weight.square().sum() + self.last.weight.square().sum()
        penalty: Tensor = squares * (self.config.l2 / 2)
        return penalty

    @property
    def _rows(self) -> int:
        return self.shape.items if self.by_item else self.shape.users

    def encode(self, batch: Batch, stars: Tensor) -> Tensor:
        """Hidden layer, (rows, latent)."""
        return torch.sigmoid(self.first(batch, stars))

    def predict_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """The output at one place for each pair, (pairs,)."""
        rows, places = (items, users) if self.by_item else (users, items)
        return (self.codes[rows] * self.last.weight[places]).sum(1) + self.last.bias[places]

    def score_batch(self, batch: Batch) -> Tensor:
        """Predicted ratings of all items for anybody's stars, (rows, items)."""
        stars = self.ratings_of(batch)
        if not self.by_item:
            return self.only_ranked(self.last(self.encode(batch, stars)))
        rows = [self._ridge_row(batch, stars, row) for row in range(len(batch))]
        weights, biases = torch.stack([w for w, _ in rows]), torch.stack([b for _, b in rows])
        return self.only_ranked(functional.linear(weights, self.codes) + biases[:, None])

    def _ridge_row(self, batch: Batch, stars: Tensor, row: int) -> tuple[Tensor, Tensor]:
        """The decoder row that a newcomer would have, with the encoder fixed (spec: models, 1.5).

        Minimises the squared errors of the stars plus lambda/2 |w - mean w|^2 plus (b - mean b)^2: exact, since the
        objective is separable in the rows of the decoder.
        """
        here = slice(int(batch.offsets[row]), int(batch.offsets[row + 1]))
        ones = torch.ones(here.stop - here.start, 1, device=stars.device)
        seen = torch.cat([self.codes[batch.items[here]], ones], 1)
        centre = torch.cat([self.last.weight.mean(0), self.last.bias.mean()[None]])
        pull = torch.full((seen.shape[1],), max(self.config.l2 / 2, 1e-6), device=stars.device)
        pull[-1] = _BIAS_PULL
        left = stars[here] - seen @ centre
        if len(seen) <= seen.shape[1]:
            scaled = seen / pull
            gram = scaled @ seen.T
            gram.diagonal().add_(1)
            moved = scaled.T @ torch.linalg.solve(gram, left) if len(seen) else torch.zeros_like(centre)
        else:
            moved = torch.linalg.solve(seen.T @ seen + torch.diag(pull), seen.T @ left)
        solved = centre + moved
        return solved[:-1], solved[-1]

    def encode_observed(self) -> Tensor:
        """Hidden layer of every training row, (rows, latent)."""
        if self._everything is None:
            self._everything = Batch.of(self.training_rows(self.observed.rows), self.device)
        return self.encode(self._everything, self.ratings_of(self._everything))

    def clear_caches(self) -> None:
        """Drop the codes, and the training rows, which lie on the device of the weights."""
        super().clear_caches()
        self._everything = None

    def train(self, mode: bool = True) -> Self:
        """Forget the codes, for the weights are about to change."""
        self.forget_codes()
        return super().train(mode)

    def optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Adam, or the paper's resilient propagation."""
        if self.config.solver == "rprop":
            plain = [{"params": group["params"]} for group in groups]
            return torch.optim.Rprop(plain, lr=self.config.learning_rate)
        matrices, vectors = groups
        return super().optimiser([matrices | {"weight_decay": self.config.l2 / self._rows}, vectors])

    def learning_rate(self, epoch: int) -> float:
        """Constant, or shrinking at regular intervals."""
        every = self.config.decay_every
        return float(
            self.config.learning_rate * (1.0 if every is None else self.config.decay ** ((epoch - 1) // every))
        )

    def tensors(self) -> dict[str, Tensor]:
        """Weights and the observed ratings."""
        return super().tensors() | self.observed.tensors()

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` gave."""
        self.clear_caches()
        if f"{OBSERVED}items" in tensors:
            self.observed = Observed.from_tensors(tensors)
        super().load_tensors({name: tensor for name, tensor in tensors.items() if not name.startswith(OBSERVED)})
