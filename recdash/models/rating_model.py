"""What models that predict ratings share: what was observed, the rule for the unseen, clipping, ranking by stars."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recdash.data.array_checks import whole_numbers
from recdash.data.histories import Histories
from recdash.errors import DataError, UsageError
from recdash.models.base import Model, Task
from recdash.models.batch import Batch

FEWEST_TO_RANK = 5  # items with fewer training ratings are never recommended (spec: protocols, B7)
PAPER_UNSEEN = 3.0  # AutoRec, WWW 2015: the prediction for users or items without training ratings
OBSERVED = "observed."  # under this name a checkpoint keeps the training ratings
PAIRS_AT_ONCE = 1 << 13  # so that what is gathered for them stays in the cache: three times as fast as 1 << 16


class Observed:
    """The training ratings as a model keeps them: rows by user, counts, and the mean."""

    def __init__(self, train: Histories) -> None:
        if train.values is None:
            raise DataError("These histories have no ratings, which a rating model learns from. Use a ranking model.")
        self.rows, self.values = train, train.values
        self.user_counts = train.counts
        self.item_counts = np.bincount(train.items, minlength=train.n_items)
        self.mean = float(self.values.mean(dtype=np.float64)) if train.n_entries else 0.0

    def tensors(self) -> dict[str, Tensor]:
        """Return the rows as tensors, for a checkpoint."""
        parts = {"indptr": self.rows.indptr, "items": self.rows.items, "values": self.values}
        kept = {OBSERVED + name: torch.from_numpy(np.ascontiguousarray(part)) for name, part in parts.items()}
        return kept | {f"{OBSERVED}n_items": torch.tensor([self.rows.n_items])}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Observed:
        """Rebuild from `tensors`."""
        part = {
            name.removeprefix(OBSERVED): t.cpu().numpy() for name, t in tensors.items() if name.startswith(OBSERVED)
        }
        return cls(Histories(part["indptr"], part["items"], part["values"], int(part["n_items"][0])))


class RatingModel(Model):
    """A model of the task "rating": `predict` for pairs of known users and items, `score` for anybody's stars."""

    task: ClassVar[Task] = "rating"
    observed: Observed
    _codes: Tensor | None = None

    def observe(self, train: Histories) -> None:
        """Remember the training ratings; called once, before training."""
        self.observed = Observed(train)

    def encode_observed(self) -> Tensor:
        """What the decoder reads for every training row, (rows, width); for models that have such a thing."""
        raise NotImplementedError

    @property
    def codes(self) -> Tensor:
        """`encode_observed`, computed once while the weights rest."""
        if self._codes is None:
            with torch.no_grad():
                self._codes = self.encode_observed().float()
        return self._codes

    def forget_codes(self) -> None:
        """Called when the weights are about to change."""
        self._codes = None

    def clear_caches(self) -> None:
        """Drop the codes, which lie on the device of the weights."""
        self.forget_codes()

    @property
    def n_learned(self) -> int:
        """How many numbers were learned; the training ratings, which the model keeps, do not count."""
        return sum(tensor.numel() for name, tensor in self.tensors().items() if not name.startswith(OBSERVED))

    @abstractmethod
    def predict_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """Unclipped predictions for pairs whose user and item both have training ratings, (pairs,)."""

    def predict(self, users: Any, items: Any) -> NDArray[np.float32]:
        """Predict ratings, clipped to the scale.

        users, items: (pairs,) numbers of training rows and of items, or one number each.  A pair whose user or item has
        no training ratings gets the training mean, or 3 with `unseen="paper"`.  Returns (pairs,) float32.  Raises
        UsageError for what are no whole numbers, DataError when the two differ in length.
        """
        who = whole_numbers(users, "predict: users", UsageError)
        what = whole_numbers(items, "predict: items", UsageError)
        if len(who) != len(what):
            raise DataError(f"predict: {len(who)} users and {len(what)} items. Give one item for each user.")
        seen = self.both_seen(who, what)
        out = np.full(len(who), self.unseen_value(), np.float32)
        places = np.flatnonzero(seen)
        for start in range(0, len(places), PAIRS_AT_ONCE):
            chosen = places[start : start + PAIRS_AT_ONCE]
            with torch.no_grad():
                pairs = (torch.from_numpy(part[chosen]).to(self.device) for part in (who, what))
                out[chosen] = self.predict_pairs(*pairs).float().cpu().numpy()
        low, high = self.scale
        return out.clip(low, high)

    def both_seen(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether user and item of each pair have training ratings."""
        known = (users >= 0) & (users < len(self.observed.user_counts)) & (items >= 0) & (items < self.shape.items)
        seen = np.zeros(len(users), np.bool_)
        seen[known] = (self.observed.user_counts[users[known]] > 0) & (self.observed.item_counts[items[known]] > 0)
        return seen

    def unseen_value(self) -> float:
        """The prediction where user or item is unseen."""
        return PAPER_UNSEEN if getattr(self.config, "unseen", "mean") == "paper" else self.observed.mean

    @property
    def scale(self) -> tuple[float, float]:
        """Lowest and highest rating."""
        if self.shape.scale is not None:
            return self.shape.scale
        return float(self.observed.values.min()), float(self.observed.values.max())

    def ratings_of(self, batch: Batch) -> Tensor:
        """The ratings of a batch; plain picks count as nine tenths of the way up the scale, (entries,)."""
        low, high = self.scale
        liked = low + 0.875 * (high - low)  # 4.5 on a scale of 1 to 5 (spec: models, 1.5)
        return (
            torch.full((len(batch.items),), liked, device=batch.items.device) if batch.values is None else batch.values
        )

    def only_ranked(self, predictions: Tensor) -> Tensor:
        """Push items with too few training ratings below all others, (rows, items)."""
        few = torch.from_numpy(self.observed.item_counts < FEWEST_TO_RANK).to(predictions.device)
        if bool(few.all()):
            return predictions
        return torch.where(few, predictions - 1e6, predictions)
