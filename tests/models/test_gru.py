"""Packed sequences, the recurrence with written-out gradients, the chunked loss: each against its plain form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from recdash.data.histories import Histories
from recdash.models import next_item_loss
from recdash.models.batch import Batch
from recdash.models.gru import Gru, PackedSequences, pad_rows
from recdash.models.next_item_loss import next_item_nll

LENGTHS = (3, 7, 0, 1, 7, 4)


@pytest.fixture
def packed() -> PackedSequences:
    rows = Histories.from_rows([list(range(n)) for n in LENGTHS], 9)
    return PackedSequences.of(Batch.of(rows, torch.device("cpu")), rows.counts)


def test_packing_goes_step_by_step_and_knows_neighbours_and_ends(packed: PackedSequences) -> None:
    assert packed.sizes == (5, 4, 4, 3, 2, 2, 2)
    rows, places = packed.rows.tolist(), {}
    for position, row in enumerate(rows):
        previous = int(packed.previous[position])
        assert previous == places.get(row, -1)
        places[row] = position
    assert packed.ends.tolist() == [places.get(row, -1) for row in range(len(LENGTHS))]


def test_ends_do_not_depend_on_who_comes_last_where_threads_share_the_work() -> None:
    rng = np.random.default_rng(0)
    rows = Histories.from_rows([list(range(n)) for n in rng.integers(0, 120, 400)], 120)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        several = [PackedSequences.of(Batch.of(rows, torch.device("cpu")), rows.counts) for _ in range(5)]
        ends = [packed.ends.numpy() for packed in several]
    finally:
        torch.set_num_threads(threads)
    expected = np.full(len(rows), -1)
    np.maximum.at(expected, several[0].rows.numpy(), np.arange(rows.n_entries))
    for found in ends:
        assert np.array_equal(found, expected)


def test_the_recurrence_and_its_gradients_are_those_of_the_reference(packed: PackedSequences) -> None:
    torch.manual_seed(0)
    ours, reference = Gru(5, 6), nn.GRU(5, 6)
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(ours, name).copy_(getattr(reference, f"{name}_l0"))
    inputs = torch.randn(len(packed.rows), 5)
    first, second = inputs.clone().requires_grad_(), inputs.clone().requires_grad_()
    weights = torch.randn(len(packed.rows), 6)
    states = ours(first, packed)
    theirs, _ = reference(nn.utils.rnn.PackedSequence(second, torch.tensor(packed.sizes)))
    torch.testing.assert_close(states, theirs.data)
    (states * weights).sum().backward()
    (theirs.data * weights).sum().backward()
    torch.testing.assert_close(first.grad, second.grad)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        torch.testing.assert_close(getattr(ours, name).grad, getattr(reference, f"{name}_l0").grad, msg=name)


@pytest.mark.parametrize("at_once", [3, 1000])
def test_the_chunked_loss_is_the_plain_one(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(next_item_loss, "POSITIONS_PER_CHUNK", at_once)
    monkeypatch.setattr(next_item_loss, "RESIDUAL_CELLS", 2 * at_once * 64)
    generator = torch.Generator().manual_seed(1)
    last, hidden = nn.Linear(4, 9), torch.randn(8, 4, generator=generator, requires_grad=True)
    targets = torch.tensor(np.random.default_rng(0).permuted(np.tile(np.arange(9), (8, 1)), axis=1)[:, :3].copy())
    targets[2, 1:], targets[5, :] = -1, -1
    shares = torch.rand(8, generator=generator)

    def plain() -> torch.Tensor:
        logs = torch.log_softmax(last(hidden), 1)
        return -(logs.gather(1, targets.clamp(min=0)) * (targets >= 0)).sum(1)

    expected = plain()
    grads = torch.autograd.grad(2.5 * (expected * shares).sum(), [hidden, last.weight, last.bias])
    ours = next_item_nll(last, hidden, targets, shares, torch.float32)
    torch.testing.assert_close(ours, expected)
    found = torch.autograd.grad(2.5 * (ours * shares).sum(), [hidden, last.weight, last.bias])
    for one, other in zip(found, grads, strict=True):
        torch.testing.assert_close(one, other)


def test_the_chunked_loss_has_the_right_gradient_however_its_positions_are_weighed() -> None:
    generator = torch.Generator().manual_seed(2)
    last, hidden = nn.Linear(4, 9), torch.randn(8, 4, generator=generator, requires_grad=True)
    targets = torch.randint(0, 9, (8, 1), generator=generator)
    shares, weights = torch.rand(8, generator=generator), torch.randn(8, generator=generator)
    plain = nn.functional.cross_entropy(last(hidden), targets[:, 0], reduction="none")
    inputs = [hidden, last.weight, last.bias]
    for wanted in (weights, shares * 2, torch.zeros(8), torch.eye(8)[3]):
        expected = torch.autograd.grad((plain * wanted).sum(), inputs, retain_graph=True)
        ours = next_item_nll(last, hidden, targets, shares, torch.float32)
        found = torch.autograd.grad((ours * wanted).sum(), inputs)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other)


def test_rows_are_added_for_products_in_bfloat16_alone_and_change_nothing() -> None:
    rows = torch.randn(5, 3)
    assert pad_rows(rows) is rows
    with torch.autocast("cpu", torch.bfloat16):
        padded = pad_rows(rows)
        assert padded.shape == (256, 3) and torch.equal(padded[:5], rows) and not padded[5:].any()
        assert torch.equal(pad_rows(torch.tensor([7, 8]), -1)[1:4], torch.tensor([8, -1, -1]))


def test_in_bfloat16_the_recurrence_is_near_the_reference(packed: PackedSequences) -> None:
    torch.manual_seed(0)
    ours = Gru(5, 6)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.uniform_(-0.4, 0.4)
    inputs, weights = torch.randn(len(packed.rows), 5), torch.randn(len(packed.rows), 6)
    exact = ours(inputs, packed)
    slopes = torch.autograd.grad((exact * weights).sum(), list(ours.parameters()))
    with torch.autocast("cpu", torch.bfloat16):
        near = ours(inputs, packed)
    torch.testing.assert_close(near, exact, rtol=0.02, atol=0.02)
    found = torch.autograd.grad((near * weights).sum(), list(ours.parameters()))
    for one, other in zip(found, slopes, strict=True):
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.05)
