"""AutoRec and DeepRec: the objectives written out, and the newcomer's row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import recdash
from recdash.data.histories import Histories
from recdash.models.autorec import AutoRec, AutoRecConfig
from recdash.models.base import TrainingProgress
from recdash.models.batch import Batch, Noise
from recdash.models.data_shape import DataShape
from recdash.models.deeprec import DeepRec, DeepRecConfig
from recdash.splits import RatingSplit, make_split
from recdash.training.batch_order import torch_generator
from tests.toy_data import toy_dataset

CPU = torch.device("cpu")


def rated(rows: int = 6, items: int = 9, seed: int = 0) -> Histories:
    rng = np.random.default_rng(seed)
    chosen = [rng.permutation(items)[: rng.integers(2, 6)].tolist() for _ in range(rows)]
    plain = Histories.from_rows(chosen, items)
    return replace(plain, values=rng.integers(1, 6, plain.n_entries).astype(np.float32))


def progress(batch: Batch) -> TrainingProgress:
    return TrainingProgress(1, 0, 10, Noise(0, 0, batch))


def split() -> RatingSplit:
    found = make_split(toy_dataset(), "ratings-90", seed=1)
    assert isinstance(found, RatingSplit)
    return found


def dense_of(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    ratings, mask = torch.zeros(len(batch), batch.n_items), torch.zeros(len(batch), batch.n_items)
    assert batch.values is not None
    ratings[batch.row_of, batch.items] = batch.values
    mask[batch.row_of, batch.items] = 1
    return ratings, mask


def test_the_epochs_loss_is_the_papers_objective() -> None:
    rows = rated()
    model = AutoRec(
        AutoRecConfig(variant="user", latent=4, l2=3.0, solver="rprop"), DataShape(6, 9, rows.n_entries, (1, 5))
    )
    model.initialise(torch_generator(0))
    model.set_training_ratings(rows)
    batch = Batch.of(rows, CPU)
    r, m = dense_of(batch)
    hidden = torch.sigmoid(r @ model.first.weight + model.first.bias)
    errors = ((r - hidden @ model.last.weight.T - model.last.bias) * m).square().sum()
    penalty = 3.0 / 2 * (model.first.weight.square().sum() + model.last.weight.square().sum())
    parts = [Batch.of(rows.slice(s, s + 2), CPU) for s in (0, 2, 4)]
    total = sum(model.loss(part, progress(part)).total.sum() for part in parts)
    torch.testing.assert_close(total, errors + penalty)


def test_weight_decay_gives_the_gradient_of_the_penaltys_share() -> None:
    rows = rated()
    gradients = []
    for solver in ("rprop", "adam"):
        config = AutoRecConfig(variant="user", latent=4, l2=3.0, solver=solver)
        model = AutoRec(config, DataShape(6, 9, rows.n_entries, (1, 5)))
        model.initialise(torch_generator(0))
        model.set_training_ratings(rows)
        batch = Batch.of(rows.slice(0, 4), CPU)
        torch.autograd.backward(model.loss(batch, progress(batch)).total.mean())
        (matrices, _) = model.optimiser([{"params": [model.last.weight]}, {"params": [model.last.bias]}]).param_groups
        assert model.last.weight.grad is not None
        gradients.append(model.last.weight.grad + matrices.get("weight_decay", 0.0) * model.last.weight.detach())
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("model_class", [AutoRec, DeepRec])
def test_outputs_at_unobserved_entries_do_not_count(model_class: Any) -> None:
    rows = rated()
    config = AutoRecConfig(variant="user", latent=4) if model_class is AutoRec else DeepRecConfig(hidden=(5,), latent=3)
    model = model_class(config, DataShape(6, 9, rows.n_entries, (1, 5)))
    model.initialise(torch_generator(0))
    model.set_training_ratings(rows)
    batch = Batch.of(rows, CPU)
    before = model.loss(batch, progress(batch)).total
    torch.autograd.backward(before.sum())
    unseen = np.setdiff1d(np.arange(9), rows.items)
    if len(unseen):
        assert float(model.last.bias.grad[unseen].abs().max()) == 0
    full_row = 0
    absent = np.setdiff1d(np.arange(9), rows.row(full_row))
    with torch.no_grad():
        model.last.bias[torch.from_numpy(absent)] += 100
    one = Batch.of(rows.slice(0, 1), CPU)
    assert torch.isfinite(model.loss(one, progress(one)).total).all()
    torch.testing.assert_close(
        model.loss(one, progress(one)).parts["squared_error"],
        model_class_squared(model, one),
    )


def model_class_squared(model: Any, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        model.last.bias[:] = torch.where(torch.isin(torch.arange(9), batch.items), model.last.bias, torch.zeros(9))
        found = model.loss(batch, progress(batch)).parts["squared_error"]
    return torch.as_tensor(found).detach()


def test_a_known_user_of_the_user_variant_is_predicted_from_her_own_row() -> None:
    data = split()
    model: Any = recdash.fit("autorec", data, variant="user", latent=6, epochs=3)
    batch = Batch.of(data.train.slice(0, 20), CPU)
    whole = model.last(model.encode(batch, model.ratings_of(batch))).detach().numpy()
    users, items = np.repeat(np.arange(20), 5), np.tile(np.arange(5), 20)
    np.testing.assert_allclose(model.predict(users, items), whole[users, items].clip(1, 5), rtol=1e-5)


def test_the_ridge_row_is_the_exact_minimum_of_its_objective() -> None:
    data = split()
    model: Any = recdash.fit("autorec", data, variant="item", latent=5, epochs=4, l2=4.0)
    rows = replace(Histories.from_rows([[1, 4, 7]], data.n_items), values=np.array([5, 2, 4], np.float32))
    batch = Batch.of(rows, CPU)
    w, b = model._ridge_row(batch, batch.values, 0)
    w, b = w.detach().double().requires_grad_(), b.detach().double().requires_grad_()
    codes = model.codes[batch.items].double()
    centre, middle = model.last.weight.mean(0).detach().double(), model.last.bias.mean().detach().double()
    value = (batch.values - b - codes @ w).square().sum() + 2.0 * (w - centre).square().sum() + (b - middle).square()
    torch.autograd.backward(value)
    assert w.grad is not None
    assert b.grad is not None
    assert float(w.grad.abs().max()) < 1e-3
    assert float(b.grad.abs()) < 1e-3


def test_both_forms_of_the_ridge_row_agree() -> None:
    data = split()
    model: Any = recdash.fit("autorec", data, variant="item", latent=3, epochs=3, l2=200.0)
    many = replace(Histories.from_rows([list(range(12))], data.n_items), values=np.full(12, 4, np.float32))
    few = many.slice(0, 1)
    batch = Batch.of(few, CPU)
    primal, bias = model._ridge_row(batch, batch.values, 0)  # 12 stars, 4 unknowns
    seen = torch.cat([model.codes[batch.items], torch.ones(12, 1)], 1)
    centre = torch.cat([model.last.weight.mean(0), model.last.bias.mean()[None]])
    pull = torch.tensor([100.0, 100.0, 100.0, 1.0])
    dual = centre + (seen / pull).T @ torch.linalg.solve(
        (seen / pull) @ seen.T + torch.eye(12), batch.values - seen @ centre
    )
    torch.testing.assert_close(torch.cat([primal, bias[None]]), dual, rtol=1e-3, atol=1e-3)


def test_a_known_users_ridge_row_predicts_nearly_what_her_own_row_does() -> None:
    data = split()
    small: dict[str, Any] = {"latent": 8, "epochs": 60, "patience": 60, "l2": 0.3, "learning_rate": 0.01}
    model: Any = recdash.fit("autorec", data, variant="item", batch_size=45, decay_every=None, **small)
    batch = Batch.of(data.train.slice(0, 40), CPU)
    ridge = model.score_batch(batch).detach().numpy()
    own = (model.codes @ model.last.weight[:40].T + model.last.bias[:40]).T.detach().numpy()
    assert np.corrcoef(ridge.ravel(), own.ravel())[0, 1] > 0.95  # it shrinks to the users' mean row, their own to 0


def test_refeeding_takes_a_second_step_towards_a_fixed_point() -> None:
    data = split()
    seen: list[dict[str, float]] = []
    common: dict[str, Any] = {"hidden": (8,), "latent": 6, "epochs": 3, "dropout": 0.0}
    recdash.fit("deeprec", data, refeed=1, on_epoch=lambda record: seen.append(record.values), **common)
    assert all("refeeding_loss" in values and "train_rmse" in values for values in seen)
    plain: Any = recdash.fit("deeprec", data, refeed=0, **common)
    again: Any = recdash.fit("deeprec", data, refeed=1, **common)
    assert not torch.equal(plain.first.weight, again.first.weight)


def test_the_first_output_is_the_one_before_the_first_step() -> None:
    rows = rated()
    model = DeepRec(
        DeepRecConfig(hidden=(5,), latent=3, dropout=0.0, refeed=1), DataShape(6, 9, rows.n_entries, (1, 5))
    )
    model.initialise(torch_generator(0))
    model.set_training_ratings(rows)
    batch = Batch.of(rows, CPU)
    before = model._output(batch, progress(batch)).detach()
    steps = model.losses(batch, progress(batch))
    next(steps)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    second = next(steps)
    refed = model._forward(model._dense_first(before), progress(batch))
    torch.testing.assert_close(second.total, (refed - before).square().mean(1))


def test_selu_follows_every_layer_including_the_last() -> None:
    rows = rated()
    model = DeepRec(DeepRecConfig(hidden=(5,), latent=3), DataShape(6, 9, rows.n_entries, (1, 5)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.last.bias.fill_(-100.0)
    model.set_training_ratings(rows)
    batch = Batch.of(rows, CPU)
    assert float(model._output(batch, progress(batch)).detach().min()) == pytest.approx(-1.7581, abs=1e-3)
