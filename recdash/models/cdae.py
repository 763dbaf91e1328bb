"""CDAE: a denoising autoencoder with a vector for every user (Wu et al., WSDM 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recdash.models.base import (
    GradientConfig,
    GradientModel,
    Loss,
    ScoreKind,
    TrainingProgress,
    read_only_array,
)
from recdash.models.batch import Batch
from recdash.models.data_shape import DataShape
from recdash.models.item_output import ItemOutput
from recdash.models.layers import SparseLinear, initialise_uniform, sparse_product
from recdash.models.losses import at_entries, bernoulli_nll
from recdash.settings import setting

_FIT_OUTPUTS = 1 << 18  # outputs at a time while new users are fitted: 1 MiB, which stays in the CPU cache
_ACTIVATIONS = {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "identity": lambda x: x}


@dataclass(frozen=True, kw_only=True)
class CDAEConfig(GradientConfig):
    """Settings of CDAE."""

    search_space: ClassVar[dict[str, str]] = {
        "learning_rate": "log:0.0005..0.02",
        "weight_decay": "log:0.001..1",
        "latent": "choice:100,200,400",
        "dropout": "0.1..0.8",
    }
    latent: int = setting(200, low=1, high=20_000, unit="units", help="width of the hidden layer, K in the paper")
    dropout: float = setting(0.5, low=0, high=1, help="dropout probability q of a positive in the input")
    activation: str = setting(
        "tanh", choices=("tanh", "sigmoid", "identity"), help="activation of the hidden layer, h in the paper"
    )
    likelihood: str = setting(
        "logistic", choices=("logistic", "square"), help="loss of one item: logistic on a sigmoid, or square"
    )
    weighting: str = setting(
        "all",
        choices=("all", "sampled"),
        help="weight of an item without interaction: 1, or its expectation under negative sampling",
    )
    negatives: float = setting(5.0, low=0, high=1000, help="number of negatives per positive with weighting = sampled")
    weight_decay: float = setting(
        0.1, low=0, high=100, help="L2 penalty on weights and user vectors, decoupled as in AdamW"
    )
    formula: str = setting(
        "paper",
        choices=("paper", "published"),
        help="input scaling and initial weights: the paper's, or the published table's, whose scores depend on the "
        "batch",
    )
    newcomer: str = setting(
        "fit",
        choices=("fit", "mean"),
        help="vector of a new user (cold start): fitted to the picks, or the mean of all users",
    )
    fit_steps: int = setting(20, low=1, high=1000, unit="steps", help="number of gradient steps with newcomer = fit")
    fit_rate: float = setting(0.02, low=1e-6, high=10, help="learning rate with newcomer = fit")

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        batch = int(np.clip(round(shape.users / 35), 8, 1000))
        return cls(batch_size=batch, learning_rate=3e-3, epochs=60, patience=8)


class CDAE(GradientModel):
    """y_i = f(w_i . h(W x + V_u + b) + b_i), x with positives dropped out (paper, equations 6 and 7)."""

    name: ClassVar[str] = "cdae"
    title: ClassVar[str] = "CDAE"
    about: ClassVar[str] = "Denoising autoencoder with one vector per user."
    source: ClassVar[str] = "Wu et al., WSDM 2016"
    objective: ClassVar[str] = "logistic log-likelihood"
    config_class: ClassVar[type[GradientConfig]] = CDAEConfig

    @classmethod
    def objective_of(cls, settings: Mapping[str, Any]) -> str:
        """Return what the loss measures: a setting chooses the likelihood, another one the weights of the items."""
        square = settings.get("likelihood") == "square"
        return ("squared error" if square else cls.objective) + (
            ", sampled negatives" if settings.get("weighting") == "sampled" else ""
        )

    def __init__(self, config: CDAEConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.first = SparseLinear(shape.items, config.latent)
        self.users = nn.Parameter(torch.empty(shape.users, config.latent))
        self.last = ItemOutput(config.latent, shape.items)

    @property
    def score_kind(self) -> ScoreKind:
        """Logits of each item's own probability with the logistic loss; numbers of no unit with the square loss."""
        return "sigmoid" if self.config.likelihood == "logistic" else "relative"

    @property
    def fixed_shapes(self) -> bool:
        """The published input counts the batch's items, which a recorded update cannot."""
        return bool(self.config.formula == "paper")

    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights and user vectors uniformly, with the Xavier bound of the item layers; biases are 0."""
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
        """Return the loss over all items given the corrupted row and the user's vector, (rows,) (equation 8)."""
        entries = self._entries(batch) * progress.noise.dropout_mask(self.config.dropout)
        # (entries,) -> (rows, latent)
        hidden = self._hidden(self.first(batch, entries) + self._vectors(batch))
        reconstruction = self._reconstruction(self.last(hidden), batch)  # (rows, items) -> (rows,)
        return Loss(reconstruction, {"reconstruction": reconstruction})

    def score_batch(self, batch: Batch) -> Tensor:
        """Return the outputs before f, (rows, items); new users get a vector according to the setting `newcomer`."""
        item_part = self.first(batch, self._entries(batch))  # (entries,) -> (rows, latent)
        vectors = self.users[batch.users] if batch.users is not None else self.new_user_vectors(batch, item_part)
        scores: Tensor = self.last(self._hidden(item_part + vectors))  # (rows, latent) -> (rows, items)
        return scores

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the weights of the output layer, (items, latent)."""
        return read_only_array(self.last.weight)

    def new_user_vectors(self, batch: Batch, item_part: Tensor) -> Tensor:
        """Return vectors of new users, with all weights fixed.

        `newcomer="mean"` takes the mean of the trained vectors. `"fit"` starts there and takes Adam steps on each
        row's own loss, so that rows do not influence each other.

        Args:
            batch: Histories of the new users.
            item_part: (rows, latent) output of the item layer for these rows.

        Returns:
            (rows, latent).
        """
        mean = self.users.detach().mean(0).repeat(len(batch), 1)  # (users, latent) -> (rows, latent)
        if self.config.newcomer == "mean":
            return mean
        with torch.no_grad():
            return self._fitted_vectors(batch, item_part, mean)

    def _fitted_vectors(self, batch: Batch, item_part: Tensor, mean: Tensor) -> Tensor:
        """Take Adam steps from `mean` (rows, latent) on the loss of each row, by its gradient alone.

        With slope s of an output (the sigmoid, or twice the output) and weight z of zeros, the gradient with respect to
        an output is z s, and s - t at a positive, where t is 1 or 2. The product of t with the weights is the same in
        every step. On the CPU the products go over blocks of items, whose outputs stay in the cache.
        """
        weight, bias = self.last.weight, self.last.bias  # (items, latent), (items,)
        columns = weight.t().contiguous()  # (latent, items): the layout in which both products are fast
        zeros, target = self._weight_of_zeros(batch), 1.0 if self.config.likelihood == "logistic" else 2.0
        constant = sparse_product(weight, torch.full_like(batch.items, target, dtype=weight.dtype), batch)
        width = max(1, _FIT_OUTPUTS // max(1, len(batch))) if self.device.type == "cpu" else self.shape.items
        vectors = mean.clone()
        adam = torch.optim.Adam([vectors], lr=self.config.fit_rate)
        for _ in range(self.config.fit_steps):
            hidden = self._hidden(item_part + vectors)  # (rows, latent)
            gradient = torch.zeros_like(hidden)
            for start in range(0, self.shape.items, width):
                block = slice(start, start + width)
                slope = self._slope_(torch.addmm(bias[block], hidden, columns[:, block]))  # (rows, block)
                gradient.addmm_(slope, weight[block])  # (rows, block) @ (block, latent) -> (rows, latent)
            if self.config.weighting == "sampled":
                gradient *= zeros[:, None]
                outputs = (hidden[batch.row_of] * weight[batch.items]).sum(1) + bias[batch.items]  # (entries,)
                gradient += sparse_product(weight, (1 - zeros)[batch.row_of] * self._slope_(outputs), batch)
            gradient = (gradient - constant) * self._hidden_slope(hidden)
            vectors.grad = gradient + self.config.weight_decay * (vectors - mean)
            adam.step()
        return vectors

    def _slope_(self, outputs: Tensor) -> Tensor:
        """Replace outputs by the derivative of the loss of an item without interaction, in place."""
        return outputs.sigmoid_() if self.config.likelihood == "logistic" else outputs.mul_(2)

    def _hidden_slope(self, hidden: Tensor) -> Tensor | float:
        """Derivative of the activation, from its value: (rows, latent), or 1."""
        if self.config.activation == "identity":
            return 1.0
        return 1 - hidden.square() if self.config.activation == "tanh" else hidden * (1 - hidden)

    def optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return Adam with decoupled weight decay."""
        fused = self.device.type in ("cpu", "cuda")
        return torch.optim.AdamW(groups, lr=self.config.learning_rate, fused=fused)

    def _initialise_as_published(self, generator: torch.Generator) -> None:
        nn.init.normal_(self.users, generator=generator)
        initialise_uniform([self.first, self.last], generator)

    def _entries(self, batch: Batch) -> Tensor:
        """Value of each positive in the row, (entries,): 1, or as published 1 / (n_u c_i)^(1/4)."""
        if self.config.formula == "paper":
            return torch.ones(len(batch.items), device=batch.items.device)
        columns = torch.bincount(batch.items, minlength=batch.n_items)[batch.items]  # (items,) -> (entries,)
        return (batch.counts[batch.row_of] * columns).float() ** -0.25

    def _vectors(self, batch: Batch) -> Tensor:
        if batch.users is None:
            raise ValueError("CDAE needs the row number of each training user")
        return batch.of_users(self.users)

    def _hidden(self, before: Tensor) -> Tensor:
        after: Tensor = _ACTIVATIONS[self.config.activation](before)
        return after

    def _reconstruction(self, outputs: Tensor, batch: Batch) -> Tensor:
        zeros = self._weight_of_zeros(batch)
        if self.config.likelihood == "logistic":
            return bernoulli_nll(outputs, batch, zeros)
        outputs = outputs.float()
        positives = at_entries(outputs, batch)  # (rows, items) -> (entries,)
        extra = (1 - positives).square() - zeros[batch.row_of] * positives.square()
        total: Tensor = zeros * outputs.square().sum(1)  # (rows, items) -> (rows,)
        return batch.add_to_rows(total, extra)  # (entries,) -> (rows,)

    def _weight_of_zeros(self, batch: Batch) -> Tensor:
        """Weight of an item without interaction, (rows,): the expectation of the paper's sampling, or 1."""
        if self.config.weighting == "all":
            return torch.ones(len(batch), device=batch.items.device)
        counts = batch.counts.float()
        weight: Tensor = self.config.negatives * counts / (batch.n_items - counts).clamp(min=1)
        return weight
