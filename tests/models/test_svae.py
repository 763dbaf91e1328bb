"""SVAE: what it must name next, how steps are put together, and histories with and without an order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from recdash.data.histories import Histories
from recdash.errors import UsageError
from recdash.models import registry
from recdash.models.base import TrainingProgress
from recdash.models.batch import Batch, Noise
from recdash.models.gru import PackedSequences
from recdash.models.svae import SVAE, next_items
from recdash.splits import Split
from recdash.training import batch_order, fit
from recdash.training.batch_order import torch_generator
from tests.toy_data import toy_split

SMALL: dict[str, Any] = {"embedding": 12, "recurrent": 10, "hidden_width": 9, "latent": 4, "batch_size": 16}


@pytest.fixture(scope="module")
def split() -> Split:
    return toy_split("strong-temporal")


def untrained(split: Split, **settings: Any) -> SVAE:
    model = registry.build("svae", registry.configure("svae", split.shape, settings=SMALL | settings), split.shape)
    assert isinstance(model, SVAE)
    model.initialise(torch_generator(0, "weights"))
    return model


def test_the_targets_of_a_step_are_the_next_items_fewer_near_the_end() -> None:
    rows = Histories.from_rows([[5, 3, 8, 1], [7, 2]], 9)
    batch = Batch.of(rows, torch.device("cpu"))
    packed = PackedSequences.of(batch, rows.counts - 1)
    found = dict(zip(packed.entries.tolist(), next_items(batch, packed, 2).tolist(), strict=True))
    assert found == {0: [3, 8], 1: [8, 1], 2: [1, -1], 4: [2, -1]}


@pytest.mark.parametrize("reduction", ["per_step", "author"])
def test_the_loss_is_the_one_of_the_definition(reduction: str, split: Split) -> None:
    model = untrained(split, reduction=reduction, next_items=3, beta_cap=0.7, anneal_users=1)
    rows = Histories.from_rows([[0, 4, 9, 12, 3], [7, 2]], split.n_items)
    batch = Batch.of(rows, torch.device("cpu"), np.arange(2))
    progress = TrainingProgress(1, 5, 10, Noise(3, 0, batch))
    loss = model.loss(batch, progress)
    noise = Noise(3, 0, batch).normal_entries(4)
    totals = []
    for start, items in ((0, [0, 4, 9, 12, 3]), (5, [7, 2])):
        steps = len(items) - 1
        one = Batch.of(Histories.from_rows([items[:-1]], split.n_items), torch.device("cpu"))
        packed = PackedSequences.of(one, np.array([steps]))
        mu, logvar = model.encode(one, packed)
        z = mu + torch.exp(logvar / 2) * noise[start : start + steps]
        logs = torch.log_softmax(model.last(torch.tanh(model.up(z))), 1)
        per_step = torch.stack([-logs[t, items[t + 1 : t + 4]].sum() for t in range(steps)])
        nll = per_step.sum() / min(3, steps) / (steps if reduction == "per_step" else 1)
        kl = 0.5 * (logvar.exp() + mu.square() - 1 - logvar).sum(1).mean()
        totals.append(nll + 0.7 * kl)
    torch.testing.assert_close(loss.total, torch.stack(totals), rtol=1e-5, atol=1e-5)


def test_scores_of_a_short_history_are_the_same_beside_a_longer_one(split: Split) -> None:
    model = untrained(split)
    short, long = [4, 1, 9], list(range(30))
    alone = model.score(Histories.from_rows([short], split.n_items))
    beside = model.score(Histories.from_rows([long, short, []], split.n_items))
    np.testing.assert_allclose(beside[1], alone[0], rtol=1e-5, atol=1e-6)
    assert np.isfinite(beside).all()


def test_order_counts_where_there_is_one_and_is_averaged_out_where_there_is_none(split: Split) -> None:
    model = untrained(split)
    picks = [[4, 1, 9, 20], [20, 9, 1, 4]]
    ordered = model.score(Histories.from_rows(picks, split.n_items))
    assert not np.allclose(ordered[0], ordered[1], atol=1e-4)
    unordered = model.score(Histories.from_rows(picks, split.n_items, ordered=False))
    np.testing.assert_allclose(unordered[0], unordered[1], rtol=1e-5)
    np.testing.assert_array_equal(unordered, model.score(Histories.from_rows(picks, split.n_items, ordered=False)))


def test_beta_follows_the_users_seen_and_starts_anew_only_as_published(split: Split) -> None:
    batch = Batch.of(split.train.slice(0, 2), torch.device("cpu"), np.arange(2))
    per_pass = batch_order.count(split.shape.users, 16)
    second = TrainingProgress(2, per_pass + 3, 100, Noise(0, 0, batch))
    users = 1000
    steady = untrained(split, anneal_users=users, beta_cap=0.5)
    assert steady.beta(second) == pytest.approx(min(0.5, (per_pass + 3) * 16 / users))
    anew = untrained(split, anneal_users=users, beta_cap=0.5, annealing="epoch")
    assert anew.beta(second) == pytest.approx(3 * 16 / users)
    assert steady.beta(TrainingProgress(9, 10**6, 10**6, Noise(0, 0, batch))) == 0.5


def test_a_pass_visits_every_user_once_with_like_lengths_together(split: Split) -> None:
    lengths = np.random.default_rng(0).integers(2, 200, size=320)
    rows = Histories.from_rows([[0] * n for n in lengths], 1)
    model = untrained(split)
    drawn = batch_order.order(320, 0, 1)
    order = model.order_batches(drawn, rows)
    assert sorted(order.tolist()) == list(range(320))

    def padding(visited: np.ndarray) -> float:
        blocks = lengths[visited].reshape(-1, 16)
        return float((blocks.max(1) * 16).sum() / lengths.sum())

    assert padding(order) < 1.3 < padding(drawn)
    assert not np.array_equal(order, model.order_batches(batch_order.order(320, 0, 2), rows))


def test_only_the_latest_part_of_a_long_history_is_learned_from(split: Split) -> None:
    model = untrained(split, longest=3)
    rows = model.training_rows(Histories.from_rows([[1, 2, 3, 4, 5], [6, 7]], split.n_items))
    assert [rows.row(0).tolist(), rows.row(1).tolist()] == [[3, 4, 5], [6, 7]]


def test_histories_without_an_order_are_refused_with_a_reason() -> None:
    eye = np.eye(8)
    unordered = Split.from_matrices(eye, test=(eye, np.roll(eye, 1, axis=1)))
    with pytest.raises(UsageError, match="order"):
        fit("svae", unordered)
