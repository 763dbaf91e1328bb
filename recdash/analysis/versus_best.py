"""Which runs of a table cannot be told from its best: paired bootstrap over the test users, with Holm's correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from recdash.analysis.metric_info import higher_is_better, title
from recdash.errors import CheckpointError
from recdash.evaluation.bootstrap import Sums
from recdash.evaluation.significance import ALPHA, Differences, holm, paired_bootstrap
from recdash.runs.run_folder import RunFolder
from recdash.settings import as_names

if TYPE_CHECKING:
    from recdash.analysis.groups import Group

FEWEST_USERS = 100
EQUAL = 1e-12
# A table is too coarse when even a usual difference would have to be larger than this share of the best figure: the
# models here lie within about a twentieth in NDCG of each other, and within a fiftieth in RMSE.
COARSE = {"ranking": 0.05, "rating": 0.02}


@dataclass(frozen=True)
class DifferenceToBest:
    """How one run stands to the best of its table.

    difference, low, high: the run minus the best, with its 95 % interval.  p: adjusted by Holm over all comparisons
    of this metric.  tied: whether the run cannot be told from the best.
    """

    difference: float
    low: float
    high: float
    p: float
    tied: bool


@dataclass(frozen=True, kw_only=True)
class BestComparison:
    """Which runs of a table are as good as its best by one metric.

    best: its run id.  standings: by run id, without the best and without runs whose per-user results are not there.
    users: those compared.  resolution: half the width of a usual interval of a difference; None without a comparison.
    note: says that there are too few users to tell, or that somebody could not be compared; often empty.
    """

    metric: str
    best: str
    standings: Mapping[str, DifferenceToBest]
    users: int
    resolution: float | None
    note: str

    def is_best(self, run_id: str) -> bool:
        """Whether a run is the best, or equals it user by user as the same closed form trained twice does."""
        return run_id == self.best or (run_id in self.standings and abs(self.standings[run_id].difference) < EQUAL)

    def tied(self, run_id: str) -> bool:
        """Whether a run is the best or cannot be told from it."""
        return run_id == self.best or (run_id in self.standings and self.standings[run_id].tied)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "metric": self.metric,
            "best": self.best,
            "users": self.users,
            "resolution": self.resolution,
            "note": self.note,
            "standings": {run_id: vars(standing) for run_id, standing in self.standings.items()},
        }


def compare_with_best_by_metric(group: Group, metrics: str | Sequence[str]) -> dict[str, BestComparison]:
    """Return the verdict on each metric that has a direction and per-user values; others are left out."""
    wanted = [name for name in as_names(metrics) if higher_is_better(name) is not None]
    known = tuple((row.run.id, row.run.version) for row in group.rows)
    means = tuple(
        (name, tuple((row.run.id, row.metrics[name].mean) for row in group.rows if name in row.metrics))
        for name in wanted
    )
    found = (_verdict(group.task, known, name, of_metric) for name, of_metric in means if of_metric)
    return {compare_with_best.metric: compare_with_best for compare_with_best in found if compare_with_best is not None}


def compare_with_best(group: Group, metric: str) -> BestComparison | None:
    """Return the verdict on one metric; None where the metric has no direction or nobody's values are there."""
    return compare_with_best_by_metric(group, [metric]).get(metric)


@lru_cache(maxsize=512)
def _verdict(
    task: str, _versions: tuple[tuple[str, int], ...], metric: str, means: tuple[tuple[str, float], ...]
) -> BestComparison | None:
    sign = 1 if higher_is_better(metric) else -1
    ordered = [run_id for run_id, _ in sorted(means, key=lambda pair: -sign * pair[1])]
    sums = {run_id: found for run_id in ordered if (found := sums_of(run_id, metric)) is not None}
    best = ordered[0]
    if best not in sums:
        return None
    others = [run_id for run_id in sums if run_id != best and len(sums[run_id].numerator) == len(sums[best].numerator)]
    users = int((sums[best].denominator[:, 0] > 0).sum())
    standings: dict[str, DifferenceToBest] = {}
    if others:
        ours = Sums(
            np.concatenate([sums[run_id].numerator for run_id in others], axis=1),
            np.concatenate([sums[run_id].denominator for run_id in others], axis=1),
            sums[best].root,
        )
        apart = paired_bootstrap(ours, sums[best])
        standings = _standings(others, apart)
    resolution = _resolution(standings)
    silent = [run_id for run_id in ordered if run_id not in standings and run_id != best]
    note = " ".join(filter(None, (_too_few(task, metric, users, dict(means)[best], resolution), _silent(silent))))
    return BestComparison(metric=metric, best=best, standings=standings, users=users, resolution=resolution, note=note)


def sums_of(run_id: str, metric: str) -> Sums | None:
    """Return the per-user sums behind a metric of a run; None where the run does not keep them."""
    try:
        folder = RunFolder(run_id)
        kept = folder.read_per_user([metric])
        if metric not in kept:
            return None
        if metric not in ("rmse", "mae"):
            return Sums.of(kept[metric].astype(np.float64))
        entries = folder.read_facts().get("entries")
    except CheckpointError:
        return None
    if entries is None or len(entries) != len(kept[metric]):
        return None
    counts = entries.sum(axis=1, dtype=np.float64)
    own = np.nan_to_num(kept[metric].astype(np.float64))
    above = own**2 * counts if metric == "rmse" else own * counts
    return Sums(above[:, None], counts[:, None], root=metric == "rmse")


def _standings(others: Sequence[str], found: Differences) -> dict[str, DifferenceToBest]:
    adjusted = holm(found.p)
    return {
        run_id: DifferenceToBest(
            difference=float(found.mean[place]),
            low=float(found.low[place]),
            high=float(found.high[place]),
            p=float(adjusted[place]),
            tied=bool(adjusted[place] >= ALPHA),
        )
        for place, run_id in enumerate(others)
    }


def _resolution(standings: Mapping[str, DifferenceToBest]) -> float | None:
    widths = [(one.high - one.low) / 2 for one in standings.values()]
    widths = [width for width in widths if np.isfinite(width) and width > 0]
    return float(np.median(widths)) if widths else None


def _too_few(task: str, metric: str, users: int, best: float, resolution: float | None) -> str:
    coarse = resolution is not None and resolution > COARSE[task] * abs(best)
    if users >= FEWEST_USERS and not coarse:
        return ""
    told = f"Only {users:,} test users" if users < FEWEST_USERS else f"{users:,} test users are few here"
    if resolution is None:
        return f"{told}: small differences in {title(metric)} would be chance. Use more data, or several split seeds."
    return (
        f"{told}: differences in {title(metric)} below about {resolution:.3f} cannot be told from chance. "
        "Use more data, or several split seeds."
    )


def _silent(run_ids: Sequence[str]) -> str:
    if not run_ids:
        return ""
    named = ", ".join(run_ids[:3]) + (f" and {len(run_ids) - 3} more" if len(run_ids) > 3 else "")
    return f"Not compared, for their per-user results are not kept: {named}."
