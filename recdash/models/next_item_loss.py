"""The softmax likelihood of a few next items per position, and its gradients, in chunks of positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from recdash.models.gru import pad_rows

POSITIONS_PER_CHUNK = 256  # logits computed at once; they stay in the cache
RESIDUAL_CELLS = 1 << 23  # residuals in memory at once, for one product of the weight gradient
_GPU_CELLS = 1 << 25  # on a GPU, logits computed at once
# Rows of float32 numbers that do not start at multiples of 64 bytes make matrix products a third slower.
_ITEM_MULTIPLE, _WIDTH_MULTIPLE = 64, 8
_NEVER = -3e4  # logit of a column that is no item: its probability is 0


@dataclass(frozen=True, eq=False)
class PaddedLayer:
    """An output layer with the bias as one more input, padded to sizes that are multiplied fast.

    Attributes:
        weight: (columns, inputs): items and inputs rounded up; input `width` is the bias.
        items: Number of items.
        width: Number of hidden units.
    """

    weight: Tensor
    items: int
    width: int

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Self:
        """Copy a layer; weight: (items, width), bias: (items,)."""
        items, width = weight.shape
        columns, inputs = _round_up(items, _ITEM_MULTIPLE), _round_up(width + 1, _WIDTH_MULTIPLE)
        padded = torch.zeros(columns, inputs, dtype=dtype, device=weight.device)
        padded[:items, :width] = weight
        padded[:items, width] = bias
        padded[items:, width] = _NEVER
        return cls(padded, items, width)

    def empty_inputs(self, positions: int) -> Tensor:
        """Return inputs whose first `width` columns, the hidden units, are still zero; (positions, inputs)."""
        inputs = self.weight.new_zeros(positions, self.weight.shape[1])
        inputs[:, self.width] = 1
        return inputs

    def empty_logits(self, positions: int) -> Tensor:
        """Return uninitialised memory, (positions, columns)."""
        return self.weight.new_empty(positions, len(self.weight))

    def split(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Return weight (items, width) and bias (items,) of a gradient (columns, inputs)."""
        return gradient[: self.items, : self.width], gradient[: self.items, self.width]


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets of positions, prepared for the likelihood.

    Attributes:
        items: (positions, k) item indices; 0 where there is none.
        exist: (positions, k) whether there is a target.
        shares: (positions, k) minus the share of each target in its position.
        scale: (positions, 1) float32 weight of the position times its number of targets.
    """

    items: Tensor
    exist: Tensor
    shares: Tensor
    scale: Tensor

    @classmethod
    def of(cls, targets: Tensor, position_weights: Tensor, dtype: torch.dtype) -> Self:
        """Prepare targets (positions, k), -1 for none, and weights of the positions, (positions,)."""
        exist = targets >= 0
        n_targets = exist.sum(1)  # (positions, k) -> (positions,)
        shares = -(exist / n_targets.clamp(min=1)[:, None]).to(dtype)
        return cls(targets.clamp(min=0), exist, shares, (n_targets * position_weights)[:, None].float())

    def __getitem__(self, part: slice) -> Targets:
        return Targets(self.items[part], self.exist[part], self.shares[part], self.scale[part])


def residual_chunk(layer: PaddedLayer, inputs: Tensor, targets: Targets, logits: Tensor, residual: Tensor) -> Tensor:
    """Compute the softmax minus the targets' shares for a chunk of C positions.

    The gradient of the weighted likelihood by the logits is this residual times `targets.scale`.

    Args:
        layer: Output layer.
        inputs: (C, inputs) hidden units and a one for the bias.
        targets: Targets of the chunk, k per position.
        logits: (C, columns) memory to work in.
        residual: (C, columns) memory for the result.

    Returns:
        (C,) negative log-likelihoods of the targets, in nats.
    """
    torch.mm(inputs, layer.weight.t(), out=logits)  # (C, inputs) @ (inputs, columns) -> (C, columns)
    # softmax keeps the data type of the logits: asking for another one is eight times slower
    torch.softmax(logits, 1, out=residual)
    rows = torch.arange(len(inputs), device=inputs.device)[:, None] * residual.shape[1]  # (C, 1)
    cells = (rows + targets.items).flatten()  # (C * k,) cells of (C, columns)
    flat = residual.view(-1)
    of_targets = flat[cells].view(targets.items.shape).float()  # (C, k)
    flat.index_add_(0, cells, targets.shares.flatten())  # scatter_add_ copies it all twice
    return -(of_targets.clamp(min=1e-38).log() * targets.exist).sum(1)  # (C, k) -> (C,)


def _chunked_nll(
    hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, position_weights: Tensor, dtype: torch.dtype
) -> tuple[Tensor, list[Tensor]]:
    """Negative log-likelihoods, (P,), and the gradients of their weighted sum by hidden, weight and bias.

    Of the logits (P, columns) only a part is ever in memory. P positions, W width of the hidden layer.
    """
    positions = len(hidden)
    layer = PaddedLayer.of(weight, bias, dtype)
    prepared = Targets.of(targets, position_weights, dtype)
    inputs = layer.empty_inputs(positions)  # (P, inputs)
    inputs[:, : layer.width] = hidden
    group, chunk = chunk_sizes(layer, positions)
    logits, residuals = layer.empty_logits(chunk), layer.empty_logits(group)
    nll = hidden.new_empty(positions, dtype=torch.float32)  # (P,)
    input_gradient = torch.empty_like(inputs)  # (P, inputs)
    layer_gradient = torch.zeros_like(layer.weight, dtype=torch.float32)  # (columns, inputs)
    weighted = inputs * prepared.scale.to(dtype)  # (P, inputs)
    for begin in range(0, positions, group):
        end = min(begin + group, positions)
        for start in range(begin, end, chunk):
            part = slice(start, min(start + chunk, end))
            residual = residuals[start - begin : part.stop - begin]  # (C, columns)
            of_chunk = logits[: len(residual)]
            nll[part] = residual_chunk(layer, inputs[part], prepared[part], of_chunk, residual)
            torch.mm(residual, layer.weight, out=input_gradient[part])  # (C, columns) @ (columns, inputs)
        # (columns, G) @ (G, inputs) -> (columns, inputs)
        layer_gradient += residuals[: end - begin].t() @ weighted[begin:end]
    hidden_gradient = (input_gradient[:, : layer.width] * prepared.scale).to(hidden.dtype)  # (P, W)
    return nll, [hidden_gradient, *layer.split(layer_gradient)]


def chunk_sizes(layer: PaddedLayer, positions: int) -> tuple[int, int]:
    """Return how many positions have their residuals in memory at once, and how many are computed at once."""
    columns = len(layer.weight)
    if layer.weight.is_cuda:
        group = chunk = max(POSITIONS_PER_CHUNK, _GPU_CELLS // columns)
    else:
        chunk = POSITIONS_PER_CHUNK
        group = max(1, RESIDUAL_CELLS // columns // chunk) * chunk
    return max(1, min(group, positions)), max(1, min(chunk, positions))


class _NextItemNll(torch.autograd.Function):
    """Negative log-likelihood of a few softmax targets per position, without all logits in memory.

    The forward pass computes the gradients too, for the weights that `position_weights` announces, and `backward` only
    scales them. If the positions turn out to be weighted otherwise, `backward` computes them again.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        position_weights: Tensor,
        dtype: torch.dtype,
    ) -> Tensor:
        with torch.autocast(hidden.device.type, enabled=False):  # on CUDA it would widen some of the chosen data types
            nll, slopes = _chunked_nll(hidden, weight, bias, targets, position_weights, dtype)
        ctx.save_for_backward(hidden, weight, bias, targets, position_weights, *slopes)
        ctx.dtype = dtype
        return nll

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients  # (P,)
        hidden, weight, bias, targets, position_weights, *slopes = ctx.saved_tensors
        scale = (gradient * position_weights).sum() / position_weights.square().sum().clamp(min=1e-30)  # ()
        expected = scale * position_weights  # (P,)
        # reading the comparison would make the processor wait for a GPU, where only `SVAE.loss` calls this
        if gradient.is_cuda or is_multiple(gradient, expected):
            slopes = [slope * scale for slope in slopes]
        else:
            _, slopes = _chunked_nll(hidden, weight, bias, targets, gradient, ctx.dtype)
        return *slopes, None, None, None


def is_multiple(gradient: Tensor, expected: Tensor) -> bool:
    """Return whether a gradient is the expected one but for rounding."""
    if not gradient.numel():
        return True
    tolerance = 1e-4 * expected.abs() + 1e-6 * gradient.abs().max()
    return bool(((gradient - expected).abs() <= tolerance).all())


def next_item_nll(
    last: nn.Linear, hidden: Tensor, targets: Tensor, position_weights: Tensor, dtype: torch.dtype
) -> Tensor:
    """Return the negative log-likelihood of each position's targets, in nats.

    Args:
        last: Output layer over all items.
        hidden: (positions, width).
        targets: (positions, k) item indices, -1 for none.
        position_weights: (positions,) weight of each position in the total; with others the gradient is right too, but
            takes twice the time.
        dtype: Data type of the products.

    Returns:
        (positions,) float32.
    """
    nll: Tensor = _NextItemNll.apply(  # type: ignore[no-untyped-call]
        pad_rows(hidden), last.weight, last.bias, pad_rows(targets, -1), pad_rows(position_weights), dtype
    )
    return nll[: len(hidden)]


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
