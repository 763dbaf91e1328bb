"""From scores to top-k lists: seen items out, ties to the lower item index."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recdash.data.histories import Histories
from recdash.errors import TrainingError
from recdash.models.base import Model


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best items per row, (rows, k) scores and indices; among equal scores the lower index comes first.

    `torch.topk` keeps an arbitrary one of several items that tie for the last place, so rows with such a tie are
    sorted whole.
    """
    k = min(k, scores.shape[1])
    values, items = torch.topk(scores, k, dim=1)
    items, by_index = items.sort(dim=1)
    values, order = values.gather(1, by_index).sort(dim=1, descending=True, stable=True)
    items = items.gather(1, order)
    last = values[:, -1:]
    tied = (scores == last).sum(dim=1) > (values == last).sum(dim=1)
    if bool(tied.any()):
        whole, places = scores[tied].sort(dim=1, descending=True, stable=True)
        values[tied], items[tied] = whole[:, :k], places[:, :k]
    return values, items


def mask_seen(scores: Tensor, fold_in: Histories) -> Tensor:
    """Set the scores of each row's own items to minus infinity, in place; returns the same tensor.

    Raises TrainingError when a score is not finite, for then there is no ranking.
    """
    if not bool(torch.isfinite(scores).all()):
        raise TrainingError(
            "The model's scores contain NaN or infinity, so they rank nothing. Lower the learning rate and train again."
        )
    rows = torch.from_numpy(fold_in.row_of).to(scores.device)
    items = torch.from_numpy(fold_in.items.astype(np.int64)).to(scores.device)
    scores[rows, items] = -torch.inf
    return scores


def top_lists(
    model: Model, fold_in: Histories, k: int = 100, train_rows: NDArray[np.int64] | None = None
) -> NDArray[np.int32]:
    """The k best unseen items of every user, (users, k) int32; -1 where the candidates have run out.

    train_rows: (users,) their training rows, where the model was trained on these users (`HeldOut.train_rows`).
    """
    out = np.full((len(fold_in), k), -1, np.int32)
    for rows, scores in model.in_chunks(fold_in, train_rows):
        values, items = top_k(mask_seen(scores, fold_in.slice(rows.start, rows.stop)), k)
        found = torch.where(torch.isinf(values), -1, items)
        out[rows, : found.shape[1]] = found.cpu().numpy()
    return out


def hits_in(top: NDArray[np.int32], held_out: Histories) -> NDArray[np.bool_]:
    """Where the lists hit: (users, places) bool, True for an item that is held out."""
    n_items = held_out.n_items
    wanted = held_out.row_of * n_items + held_out.items
    listed = np.arange(len(top), dtype=np.int64)[:, None] * n_items + top
    return np.asarray(np.isin(listed, wanted) & (top >= 0))
