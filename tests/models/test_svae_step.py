"""SVAE's loss and gradients in one pass: those of the layers one after the other, whatever the chunks and threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from recdash.data.histories import Histories
from recdash.models import next_item_loss, registry
from recdash.models.base import TrainingProgress
from recdash.models.batch import Batch, Noise
from recdash.models.data_shape import DataShape
from recdash.models.svae import SVAE
from recdash.training.batch_order import torch_generator

N_ITEMS = 70
LENGTHS = (3, 17, 0, 1, 9, 17, 2)


def small_model(**settings: Any) -> SVAE:
    shape = DataShape(users=7, items=N_ITEMS, interactions=sum(LENGTHS), scale=None)
    sizes = {"embedding": 12, "recurrent": 10, "hidden_width": 9, "latent": 4, "beta_cap": 0.6, "anneal_users": 1}
    model = registry.build("svae", registry.configure("svae", shape, settings=sizes | settings), shape)
    assert isinstance(model, SVAE)
    model.initialise(torch_generator(0, "weights"))
    return model


def batch_of(lengths: tuple[int, ...] = LENGTHS) -> Batch:
    rng = np.random.default_rng(0)
    rows = Histories.from_rows([rng.permutation(N_ITEMS)[:n].tolist() for n in lengths], N_ITEMS)
    return Batch.of(rows, torch.device("cpu"), np.arange(len(lengths)))


def loss_and_gradients(
    model: SVAE, row_weights: Tensor | None = None, dtype: torch.dtype | None = None
) -> list[Tensor]:
    batch = batch_of()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        total = model.loss(batch, TrainingProgress(1, 5, 10, Noise(3, 0, batch))).total
    weights = torch.full((len(batch),), 1 / len(batch)) if row_weights is None else row_weights
    return [total.detach(), *torch.autograd.grad((total * weights).sum(), list(model.parameters()))]


def by_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SVAE, "_computes_in_one_pass", lambda *_: False)


@pytest.mark.parametrize("settings", [{}, {"variance": "author", "reduction": "author"}])
@pytest.mark.parametrize("chunk", [4, 256])
def test_one_pass_gives_what_the_layers_give(
    settings: dict[str, Any], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_model(**settings)
    monkeypatch.setattr(next_item_loss, "POSITIONS_PER_CHUNK", chunk)
    monkeypatch.setattr(next_item_loss, "RESIDUAL_CELLS", 128 * 3 * chunk)
    found = loss_and_gradients(model)
    by_layers(monkeypatch)
    for one, other in zip(found, loss_and_gradients(model), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_users_may_be_weighted_and_a_graph_used_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = small_model(), batch_of()
    weights = torch.rand(len(batch), generator=torch.Generator().manual_seed(0))
    found = loss_and_gradients(model, weights)
    total = model.loss(batch, TrainingProgress(1, 5, 10, Noise(3, 0, batch))).total
    first = torch.autograd.grad(total.mean(), list(model.parameters()), retain_graph=True)
    second = torch.autograd.grad(total.mean(), list(model.parameters()))
    by_layers(monkeypatch)
    for one, other in zip(found, loss_and_gradients(model, weights), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_threads_change_nothing_to_the_bit(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model()
    monkeypatch.setattr(next_item_loss, "POSITIONS_PER_CHUNK", 4)
    threads, found = torch.get_num_threads(), []
    try:
        for n in (1, 2, 3):
            torch.set_num_threads(n)
            found.append(loss_and_gradients(model, dtype=dtype))
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        assert all(torch.equal(one, two) for one, two in zip(found[0], other, strict=True))


def test_in_bfloat16_it_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model()
    near = loss_and_gradients(model, dtype=torch.bfloat16)
    for one, other in zip(near, loss_and_gradients(model), strict=True):
        assert (one - other).norm() < 0.03 * other.norm()


def test_a_batch_without_a_next_item_has_no_loss() -> None:
    batch = batch_of((1, 1))
    loss = small_model().loss(batch, TrainingProgress(1, 5, 10, Noise(3, 0, batch)))
    assert loss.total.tolist() == [0, 0]
    loss.total.mean().backward()
