"""`Outcome`: a trial as samplers and the importance of settings read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from recdash.tuning.pruning import Curve


@dataclass(frozen=True)
class Outcome:
    """What a sampler learns of one trial.

    Attributes:
        number: Number of the trial, from 0.
        params: Values of the searched settings.
        state: "running", "complete", "pruned" or "failed".
        value: Best validation value, larger is better; None without one.
        curve: Validation values by epoch, larger is better.
    """

    number: int
    params: Mapping[str, Any]
    state: Literal["running", "complete", "pruned", "failed"]
    value: float | None = None
    curve: Curve = field(default_factory=dict)
