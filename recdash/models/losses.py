"""Likelihoods and divergences in nats, one value per row."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recdash.models import dense_losses
from recdash.models.batch import Batch
from recdash.models.fixed_batch import FixedBatch

_BLOCK = 1 << 18  # logits at a time: 1 MiB of float32
_FACTORS = 64  # in a product of probabilities


class _MultinomialNll(torch.autograd.Function):
    """Gathers the positives instead of building a dense target; the gradient is n_u softmax - x."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, batch: Batch) -> Tensor:
        log_total = torch.logsumexp(logits.float(), dim=1)  # (rows, items) -> (rows,)
        positives = logits[batch.row_of, batch.items].float()  # (rows, items) -> (entries,)
        of_positives = torch.zeros_like(log_total).index_add_(0, batch.row_of, positives)  # (entries,) -> (rows,)
        ctx.save_for_backward(logits)
        ctx.batch = batch
        return batch.counts * log_total - of_positives

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        (logits,) = ctx.saved_tensors
        batch: Batch = ctx.batch
        out = torch.softmax(logits, dim=1)  # (rows, items)
        out.mul_((gradient * batch.counts).to(out.dtype)[:, None])  # times (rows, 1)
        cells = batch.row_of * batch.n_items + batch.items  # (entries,) cells of (rows, items)
        out.view(-1).index_add_(0, cells, -gradient[batch.row_of].to(out.dtype))
        return out, None


def multinomial_nll(logits: Tensor, batch: Batch) -> Tensor:
    """Return the negative multinomial log-likelihood of binary rows (Liang et al., WWW 2018, equation 2).

    The constant of the multinomial coefficient is left out, as in the paper.

    Args:
        logits: (rows, items).
        batch: The rows; all their entries count as 1.

    Returns:
        (rows,) nats.
    """
    if isinstance(batch, FixedBatch):
        return dense_losses.multinomial_nll(logits, batch)
    nll: Tensor = _MultinomialNll.apply(logits, batch)  # type: ignore[no-untyped-call]
    return nll


class _BernoulliNll(torch.autograd.Function):
    """Logistic loss over all items without a dense target; the gradient is w sigmoid, and sigmoid - 1 at positives.

    Loss and gradient share one sigmoid. Blocks of rows stay in the CPU cache.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, batch: Batch, weight_of_zeros: Tensor) -> Tensor:
        rows, n_items = logits.shape
        probabilities = torch.empty_like(logits)
        total = torch.empty(rows, device=logits.device)
        step = max(1, _BLOCK // max(1, n_items)) if logits.device.type == "cpu" else max(1, rows)
        for start in range(0, rows, step):
            block = logits[start : start + step].float()  # (rows of the block, items)
            target = probabilities[start : start + step]
            sigmoids = torch.sigmoid(block, out=target) if target.dtype == block.dtype else torch.sigmoid(block)
            if sigmoids is not target:
                target.copy_(sigmoids)
            total[start : start + step] = _softplus_sums(block, sigmoids)
        cells = batch.row_of * n_items + batch.items  # (entries,) cells of (rows, items)
        positives = logits.view(-1).index_select(0, cells).float()  # (entries,)
        ctx.save_for_backward(probabilities, positives, weight_of_zeros, cells)
        ctx.batch = batch
        extra = torch.nn.functional.softplus(positives) * (1 - weight_of_zeros[batch.row_of]) - positives
        return (total * weight_of_zeros).index_add(0, batch.row_of, extra)  # (entries,) -> (rows,)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        probabilities, positives, weight, cells = ctx.saved_tensors
        out = probabilities * (gradient * weight).to(probabilities.dtype)[:, None]  # (rows, items)
        out.view(-1)[cells] = ((torch.sigmoid(positives) - 1) * gradient[ctx.batch.row_of]).to(out.dtype)
        return out, None, None


def _softplus_sums(logits: Tensor, sigmoids: Tensor) -> Tensor:
    """Return the sum of log(1 + exp(x)) of each row, with one logarithm for 64 logits.

    log(1 + exp(x)) = max(x, 0) - log(max(p, 1 - p)) with the sigmoid p, and a product of 64 numbers between 0.5 and 1
    is far above the smallest float32.
    """
    likelier = torch.maximum(sigmoids, 1 - sigmoids)  # (rows, items)
    groups = likelier.shape[1] // _FACTORS
    first, rest = likelier[:, : groups * _FACTORS], likelier[:, groups * _FACTORS :]
    products = first.view(-1, _FACTORS, groups).prod(1) if groups else first  # (rows, groups)
    return logits.clamp_min(0).sum(1) - products.log().sum(1) - rest.prod(1).log()


def bernoulli_nll(logits: Tensor, batch: Batch, weight_of_zeros: Tensor) -> Tensor:
    """Return the negative log-likelihood of binary rows with independent items (Wu et al., WSDM 2016, section 3.2).

    Args:
        logits: (rows, items).
        batch: The rows; all their entries count as 1.
        weight_of_zeros: (rows,) weight of an item that is not in the row; a positive has weight 1.

    Returns:
        (rows,) nats.
    """
    if isinstance(batch, FixedBatch):
        return dense_losses.bernoulli_nll(logits, batch, weight_of_zeros)
    nll: Tensor = _BernoulliNll.apply(logits, batch, weight_of_zeros)  # type: ignore[no-untyped-call]
    return nll


class _AtEntries(torch.autograd.Function):
    """Picks the outputs at a batch's entries; the gradient is zero elsewhere."""

    @staticmethod
    def forward(ctx: Any, outputs: Tensor, batch: Batch) -> Tensor:
        ctx.cells = batch.row_of * outputs.shape[1] + batch.items  # (entries,) cells of (rows, items)
        ctx.like = outputs
        return outputs.reshape(-1)[ctx.cells]  # (rows, items) -> (entries,)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        out = torch.zeros_like(ctx.like)
        out.view(-1)[ctx.cells] = gradients[0].to(out.dtype)
        return out, None


def at_entries(outputs: Tensor, batch: Batch) -> Tensor:
    """Return outputs (rows, items) at the entries of each row, (entries,); the gradient elsewhere is zero."""
    if isinstance(batch, FixedBatch):
        return dense_losses.at_entries(outputs, batch)
    selected: Tensor = _AtEntries.apply(outputs, batch)  # type: ignore[no-untyped-call]
    return selected


def normal_kl_by_dimension(mu: Tensor, logvar: Tensor) -> Tensor:
    """Return the KL divergence of N(mu, exp(logvar)) from N(0, 1) by dimension, (rows, latent) nats."""
    return 0.5 * (logvar.exp() + mu.square() - 1 - logvar)
