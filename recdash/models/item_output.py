"""The output layer of the softmax models; on the CPU fused with its likelihood."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from recdash.models.batch import Batch
from recdash.models.fixed_batch import FixedBatch
from recdash.models.losses import multinomial_nll

_ALIGNMENT = 16  # float32 numbers; the CPU's product writes rows of any other length at two thirds of its speed
_CELLS_PER_CHUNK = 1 << 19  # logits normalised at once: 2 MiB of float32 stay in the cache
_TINY = 1e-30  # below, a probability has lost digits, and its logarithm is computed from the logits


class ItemOutput(nn.Linear):
    """A linear layer from hidden units to one logit per item."""

    def forward(self, input: Tensor) -> Tensor:
        """Return logits (rows, items) of hidden units (rows, width)."""
        if input.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        logits: Tensor = _AlignedLinear.apply(input, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return logits

    def multinomial_nll(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Return the negative multinomial log-likelihood of binary rows; `losses.multinomial_nll` of the logits.

        On the CPU, the softmax of a few rows at a time gives likelihood and gradient while these rows are in the cache.

        Args:
            hidden: (rows, width).
            batch: The rows; all their entries count as 1.

        Returns:
            (rows,) nats.
        """
        if hidden.device.type != "cpu" or isinstance(batch, FixedBatch):
            return multinomial_nll(self(hidden), batch)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
        with torch.autocast("cpu", enabled=False):
            nll: Tensor = _OutputNll.apply(hidden.to(dtype), self.weight, self.bias, batch)  # type: ignore[no-untyped-call]
        return nll


class _AlignedLinear(torch.autograd.Function):
    """A linear layer whose product is written to aligned rows."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(hidden, weight)
        return _aligned_product(hidden, weight).add(bias)  # contiguous: a copy costs less than a slow product

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        (gradient,) = gradients  # (rows, items)
        hidden, weight = ctx.saved_tensors
        of_hidden, of_weight, of_bias = ctx.needs_input_grad
        return (
            gradient @ weight if of_hidden else None,
            gradient.T @ hidden if of_weight else None,
            gradient.sum(0) if of_bias else None,
        )


class _OutputNll(torch.autograd.Function):
    """Keeps the gradient of the logits (n_u softmax - x) in their place."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, batch: Batch) -> Tensor:
        factors = weight.to(hidden.dtype)  # (items, width)
        ctx.save_for_backward(hidden, factors)
        ctx.gradient = _aligned_product(hidden, factors)  # (rows, width) -> (rows, items)
        return _normalise(ctx.gradient, bias, batch)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        scale = gradients[0][:, None]  # (rows, 1) gradient of each row's likelihood
        hidden, factors = ctx.saved_tensors
        of_hidden, of_weight, of_bias = ctx.needs_input_grad[:3]
        gradient, ctx.gradient = ctx.gradient, None  # (rows, items)
        scales = scale.to(hidden.dtype)
        # The scale multiplies the narrow factor of each product, never the logits.
        return (
            (gradient @ factors).mul_(scales) if of_hidden else None,  # (rows, items) -> (rows, width)
            (gradient.T @ (hidden * scales)).float() if of_weight else None,  # (items, rows) @ (rows, width)
            (gradient.T @ scales).float().squeeze(1) if of_bias else None,  # (items, rows) @ (rows, 1)
            None,
        )


def _aligned_product(hidden: Tensor, weight: Tensor) -> Tensor:
    """Return hidden (rows, width) times the transposed weight (items, width), a view (rows, items) of aligned rows."""
    width = -(-len(weight) // _ALIGNMENT) * _ALIGNMENT
    out = torch.empty(len(hidden), width, dtype=hidden.dtype)[:, : len(weight)]
    return torch.mm(hidden, weight.T, out=out)


def _normalise(logits: Tensor, bias: Tensor, batch: Batch) -> Tensor:
    """Add the bias to logits (rows, items), replace them by n_u softmax - x, and return the likelihood, (rows,).

    Args:
        logits: Without bias.
        bias: (items,).
        batch: The rows.
    """
    nll = torch.zeros(len(logits))
    counts = batch.counts.float()
    size = max(1, _CELLS_PER_CHUNK // max(1, batch.n_items))
    starts = range(0, len(logits), size)
    bounds = batch.offsets[[*starts, len(logits)]].tolist()
    for start, low, high in zip(starts, bounds, bounds[1:], strict=False):
        block = slice(start, start + size)
        shifted = torch.add(logits[block], bias)  # (rows, items) float32
        rows, items = batch.row_of[low:high] - start, batch.items[low:high]  # (entries,) each
        softmax = torch.softmax(shifted, 1)  # (rows, items)
        positives = softmax[rows, items]  # (entries,)
        if len(positives) and float(positives.min()) < _TINY:
            logs = shifted[rows, items] - torch.logsumexp(shifted, 1)[rows]
        else:
            logs = positives.log()
        nll[block].index_add_(0, rows, logs, alpha=-1)
        gradient = torch.mul(softmax, counts[block, None], out=logits[block])  # (rows, items)
        gradient[rows, items] = (positives * counts[block][rows] - 1).to(gradient.dtype)
    return nll
