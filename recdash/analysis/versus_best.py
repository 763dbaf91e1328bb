"""Comparison of each run with the best of its table: paired bootstrap over test users, Holm's correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from recdash.analysis.metric_info import title
from recdash.errors import CheckpointError
from recdash.evaluation.bootstrap import RatioStatistics
from recdash.evaluation.selection_metric import higher_is_better
from recdash.evaluation.significance import ALPHA, Differences, holm, paired_bootstrap
from recdash.runs.run_folder import RunFolder
from recdash.settings import name_list

if TYPE_CHECKING:
    from recdash.analysis.groups import Group

MIN_USERS = 100  # below this the interval of a difference is wider than most differences between models
EQUAL_TOLERANCE = 1e-12  # a closed form trained twice differs by rounding only
# A test set is too small if the median half-width (see `BestComparison`) is above this share of the best value: models
# usually differ by about 5% in NDCG and about 2% in RMSE.
MAX_RELATIVE_HALF_WIDTH = {"ranking": 0.05, "rating": 0.02}


@dataclass(frozen=True)
class DifferenceToBest:
    """Difference between one run and the best of its table.

    Attributes:
        difference: Metric of the run minus metric of the best.
        low: Lower end of the 95% interval of the difference.
        high: Upper end of that interval.
        p: p-value, adjusted by Holm's correction over all comparisons of this metric.
        not_significant: Whether the run is not significantly different from the best.
    """

    difference: float
    low: float
    high: float
    p: float
    not_significant: bool


@dataclass(frozen=True, kw_only=True)
class BestComparison:
    """Comparison of all runs of a table with its best run by one metric.

    Attributes:
        metric: Name of the metric.
        best: Id of the best run.
        differences: {run id: difference from the best}, without the best and runs that have no per-user results.
        users: Number of users compared.
        median_half_width: Median half-width of the intervals of the differences; None without a comparison.
        note: Warning about too few users, or about runs that could not be compared; empty if there is none.
    """

    metric: str
    best: str
    differences: Mapping[str, DifferenceToBest]
    users: int
    median_half_width: float | None
    note: str

    def is_best(self, run_id: str) -> bool:
        """Whether a run is the best, or equal to it up to rounding."""
        return run_id == self.best or (
            run_id in self.differences and abs(self.differences[run_id].difference) < EQUAL_TOLERANCE
        )

    def not_different_from_best(self, run_id: str) -> bool:
        """Whether a run is the best or not significantly different from it."""
        return run_id == self.best or (run_id in self.differences and self.differences[run_id].not_significant)

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        return {
            "metric": self.metric,
            "best": self.best,
            "users": self.users,
            "resolution": self.median_half_width,
            "note": self.note,
            "standings": {  # field names of the JSON document are public
                run_id: {
                    ("tied" if name == "not_significant" else name): value for name, value in vars(to_best).items()
                }
                for run_id, to_best in self.differences.items()
            },
        }


def compare_with_best_by_metric(group: Group, metrics: str | Sequence[str]) -> dict[str, BestComparison]:
    """Return the comparison by each metric that has a direction and per-user values; others are left out."""
    directed = [name for name in name_list(metrics) if higher_is_better(name) is not None]
    versions = tuple((row.run.id, row.run.version) for row in group.rows)
    means = tuple(
        (name, tuple((row.run.id, row.metrics[name].mean) for row in group.rows if name in row.metrics))
        for name in directed
    )
    found = (_compare(group.task, versions, name, of_metric) for name, of_metric in means if of_metric)
    return {comparison.metric: comparison for comparison in found if comparison is not None}


def compare_with_best(group: Group, metric: str) -> BestComparison | None:
    """Return the comparison by one metric; None if it has no direction or the best run has no per-user values."""
    return compare_with_best_by_metric(group, [metric]).get(metric)


@lru_cache(maxsize=512)
def _compare(
    task: str, _versions: tuple[tuple[str, int], ...], metric: str, means: tuple[tuple[str, float], ...]
) -> BestComparison | None:
    sign = 1 if higher_is_better(metric) else -1
    ordered = [run_id for run_id, _ in sorted(means, key=lambda pair: -sign * pair[1])]
    sums = {run_id: found for run_id in ordered if (found := per_user_sums(run_id, metric)) is not None}
    best = ordered[0]
    if best not in sums:
        return None
    others = [run_id for run_id in sums if run_id != best and len(sums[run_id].numerator) == len(sums[best].numerator)]
    users = int((sums[best].denominator[:, 0] > 0).sum())
    differences: dict[str, DifferenceToBest] = {}
    if others:
        stacked = RatioStatistics(  # (users, compared runs)
            np.concatenate([sums[run_id].numerator for run_id in others], axis=1),
            np.concatenate([sums[run_id].denominator for run_id in others], axis=1),
            sums[best].root,
        )
        differences = _differences(others, paired_bootstrap(stacked, sums[best]))
    median_half_width = _median_half_width(differences)
    missing = [run_id for run_id in ordered if run_id not in differences and run_id != best]
    warnings = few_users_note(task, metric, users, dict(means)[best], median_half_width), _not_compared_note(missing)
    note = " ".join(filter(None, warnings))
    return BestComparison(
        metric=metric, best=best, differences=differences, users=users, median_half_width=median_half_width, note=note
    )


def per_user_sums(run_id: str, metric: str) -> RatioStatistics | None:
    """Return the per-user sums behind a metric of a run; None if the run did not store them."""
    try:
        folder = RunFolder(run_id)
        stored = folder.read_per_user([metric])
        if metric not in stored:
            return None
        if metric not in ("rmse", "mae"):
            return RatioStatistics.of(stored[metric].astype(np.float64))
        entries = folder.read_facts().get("entries")
    except CheckpointError:
        return None
    if entries is None or len(entries) != len(stored[metric]):
        return None
    counts = entries.sum(axis=1, dtype=np.float64)
    values = np.nan_to_num(stored[metric].astype(np.float64))
    total_error = values**2 * counts if metric == "rmse" else values * counts  # (users,)
    return RatioStatistics(total_error[:, None], counts[:, None], root=metric == "rmse")


def _differences(others: Sequence[str], bootstrap: Differences) -> dict[str, DifferenceToBest]:
    adjusted = holm(bootstrap.p)
    return {
        run_id: DifferenceToBest(
            difference=float(bootstrap.mean[index]),
            low=float(bootstrap.low[index]),
            high=float(bootstrap.high[index]),
            p=float(adjusted[index]),
            not_significant=bool(adjusted[index] >= ALPHA),
        )
        for index, run_id in enumerate(others)
    }


def _median_half_width(differences: Mapping[str, DifferenceToBest]) -> float | None:
    widths = [(one.high - one.low) / 2 for one in differences.values()]
    widths = [width for width in widths if np.isfinite(width) and width > 0]
    return float(np.median(widths)) if widths else None


def few_users_note(task: str, metric: str, users: int, best: float, median_half_width: float | None) -> str:
    """Return a warning that there are too few test users for small differences; empty if there are enough.

    Args:
        task: "ranking" or "rating".
        metric: The compared metric.
        users: Number of scored test users.
        best: Value of the best run.
        median_half_width: Median half-width of the intervals of the differences; None without a comparison.
    """
    coarse = median_half_width is not None and median_half_width > MAX_RELATIVE_HALF_WIDTH[task] * abs(best)
    if users >= MIN_USERS and not coarse:
        return ""
    size = f"With only {users:,} test users"
    if median_half_width is None:
        return (
            f"{size}, small differences in {title(metric)} may be due to chance. Use more data or several split seeds."
        )
    return (
        f"{size}, {title(metric)} differences below about {median_half_width:.3f} are not significant. "
        "Use more data or several split seeds."
    )


def _not_compared_note(run_ids: Sequence[str]) -> str:
    if not run_ids:
        return ""
    names = ", ".join(run_ids[:3]) + (f" and {len(run_ids) - 3} more" if len(run_ids) > 3 else "")
    return f"Not compared, because their per-user results are not stored: {names}."
