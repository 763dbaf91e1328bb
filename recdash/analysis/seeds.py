"""Means over seeds, with the spread over splits and the spread over training seeds reported separately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev, variance
from typing import TYPE_CHECKING, Any

from recdash.analysis.groups import metric_names
from recdash.evaluation.selection_metric import SELECTION_METRICS
from recdash.json_values import json_safe

if TYPE_CHECKING:
    from recdash.analysis.groups import Group, ResultRow


@dataclass(frozen=True)
class Spread:
    """Mean over splits, with two separate standard deviations.

    Attributes:
        mean: Mean of the splits' means.
        over_splits: Standard deviation of the splits' means, the effect of other held-out users. With one run per
            split it includes the noise of training. None with a single split.
        over_trainings: Pooled standard deviation within a split, the effect of the training seed. None with one
            training per split.
    """

    mean: float
    over_splits: float | None
    over_trainings: float | None


@dataclass(frozen=True, kw_only=True)
class SeedRow:
    """One model with one configuration, over all its splits and training seeds."""

    title: str
    model: str
    preset: str
    settings: Mapping[str, Any]
    run_ids: tuple[str, ...]
    split_seeds: tuple[int, ...]
    seeds: tuple[int, ...]
    metrics: Mapping[str, Spread]
    runtime_s: float | None
    trials: int | None = None  # from which the settings were chosen; None where no search chose them

    @property
    def trainings(self) -> int:
        """Number of runs behind the means."""
        return len(self.run_ids)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {"metrics": {name: vars(spread) for name, spread in self.metrics.items()}}


@dataclass(frozen=True, kw_only=True)
class SeedTable:
    """Rows measured on the same splits, best first."""

    dataset: str
    protocol: str
    task: str
    split_seeds: tuple[int, ...]
    split_fingerprints: tuple[str, ...]
    rows: tuple[SeedRow, ...]

    @property
    def label(self) -> str:
        """Heading, for example "ml-1m, strong, mean over split seeds 1, 2, 3"."""
        seeds = ", ".join(map(str, self.split_seeds))
        several = len(self.split_seeds) > 1
        over = f"mean over split seeds {seeds}" if several else f"split seed {seeds}, mean over training seeds"
        return f"{Path(self.dataset).name}, {self.protocol}, {over}"

    @property
    def primary(self) -> str:
        """Metric that selects the best epoch and the best run."""
        return SELECTION_METRICS[self.task].name

    def to_dict(self) -> dict[str, Any]:
        """Return the table as an entry of `over_seeds` in the JSON documents of the command line."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "rows"}
        return dict(json_safe(plain | {"label": self.label, "rows": [row.to_dict() for row in self.rows]}))


def seed_tables(groups: Sequence[Group]) -> list[SeedTable]:
    """Return one table for each set of splits on which at least one model has several splits or training seeds.

    Two models share a table only if they were measured on exactly the same splits.
    """
    configurations: dict[tuple[object, ...], list[tuple[Group, ResultRow]]] = {}
    for group in groups:
        for row in group.rows:
            if group.split_fingerprint:
                configuration = row.run.model, row.run.preset, _hashable(row.run.settings)
                key = (group.dataset_fingerprint, group.protocol, _split_rules(group, row), *configuration)
                configurations.setdefault(key, []).append((group, row))
    by_splits: dict[tuple[object, ...], list[list[tuple[Group, ResultRow]]]] = {}
    for (data, protocol, *_), members in configurations.items():
        splits = tuple(sorted({group.split_fingerprint for group, _ in members}))
        by_splits.setdefault((data, protocol, splits), []).append(members)
    repeated = [rows for rows in by_splits.values() if any(_has_several_seeds(members) for members in rows)]
    return [_table(rows) for rows in repeated]


def _has_several_seeds(members: Sequence[tuple[Group, ResultRow]]) -> bool:
    """Whether there are several splits or training seeds; the same training run twice does not count."""
    return len({(group.split_fingerprint, row.run.seed) for group, row in members}) > 1


def _table(members_of_rows: Sequence[Sequence[tuple[Group, ResultRow]]]) -> SeedTable:
    first = members_of_rows[0][0][0]
    rows = [_row(members) for members in members_of_rows]
    metric, sign = SELECTION_METRICS[first.task].name, SELECTION_METRICS[first.task].sign
    rows.sort(key=lambda row: -sign * spread.mean if (spread := row.metrics.get(metric)) else float("inf"))
    groups = {group.split_fingerprint: group for members in members_of_rows for group, _ in members}
    ordered = sorted(groups.values(), key=lambda group: group.split_seed)
    return SeedTable(
        dataset=first.dataset,
        protocol=first.protocol,
        task=first.task,
        split_seeds=tuple(group.split_seed for group in ordered),
        split_fingerprints=tuple(group.split_fingerprint for group in ordered),
        rows=tuple(rows),
    )


def _row(members: Sequence[tuple[Group, ResultRow]]) -> SeedRow:
    latest: dict[tuple[str, int], tuple[Group, ResultRow]] = {}
    for group, row in sorted(members, key=lambda pair: pair[1].run.created):
        latest[group.split_fingerprint, row.run.seed] = group, row  # a repeated training counts once
    unique = list(latest.values())
    row = unique[0][1]
    names = [name for name in metric_names([group for group, _ in unique]) if all(name in r.metrics for _, r in unique)]
    times = [r.run.runtime_s for _, r in unique if r.run.runtime_s is not None]
    return SeedRow(
        title=row.title,
        model=row.run.model,
        preset=row.run.preset,
        settings=dict(row.run.settings),
        run_ids=tuple(r.run.id for _, r in unique),
        split_seeds=tuple(sorted({group.split_seed for group, _ in unique})),
        seeds=tuple(sorted({r.run.seed for _, r in unique})),
        metrics={name: _spread(unique, name) for name in names},
        runtime_s=fmean(times) if times else None,
        trials=max((r.run.trials for _, r in unique if r.run.trials is not None), default=None),
    )


def _spread(members: Sequence[tuple[Group, ResultRow]], metric: str) -> Spread:
    by_split: dict[str, list[float]] = {}
    for group, row in members:
        by_split.setdefault(group.split_fingerprint, []).append(row.metrics[metric].mean)
    means = [fmean(values) for values in by_split.values()]
    variances = [(len(values) - 1, variance(values)) for values in by_split.values() if len(values) > 1]
    pooled = sum(n * spread for n, spread in variances) / sum(n for n, _ in variances) if variances else None
    return Spread(
        mean=fmean(means),
        over_splits=stdev(means) if len(means) > 1 else None,
        over_trainings=None if pooled is None else pooled**0.5,
    )


def _split_rules(group: Group, row: ResultRow) -> tuple[object, ...]:
    """Return what defines a split besides protocol and seed: its options and the order of ties."""
    return _hashable(row.run.options), group.facts.get("ties")


def _hashable(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, str(value)) for name, value in values.items()))
