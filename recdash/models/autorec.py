"""AutoRec: one hidden layer over rating rows of users or items (Sedhain et al., WWW 2015 companion)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from recdash.data.histories import Histories
from recdash.models.base import (
    GradientConfig,
    GradientModel,
    Loss,
    TrainingProgress,
    read_only_array,
)
from recdash.models.batch import Batch
from recdash.models.data_shape import DataShape
from recdash.models.layers import SparseLinear
from recdash.models.observed_output import ObservedLinear
from recdash.models.rating_model import (
    RATINGS_PREFIX,
    RatingModel,
    TrainingRatings,
)
from recdash.models.sparse_sums import pair_products
from recdash.settings import setting

_BIAS_PENALTY = 1.0  # ridge penalty that draws a new user's bias to the mean bias


@dataclass(frozen=True, kw_only=True)
class AutoRecConfig(GradientConfig):
    """Settings of AutoRec."""

    search_space: ClassVar[dict[str, str]] = {
        "learning_rate": "log:0.0005..0.02",
        "l2": "log:20..1000",
        "latent": "choice:200,500,800",
    }
    variant: str = setting("item", choices=("item", "user"), help="side whose rating rows are encoded")
    latent: int = setting(500, low=1, high=20_000, unit="units", help="width of the hidden layer, k in the paper")
    l2: float = setting(
        200.0, low=0, high=1e6, help="lambda of the paper: lambda/2 times the squared weights, once per epoch"
    )
    initial_sd: float = setting(0.03, low=1e-6, high=1, help="standard deviation of the initial weights")
    solver: str = setting("adam", choices=("adam", "rprop"), help="optimiser; rprop is the paper's, on the full batch")
    decay: float = setting(0.5, low=0.01, high=1, help="factor of the learning rate every `decay_every` epochs")
    decay_every: int | None = setting(
        None,
        low=1,
        high=10_000,
        unit="epochs",
        help="interval of the learning rate decay; none for a constant learning rate",
    )
    unseen: str = setting(
        "mean",
        choices=("mean", "paper"),
        help="prediction for unseen users and items: mean is the training mean, paper is 3",
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
    """h(r) = W g(V r + mu) + b, with a loss over observed entries only (paper, equations 1 and 2)."""

    name: ClassVar[str] = "autorec"
    title: ClassVar[str] = "AutoRec"
    about: ClassVar[str] = "One-hidden-layer autoencoder for rating prediction."
    source: ClassVar[str] = "Sedhain et al., WWW 2015"
    objective: ClassVar[str] = "squared error per row"
    config_class: ClassVar[type[GradientConfig]] = AutoRecConfig

    def __init__(self, config: AutoRecConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        width = shape.users if self.by_item else shape.items
        self.first = SparseLinear(width, config.latent)
        self.last = ObservedLinear(config.latent, width)
        self._all_rows: Batch | None = None

    @property
    def by_item(self) -> bool:
        """Whether the training rows are items."""
        return bool(self.config.variant == "item")

    @property
    def fixed_shapes(self) -> bool:
        """Resilient propagation cannot be recorded."""
        return bool(self.config.solver == "adam")

    def initialise(self, generator: torch.Generator) -> None:
        """Draw truncated normal weights; biases are 0."""
        sd = self.config.initial_sd
        for layer in (self.first, self.last):
            nn.init.trunc_normal_(layer.weight, std=sd, a=-2 * sd, b=2 * sd, generator=generator)
            nn.init.zeros_(layer.bias)

    def training_rows(self, train: Histories) -> Histories:
        """Return rows of users, or of items if the variant is `item`."""
        return train.transposed() if self.by_item else train

    def loss(self, batch: Batch, progress: TrainingProgress) -> Loss:
        """Return the squared errors of the observed entries, one value per row (equation 2).

        A batch's share of the penalty, lambda/2 |w|^2 times rows of the batch over all rows, is left to the optimiser's
        weight decay, which adds the same gradient; resilient propagation has none, so it is added here.
        """
        ratings = self.ratings_of(batch)
        outputs = self.last.observed(self.encode(batch, ratings), batch)  # (rows, latent) -> (entries,)
        errors = (outputs - ratings).square()  # (entries,)
        # (entries,) -> (rows,)
        squared = batch.add_to_rows(torch.zeros(len(batch), device=errors.device), errors)
        total = squared + self._penalty() / self._rows if self.config.solver == "rprop" else squared
        return Loss(total, {"squared_error": squared, "ratings": batch.counts.float()})

    def summarise(self, means: dict[str, float]) -> dict[str, float]:
        """Return the training RMSE and the full objective per row, penalty included."""
        squared, n_ratings = means.pop("squared_error"), means.pop("ratings")
        with torch.no_grad():
            penalty = float(self._penalty()) / self._rows
        rmse = math.sqrt(squared / max(n_ratings, 1e-12))
        return means | {"loss": squared + penalty, "penalty": penalty, "train_rmse": rmse}

    def _penalty(self) -> Tensor:
        squares: Tensor = self.first.weight.square().sum() + self.last.weight.square().sum()
        penalty: Tensor = squares * (self.config.l2 / 2)
        return penalty

    @property
    def _rows(self) -> int:
        return self.shape.items if self.by_item else self.shape.users

    def encode(self, batch: Batch, ratings: Tensor) -> Tensor:
        """Return the hidden layer of ratings (entries,), (rows, latent)."""
        return torch.sigmoid(self.first(batch, ratings))

    def predict_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """Return the output of one column for each pair, (pairs,)."""
        rows, columns = (items, users) if self.by_item else (users, items)
        weight, bias = self.last.weight.detach(), self.last.bias.detach()
        return pair_products(self.codes, weight, rows, columns) + bias[columns]  # (pairs,)

    def score_batch(self, batch: Batch) -> Tensor:
        """Return predicted ratings of all items for any user's ratings, (rows, items)."""
        ratings = self.ratings_of(batch)
        if not self.by_item:
            return self.demote_rare_items(self.last(self.encode(batch, ratings)))
        rows = [self._ridge_row(batch, ratings, row) for row in range(len(batch))]
        weights = torch.stack([weight for weight, _ in rows])  # rows x (latent,) -> (rows, latent)
        biases = torch.stack([bias for _, bias in rows])  # rows x () -> (rows,)
        return self.demote_rare_items(functional.linear(weights, self.codes) + biases[:, None])

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the weights of the output layer, or the hidden layer of each item's ratings, (items, latent)."""
        return read_only_array(self.codes if self.by_item else self.last.weight)

    def _ridge_row(self, batch: Batch, ratings: Tensor, row: int) -> tuple[Tensor, Tensor]:
        """Decoder weights (latent,) and bias () of a new user, with the encoder fixed.

        Minimises the squared errors of the ratings plus lambda/2 |w - mean w|^2 plus (b - mean b)^2. This is exact,
        because the objective is separable in the rows of the decoder.
        """
        entries = slice(int(batch.offsets[row]), int(batch.offsets[row + 1]))
        ones = torch.ones(entries.stop - entries.start, 1, device=ratings.device)
        inputs = torch.cat([self.codes[batch.items[entries]], ones], 1)  # (n, latent) and (n, 1) -> (n, latent + 1)
        centre = torch.cat([self.last.weight.mean(0), self.last.bias.mean()[None]])  # (latent + 1,)
        penalty = torch.full((inputs.shape[1],), max(self.config.l2 / 2, 1e-6), device=ratings.device)  # (latent + 1,)
        penalty[-1] = _BIAS_PENALTY
        residuals = ratings[entries] - inputs @ centre  # (n,)
        if len(inputs) <= inputs.shape[1]:  # few ratings: the dual problem is smaller
            scaled = inputs / penalty
            gram = scaled @ inputs.T  # (n, n)
            gram.diagonal().add_(1)
            change = scaled.T @ torch.linalg.solve(gram, residuals) if len(inputs) else torch.zeros_like(centre)
        else:
            gram = inputs.T @ inputs + torch.diag(penalty)  # (latent + 1, latent + 1)
            change = torch.linalg.solve(gram, inputs.T @ residuals)
        solved = centre + change  # (latent + 1,)
        return solved[:-1], solved[-1]

    def encode_training_rows(self) -> Tensor:
        """Return the hidden layer of every training row, (rows, latent)."""
        if self._all_rows is None:
            self._all_rows = Batch.of(self.training_rows(self.training_ratings.rows), self.device)
        return self.encode(self._all_rows, self.ratings_of(self._all_rows))

    def clear_caches(self) -> None:
        """Drop the codes and the training rows, which are on the device of the weights."""
        super().clear_caches()
        self._all_rows = None

    def train(self, mode: bool = True) -> Self:
        """Clear the codes, because the weights are about to change."""
        self.clear_codes()
        return super().train(mode)

    def optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return Adam, or the paper's resilient propagation."""
        if self.config.solver == "rprop":
            plain = [{"params": group["params"]} for group in groups]
            return torch.optim.Rprop(plain, lr=self.config.learning_rate)
        matrices, vectors = groups
        return super().optimiser([matrices | {"weight_decay": self.config.l2 / self._rows}, vectors])

    def learning_rate(self, epoch: int) -> float:
        """Return the learning rate, constant or decaying at regular intervals."""
        every = self.config.decay_every
        return float(
            self.config.learning_rate * (1.0 if every is None else self.config.decay ** ((epoch - 1) // every))
        )

    def tensors(self) -> dict[str, Tensor]:
        """Return the weights and the training ratings."""
        return super().tensors() | self.training_ratings.tensors()

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what `tensors` returned."""
        self.clear_caches()
        if f"{RATINGS_PREFIX}items" in tensors:
            self.training_ratings = TrainingRatings.from_tensors(tensors)
        super().load_tensors({name: tensor for name, tensor in tensors.items() if not name.startswith(RATINGS_PREFIX)})
