"""Pruning rules, against cases worked out by hand, and what a search tells about settings."""

from __future__ import annotations

import numpy as np
import pytest

from recdash.models.multvae import MultVAEConfig
from recdash.tuning.importance import contour, importances
from recdash.tuning.outcome import Outcome
from recdash.tuning.pruning import Pruning, should_prune
from recdash.tuning.search_space import parse_space

OTHERS = [{1: 0.1, 2: 0.2, 3: 0.3}, {1: 0.1, 2: 0.3, 3: 0.2}, {1: 0.2, 2: 0.2, 3: 0.4}, {1: 0.05, 2: 0.1, 3: 0.1}]
MEDIAN = Pruning("median", after=0.2, fewest=4)


@pytest.mark.parametrize(
    ("curve", "ends"),
    [
        ({1: 0.09, 2: 0.19}, True),  # the bests up to epoch 2 are 0.2, 0.3, 0.2, 0.1: their median is 0.2
        ({1: 0.09, 2: 0.2}, False),
        ({1: 0.25, 2: 0.1}, False),  # its own best counts, not its last value
        ({1: 0.0}, False),  # epoch 1 of 10 is before a fifth of the epochs
        ({1: 0.0, 4: 0.0}, False),  # no other trial came this far
        ({}, False),
    ],
)
def test_the_median_rule(curve: dict[int, float], ends: bool) -> None:
    assert should_prune(MEDIAN, curve, OTHERS, epochs=10) is ends


def test_nothing_ends_at_the_last_epoch_with_few_others_or_by_no_rule() -> None:
    curve = {1: 0.0, 2: 0.0}
    assert should_prune(MEDIAN, curve, OTHERS, epochs=10)
    assert not should_prune(MEDIAN, curve, OTHERS[:3], epochs=10)
    assert not should_prune(MEDIAN, curve, OTHERS, epochs=2)
    assert not should_prune(Pruning("none"), curve, OTHERS, epochs=10)


def test_successive_halving_looks_at_rungs_alone() -> None:
    rule = Pruning("halving", after=0.1, fewest=2)
    others = [{1: value, 2: value, 3: value} for value in (0.5, 0.4, 0.3, 0.2, 0.1)]
    assert should_prune(rule, {1: 0.35}, others, epochs=10)  # third of six; two of six go on
    assert not should_prune(rule, {1: 0.45}, others, epochs=10)
    assert not should_prune(rule, {1: 0.45, 2: 0.0}, others, epochs=10)  # epoch 2 is no rung: 1, 3, 9
    assert not should_prune(rule, {1: 0.45, 3: 0.0}, others, epochs=10)
    assert should_prune(rule, {1: 0.35, 3: 0.0}, others, epochs=10)


def outcomes(n_trials: int = 40) -> list[Outcome]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(n_trials):
        params = {"learning_rate": float(10 ** rng.uniform(-4, -2)), "dropout": float(rng.uniform(0, 0.9))}
        value = -abs(np.log10(params["learning_rate"]) + 3) + 0.01 * rng.normal()
        found.append(Outcome(number, params, "complete", float(value)))
    return found


SPACE = parse_space(MultVAEConfig, {"dropout": "0..0.9", "learning_rate": "log:1e-4..1e-2"})


def test_the_setting_that_decides_is_the_most_important() -> None:
    found = importances(SPACE, outcomes())
    assert list(found) == ["learning_rate", "dropout"]
    assert sum(found.values()) == pytest.approx(1) and found["learning_rate"] > 0.7


def test_few_trials_say_nothing_about_importance() -> None:
    assert importances(SPACE, outcomes(7)) == {}
    assert importances(SPACE, [Outcome(0, {}, "failed")] * 20) == {}


def test_a_contour_passes_near_its_trials() -> None:
    found = contour(SPACE[1], SPACE[0], outcomes())
    assert found is not None and found.z.shape == (len(found.y), len(found.x))
    row, column = np.unravel_index(found.z.argmax(), found.z.shape)
    assert 3e-4 < found.x[column] < 3e-3 and 0 <= found.y[row] <= 0.9
    down = contour(SPACE[1], SPACE[0], outcomes(), sign=-1)
    assert down is not None and np.allclose(down.z, -found.z)
    assert contour(SPACE[1], SPACE[0], outcomes(2)) is None
