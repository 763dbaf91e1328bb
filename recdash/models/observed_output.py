"""`ObservedLinear`: an output layer over all items that can be computed at the observed entries only."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from recdash.models.batch import Batch
from recdash.models.losses import at_entries
from recdash.models.sparse_sums import entry_products, weighted_sums

# Share of observed cells from which the product with all items is faster: an entry costs as much as so many cells of a
# dense product, whose speed depends on the data type (measured at 256 to 512 units, docs/performance.md).
_DENSE_FROM = {torch.float32: 0.2, torch.bfloat16: 0.1}


class _ObservedProduct(torch.autograd.Function):
    """The layer at a batch's entries, forward and backward without a matrix (rows, items)."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, batch: Batch) -> Tensor:
        ctx.save_for_backward(hidden, weight)
        ctx.batch = batch
        offsets, rows, order = batch.by_item
        # Item by item: the rows that are gathered are those of the batch, which stay in the processor's cache.
        by_item = entry_products(weight, hidden, offsets, rows)  # (entries,)
        products = torch.empty_like(by_item).index_copy_(0, order, by_item)
        return products.add_(bias[batch.items])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        gradient = gradients[0].contiguous()  # (entries,)
        hidden, weight = ctx.saved_tensors
        batch: Batch = ctx.batch
        offsets, rows, order = batch.by_item
        of_hidden = weighted_sums(weight, batch.items, batch.offsets, gradient)  # (rows, width)
        of_weight = weighted_sums(hidden, rows, offsets, gradient[order])  # (items, width)
        of_bias = torch.zeros(batch.n_items).index_add_(0, batch.items, gradient)  # (entries,) -> (items,)
        return of_hidden, of_weight, of_bias, None


class ObservedLinear(nn.Linear):
    """A fully connected layer (rows, width) -> (rows, items) for losses over observed entries."""

    def observed(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Return the outputs at a batch's entries, (entries,); the gradient elsewhere is zero.

        On a CPU they are computed one by one, in float32, unless so many are observed that the whole product is faster.

        Args:
            hidden: (rows, width) input of the layer.
            batch: Rows whose entries are observed.
        """
        if (
            hidden.device.type == "cpu"
            and not batch.has_padding
            and len(batch.items) < self._dense_from() * len(batch) * batch.n_items
        ):
            found: Tensor = _ObservedProduct.apply(hidden.float(), self.weight, self.bias, batch)  # type: ignore[no-untyped-call]
            return found
        # (rows, width) -> (rows, items) -> (entries,)
        return at_entries(functional.linear(hidden, self.weight, self.bias), batch).float()

    @staticmethod
    def _dense_from() -> float:
        """Return the share of observed cells from which the product with all items is faster."""
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
        return _DENSE_FROM.get(dtype, _DENSE_FROM[torch.float32])
