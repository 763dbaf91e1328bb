"""Bands over seeds: runs that differ in nothing but their seed, as a mean line with the spread around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from recdash.analysis.run_labels import run_labels
from recdash.runs.run_records import RunRecord

FloatArray = npt.NDArray[np.float64]
Spread = Literal["range", "deviation"]


@dataclass(frozen=True)
class Band:
    """A value of several seeds by epoch, where at least two of them have one.

    Attributes:
        epoch: (epochs,) epoch numbers.
        x: (epochs,) mean over seeds of the position on the horizontal axis.
        mean: (epochs,) mean over seeds.
        low: (epochs,) lower edge of the band.
        high: (epochs,) upper edge of the band.
        count: (epochs,) seeds with a finite value.
    """

    epoch: FloatArray
    x: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    count: FloatArray


def setting_key(run: RunRecord) -> tuple[object, ...]:
    """Return what runs of the same setting share: model, data, protocol, split, preset and settings; not the seed."""
    data = run.dataset_fingerprint or run.dataset
    settings = tuple(sorted((name, str(value)) for name, value in run.settings.items()))
    options = tuple(sorted((name, str(value)) for name, value in run.options.items()))
    return run.model, data, run.protocol, run.split_seed, options, run.preset, settings


def seed_groups(runs: Sequence[RunRecord]) -> list[tuple[RunRecord, ...]]:
    """Return the runs of each setting with at least two seeds, in the order of their first run.

    Of a training that was repeated with the same seed, the newest run counts.
    """
    by_setting: dict[tuple[object, ...], dict[int, RunRecord]] = {}
    for run in runs:
        seeds = by_setting.setdefault(setting_key(run), {})
        if run.seed not in seeds or seeds[run.seed].created < run.created:
            seeds[run.seed] = run
    return [tuple(seeds.values()) for seeds in by_setting.values() if len(seeds) > 1]


def group_labels(groups: Sequence[Sequence[RunRecord]], *, one_dataset: bool = False) -> list[str]:
    """Return a name for each group, such as "Mult-VAE on ml-1m, 4 seeds"; different within the list.

    Args:
        groups: The runs of each setting.
        one_dataset: Whether all runs belong to one dataset, which the names then leave out.
    """
    # Without their seeds, so that labels differ in what the groups differ in.
    first = [replace(group[0], name=group[0].name.removesuffix(f", seed {group[0].seed}"), seed=0) for group in groups]
    labels = run_labels(first, one_dataset=one_dataset)
    return [f"{labels[run.id]}, {len(group)} seeds" for run, group in zip(first, groups, strict=True)]


def band(members: Sequence[tuple[FloatArray, FloatArray, FloatArray]], spread: Spread = "range") -> Band:
    """Return mean and spread of a value over seeds.

    Args:
        members: For each seed (epoch, x, value), each (epochs of that seed,); epochs increase.
        spread: "range" from the lowest to the highest value, or "deviation" for one sample standard deviation on
            either side of the mean.
    """
    epochs = np.unique(np.concatenate([epoch for epoch, _, _ in members])) if members else np.empty(0)
    table = np.full((2, len(members), len(epochs)), np.nan)  # x and value by seed and epoch
    for row, (epoch, x, value) in enumerate(members):
        columns = np.searchsorted(epochs, epoch)
        table[0, row, columns], table[1, row, columns] = x, value
    table[:, ~np.isfinite(table[1])] = np.nan
    count = np.isfinite(table[1]).sum(axis=0)
    enough = count >= 2
    epochs, table, count = epochs[enough], table[:, :, enough], count[enough].astype(np.float64)
    values = table[1]
    origin = np.nanmin(values, axis=0, initial=np.inf) if len(epochs) else np.empty(0)
    low, high = origin, np.nanmax(values, axis=0, initial=-np.inf) if len(epochs) else np.empty(0)
    mean = origin + np.nansum(values - origin, axis=0) / count  # exact where all seeds agree
    if spread == "deviation":
        deviation = np.sqrt(np.nansum((values - mean) ** 2, axis=0) / (count - 1))
        low, high = mean - deviation, mean + deviation
    x = np.nansum(table[0], axis=0) / np.isfinite(table[0]).sum(axis=0).clip(1)
    return Band(epochs, x, mean, low, high, count)
