"""SVAE: a sequential variational autoencoder of next items (Sachdeva et al., WSDM 2019; the authors' code)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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
    SMALL_DATA_USERS,
    GradientConfig,
    GradientModel,
    Loss,
    ScoreKind,
    TrainingProgress,
    read_only_array,
)
from recdash.models.batch import Batch, batch_bounds
from recdash.models.data_shape import DataShape
from recdash.models.gru import Gru, PackedSequences, pad_rows
from recdash.models.losses import normal_kl_by_dimension
from recdash.models.next_item_loss import next_item_nll
from recdash.models.svae_step import StepData, StepWeights, nll_and_kl
from recdash.settings import setting

_N_ORDERS = 8  # random orders to average over when a history has no order
_POSITIONS_PER_CHUNK = 1 << 14  # positions scored at once: about 100 MB of states and gates
_LENGTH_JITTER = 0.1  # relative random change of lengths before sorting, which varies the batches


@dataclass(frozen=True, kw_only=True)
class SVAEConfig(GradientConfig):
    """Settings of SVAE."""

    search_space: ClassVar[dict[str, str]] = {
        "learning_rate": "log:0.0005..0.01",
        "beta_cap": "log:0.001..0.2",
        "recurrent": "choice:100,200,300",
        "next_items": "1..10",
        "weight_decay": "log:1e-06..0.001",
    }
    embedding: int = setting(256, low=1, high=20_000, unit="units", help="width of the item embeddings")
    recurrent: int = setting(200, low=1, high=20_000, unit="units", help="width of the gated recurrent unit")
    hidden_width: int = setting(
        150, low=1, high=20_000, unit="units", help="width of the layers before and after the latent layer"
    )
    latent: int = setting(64, low=1, high=20_000, unit="units", help="width of the latent layer")
    next_items: int = setting(
        4, low=1, high=100, unit="items", help="number of next items to predict at each step, k in the paper"
    )
    reduction: str = setting(
        "per_step",
        choices=("per_step", "author"),
        help="reduction over a user's steps: means, or as the authors, a sum of likelihoods and a mean KL divergence",
    )
    variance: str = setting(
        "log_variance",
        choices=("log_variance", "author"),
        help="meaning of the encoder's second output: log-variance, or as the authors, log-sd in sampling only",
    )
    annealing: str = setting(
        "global",
        choices=("global", "epoch"),
        help="annealing of beta over the whole training, or restarted in every epoch as in the authors' code",
    )
    beta_cap: float = setting(0.005, low=0, high=10, help="maximum weight of the KL divergence")
    anneal_users: int = setting(
        200_000,
        low=1,
        high=10**9,
        unit="users",
        help="number of users after which beta would be 1; it rises linearly up to the cap",
    )
    longest: int = setting(
        1000,
        low=2,
        high=1_000_000,
        unit="items",
        help="maximum length of a training history; longer ones are truncated to their latest items",
    )
    decay: float = setting(1.0, low=0.01, high=1, help="factor of the learning rate after every epoch")
    batch_size: int = setting(16, low=1, high=1_000_000, unit="users", help="number of users in one update")
    epochs: int = setting(25, low=1, high=100_000, unit="epochs", help="maximum number of passes over the users")
    patience: int = setting(
        4, low=1, high=100_000, unit="validations", help="early-stopping patience, in validations without improvement"
    )
    weight_decay: float = setting(
        5e-5, low=0, high=100, help="L2 penalty on all parameters, coupled as in Adam; it depends on the reduction"
    )

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        few = shape.users < SMALL_DATA_USERS
        batch = 24 if few else int(np.clip(round(shape.users / 280), 16, 64))
        return cls(batch_size=batch, learning_rate=3e-3, decay=0.8, epochs=20, patience=3 if few else 4)

    def beta_schedule(self, updates_per_epoch: int) -> Callable[[int], float]:
        """Return the weight of the KL divergence by updates done: users seen / `anneal_users`, up to the cap."""
        restart = updates_per_epoch if self.annealing == "epoch" else None

        def beta(update: int) -> float:
            counted = update if restart is None else update % restart
            return min(float(self.beta_cap), counted * self.batch_size / self.anneal_users)

        return beta


class SVAE(GradientModel):
    """q(z_t | x_1..x_t) from a recurrent state, p(x_t+1..x_t+k | z_t) by softmax (paper, section 3)."""

    name: ClassVar[str] = "svae"
    title: ClassVar[str] = "SVAE"
    about: ClassVar[str] = "Recurrent variational autoencoder; reads histories in time order."
    source: ClassVar[str] = "Sachdeva et al., WSDM 2019"
    objective: ClassVar[str] = "log-likelihood of the next items"
    config_class: ClassVar[type[GradientConfig]] = SVAEConfig
    needs_order: ClassVar[bool] = True

    @classmethod
    def objective_of(cls, settings: Mapping[str, Any]) -> str:
        """Return what the loss measures: a mean over a user's steps, or a sum as in the authors' code."""
        return cls.objective + (", summed over steps" if settings.get("reduction") == "author" else "")

    def __init__(self, config: SVAEConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.embedding = nn.Parameter(torch.empty(shape.items, config.embedding))
        self.gru = Gru(config.embedding, config.recurrent)
        self.down = nn.Linear(config.recurrent, config.hidden_width)
        self.posterior = nn.Linear(config.hidden_width, 2 * config.latent)
        self.up = nn.Linear(config.latent, config.hidden_width)
        self.last = nn.Linear(config.hidden_width, shape.items)

    @property
    def score_kind(self) -> ScoreKind:
        """Logits of a multinomial distribution over all items."""
        return "softmax"

    @property
    def fixed_shapes(self) -> bool:
        """The number of steps differs from batch to batch."""
        return False

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the weights as the authors' code does: Xavier-normal linear weights, PyTorch's defaults for the rest."""
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
        """Return histories truncated to their latest items."""
        positions = np.arange(train.n_entries) - np.repeat(train.indptr[:-1], train.counts)
        return train.select(positions >= np.repeat(train.counts, train.counts) - self.config.longest)

    def order_batches(self, order: NDArray[np.int64], rows: Histories) -> NDArray[np.int64]:
        """Return an order with users of similar length in one batch, and batches in random order.

        `order`, a random permutation, is the only source of randomness.
        """
        jitter = 1 + _LENGTH_JITTER * (np.arange(len(order)) / max(1, len(order)) - 0.5)
        by_length = np.argsort(rows.counts[order] * jitter, kind="stable")
        blocks = np.split(by_length, batch_bounds(len(order), self.config.batch_size)[1:-1])
        by_size: dict[int, list[NDArray[np.int64]]] = {}
        for block in sorted(blocks, key=lambda block: int(block[0])):
            by_size.setdefault(len(block), []).append(block)
        visited: NDArray[np.int64] = order[np.concatenate([by_size[len(block)].pop() for block in blocks])]
        return visited

    def loss(self, batch: Batch, progress: TrainingProgress) -> Loss:
        """Return the negative evidence lower bound of the next items, one value per user."""
        config = self.config
        steps = (batch.counts - 1).clamp(min=0)  # (rows,): the last item has no next one
        packed = PackedSequences.of(batch, steps.cpu().numpy())
        noise = progress.noise.normal_entries(config.latent)[packed.entries]  # (entries, latent) -> (positions, latent)
        targets = next_items(batch, packed, config.next_items)  # (positions, k)
        per_step = 1 / steps.clamp(min=1).float()  # (rows,)
        first_targets = steps.clamp(min=1, max=config.next_items).float()  # (rows,) targets of the first step
        row_weights = (per_step if config.reduction == "per_step" else torch.ones_like(per_step)) / first_targets
        position_weights = row_weights[packed.rows]  # (rows,) -> (positions,)
        beta = self.beta(progress)
        if self._computes_in_one_pass(batch, packed):
            kl_weights = (beta * per_step)[packed.rows][:, None].expand(-1, config.latent)  # (positions, latent)
            nll, kl_of_positions = self._nll_and_kl(batch, packed, noise, targets, position_weights, kl_weights)
        else:
            nll, kl_of_positions = self._nll_and_kl_by_layers(batch, packed, noise, targets, position_weights)
        zero = torch.zeros(len(batch), device=nll.device)
        reconstruction = zero.index_add(0, packed.rows, nll * position_weights)  # (positions,) -> (rows,)
        # (positions, latent) -> (rows, latent)
        kl_sums = torch.zeros(len(batch), config.latent, device=nll.device).index_add(0, packed.rows, kl_of_positions)
        kl_by_dimension = kl_sums * per_step[:, None]  # mean over the steps
        kl = kl_by_dimension.sum(1)  # (rows, latent) -> (rows,)
        weighted_kl = beta * kl
        parts: dict[str, Tensor | float] = {
            "reconstruction": reconstruction,
            "kl": kl,
            "weighted_kl": weighted_kl,
            "beta": beta,
            "kl_by_dimension": kl_by_dimension,
        }
        return Loss(reconstruction + weighted_kl, parts)

    def _computes_in_one_pass(self, batch: Batch, packed: PackedSequences) -> bool:
        """Whether `svae_step` applies: on the processor, with the recurrence of `Gru`."""
        return batch.items.device.type == "cpu" and type(self.gru) is Gru and bool(packed.sizes)

    def _nll_and_kl(
        self,
        batch: Batch,
        packed: PackedSequences,
        noise: Tensor,
        targets: Tensor,
        nll_weights: Tensor,
        kl_weights: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return what `_nll_and_kl_by_layers` does, all gradients computed with it."""
        items, occurrences = torch.unique(batch.items[packed.entries], return_inverse=True)
        embedded = nn.functional.embedding(items, self.embedding)  # (different items, embedding)
        weights: list[Tensor] = [self.gru.weight_ih, self.gru.bias_ih, self.gru.weight_hh, self.gru.bias_hh]
        for layer in (self.down, self.posterior, self.up, self.last):
            weights += [layer.weight, layer.bias]
        sd_factor = 1.0 if self.config.variance == "author" else 0.5
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
        data = StepData(packed, occurrences, noise, targets, sd_factor, dtype)
        return nll_and_kl(embedded, StepWeights(*weights), data, nll_weights, kl_weights)

    def _nll_and_kl_by_layers(
        self, batch: Batch, packed: PackedSequences, noise: Tensor, targets: Tensor, nll_weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return negative log-likelihood, (positions,), and KL divergence, (positions, latent), of every position."""
        mu, raw = self.encode(batch, packed)  # (positions, latent) each
        logvar = 2 * raw if self.config.variance == "author" else raw
        z = mu + torch.exp(logvar / 2) * noise
        hidden = torch.tanh(self.up(pad_rows(z)))[: len(z)]  # (positions, latent) -> (positions, hidden_width)
        nll = next_item_nll(self.last, hidden, targets, nll_weights, _dtype(hidden))
        return nll, normal_kl_by_dimension(mu, raw)

    def encode(self, batch: Batch, packed: PackedSequences) -> tuple[Tensor, Tensor]:
        """Return mean and second output of q(z_t | x_1..x_t) at every position, (positions, latent) float32 each."""
        embedded = nn.functional.embedding(batch.items[packed.entries], self.embedding)  # (positions, embedding)
        states = self.gru(embedded, packed)  # (positions, embedding) -> (positions, recurrent)
        mu, raw = self._posterior(pad_rows(states))
        return mu[: len(embedded)], raw[: len(embedded)]

    def score_batch(self, batch: Batch) -> Tensor:
        """Return the logits after the whole history at z = mu, (rows, items); unordered rows average over orders."""
        rows = max(1, int(_POSITIONS_PER_CHUNK / max(1.0, len(batch.items) / max(1, len(batch)))))
        if len(batch) > rows:
            starts = range(0, len(batch), rows)
            return torch.cat([self.score_batch(batch.rows(at, min(at + rows, len(batch)))) for at in starts])
        if batch.ordered:
            return self._last_logits(batch)
        return torch.stack([self._last_logits(_shuffled(batch, number)) for number in range(_N_ORDERS)]).mean(0)

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the weights of the output layer, (items, hidden_width)."""
        return read_only_array(self.last.weight)

    def _last_logits(self, batch: Batch) -> Tensor:
        """Logits after the last item of each history, (rows, items)."""
        packed = PackedSequences.of(batch, batch.counts.cpu().numpy())
        embedded = nn.functional.embedding(batch.items[packed.entries], self.embedding)  # (positions, embedding)
        states = self.gru(embedded, packed)  # (positions, embedding) -> (positions, recurrent)
        initial = torch.zeros(1, states.shape[1], device=states.device)  # state of an empty history, whose end is -1
        states = torch.cat([states, initial])  # (positions + 1, recurrent)
        mu, _ = self._posterior(states[packed.ends])  # (rows, recurrent) -> (rows, latent)
        logits: Tensor = self.last(torch.tanh(self.up(mu)))  # (rows, latent) -> (rows, items)
        return logits

    def _posterior(self, states: Tensor) -> tuple[Tensor, Tensor]:
        # (positions, recurrent) -> (positions, 2 * latent) -> 2 x (positions, latent)
        mu, raw = self.posterior(torch.tanh(self.down(states))).float().chunk(2, dim=1)
        return mu, raw

    def beta(self, progress: TrainingProgress) -> float:
        """Return the weight of the KL divergence at an update."""
        updates_per_epoch = math.ceil(self.shape.users / self.config.batch_size)
        return float(self.config.beta_schedule(updates_per_epoch)(progress.update))

    def learning_rate(self, epoch: int) -> float:
        """Return the learning rate, multiplied by `decay` after every epoch."""
        return float(self.config.learning_rate) * float(self.config.decay ** (epoch - 1))

    def optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return Adam with weight decay on every parameter."""
        return super().optimiser([group | {"weight_decay": self.config.weight_decay} for group in groups])


def next_items(batch: Batch, packed: PackedSequences, k: int) -> Tensor:
    """Return the k items after each position, (positions, k); -1 after the end of a history."""
    ends = batch.offsets[1:][packed.rows]  # (rows,) -> (positions,)
    # (positions, 1) + (k,) -> (positions, k)
    entries = packed.entries[:, None] + torch.arange(1, k + 1, device=packed.entries.device)
    inside = entries < ends[:, None]
    return torch.where(inside, batch.items[entries.clamp(max=len(batch.items) - 1)], -1)


def _dtype(like: Tensor) -> torch.dtype:
    return like.dtype if like.dtype == torch.bfloat16 else torch.float32


def _shuffled(batch: Batch, number: int) -> Batch:
    """Return the same histories in another order, which depends on each history's items and the number alone."""
    items, offsets = batch.items.cpu().numpy().copy(), batch.offsets.cpu().numpy()
    for start, stop in pairwise(offsets):
        row = np.sort(items[start:stop])
        key = int.from_bytes(blake2b(row.tobytes(), digest_size=8).digest(), "big")
        items[start:stop] = np.random.default_rng([key, number]).permutation(row)
    return batch.reordered(torch.from_numpy(items).to(batch.items.device))
