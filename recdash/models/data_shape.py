"""`Shape`: the size of training data, which is all that presets and layers may know of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataShape:
    """Users, items and interactions of the training part, and the scale of ratings where there are some."""

    users: int
    items: int
    interactions: int
    scale: tuple[float, float] | None = None
