"""Mult-VAE: a variational autoencoder with a multinomial likelihood (Liang et al., WWW 2018)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recdash.models.base import (
    SMALL_DATA_USERS,
    GradientConfig,
    GradientModel,
    Loss,
    ScoreKind,
    TrainingProgress,
    auto_batch_size,
    read_only_array,
)
from recdash.models.batch import Batch
from recdash.models.data_shape import DataShape
from recdash.models.item_output import ItemOutput
from recdash.models.layers import (
    SparseLinear,
    initialise_uniform,
    initialise_xavier,
    l2_normalised,
)
from recdash.models.losses import normal_kl_by_dimension
from recdash.models.schedules import anneal
from recdash.settings import setting

HIDDEN_LAYER_MIN_USERS = 20_000  # below, a network without hidden layers ranks better (measured on ML-1M)


@dataclass(frozen=True, kw_only=True)
class MultVAEConfig(GradientConfig):
    """Settings of Mult-VAE."""

    search_space: ClassVar[dict[str, str]] = {
        "learning_rate": "log:0.0003..0.01",
        "beta_cap": "log:0.05..1",
        "hidden": "choice:none,600",
        "latent": "choice:100,200,400",
        "dropout": "0.2..0.8",
    }
    hidden: tuple[int, ...] = setting(
        (600,),
        low=1,
        high=20_000,
        unit="units",
        help="widths of the layers between items and latent, mirrored in the decoder",
    )
    latent: int = setting(200, low=1, high=20_000, unit="units", help="width of the latent layer")
    dropout: float = setting(0.5, low=0, high=0.99, help="dropout probability of an input item")
    noise_sd: float = setting(
        1.0, low=0, high=1, help="standard deviation of the latent noise in training; a VAE has 1"
    )
    initial: str = setting(
        "xavier", choices=("xavier", "uniform"), help="initial weights: xavier as in the paper, uniform as in PyTorch"
    )
    beta_cap: float = setting(0.2, low=0, high=10, help="maximum weight of the KL divergence")
    reach_cap_at: float = setting(
        0.5, low=0, high=1, help="share of the planned updates after which beta reaches its cap"
    )
    anneal_updates: int | None = setting(
        None,
        low=1,
        high=10**9,
        unit="updates",
        help="annealing length T of the paper, in place of reach_cap_at: beta = updates / T up to the cap",
    )

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        sizes: dict[str, Any] = {"hidden": () if shape.users < HIDDEN_LAYER_MIN_USERS else (600,), "epochs": 100}
        sizes["batch_size"] = auto_batch_size(shape)
        if shape.users < SMALL_DATA_USERS:
            sizes |= {"batch_size": auto_batch_size(shape, 25), "learning_rate": 2e-3, "epochs": 70}
        return cls(**sizes, patience=12, averaging=0.85)

    def beta_at(self, update: int, planned_updates: int) -> float:
        """Return the weight of the KL divergence after some updates."""
        return anneal(
            update,
            planned_updates,
            cap=self.beta_cap,
            reach_cap_at=self.reach_cap_at,
            anneal_updates=self.anneal_updates,
        )

    def beta_schedule(self, updates_per_epoch: int) -> Callable[[int], float]:
        """Return the planned weight of the KL divergence as a function of the updates done."""
        planned_updates = self.epochs * updates_per_epoch
        return lambda update: self.beta_at(update, planned_updates)


class MultVAE(GradientModel):
    """Multinomial variational autoencoder (Liang et al., WWW 2018, section 2)."""

    name: ClassVar[str] = "multvae"
    title: ClassVar[str] = "Mult-VAE"
    about: ClassVar[str] = "Variational autoencoder with a softmax output."
    source: ClassVar[str] = "Liang et al., WWW 2018"
    objective: ClassVar[str] = "multinomial log-likelihood"
    config_class: ClassVar[type[GradientConfig]] = MultVAEConfig

    def __init__(self, config: MultVAEConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        down = [*config.hidden, 2 * config.latent]
        up = [config.latent, *reversed(config.hidden)]
        self.first = SparseLinear(shape.items, down[0])
        self.encoder = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(down))
        self.decoder = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(up))
        self.last = ItemOutput(up[-1], shape.items)

    @property
    def score_kind(self) -> ScoreKind:
        """Logits of a multinomial distribution over all items."""
        return "softmax"

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the weights as the authors' code does, or as PyTorch does by default."""
        if self.config.initial == "xavier":
            initialise_xavier(self, generator)
        else:
            initialise_uniform([self.first, *self.encoder, *self.decoder, self.last], generator)

    def loss(self, batch: Batch, progress: TrainingProgress) -> Loss:
        """Return the negative evidence lower bound, nats per user (equation 5, KL divergence weighted by beta)."""
        mask = progress.noise.dropout_mask(self.config.dropout)  # (entries,)
        mu, logvar = self.encode(batch, l2_normalised(batch) * mask)  # (rows, latent) each
        z = mu + torch.exp(logvar / 2) * progress.noise.normal(self.config.latent) * self.config.noise_sd
        reconstruction = self.last.multinomial_nll(self._hidden(z), batch)  # (rows, width) -> (rows,)
        kl_by_dimension = normal_kl_by_dimension(mu, logvar)  # (rows, latent)
        kl = kl_by_dimension.sum(1)  # (rows, latent) -> (rows,)
        beta = progress.scheduled(self.beta)
        weighted_kl = beta * kl
        parts: dict[str, Tensor | float] = {
            "reconstruction": reconstruction,
            "kl": kl,
            "weighted_kl": weighted_kl,
            "beta": beta,
            "kl_by_dimension": kl_by_dimension,
        }
        return Loss(reconstruction + weighted_kl, parts)

    def score_batch(self, batch: Batch) -> Tensor:
        """Return the logits at z = mu, without dropout, (rows, items)."""
        mu, _ = self.encode(batch, l2_normalised(batch))
        return self.decode(mu)

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the weights of the output layer, (items, width)."""
        return read_only_array(self.last.weight)

    def encode(self, batch: Batch, entries: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of q(z | x), (rows, latent) float32 each."""
        hidden = self.first(batch, entries)  # (entries,) -> (rows, width)
        for layer in self.encoder:
            hidden = layer(torch.tanh(hidden))  # (rows, width) -> (rows, next width), 2 * latent at the end
        mu, logvar = hidden.float().chunk(2, dim=1)  # (rows, 2 * latent) -> 2 x (rows, latent)
        return mu, logvar

    def decode(self, z: Tensor) -> Tensor:
        """Return the logits of z (rows, latent) over all items, (rows, items)."""
        logits: Tensor = self.last(self._hidden(z))  # (rows, width) -> (rows, items)
        return logits

    def _hidden(self, z: Tensor) -> Tensor:
        for layer in self.decoder:
            z = torch.tanh(layer(z))  # (rows, width) -> (rows, next width)
        return z

    def beta(self, update: int, planned_updates: int) -> float:
        """Return the weight of the KL divergence at an update."""
        return float(self.config.beta_at(update, planned_updates))

    def schedules_done(self, update: int, planned_updates: int) -> bool:
        """Return whether beta has reached its cap; early stopping waits for it unless the cap is out of reach."""
        reachable = self.beta(planned_updates, planned_updates) >= self.config.beta_cap
        return not reachable or self.beta(update, planned_updates) >= self.config.beta_cap
