"""Likelihood, divergence, sparse product and schedule against slow or known forms of themselves."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from recdash.data.histories import Histories
from recdash.models.batch import Batch, Noise
from recdash.models.layers import l2_normalised, sparse_product
from recdash.models.losses import multinomial_nll, normal_kl_by_dimension
from recdash.models.schedules import anneal
from tests.toy_data import random_histories

CPU = torch.device("cpu")


def batch_of(rows: int = 9, items: int = 14, seed: int = 0) -> Batch:
    return Batch.of(random_histories(rows, items, np.random.default_rng(seed)), CPU)


def dense_of(batch: Batch) -> Tensor:
    out = torch.zeros(len(batch), batch.n_items)
    out[batch.row_of, batch.items] = 1
    return out


def test_the_multinomial_likelihood_equals_a_loop_over_users() -> None:
    batch, logits = batch_of(), torch.randn(9, 14, generator=torch.Generator().manual_seed(1))
    for row in range(9):
        items = batch.items[batch.offsets[row] : batch.offsets[row + 1]]
        expected = -torch.log_softmax(logits[row], 0)[items].sum()
        torch.testing.assert_close(multinomial_nll(logits, batch)[row], expected)


def test_the_gradient_of_the_likelihood_equals_automatic_differentiation() -> None:
    batch = batch_of()
    generator = torch.Generator().manual_seed(2)
    ours = torch.randn(9, 14, generator=generator, requires_grad=True)
    plain = ours.detach().clone().requires_grad_()
    weight = torch.rand(9, generator=generator)
    torch.autograd.backward((multinomial_nll(ours, batch) * weight).sum())
    torch.autograd.backward((-(torch.log_softmax(plain, 1) * dense_of(batch)).sum(1) * weight).sum())
    torch.testing.assert_close(ours.grad, plain.grad)


def test_the_sparse_product_and_its_gradient_equal_the_dense_ones() -> None:
    batch = batch_of()
    generator = torch.Generator().manual_seed(3)
    entries = torch.rand(len(batch.items), generator=generator)
    ours = torch.randn(14, 5, generator=generator, requires_grad=True)
    plain = ours.detach().clone().requires_grad_()
    upstream = torch.randn(9, 5, generator=generator)
    dense = torch.zeros(9, 14)
    dense[batch.row_of, batch.items] = entries
    out = sparse_product(ours, entries, batch)
    torch.testing.assert_close(out, dense @ plain)
    torch.autograd.backward(out, upstream)
    torch.autograd.backward(dense @ plain, upstream)
    torch.testing.assert_close(ours.grad, plain.grad)


def test_a_batch_of_empty_rows_gives_zeros_and_no_nan() -> None:
    batch = Batch.of(Histories.from_rows([[], []], 4), CPU)
    weight = torch.ones(4, 3, requires_grad=True)
    out = sparse_product(weight, l2_normalised(batch), batch)
    assert out.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert multinomial_nll(torch.randn(2, 4), batch).tolist() == [0, 0]


def test_every_row_has_unit_length() -> None:
    batch = batch_of()
    squares = torch.zeros(len(batch)).index_add_(0, batch.row_of, l2_normalised(batch).square())
    torch.testing.assert_close(squares, (batch.counts > 0).float())


def test_the_divergence_equals_that_of_torch_distributions() -> None:
    generator = torch.Generator().manual_seed(4)
    mu, logvar = torch.randn(6, 3, generator=generator), torch.randn(6, 3, generator=generator)
    expected = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(torch.zeros(3), torch.ones(3))).sum(1)
    torch.testing.assert_close(normal_kl_by_dimension(mu, logvar).sum(1), expected)


def test_the_divergence_of_the_standard_normal_from_itself_is_zero() -> None:
    assert not normal_kl_by_dimension(torch.zeros(2, 5), torch.zeros(2, 5)).any()


@given(st.floats(0.01, 2), st.integers(1, 10_000), st.integers(0, 20_000))
def test_beta_by_the_papers_t_is_the_smaller_of_cap_and_share(cap: float, t: int, update: int) -> None:
    assert anneal(update, 1, cap=cap, reach_cap_at=0.5, anneal_updates=t) == min(cap, update / t)


@settings(max_examples=50)
@given(st.floats(0.01, 2), st.floats(0, 1), st.integers(1, 500))
def test_beta_never_falls_never_passes_its_cap_and_meets_it_on_time(
    cap: float, share: float, planned_updates: int
) -> None:
    betas = [anneal(update, planned_updates, cap=cap, reach_cap_at=share) for update in range(planned_updates + 1)]
    assert all(a <= b for a, b in pairwise(betas))
    assert max(betas) <= cap
    assert betas[int(np.ceil(share * planned_updates))] == cap


def test_noise_of_a_slice_is_the_slice_of_the_noise() -> None:
    batch = batch_of()
    whole = Noise(5, 17, batch)
    normal, kept = whole.normal(4), whole.dropout_mask(0.3)
    part = Noise(5, 17, batch, rows=slice(2, 6), entries=slice(3, 11))
    assert torch.equal(part.normal(4), normal[2:6])
    assert torch.equal(part.dropout_mask(0.3), kept[3:11])


def test_noise_depends_on_seed_and_update_and_on_nothing_else() -> None:
    batch = batch_of()
    assert torch.equal(Noise(1, 2, batch).normal(3), Noise(1, 2, batch).normal(3))
    assert not torch.equal(Noise(1, 2, batch).normal(3), Noise(1, 3, batch).normal(3))
    assert not torch.equal(Noise(1, 2, batch).normal(3), Noise(2, 2, batch).normal(3))


@pytest.mark.parametrize("dropout", [0.0, 0.25, 0.8])
def test_dropout_keeps_the_stated_share_and_the_mean(dropout: float) -> None:
    batch = Batch.of(Histories.from_rows([list(range(20_000))], 20_000), CPU)
    kept = Noise(0, 0, batch).dropout_mask(dropout)
    assert abs(float((kept > 0).float().mean()) - (1 - dropout)) < 0.02
    assert abs(float(kept.mean()) - 1) < 0.05
