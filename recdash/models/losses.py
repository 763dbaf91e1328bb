"""Likelihoods and divergences in nats, one value per row."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recdash.models.batch import Batch


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
    nll: Tensor = _MultinomialNll.apply(logits, batch)  # type: ignore[no-untyped-call]
    return nll


class _BernoulliNll(torch.autograd.Function):
    """Logistic loss over all items without a dense target; the gradient is w sigmoid, and sigmoid - 1 at positives."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, batch: Batch, weight_of_zeros: Tensor) -> Tensor:
        ctx.save_for_backward(logits, weight_of_zeros)
        ctx.batch = batch
        total = torch.nn.functional.softplus(logits.float()).sum(1) * weight_of_zeros  # (rows, items) -> (rows,)
        positives = logits[batch.row_of, batch.items].float()  # (rows, items) -> (entries,)
        extra = torch.nn.functional.softplus(positives) * (1 - weight_of_zeros[batch.row_of]) - positives
        return total.index_add_(0, batch.row_of, extra)  # (entries,) -> (rows,)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        logits, weight = ctx.saved_tensors
        batch: Batch = ctx.batch
        cells = batch.row_of * batch.n_items + batch.items  # (entries,) cells of (rows, items)
        positives = torch.sigmoid(logits.view(-1)[cells].float())  # (entries,)
        out = torch.sigmoid(logits).mul_((gradient * weight).to(logits.dtype)[:, None])
        out.view(-1)[cells] = ((positives - 1) * gradient[batch.row_of]).to(out.dtype)
        return out, None, None


def bernoulli_nll(logits: Tensor, batch: Batch, weight_of_zeros: Tensor) -> Tensor:
    """Return the negative log-likelihood of binary rows with independent items (Wu et al., WSDM 2016, section 3.2).

    Args:
        logits: (rows, items).
        batch: The rows; all their entries count as 1.
        weight_of_zeros: (rows,) weight of an item that is not in the row; a positive has weight 1.

    Returns:
        (rows,) nats.
    """
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
    selected: Tensor = _AtEntries.apply(outputs, batch)  # type: ignore[no-untyped-call]
    return selected


def normal_kl_by_dimension(mu: Tensor, logvar: Tensor) -> Tensor:
    """Return the KL divergence of N(mu, exp(logvar)) from N(0, 1) by dimension, (rows, latent) nats."""
    return 0.5 * (logvar.exp() + mu.square() - 1 - logvar)
