"""Likelihoods and divergences, one value per user, in nats."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recdash.models.batch import Batch


class _MultinomialNll(torch.autograd.Function):
    """Gathers the positives instead of building a dense target; the gradient is softmax x n_u - x."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, batch: Batch) -> Tensor:
        log_total = torch.logsumexp(logits.float(), dim=1)
        chosen = logits[batch.row_of, batch.items].float()
        of_positives = torch.zeros_like(log_total).index_add_(0, batch.row_of, chosen)
        ctx.save_for_backward(logits)
        ctx.batch = batch
        return batch.counts * log_total - of_positives

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        (logits,) = ctx.saved_tensors
        batch: Batch = ctx.batch
        out = torch.softmax(logits, dim=1)
        out.mul_((gradient * batch.counts).to(out.dtype)[:, None])
        at = batch.row_of * batch.n_items + batch.items
        out.view(-1).index_add_(0, at, -gradient[batch.row_of].to(out.dtype))
        return out, None


def multinomial_nll(logits: Tensor, batch: Batch) -> Tensor:
    """Negative multinomial log-likelihood of the binary rows, (rows,) nats (Liang et al., WWW 2018, equation 2).

    logits: (rows, items).  The constant of the multinomial coefficient is left out, as in the paper.
    """
    nll: Tensor = _MultinomialNll.apply(logits, batch)  # type: ignore[no-untyped-call]
    return nll


class _BernoulliNll(torch.autograd.Function):
    """Logistic loss over all items without a dense target; the gradient is w sigmoid, and sigmoid - 1 at positives."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, batch: Batch, weight_of_zeros: Tensor) -> Tensor:
        ctx.save_for_backward(logits, weight_of_zeros)
        ctx.batch = batch
        total = torch.nn.functional.softplus(logits.float()).sum(1) * weight_of_zeros
        chosen = logits[batch.row_of, batch.items].float()
        extra = torch.nn.functional.softplus(chosen) * (1 - weight_of_zeros[batch.row_of]) - chosen
        return total.index_add_(0, batch.row_of, extra)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        logits, weight = ctx.saved_tensors
        batch: Batch = ctx.batch
        at = batch.row_of * batch.n_items + batch.items
        chosen = torch.sigmoid(logits.view(-1)[at].float())
        out = torch.sigmoid(logits).mul_((gradient * weight).to(logits.dtype)[:, None])
        out.view(-1)[at] = ((chosen - 1) * gradient[batch.row_of]).to(out.dtype)
        return out, None, None


def bernoulli_nll(logits: Tensor, batch: Batch, weight_of_zeros: Tensor) -> Tensor:
    """Negative log-likelihood of the binary rows under independent items, (rows,) nats (Wu et al., WSDM 2016, 3.2).

    logits: (rows, items).  weight_of_zeros: (rows,) what an item that is not in the row weighs; a positive weighs 1.
    """
    nll: Tensor = _BernoulliNll.apply(logits, batch, weight_of_zeros)  # type: ignore[no-untyped-call]
    return nll


class _AtEntries(torch.autograd.Function):
    """Picks the outputs at a batch's entries; the gradient is zero elsewhere."""

    @staticmethod
    def forward(ctx: Any, outputs: Tensor, batch: Batch) -> Tensor:
        ctx.at = batch.row_of * outputs.shape[1] + batch.items
        ctx.like = outputs
        return outputs.reshape(-1)[ctx.at]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        out = torch.zeros_like(ctx.like)
        out.view(-1)[ctx.at] = gradients[0].to(out.dtype)
        return out, None


def at_entries(outputs: Tensor, batch: Batch) -> Tensor:
    """Outputs at the observed entries of each row, (entries,); unobserved ones neither count nor get a gradient."""
    found: Tensor = _AtEntries.apply(outputs, batch)  # type: ignore[no-untyped-call]
    return found


def normal_kl_by_dimension(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL divergence of N(mu, exp(logvar)) from N(0, 1), each dimension by itself: (rows, latent) nats."""
    return 0.5 * (logvar.exp() + mu.square() - 1 - logvar)
