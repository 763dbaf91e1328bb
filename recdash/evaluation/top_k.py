"""Top-k lists from scores: seen items are excluded, ties go to the lower item index."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recdash.data.histories import Histories
from recdash.errors import TrainingError
from recdash.models.base import Model


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k best items of each row; among equal scores the lower index comes first.

    `torch.topk` returns an arbitrary one of several items that tie for the last place, so rows with such a tie
    are sorted completely.

    Args:
        scores: (rows, items).
        k: Number of items per row; at most all of them.

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


def mask_seen(scores: Tensor, fold_in: Histories) -> Tensor:
    """Set the scores of each row's own items to minus infinity, in place.

    Args:
        scores: (rows, items).
        fold_in: The histories that the scores are for, in the same order.

    Returns:
        The same tensor.

    Raises:
        TrainingError: A score is NaN or infinite, so that there is no ranking.
    """
    if not bool(torch.isfinite(scores).all()):
        raise TrainingError(
            "The model's scores contain NaN or infinity and cannot be ranked. Lower the learning rate and train again."
        )
    rows = torch.from_numpy(fold_in.row_of).to(scores.device)
    items = torch.from_numpy(fold_in.items.astype(np.int64)).to(scores.device)
    scores[rows, items] = -torch.inf
    return scores


def top_lists(
    model: Model, fold_in: Histories, k: int = 100, train_rows: NDArray[np.int64] | None = None
) -> NDArray[np.int32]:
    """Return the k best unseen items of every user.

    Args:
        model: A trained model.
        fold_in: Histories of the users.
        k: Length of a list.
        train_rows: (users,) training rows of the users, if the model was trained on them (`EvaluationPart.train_rows`).

    Returns:
        (users, k) int32 item indices; -1 after the last candidate.
    """
    out = np.full((len(fold_in), k), -1, np.int32)
    for rows, scores in model.score_chunks(fold_in, train_rows):
        values, items = top_k(mask_seen(scores, fold_in.slice(rows.start, rows.stop)), k)
        items = torch.where(torch.isinf(values), -1, items)
        out[rows, : items.shape[1]] = items.cpu().numpy()
    return out


def hits_in(top: NDArray[np.int32], held_out: Histories) -> NDArray[np.bool_]:
    """Return where the lists hit, (users, ranks) bool: True for an item that is held out."""
    n_items = held_out.n_items
    relevant = held_out.row_of * n_items + held_out.items  # (entries,) cells of the (users, items) matrix
    listed = np.arange(len(top), dtype=np.int64)[:, None] * n_items + top  # (users, ranks)
    return np.asarray(np.isin(listed, relevant) & (top >= 0))
