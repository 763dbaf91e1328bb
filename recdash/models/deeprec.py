"""DeepRec: a deep autoencoder over users' ratings with dense re-feeding (Kuchaiev and Ginsburg, 2017)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

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
from recdash.models.losses import at_entries
from recdash.models.observed_output import ObservedLinear
from recdash.models.rating_model import (
    RATINGS_PREFIX,
    RatingModel,
    TrainingRatings,
)
from recdash.models.sparse_sums import pair_products
from recdash.settings import setting

_ROWS_PER_CHUNK = 512  # users encoded at once


@dataclass(frozen=True, kw_only=True)
class DeepRecConfig(GradientConfig):
    """Settings of DeepRec."""

    search_space: ClassVar[dict[str, str]] = {
        "learning_rate": "log:0.0002..0.005",
        "weight_decay": "log:0.0001..0.05",
        "hidden": "choice:128,256-256,512-512",
        "latent": "choice:256,512,1024",
        "dropout": "0.3..0.9",
    }
    hidden: tuple[int, ...] = setting(
        (512, 512),
        low=1,
        high=20_000,
        unit="units",
        help="widths of the layers between items and code, mirrored in the decoder",
    )
    latent: int = setting(1024, low=1, high=20_000, unit="units", help="width of the code")
    dropout: float = setting(0.8, low=0, high=0.99, help="dropout probability of a unit of the code")
    refeed: int = setting(
        1,
        low=0,
        high=10,
        unit="times",
        help="number of re-feeding steps per batch, in which the dense output is the input; 0 turns re-feeding off",
    )
    solver: str = setting("sgd", choices=("sgd", "adam"), help="optimiser; sgd, with momentum, is the paper's")
    momentum: float = setting(0.9, low=0, high=0.999, help="momentum of sgd")
    halve_at: tuple[int, ...] = setting(
        (), low=1, high=100_000, unit="epochs", help="epochs after which the learning rate is halved"
    )
    unseen: str = setting(
        "mean",
        choices=("mean", "paper"),
        help="prediction for unseen users and items: mean is the training mean, paper is 3",
    )

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`: a smaller network, Adam and no re-feeding, each better on ML-1M.

        The weight decay falls with the number of users, so that its share of the whole objective stays the same: about
        7 divided by that number is best on MovieLens-100K, MovieLens-1M and the demo.
        """
        sizes: dict[str, Any] = {
            "hidden": (256, 256),
            "latent": 512,
            "batch_size": int(np.clip(shape.users // 45, 32, 500)),
            "weight_decay": float(f"{np.clip(7 / max(1, shape.users), 1e-6, 0.02):.3g}"),
        }
        steps: dict[str, Any] = {"solver": "adam", "epochs": 50, "patience": 8, "halve_at": (20, 30)}
        return cls(**sizes, **steps, dropout=0.7, averaging=0.85, refeed=0)


class DeepRec(RatingModel, GradientModel):
    """f(x) = decoder(dropout(encoder(x))), SELU after every layer, loss over observed entries (paper, section 2)."""

    name: ClassVar[str] = "deeprec"
    title: ClassVar[str] = "DeepRec"
    about: ClassVar[str] = "Deep autoencoder for rating prediction."
    source: ClassVar[str] = "Kuchaiev and Ginsburg, 2017"
    objective: ClassVar[str] = "squared error per rating"
    config_class: ClassVar[type[GradientConfig]] = DeepRecConfig

    def __init__(self, config: DeepRecConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        down = [*config.hidden, config.latent]
        up = [config.latent, *reversed(config.hidden)]
        self.first = SparseLinear(shape.items, down[0])
        self.encoder = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(down))
        self.decoder = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(up))
        self.last = ObservedLinear(up[-1], shape.items)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw Xavier-uniform weights; biases are 0."""
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter, generator=generator)
            else:
                nn.init.zeros_(parameter)

    def loss(self, batch: Batch, progress: TrainingProgress) -> Loss:
        """Return squared errors over the batch's mean number of observed entries, (rows,); their mean is pooled."""
        hidden = self._hidden(batch, progress)
        return self._observed_loss(functional.selu(self.last.observed(hidden, batch)), batch, progress)

    def losses(self, batch: Batch, progress: TrainingProgress) -> Iterator[Loss]:
        """Yield one loss on the observed entries, then `refeed` losses with the dense output as input and target."""
        if self.config.refeed == 0:
            yield self.loss(batch, progress)
            return
        output = self._output(batch, progress)  # of all items, because all are fed again
        yield self._observed_loss(at_entries(output, batch).float(), batch, progress)
        for _ in range(self.config.refeed):
            target = output.detach().float()  # (rows, items)
            output = self._forward(self._dense_first(target), progress)
            errors = (output.float() - target).square().mean(1)  # (rows, items) -> (rows,)
            yield Loss(errors, {"refeeding_loss": errors})

    def score_batch(self, batch: Batch) -> Tensor:
        """Return predicted ratings of all items for any user's ratings, (rows, items); no re-feeding."""
        return self.demote_rare_items(self._forward(self.first(batch, self.ratings_of(batch)), None))

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the weights of the output layer, (items, width)."""
        return read_only_array(self.last.weight)

    def predict_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """Return the outputs of single items, (pairs,), from the users' training ratings."""
        weight, bias = self.last.weight.detach(), self.last.bias.detach()
        return functional.selu(pair_products(self.codes, weight, users, items) + bias[items])  # (pairs,)

    def encode_training_rows(self) -> Tensor:
        """Return the last hidden layer of every training user, (users, width)."""
        rows = self.training_ratings.rows
        parts = (
            Batch.of(rows.slice(start, start + _ROWS_PER_CHUNK), self.device)
            for start in range(0, len(rows), _ROWS_PER_CHUNK)
        )
        return torch.cat(
            [self._forward(self.first(part, self.ratings_of(part)), None, hidden_only=True) for part in parts]
        )

    def train(self, mode: bool = True) -> Self:
        """Clear the codes, because the weights are about to change."""
        self.clear_codes()
        return super().train(mode)

    def _hidden(self, batch: Batch, progress: TrainingProgress) -> Tensor:
        return self._forward(self.first(batch, self.ratings_of(batch)), progress, hidden_only=True)

    def _output(self, batch: Batch, progress: TrainingProgress) -> Tensor:
        return self._forward(self.first(batch, self.ratings_of(batch)), progress)

    def _observed_loss(self, outputs: Tensor, batch: Batch, progress: TrainingProgress) -> Loss:
        errors = (outputs - self.ratings_of(batch)).square()  # (entries,)
        # (entries,) -> (rows,)
        squared = batch.add_to_rows(torch.zeros(len(batch), device=errors.device), errors)
        whole = batch if progress.whole is None else progress.whole
        pooled = squared * len(whole) / whole.n_entries
        return Loss(pooled, {"squared_error": squared, "ratings": batch.counts.float()})

    def _dense_first(self, dense: Tensor) -> Tensor:
        return dense @ self.first.weight + self.first.bias  # (rows, items) @ (items, width) -> (rows, width)

    def _forward(self, hidden: Tensor, progress: TrainingProgress | None, *, hidden_only: bool = False) -> Tensor:
        hidden = functional.selu(hidden)  # (rows, width)
        for layer in self.encoder:
            hidden = functional.selu(layer(hidden))  # (rows, width) -> (rows, next width), the code at the end
        if progress is not None:
            hidden = hidden * progress.noise.unit_dropout_mask(hidden.shape[1], self.config.dropout).to(hidden.dtype)
        for layer in self.decoder:
            hidden = functional.selu(layer(hidden))  # (rows, width) -> (rows, next width)
        return hidden if hidden_only else functional.selu(self.last(hidden))

    def summarise(self, means: dict[str, float]) -> dict[str, float]:
        """Return the training RMSE in place of the squared errors."""
        squared, n_ratings = means.pop("squared_error"), means.pop("ratings")
        return means | {"train_rmse": math.sqrt(squared / max(n_ratings, 1e-12))}

    def optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return SGD with momentum, or Adam."""
        if self.config.solver == "sgd":
            fused = self.device.type in ("cpu", "cuda")
            return torch.optim.SGD(groups, lr=self.config.learning_rate, momentum=self.config.momentum, fused=fused)
        return super().optimiser(groups)

    def learning_rate(self, epoch: int) -> float:
        """Return the learning rate, halved after each epoch in `halve_at`."""
        return float(self.config.learning_rate * 0.5 ** sum(epoch > at for at in self.config.halve_at))

    def tensors(self) -> dict[str, Tensor]:
        """Return the weights and the training ratings."""
        return super().tensors() | self.training_ratings.tensors()

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what `tensors` returned."""
        self.clear_caches()
        if f"{RATINGS_PREFIX}items" in tensors:
            self.training_ratings = TrainingRatings.from_tensors(tensors)
        super().load_tensors({name: tensor for name, tensor in tensors.items() if not name.startswith(RATINGS_PREFIX)})
