"""Likelihoods of dense batches of fixed shapes: few passes over the logits, no sums by index."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from recdash.models.dense_products import full_precision, with_padding
from recdash.models.fixed_batch import FixedBatch

_TINY = 1e-38  # the smallest probability whose logarithm is taken; the gradient does not need it


class _MultinomialNll(torch.autograd.Function):
    """Minus the sum of the positives' log-probabilities; the gradient is n_u softmax - x.

    Rounding of probabilities to bfloat16 changes a row's sum by a few hundredths of a nat, in either direction, and
    the gradient not more than rounding itself does.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, batch: FixedBatch) -> Tensor:
        x = batch.binary  # (rows, columns)
        with full_precision(logits):
            softmax = torch.softmax(logits, 1)  # (rows, columns)
            logs = softmax.clamp_min(_TINY).log_()  # (rows, columns)
            of_positives = logs.mul_(x).sum(1, dtype=torch.float32)  # (rows,)
        ctx.save_for_backward(softmax, x, batch.counts)
        return -of_positives

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        softmax, x, counts = ctx.saved_tensors
        out = softmax * (gradient * counts).to(softmax.dtype)[:, None]  # (rows, columns)
        return out.addcmul_(x, gradient.to(out.dtype)[:, None], value=-1), None


class _BernoulliNll(torch.autograd.Function):
    """Sum of softplus(s y), where s is -1 at positives and 1 elsewhere, with weight w at zeros.

    The sign makes the gradients of likely positives exact in bfloat16: sigmoid(y) - 1 = -sigmoid(-y).
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, batch: FixedBatch, weight_of_zeros: Tensor) -> Tensor:
        x = batch.binary  # (rows, columns)
        with full_precision(logits):  # softplus would be widened, with a copy of all logits
            signed = torch.addcmul(logits, logits, x, value=-2)  # (rows, columns)
            ctx.save_for_backward(signed, x, weight_of_zeros)
            terms = functional.softplus(signed)
            of_all, of_positives = (part.sum(1, dtype=torch.float32) for part in (terms, terms * x))  # (rows,) each
        return weight_of_zeros * of_all + (1 - weight_of_zeros) * of_positives

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        signed, x, weight_of_zeros = ctx.saved_tensors
        at_zeros = (gradient * weight_of_zeros).to(x.dtype)[:, None]  # (rows, 1)
        change = at_zeros + gradient.to(x.dtype)[:, None]
        out = torch.addcmul(at_zeros, change, x, value=-1)  # (rows, columns): -gradient at positives
        return out.mul_(torch.sigmoid(signed)), None, None


class _AtEntries(torch.autograd.Function):
    """Outputs (rows, items) at the entries, 0 at padding entries; the gradient is zero elsewhere."""

    @staticmethod
    def forward(ctx: Any, outputs: Tensor, batch: FixedBatch) -> Tensor:
        ctx.batch, ctx.dtype = batch, outputs.dtype
        return batch.without_padding(outputs[batch.row_of, batch.items])  # (rows, items) -> (entries,)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        batch: FixedBatch = ctx.batch
        return batch.dense(gradients[0], ctx.dtype)[:, : batch.n_items], None


def multinomial_nll(logits: Tensor, batch: FixedBatch) -> Tensor:
    """Return the negative multinomial log-likelihood, (rows,) nats, as `recdash.models.losses` does."""
    nll: Tensor = _MultinomialNll.apply(with_padding(logits, batch), batch)  # type: ignore[no-untyped-call]
    return nll


def bernoulli_nll(logits: Tensor, batch: FixedBatch, weight_of_zeros: Tensor) -> Tensor:
    """Return the negative log-likelihood with independent items, (rows,) nats, as `recdash.models.losses` does."""
    nll: Tensor = _BernoulliNll.apply(with_padding(logits, batch), batch, weight_of_zeros)  # type: ignore[no-untyped-call]
    return nll


def at_entries(outputs: Tensor, batch: FixedBatch) -> Tensor:
    """Return outputs (rows, items) at the entries, (entries,), and 0 at padding entries."""
    selected: Tensor = _AtEntries.apply(outputs, batch)  # type: ignore[no-untyped-call]
    return selected
