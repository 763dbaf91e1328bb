"""Mult-DAE and Mult-VAE: the equations, on nets small enough to write out."""

from __future__ import annotations

import numpy as np
import torch

from recdash.models.base import TrainingProgress
from recdash.models.batch import Batch, Noise
from recdash.models.data_shape import DataShape
from recdash.models.multdae import MultDAE, MultDAEConfig
from recdash.models.multvae import (
    HIDDEN_LAYER_MIN_USERS,
    MultVAE,
    MultVAEConfig,
)
from recdash.training.batch_order import torch_generator
from tests.toy_data import random_histories

CPU = torch.device("cpu")
SHAPE = DataShape(users=10, items=14, interactions=60)


def batch() -> Batch:
    return Batch.of(random_histories(7, 14, np.random.default_rng(0)), CPU)


def progress(of: Batch, update: int = 50, planned_updates: int = 100) -> TrainingProgress:
    return TrainingProgress(1, update, planned_updates, Noise(0, update, of))


def test_a_dae_scores_tanh_of_the_normalised_row_through_two_layers() -> None:
    model = MultDAE(MultDAEConfig(latent=3), SHAPE)
    model.initialise(torch_generator(0))
    rows = batch()
    x = torch.zeros(7, 14)
    x[rows.row_of, rows.items] = 1
    x = x / x.norm(dim=1, keepdim=True).clamp(min=1e-12)
    hidden = torch.tanh(x @ model.first.weight + model.first.bias)
    torch.testing.assert_close(model.score_batch(rows), hidden @ model.last.weight.T + model.last.bias)


def test_a_vae_scores_at_the_mean_of_the_posterior() -> None:
    model = MultVAE(MultVAEConfig(hidden=(5,), latent=3), SHAPE)
    model.initialise(torch_generator(0))
    rows = batch()
    x = torch.zeros(7, 14)
    x[rows.row_of, rows.items] = 1
    x = x / x.norm(dim=1, keepdim=True).clamp(min=1e-12)
    hidden = torch.tanh(x @ model.first.weight + model.first.bias)
    mu = (hidden @ model.encoder[0].weight.T + model.encoder[0].bias)[:, :3]  # type: ignore[operator, union-attr]
    out = torch.tanh(mu @ model.decoder[0].weight.T + model.decoder[0].bias)  # type: ignore[operator, union-attr]
    torch.testing.assert_close(model.score_batch(rows), out @ model.last.weight.T + model.last.bias)


def test_the_loss_is_reconstruction_plus_beta_times_divergence() -> None:
    model = MultVAE(MultVAEConfig(hidden=(), latent=4, beta_cap=0.2), SHAPE)
    model.initialise(torch_generator(0))
    rows = batch()
    loss = model.loss(rows, progress(rows))
    beta = loss.parts["beta"]
    assert beta == 0.2
    expected = torch.as_tensor(loss.parts["reconstruction"]) + beta * torch.as_tensor(loss.parts["kl"])
    torch.testing.assert_close(loss.total, expected)


def test_latent_noise_has_the_standard_deviation_of_the_posterior() -> None:
    """With logvar = 0 and mu = 0 the decoder must see standard normal numbers, not nearly constant ones."""
    model = MultVAE(MultVAEConfig(hidden=(), latent=50), SHAPE)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    seen: list[torch.Tensor] = []
    nll = model.last.multinomial_nll
    model.last.multinomial_nll = lambda hidden, rows: seen.append(hidden) or nll(hidden, rows)
    rows = batch()
    model.loss(rows, progress(rows))
    assert abs(float(seen[0].detach().std()) - 1) < 0.1


def test_gradients_equal_finite_differences() -> None:
    model = MultVAE(MultVAEConfig(hidden=(4,), latent=2, dropout=0.3), SHAPE)
    model.initialise(torch_generator(1))
    rows = batch()

    def value() -> torch.Tensor:
        return model.loss(rows, progress(rows)).total.mean()

    torch.autograd.backward(value())
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        at = int(parameter.grad.abs().argmax())
        step = 1e-2
        with torch.no_grad():
            flat = parameter.view(-1)
            flat[at] += step
            above = float(value())
            flat[at] -= 2 * step
            below = float(value())
            flat[at] += step
        slope = float(parameter.grad.view(-1)[at])
        assert abs((above - below) / (2 * step) - slope) < 0.03 * abs(slope) + 2e-3, name


def test_weights_are_xavier_uniform_and_biases_tiny() -> None:
    model = MultDAE(MultDAEConfig(latent=200), DataShape(10, 300, 60))
    model.initialise(torch_generator(0))
    bound = float(np.sqrt(6 / 500))
    assert 0.95 * bound < float(model.first.weight.detach().abs().max()) <= bound
    assert 0 < float(model.last.bias.detach().abs().max()) <= 0.002


def test_auto_takes_the_shallow_net_for_few_users_and_the_papers_for_many() -> None:
    assert MultVAEConfig.auto(DataShape(4534, 3483, 435_180)).hidden == ()
    assert MultVAEConfig.auto(DataShape(HIDDEN_LAYER_MIN_USERS, 20_108, 10**7)).hidden == (600,)


def test_patience_is_counted_once_beta_has_met_its_cap_or_never_will() -> None:
    reachable = MultVAE(MultVAEConfig(reach_cap_at=0.5), SHAPE)
    assert [reachable.schedules_done(update, 100) for update in (0, 49, 50, 100)] == [False, False, True, True]
    unreachable = MultVAE(MultVAEConfig(anneal_updates=200_000), SHAPE)
    assert unreachable.schedules_done(1, 100)
