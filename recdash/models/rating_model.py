"""`RatingModel`: what all models that predict ratings share."""

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

RARE_ITEM_PENALTY = 1e6  # stars; far below any prediction
MIN_RATINGS_TO_RANK = 5  # items with fewer training ratings are never recommended
PAPER_DEFAULT_RATING = 3.0  # AutoRec, WWW 2015: prediction for users or items without training ratings
RATINGS_PREFIX = "observed."  # prefix of the training ratings in a checkpoint
PAIRS_PER_CHUNK = 1 << 16  # on a GPU their vectors are gathered: 0.3 GB at 500 units


class TrainingRatings:
    """The training ratings that a model stores: rows by user, counts and the mean."""

    def __init__(self, train: Histories) -> None:
        if train.values is None:
            raise DataError("These histories have no ratings, which a rating model requires. Use a ranking model.")
        self.rows, self.values = train, train.values
        self.user_counts = train.counts
        self.item_counts = np.bincount(train.items, minlength=train.n_items)
        self.mean = float(self.values.mean(dtype=np.float64)) if train.n_entries else 0.0

    def tensors(self) -> dict[str, Tensor]:
        """Return the rows as tensors for a checkpoint."""
        parts = {"indptr": self.rows.indptr, "items": self.rows.items, "values": self.values}
        tensors = {RATINGS_PREFIX + name: torch.from_numpy(np.ascontiguousarray(part)) for name, part in parts.items()}
        return tensors | {f"{RATINGS_PREFIX}n_items": torch.tensor([self.rows.n_items])}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> TrainingRatings:
        """Restore the ratings from `tensors`."""
        part = {
            name.removeprefix(RATINGS_PREFIX): t.cpu().numpy()
            for name, t in tensors.items()
            if name.startswith(RATINGS_PREFIX)
        }
        return cls(Histories(part["indptr"], part["items"], part["values"], int(part["n_items"][0])))


class RatingModel(Model):
    """A model of the task "rating": `predict` for pairs of known users and items, `score` for any user's ratings."""

    task: ClassVar[Task] = "rating"
    lowest_listed: ClassVar[float] = -RARE_ITEM_PENALTY / 2
    training_ratings: TrainingRatings
    _codes: Tensor | None = None

    def set_training_ratings(self, train: Histories) -> None:
        """Store the training ratings; called once, before training."""
        self.training_ratings = TrainingRatings(train)

    def encode_training_rows(self) -> Tensor:
        """Return the decoder input of every training row, (rows, width); for models with an encoder."""
        raise NotImplementedError

    @property
    def codes(self) -> Tensor:
        """Result of `encode_training_rows`, computed once and cached until the weights change."""
        if self._codes is None:
            with torch.no_grad():
                self._codes = self.encode_training_rows().float()
        return self._codes

    def clear_codes(self) -> None:
        """Drop the cached codes; called when the weights are about to change."""
        self._codes = None

    def clear_caches(self) -> None:
        """Drop the codes, which are on the device of the weights."""
        self.clear_codes()

    @property
    def n_parameters(self) -> int:
        """Number of learned values; the stored training ratings do not count."""
        return sum(tensor.numel() for name, tensor in self.tensors().items() if not name.startswith(RATINGS_PREFIX))

    @abstractmethod
    def predict_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """Return unclipped predictions, (pairs,), for pairs whose user and item both have training ratings."""

    def predict(self, users: Any, items: Any) -> NDArray[np.float32]:
        """Predict ratings, clipped to the scale.

        Args:
            users: (pairs,) numbers of training rows, or a single number.
            items: (pairs,) numbers of items, or a single number.

        Returns:
            (pairs,) float32. A pair whose user or item has no training ratings gets the training mean, or 3 with
            `unseen="paper"`.

        Raises:
            UsageError: Users or items are not whole numbers.
            DataError: Users and items differ in length.
        """
        user_rows = whole_numbers(users, "predict: users", UsageError)
        item_indices = whole_numbers(items, "predict: items", UsageError)
        if len(user_rows) != len(item_indices):
            raise DataError(f"predict: {len(user_rows)} users and {len(item_indices)} items. Give one item per user.")
        known = self.have_training_ratings(user_rows, item_indices)
        out = np.full(len(user_rows), self.default_rating(), np.float32)
        known_pairs = np.flatnonzero(known)
        for start in range(0, len(known_pairs), PAIRS_PER_CHUNK):
            chunk = known_pairs[start : start + PAIRS_PER_CHUNK]
            with torch.no_grad():
                pairs = (torch.from_numpy(part[chunk]).to(self.device) for part in (user_rows, item_indices))
                out[chunk] = self.predict_pairs(*pairs).float().cpu().numpy()
        low, high = self.scale
        return out.clip(low, high)

    def have_training_ratings(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether user and item of each pair have training ratings, (pairs,)."""
        known = (
            (users >= 0) & (users < len(self.training_ratings.user_counts)) & (items >= 0) & (items < self.shape.items)
        )
        seen = np.zeros(len(users), np.bool_)
        seen[known] = (self.training_ratings.user_counts[users[known]] > 0) & (
            self.training_ratings.item_counts[items[known]] > 0
        )
        return seen

    def default_rating(self) -> float:
        """Return the prediction for pairs whose user or item has no training ratings."""
        return PAPER_DEFAULT_RATING if getattr(self.config, "unseen", "mean") == "paper" else self.training_ratings.mean

    @property
    def scale(self) -> tuple[float, float]:
        """Lowest and highest rating."""
        if self.shape.scale is not None:
            return self.shape.scale
        return float(self.training_ratings.values.min()), float(self.training_ratings.values.max())

    def ratings_of(self, batch: Batch) -> Tensor:
        """Return the ratings of a batch, (entries,); picks without ratings count as 7/8 of the way up the scale."""
        low, high = self.scale
        pick_rating = low + 0.875 * (high - low)  # 4.5 on a scale of 1 to 5
        return (
            torch.full((len(batch.items),), pick_rating, device=batch.items.device)
            if batch.values is None
            else batch.values
        )

    def demote_rare_items(self, predictions: Tensor) -> Tensor:
        """Return predictions (rows, items) with items of too few training ratings ranked below all others."""
        is_rare = torch.from_numpy(self.training_ratings.item_counts < MIN_RATINGS_TO_RANK).to(predictions.device)
        if bool(is_rare.all()):
            return predictions
        return torch.where(is_rare, predictions - RARE_ITEM_PENALTY, predictions)
