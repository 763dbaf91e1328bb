"""Display of scores on the scale of their model: probability, stars, or relative to the best of the list."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recdash.models.base import Model

ScaleName = Literal["probability", "stars", "relative"]
DEFAULT_STARS = (1.0, 5.0)  # of rating models that were trained without a known scale


class ScoreScale(NamedTuple):
    """Scale of a model's scores.

    Attributes:
        name: "probability", "stars" or "relative".
        about: What a score of this list means, in one sentence.
        low: Value of an empty bar.
        high: Value of a full bar; for probabilities and relative scores, that of the best item of the list.
    """

    name: ScaleName
    about: str
    low: float
    high: float


class DisplayedScore(NamedTuple):
    """A score as shown: length of its bar from 0 to 1, and its text."""

    bar: float
    text: str


def display(
    model: Model,
    scores: NDArray[np.float32],
    listed: NDArray[np.int64],
    candidates: NDArray[np.bool_],
    temperature: float = 1.0,
) -> tuple[ScoreScale, list[DisplayedScore]]:
    """Return how to show the scores of a list.

    A softmax takes all candidates as its outcomes, filtered out or not, so that a filter changes no probability.

    Args:
        model: The model.
        scores: (items,) its scores.
        listed: Indices of the listed items.
        candidates: (items,) items outside the taste.
        temperature: Divisor of the logits of probabilities; above 1 they become more alike. The order stays.
    """
    values = scores.astype(np.float64)  # (items,)
    if model.score_kind == "stars":
        low, high = model.shape.scale or DEFAULT_STARS
        stars = values[listed].clip(low, high)
        bars = (stars - low) / (high - low) if high > low else np.ones(len(stars))
        scale = ScoreScale("stars", f"Predicted rating on the scale from {low:g} to {high:g}.", low, high)
        return scale, _displayed(bars, [f"{value:.1f}" for value in stars])
    if model.score_kind == "relative":
        best = max(0.0, float(values[listed].max(initial=0.0)))
        bars = (values[listed] / best).clip(0, 1) if best > 0 else np.zeros(len(listed))
        about = "Score relative to the highest score of this list, which is 100."
        return ScoreScale("relative", about, 0.0, best), _displayed(bars, [f"{100 * bar:.0f}" for bar in bars])
    if model.score_kind == "softmax":
        logits = np.where(candidates, values, -np.inf) / temperature
        weights = np.exp(logits - logits.max(initial=-np.inf)) if candidates.any() else np.zeros(len(values))
        probabilities = (weights / max(weights.sum(), 1e-300))[listed]
        about = "Probability of the item among all items outside your picks (softmax)"
    else:
        probabilities = 1 / (1 + np.exp(-(values[listed] / temperature).clip(-700, 700)))
        about = "Probability of this item, independent of the other items (sigmoid)"
    about += "." if temperature == 1 else f", at temperature {temperature:g}."
    best = float(probabilities.max(initial=0.0))
    bars = probabilities / best if best > 0 else np.zeros(len(probabilities))
    return ScoreScale("probability", about, 0.0, best), _displayed(bars, [format_share(p) for p in probabilities])


def format_share(share: float) -> str:
    """Format a probability with one or two significant digits: "12%", "1.2%", "0.03%", "<0.01%"."""
    percent = 100 * share
    if percent < 0.01:
        return "<0.01%"
    digits = 0 if percent >= 9.95 else 1 if percent >= 0.095 else 2
    return f"{percent:.{digits}f}%"


def _displayed(bars: NDArray[np.float64], texts: list[str]) -> list[DisplayedScore]:
    return [DisplayedScore(float(bar), text) for bar, text in zip(bars, texts, strict=True)]
