"""DeepRec: a deep autoencoder over users' ratings with dense re-feeding (Kuchaiev and Ginsburg, 2017)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

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


@dataclass(frozen=True, kw_only=True)
class DeepRecConfig(GradientConfig):
    """Settings of DeepRec."""

    hidden: tuple[int, ...] = setting(
        (512, 512),
        low=1,
        high=20_000,
        unit="units",
        help="the widths of the layers between items and code, mirrored in the decoder",
    )
    latent: int = setting(1024, low=1, high=20_000, unit="units", help="the width of the code")
    dropout: float = setting(0.8, low=0, high=0.99, help="the chance that a unit of the code is dropped")
    refeed: int = setting(
        1, low=0, high=10, unit="times", help="how often the dense output is fed back in for a step of its own, 0 never"
    )
    solver: str = setting("sgd", choices=("sgd", "adam"), help="the optimiser; sgd, with momentum, is the paper's")
    momentum: float = setting(0.9, low=0, high=0.999, help="the momentum of sgd")
    halve_at: tuple[int, ...] = setting(
        (), low=1, high=100_000, unit="epochs", help="the epochs after which the step size is halved"
    )
    unseen: str = setting(
        "mean", choices=("mean", "paper"), help="the prediction for an unseen user or item, mean or 3"
    )

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`: a smaller net, Adam and no re-feeding, each better on ML-1M.

        The penalty weighs the same against the whole data, so it falls with the number of users: about 7 over that
        number is best on MovieLens-100K, on MovieLens-1M and on the demo.
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
    """f(x) = decoder(dropout(encoder(x))), SELU after every layer, charged at observed entries (paper, section 2)."""

    name: ClassVar[str] = "deeprec"
    title: ClassVar[str] = "DeepRec"
    source: ClassVar[str] = "Kuchaiev and Ginsburg, 2017"
    config_class: ClassVar[type[GradientConfig]] = DeepRecConfig

    def __init__(self, config: DeepRecConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        down = [*config.hidden, config.latent]
        up = [config.latent, *reversed(config.hidden)]
        self.first = SparseLinear(shape.items, down[0])
        self.encoder = nn.ModuleList(nn.Linear(here, there) for here, there in pairwise(down))
        self.decoder = nn.ModuleList(nn.Linear(here, there) for here, there in pairwise(up))
        self.last = nn.Linear(up[-1], shape.items)

    def initialise(self, generator: torch.Generator) -> None:
        """Xavier-uniform weights, biases 0."""
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter, generator=generator)
            else:
                nn.init.zeros_(parameter)

    def loss(self, batch: Batch, progress: TrainingProgress) -> Loss:
        """Squared errors of the observed entries over their mean number per row: pooled over the batch."""
        return self._observed_loss(self._output(batch, progress), batch)

    def losses(self, batch: Batch, progress: TrainingProgress) -> Iterator[Loss]:
        """One step on the observed entries, then `refeed` steps on the dense output as its own input."""
        output = self._output(batch, progress)
        yield self._observed_loss(output, batch)
        for _ in range(self.config.refeed):
            target = output.detach().float()
            output = self._through(self._dense_first(target), progress)
            missed = (output.float() - target).square().mean(1)
            yield Loss(missed, {"refeeding_loss": missed})

    def score_batch(self, batch: Batch) -> Tensor:
        """Predicted ratings of all items for anybody's stars, (rows, items); one pass, no re-feeding."""
        return self.only_ranked(self._through(self.first(batch, self.ratings_of(batch)), None))

    def predict_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """Outputs at single places, (pairs,), from the users' training ratings."""
        return functional.selu((self.codes[users] * self.last.weight[items]).sum(1) + self.last.bias[items])

    def encode_observed(self) -> Tensor:
        """The layer before the last for every training user, (users, width)."""
        rows = self.observed.rows
        parts = (Batch.of(rows.slice(start, start + 512), self.device) for start in range(0, len(rows), 512))
        return torch.cat(
            [self._through(self.first(part, self.ratings_of(part)), None, until_last=True) for part in parts]
        )

    def train(self, mode: bool = True) -> Self:
        """Forget the codes, for the weights are about to change."""
        self.forget_codes()
        return super().train(mode)

    def _output(self, batch: Batch, progress: TrainingProgress) -> Tensor:
        return self._through(self.first(batch, self.ratings_of(batch)), progress)

    def _observed_loss(self, output: Tensor, batch: Batch) -> Loss:
        errors = (at_entries(output, batch).float() - self.ratings_of(batch)).square()
        squared = torch.zeros(len(batch), device=errors.device).index_add(0, batch.row_of, errors)
        pooled = squared * len(batch) / max(len(batch.items), 1)
        return Loss(pooled, {"squared_error": squared, "ratings": batch.counts.float()})

    def _dense_first(self, dense: Tensor) -> Tensor:
        return dense @ self.first.weight + self.first.bias

    def _through(self, hidden: Tensor, progress: TrainingProgress | None, *, until_last: bool = False) -> Tensor:
        hidden = functional.selu(hidden)
        for layer in self.encoder:
            hidden = functional.selu(layer(hidden))
        if progress is not None:
            hidden = hidden * progress.noise.unit_dropout_mask(hidden.shape[1], self.config.dropout).to(hidden.dtype)
        for layer in self.decoder:
            hidden = functional.selu(layer(hidden))
        return hidden if until_last else functional.selu(self.last(hidden))

    def summarise(self, means: dict[str, float]) -> dict[str, float]:
        """Turn squared errors into the training RMSE."""
        squared, ratings = means.pop("squared_error"), means.pop("ratings")
        return means | {"train_rmse": math.sqrt(squared / max(ratings, 1e-12))}

    def optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """SGD with momentum, or Adam."""
        if self.config.solver == "sgd":
            return torch.optim.SGD(groups, lr=self.config.learning_rate, momentum=self.config.momentum)
        return super().optimiser(groups)

    def learning_rate(self, epoch: int) -> float:
        """Halved after each of the epochs named in `halve_at`."""
        return float(self.config.learning_rate * 0.5 ** sum(epoch > at for at in self.config.halve_at))

    def tensors(self) -> dict[str, Tensor]:
        """Weights and the observed ratings."""
        return super().tensors() | self.observed.tensors()

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` gave."""
        self.clear_caches()
        if f"{OBSERVED}items" in tensors:
            self.observed = Observed.from_tensors(tensors)
        super().load_tensors({name: tensor for name, tensor in tensors.items() if not name.startswith(OBSERVED)})
