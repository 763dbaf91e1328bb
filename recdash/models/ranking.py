"""The best items of each user from a model's scores: seen items are excluded, ties go to the lower item index."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, isfinite
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recdash.data.histories import Histories
from recdash.errors import DataError, TrainingError

_LOWER_HALF = 0xFFFFFFFF  # of an int64
_FEW_SCORES = 1 << 13  # up to here one call of `torch.topk` costs less than the selection's many
_BLOCKS_PER_K = 4
_MANY_TIES_PER_K = 4


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

    Args:
        scores: (rows, items), without NaN.
        k: Number of items per row, at least 1; at most all of them.

    Returns:
        Scores and item indices, (rows, min(k, items)) each.
    """
    n_items, k = scores.shape[1], min(k, scores.shape[1])
    if scores.device.type == "cuda" or scores.shape[0] * n_items <= _FEW_SCORES:
        index = torch.arange(n_items, device=scores.device)
        best = torch.topk(_sort_keys(scores, index, n_items), k, dim=1).values  # (rows, items) -> (rows, k)
    else:
        best = _largest_keys(scores.cpu(), k).to(scores.device)
    items = n_items - 1 - (best & _LOWER_HALF)
    return scores.gather(1, items), items


def _sort_keys(scores: Tensor, items: Tensor, n_items: int) -> Tensor:
    """Return int64 keys, all different, that order items by score and then by descending index.

    The upper half is the score's bit pattern, with the bits of negative numbers flipped so that it orders like the
    score; the lower half counts the indices from the end.
    """
    bits = (scores + 0.0).view(torch.int32)  # the sum turns -0.0 into 0.0, which it equals
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    return (ordered.long() << 32) | (n_items - 1 - items)


def _largest_keys(scores: Tensor, k: int) -> Tensor:
    """Return the k largest keys of each row in descending order, (rows, k), on the CPU.

    A score that k others reach is a lower bound for the k-th best one. The k-th largest maximum of disjoint blocks of
    items is such a bound and needs one pass; about 1.2 k items of a row reach it, and only these are sorted.

    Args:
        scores: (rows, items).
        k: At most the number of items.
    """
    rows, n_items = scores.shape
    blocks = _BLOCKS_PER_K * k
    depth = n_items // blocks
    if depth < 2:
        return _sort_keys(scores, torch.arange(n_items), n_items).sort(dim=1, descending=True).values[:, :k]
    maxima = scores[:, : depth * blocks].view(rows, depth, blocks).amax(1)  # (rows, blocks)
    bound = torch.topk(maxima, k, dim=1, sorted=False).values.amin(1, keepdim=True)  # (rows, 1)
    reached = (scores >= bound).numpy()  # (rows, items)
    cells = np.flatnonzero(reached)
    counts = np.bincount(cells // n_items, minlength=rows)  # (rows,)
    if (tied := np.flatnonzero(counts > _MANY_TIES_PER_K * k)).size:
        reached[tied] = _first_k(scores[torch.from_numpy(tied)], k).numpy()
        cells = np.flatnonzero(reached)
        counts = np.bincount(cells // n_items, minlength=rows)
    row = np.repeat(np.arange(rows), counts)  # (candidates,)
    place = np.arange(len(cells)) - np.repeat(np.cumsum(counts) - counts, counts)  # among the candidates of the row
    items = torch.from_numpy(cells - row * n_items)
    keys = np.full((rows, max(k, int(counts.max(initial=0)))), np.iinfo(np.int64).min)
    keys[row, place] = _sort_keys(scores[torch.from_numpy(row), items], items, n_items).numpy()
    keys.sort(axis=1)  # NumPy sorts whole numbers with vector instructions, PyTorch does not
    return torch.from_numpy(keys[:, : -k - 1 : -1].copy())


def _first_k(scores: Tensor, k: int) -> Tensor:
    """Mark the k best items of each row, (rows, items); among equal scores those of the lower index."""
    last = torch.topk(scores, k, dim=1, sorted=False).values.amin(1, keepdim=True)  # (rows, 1): the k-th best score
    above, equal = scores > last, scores == last
    return above | (equal & (equal.cumsum(1, dtype=torch.int32) <= k - above.sum(1, keepdim=True)))


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
    if scores.numel() and not all(map(isfinite, torch.stack(torch.aminmax(scores)).tolist())):
        raise TrainingError(
            "The model's scores contain NaN or infinity and cannot be ranked. Lower the learning rate and train again."
        )
    if scores.device.type == "cpu":
        scores.numpy()[seen.row_of, seen.items] = -np.inf  # three times as fast as PyTorch's indexing
        return scores
    rows = torch.from_numpy(seen.row_of).to(scores.device)
    scores[rows, torch.from_numpy(seen.items).to(scores.device).long()] = -torch.inf
    return scores
