"""The output layer at observed entries, and the sparse sums below it, against dense products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from recdash.data.histories import Histories
from recdash.models import observed_output
from recdash.models.batch import Batch
from recdash.models.observed_output import ObservedLinear
from recdash.models.sparse_sums import entry_products, pair_products, weighted_sums

CPU = torch.device("cpu")
ITEMS, WIDTH = 300, 37


def batch_of(rows: int = 40, seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    return Batch.of(
        Histories.from_rows([rng.permutation(ITEMS)[: rng.integers(0, 20)] for _ in range(rows)], ITEMS), CPU
    )


def layer_and_input(batch: Batch) -> tuple[ObservedLinear, torch.Tensor]:
    torch.manual_seed(1)
    return ObservedLinear(WIDTH, ITEMS), torch.randn(len(batch), WIDTH, requires_grad=True)


def outputs_and_gradients(layer: ObservedLinear, hidden: torch.Tensor, batch: Batch) -> list[torch.Tensor]:
    outputs = layer.observed(hidden, batch)
    wanted = [hidden, layer.weight, layer.bias]
    return [outputs.detach(), *torch.autograd.grad((outputs - 3).square().sum(), wanted)]


def test_outputs_and_gradients_equal_those_of_the_whole_product(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = batch_of()
    layer, hidden = layer_and_input(batch)
    found = outputs_and_gradients(layer, hidden, batch)
    monkeypatch.setattr(observed_output, "_DENSE_FROM", {torch.float32: 0.0})
    for one, other in zip(found, outputs_and_gradients(layer, hidden, batch), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("dtype", "share", "dense"),
    [
        (torch.float32, 0.15, False),
        (torch.float32, 0.3, True),
        (torch.bfloat16, 0.05, False),
        (torch.bfloat16, 0.15, True),
    ],
)
def test_the_whole_product_is_computed_where_many_entries_are_observed(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, share: float, dense: bool
) -> None:
    taken: list[Any] = []
    whole = observed_output.at_entries
    monkeypatch.setattr(observed_output, "at_entries", lambda *given: taken.append(given) or whole(*given))
    batch = Batch.of(Histories.from_rows([list(range(int(share * ITEMS)))] * 4, ITEMS), CPU)
    layer, hidden = layer_and_input(batch)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        outputs = layer.observed(hidden, batch)
    assert bool(taken) == dense
    assert outputs.dtype == torch.float32
    torch.testing.assert_close(outputs, layer(hidden)[batch.row_of, batch.items], rtol=0.02, atol=0.02)


def test_an_output_depends_on_its_row_alone_to_the_bit() -> None:
    batch = batch_of()
    layer, hidden = layer_and_input(batch)
    whole = layer.observed(hidden, batch)
    parts = [layer.observed(hidden[start : start + 7], batch.rows(start, start + 7)) for start in range(0, 35, 7)]
    joined = torch.cat(parts)
    assert torch.equal(joined, whole[: len(joined)])


def test_a_batch_without_entries_has_no_outputs_and_no_gradient() -> None:
    batch = Batch.of(Histories.from_rows([[], []], ITEMS), CPU)
    layer, hidden = layer_and_input(batch)
    outputs, *gradients = outputs_and_gradients(layer, hidden, batch)
    assert len(outputs) == 0
    assert all(float(gradient.abs().max()) == 0 for gradient in gradients)


def test_weighted_sums_are_the_product_of_a_sparse_and_a_dense_matrix() -> None:
    batch = batch_of()
    table, weights = torch.randn(ITEMS, WIDTH, requires_grad=True), torch.randn(len(batch.items))
    dense = torch.zeros(len(batch), ITEMS).index_put_((batch.row_of, batch.items), weights)
    found = weighted_sums(table, batch.items, batch.offsets, weights)
    assert not found.requires_grad
    torch.testing.assert_close(found, (dense @ table).detach(), rtol=1e-4, atol=1e-4)
    assert torch.equal(
        found[9:10], weighted_sums(table, (one := batch.rows(9, 10)).items, one.offsets, weights[batch.row_of == 9])
    )


def test_products_of_pairs_are_those_of_the_gathered_vectors_in_any_order() -> None:
    torch.manual_seed(2)
    left, right = torch.randn(20, WIDTH), torch.randn(30, WIDTH)
    rows, columns = torch.randint(0, 20, (500,)), torch.randint(0, 30, (500,))  # many pairs occur twice
    found = pair_products(left, right, rows, columns)
    torch.testing.assert_close(found, (left[rows] * right[columns]).sum(1), rtol=1e-4, atol=1e-4)
    backwards = pair_products(left, right, rows.flip(0), columns.flip(0)).flip(0)
    alone = torch.cat([pair_products(left, right, rows[i : i + 1], columns[i : i + 1]) for i in range(20)])
    assert torch.equal(found, backwards) and torch.equal(found[:20], alone)
    assert len(pair_products(left, right, rows[:0], columns[:0])) == 0
    assert len(entry_products(left, right, torch.zeros(21, dtype=torch.int64), columns[:0])) == 0
