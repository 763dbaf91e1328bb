"""Top-k lists of an evaluation part, and where they hit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recdash.data.histories import Histories
from recdash.models.base import Model
from recdash.models.ranking import top_items


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
    n_items = held_out.n_items
    relevant = held_out.row_of * n_items + held_out.items  # (entries,) cells of the (users, items) matrix
    listed = np.arange(len(top), dtype=np.int64)[:, None] * n_items + top  # (users, ranks)
    return np.asarray(np.isin(listed, relevant) & (top >= 0))
