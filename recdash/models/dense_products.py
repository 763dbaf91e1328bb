"""Matrix products with dense batches of fixed shapes, whose item dimension is padded for a GPU's tensor cores."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from recdash.models.fixed_batch import FixedBatch, padded_width

PADDING_LOGIT = -1e4  # of columns after the last item: their probability is 0, and 0 times it is 0


def batch_product(weight: Tensor, entries: Tensor, batch: FixedBatch) -> Tensor:
    """Return the dense batch (rows, items) times weight (items, width), (rows, width) float32.

    Args:
        weight: (items, width).
        entries: (entries,) value of each entry; those of padding entries are ignored.
        batch: Rows whose items are summed.
    """
    product: Tensor = _BatchProduct.apply(weight, entries, batch)  # type: ignore[no-untyped-call]
    return product


class PaddedOutputs(TorchFunctionMode):
    """Computes linear layers over all items with padded columns inside the block.

    The result (rows, items) is a view of a matrix (rows, padded width), which `with_padding` returns.

    Args:
        n_items: Number of outputs of the layers that are padded.
        dtype: Data type of the products.
    """

    def __init__(self, n_items: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.n_items, self.dtype = n_items, dtype

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Replace `functional.linear` for weights (items, width) with bias."""
        if func is functional.linear and not kwargs and len(args) == 3 and args[2] is not None:
            inputs, weight, bias = args
            if inputs.ndim == 2 and weight.shape[0] == self.n_items and bias.shape[0] == self.n_items:
                return _PaddedLinear.apply(inputs, weight, bias, self.dtype)[:, : self.n_items]  # type: ignore[no-untyped-call]
        return func(*args, **(kwargs or {}))


def with_padding(logits: Tensor, batch: FixedBatch) -> Tensor:
    """Return logits (rows, items) with more columns of probability 0, (rows, padded width)."""
    whole = logits._base
    shape = len(batch), batch.width
    if whole is not None and whole.shape == shape and logits.storage_offset() == whole.storage_offset():
        return whole
    return functional.pad(logits, (0, batch.width - logits.shape[1]), value=PADDING_LOGIT)


def full_precision(like: Tensor) -> torch.autocast:
    """Leave data types alone inside; they are chosen here."""
    return torch.autocast(like.device.type, enabled=False)


class _BatchProduct(torch.autograd.Function):
    """The gradient flows to the weight alone."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, entries: Tensor, batch: FixedBatch) -> Tensor:
        matrix = batch.dense(entries, batch.dtype)  # (rows, padded width)
        ctx.save_for_backward(matrix)
        ctx.n_items = batch.n_items
        with full_precision(weight):
            return _product(matrix, _padded(weight, batch.width, batch.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (matrix,) = ctx.saved_tensors
        # (padded width, rows) @ (rows, width) -> (padded width, width)
        return _product(matrix.T, gradients[0].to(matrix.dtype))[: ctx.n_items], None, None


class _PaddedLinear(torch.autograd.Function):
    """Inputs (rows, width) times the transposed weight (items, width), with padded columns."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
        columns = padded_width(len(weight))
        padded, given = _padded(weight, columns, dtype), inputs.to(dtype)
        ctx.save_for_backward(given, padded)
        ctx.n_items, ctx.input_dtype = len(weight), inputs.dtype
        offset = torch.full((columns,), PADDING_LOGIT, dtype=dtype, device=bias.device)
        offset[: len(bias)].copy_(bias)
        with full_precision(weight):
            return torch.addmm(offset, given, padded.T)  # (rows, width) @ (width, columns) -> (rows, columns)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        given, padded = ctx.saved_tensors
        gradient = gradients[0].to(given.dtype)  # (rows, columns), 0 in the padding
        of_inputs, of_weight, of_bias = ctx.needs_input_grad[:3]
        return (
            (gradient @ padded).to(ctx.input_dtype) if of_inputs else None,
            _product(gradient.T, given)[: ctx.n_items] if of_weight else None,
            gradient.sum(0, dtype=torch.float32)[: ctx.n_items] if of_bias else None,
            None,
        )


def _padded(weight: Tensor, rows: int, dtype: torch.dtype) -> Tensor:
    """Return a copy of a weight with rows of zeros at the end, (rows, width)."""
    out = torch.empty(rows, weight.shape[1], dtype=dtype, device=weight.device)
    out[: len(weight)].copy_(weight)
    out[len(weight) :].zero_()
    return out


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Return a product in float32, whatever the factors' type."""
    if left.dtype != torch.float32 and _can_widen(left.device):
        return torch.mm(left, right, out_dtype=torch.float32)
    return (left @ right).float()


@cache
def _can_widen(device: torch.device) -> bool:
    """Return whether products of bfloat16 matrices can be written in float32 there."""
    if device.type != "cuda" or not hasattr(torch.ops.aten.mm, "dtype"):
        return False
    small = torch.ones(8, 8, dtype=torch.bfloat16, device=device)
    try:
        return torch.mm(small, small, out_dtype=torch.float32).dtype == torch.float32
    except (RuntimeError, TypeError, NotImplementedError):
        return False
