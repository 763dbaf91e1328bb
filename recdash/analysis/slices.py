"""Quality by user activity and by item popularity, from the per-user results stored with each run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recdash.analysis.versus_best import per_user_sums
from recdash.data.histories import Histories
from recdash.errors import CheckpointError
from recdash.evaluation import slices
from recdash.evaluation.bootstrap import RatioStatistics, bootstrap_statistics
from recdash.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from recdash.analysis.groups import Group

Facts = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Slice:
    """A slice of the users or of the items, with its name and its size."""

    name: str
    size: int


@dataclass(frozen=True)
class SliceValue:
    """Metric of one run for one slice, with its 95% interval over users; NaN if no user can be scored."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class SliceView:
    """Metric for each slice and each run.

    Attributes:
        by: "activity" (slices of users) or "popularity" (slices of items).
        metric: Name of the metric.
        parts: The slices, from least to most active or popular.
        cells: {run id: one value per slice}.
        missing: Ids of runs that did not store the needed data, as runs of earlier versions.
    """

    by: str
    metric: str
    parts: tuple[Slice, ...]
    cells: Mapping[str, tuple[SliceValue, ...]]
    missing: tuple[str, ...]


def slice_view(group: Group, by: str) -> SliceView:
    """Return the primary metric of a group by "activity" (of users) or "popularity" (of items)."""
    run_ids = [row.run.id for row in group.rows]
    by_run = {run_id: _slices_of(run_id, by, group.primary) for run_id in run_ids}
    available = {run_id: found for run_id, found in by_run.items() if found is not None}
    parts = next((found[0] for found in available.values()), ())
    cells = {run_id: found[1] for run_id, found in available.items() if found[0] == parts}
    missing = tuple(run_id for run_id in run_ids if run_id not in cells)
    return SliceView(by=by, metric=group.primary, parts=parts, cells=cells, missing=missing)


@lru_cache(maxsize=1024)
def _slices_of(run_id: str, by: str, metric: str) -> tuple[tuple[Slice, ...], tuple[SliceValue, ...]] | None:
    """Return slices and values of one run. The cache is safe because a finished run never changes."""
    compute: Callable[[str, Facts, str], tuple[Sequence[Slice], RatioStatistics] | None] = _VIEWS[by]
    try:
        facts = RunFolder(run_id).read_facts()
        found = compute(run_id, facts, metric) if facts else None
    except CheckpointError:
        return None
    if found is None:
        return None
    parts, sums = found
    low, high = bootstrap_statistics(sums)
    values = zip(sums.values().tolist(), low.tolist(), high.tolist(), strict=True)
    return tuple(parts), tuple(SliceValue(*value) for value in values)


def _by_activity(run_id: str, facts: Facts, metric: str) -> tuple[Sequence[Slice], RatioStatistics] | None:
    overall = per_user_sums(run_id, metric)
    if overall is None or len(overall.numerator) != len(facts["history"]):
        return None
    user_slices = slices.user_slices(facts["history"], overall.denominator[:, 0] > 0)
    inside = user_slices.membership()
    return _named_slices(user_slices), RatioStatistics(
        overall.numerator * inside, overall.denominator * inside, overall.root
    )


def _by_popularity(run_id: str, facts: Facts, metric: str) -> tuple[Sequence[Slice], RatioStatistics] | None:
    item_slices = slices.item_slices(facts["item_counts"])
    if "squared" in facts:
        return _named_slices(item_slices), RatioStatistics(
            facts["squared"].astype(np.float64), facts["entries"].astype(np.float64), root=True
        )
    ends, items = facts["held_out_ends"].astype(np.int64), facts["held_out_items"].astype(np.int32)
    held_out = Histories(ends, items, None, len(facts["item_counts"]), ordered=False)
    top = RunFolder(run_id).read_per_user(["top"]).get("top", np.zeros((0, 0), np.int32))
    return (
        (_named_slices(item_slices), slices.by_item(top, held_out, item_slices)) if len(top) == len(held_out) else None
    )


_VIEWS = {"activity": _by_activity, "popularity": _by_popularity}


def _named_slices(grouping: slices.Slices) -> list[Slice]:
    """Return the slices, named by the range of interactions they cover."""
    return [
        Slice(f"{low:,}" if low == high else f"{low:,} to {high:,}", size)
        for (low, high), size in zip(grouping.ranges, grouping.sizes, strict=True)
    ]
