"""ELSA: loss and gradients against the formula with a plain dense network, the diagonal of zeros, exact reasons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from recdash.data.histories import Histories
from recdash.models import elsa, registry
from recdash.models.base import TrainingProgress
from recdash.models.batch import Batch, Noise
from recdash.models.data_shape import DataShape
from recdash.models.elsa import ELSA, ELSAConfig
from recdash.splits import Split
from recdash.training import fit
from recdash.training.batch_order import torch_generator
from tests.toy_data import random_histories, toy_split

SMALL: dict[str, Any] = {"latent": 8, "epochs": 3, "batch_size": 40, "learning_rate": 0.05}


@pytest.fixture(scope="module")
def split() -> Split:
    return toy_split()


@pytest.fixture(scope="module")
def trained(split: Split) -> ELSA:
    model = fit("elsa", split, **SMALL)
    assert isinstance(model, ELSA)
    return model


def untrained(items: int, latent: int) -> ELSA:
    model = ELSA(ELSAConfig(latent=latent), DataShape(10, items, 100))
    model.initialise(torch_generator(3, "weights"))
    return model


def loss_of(model: ELSA, batch: Batch) -> Tensor:
    return model.loss(batch, TrainingProgress(1, 0, 1, Noise(0, 0, batch))).total


def plain_loss(weights: Tensor, x: Tensor) -> Tensor:
    """The paper's formula on dense rows, (rows,)."""
    vectors = functional.normalize(weights, dim=1)
    y = x @ vectors @ vectors.T - x
    return (functional.normalize(y, dim=1) - functional.normalize(x, dim=1)).square().sum(1)


@pytest.mark.parametrize(("rows", "latent"), [(40, 6), (4, 6), (6, 9), (7, 10)])  # by way of A'A, and of the outputs
def test_loss_and_gradient_are_those_of_the_plain_formula(rows: int, latent: int) -> None:
    histories = random_histories(rows, 30, np.random.default_rng(rows))
    model, batch = untrained(30, latent), Batch.of(histories, torch.device("cpu"))
    weights = model.items.detach().double().requires_grad_()
    expected = plain_loss(weights, torch.from_numpy(histories.matrix().toarray()).double())
    found = loss_of(model, batch)
    torch.testing.assert_close(found.detach().double(), expected.detach(), rtol=1e-4, atol=1e-5)
    scale = torch.linspace(0.5, 2, rows)  # rows count differently, as in no mean
    torch.autograd.backward((found * scale).sum())
    torch.autograd.backward((expected * scale).sum())
    assert model.items.grad is not None and weights.grad is not None
    torch.testing.assert_close(model.items.grad.double(), weights.grad, rtol=1e-3, atol=1e-4)


def test_few_rows_take_the_outputs_unless_these_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(50, 6, generator=generator).requires_grad_()
    hidden = torch.randn(3, 6, generator=generator)
    plain = elsa.reconstruction_squares(vectors, hidden)
    assert not plain.grad_fn.by_gram  # type: ignore[union-attr]
    monkeypatch.setattr(elsa, "_MAX_CELLS", 149)
    other = elsa.reconstruction_squares(vectors, hidden)
    assert other.grad_fn.by_gram  # type: ignore[union-attr]
    torch.testing.assert_close(other, plain)


@pytest.mark.parametrize("rows", [3, 60])
def test_products_in_bfloat16_have_nearly_the_same_gradient(rows: int) -> None:
    histories = random_histories(rows, 200, np.random.default_rng(5), most=60)
    batch, slopes = Batch.of(histories, torch.device("cpu")), []
    for enabled in (False, True):
        model = untrained(200, 24)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            total = loss_of(model, batch)
        torch.autograd.backward(total.mean())
        assert total.dtype == torch.float32 and model.items.grad is not None
        slopes.append(model.items.grad)
    assert float((slopes[1] - slopes[0]).norm()) < 0.02 * float(slopes[0].norm())


def test_no_item_recommends_itself(trained: ELSA, split: Split) -> None:
    alone = trained.score(Histories.from_rows([[item] for item in range(split.n_items)], split.n_items))
    np.testing.assert_allclose(np.diag(alone), 0, atol=1e-6)
    np.testing.assert_allclose(alone, alone.T, atol=1e-6)  # AA' - 1 is symmetric
    every = range(split.n_items)
    assert not np.diag(trained.contributions(every, every)).any()


def test_item_vectors_have_length_1_and_their_cosines_are_what_a_pick_adds(trained: ELSA, split: Split) -> None:
    vectors = trained.item_vectors()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    picks, items = [3, 9, 20], list(range(split.n_items))
    parts = trained.contributions(picks, items)
    np.testing.assert_allclose(parts[0, 30], vectors[3] @ vectors[30], atol=1e-6)
    scores = trained.score(Histories.from_rows([picks], split.n_items))[0]
    np.testing.assert_allclose(parts.sum(0), scores, atol=1e-5)


def test_a_history_without_items_has_no_loss_and_no_gradient() -> None:
    model = untrained(20, 4)
    total = loss_of(model, Batch.of(Histories.from_rows([[]], 20), torch.device("cpu")))
    torch.autograd.backward(total.sum())
    assert float(total.detach()) == 0 and model.items.grad is not None and not model.items.grad.any()


def test_auto_has_narrower_vectors_for_few_users() -> None:
    few, many = (registry.configure("elsa", DataShape(users, 500, 9000)).to_dict() for users in (700, 5000))
    assert (few["latent"], many["latent"]) == (200, 400) and few["batch_size"] < many["batch_size"]
