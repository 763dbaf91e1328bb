"""Samplers: which settings the next trial gets, as a function of the trials so far.

`grid` and `random` need nothing; `tpe` needs Optuna (requirements-tune.txt). All are deterministic in the seed and the
trials so far, so that a search continues after any interruption.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from recdash.errors import UsageError
from recdash.tuning.outcome import Outcome
from recdash.tuning.search_space import Space

SAMPLERS = {
    "tpe": "tree-structured Parzen estimator of Optuna: tries what resembles the best trials so far",
    "random": "independent draws from the search space",
    "grid": "every combination of values; ranges without a step have 5 values",
}
GRID_POINTS = 5
_ATTEMPTS = 100  # to draw settings that were not tried yet
MAX_GRID = 10_000  # combinations; each is one training
INSTALL_OPTUNA = "Install it: pip install -r requirements-tune.txt, or choose --sampler random or grid"


def has_optuna() -> bool:
    """Return whether Optuna is installed, without importing it."""
    return find_spec("optuna") is not None


def default_sampler() -> str:
    """Return "tpe", or "random" where Optuna is not installed."""
    return "tpe" if has_optuna() else "random"


def check_sampler(sampler: str, space: Space) -> None:
    """Raise UsageError for a sampler that is unknown or cannot be used here."""
    if sampler not in SAMPLERS:
        raise UsageError(f"Unknown sampler: {sampler!r}. Known: {', '.join(SAMPLERS)}.")
    if sampler == "tpe" and not has_optuna():
        raise UsageError(f"Sampler tpe needs Optuna, which is not installed. {INSTALL_OPTUNA}.")
    if sampler == "grid" and grid_size(space) > MAX_GRID:
        raise UsageError(
            f"The grid has {grid_size(space):,} combinations, at most {MAX_GRID:,} are allowed. "
            "Name fewer settings or values with --space."
        )


def grid_size(space: Space) -> int:
    """Return the number of combinations of a grid."""
    return math.prod(len(dimension.grid(GRID_POINTS)) for dimension in space)


def next_params(sampler: str, space: Space, outcomes: Sequence[Outcome], *, seed: int = 0) -> dict[str, Any] | None:
    """Return the settings of the next trial.

    Args:
        sampler: Name of the sampler.
        space: What is searched.
        outcomes: All trials so far, those that still run included; the first one, number 0, is the preset's.
        seed: Seed of the search.

    Returns:
        A value for every setting of the space that no trial had; None if there is no further one.
    """
    number = 1 + max((outcome.number for outcome in outcomes), default=-1)
    if not space:
        return None  # nothing to search: the preset's trial is all there is
    if sampler == "grid":
        return _next_of_grid(space, outcomes)
    tried = {_key(space, outcome.params) for outcome in outcomes}
    if sampler == "tpe":
        from recdash.tuning import tpe  # optional: optuna

        found = tpe.next_params(space, outcomes, seed=seed, number=number)
        if _key(space, found) not in tried:
            return found
    for attempt in range(_ATTEMPTS):
        drawn = np.random.default_rng([seed, number, attempt]).random(len(space))
        found = {dimension.name: dimension.at(share) for dimension, share in zip(space, drawn, strict=True)}
        if _key(space, found) not in tried:
            return found
    return _next_of_grid(space, outcomes) if all(dimension.choices for dimension in space) else None


def _key(space: Space, params: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(params.get(dimension.name) for dimension in space)


def _next_of_grid(space: Space, outcomes: Sequence[Outcome]) -> dict[str, Any] | None:
    """Return the first combination that no trial had; the last setting varies fastest."""
    tried = {_key(space, outcome.params) for outcome in outcomes}
    grids = [dimension.grid(GRID_POINTS) for dimension in space]
    for position in range(math.prod(map(len, grids))):
        values: list[Any] = []
        for grid in reversed(grids):
            position, index = divmod(position, len(grid))
            values.insert(0, grid[index])
        if tuple(values) not in tried:
            return {dimension.name: value for dimension, value in zip(space, values, strict=True)}
    return None
