"""Mult-DAE: a denoising autoencoder with a multinomial likelihood (Liang et al., WWW 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
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
    auto_batch_size,
    read_only_array,
)
from recdash.models.batch import Batch
from recdash.models.data_shape import DataShape
from recdash.models.item_output import ItemOutput
from recdash.models.layers import (
    SparseLinear,
    initialise_xavier,
    l2_normalised,
)
from recdash.settings import setting


@dataclass(frozen=True, kw_only=True)
class MultDAEConfig(GradientConfig):
    """Settings of Mult-DAE."""

    search_space: ClassVar[dict[str, str]] = {
        "learning_rate": "log:0.0003..0.01",
        "weight_decay": "log:1e-06..0.01",
        "hidden": "choice:none,600",
        "latent": "choice:100,200,400",
        "dropout": "0.2..0.8",
    }
    hidden: tuple[int, ...] = setting(
        (),
        low=1,
        high=20_000,
        unit="units",
        help="widths of the layers between items and latent, mirrored in the decoder",
    )
    latent: int = setting(200, low=1, high=20_000, unit="units", help="width of the latent layer")
    dropout: float = setting(0.5, low=0, high=0.99, help="dropout probability of an input item")
    weight_decay: float = setting(
        4e-5,
        low=0,
        high=100,
        help="L2 penalty on weight matrices, coupled as in Adam (twice the lambda of the paper's code)",
    )

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        return cls(batch_size=auto_batch_size(shape), epochs=100, patience=12, averaging=0.85)


class MultDAE(GradientModel):
    """Multinomial denoising autoencoder (Liang et al., WWW 2018, section 2)."""

    name: ClassVar[str] = "multdae"
    title: ClassVar[str] = "Mult-DAE"
    about: ClassVar[str] = "Denoising autoencoder with a softmax output."
    source: ClassVar[str] = "Liang et al., WWW 2018"
    objective: ClassVar[str] = "multinomial log-likelihood"
    config_class: ClassVar[type[GradientConfig]] = MultDAEConfig

    def __init__(self, config: MultDAEConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        widths = [*config.hidden, config.latent, *reversed(config.hidden)]
        self.first = SparseLinear(shape.items, widths[0])
        self.middle = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(widths))
        self.last = ItemOutput(widths[-1], shape.items)

    @property
    def score_kind(self) -> ScoreKind:
        """Logits of a multinomial distribution over all items."""
        return "softmax"

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the weights as the authors' code does."""
        initialise_xavier(self, generator)

    def loss(self, batch: Batch, progress: TrainingProgress) -> Loss:
        """Return the reconstruction loss of the clean row from the corrupted one, nats per user."""
        mask = progress.noise.dropout_mask(self.config.dropout)  # (entries,)
        hidden = self._hidden(batch, l2_normalised(batch) * mask)  # (rows, width)
        reconstruction = self.last.multinomial_nll(hidden, batch)  # (rows, width) -> (rows,)
        return Loss(reconstruction, {"reconstruction": reconstruction})

    def score_batch(self, batch: Batch) -> Tensor:
        """Return the logits of the uncorrupted row, (rows, items)."""
        logits: Tensor = self.last(self._hidden(batch, l2_normalised(batch)))  # (rows, width) -> (rows, items)
        return logits

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the weights of the output layer, (items, width)."""
        return read_only_array(self.last.weight)

    def _hidden(self, batch: Batch, entries: Tensor) -> Tensor:
        hidden = torch.tanh(self.first(batch, entries))  # (entries,) -> (rows, width)
        for layer in self.middle:
            hidden = torch.tanh(layer(hidden))  # (rows, width) -> (rows, next width)
        return hidden
