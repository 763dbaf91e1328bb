"""How long somebody waits for a list."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from recdash.evaluation.top_k import top_lists

if TYPE_CHECKING:
    from recdash.data.histories import Histories
    from recdash.models.base import Model

LISTS, BUDGET = 20, 2.0  # lists to time, and the seconds after which fewer have to do


def seconds_per_list(model: Model, histories: Histories, *, lists: int = LISTS) -> float | None:
    """Median seconds from one user's history to a list of 100, users one by one; None where nobody has a history.

    The first list warms up and does not count.
    """
    rows = np.flatnonzero(histories.counts > 0)[: lists + 1]
    if len(rows) == 0:
        return None
    taken: list[float] = []
    until = time.perf_counter() + BUDGET
    for row in rows:
        started = time.perf_counter()
        top_lists(model, histories.slice(int(row), int(row) + 1))
        taken.append(time.perf_counter() - started)
        if time.perf_counter() > until:
            break
    return float(np.median(taken[1:] or taken))
