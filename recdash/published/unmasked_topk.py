"""Top-100 lists as the public table's code makes them: nothing that a user has seen is taken out."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recdash.data.histories import Histories
from recdash.evaluation import metrics
from recdash.evaluation.top_k import hits_in, mask_seen, top_k
from recdash.models.base import Model
from recdash.splits.split import HeldOut
from recdash.splits.weak import by_activity

LENGTH = 100


def most_active_first(part: HeldOut) -> HeldOut:
    """Return the same users in the order in which the public code asks for them.

    The order matters to a model whose scores depend on who else is in the batch (CDAE as published).
    """
    order = by_activity(part.fold_in)
    known = None if part.train_rows is None else part.train_rows[order]
    return HeldOut(part.fold_in.take(order), part.held_out.take(order), (), known)


def unmasked(model: Model, part: HeldOut) -> NDArray[np.int32]:
    """Return lists with seen items left in."""
    return _lists(model, part.fold_in, part.train_rows, masked=False)[0]


def unmasked_and_masked(model: Model, part: HeldOut) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return lists with seen items left in, and lists of the same scores with them taken out."""
    return _lists(model, part.fold_in, part.train_rows, masked=True)


def masked(model: Model, read: Histories) -> NDArray[np.int32]:
    """Return lists from what is read, with exactly that taken out."""
    return _lists(model, read, None, masked=True)[1]


def means(top: NDArray[np.int32], held_out: Histories, names: Iterable[str]) -> dict[str, float]:
    """Return the means of some metrics over the users that have held-out items."""
    hits, relevant = hits_in(top, held_out), held_out.counts
    wanted = {name: name.split("@") for name in names}
    return {
        name: float(np.nanmean(metrics.BY_HITS[kind](hits, relevant, int(k)))) for name, (kind, k) in wanted.items()
    }


def seen_places(top: NDArray[np.int32], fold_in: Histories) -> float:
    """How many places of a list, on average, are taken by what the user has seen."""
    return float(hits_in(top, fold_in).sum(axis=1).mean())


def without_last(histories: Histories) -> Histories:
    """Drop the last entry of every row."""
    place = np.arange(histories.n_entries) - np.repeat(histories.indptr[:-1], histories.counts)
    return histories.keep(place < np.repeat(histories.counts - 1, histories.counts))


def _lists(
    model: Model, read: Histories, known: NDArray[np.int64] | None, *, masked: bool
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Both kinds of lists from one pass of scoring; the second is all -1 unless `masked`."""
    left_in, taken_out = (np.full((len(read), LENGTH), -1, np.int32) for _ in range(2))
    for rows, scores in model.in_chunks(read, known):
        _fill(left_in[rows], scores)
        if masked:
            _fill(taken_out[rows], mask_seen(scores, read.slice(rows.start, rows.stop)))
    return left_in, taken_out


def _fill(out: NDArray[np.int32], scores: Tensor) -> None:
    values, items = top_k(scores, LENGTH)
    out[:, : items.shape[1]] = torch.where(values.isinf(), -1, items).cpu().numpy()
