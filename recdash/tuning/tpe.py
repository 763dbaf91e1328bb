"""The sampler `tpe` and the storage of its studies: the only module that imports Optuna."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from recdash.tuning.outcome import Outcome
from recdash.tuning.search_space import Dimension, Space

STARTUP_TRIALS = 6  # drawn at random before the estimator has enough to go by; the preset's trial is one of them
_STATES = {
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


def next_params(space: Space, outcomes: Sequence[Outcome], *, seed: int, number: int) -> dict[str, Any]:
    """Return the settings of the next trial, by the tree-structured Parzen estimator (Bergstra et al., NIPS 2011).

    The study is built from the trials anew, so nothing but they decides. Trials that still run count as bad ones, so
    that several workers do not try the same.
    """
    sampler = _sampler(seed + 1_000_003 * number)
    study = _quietly(lambda: optuna.create_study(direction="maximize", sampler=sampler))
    distributions = {dimension.name: _distribution(dimension) for dimension in space}
    for outcome in sorted(outcomes, key=lambda one: one.number):
        study.add_trial(_frozen(space, distributions, outcome))
    asked = study.ask(distributions)
    return {dimension.name: _value(dimension, asked.params[dimension.name]) for dimension in space}


def frozen_trials(space: Space, outcomes: Sequence[Outcome]) -> list[FrozenTrial]:
    """Return trials as Optuna's."""
    distributions = {dimension.name: _distribution(dimension) for dimension in space}
    return [_frozen(space, distributions, outcome) for outcome in outcomes]


def _sampler(seed: int) -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # multivariate and constant_liar are marked as experimental
        return optuna.samplers.TPESampler(
            seed=seed % 2**32, n_startup_trials=STARTUP_TRIALS, multivariate=True, constant_liar=True
        )


def _quietly(make: Any) -> optuna.Study:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study: optuna.Study = make()
        return study
    finally:
        optuna.logging.set_verbosity(before)


def _distribution(dimension: Dimension) -> BaseDistribution:
    low, high = dimension.low, dimension.high
    if low is None or high is None:
        return CategoricalDistribution([_choice(value) for value in dimension.choices])
    if dimension.is_integer:
        return IntDistribution(int(low), int(high), log=dimension.log, step=int(dimension.step or 1))
    return FloatDistribution(low, high, log=dimension.log, step=dimension.step)


def _choice(value: Any) -> Any:
    return json.dumps(list(value)) if isinstance(value, list | tuple) else value  # Optuna takes no lists as choices


def _value(dimension: Dimension, found: Any) -> Any:
    if dimension.choices:
        return next(value for value in dimension.choices if _choice(value) == found)
    share = dimension.share_of(found)
    return found if dimension.step is not None or share is None else dimension.at(share)  # rounded as everywhere


def _frozen(space: Space, distributions: Mapping[str, BaseDistribution], outcome: Outcome) -> FrozenTrial:
    inside = [d.name for d in space if d.name in outcome.params and d.share_of(outcome.params[d.name]) is not None]
    state = _STATES[outcome.state]
    is_complete = state is TrialState.COMPLETE and outcome.value is not None
    if state is TrialState.COMPLETE and not is_complete:
        state = TrialState.FAIL
    curve = outcome.curve or ({} if outcome.value is None else {1: outcome.value})
    best, reported = float("-inf"), {}
    for epoch in sorted(curve):
        best = max(best, curve[epoch])
        reported[epoch] = best
    if state is TrialState.PRUNED and not reported:
        state = TrialState.FAIL
    return create_trial(
        state=state,
        value=outcome.value if is_complete else None,
        params={name: _choice(outcome.params[name]) for name in inside},
        distributions={name: distributions[name] for name in inside},
        intermediate_values=reported,
        user_attrs={"number": outcome.number},
    )
