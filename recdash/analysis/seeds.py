"""Means over seeds: how far results move with the training seed, and apart from that with the split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev, variance
from typing import TYPE_CHECKING, Any

from recdash.analysis.groups import metric_names
from recdash.evaluation.criterion import CRITERIA
from recdash.json_values import json_safe

if TYPE_CHECKING:
    from recdash.analysis.groups import Group, ResultRow


@dataclass(frozen=True)
class Spread:
    """A mean over splits, with two standard deviations that must not be mixed.

    over_splits: of the splits' means, what choosing other users does; with one training per split the noise of
    training is part of it.  over_trainings: within a split, what another training seed does.  None where one split, or
    one training per split, tells nothing.
    """

    mean: float
    over_splits: float | None
    over_trainings: float | None


@dataclass(frozen=True, kw_only=True)
class SeedRow:
    """One model with one choice of settings, over all seeds. trainings: runs; closed forms have no training noise."""

    title: str
    model: str
    preset: str
    settings: Mapping[str, Any]
    run_ids: tuple[str, ...]
    split_seeds: tuple[int, ...]
    seeds: tuple[int, ...]
    metrics: Mapping[str, Spread]
    runtime_s: float | None

    @property
    def trainings(self) -> int:
        """How many runs the means are of."""
        return len(self.run_ids)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {"metrics": {name: vars(spread) for name, spread in self.metrics.items()}}


@dataclass(frozen=True, kw_only=True)
class SeedTable:
    """Rows that were measured on the very same splits, best first."""

    dataset: str
    protocol: str
    task: str
    split_seeds: tuple[int, ...]
    split_fingerprints: tuple[str, ...]
    rows: tuple[SeedRow, ...]

    @property
    def label(self) -> str:
        """A heading, for example "ml-1m, strong, mean over split seeds 1, 2, 3"."""
        seeds = ", ".join(map(str, self.split_seeds))
        over = f"mean over split seeds {seeds}" if len(self.split_seeds) > 1 else f"split seed {seeds}, over trainings"
        return f"{Path(self.dataset).name}, {self.protocol}, {over}"

    @property
    def primary(self) -> str:
        """The metric by which epochs and settings are chosen."""
        return CRITERIA[self.task].metric

    def to_dict(self) -> dict[str, Any]:
        """Return the command line's document."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "rows"}
        return dict(json_safe(plain | {"label": self.label, "rows": [row.to_dict() for row in self.rows]}))


def tables(found: Sequence[Group]) -> list[SeedTable]:
    """Return one table for each set of splits that some model was repeated on, or trained on more than once.

    Two models share a table only when they were measured on the same splits, all of them.
    """
    recipes: dict[tuple[object, ...], list[tuple[Group, ResultRow]]] = {}
    for group in found:
        for row in group.rows:
            if group.split_fingerprint:
                recipe = row.run.model, row.run.preset, _settled(row.run.settings)
                key = (group.dataset_fingerprint, group.protocol, _rules(group, row), *recipe)
                recipes.setdefault(key, []).append((group, row))
    by_splits: dict[tuple[object, ...], list[list[tuple[Group, ResultRow]]]] = {}
    for (data, protocol, *_), members in recipes.items():
        splits = tuple(sorted({group.split_fingerprint for group, _ in members}))
        by_splits.setdefault((data, protocol, splits), []).append(members)
    repeated = [alike for alike in by_splits.values() if any(_is_repeated(members) for members in alike)]
    return [_table(alike) for alike in repeated]


def _is_repeated(members: Sequence[tuple[Group, ResultRow]]) -> bool:
    """Whether there is more than one seed of either kind; the same training twice is none."""
    return len({(group.split_fingerprint, row.run.seed) for group, row in members}) > 1


def _table(alike: Sequence[Sequence[tuple[Group, ResultRow]]]) -> SeedTable:
    first = alike[0][0][0]
    rows = [_row(members) for members in alike]
    metric, sign = CRITERIA[first.task].metric, CRITERIA[first.task].sign
    rows.sort(key=lambda row: -sign * spread.mean if (spread := row.metrics.get(metric)) else float("inf"))
    groups = {group.split_fingerprint: group for members in alike for group, _ in members}
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
        latest[group.split_fingerprint, row.run.seed] = group, row  # the same training done again counts once
    kept = list(latest.values())
    row = kept[0][1]
    names = [name for name in metric_names([group for group, _ in kept]) if all(name in r.metrics for _, r in kept)]
    times = [r.run.runtime_s for _, r in kept if r.run.runtime_s is not None]
    return SeedRow(
        title=row.title,
        model=row.run.model,
        preset=row.run.preset,
        settings=dict(row.run.settings),
        run_ids=tuple(r.run.id for _, r in kept),
        split_seeds=tuple(sorted({group.split_seed for group, _ in kept})),
        seeds=tuple(sorted({r.run.seed for _, r in kept})),
        metrics={name: _spread(kept, name) for name in names},
        runtime_s=fmean(times) if times else None,
    )


def _spread(members: Sequence[tuple[Group, ResultRow]], metric: str) -> Spread:
    by_split: dict[str, list[float]] = {}
    for group, row in members:
        by_split.setdefault(group.split_fingerprint, []).append(row.metrics[metric].mean)
    means = [fmean(values) for values in by_split.values()]
    freedom = [(len(values) - 1, variance(values)) for values in by_split.values() if len(values) > 1]
    within = sum(n * spread for n, spread in freedom) / sum(n for n, _ in freedom) if freedom else None
    return Spread(
        mean=fmean(means),
        over_splits=stdev(means) if len(means) > 1 else None,
        over_trainings=None if within is None else within**0.5,
    )


def _rules(group: Group, row: ResultRow) -> tuple[object, ...]:
    """What a split follows besides protocol and seed: the options that were given, and how ties were ordered."""
    return _settled(row.run.options), group.facts.get("ties")


def _settled(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, str(value)) for name, value in values.items()))
