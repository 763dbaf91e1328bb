"""Layers shared by the models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from recdash.models.batch import Batch
from recdash.models.dense_products import batch_product
from recdash.models.fixed_batch import FixedBatch
from recdash.models.sparse_sums import weighted_sums


class _SparseProduct(torch.autograd.Function):
    """Batch (rows, items) times weight (items, width) on the CPU, forward and backward as weighted sums of rows."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, entries: Tensor, batch: Batch) -> Tensor:
        items, offsets, values = _without_zeros(entries, batch)
        ctx.whole = batch if items is batch.items else None
        ctx.items, ctx.offsets, ctx.values, ctx.n_items = items, offsets, values, batch.n_items
        return weighted_sums(weight, items, offsets, values)  # (rows, items) @ (items, width) -> (rows, width)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        gradient = gradients[0].float().contiguous()  # (rows, width)
        if ctx.whole is not None:  # an output layer at the observed entries has grouped them already
            offsets, positions, order = ctx.whole.by_item
            return weighted_sums(gradient, positions, offsets, ctx.values[order]), None, None
        rows = sparse.csr_array(
            (ctx.values.numpy(), ctx.items.numpy(), ctx.offsets.numpy()), shape=(len(ctx.offsets) - 1, ctx.n_items)
        )
        columns = rows.tocsc()  # a counting sort
        parts = (torch.from_numpy(part) for part in (columns.indices, columns.indptr, columns.data))
        # (items, rows) @ (rows, width) -> (items, width)
        return weighted_sums(gradient, *parts), None, None


def _without_zeros(entries: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Leave out entries that are 0, such as those that dropout hit; return items, offsets and values of the others."""
    is_nonzero = entries != 0  # (entries,)
    ends = torch.zeros(len(entries) + 1, dtype=torch.int64)
    torch.cumsum(is_nonzero, 0, out=ends[1:])
    if int(ends[-1]) == len(entries):
        return batch.items, batch.offsets, entries
    places = is_nonzero.nonzero().squeeze(1)
    return batch.items[places], ends[batch.offsets], entries[places]


def sparse_product(weight: Tensor, entries: Tensor, batch: Batch) -> Tensor:
    """Return the sum of weighted item vectors of each row: the product of the sparse batch with a dense matrix.

    Args:
        weight: (items, width).
        entries: (entries,) value of each entry.
        batch: Rows whose items are summed.

    Returns:
        (rows, width) float32.
    """
    if isinstance(batch, FixedBatch):
        return batch_product(weight, entries, batch)
    if weight.device.type == "cpu":
        with torch.autocast("cpu", enabled=False):  # memory bandwidth limits this product in any data type
            product: Tensor = _SparseProduct.apply(weight, entries.detach(), batch)  # type: ignore[no-untyped-call]
        return product
    if weight.device.type == "cuda":
        return functional.embedding_bag(
            batch.items, weight, batch.offsets, mode="sum", per_sample_weights=entries, include_last_offset=True
        )
    gathered = weight[batch.items] * entries[:, None]  # (entries, width)
    # (entries, width) -> (rows, width)
    return torch.zeros(len(batch), weight.shape[1], device=weight.device).index_add(0, batch.row_of, gathered)


class SparseLinear(nn.Module):
    """A fully connected layer over all items that reads only the entries of each row."""

    def __init__(self, n_items: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_items, width))
        self.bias = nn.Parameter(torch.empty(width))

    def forward(self, batch: Batch, entries: Tensor) -> Tensor:
        """Return (rows, width)."""
        return sparse_product(self.weight, entries, batch) + self.bias


def l2_normalised(batch: Batch) -> Tensor:
    """Return the entries of the binary rows divided by the row's L2 norm, (entries,)."""
    return batch.counts.clamp(min=1).float().rsqrt()[batch.row_of]


def initialise_uniform(layers: Iterable[Any], generator: torch.Generator) -> None:
    """Draw weights and biases of linear layers uniformly within 1 / sqrt(inputs), as PyTorch does by default."""
    for layer in layers:
        inputs = layer.weight.shape[0] if isinstance(layer, SparseLinear) else layer.in_features
        bound = inputs**-0.5
        for parameter in layer.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator=generator)


def initialise_xavier(module: nn.Module, generator: torch.Generator) -> None:
    """Draw Xavier-uniform weights and truncated normal biases with sd 0.001 (Liang et al.'s code; spec of Mult-VAE)."""
    for parameter in module.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter, generator=generator)
        else:
            nn.init.trunc_normal_(parameter, std=0.001, a=-0.002, b=0.002, generator=generator)
