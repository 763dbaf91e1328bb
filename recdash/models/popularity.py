"""Popularity: the non-personalised baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from recdash.data.histories import Histories
from recdash.models.base import ClosedFormModel
from recdash.models.batch import Batch
from recdash.models.data_shape import DataShape
from recdash.settings import Config


@dataclass(frozen=True, kw_only=True)
class PopularityConfig(Config):
    """Popularity has no settings."""

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        return cls()


class Popularity(ClosedFormModel):
    """Ranks items by their number of training users."""

    name: ClassVar[str] = "popularity"
    title: ClassVar[str] = "Popularity"
    about: ClassVar[str] = "Items ranked by number of training users; the same list for everyone."
    source: ClassVar[str] = "baseline"
    config_class: ClassVar[type[Config]] = PopularityConfig
    accepts_empty_history: ClassVar[bool] = True
    uses_history: ClassVar[bool] = False

    def solve(self, train: Any) -> Self:
        """Count the training users of every item."""
        rows = Histories.from_any(train, self.shape.items)
        counts = np.bincount(rows.items, minlength=self.shape.items)
        self.load_tensors({"counts": torch.from_numpy(counts.astype(np.float32))})
        return self

    def score_batch(self, batch: Batch) -> Tensor:
        """Return the counts for every row, (rows, items)."""
        return self.tensors()["counts"].repeat(len(batch), 1)  # (items,) -> (rows, items)
