"""What data looks like, before and after a protocol: curves and counts small enough to draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recdash.services import datasets

if TYPE_CHECKING:
    from recdash.data.readers.csv import Plan
    from recdash.splits.options import SplitOptions

MOST_POINTS = 240
MOST_LINES, LONGEST_LINE = 4, 160  # of a file as it is


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """How interactions spread over items, users and time.

    popularity: (rank of the item, its interactions), a readable choice of ranks.  activity: (fewest interactions,
    most, users with so many).  months: ("2019-04", interactions), empty without dates.  ties: the rule that orders
    events of one user at the same time, None without times.
    """

    popularity: tuple[tuple[int, int], ...]
    activity: tuple[tuple[int, int, int], ...]
    months: tuple[tuple[str, int], ...]
    ties: str | None


def portrait(name: str) -> Portrait:
    """Return the distributions of a data set."""
    data = datasets.load(name)
    per_item = np.bincount(data.items, minlength=data.n_items)
    ranked = np.sort(per_item)[::-1]
    ranks = np.unique(np.geomspace(1, len(ranked), MOST_POINTS).round().astype(int))
    return Portrait(
        popularity=tuple((int(rank), int(ranked[rank - 1])) for rank in ranks),
        activity=_activity(np.bincount(data.users, minlength=data.n_users)),
        months=_months(data.times // data.ticks) if data.times is not None and data.time_kind == "dates" else (),
        ties=None if data.times is None else data.tie_rule(),
    )


def protocol_facts(
    name: str, protocol: str, split_seed: int = 98765, options: SplitOptions | None = None
) -> Mapping[str, Any]:
    """Return what a protocol makes of a data set: users, items and entries of its parts.

    Raises SplitError when the data cannot be split so.
    """
    from recdash.splits.options import SplitOptions

    split = (options or SplitOptions()).make(datasets.load(name), protocol, seed=split_seed)
    return dict(split.facts)


def preview(path: Path, **options: Any) -> Plan:
    """Return how an import would read a file, from its beginning alone; takes the options of `datasets.read_file`."""
    from recdash.data.readers import csv

    return csv.look(path, **options)


def first_lines(path: Path, encoding: str | None = None, *, foreign: bool = False) -> tuple[str, ...]:
    """Return how a file begins, as text that was not understood, cut to a readable size.

    foreign: prefer lines with letters beyond ASCII, which tell whether an encoding is the right one.
    Raises DataError for what is no text in that encoding.
    """
    from recdash.data.readers import inputs

    with inputs.open_input(path, encoding) as source:
        lines = inputs.beginning(source).decode("utf-8", "replace").splitlines()
    if foreign:
        lines = [line for line in lines if not line.isascii()] or lines
    return tuple(line[:LONGEST_LINE] for line in lines[:MOST_LINES])


def _activity(per_user: NDArray[np.int64]) -> tuple[tuple[int, int, int], ...]:
    """Count users in bins that grow by about a quarter, with whole numbers as edges."""
    most = max(2, int(per_user.max(initial=1)) + 1)
    edges = np.unique(np.geomspace(1, most, 26).round().astype(int))
    counts, _ = np.histogram(per_user, edges)
    return tuple(
        (int(low), int(high) - 1, int(number)) for low, high, number in zip(edges, edges[1:], counts, strict=False)
    )


def _months(times: NDArray[np.int64]) -> tuple[tuple[str, int], ...]:
    months, counts = np.unique(times.astype("datetime64[s]").astype("datetime64[M]"), return_counts=True)
    return tuple((str(month), int(number)) for month, number in zip(months, counts, strict=True))
