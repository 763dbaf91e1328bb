"""Samplers: deterministic in the seed and the trials so far, and what each of them promises."""

from __future__ import annotations

import math

import pytest

from recdash.errors import UsageError
from recdash.models.multvae import MultVAEConfig
from recdash.tuning import samplers
from recdash.tuning.outcome import Outcome
from recdash.tuning.samplers import next_params
from recdash.tuning.search_space import Space, parse_space

SPACE = parse_space(MultVAEConfig, {"learning_rate": "log:1e-4..1e-2", "latent": "choice:64,100,200"})
FIRST = Outcome(0, {"learning_rate": 1e-3, "latent": 200}, "complete", 0.3)


def quality(params) -> float:
    """Best at a learning rate of 0.003 and a width of 100."""
    return 0.4 - 0.1 * abs(math.log(params["learning_rate"] / 3e-3)) - 0.05 * (params["latent"] != 100)


def search(sampler: str, n_trials: int, space: Space = SPACE, seed: int = 0) -> list[Outcome]:
    outcomes = [FIRST]
    while len(outcomes) < n_trials:
        params = next_params(sampler, space, outcomes, seed=seed)
        if params is None:
            break
        outcomes.append(Outcome(len(outcomes), params, "complete", quality(params)))
    return outcomes


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_the_next_trial_depends_on_seed_and_trials_alone(sampler: str) -> None:
    if sampler == "tpe":
        pytest.importorskip("optuna")
    once, again, other = search(sampler, 10), search(sampler, 10), search(sampler, 10, seed=1)
    assert once == again and once != other
    params = [tuple(one.params.values()) for one in once]
    assert len(set(params)) == len(params), "no setting is tried twice"


def test_tpe_finds_better_settings_than_random_draws() -> None:
    pytest.importorskip("optuna")
    best = {
        sampler: [max(quality(one.params) for one in search(sampler, 25, seed=seed)) for seed in range(3)]
        for sampler in ("tpe", "random")
    }
    assert sum(best["tpe"]) > sum(best["random"])


def test_tpe_reads_pruned_failed_running_and_foreign_trials() -> None:
    pytest.importorskip("optuna")
    outcomes = [
        FIRST,
        Outcome(1, {"learning_rate": 5e-3, "latent": 64}, "pruned", 0.1, {1: 0.05, 2: 0.1}),
        Outcome(2, {"learning_rate": 9e-3, "latent": 64}, "failed"),
        Outcome(3, {"learning_rate": 2e-3, "latent": 100}, "running"),
        Outcome(4, {"learning_rate": 5.0, "latent": 7}, "complete", 0.2),  # outside of the space
        Outcome(5, {"learning_rate": 2e-4, "latent": 100}, "pruned"),
    ]
    found = next_params("tpe", SPACE, outcomes)
    assert found is not None and all(one.share_of(found[one.name]) is not None for one in SPACE)


def test_a_grid_has_every_combination_once_and_then_ends() -> None:
    space = parse_space(MultVAEConfig, {"latent": "choice:64,100", "hidden": "choice:none,600"})
    found = search_all("grid", space)
    assert found == [(64, ()), (64, (600,)), (100, ()), (100, (600,))]


def search_all(sampler: str, space: Space) -> list[tuple]:
    outcomes: list[Outcome] = []
    while (params := next_params(sampler, space, outcomes)) is not None:
        outcomes.append(Outcome(len(outcomes), params, "complete", 0.1))
    return [tuple(one.params.values()) for one in outcomes]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_small_space_is_exhausted_and_not_tried_again(sampler: str) -> None:
    if sampler == "tpe":
        pytest.importorskip("optuna")
    space = parse_space(MultVAEConfig, {"latent": "choice:64,100", "hidden": "choice:none,600"})
    assert sorted(search_all(sampler, space)) == [(64, ()), (64, (600,)), (100, ()), (100, (600,))]


def test_without_anything_to_search_there_is_no_further_trial() -> None:
    assert next_params("random", (), [FIRST]) is None


def test_what_cannot_be_used_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="Unknown sampler"):
        samplers.check_sampler("best", SPACE)
    huge = parse_space(MultVAEConfig, {"latent": "1..200 step 1", "epochs": "1..200 step 1"})
    with pytest.raises(UsageError, match="40,000 combinations"):
        samplers.check_sampler("grid", huge)
    monkeypatch.setattr(samplers, "has_optuna", lambda: False)
    with pytest.raises(UsageError, match="requirements-tune"):
        samplers.check_sampler("tpe", SPACE)
    assert samplers.default_sampler() == "random"
