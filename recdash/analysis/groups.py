"""Finished runs grouped so that only comparable ones stand side by side."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recdash.evaluation.criterion import CRITERIA, Criterion, task_of
from recdash.json_values import json_safe
from recdash.models import registry
from recdash.runs.run_records import RunRecord
from recdash.splits.split_options import options_in_words

_ORDER = (
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
    """A mean over the scored users and its 95 % bootstrap interval; low and high are None where there is none."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One finished run in a table."""

    run: RunRecord
    title: str
    metrics: Mapping[str, MetricValue]

    @property
    def epochs_run(self) -> int | None:
        """Epochs that were trained."""
        found: int | None = self.run.details.get("epochs_run", self.run.epoch)
        return found

    @property
    def n_scored(self) -> int | None:
        """Test users with held-out items."""
        found: int | None = self.run.details.get("n_scored")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON values, with the field names of the command line's documents."""
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
    """Rows of one protocol on one split of the same data: these may be compared, best first.

    task: "ranking" or "rating".  facts: users, items and entries of the parts, where the run recorded them.
    options: of the split, those that differ from the usual.
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
        """A heading, for example "ml-1m, strong, split seed 98765"; a split made elsewhere has no seed."""
        from recdash.splits import user_defined

        drawn = "" if self.protocol in user_defined.NAMES.values() else f", split seed {self.split_seed}"
        return f"{Path(self.dataset).name}, {self.protocol}{drawn}"

    @property
    def criterion(self) -> Criterion:
        """What decides the best epoch of a run, and the best run."""
        return CRITERIA[self.task]

    @property
    def primary(self) -> str:
        """The metric by which epochs and settings are chosen."""
        return self.criterion.metric


def group_runs(runs: Sequence[RunRecord]) -> list[Group]:
    """Return finished runs as comparable groups: protocol, data and split fingerprints agree within each.

    A run without a split fingerprint is comparable with nothing and stands alone.
    """
    alike: dict[tuple[str, ...], list[RunRecord]] = {}
    for run in runs:
        if run.model in registry.names():
            alike.setdefault(comparability_key(run), []).append(run)
    return [_group(members) for members in alike.values()]


def comparability_key(run: RunRecord) -> tuple[str, ...]:
    """Return what two runs have in common when their figures may be compared: protocol, data and split."""
    alone = "" if run.split_fingerprint else run.id
    return run.protocol, run.dataset_fingerprint, run.split_fingerprint, alone


def why_not_comparable(found: Sequence[Group]) -> list[str]:
    """Return in words why the groups may not be put into one table; empty for fewer than two groups."""
    if len(found) < 2:
        return []
    sentences = []
    aspects = (
        ("on different data sets", [Path(group.dataset).name for group in found]),
        ("under different protocols", [group.protocol for group in found]),
        ("with different split seeds", [str(group.split_seed) for group in found]),
        ("with different split options", [options_in_words(group.options) or "usual" for group in found]),
    )
    for how, values in aspects:
        different = list(dict.fromkeys(values))
        if len(different) > 1:
            sentences.append(f"They were measured {how}: {', '.join(different)}.")
    return sentences + _behind_the_names(found) + _by_older_rules(found)


def _by_older_rules(found: Sequence[Group]) -> list[str]:
    """Return which groups have the tie rule of earlier versions, where others of the same name have today's."""
    from recdash.splits.event_order import BY_ITEM, OLD_RULE

    rules: dict[tuple[str, str], set[object]] = {}
    for group in found:
        rules.setdefault((Path(group.dataset).name, group.protocol), set()).add(group.facts.get("ties"))
    old = [f"{name}, {protocol}" for (name, protocol), ways in rules.items() if BY_ITEM in ways and len(ways) > 1]
    return [f"In the older runs on {said} {OLD_RULE}." for said in old]


def _behind_the_names(found: Sequence[Group]) -> list[str]:
    """Return what differs between groups that carry the same names: the data, or the split itself."""
    sentences = []
    by_name: dict[str, dict[str, None]] = {}
    by_words: dict[tuple[str, str, str, int], dict[str, None]] = {}
    for group in found:
        name = Path(group.dataset).name
        by_name.setdefault(name, {})[group.dataset_fingerprint or "unknown"] = None
        words = (name, group.dataset_fingerprint, group.protocol, group.split_seed)
        by_words.setdefault(words, {})[group.split_fingerprint or "unknown"] = None
    for name, prints in by_name.items():
        if len(prints) > 1:
            sentences.append(f"{name} had different content under that name: data fingerprints {', '.join(prints)}.")
    for (name, _, protocol, seed), prints in by_words.items():
        if len(prints) > 1 or "unknown" in prints:
            said = f"{name}, {protocol}, split seed {seed}"
            sentences.append(f"{said} was split in different ways: split fingerprints {', '.join(prints)}.")
    return sentences


def metric_names(found: Sequence[Group]) -> list[str]:
    """Return every metric that any row has, in the customary order."""
    names = {name for group in found for row in group.rows for name in row.metrics}
    return sorted(names, key=_customary)


def model_title(run: RunRecord) -> str:
    """Return the title of a run's model, as it was recorded or as it is called now."""
    recorded = run.details.get("title")
    return str(recorded) if recorded else registry.model_class(run.model).title


def run_labels(rows: Sequence[ResultRow]) -> dict[str, str]:
    """Return a name for each run: the model's title, and what tells it from others of that model."""
    tells: tuple[Callable[[ResultRow], str], ...] = (
        lambda row: row.run.preset,
        lambda row: ", ".join(f"{name} {value}" for name, value in row.run.settings.items()) or "as preset",
        lambda row: f"seed {row.run.seed}",
        lambda row: options_in_words(row.run.options) or "usual split",
        lambda row: row.run.id[-4:],
    )
    found = {}
    for row in rows:
        alike = [other for other in rows if other.title == row.title and other is not row]
        told = next((tell for tell in tells if all(tell(other) != tell(row) for other in alike)), tells[-1])
        found[row.run.id] = f"{row.title}, {told(row)}" if alike else row.title
    return found


def _group(runs: Sequence[RunRecord]) -> Group:
    newest = runs[0]
    task = task_of(newest.metrics)
    rows = [ResultRow(run=run, title=model_title(run), metrics=_values(run)) for run in runs]
    metric, sign = CRITERIA[task].metric, CRITERIA[task].sign
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
    found = {}
    for name in sorted(run.metrics, key=_customary):
        low, high = run.intervals.get(name, (None, None))
        found[name] = MetricValue(run.metrics[name], low, high)
    return found


def _customary(metric: str) -> tuple[int, int, str]:
    kind, _, k = metric.partition("@")
    place = _ORDER.index(kind) if kind in _ORDER else len(_ORDER)
    return place, int(k) if re.fullmatch(r"\d+", k) else 0, metric
