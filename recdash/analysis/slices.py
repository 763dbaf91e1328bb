"""Quality by activity of the user and by popularity of the item, from what each run keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recdash.analysis.versus_best import sums_of
from recdash.data.histories import Histories
from recdash.errors import CheckpointError
from recdash.evaluation import subgroups
from recdash.evaluation.bootstrap import Sums, bootstrap_sums
from recdash.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from recdash.analysis.groups import Group

Facts = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Slice:
    """A part of the users or of the items: its name, and how many there are in it."""

    name: str
    size: int


@dataclass(frozen=True)
class SliceValue:
    """A metric of one run for one part, with its 95 % interval over users; NaN where nobody can be scored."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class SliceView:
    """A metric for each part and each run that keeps what is needed.

    by: "activity" or "popularity".  cells: by run id, one for each part.  missing: runs of earlier versions, which
    did not keep it.
    """

    by: str
    metric: str
    parts: tuple[Slice, ...]
    cells: Mapping[str, tuple[SliceValue, ...]]
    missing: tuple[str, ...]


def view(group: Group, by: str) -> SliceView:
    """Return the primary metric of a group by "activity" (users) or "popularity" (items); KeyError for another word."""
    known = [row.run.id for row in group.rows]
    made = {run_id: _one(run_id, by, group.primary) for run_id in known}
    there = {run_id: found for run_id, found in made.items() if found is not None}
    parts = next((found[0] for found in there.values()), ())
    cells = {run_id: found[1] for run_id, found in there.items() if found[0] == parts}
    missing = tuple(run_id for run_id in known if run_id not in cells)
    return SliceView(by=by, metric=group.primary, parts=parts, cells=cells, missing=missing)


@lru_cache(maxsize=1024)
def _one(run_id: str, by: str, metric: str) -> tuple[tuple[Slice, ...], tuple[SliceValue, ...]] | None:
    """Return parts and figures of one run; a finished run never changes, so neither do they."""
    make: Callable[[str, Facts, str], tuple[Sequence[Slice], Sums] | None] = _VIEWS[by]
    try:
        facts = RunFolder(run_id).read_facts()
        found = make(run_id, facts, metric) if facts else None
    except CheckpointError:
        return None
    if found is None:
        return None
    parts, sums = found
    low, high = bootstrap_sums(sums)
    figures = zip(sums.figures().tolist(), low.tolist(), high.tolist(), strict=True)
    return tuple(parts), tuple(SliceValue(*figure) for figure in figures)


def _by_activity(run_id: str, facts: Facts, metric: str) -> tuple[Sequence[Slice], Sums] | None:
    whole = sums_of(run_id, metric)
    if whole is None or len(whole.numerator) != len(facts["history"]):
        return None
    bins = subgroups.user_bins(facts["history"], whole.denominator[:, 0] > 0)
    inside = bins.inside()
    return _named(bins), Sums(whole.numerator * inside, whole.denominator * inside, whole.root)


def _by_popularity(run_id: str, facts: Facts, metric: str) -> tuple[Sequence[Slice], Sums] | None:
    bins = subgroups.item_bins(facts["item_counts"])
    if "squared" in facts:
        return _named(bins), Sums(facts["squared"].astype(np.float64), facts["entries"].astype(np.float64), root=True)
    ends, items = facts["held_out_ends"].astype(np.int64), facts["held_out_items"].astype(np.int32)
    held_out = Histories(ends, items, None, len(facts["item_counts"]), ordered=False)
    top = RunFolder(run_id).read_per_user(["top"]).get("top", np.zeros((0, 0), np.int32))
    return (_named(bins), subgroups.by_item(top, held_out, bins)) if len(top) == len(held_out) else None


_VIEWS = {"activity": _by_activity, "popularity": _by_popularity}


def _named(bins: subgroups.Bins) -> list[Slice]:
    """Name the parts by the interactions that they span."""
    return [
        Slice(f"{low:,}" if low == high else f"{low:,} to {high:,}", size)
        for (low, high), size in zip(bins.ranges, bins.sizes, strict=True)
    ]
