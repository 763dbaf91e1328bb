"""Layers that the models share."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from recdash.models.batch import Batch

# Known and wanted: the CSR product is used on CPU only, with indices that `Histories` has already checked.
torch.sparse.check_sparse_tensor_invariants.disable()  # type: ignore[no-untyped-call]
_FEW_ENTRIES = 256  # below, gathering takes less time than handing the whole matrix to the library does
_HAS_MKL = bool(torch.backends.mkl.is_available())  # type: ignore[no-untyped-call]
warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")


class _CsrProduct(torch.autograd.Function):
    """Batch (rows, items) times weight (items, width), forward and backward as CSR products (MKL, CPU only)."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, weights_of_entries: Tensor, batch: Batch) -> Tensor:
        ctx.batch, ctx.entries = batch, weights_of_entries
        left = torch.sparse_csr_tensor(batch.offsets, batch.items, weights_of_entries, (len(batch), batch.n_items))
        return left @ weight

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        offsets, rows, order = ctx.batch.by_item
        left = torch.sparse_csr_tensor(offsets, rows, ctx.entries[order], (ctx.batch.n_items, len(ctx.batch)))
        return left @ gradients[0].float().contiguous(), None, None


def sparse_product(weight: Tensor, entries: Tensor, batch: Batch) -> Tensor:
    """Sum of weighted item vectors per row: the product of the sparse batch with a dense matrix.

    weight: (items, width).  entries: (entries,) the value of each entry.  Returns (rows, width) float32.
    """
    learning = weight.requires_grad and torch.is_grad_enabled()
    if len(batch.items) == 0 or (len(batch.items) <= _FEW_ENTRIES and not learning):
        return _gathered(weight, entries, batch)
    if weight.device.type == "cpu" and _HAS_MKL:
        with torch.autocast(
            "cpu", enabled=False
        ):  # MKL has no bfloat16 CSR product, and this one is bound by memory anyway
            product: Tensor = _CsrProduct.apply(weight, entries, batch)  # type: ignore[no-untyped-call]
        return product
    if weight.device.type in ("cpu", "cuda"):
        return functional.embedding_bag(
            batch.items, weight, batch.offsets, mode="sum", per_sample_weights=entries, include_last_offset=True
        )
    return _gathered(weight, entries, batch)


def _gathered(weight: Tensor, entries: Tensor, batch: Batch) -> Tensor:
    gathered = weight[batch.items] * entries[:, None]
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


def unit_length(batch: Batch) -> Tensor:
    """Entries of the binary rows divided by the row's L2 norm, (entries,); an empty row has none."""
    return batch.counts.clamp(min=1).float().rsqrt()[batch.row_of]


def initialise_uniform(layers: Iterable[Any], generator: torch.Generator) -> None:
    """Weights and biases of linear layers uniform within 1 / sqrt(inputs), as PyTorch draws them by itself."""
    for layer in layers:
        inputs = layer.weight.shape[0] if isinstance(layer, SparseLinear) else layer.in_features
        bound = inputs**-0.5
        for parameter in layer.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator=generator)


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Xavier-uniform weights, biases truncated normal with sd 0.001 (Liang et al.'s code; spec of Mult-VAE)."""
    for parameter in module.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter, generator=generator)
        else:
            nn.init.trunc_normal_(parameter, std=0.001, a=-0.002, b=0.002, generator=generator)
