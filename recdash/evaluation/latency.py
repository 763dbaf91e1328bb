"""Time from a history to a list."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from recdash.evaluation.top_k import top_lists

if TYPE_CHECKING:
    from recdash.data.histories import Histories
    from recdash.models.base import Model

N_LISTS, MAX_SECONDS = 20, 2.0  # lists to time; after so many seconds no further one is started


def seconds_per_list(model: Model, histories: Histories, *, lists: int = N_LISTS) -> float | None:
    """Return the median time from one user's history to a list of 100, users one by one; None without any history.

    The first list is a warm-up and does not count.
    """
    rows = np.flatnonzero(histories.counts > 0)[: lists + 1]
    if len(rows) == 0:
        return None
    seconds: list[float] = []
    deadline = time.perf_counter() + MAX_SECONDS
    for row in rows:
        started = time.perf_counter()
        top_lists(model, histories.slice(int(row), int(row) + 1))
        seconds.append(time.perf_counter() - started)
        if time.perf_counter() > deadline:
            break
    return float(np.median(seconds[1:] or seconds))
