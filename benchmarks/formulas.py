"""Cost formulas of the works, with which measurements are compared: arithmetic of an epoch, and memory."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks.generated_data import Shape

HIDDEN, LATENT, BATCH = 600, 200, 500
_BYTES_PER_POSITIVE = 12  # index and value of an entry, and of its batch
_LOGITS_AT_ONCE = 3  # logits, their gradient, and one copy
_BYTES_PER_WEIGHT = 16  # weight, gradient, two moments, float32 each


def multvae_flops(shape: Shape) -> float:
    """Arithmetic of an epoch with a sparse first layer, a multiply-add counted as two."""
    per_user = 6 * shape.items * HIDDEN + 18 * HIDDEN * LATENT
    return 4 * shape.positives * HIDDEN + shape.users * per_user


def multvae_weights(shape: Shape) -> int:
    """Number of weights, biases left out."""
    return 2 * shape.items * HIDDEN + 3 * HIDDEN * LATENT


def multvae_bytes(shape: Shape, batch: int = BATCH, bytes_per_logit: int = 4) -> float:
    """Memory of a training: rows, batches of logits, weights with their optimiser."""
    logits = _LOGITS_AT_ONCE * batch * shape.items * bytes_per_logit
    return _BYTES_PER_POSITIVE * shape.positives + logits + _BYTES_PER_WEIGHT * multvae_weights(shape)


def ease_flops(shape: Shape) -> float:
    """Cholesky factor and inverse, and the Gram matrix at the mean activity."""
    return 2 * shape.positives * (shape.positives / shape.users) + 2 * shape.items**3


def ease_bytes(shape: Shape) -> float:
    """Rows, and the Gram matrix in float64 and its float32 result."""
    return _BYTES_PER_POSITIVE * shape.positives + 12 * shape.items**2


def evaluation_flops(shape: Shape) -> float:
    """Scores of every user by Mult-VAE's decoder."""
    return 2 * shape.users * shape.items * HIDDEN


def evaluation_bytes(shape: Shape) -> float:
    """Rows, lists of 100, weights; scores are computed by chunks of users."""
    weights = 4 * multvae_weights(shape)
    return _BYTES_PER_POSITIVE * shape.positives + 4 * 100 * shape.users + weights


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return the slope of log(values) over log(sizes) by least squares: 1 is linear growth, 2 quadratic."""
    x, y = [math.log(size) for size in sizes], [math.log(max(value, 1e-12)) for value in values]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)
