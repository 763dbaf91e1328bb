"""Unstable runs: a loss exploded without becoming NaN. The rule is defined here only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

LOSSES = ("loss", "reconstruction")
FACTOR = 10.0  # times the first epoch's loss; annealing a penalty raises a loss far less


def losses_of(values: Mapping[str, float]) -> dict[str, float]:
    """Return the losses among an epoch's values; those of the first epoch are the reference for later ones."""
    return {name: values[name] for name in LOSSES if name in values}


def exploded(values: Mapping[str, float], first: Mapping[str, float]) -> bool:
    """Return whether a loss exceeds `FACTOR` times that of the first epoch; a first loss of 0 is no reference."""
    return any(values.get(name, 0.0) > FACTOR * abs(value) > 0 for name, value in first.items())


def unstable_epoch(epochs: Iterable[tuple[int, Mapping[str, float]]]) -> int | None:
    """Return the first epoch whose loss exploded, from (epoch, values) in order; None for a stable training."""
    first: dict[str, float] = {}
    for epoch, values in epochs:
        first = first or losses_of(values)
        if exploded(values, first):
            return epoch
    return None
