"""CDAE: its loss, its user vectors, and what becomes of newcomers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from recdash.data.histories import Histories
from recdash.models import registry
from recdash.models.batch import Batch
from recdash.models.cdae import CDAE
from recdash.models.losses import bernoulli_nll
from recdash.splits import Split
from recdash.training import fit
from tests.toy_data import toy_split

SMALL: dict[str, Any] = {"latent": 12, "batch_size": 20, "learning_rate": 0.02, "epochs": 8}


@pytest.fixture(scope="module")
def split() -> Split:
    return toy_split()


@pytest.fixture(scope="module")
def trained(split: Split) -> CDAE:
    model = fit("cdae", split, **SMALL)
    assert isinstance(model, CDAE)
    return model


@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_the_logistic_loss_and_its_gradient_are_the_dense_ones(split: Split, weight: float) -> None:
    batch = Batch.of(split.train.slice(0, 7), torch.device("cpu"))
    logits = torch.randn(7, split.n_items, generator=torch.Generator().manual_seed(0), requires_grad=True)
    dense = torch.from_numpy(split.train.slice(0, 7).matrix().toarray())
    zeros = torch.full((7,), weight)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, dense, reduction="none")
    plain = (plain * torch.where(dense > 0, 1.0, weight)).sum(1)
    ours = bernoulli_nll(logits, batch, zeros)
    torch.testing.assert_close(ours, plain)
    upstream = torch.arange(1.0, 8.0)
    (expected,) = torch.autograd.grad(plain, logits, upstream)
    (found,) = torch.autograd.grad(ours, logits, upstream)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("likelihood", ["logistic", "square"])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "identity"])
def test_every_form_of_the_paper_learns(likelihood: str, activation: str, split: Split) -> None:
    losses: list[float] = []
    settings = SMALL | {"likelihood": likelihood, "activation": activation, "weighting": "sampled"}
    fit("cdae", split, on_epoch=lambda record: losses.append(record.values["reconstruction"]), **settings)
    assert losses[-1] < 0.95 * losses[0]


def test_the_weight_of_zeros_is_what_sampling_negatives_comes_to(split: Split) -> None:
    config = registry.configure("cdae", split.shape, settings={"weighting": "sampled", "negatives": 3.0})
    model = registry.build("cdae", config, split.shape)
    assert isinstance(model, CDAE)
    batch = Batch.of(split.train.slice(0, 3), torch.device("cpu"))
    n = split.train.slice(0, 3).counts
    np.testing.assert_allclose(model._weight_of_zeros(batch).numpy(), 3.0 * n / (split.n_items - n), rtol=1e-6)


def test_a_training_user_is_scored_with_the_vector_of_its_own(trained: CDAE, split: Split) -> None:
    rows = split.train.slice(3, 6)
    own = Batch.of(rows, torch.device("cpu"), np.arange(3, 6))
    with torch.no_grad():
        known = trained.score_batch(own)
        by_hand = trained.first(own, torch.ones(len(own.items))) + trained.users[3:6]
        torch.testing.assert_close(known, trained.last(torch.tanh(by_hand)))
        assert not torch.allclose(known, trained.score_batch(Batch.of(rows, torch.device("cpu"))))


def test_fitting_a_newcomer_lowers_the_loss_of_its_picks(trained: CDAE, split: Split) -> None:
    rows = split.test.fold_in
    batch = Batch.of(rows, torch.device("cpu"))
    with torch.no_grad():
        read = trained.first(batch, torch.ones(len(batch.items)))
    mean = trained.users.detach().mean(0).repeat(len(batch), 1)
    fitted = trained.new_user_vectors(batch, read)

    def missed(vectors: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return trained._reconstruction(trained.last(torch.tanh(read + vectors)), batch)

    assert bool((missed(fitted) < missed(mean)).all())
    assert not fitted.requires_grad


@pytest.mark.parametrize("likelihood", ["logistic", "square"])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "identity"])
@pytest.mark.parametrize("weighting", ["all", "sampled"])
def test_the_gradient_by_which_newcomers_are_fitted_is_that_of_the_loss(
    likelihood: str, activation: str, weighting: str, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"likelihood": likelihood, "activation": activation, "weighting": weighting, "latent": 12}
    model = registry.build("cdae", registry.configure("cdae", split.shape, settings=settings), split.shape)
    assert isinstance(model, CDAE)
    model.initialise(torch.Generator().manual_seed(1))
    batch = Batch.of(split.test.fold_in.slice(0, 9), torch.device("cpu"))
    with torch.no_grad():
        model.last.bias.uniform_(-1, 1)
        read = model.first(batch, torch.ones(len(batch.items)))
    mean = model.users.detach().mean(0).repeat(9, 1)
    vectors = mean.clone().requires_grad_()
    adam = torch.optim.Adam([vectors], lr=model.config.fit_rate)
    for _ in range(model.config.fit_steps):  # what the fit abbreviates: the loss by automatic differentiation
        loss = model._reconstruction(model.last(model._hidden(read + vectors)), batch)
        penalty = model.config.weight_decay * (vectors - mean).square().sum(1) / 2
        (vectors.grad,) = torch.autograd.grad((loss + penalty).sum(), [vectors])
        adam.step()
    for outputs in (9 * 16, 1 << 18):  # in several blocks of items, and in one
        monkeypatch.setattr("recdash.models.cdae._FIT_OUTPUTS", outputs)
        torch.testing.assert_close(model.new_user_vectors(batch, read), vectors.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_items", [5, 64, 200])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_logistic_loss_holds_for_any_size_and_for_large_logits(n_items: int, dtype: torch.dtype) -> None:
    rows = Histories.from_rows([[0, 3], [], [4]], n_items)
    batch = Batch.of(rows, torch.device("cpu"))
    generator = torch.Generator().manual_seed(n_items)
    logits = (30 * torch.randn(3, n_items, generator=generator)).to(dtype).requires_grad_()
    exact = logits.detach().double().requires_grad_()
    target = torch.from_numpy(rows.matrix().toarray()).double()
    plain = torch.nn.functional.binary_cross_entropy_with_logits(exact, target, reduction="none").sum(1)
    ours = bernoulli_nll(logits, batch, torch.ones(3))
    torch.testing.assert_close(ours.double(), plain, rtol=1e-5, atol=1e-5)
    (expected,) = torch.autograd.grad(plain.sum(), exact)
    (found,) = torch.autograd.grad(ours.sum(), logits)
    tolerance = 1e-6 if dtype == torch.float32 else 4e-3
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)


def test_the_published_formula_depends_on_who_else_is_asked_and_ours_does_not(split: Split) -> None:
    rows = split.test.fold_in
    published = fit("cdae", split, **SMALL, formula="published", newcomer="mean")
    alone = np.concatenate([published.score(rows.slice(row, row + 1)) for row in range(4)])
    assert not np.allclose(published.score(rows)[:4], alone, atol=1e-2)
