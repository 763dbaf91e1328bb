"""Top-k lists of an evaluation part, and where they hit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recdash.data.histories import Histories
from recdash.models.base import Model
from recdash.models.ranking import top_items

_CELLS_PER_CHUNK = 1 << 22  # flags in memory at once, one byte for each user and item


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
    return top_items(model, fold_in, k, train_rows=train_rows).items


def hits_in(top: NDArray[np.int32], held_out: Histories) -> NDArray[np.bool_]:
    """Return where the lists hit, (users, ranks) bool: True for an item that is held out."""
    hits = np.empty(top.shape, np.bool_)
    step = max(1, _CELLS_PER_CHUNK // max(1, held_out.n_items))
    for start in range(0, len(top), step):
        part, listed = held_out.slice(start, start + step), top[start : start + step]
        relevant = np.zeros((len(part), held_out.n_items + 1), np.bool_)  # the last column is for the end of a list, -1
        relevant[part.row_of, part.items] = True
        hits[start : start + step] = np.take_along_axis(relevant, listed, axis=1)
    return hits
