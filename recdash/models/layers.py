"""Layers shared by the models."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from recdash.models.batch import Batch

# Invariant checks cost time, and `Histories` has already checked the indices. MKL products run on the CPU only.
torch.sparse.check_sparse_tensor_invariants.disable()  # type: ignore[no-untyped-call]
_FEW_ENTRIES = 256  # up to here, gathering rows is faster than a call of MKL with the whole matrix
_HAS_MKL = bool(torch.backends.mkl.is_available())  # type: ignore[no-untyped-call]
warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")


class _CsrProduct(torch.autograd.Function):
    """Batch (rows, items) times weight (items, width), forward and backward as CSR products (MKL, CPU only)."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, entries: Tensor, batch: Batch) -> Tensor:
        ctx.batch, ctx.entries = batch, entries
        matrix = torch.sparse_csr_tensor(batch.offsets, batch.items, entries, (len(batch), batch.n_items))
        return matrix @ weight  # (rows, items) @ (items, width) -> (rows, width)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        offsets, rows, order = ctx.batch.by_item
        transposed = torch.sparse_csr_tensor(offsets, rows, ctx.entries[order], (ctx.batch.n_items, len(ctx.batch)))
        # (items, rows) @ (rows, width) -> (items, width)
        return transposed @ gradients[0].float().contiguous(), None, None


def sparse_product(weight: Tensor, entries: Tensor, batch: Batch) -> Tensor:
    """Return the sum of weighted item vectors of each row: the product of the sparse batch with a dense matrix.

    Args:
        weight: (items, width).
        entries: (entries,) value of each entry.
        batch: Rows whose items are summed.

    Returns:
        (rows, width) float32.
    """
    needs_gradient = weight.requires_grad and torch.is_grad_enabled()
    if len(batch.items) == 0 or (len(batch.items) <= _FEW_ENTRIES and not needs_gradient):
        return _gathered(weight, entries, batch)
    if weight.device.type == "cpu" and _HAS_MKL:
        # MKL has no bfloat16 CSR product, and memory bandwidth limits this one anyway
        with torch.autocast("cpu", enabled=False):
            product: Tensor = _CsrProduct.apply(weight, entries, batch)  # type: ignore[no-untyped-call]
        return product
    if weight.device.type in ("cpu", "cuda"):
        return functional.embedding_bag(
            batch.items, weight, batch.offsets, mode="sum", per_sample_weights=entries, include_last_offset=True
        )
    return _gathered(weight, entries, batch)


def _gathered(weight: Tensor, entries: Tensor, batch: Batch) -> Tensor:
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
