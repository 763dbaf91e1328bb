"""Top-100 lists as the published table's code builds them: seen items are not removed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recdash.data.histories import Histories
from recdash.evaluation import metrics
from recdash.evaluation.top_k import hits_in
from recdash.models.base import Model
from recdash.models.ranking import mask_seen, top_k
from recdash.splits.split import EvaluationPart
from recdash.splits.weak import rows_by_activity

LIST_LENGTH = 100


def most_active_first(part: EvaluationPart) -> EvaluationPart:
    """Return the same users by falling activity, the order in which the public code scores them.

    The order matters to a model whose scores depend on the other users of a batch (CDAE as published).
    """
    order = rows_by_activity(part.fold_in)
    train_rows = None if part.train_rows is None else part.train_rows[order]
    return EvaluationPart(part.fold_in.take(order), part.held_out.take(order), (), train_rows)


def unmasked_lists(model: Model, part: EvaluationPart) -> NDArray[np.int32]:
    """Return lists that contain seen items, (users, 100)."""
    return _lists(model, part.fold_in, part.train_rows, mask=False)[0]


def unmasked_and_masked_lists(model: Model, part: EvaluationPart) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return lists with and without seen items, from the same scores, (users, 100) each."""
    return _lists(model, part.fold_in, part.train_rows, mask=True)


def masked_lists(model: Model, fold_in: Histories) -> NDArray[np.int32]:
    """Return lists without the items of `fold_in`, (users, 100)."""
    return _lists(model, fold_in, None, mask=True)[1]


def list_metrics(top: NDArray[np.int32], held_out: Histories, names: Iterable[str]) -> dict[str, float]:
    """Return the means of metrics over the users that have held-out items."""
    hits, relevant = hits_in(top, held_out), held_out.counts
    parsed = {name: name.split("@") for name in names}
    return {
        name: float(np.nanmean(metrics.HIT_METRICS[kind](hits, relevant, int(k)))) for name, (kind, k) in parsed.items()
    }


def mean_seen_per_list(top: NDArray[np.int32], fold_in: Histories) -> float:
    """Return the mean number of seen items in a list."""
    return float(hits_in(top, fold_in).sum(axis=1).mean())


def without_last(histories: Histories) -> Histories:
    """Return histories without the last entry of every row."""
    position = np.arange(histories.n_entries) - np.repeat(histories.indptr[:-1], histories.counts)
    return histories.select(position < np.repeat(histories.counts - 1, histories.counts))


def _lists(
    model: Model, fold_in: Histories, train_rows: NDArray[np.int64] | None, *, mask: bool
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return lists with and without seen items from one pass of scoring; the second is all -1 unless `mask`."""
    unmasked, masked = (np.full((len(fold_in), LIST_LENGTH), -1, np.int32) for _ in range(2))
    for rows, scores in model.score_chunks(fold_in, train_rows):
        _fill(unmasked[rows], scores)
        if mask:
            _fill(masked[rows], mask_seen(scores, fold_in.slice(rows.start, rows.stop)))
    return unmasked, masked


def _fill(out: NDArray[np.int32], scores: Tensor) -> None:
    values, items = top_k(scores, LIST_LENGTH)
    out[:, : items.shape[1]] = torch.where(values.isinf(), -1, items).cpu().numpy()  # fewer items than list positions
