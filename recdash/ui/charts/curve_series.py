"""What the curve board draws: runs and bands over seeds as lines, and their points in each panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from recdash.analysis import curve_lines, seed_bands
from recdash.analysis.run_labels import run_labels
from recdash.reporting import dash_patterns
from recdash.runs.run_colours import colour_of

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord
    from recdash.ui.charts.curve_options import BoardOptions, Panel
    from recdash.ui.charts.epoch_reader import EpochReader, RunEpochs

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """One run, or the runs of one setting with several seeds.

    Attributes:
        id: Id of the run, or of the first run of a band.
        name: Label.
        colour: Colour as #rrggbb.
        dash: Dash pattern in pixels; () is solid.
        runs: The runs behind it; several form a band.
        active: Whether one of them still trains.
    """

    id: str
    name: str
    colour: str
    dash: tuple[int, ...]
    runs: tuple[RunRecord, ...]
    active: bool

    @property
    def best_epoch(self) -> int | None:
        """The best epoch of a run; None for a band."""
        return self.runs[0].best_epoch if len(self.runs) == 1 else None


@dataclass(frozen=True)
class Points:
    """The points of one line in one panel; arrays are (points,).

    Attributes:
        epoch: Epoch numbers.
        x: Positions on the horizontal axis.
        y: Values as recorded, or means over seeds; those that are not finite are gaps.
        smooth: Smoothed values, or None without smoothing.
        low: Lower edge of a band, or None.
        high: Upper edge of a band, or None.
        pauses: (pauses,) positions after which a run paused, on the clock axis; the line has a gap there.
    """

    epoch: FloatArray
    x: FloatArray
    y: FloatArray
    smooth: FloatArray | None = None
    low: FloatArray | None = None
    high: FloatArray | None = None
    pauses: FloatArray | None = None

    def at(self, indices: npt.NDArray[np.int64]) -> Points:
        """Return some of the points."""
        parts = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "pauses"}
        return replace(self, **{name: part[indices] for name, part in parts.items() if part is not None})


def lines(runs: Sequence[RunRecord], options: BoardOptions) -> list[Line]:
    """Return the lines of a board in the order of their first runs; with bands, seeds of one setting share one."""
    groups = seed_bands.seed_groups(runs) if options.bands != "off" else []
    banded = {run.id: number for number, group in enumerate(groups) for run in group}
    one = len({run.dataset for run in runs}) < 2
    names, group_names = run_labels(runs, one_dataset=one), seed_bands.group_labels(groups, one_dataset=one)
    members: dict[str, tuple[tuple[RunRecord, ...], str]] = {}
    for run in runs:
        number = banded.get(run.id)
        if number is None:
            members[run.id] = (run,), names[run.id]
        else:
            members[groups[number][0].id] = groups[number], group_names[number]
    dashes = dash_patterns.dashes(members)
    return [
        Line(first, name, colour_of(first), dashes[first], group, any(run.state.is_active() for run in group))
        for first, (group, name) in members.items()
    ]


def points(line: Line, panel: Panel, reader: EpochReader, options: BoardOptions) -> Points | None:
    """Return the points of a line in a panel, downsampled; None where it has no value there."""
    whole = raw_points(line, panel, reader, options)
    if whole is None:
        return None
    chosen = curve_lines.downsampled(whole.y)
    if whole.low is not None and whole.high is not None and len(chosen) < len(whole.y):
        edges = curve_lines.downsampled(whole.low), curve_lines.downsampled(whole.high)
        chosen = np.unique(np.concatenate([chosen, *edges]))
    if line.best_epoch and len(chosen) < len(whole.y):
        chosen = np.unique(np.concatenate([chosen, np.flatnonzero(whole.epoch == line.best_epoch)]))
    if panel.smooth and options.smoothing != "none" and options.weight > 0:
        whole = replace(whole, smooth=curve_lines.smoothed(whole.y, options.weight, options.smoothing))
    return whole.at(chosen)


def raw_points(line: Line, panel: Panel, reader: EpochReader, options: BoardOptions) -> Points | None:
    """Return all points of a line in a panel, neither smoothed nor downsampled; None where it has no value there."""
    found = [
        _columns(reader.arrays(run.id), panel.metric, options.x) for run in line.runs if run.id in set(panel.run_ids)
    ]
    members = [member for member in found if member is not None]
    if not members:
        return None
    if options.bands == "off" or len(line.runs) == 1:
        pauses = _pauses(reader.arrays(line.runs[0].id)) if options.x == "clock" else None
        return Points(*members[0], pauses=pauses)
    over = seed_bands.band(members, options.bands)
    return Points(over.epoch, over.x, over.mean, None, over.low, over.high) if len(over.epoch) else None


def last_values(panel: Panel, found: Mapping[str, Points]) -> dict[str, float]:
    """Return the last recorded value of each line of a panel."""
    return {line_id: float(part.y[-1]) for line_id, part in found.items() if len(part.y)}


def _pauses(epochs: RunEpochs) -> FloatArray | None:
    """Return when a run paused, in seconds since 1970; None if it never did."""
    found = epochs.recorded[curve_lines.pauses(epochs.recorded, epochs.seconds)]
    return found if len(found) else None


def _columns(epochs: RunEpochs, metric: str, x: str) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """Return epoch, x and value of the epochs that have the value and a place on the axis; None without any."""
    if metric not in epochs.values:
        return None
    axes = {"epoch": epochs.epoch, "update": epochs.update, "relative": epochs.seconds, "clock": epochs.recorded}
    chosen = epochs.has[metric] & np.isfinite(axes[x])
    if not chosen.any():
        return None
    if chosen.all():
        return epochs.epoch, axes[x], epochs.values[metric]
    return epochs.epoch[chosen], axes[x][chosen], epochs.values[metric][chosen]
