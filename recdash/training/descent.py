"""`descend`: the losses of one batch, each followed by a step of the optimiser."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from recdash.models.base import GradientModel, TrainingProgress
from recdash.models.batch import Batch

Parts = dict[str, Tensor | float]


def descend(
    model: GradientModel,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    progress: TrainingProgress,
    forward: Callable[[], AbstractContextManager[object]],
) -> Parts:
    """Do one update of a training.

    Args:
        model: Its weights change.
        optimiser: Of the weights to train.
        batch: Training rows.
        progress: What the losses read of the training's progress.
        forward: Gives the context of a forward pass, such as autocast.

    Returns:
        The loss and its parts by name.
    """
    losses = model.losses(batch, progress)
    parts: Parts = {}
    while True:
        # Only the forward pass: backward and optimiser step run outside autocast, as PyTorch advises.
        with forward():
            loss = next(losses, None)
        if loss is None:
            return parts
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss.total.mean())  # (rows,) -> ()
        optimiser.step()
        parts = {**parts, **loss.parts} if parts else {"loss": loss.total, **loss.parts}
