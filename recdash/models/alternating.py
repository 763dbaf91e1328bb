"""`AlternatingModel`: item factors found by solving for users and items in turn (`recdash.training.sweeps`)."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import torch
from torch import Tensor

from recdash.data.histories import Histories
from recdash.models.base import ClosedFormModel


class AlternatingModel(ClosedFormModel):
    """A model whose epochs are closed forms: it solves for the users given the items, then for the items.

    The item factors are all that it learns and stores, so that they are also all that a resumed training needs.
    Its settings have `epochs`, `patience` and `validate_every`, as those of models trained by gradients.
    """

    @abstractmethod
    def initialise(self, generator: torch.Generator) -> None:
        """Draw the item factors, on the CPU, so that a seed gives the same ones on every device."""

    @abstractmethod
    def solve_users(self, rows: Histories) -> Tensor:
        """Return the factors of the training users, (users, latent), given those of the items."""

    @abstractmethod
    def solve_items(self, rows: Histories, users: Tensor) -> float:
        """Solve for the item factors, given those of the training users; return the loss, per user."""

    def solve(self, train: Any) -> Self:
        """Draw the item factors and solve for users and items as often as the setting `epochs` says."""
        rows = Histories.from_any(train, self.shape.items)
        self.initialise(torch.Generator().manual_seed(self.seed))
        for _ in range(self.config.epochs):
            self.solve_items(rows, self.solve_users(rows))
        return self
