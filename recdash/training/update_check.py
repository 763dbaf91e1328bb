"""Whether two ways to compute an update have the same result, and returning to the state before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from recdash.models.base import GradientModel, TrainingProgress
from recdash.models.batch import Batch

_SAME_LOSS, _SAME_GRADIENT, _SAME_STEP = 0.02, 0.25, 0.05  # relative differences, for products in bfloat16
_NEGLIGIBLE = 1e-3  # gradients of a parameter that is so much smaller than the largest are rounding errors


class SavedUpdate:
    """A copy of what an update changes, except sums that the same update writes again.

    Args:
        optimiser: Its weights and its state are copied.
        counter: Number of the next batch.
    """

    def __init__(self, optimiser: torch.optim.Optimizer, counter: Tensor) -> None:
        self._optimiser = optimiser
        changing = [*trained(optimiser), *state_of(optimiser), counter]
        self._copies = {id(tensor): (tensor, tensor.detach().clone()) for tensor in changing}

    @torch.no_grad()
    def restore(self) -> None:
        """Undo all updates since."""
        for tensor, copy in self._copies.values():
            tensor.copy_(copy)
        for tensor in state_of(self._optimiser):
            if id(tensor) not in self._copies:
                tensor.zero_()  # the state of an optimiser that has taken no step

    def has_moved_to(self, expected: list[Tensor]) -> bool:
        """Return whether the weights are as expected, measured by how far they have moved."""
        for parameter, wanted in zip(trained(self._optimiser), expected, strict=True):
            before = self._copies[id(parameter)][1]
            if _distance(parameter.detach(), wanted) > _SAME_STEP * _distance(wanted, before) + 1e-9:
                return False
        return True


def slopes_of(
    model: GradientModel,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    progress: TrainingProgress,
    forward: AbstractContextManager[object],
) -> tuple[float, list[Tensor]]:
    """Return the first loss of a batch and its gradients with respect to the trained weights."""
    optimiser.zero_grad(set_to_none=True)
    with forward:
        loss = next(model.losses(batch, progress))
    mean = loss.total.mean()  # (rows,) -> ()
    torch.autograd.backward(mean)
    slopes = [torch.zeros_like(p) if p.grad is None else p.grad.detach().clone() for p in trained(optimiser)]
    optimiser.zero_grad(set_to_none=True)
    return float(mean.detach()), slopes


def agree(found: tuple[float, list[Tensor]], expected: tuple[float, list[Tensor]]) -> bool:
    """Return whether two losses and their gradients, from `slopes_of`, are equal up to rounding."""
    if abs(found[0] - expected[0]) > _SAME_LOSS * abs(expected[0]) + 1e-6:
        return False
    sizes = [float(torch.linalg.vector_norm(slope)) for slope in expected[1]]
    for one, other, size in zip(found[1], expected[1], sizes, strict=True):
        if size > _NEGLIGIBLE * max(sizes) and _distance(one, other) > _SAME_GRADIENT * size:
            return False
    return True


def trained(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    """Return the parameters that an optimiser trains."""
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def state_of(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    """Return the tensors of an optimiser's state."""
    slots: Callable[[], Any] = optimiser.state.values
    return [value for slot in slots() for value in slot.values() if isinstance(value, Tensor)]


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from tensors_in(part)


def _distance(one: Tensor, other: Tensor) -> float:
    """Return the distance of two tensors; where both are NaN or infinite, they count as equal."""
    return float(torch.linalg.vector_norm(torch.nan_to_num(one) - torch.nan_to_num(other)))
