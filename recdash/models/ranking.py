"""The best items of each user from a model's scores: seen items are excluded, ties go to the lower item index."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recdash.data.histories import Histories
from recdash.errors import DataError, TrainingError


class TopItems(NamedTuple):
    """The best items of each user.

    Attributes:
        items: (users, k) int32 item indices, best first; -1 after the last item of a list.
        scores: (users, k) float32 scores of these items; minus infinity after the last item.
    """

    items: NDArray[np.int32]
    scores: NDArray[np.float32]


class ScoresChunks(Protocol):
    """What `top_items` needs of a model."""

    def score_chunks(
        self, histories: Histories, users: NDArray[np.int64] | None = None
    ) -> Iterator[tuple[slice, Tensor]]:
        """Yield slices of rows and their scores, (rows of the slice, items)."""


def top_items(
    model: ScoresChunks,
    histories: Histories,
    k: int,
    *,
    seen: Histories | None = None,
    train_rows: NDArray[np.int64] | None = None,
    lowest: float = -inf,
) -> TopItems:
    """Return the k best items of every user, in chunks that bound memory.

    Args:
        model: A trained model.
        histories: What the model reads of each user.
        k: Length of a list.
        seen: Items that are not listed, one row per user; by default those of the histories.
        train_rows: (users,) training rows of the users, if the model was trained on them.
        lowest: Only items with a higher score are listed.

    Raises:
        DataError: `seen` has another number of users.
        TrainingError: A score is NaN or infinite.
    """
    seen = histories if seen is None else seen
    if len(seen) != len(histories):
        raise DataError(f"seen: {len(seen)} users, but {len(histories)} histories. Give one row for each user.")
    items, scores = np.full((len(histories), k), -1, np.int32), np.full((len(histories), k), -np.inf, np.float32)
    for rows, all_scores in model.score_chunks(histories, train_rows) if k else ():
        best, indices = top_k(mask_seen(all_scores, seen.slice(rows.start, rows.stop)), k)
        is_listed, width = best > lowest, best.shape[1]
        scores[rows, :width] = torch.where(is_listed, best, -torch.inf).cpu().numpy()
        items[rows, :width] = torch.where(is_listed, indices, -1).cpu().numpy()
    return TopItems(items, scores)


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k best items of each row; among equal scores the lower index comes first.

    `torch.topk` returns an arbitrary one of several items that tie for the last place, so rows with such a tie
    are sorted completely.

    Args:
        scores: (rows, items).
        k: Number of items per row, at least 1; at most all of them.

    Returns:
        Scores and item indices, (rows, min(k, items)) each.
    """
    k = min(k, scores.shape[1])
    values, items = torch.topk(scores, k, dim=1)  # (rows, items) -> (rows, k)
    items, by_index = items.sort(dim=1)  # by index first, so that the stable sort by score breaks ties by index
    values, order = values.gather(1, by_index).sort(dim=1, descending=True, stable=True)
    items = items.gather(1, order)
    last = values[:, -1:]
    tied = (scores == last).sum(dim=1) > (values == last).sum(dim=1)
    if bool(tied.any()):
        all_values, all_items = scores[tied].sort(dim=1, descending=True, stable=True)  # (tied rows, items)
        values[tied], items[tied] = all_values[:, :k], all_items[:, :k]
    return values, items


def mask_seen(scores: Tensor, seen: Histories) -> Tensor:
    """Set the scores of each row's seen items to minus infinity, in place.

    Args:
        scores: (rows, items).
        seen: Seen items of the same rows.

    Returns:
        The same tensor.

    Raises:
        TrainingError: A score is NaN or infinite, so that there is no ranking.
    """
    if not bool(torch.isfinite(scores).all()):
        raise TrainingError(
            "The model's scores contain NaN or infinity and cannot be ranked. Lower the learning rate and train again."
        )
    rows = torch.from_numpy(seen.row_of).to(scores.device)
    items = torch.from_numpy(seen.items.astype(np.int64)).to(scores.device)
    scores[rows, items] = -torch.inf
    return scores
