"""What a curve board draws: its options and its panels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

X = Literal["epoch", "update", "relative", "clock"]
Smoothing = Literal["none", "exponential", "gaussian", "mean"]
Bands = Literal["off", "range", "deviation"]


@dataclass(frozen=True)
class BoardOptions:
    """How all charts of a board are drawn.

    Args:
        x: Horizontal axis: epochs, updates, seconds of training since the start (earlier attempts of a resumed run
            included), or the clock time at which an epoch was recorded.
        log_x: Whether the horizontal axis is logarithmic (not for clock time).
        log_y: Whether the vertical axes are logarithmic, where a panel allows it.
        smoothing: Kind of moving average; the raw line stays visible behind it.
        weight: Strength of the smoothing, from 0 (none) to below 1: the weight of the past in the exponential average;
            the others have a width of about weight / (1 - weight) epochs.
        shared_y: Whether panels of the same metric share their vertical axis.
        columns: Most charts side by side; fewer where the window is narrow.
        bands: Runs of one setting that differ in their seed as one line with a band: "range" from the lowest to the
            highest, "deviation" for the standard deviation over seeds.
        height: Height of each chart in pixels.
    """

    x: X = "epoch"
    log_x: bool = False
    log_y: bool = False
    smoothing: Smoothing = "none"
    weight: float = 0.0
    shared_y: bool = False
    columns: int = 2
    bands: Bands = "off"
    height: int = 240


@dataclass(frozen=True)
class Panel:
    """One chart of a board.

    Args:
        key: Key, unique on the board.
        title: Title, such as "KL divergence".
        unit: Unit, such as "nats per user"; may be empty.
        metric: Name of the epoch value, such as "kl".
        facet: Heading under which the chart stands, such as "Ranking on ml-1m"; panels of a facet follow each other.
            Headings are drawn only where there are several.
        run_ids: Runs to draw; those without the value are left out of the chart.
        log_allowed: Whether a logarithmic vertical axis makes sense.
        smooth: Whether smoothing makes sense; not for schedules and counts.
        decimals: Digits after the decimal point; None shows four significant digits.
        meaning: Explanation shown on hover over the title.
    """

    key: str
    title: str
    unit: str
    metric: str
    facet: str
    run_ids: tuple[str, ...]
    log_allowed: bool = True
    smooth: bool = True
    decimals: int | None = None
    meaning: str = ""
