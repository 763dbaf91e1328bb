"""Distributions of a dataset over items, users and time, small enough to draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from recdash.data.dataset import Dataset

MOST_POINTS = 240  # more than a chart has pixels to show


@dataclass(frozen=True, kw_only=True)
class Distributions:
    """Distribution of the interactions over items, users and time.

    Attributes:
        popularity: (rank of the item, its interactions), at most `MOST_POINTS` ranks on a logarithmic grid.
        activity: (fewest interactions, most interactions, number of users in that bin).
        months: ("2019-04", interactions); empty for data without dates.
        ties: The rule that orders events of one user with the same time; None for data without times.
    """

    popularity: tuple[tuple[int, int], ...]
    activity: tuple[tuple[int, int, int], ...]
    months: tuple[tuple[str, int], ...]
    ties: str | None


def distributions(data: Dataset) -> Distributions:
    """Return the distributions of a dataset."""
    per_item = np.bincount(data.items, minlength=data.n_items)
    ranked = np.sort(per_item)[::-1]
    ranks = np.unique(np.geomspace(1, len(ranked), MOST_POINTS).round().astype(int))
    return Distributions(
        popularity=tuple((int(rank), int(ranked[rank - 1])) for rank in ranks),
        activity=_activity(np.bincount(data.users, minlength=data.n_users)),
        months=_months(data.times // data.ticks) if data.times is not None and data.time_kind == "dates" else (),
        ties=None if data.times is None else data.tie_rule(),
    )


def _activity(per_user: NDArray[np.int64]) -> tuple[tuple[int, int, int], ...]:
    """Return the number of users per bin; each bin is about a quarter wider than the one before."""
    most = max(2, int(per_user.max(initial=1)) + 1)
    edges = np.unique(np.geomspace(1, most, 26).round().astype(int))
    counts, _ = np.histogram(per_user, edges)
    return tuple(
        (int(low), int(high) - 1, int(number)) for low, high, number in zip(edges, edges[1:], counts, strict=False)
    )


def _months(times: NDArray[np.int64]) -> tuple[tuple[str, int], ...]:
    months, counts = np.unique(times.astype("datetime64[s]").astype("datetime64[M]"), return_counts=True)
    return tuple((str(month), int(number)) for month, number in zip(months, counts, strict=True))
