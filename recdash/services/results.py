"""The table of results: finished runs, grouped so that only comparable ones stand side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from recdash.errors import UsageError, unknown
from recdash.models import registry
from recdash.runs.checkpoints import RunFolder
from recdash.runs.records import RunRecord, json_safe
from recdash.runs.states import State
from recdash.services.access import open_store

PRIMARY = {"ranking": "ndcg@100", "rating": "rmse"}
_LOWER_IS_BETTER = {"rmse", "mae", "macro_rmse"}
_NEITHER = {"coverage", "novelty", "gini", "popularity_percentile"}
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
class Value:
    """A mean over the scored users and its 95 % bootstrap interval; low and high are None where there is none."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One finished run in a table."""

    run: RunRecord
    title: str
    metrics: Mapping[str, Value]

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
            "split_seed": run.split_seed,
            "seed": run.seed,
            "preset": run.preset,
            "settings": run.settings,
            "metrics": {name: vars(value) for name, value in self.metrics.items()},
            "runtime_s": run.runtime_s,
            "epochs_run": self.epochs_run,
            "best_epoch": run.best_epoch,
            "parameters": run.details.get("parameters"),
            "n_scored": self.n_scored,
            "device": run.details.get("device", run.device),
            "threads": run.threads,
            "note": run.note,
        }
        return dict(json_safe(plain))


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rows of one split: these may be compared, best first.

    task: "ranking" or "rating".  facts: users, items and entries of the parts, where the run recorded them.
    """

    dataset: str
    protocol: str
    task: str
    split_seed: int
    split_fingerprint: str
    facts: Mapping[str, Any]
    rows: tuple[Row, ...]

    @property
    def label(self) -> str:
        """A heading, for example "ml-1m, strong, split seed 98765"."""
        return f"{Path(self.dataset).name}, {self.protocol}, split seed {self.split_seed}"

    @property
    def primary(self) -> str:
        """The metric by which epochs and settings are chosen."""
        return PRIMARY[self.task]


def groups(
    *, dataset: str | None = None, protocol: str | None = None, run_ids: Sequence[str] | None = None
) -> list[Group]:
    """Return the finished runs as comparable groups, the group with the newest run first."""
    runs = open_store().runs(dataset=dataset, ids=run_ids, states=[State.FINISHED])
    by_split: dict[tuple[str, str], list[RunRecord]] = {}
    for run in runs:
        if (protocol is None or run.protocol == protocol) and run.model in registry.names():
            by_split.setdefault((run.protocol, run.split_fingerprint), []).append(run)
    return [_group(members) for members in by_split.values()]


def differences(found: Sequence[Group]) -> list[str]:
    """Return in words why the groups may not be put into one table; empty for fewer than two groups."""
    if len(found) < 2:
        return []
    sentences = []
    aspects = (
        ("data sets", [Path(group.dataset).name for group in found]),
        ("protocols", [group.protocol for group in found]),
        ("split seeds", [str(group.split_seed) for group in found]),
    )
    for what, values in aspects:
        different = list(dict.fromkeys(values))
        if len(different) > 1:
            sentences.append(f"They were measured on different {what}: {', '.join(different)}.")
    prints = list(dict.fromkeys(group.split_fingerprint for group in found))
    if not sentences and len(prints) > 1:
        sentences.append(
            f"The data behind the splits differs (fingerprints {', '.join(prints)}), though its name is the same."
        )
    return sentences


def metric_names(found: Sequence[Group]) -> list[str]:
    """Return every metric that any row has, in the customary order."""
    names = {name for group in found for row in group.rows for name in row.metrics}
    return sorted(names, key=_customary)


def higher_is_better(metric: str) -> bool | None:
    """Return the direction of a metric; None for those that are neither good nor bad (coverage, novelty, Gini)."""
    kind = metric.split("@")[0]
    return None if kind in _NEITHER else kind not in _LOWER_IS_BETTER


def per_user(run_id: str) -> dict[str, Any]:
    """Return {metric: (test users,) float array, NaN if unscored} and "top": (test users, 100) item indices or -1."""
    return _per_user(run_id, str(RunFolder(run_id).path))


def best(*, task: str = "ranking", dataset: str | None = None) -> Row | None:
    """Return the row with the best primary metric of the newest group of a task."""
    for group in groups(dataset=dataset):
        if group.task == task and group.rows:
            return group.rows[0]
    return None


def export(found: Sequence[Group], form: str, metrics: Sequence[str] | None = None) -> str:
    """Return the groups as "csv", "md", "latex" or "table" text; cells that look like formulas are made harmless."""
    from recdash.services import tables

    if form not in tables.FORMS:
        raise unknown("format", form, tables.FORMS)
    known = metric_names(found)
    for name in metrics or ():
        if name not in known:
            raise unknown("metric", name, known)
    return tables.text(found, form, list(metrics) if metrics else None)


def title_of(run: RunRecord) -> str:
    """Return the title of a run's model, as it was recorded or as it is called now."""
    recorded = run.details.get("title")
    return str(recorded) if recorded else registry.model_class(run.model).title


def _group(runs: Sequence[RunRecord]) -> Group:
    newest = runs[0]
    task = "rating" if "rmse" in newest.metrics else "ranking"
    rows = [Row(run=run, title=title_of(run), metrics=_values(run)) for run in runs]
    metric, sign = PRIMARY[task], -1 if higher_is_better(PRIMARY[task]) else 1
    rows.sort(key=lambda row: sign * row.metrics[metric].mean if metric in row.metrics else float("inf"))
    return Group(
        dataset=newest.dataset,
        protocol=newest.protocol,
        task=task,
        split_seed=newest.split_seed,
        split_fingerprint=newest.split_fingerprint,
        facts=newest.details.get("split", {}),
        rows=tuple(rows),
    )


def _values(run: RunRecord) -> dict[str, Value]:
    found = {}
    for name in sorted(run.metrics, key=_customary):
        low, high = run.intervals.get(name, (None, None))
        found[name] = Value(run.metrics[name], low, high)
    return found


def _customary(metric: str) -> tuple[int, int, str]:
    kind, _, k = metric.partition("@")
    place = _ORDER.index(kind) if kind in _ORDER else len(_ORDER)
    return place, int(k) if re.fullmatch(r"\d+", k) else 0, metric


@lru_cache(maxsize=16)
def _per_user(run_id: str, _folder: str) -> dict[str, Any]:
    if open_store().run(run_id).state is not State.FINISHED:
        raise UsageError(f"Run {run_id} is not finished; per-user results are kept at its end.")
    return dict(RunFolder(run_id).read_per_user())
