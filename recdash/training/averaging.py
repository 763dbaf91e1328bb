"""`WeightAverage`: an exponential moving average of a model's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from recdash.models.base import GradientModel


class WeightAverage:
    """Exponential moving average of the weights, one step per epoch.

    Args:
        model: The model whose parameters are averaged.
        decay: Share of the average that stays from epoch to epoch; 0 turns averaging off.
    """

    def __init__(self, model: GradientModel, decay: float) -> None:
        self.model, self.decay = model, decay
        self.weights: dict[str, Tensor] = {}

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the current weights; the first call copies them."""
        if self.decay == 0:
            return
        for name, parameter in self.model.named_parameters():
            if name in self.weights:
                self.weights[name].lerp_(parameter, 1 - self.decay)
            else:
                self.weights[name] = parameter.detach().clone()

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model its averaged weights inside the block, and its own ones after it."""
        own = {name: parameter.detach().clone() for name, parameter in self.model.named_parameters() if self.weights}
        self.apply()
        try:
            yield
        finally:
            self._copy(own)

    def apply(self) -> None:
        """Give the model its averaged weights, where there are any."""
        self._copy(self.weights)

    def load(self, weights: dict[str, Tensor]) -> None:
        """Restore the average from a training state."""
        self.weights = {name: tensor.to(self.model.device).clone() for name, tensor in weights.items()}

    @torch.no_grad()
    def _copy(self, weights: dict[str, Tensor]) -> None:
        for name, parameter in self.model.named_parameters():
            if name in weights:
                parameter.copy_(weights[name])
