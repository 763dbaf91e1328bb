"""SVAE: a variational autoencoder over what comes next in a history (Sachdeva et al., WSDM 2019; the authors' code)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recdash.data.histories import Histories
from recdash.models.base import (
    FEW_USERS,
    GradientConfig,
    GradientModel,
    Loss,
    TrainingProgress,
)
from recdash.models.batch import Batch, batch_bounds
from recdash.models.data_shape import DataShape
from recdash.models.gru import (
    Gru,
    Packed,
    next_item_nll,
    pad_rows,
)
from recdash.models.losses import normal_kl_by_dimension
from recdash.settings import setting

_ORDERS = 8  # random orders over which the scores of an unordered history are averaged
_POSITIONS_AT_ONCE = 1 << 14  # positions read at once while scoring: about 100 MB of states and gates
_JITTER = 0.1  # how freely users of different lengths meet in one batch


@dataclass(frozen=True, kw_only=True)
class SVAEConfig(GradientConfig):
    """Settings of SVAE."""

    embedding: int = setting(256, low=1, high=20_000, unit="units", help="the width of the item vectors that are read")
    recurrent: int = setting(200, low=1, high=20_000, unit="units", help="the width of the gated recurrent unit")
    hidden_width: int = setting(
        150, low=1, high=20_000, unit="units", help="the width of the layers around the latent one"
    )
    latent: int = setting(64, low=1, high=20_000, unit="units", help="the width of the latent layer")
    next_items: int = setting(
        4, low=1, high=100, unit="items", help="how many of the following items each step must name, k in the paper"
    )
    reduction: str = setting(
        "per_step",
        choices=("per_step", "author"),
        help="how a user's steps are put together: means, or as in the authors' code a sum beside a mean",
    )
    variance: str = setting(
        "log_variance",
        choices=("log_variance", "author"),
        help="what the network's second output means: a log-variance, or as in the authors' code both it and a log-sd",
    )
    annealing: str = setting(
        "global",
        choices=("global", "epoch"),
        help="whether beta rises over the whole training, or anew in every epoch as in the authors' code",
    )
    beta_cap: float = setting(0.005, low=0, high=10, help="the largest weight of the KL divergence")
    anneal_users: int = setting(
        200_000, low=1, high=10**9, unit="users", help="beta is the number of users seen over this, up to the cap"
    )
    longest: int = setting(
        1000, low=2, high=1_000_000, unit="items", help="how much of a longer history is learned from, its latest part"
    )
    decay: float = setting(1.0, low=0.01, high=1, help="the factor of the step size after every epoch")
    batch_size: int = setting(16, low=1, high=1_000_000, unit="users", help="the number of users in one update")
    epochs: int = setting(25, low=1, high=100_000, unit="epochs", help="the largest number of passes over the users")
    patience: int = setting(
        4, low=1, high=100_000, unit="validations", help="how many validations without a gain end the training"
    )
    weight_decay: float = setting(
        5e-5, low=0, high=100, help="the L2 penalty on all parameters, coupled; it belongs to the reduction"
    )

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        few = shape.users < FEW_USERS
        batch = 24 if few else int(np.clip(round(shape.users / 280), 16, 64))
        return cls(batch_size=batch, learning_rate=3e-3, decay=0.8, epochs=20, patience=3 if few else 4)


class SVAE(GradientModel):
    """q(z_t | x_1..x_t) from a recurrent state, p(x_t+1..x_t+k | z_t) by softmax (paper, section 3)."""

    name: ClassVar[str] = "svae"
    title: ClassVar[str] = "SVAE"
    source: ClassVar[str] = "Sachdeva et al., WSDM 2019"
    config_class: ClassVar[type[GradientConfig]] = SVAEConfig
    needs_order: ClassVar[bool] = True

    def __init__(self, config: SVAEConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.embedding = nn.Parameter(torch.empty(shape.items, config.embedding))
        self.gru = Gru(config.embedding, config.recurrent)
        self.down = nn.Linear(config.recurrent, config.hidden_width)
        self.posterior = nn.Linear(config.hidden_width, 2 * config.latent)
        self.up = nn.Linear(config.latent, config.hidden_width)
        self.last = nn.Linear(config.hidden_width, shape.items)

    def initialise(self, generator: torch.Generator) -> None:
        """As the authors' code: Xavier-normal linear weights, the rest as PyTorch has it."""
        nn.init.normal_(self.embedding, generator=generator)
        for parameter in self.gru.parameters():
            nn.init.uniform_(
                parameter, -(self.config.recurrent**-0.5), self.config.recurrent**-0.5, generator=generator
            )
        for layer in (self.down, self.posterior, self.up, self.last):
            nn.init.xavier_normal_(layer.weight, generator=generator)
            bound = layer.weight.shape[1] ** -0.5
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)

    def training_rows(self, train: Histories) -> Histories:
        """The latest part of long histories."""
        positions = np.arange(train.n_entries) - np.repeat(train.indptr[:-1], train.counts)
        return train.keep(positions >= np.repeat(train.counts, train.counts) - self.config.longest)

    def order_batches(self, order: NDArray[np.int64], rows: Histories) -> NDArray[np.int64]:
        """Put users of about the same length into one batch, batches in random order.

        order: a random permutation, whose positions serve as the random numbers here.
        """
        jitter = 1 + _JITTER * (np.arange(len(order)) / max(1, len(order)) - 0.5)
        by_length = np.argsort(rows.counts[order] * jitter, kind="stable")
        blocks = np.split(by_length, batch_bounds(len(order), self.config.batch_size)[1:-1])
        by_size: dict[int, list[NDArray[np.int64]]] = {}
        for block in sorted(blocks, key=lambda block: int(block[0])):
            by_size.setdefault(len(block), []).append(block)
        visited: NDArray[np.int64] = order[np.concatenate([by_size[len(block)].pop() for block in blocks])]
        return visited

    def loss(self, batch: Batch, progress: TrainingProgress) -> Loss:
        """Negative evidence lower bound of the next items, one value per user."""
        config = self.config
        steps = (batch.counts - 1).clamp(min=0)
        packed = Packed.of(batch, steps.cpu().numpy())
        mu, raw = self.encode(batch, packed)
        logvar = 2 * raw if config.variance == "author" else raw
        noise = progress.noise.normal_entries(config.latent)[packed.entries]
        z = mu + torch.exp(logvar / 2) * noise
        targets = next_items(batch, packed, config.next_items)
        per_step = 1 / steps.clamp(min=1).float()
        first = steps.clamp(min=1, max=config.next_items).float()
        shares = (per_step if config.reduction == "per_step" else torch.ones_like(per_step)) / first
        hidden = torch.tanh(self.up(pad_rows(z)))[: len(z)]
        nll = next_item_nll(self.last, hidden, targets, shares[packed.rows], _dtype(hidden))
        by_dimension = normal_kl_by_dimension(mu, raw)
        zero = torch.zeros(len(batch), device=mu.device)
        reconstruction = zero.index_add(0, packed.rows, nll * shares[packed.rows])
        kl_steps = torch.zeros(len(batch), mu.shape[1], device=mu.device).index_add(0, packed.rows, by_dimension)
        kl_by_dimension = kl_steps * per_step[:, None]
        kl = kl_by_dimension.sum(1)
        beta = self.beta(progress)
        parts: dict[str, Tensor | float] = {
            "reconstruction": reconstruction,
            "kl": kl,
            "beta": beta,
            "kl_by_dimension": kl_by_dimension,
        }
        return Loss(reconstruction + beta * kl, parts)

    def encode(self, batch: Batch, packed: Packed) -> tuple[Tensor, Tensor]:
        """Mean and second output of q(z_t | x_1..x_t) at every position, (positions, latent) float32 each."""
        read = nn.functional.embedding(batch.items[packed.entries], self.embedding)
        mu, raw = self._posterior(pad_rows(self.gru(read, packed)))
        return mu[: len(read)], raw[: len(read)]

    def score_batch(self, batch: Batch) -> Tensor:
        """Logits of what comes after the whole history, z = mu; averaged over orders where there is none."""
        at_once = max(1, int(_POSITIONS_AT_ONCE / max(1.0, len(batch.items) / max(1, len(batch)))))
        if len(batch) > at_once:
            starts = range(0, len(batch), at_once)
            return torch.cat([self.score_batch(batch.rows(at, min(at + at_once, len(batch)))) for at in starts])
        if batch.ordered:
            return self._after(batch)
        return torch.stack([self._after(_shuffled(batch, number)) for number in range(_ORDERS)]).mean(0)

    def _after(self, batch: Batch) -> Tensor:
        packed = Packed.of(batch, batch.counts.cpu().numpy())
        states = self.gru(nn.functional.embedding(batch.items[packed.entries], self.embedding), packed)
        states = torch.cat([states, torch.zeros(1, states.shape[1], device=states.device)])  # for empty histories
        mu, _ = self._posterior(states[packed.ends])
        logits: Tensor = self.last(torch.tanh(self.up(mu)))
        return logits

    def _posterior(self, states: Tensor) -> tuple[Tensor, Tensor]:
        mu, raw = self.posterior(torch.tanh(self.down(states))).float().chunk(2, dim=1)
        return mu, raw

    def beta(self, progress: TrainingProgress) -> float:
        """Weight of the KL divergence: users seen over `anneal_users`, up to the cap."""
        updates = progress.update
        if self.config.annealing == "epoch":
            updates -= (progress.epoch - 1) * math.ceil(self.shape.users / self.config.batch_size)
        cap, users = float(self.config.beta_cap), int(self.config.anneal_users)
        return min(cap, updates * int(self.config.batch_size) / users)

    def learning_rate(self, epoch: int) -> float:
        """Shrinking by `decay` after every epoch."""
        return float(self.config.learning_rate) * float(self.config.decay ** (epoch - 1))

    def optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Adam with the penalty on every parameter."""
        return super().optimiser([group | {"weight_decay": self.config.weight_decay} for group in groups])


def next_items(batch: Batch, packed: Packed, k: int) -> Tensor:
    """The k items after each position, (positions, k); -1 behind the end of a history."""
    ends = batch.offsets[1:][packed.rows]
    places = packed.entries[:, None] + torch.arange(1, k + 1, device=packed.entries.device)
    inside = places < ends[:, None]
    return torch.where(inside, batch.items[places.clamp(max=len(batch.items) - 1)], -1)


def _dtype(like: Tensor) -> torch.dtype:
    return like.dtype if like.dtype == torch.bfloat16 else torch.float32


def _shuffled(batch: Batch, number: int) -> Batch:
    """The same histories in another order, which depends on each history's items and the number alone."""
    items, offsets = batch.items.cpu().numpy().copy(), batch.offsets.cpu().numpy()
    for start, stop in pairwise(offsets):
        row = np.sort(items[start:stop])
        key = int.from_bytes(blake2b(row.tobytes(), digest_size=8).digest(), "big")
        items[start:stop] = np.random.default_rng([key, number]).permutation(row)
    return batch.reordered(torch.from_numpy(items).to(batch.items.device))
