"""`DataShape`: the size of the training data, the only information that presets and layers use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataShape:
    """Size of the training data, and the scale of ratings if there are any.

    Attributes:
        users, items, interactions: Counts of the training part.
        scale: Lowest and highest rating, or None.
    """

    users: int
    items: int
    interactions: int
    scale: tuple[float, float] | None = None
