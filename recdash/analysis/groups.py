"""Groups of comparable runs: same protocol, same data, same split."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recdash.analysis.run_labels import model_title
from recdash.evaluation.selection_metric import (
    SELECTION_METRICS,
    SelectionMetric,
    task_of,
)
from recdash.json_values import json_safe
from recdash.models import registry
from recdash.runs.run_records import RunRecord
from recdash.splits import user_defined
from recdash.splits.event_order import ITEM_ORDER, ITEM_ORDER_NOTE
from recdash.splits.split_options import describe_options

_METRIC_ORDER = (
    "rmse",
    "mae",
    "macro_rmse",
    "ndcg",
    "recall",
    "recall_all",
    "precision",
    "map",
    "mrr",
    "hitrate",
    "coverage",
    "novelty",
    "gini",
    "popularity_percentile",
)


@dataclass(frozen=True)
class MetricValue:
    """Mean over the scored users and its 95% bootstrap interval; `low` and `high` are None without an interval."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One finished run in a table of results."""

    run: RunRecord
    title: str
    metrics: Mapping[str, MetricValue]

    @property
    def epochs_run(self) -> int | None:
        """Number of epochs trained."""
        found: int | None = self.run.details.get("epochs_run", self.run.epoch)
        return found

    @property
    def n_scored(self) -> int | None:
        """Number of test users with held-out items."""
        found: int | None = self.run.details.get("n_scored")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the row as an entry of `results` in the JSON documents of the command line."""
        run = self.run
        plain = {
            "run": run.id,
            "name": run.name,
            "model": run.model,
            "title": self.title,
            "dataset": run.dataset,
            "protocol": run.protocol,
            "split": run.split_fingerprint,
            "data": run.dataset_fingerprint,
            "split_seed": run.split_seed,
            "seed": run.seed,
            "preset": run.preset,
            "settings": run.settings,
            "options": run.options,
            "metrics": {name: vars(value) for name, value in self.metrics.items()},
            "runtime_s": run.runtime_s,
            "epochs_run": self.epochs_run,
            "best_epoch": run.best_epoch,
            "unstable_epoch": run.unstable_epoch,
            "still_improving": run.still_improving,
            "trials": run.trials,
            "parameters": run.details.get("parameters"),
            "n_scored": self.n_scored,
            "peak_memory_bytes": run.details.get("peak_memory_bytes"),
            "seconds_per_list": run.details.get("seconds_per_list"),
            "device": run.details.get("device", run.device),
            "threads": run.threads,
            "note": run.note,
            "remarks": run.remarks,
            "warnings": run.warnings,
        }
        return dict(json_safe(plain))


@dataclass(frozen=True, kw_only=True)
class Group:
    """Comparable runs, best first: one protocol, one dataset, one split.

    Attributes:
        dataset: Name of the dataset, or path of its file.
        protocol: Name of the protocol.
        task: "ranking" or "rating".
        split_seed: Seed of the split.
        split_fingerprint: Fingerprint of the split; empty for runs that recorded none.
        facts: Number of users, items and entries of the parts, if the runs recorded them.
        rows: The runs, best first by the primary metric.
        dataset_fingerprint: Fingerprint of the data.
        options: Split options that differ from the default.
    """

    dataset: str
    protocol: str
    task: str
    split_seed: int
    split_fingerprint: str
    facts: Mapping[str, Any]
    rows: tuple[ResultRow, ...]
    dataset_fingerprint: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Heading, for example "ml-1m, strong, split seed 98765"; a user-defined split has no seed."""
        seed = "" if self.protocol in user_defined.PROTOCOL_OF_TASK.values() else f", split seed {self.split_seed}"
        return f"{Path(self.dataset).name}, {self.protocol}{seed}"

    @property
    def selection_metric(self) -> SelectionMetric:
        """Metric that selects the best epoch of a run, and the best run."""
        return SELECTION_METRICS[self.task]

    @property
    def primary(self) -> str:
        """Name of the selection metric."""
        return self.selection_metric.name


def group_runs(runs: Sequence[RunRecord]) -> list[Group]:
    """Return finished runs in groups of equal protocol, data fingerprint and split fingerprint.

    A run without a split fingerprint is comparable with no other and forms a group of its own. Runs of unknown models
    are left out.
    """
    by_key: dict[tuple[str, ...], list[RunRecord]] = {}
    for run in runs:
        if run.model in registry.names():
            by_key.setdefault(comparability_key(run), []).append(run)
    return [_group(members) for members in by_key.values()]


def comparability_key(run: RunRecord) -> tuple[str, ...]:
    """Return a key that comparable runs share: protocol, data fingerprint, split fingerprint."""
    own_group = "" if run.split_fingerprint else run.id
    return run.protocol, run.dataset_fingerprint, run.split_fingerprint, own_group


def why_not_comparable(groups: Sequence[Group]) -> list[str]:
    """Return the reasons, one sentence each, why the groups cannot share a table; empty for fewer than two groups."""
    if len(groups) < 2:
        return []
    sentences = []
    aspects = (
        ("are on different datasets", [Path(group.dataset).name for group in groups]),
        ("use different protocols", [group.protocol for group in groups]),
        ("have different split seeds", [str(seed) for seed in sorted(group.split_seed for group in groups)]),
        ("use different split options", [describe_options(group.options) or "default" for group in groups]),
    )
    for difference, values in aspects:
        distinct = list(dict.fromkeys(values))
        if len(distinct) > 1:
            sentences.append(f"The runs {difference}: {', '.join(distinct)}.")
    return sentences + _fingerprint_differences(groups) + _item_order_notes(groups)


def _item_order_notes(groups: Sequence[Group]) -> list[str]:
    """Return a sentence for groups that used the tie rule of earlier versions, if others of the same name do not."""
    rules: dict[tuple[str, str], set[object]] = {}
    for group in groups:
        rules.setdefault((Path(group.dataset).name, group.protocol), set()).add(group.facts.get("ties"))
    old = [f"{name}, {protocol}" for (name, protocol), used in rules.items() if ITEM_ORDER in used and len(used) > 1]
    return [f"In the older runs on {group}, {ITEM_ORDER_NOTE}." for group in old]


def _fingerprint_differences(groups: Sequence[Group]) -> list[str]:
    """Return a sentence for each dataset or split whose content differs under the same name."""
    sentences = []
    by_name: dict[str, dict[str, None]] = {}
    by_split: dict[tuple[str, str, str, int], dict[str, None]] = {}
    for group in groups:
        name = Path(group.dataset).name
        by_name.setdefault(name, {})[group.dataset_fingerprint or "unknown"] = None
        key = (name, group.dataset_fingerprint, group.protocol, group.split_seed)
        by_split.setdefault(key, {})[group.split_fingerprint or "unknown"] = None
    for name, fingerprints in by_name.items():
        if len(fingerprints) > 1:
            sentences.append(f"The content of {name} differs: data fingerprints {', '.join(fingerprints)}.")
    for (name, _, protocol, seed), fingerprints in by_split.items():
        if len(fingerprints) > 1 or "unknown" in fingerprints:
            split = f"{name}, {protocol}, split seed {seed}"
            sentences.append(f"The split of {split} differs: split fingerprints {', '.join(fingerprints)}.")
    return sentences


def metric_names(groups: Sequence[Group]) -> list[str]:
    """Return every metric of any row: rating metrics, then ranking metrics, accuracy first."""
    names = {name for group in groups for row in group.rows for name in row.metrics}
    return sorted(names, key=_metric_order)


def _group(runs: Sequence[RunRecord]) -> Group:
    newest = runs[0]
    task = task_of(newest.metrics)
    rows = [ResultRow(run=run, title=model_title(run), metrics=_values(run)) for run in runs]
    metric, sign = SELECTION_METRICS[task].name, SELECTION_METRICS[task].sign
    rows.sort(key=lambda row: -sign * row.metrics[metric].mean if metric in row.metrics else float("inf"))
    return Group(
        dataset=newest.dataset,
        protocol=newest.protocol,
        task=task,
        split_seed=newest.split_seed,
        split_fingerprint=newest.split_fingerprint,
        facts=newest.details.get("split", {}),
        rows=tuple(rows),
        dataset_fingerprint=newest.dataset_fingerprint,
        options=newest.options,
    )


def _values(run: RunRecord) -> dict[str, MetricValue]:
    values = {}
    for name in sorted(run.metrics, key=_metric_order):
        low, high = run.intervals.get(name, (None, None))
        values[name] = MetricValue(run.metrics[name], low, high)
    return values


def _metric_order(metric: str) -> tuple[int, int, str]:
    kind, _, k = metric.partition("@")
    position = _METRIC_ORDER.index(kind) if kind in _METRIC_ORDER else len(_METRIC_ORDER)
    return position, int(k) if re.fullmatch(r"\d+", k) else 0, metric
