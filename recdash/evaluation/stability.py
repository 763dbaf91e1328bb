"""When a training counts as unstable: a loss exploded without becoming NaN. The rule is declared here only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

LOSSES = ("loss", "reconstruction")
FACTOR = 10.0  # a loss this many times that of the first epoch has exploded; annealing a penalty raises it far less


def losses_of(values: Mapping[str, float]) -> dict[str, float]:
    """Return the losses among an epoch's values: what later epochs are compared with, if it is the first one."""
    return {name: values[name] for name in LOSSES if name in values}


def exploded(values: Mapping[str, float], first: Mapping[str, float]) -> bool:
    """Whether an epoch has a loss above `FACTOR` times that of the first epoch; a first loss of 0 tells nothing."""
    return any(values.get(name, 0.0) > FACTOR * abs(value) > 0 for name, value in first.items())


def unstable_epoch(epochs: Iterable[tuple[int, Mapping[str, float]]]) -> int | None:
    """Return the first epoch whose loss exploded, of (epoch, values) in order; None for a stable training."""
    first: dict[str, float] = {}
    for epoch, values in epochs:
        first = first or losses_of(values)
        if exploded(values, first):
            return epoch
    return None
