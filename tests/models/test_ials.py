"""iALS against dense weighted ridge regressions."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from recdash.data.histories import Histories
from recdash.errors import UsageError
from recdash.models import als_solver, registry
from recdash.models.als_solver import in_eigenbasis, solve_rows
from recdash.models.data_shape import DataShape
from recdash.models.ials import IALS, IALSConfig
from recdash.splits import Split
from recdash.training import EpochRecord, TrainingState, fit
from tests.toy_data import random_histories, toy_split

SMALL: dict[str, Any] = {"latent": 6, "l2": 0.02, "unobserved_weight": 0.2}


@pytest.fixture(scope="module")
def split() -> Split:
    return toy_split()


def ridge(factors: np.ndarray, targets: np.ndarray, penalty: float, weight: float) -> np.ndarray:
    """Minimise sum over the positives of (w'y - 1)^2 + weight sum over all of (w'y)^2 + penalty |w|^2."""
    positive = targets > 0
    matrix = weight * factors.T @ factors + factors[positive].T @ factors[positive]
    return np.linalg.solve(matrix + penalty * np.eye(factors.shape[1]), factors[positive].sum(0))


def objective(x: np.ndarray, users: np.ndarray, items: np.ndarray, config: IALSConfig) -> float:
    """The loss in the docstring of `IALS`, summed over everything."""
    scores, a, v = users @ items.T, config.unobserved_weight, config.frequency_scaling
    fit_error = (x * (scores - 1) ** 2).sum() + a * (scores**2).sum()
    of_users = (x.sum(1) + a * x.shape[1]) ** v @ (users**2).sum(1)
    of_items = (x.sum(0) + a * x.shape[0]) ** v @ (items**2).sum(1)
    return float(fit_error + config.l2 * (of_users + of_items))


@pytest.mark.parametrize("latent", [3, 40], ids=["longer than wide", "wider than long"])
@pytest.mark.parametrize("cells", [1 << 20, 64], ids=["at once", "in parts"])
def test_each_row_is_a_weighted_ridge_regression(latent: int, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(als_solver, "_CELLS", cells)
    rng = np.random.default_rng(0)
    rows = random_histories(30, 50, rng, most=20)
    factors = in_eigenbasis(torch.from_numpy(rng.standard_normal((50, latent)).astype(np.float32)))
    penalties = torch.from_numpy(rng.uniform(0.1, 2, 30).astype(np.float32))
    offsets = torch.from_numpy(np.ascontiguousarray(rows.indptr, np.int64))
    found = solve_rows(factors, torch.from_numpy(rows.items.astype(np.int64)), offsets, penalties, 0.3)
    x, y = rows.matrix().toarray(), factors.double().numpy()
    for row in range(30):
        expected = ridge(y, x[row], float(penalties[row]), 0.3)
        np.testing.assert_allclose(found.factors[row].numpy(), expected, rtol=1e-3, atol=1e-5)
        scores = y @ expected
        loss = (
            ((scores - 1) ** 2 * x[row]).sum() + 0.3 * (scores**2).sum() + float(penalties[row]) * expected @ expected
        )
        assert found.losses[row].item() == pytest.approx(loss, rel=1e-3, abs=1e-4)


def test_the_basis_changes_no_product_and_makes_the_gram_matrix_diagonal() -> None:
    drawn = torch.randn(40, 7, generator=torch.Generator().manual_seed(0)) * torch.logspace(0, -4, 7)
    rotated = in_eigenbasis(drawn)
    torch.testing.assert_close(rotated @ rotated.T, drawn @ drawn.T, rtol=1e-4, atol=1e-5)
    gram = rotated.double().T @ rotated.double()
    scale = gram.diagonal().sqrt()
    torch.testing.assert_close(gram / scale / scale[:, None], torch.eye(7).double(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("frequency_scaling", [0.0, 0.5, 1.0])
def test_the_loss_falls_in_every_epoch_and_is_the_objective(frequency_scaling: float, split: Split) -> None:
    config = IALSConfig(**SMALL, frequency_scaling=frequency_scaling)
    model = IALS(config, split.shape)
    model.initialise(torch.Generator().manual_seed(1))
    losses = []
    for _ in range(6):
        solved = model.solve_users(split.train)
        losses.append(model.solve_items(split.train, solved))
    assert all(later < earlier for earlier, later in pairwise(losses))
    # The items have a basis of their own, so the best ones for the last users are computed again.
    x, users = split.train.matrix().toarray(), solved.double().numpy()
    penalties = config.l2 * (x.sum(0) + config.unobserved_weight * len(x)) ** frequency_scaling
    items = np.stack(
        [ridge(users, x[:, item], penalties[item], config.unobserved_weight) for item in range(x.shape[1])]
    )
    assert losses[-1] == pytest.approx(objective(x, users, items, config) / len(x), rel=1e-4)
    found = model.item_factors.double().numpy()
    np.testing.assert_allclose(found @ found.T, items @ items.T, rtol=1e-3, atol=1e-4)


def test_folding_in_a_training_user_gives_its_own_factors(split: Split) -> None:
    model = IALS(IALSConfig(**SMALL, epochs=100), split.shape).solve(split.train)
    users = model.solve_users(split.train)
    before = users @ model.item_factors.T
    model.solve_items(split.train, users)
    after = model.score(split.train)  # from the histories alone
    np.testing.assert_allclose(after, before.numpy(), atol=2e-3)


def test_contributions_add_up_to_the_score(split: Split) -> None:
    model = fit("ials", split, epochs=3, **SMALL)
    assert isinstance(model, IALS)
    picks = [4, 9, 17]
    shares = model.contributions(picks, range(split.n_items))
    score = model.score(Histories.from_rows([picks], split.n_items))[0]
    np.testing.assert_allclose(shares.sum(0), score, rtol=1e-3, atol=1e-5)


def test_without_a_penalty_by_frequency_all_have_the_same() -> None:
    model = IALS(IALSConfig(l2=0.5, frequency_scaling=0), DataShape(2, 3, 4))
    assert model._penalties(torch.tensor([0, 1, 3]), 7).tolist() == [0.5, 0.5]
    model = IALS(IALSConfig(l2=0.5, frequency_scaling=1, unobserved_weight=0.1), DataShape(2, 3, 4))
    assert model._penalties(torch.tensor([0, 1, 3]), 10).tolist() == pytest.approx([1.0, 1.5])


@pytest.mark.parametrize("calls", [1, 4, 5], ids=["first epoch", "between two epochs", "within an epoch"])
def test_a_resumed_training_equals_one_that_was_not_stopped(calls: int, split: Split, tmp_path: Any) -> None:
    given = SMALL | {"epochs": 5}
    whole: list[EpochRecord] = []
    expected = fit("ials", split, on_epoch=whole.append, **given)
    asked = iter(range(100))
    records: list[EpochRecord] = []

    def save(state: TrainingState) -> None:
        state.save(tmp_path / "state")

    stopped = fit(
        "ials",
        split,
        on_epoch=records.append,
        should_stop=lambda: next(asked) >= calls - 1,
        on_checkpoint=save,
        **given,
    )
    assert stopped.record["stopped"]
    found = fit("ials", split, on_epoch=records.append, resume=TrainingState.load(tmp_path / "state"), **given)
    assert torch.equal(found.tensors()["items"], expected.tensors()["items"])
    assert [(one.epoch, one.values["loss"]) for one in records] == [(one.epoch, one.values["loss"]) for one in whole]
    assert found.record["best_epoch"] == expected.record["best_epoch"]


def test_a_state_of_other_settings_is_refused(split: Split) -> None:
    states: list[TrainingState] = []
    fit("ials", split, epochs=1, **SMALL, on_checkpoint=lambda state: states.append(state.copied()))
    with pytest.raises(UsageError, match="belongs to another training"):
        fit("ials", split, epochs=2, **SMALL, resume=states[0])


def test_the_best_epoch_is_restored_and_patience_ends_the_training(split: Split) -> None:
    records: list[EpochRecord] = []
    model = fit("ials", split, epochs=60, patience=3, **SMALL, on_epoch=records.append)
    best = model.record["best_epoch"]
    assert model.record["epochs_run"] == min(60, best + 3)
    again = fit("ials", split, epochs=best, **SMALL)
    assert torch.equal(again.tensors()["items"], model.tensors()["items"])


def test_equal_seeds_give_equal_models_and_others_others(split: Split) -> None:
    one, same, other = (fit("ials", split, epochs=1, seed=seed, **SMALL).tensors()["items"] for seed in (3, 3, 4))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_the_average_users_penalty_is_the_same_for_data_of_all_sizes() -> None:
    for shape in (DataShape(700, 1400, 42_000), DataShape(4500, 3500, 435_000), DataShape(116_677, 20_108, 9_500_000)):
        for given in ({}, {"frequency_scaling": 1.0}, {"unobserved_weight": 0.02}):
            config = IALSConfig.auto(shape, **given)
            frequency = shape.interactions / shape.users + config.unobserved_weight * shape.items
            assert config.l2 * frequency**config.frequency_scaling == pytest.approx(6)
    assert [IALSConfig.auto(DataShape(1, 1, n)).latent for n in (0, 42_000, 435_000, 10**9)] == [32, 64, 256, 512]


def test_a_setting_out_of_bounds_is_refused_by_auto_too() -> None:
    with pytest.raises(UsageError, match="frequency_scaling"):
        registry.configure("ials", DataShape(10, 10, 50), settings={"frequency_scaling": 500.0})
