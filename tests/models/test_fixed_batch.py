"""Padded batches compute what batches without padding do, and nothing of the padding shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from recdash.data.histories import Histories
from recdash.models import dense_losses, layers, losses
from recdash.models.batch import Batch
from recdash.models.dense_products import PADDING_LOGIT, PaddedOutputs, with_padding
from recdash.models.fixed_batch import ALIGNMENT, FixedBatch, padded_width
from recdash.training.device_rows import DeviceRows
from tests.toy_data import random_histories

CPU = torch.device("cpu")


def pair(items: int, *, dtype: torch.dtype = torch.float32, ratings: bool = False) -> tuple[Batch, FixedBatch]:
    """The same 9 of 30 rows without and with padding; some rows are empty."""
    rng = np.random.default_rng(items)
    rows = random_histories(30, items, rng)
    if ratings:
        values = rng.integers(1, 6, rows.n_entries).astype(np.float32)
        rows = Histories(rows.indptr, rows.items, values, items)
    users = np.array([4, 0, 29, 7, 11, 12, 13, 28, 2])
    plain = Batch.of(rows.take(users), CPU, users)
    return plain, DeviceRows(rows, CPU, dtype).batch(torch.from_numpy(users), len(plain.items) + 17)


@pytest.mark.parametrize("ratings", [False, True])
def test_a_padded_batch_has_the_rows_of_the_plain_one(ratings: bool) -> None:
    plain, fixed = pair(20, ratings=ratings)
    real = len(plain.items)
    assert len(fixed) == len(plain) and len(fixed.items) == real + 17 and fixed.is_real.sum() == real
    for one, other in ((fixed.items, plain.items), (fixed.row_of, plain.row_of)):
        assert torch.equal(one[:real], other)
    assert torch.equal(fixed.offsets, plain.offsets) and torch.equal(fixed.counts, plain.counts)
    assert fixed.users is not None and plain.users is not None and torch.equal(fixed.users, plain.users)
    assert int(fixed.n_entries) == plain.n_entries
    if ratings:
        assert fixed.values is not None and plain.values is not None
        assert torch.equal(fixed.values[:real], plain.values)
    dense = torch.zeros(len(plain), 20)
    dense[plain.row_of, plain.items] = 1
    assert torch.equal(fixed.binary[:, :20], dense) and not fixed.binary[:, 20:].any()


def test_the_longest_pass_determines_the_padding() -> None:
    rows = Histories.from_rows([[0], [0, 1, 2], [], [1, 2], [0, 1]], 3)
    found = DeviceRows(rows, CPU, torch.float32)
    assert found.entries_needed(np.array([1, 3, 0, 2, 4]), np.array([0, 2, 4, 5])) == 5
    assert found.entries_needed(np.array([2, 0, 1, 4, 3]), np.array([0, 2, 4, 5])) == 5
    assert DeviceRows.padded_entries(5) % 1024 == 0 and DeviceRows.padded_entries(10_000) > 11_000


@pytest.mark.parametrize(("items", "width"), [(1, 64), (63, 64), (64, 128), (20_108, 20_160)])
def test_there_is_always_a_column_for_padding(items: int, width: int) -> None:
    assert padded_width(items) == width and width % ALIGNMENT == 0


def outputs_of(hidden: Tensor, weight: Tensor, bias: Tensor, batch: Batch) -> Tensor:
    """Logits (rows, items) as a model computes them; padded for a padded batch."""
    if not isinstance(batch, FixedBatch):
        return functional.linear(hidden, weight, bias)
    with PaddedOutputs(batch.n_items, torch.float32):
        logits = functional.linear(hidden, weight, bias)
    whole = with_padding(logits, batch)
    assert logits.shape == (len(batch), batch.n_items) and whole.shape == (len(batch), batch.width)
    assert whole.data_ptr() == logits.data_ptr() and (whole[:, batch.n_items :] == PADDING_LOGIT).all()
    return logits


def weighted(batch: Batch) -> Tensor:
    return torch.linspace(0.1, 1.5, len(batch))


LOSSES: dict[str, Callable[[Tensor, Batch], Tensor]] = {
    "multinomial": losses.multinomial_nll,
    "bernoulli": lambda outputs, batch: losses.bernoulli_nll(outputs, batch, torch.ones(len(batch))),
    "weighted": lambda outputs, batch: losses.bernoulli_nll(outputs, batch, weighted(batch)),
    "entries": lambda outputs, batch: batch.add_to_rows(
        torch.zeros(len(batch)), losses.at_entries(outputs, batch).square()
    ),
    "other": lambda outputs, batch: losses.multinomial_nll(functional.selu(outputs), batch),
}


@pytest.mark.parametrize("items", [20, 63, 64])
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_and_gradients_are_those_without_padding(loss: str, items: int) -> None:
    torch.manual_seed(0)
    weights = torch.randn(items, 6), torch.randn(items, 6), torch.randn(items)
    found = []
    for batch in pair(items):
        first, weight, bias = (one.clone().requires_grad_() for one in weights)
        hidden = torch.tanh(layers.sparse_product(first, layers.l2_normalised(batch), batch))
        values = LOSSES[loss](outputs_of(hidden, weight, bias, batch), batch)
        slopes = torch.autograd.grad((values * torch.arange(1, 10)).sum(), [first, weight, bias])
        found.append([values, *slopes])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-5)


def test_outputs_without_padding_get_it_for_the_likelihood() -> None:
    plain, fixed = pair(20)
    logits = torch.randn(9, 20)
    torch.testing.assert_close(dense_losses.multinomial_nll(logits, fixed), losses.multinomial_nll(logits, plain))
    assert torch.equal(with_padding(logits, fixed)[:, :20], logits)


def test_in_bfloat16_likely_positives_still_have_a_gradient() -> None:
    plain, fixed = pair(20, dtype=torch.bfloat16)
    logits = torch.full((9, 20), 7.0, dtype=torch.bfloat16, requires_grad=True)
    (slope,) = torch.autograd.grad(losses.bernoulli_nll(logits, fixed, torch.ones(9)).sum(), [logits])
    expected = -torch.sigmoid(torch.tensor(-7.0))
    torch.testing.assert_close(
        slope[plain.row_of, plain.items].float(), expected.expand(len(plain.items)), rtol=1e-2, atol=0
    )


def test_rows_of_a_table_are_selected_with_their_gradient() -> None:
    found = []
    for batch in pair(20):
        table = torch.arange(90.0).view(30, 3).requires_grad_()
        rows = batch.of_users(table)
        found.append((rows, *torch.autograd.grad(rows.square().sum(), [table])))
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_writes_are_made_in_any_order_and_the_setting_returns() -> None:
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        _, fixed = pair(20)
        assert fixed.binary.any()
        assert torch.are_deterministic_algorithms_enabled() and torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
