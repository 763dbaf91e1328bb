"""RecVAE: the composite prior, the phases, and the table of old posteriors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from recdash.models import registry
from recdash.models.base import TrainingProgress
from recdash.models.batch import Batch, Noise
from recdash.models.losses import normal_kl_by_dimension
from recdash.models.recvae import RecVAE, composite_log
from recdash.splits import Split
from recdash.training import fit
from recdash.training.batch_order import torch_generator
from tests.toy_data import toy_split

SMALL: dict[str, Any] = {"hidden_width": 24, "latent": 6, "batch_size": 40, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def split() -> Split:
    return toy_split()


def untrained(split: Split) -> RecVAE:
    model = registry.build("recvae", registry.configure("recvae", split.shape, settings=SMALL), split.shape)
    assert isinstance(model, RecVAE)
    model.initialise(torch_generator(0, "weights"))
    return model


def test_the_mixture_is_of_each_dimension_by_itself() -> None:
    z, mu, logvar = torch.tensor([[0.3, -2.0]]), torch.tensor([[1.0, -1.5]]), torch.tensor([[0.2, -0.7]])

    def density(x: float, mean: float, variance: float) -> float:
        return math.exp(-((x - mean) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)

    for place in range(2):
        x, m, v = float(z[0, place]), float(mu[0, place]), math.exp(float(logvar[0, place]))
        mixed = 0.15 * density(x, 0, 1) + 0.75 * density(x, m, v) + 0.1 * density(x, 0, math.exp(10))
        assert float(composite_log(z, mu, logvar)[0, place]) == pytest.approx(math.log(mixed), rel=1e-5)


def test_with_the_standard_normal_alone_the_sampled_divergence_is_the_exact_one_on_average() -> None:
    generator = torch.Generator().manual_seed(0)
    mu, logvar = torch.tensor([[0.8, -0.4, 0.0]]), torch.tensor([[-0.5, 0.3, -2.0]])
    z = mu + torch.exp(logvar / 2) * torch.randn(400_000, 3, generator=generator)
    posterior = torch.distributions.Normal(mu, torch.exp(logvar / 2))
    sampled = posterior.log_prob(z) - composite_log(z, mu, logvar, (1.0, 0.0, 0.0))
    assert float(sampled.sum(1).mean()) == pytest.approx(float(normal_kl_by_dimension(mu, logvar).sum()), rel=0.01)


def test_the_slope_of_the_prior_is_that_of_its_formula() -> None:
    z = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    mu, logvar = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda at: composite_log(at, mu, logvar), (z,))


def test_each_phase_leaves_the_other_half_alone_to_the_bit(split: Split) -> None:
    before = dict(fit("recvae", split, epochs=1, **{**SMALL, "learning_rate": 0.0}).tensors())
    both = fit("recvae", split, epochs=1, **SMALL).tensors()
    assert any(not torch.equal(both[name], before[name]) for name in before if name.startswith("encoder."))
    assert not torch.equal(both["last.weight"], before["last.weight"])

    model = untrained(split)
    batch = Batch.of(split.train.slice(0, 20), model.device, np.arange(20))
    for phase, moved in (("encoder", "encoder."), ("decoder", "last.")):
        chosen = next(one for one in model.phases() if one.name == phase)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in chosen.parameters)
            parameter.grad = None
        model.on_phase_start(phase, split.train, resumed=False)
        loss = model.loss(batch, TrainingProgress(1, 0, 10, Noise(0, 0, batch), phase))
        torch.autograd.backward(loss.total.mean())
        for name, parameter in model.named_parameters():
            assert (parameter.grad is not None) == name.startswith(moved), name


def test_the_prior_reads_clean_rows_by_the_encoder_as_it_was(split: Split) -> None:
    model = untrained(split)
    model.on_phase_start("encoder", split.train, resumed=False)
    batch = Batch.of(split.train.slice(5, 9), model.device, np.arange(5, 9))
    mu, logvar = (part.clone() for part in model._stored_posteriors(batch, {}))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1)
    kept = model._stored_posteriors(batch, {})
    torch.testing.assert_close(kept, (mu, logvar))
    assert not any(part.requires_grad for part in kept)
    resumed = untrained(split)
    resumed.load_tensors(model.training_tensors())
    resumed.on_phase_start("encoder", split.train, resumed=True)
    torch.testing.assert_close(resumed._stored_posteriors(batch, {}), (mu, logvar), rtol=0, atol=0)


def test_the_posteriors_that_the_decoder_reads_serve_the_next_epoch_unless_it_is_resumed(split: Split) -> None:
    model, encoded = untrained(split), []
    encode = model._encode
    model._encode = lambda batch, weights: encoded.append(len(batch)) or encode(batch, weights)
    batch = Batch.of(split.train.slice(5, 9), model.device, np.arange(5, 9))
    model.on_phase_start("encoder", split.train, resumed=False)
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.add_(0.1)
    model.on_phase_start("decoder", split.train, resumed=False)
    read = [part.clone() for part in model._stored_posteriors(batch, {})]
    torch.testing.assert_close(read, list(encode(batch, {})))
    assert sum(encoded) == 2 * len(split.train)
    model.on_phase_start("encoder", split.train, resumed=False)
    assert sum(encoded) == 2 * len(split.train), "the encoder has not changed"
    torch.testing.assert_close(list(model._stored_posteriors(batch, {})), read, rtol=0, atol=0)
    resumed = untrained(split)
    resumed.load_tensors(model.training_tensors())
    resumed.on_phase_start("encoder", split.train, resumed=True)
    torch.testing.assert_close(list(resumed._stored_posteriors(batch, {})), read, rtol=0, atol=0)


def test_the_weight_of_the_divergence_is_gamma_times_the_length_of_the_clean_history(split: Split) -> None:
    model = untrained(split)
    batch = Batch.of(split.train.slice(0, 6), model.device, np.arange(6))
    parts = model.loss(batch, TrainingProgress(1, 0, 10, Noise(0, 0, batch))).parts
    expected = model.config.gamma * batch.counts * parts["kl"]
    torch.testing.assert_close(parts["weighted_kl"], expected)
