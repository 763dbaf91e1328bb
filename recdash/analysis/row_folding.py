"""Rows of a results table: runs folded by setting (training seeds as one row) or by model, or one row per run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from recdash.evaluation.selection_metric import SELECTION_METRICS, task_of
from recdash.json_values import json_safe

if TYPE_CHECKING:
    from recdash.analysis.groups import ResultRow
    from recdash.runs.run_records import RunRecord

FOLDINGS = ("setting", "model", "run")


@dataclass(frozen=True, kw_only=True)
class Fold:
    """The runs of one row.

    Attributes:
        rows: The runs, the one that represents the row first.
        by: "setting", "model" or "run".
    """

    rows: tuple[ResultRow, ...]
    by: str

    @property
    def key(self) -> str:
        """Id of the oldest run, which stays while further seeds join the row."""
        return min(self.rows, key=lambda row: (row.run.created, row.run.id)).run.id

    @property
    def first(self) -> ResultRow:
        """The run that represents the row."""
        return self.rows[0]

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Ids of the runs."""
        return tuple(row.run.id for row in self.rows)

    @property
    def averaged(self) -> tuple[ResultRow, ...]:
        """The runs behind the mean: each seed once (its newest run) for a setting, otherwise the first run."""
        if self.by != "setting":
            return self.rows[:1]
        newest: dict[int, ResultRow] = {}
        for row in sorted(self.rows, key=lambda row: row.run.created):
            newest[row.run.seed] = row
        return tuple(newest[seed] for seed in sorted(newest))

    def mean(self, metric: str) -> float | None:
        """Return the mean of a metric over the seeds; None unless every seed has it."""
        values = [row.metrics[metric].mean for row in self.averaged if metric in row.metrics]
        return fmean(values) if len(values) == len(self.averaged) else None

    def deviation(self, metric: str) -> float | None:
        """Return the standard deviation of a metric over the seeds; None for fewer than two."""
        values = [row.metrics[metric].mean for row in self.averaged if metric in row.metrics]
        return stdev(values) if len(values) == len(self.averaged) > 1 else None


def fold_rows(rows: Sequence[ResultRow], by: str) -> list[Fold]:
    """Return the rows of a table, in the order of their first run.

    By model, the run with the best validation value represents the row: choosing it by the test value would make a
    model look better the more settings were tried.

    Args:
        rows: Comparable runs, best first.
        by: One of `FOLDINGS`.
    """
    found: dict[str, list[ResultRow]] = {}
    for row in rows:
        found.setdefault(_fold_key(row.run, by), []).append(row)
    return [Fold(rows=tuple(_representative_first(members, by)), by=by) for members in found.values()]


def setting_key(run: RunRecord) -> str:
    """Return a text that runs of the same model and settings share, whatever their seed."""
    settings = dict(run.config) or {"preset": run.preset, **run.settings}
    return json.dumps([run.model, json_safe(settings)], sort_keys=True, default=str)


def _fold_key(run: RunRecord, by: str) -> str:
    if by == "setting":
        return setting_key(run)
    return run.model if by == "model" else run.id


def _representative_first(rows: Sequence[ResultRow], by: str) -> list[ResultRow]:
    """Return the runs of a setting by seed, the newest of a seed first; those of a model by validation value."""
    if by == "setting":
        return sorted(rows, key=lambda row: (row.run.seed, -row.run.created))
    validated = [row for row in rows if row.run.best_value is not None]
    if by != "model" or len(validated) < len(rows):
        return list(rows)
    sign = SELECTION_METRICS[task_of(rows[0].run.metrics)].sign
    return sorted(rows, key=lambda row: -sign * (row.run.best_value or 0.0))
