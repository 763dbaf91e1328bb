"""When a training counts as unstable: a loss above ten times that of the first epoch, once and for all."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from recdash.evaluation import stability

Epochs = list[tuple[int, Mapping[str, float]]]


def losses(*values: float, name: str = "loss") -> Epochs:
    return [(epoch, {name: value}) for epoch, value in enumerate(values, 1)]


@pytest.mark.parametrize(
    ("epochs", "since"),
    [
        (losses(500.0, 480.0, 470.0), None),
        (losses(500.0, 5000.0), None),  # ten times is the limit, not beyond it
        (losses(500.0, 480.0, 5001.0, 490.0), 3),  # calm afterwards does not undo it
        (losses(500.0, 2.5e14, name="reconstruction"), 2),
        (losses(500.0, math.inf), 2),
        (losses(500.0, math.nan), None),  # no number at all ends the training by itself
        (losses(0.0, 3.0), None),  # nothing to compare with
        (losses(-2.0, 30.0), 2),
        ([(1, {"kl": 0.1}), (2, {"kl": 90.0})], None),  # a penalty grows while it is annealed
        ([], None),
    ],
)
def test_the_first_epoch_with_an_exploded_loss_is_found(epochs: Epochs, since: int | None) -> None:
    assert stability.unstable_epoch(epochs) == since


def test_either_loss_alone_is_enough() -> None:
    epochs = [(1, {"loss": 5.0, "reconstruction": 4.0}), (2, {"loss": 6.0, "reconstruction": 41.0})]
    assert stability.unstable_epoch(epochs) == 2
