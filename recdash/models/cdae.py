"""CDAE: a denoising autoencoder with a vector of its own for every user (Wu et al., WSDM 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from recdash.models.base import (
    GradientConfig,
    GradientModel,
    Loss,
    TrainingProgress,
)
from recdash.models.batch import Batch
from recdash.models.data_shape import DataShape
from recdash.models.layers import SparseLinear, initialise_uniform
from recdash.models.losses import at_entries, bernoulli_nll
from recdash.settings import setting

_ACTIVATIONS = {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "identity": lambda x: x}


@dataclass(frozen=True, kw_only=True)
class CDAEConfig(GradientConfig):
    """Settings of CDAE."""

    latent: int = setting(200, low=1, high=20_000, unit="units", help="the width of the hidden layer, K in the paper")
    dropout: float = setting(0.5, low=0, high=1, help="the chance q that a positive of the input is dropped")
    activation: str = setting(
        "tanh", choices=("tanh", "sigmoid", "identity"), help="what is applied to the hidden layer, h in the paper"
    )
    likelihood: str = setting(
        "logistic", choices=("logistic", "square"), help="the loss of one item: logistic on a sigmoid, or square"
    )
    weighting: str = setting(
        "all",
        choices=("all", "sampled"),
        help="what an item without interaction weighs: 1, or what sampling negatives comes to on average",
    )
    negatives: float = setting(
        5.0, low=0, high=1000, help="the number of negatives for each positive under weighting = sampled"
    )
    weight_decay: float = setting(
        0.1, low=0, high=100, help="the L2 penalty on weights and user vectors, decoupled as in AdamW"
    )
    formula: str = setting(
        "paper",
        choices=("paper", "published"),
        help="the input and first weights: the paper's, or the public table's, where scores depend on the whole batch",
    )
    newcomer: str = setting(
        "fit", choices=("fit", "mean"), help="the vector of an unseen user: fitted to the picks, or the users' mean"
    )
    fit_steps: int = setting(20, low=1, high=1000, unit="steps", help="the number of gradient steps of newcomer = fit")
    fit_rate: float = setting(0.02, low=1e-6, high=10, help="the step size of newcomer = fit")

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        batch = int(np.clip(round(shape.users / 35), 8, 1000))
        return cls(batch_size=batch, learning_rate=3e-3, epochs=60, patience=8)


class CDAE(GradientModel):
    """y_i = f(w_i . h(W x + V_u + b) + b_i), x with positives dropped out (paper, equations 6 and 7)."""

    name: ClassVar[str] = "cdae"
    title: ClassVar[str] = "CDAE"
    source: ClassVar[str] = "Wu et al., WSDM 2016"
    config_class: ClassVar[type[GradientConfig]] = CDAEConfig

    def __init__(self, config: CDAEConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.first = SparseLinear(shape.items, config.latent)
        self.users = nn.Parameter(torch.empty(shape.users, config.latent))
        self.last = nn.Linear(config.latent, shape.items)

    def initialise(self, generator: torch.Generator) -> None:
        """Weights and user vectors uniform as Xavier has it for the item layers, biases 0."""
        if self.config.formula == "published":
            self._initialise_as_published(generator)
            return
        bound = (6 / (self.shape.items + self.config.latent)) ** 0.5
        bound *= 4 if self.config.activation == "sigmoid" else 1
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
            else:
                nn.init.zeros_(parameter)

    def loss(self, batch: Batch, progress: TrainingProgress) -> Loss:
        """Loss of all items given the corrupted row and the user's vector, one value per user (equation 8)."""
        entries = self._entries(batch) * progress.noise.dropout_mask(self.config.dropout)
        hidden = self._hidden(self.first(batch, entries) + self._vectors(batch))
        reconstruction = self._reconstruction(self.last(hidden), batch)
        return Loss(reconstruction, {"reconstruction": reconstruction})

    def score_batch(self, batch: Batch) -> Tensor:
        """Outputs before f for the whole row; users that were not trained on get a vector as `newcomer` says."""
        read = self.first(batch, self._entries(batch))
        vectors = self.users[batch.users] if batch.users is not None else self.newcomers(batch, read)
        scores: Tensor = self.last(self._hidden(read + vectors))
        return scores

    def newcomers(self, batch: Batch, read: Tensor) -> Tensor:
        """Vectors of unseen users, (rows, latent), everything else fixed (spec: models, 3.5).

        read: what the item layer makes of their rows, (rows, latent).  `mean` is the mean of the trained vectors;
        `fit` starts there and takes Adam steps on each row's own loss, so rows do not influence each other.
        """
        mean = self.users.detach().mean(0).repeat(len(batch), 1)
        if self.config.newcomer == "mean":
            return mean
        weight, bias, read = self.last.weight.detach(), self.last.bias.detach(), read.detach()
        vectors = mean.clone().requires_grad_()
        adam = torch.optim.Adam([vectors], lr=self.config.fit_rate)
        with torch.enable_grad():
            for _ in range(self.config.fit_steps):
                outputs = nn.functional.linear(self._hidden(read + vectors), weight, bias)
                penalty = self.config.weight_decay * (vectors - mean).square().sum(1) / 2
                missed = self._reconstruction(outputs, batch) + penalty
                (vectors.grad,) = torch.autograd.grad(missed.sum(), [vectors])
                adam.step()
        return vectors.detach()

    def optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Adam with decoupled weight decay."""
        fused = self.device.type in ("cpu", "cuda")
        return torch.optim.AdamW(groups, lr=self.config.learning_rate, fused=fused)

    def _initialise_as_published(self, generator: torch.Generator) -> None:
        nn.init.normal_(self.users, generator=generator)
        initialise_uniform([self.first, self.last], generator)

    def _entries(self, batch: Batch) -> Tensor:
        """What stands in the row for a positive, (entries,): 1, or as published 1 / (n_u c_i)^(1/4) (spec: 3.8)."""
        if self.config.formula == "paper":
            return torch.ones(len(batch.items), device=batch.items.device)
        columns = torch.bincount(batch.items, minlength=batch.n_items)[batch.items]
        return (batch.counts[batch.row_of] * columns).float() ** -0.25

    def _vectors(self, batch: Batch) -> Tensor:
        if batch.users is None:
            raise ValueError("CDAE trains on users with a row number")
        return self.users[batch.users]

    def _hidden(self, before: Tensor) -> Tensor:
        after: Tensor = _ACTIVATIONS[self.config.activation](before)
        return after

    def _reconstruction(self, outputs: Tensor, batch: Batch) -> Tensor:
        zeros = self._weight_of_zeros(batch)
        if self.config.likelihood == "logistic":
            return bernoulli_nll(outputs, batch, zeros)
        outputs = outputs.float()
        liked = at_entries(outputs, batch)
        extra = (1 - liked).square() - zeros[batch.row_of] * liked.square()
        of_all: Tensor = zeros * outputs.square().sum(1)
        return of_all.index_add(0, batch.row_of, extra)

    def _weight_of_zeros(self, batch: Batch) -> Tensor:
        """What an item without interaction weighs, (rows,): the expectation of the paper's sampling, or 1."""
        if self.config.weighting == "all":
            return torch.ones(len(batch), device=batch.items.device)
        counts = batch.counts.float()
        weight: Tensor = self.config.negatives * counts / (batch.n_items - counts).clamp(min=1)
        return weight
