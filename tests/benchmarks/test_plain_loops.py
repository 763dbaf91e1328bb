"""Losses and gradients equal those of the plain dense networks, whose terms are written out and differentiated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recdash.models import registry
from recdash.models.base import GradientModel, TrainingProgress
from recdash.models.batch import Batch, Noise
from recdash.models.data_shape import DataShape
from tests.plain_loops import DenseLoop, PlainAutoRec, PlainCDAE, PlainMultDAE, PlainMultVAE, PlainRecVAE
from tests.toy_data import random_histories

USERS, ITEMS, UPDATE = 9, 31, 3


def model_of(name: str, **settings: Any) -> GradientModel:
    shape = DataShape(USERS, ITEMS, 60, (1.0, 5.0))
    config_class: Any = registry.model_class(name).config_class
    model = registry.build(name, config_class(**settings), shape)
    assert isinstance(model, GradientModel)
    model.initialise(torch.Generator().manual_seed(1))
    return model.train()


def batch_of(seed: int = 0) -> Batch:
    rows = random_histories(USERS, ITEMS, np.random.default_rng(seed))
    return Batch.of(rows, torch.device("cpu"), np.arange(USERS))


def dense(batch: Batch, values: Tensor) -> Tensor:
    out = torch.zeros(len(batch), batch.n_items)
    out[batch.row_of, batch.items] = values
    return out


def progress_of(batch: Batch, phase: str = "all") -> TrainingProgress:
    return TrainingProgress(1, UPDATE, 100, Noise(0, UPDATE, batch), phase)


def copy_weights(model: GradientModel, net: nn.Module, names: Mapping[str, str]) -> None:
    """Copy recdash's weights into a plain net, whose `nn.Linear` over all items is the transpose."""
    tensors, own = model.tensors(), dict(net.named_parameters())
    with torch.no_grad():
        for ours, theirs in names.items():
            source = tensors[ours].float()
            own[theirs].copy_(source if source.shape == own[theirs].shape else source.T)


def assert_equal_gradients(model: GradientModel, net: nn.Module, names: Mapping[str, str]) -> None:
    ours, theirs = dict(model.named_parameters()), dict(net.named_parameters())
    for name, other in names.items():
        found, expected = ours[name].grad, theirs[other].grad
        assert found is not None and expected is not None, name
        expected = expected if found.shape == expected.shape else expected.T
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5, msg=name)


def compare(model: GradientModel, batch: Batch, plain: Tensor, net: nn.Module, names: Mapping[str, str]) -> None:
    ours = next(iter(model.losses(batch, progress_of(batch)))).total
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-4)
    ours.mean().backward()
    plain.mean().backward()
    assert_equal_gradients(model, net, names)


def test_multvae_equals_the_plain_network() -> None:
    model, batch = model_of("multvae", hidden=(12,), latent=5, anneal_updates=10), batch_of()
    net = PlainMultVAE(ITEMS, 12, 5)
    names = {
        **{f"first.{kind}": f"encoder.0.{kind}" for kind in ("weight", "bias")},
        **{f"encoder.0.{kind}": f"encoder.2.{kind}" for kind in ("weight", "bias")},
        **{f"decoder.0.{kind}": f"decoder.0.{kind}" for kind in ("weight", "bias")},
        **{f"last.{kind}": f"decoder.2.{kind}" for kind in ("weight", "bias")},
    }
    copy_weights(model, net, names)
    noise = Noise(0, UPDATE, batch)
    mask, normal = dense(batch, noise.dropout_mask(0.5)), noise.normal(5)
    x = dense(batch, torch.ones(len(batch.items)))
    compare(model, batch, net.loss(x, mask, normal, beta=0.2), net, names)


@pytest.mark.parametrize("hidden", [None, 12])
def test_multdae_equals_the_plain_network(hidden: int | None) -> None:
    model, batch = model_of("multdae", hidden=() if hidden is None else (hidden,), latent=5), batch_of()
    net = PlainMultDAE(ITEMS, 5, hidden)
    layers = ["first", *(f"middle.{i}" for i in range(len(list(net.layers)) // 2 - 1)), "last"]
    names = {
        f"{layer}.{kind}": f"layers.{2 * i}.{kind}" for i, layer in enumerate(layers) for kind in ("weight", "bias")
    }
    copy_weights(model, net, names)
    mask = dense(batch, Noise(0, UPDATE, batch).dropout_mask(0.5))
    compare(model, batch, net.loss(dense(batch, torch.ones(len(batch.items))), mask), net, names)


def test_cdae_equals_the_plain_network() -> None:
    model, batch = model_of("cdae", latent=5), batch_of()
    net = PlainCDAE(ITEMS, USERS, 5)
    names = {f"{layer}.{kind}": f"{layer}.{kind}" for layer in ("first", "last") for kind in ("weight", "bias")}
    names["users"] = "users.weight"
    copy_weights(model, net, names)
    mask = dense(batch, Noise(0, UPDATE, batch).dropout_mask(0.5))
    compare(model, batch, net.loss(dense(batch, torch.ones(len(batch.items))), mask, torch.arange(USERS)), net, names)


def test_the_encoder_of_recvae_equals_the_plain_network() -> None:
    model, batch = model_of("recvae", hidden_width=12, latent=5, gamma=0.01), batch_of()
    net = PlainRecVAE(ITEMS, 12, 5)
    names = {name: name for name, _ in model.named_parameters() if name.startswith("encoder.")}
    names |= {f"last.{kind}": f"decoder.{kind}" for kind in ("weight", "bias")}
    copy_weights(model, net, names)
    net.old_encoder.load_state_dict(net.encoder.state_dict())
    noise = Noise(0, UPDATE, batch)
    mask, normal = dense(batch, noise.dropout_mask(0.5)), noise.normal(5)
    plain = net.loss(dense(batch, torch.ones(len(batch.items))), mask, normal, gamma=0.01)
    ours = model.loss(batch, progress_of(batch, "encoder")).total
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-4)
    ours.mean().backward()
    plain.mean().backward()
    assert_equal_gradients(model, net, {name: name for name in names if name.startswith("encoder.")})


def test_autorec_equals_the_plain_network() -> None:
    model, rng = model_of("autorec", variant="user", latent=5, l2=0.0), np.random.default_rng(0)
    batch = batch_of()
    ratings = torch.from_numpy(rng.integers(1, 6, len(batch.items)).astype(np.float32))
    batch = Batch(batch.items, batch.offsets, ratings, batch.users, batch.n_items)
    net = PlainAutoRec(ITEMS, 5)
    names = {f"{layer}.{kind}": f"{layer}.{kind}" for layer in ("first", "last") for kind in ("weight", "bias")}
    with torch.no_grad():
        own = dict(net.named_parameters())
        for name, parameter in model.named_parameters():
            own[name].copy_(parameter if parameter.shape == own[name].shape else parameter.T)
    compare(model, batch, net.loss(dense(batch, ratings)), net, names)


@pytest.mark.parametrize("name", ["multvae", "multdae", "cdae", "recvae"])
def test_a_plain_loop_learns(name: str) -> None:
    rows = random_histories(40, ITEMS, np.random.default_rng(2)).matrix()
    torch.manual_seed(0)
    net: nn.Module = {
        "multvae": lambda: PlainMultVAE(ITEMS, 12, 5),
        "multdae": lambda: PlainMultDAE(ITEMS, 5),
        "cdae": lambda: PlainCDAE(ITEMS, 40, 5),
        "recvae": lambda: PlainRecVAE(ITEMS, 12, 5),
    }[name]()
    loop = DenseLoop(net, rows, batch_size=20, learning_rate=0.01)
    x, users = torch.from_numpy(rows.toarray()), torch.arange(40)
    before = float(loop.losses(users, x, 0.0).mean().detach())
    for _ in range(20):
        loop.epoch()
    assert float(loop.losses(users, x, 0.0).mean().detach()) < before
