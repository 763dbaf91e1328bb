"""Random: the lower bound of all baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recdash.models.base import ClosedFormModel
from recdash.models.batch import Batch
from recdash.models.data_shape import DataShape
from recdash.settings import Config


@dataclass(frozen=True, kw_only=True)
class RandomConfig(Config):
    """Random has no settings."""

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        return cls()


class Random(ClosedFormModel):
    """Ranks items in an order that depends on the history and the seed alone."""

    name: ClassVar[str] = "random"
    title: ClassVar[str] = "Random"
    about: ClassVar[str] = "Items in random order; lower bound for any metric."
    source: ClassVar[str] = "baseline"
    config_class: ClassVar[type[Config]] = RandomConfig
    accepts_empty_history: ClassVar[bool] = True
    uses_history: ClassVar[bool] = False

    def solve(self, train: Any) -> Self:
        """Draw one number per item; the histories are not read."""
        keys = np.random.default_rng(self.seed).integers(2**63, size=self.shape.items)
        self.load_tensors({"keys": torch.from_numpy(keys)})
        return self

    @property
    def n_parameters(self) -> int:
        """0: the numbers are drawn, not learned."""
        return 0

    def score_batch(self, batch: Batch) -> Tensor:
        """Return uniform numbers in [0, 1), (rows, items); the order of items in a history does not matter."""
        keys = self.tensors()["keys"].cpu().numpy().astype(np.uint64)
        of_rows = np.zeros(len(batch), np.uint64)  # (rows,)
        np.add.at(of_rows, batch.row_of.cpu().numpy(), _mix(keys[batch.items.cpu().numpy()]))
        mixed = _mix(_mix(of_rows)[:, None] + keys)  # (rows, 1) + (items,) -> (rows, items)
        return torch.from_numpy((mixed >> np.uint64(40)).astype(np.float32) / 2**24).to(batch.items.device)


def _mix(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele et al., OOPSLA 2014): every bit of the result depends on every input bit."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
