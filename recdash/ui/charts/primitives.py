"""Values shared by several charts: one run with its interval, and the line style of each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recdash.reporting import dash_patterns
from recdash.runs import run_colours

RunLine = tuple[str, str, tuple[int, ...]]  # label, colour and dash pattern of a run


@dataclass(frozen=True)
class Point:
    """One run in a chart.

    Args:
        label: Label of the run.
        run: Id of the run; determines its colour.
        mean: Mean of the metric over test users.
        low: Lower end of the 95% interval.
        high: Upper end of the 95% interval.
        x: Value on the horizontal axis of a scatter plot, such as seconds; otherwise 0.
        note: Text appended to the tooltip.
    """

    label: str
    run: str
    mean: float
    low: float
    high: float
    x: float
    note: str = ""


def run_lines(labels: Mapping[str, str], run_ids: Sequence[str]) -> tuple[RunLine, ...]:
    """Return label, colour and dash pattern of each run."""
    dashes = dash_patterns.dashes(run_ids)
    return tuple((labels[run_id], run_colours.colour_of(run_id), dashes[run_id]) for run_id in run_ids)
