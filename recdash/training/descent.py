"""`descend`: the losses of one batch, each followed by a step of the optimiser."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import torch
from torch import Tensor

from recdash.models.base import GradientModel, TrainingProgress
from recdash.models.batch import Batch

Parts = dict[str, Tensor | float]
# Outputs, rows times items, that are computed at once; larger batches are processed in slices of rows. One row needs
# less memory than the weights of the output layer do, so slices of items would allow no larger catalogue.
MAX_OUTPUTS = {"cpu": 1 << 28, "cuda": 1 << 30}


class Share(NamedTuple):
    """Rows of a batch that are computed at once, and what their losses read of the training's progress."""

    batch: Batch
    progress: TrainingProgress


def fits(rows: int, items: int, device: torch.device) -> bool:
    """Whether the outputs of so many rows are computed at once."""
    return rows <= _rows_at_once(items, device)


def _rows_at_once(items: int, device: torch.device) -> int:
    return max(1, MAX_OUTPUTS.get(device.type, MAX_OUTPUTS["cpu"]) // max(1, items))


def slices(batch: Batch) -> Iterator[tuple[slice, slice]]:
    """Yield the rows that are computed at once, and their entries; usually all."""
    size = _rows_at_once(batch.n_items, batch.items.device)
    if len(batch) <= size:
        yield slice(0, len(batch)), slice(0, len(batch.items))
        return
    starts = [*range(0, len(batch), size), len(batch)]
    bounds = batch.offsets[starts].tolist()
    for which in range(len(starts) - 1):
        yield slice(starts[which], starts[which + 1]), slice(bounds[which], bounds[which + 1])


def descend(
    model: GradientModel,
    optimiser: torch.optim.Optimizer,
    shares: Sequence[Share],
    forward: Callable[[], AbstractContextManager[object]],
) -> Parts:
    """Do one update of a training.

    Args:
        model: Its weights change.
        optimiser: Of the weights to train.
        shares: The batch; its gradient is the sum of those of its shares.
        forward: Gives the context of a forward pass, such as autocast.

    Returns:
        The loss and its parts by name, of all rows.
    """
    losses = [model.losses(share.batch, share.progress) for share in shares]
    rows = sum(len(share.batch) for share in shares)
    parts: Parts = {}
    while True:
        found: list[Parts] = []
        for number, of_share in enumerate(losses):
            # Only the forward pass: backward and optimiser step run outside autocast, as PyTorch advises.
            with forward():
                loss = next(of_share, None)
            if loss is None:
                return parts
            if number == 0:
                optimiser.zero_grad(set_to_none=True)
            # (rows,) -> (): the mean over the batch
            total = loss.total.mean() if len(shares) == 1 else loss.total.sum() / rows
            torch.autograd.backward(total)
            found.append(dict(loss.parts) if parts else {"loss": loss.total, **loss.parts})
            del loss, total  # or the outputs of this share are in memory with those of the next
        optimiser.step()
        parts |= _joined(found)


def _joined(found: list[Parts]) -> Parts:
    """Return parts of all rows from those of the shares: tensors in order, numbers as they are."""
    if len(found) == 1:
        return found[0]
    return {
        name: torch.cat([torch.as_tensor(part[name]).detach() for part in found]) if _has_rows(first) else first
        for name, first in found[0].items()
    }


def _has_rows(part: Tensor | float) -> bool:
    return isinstance(part, Tensor) and part.ndim > 0
