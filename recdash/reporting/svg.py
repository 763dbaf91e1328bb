"""Charts as SVG text, for files that need no network: intervals, scatter plots, learning curves, sparklines.

Text and axes take the colour of the surrounding text, so that a chart suits a light and a dark page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from recdash.reporting import label_placement

WIDTH = 640
_GRID_LINE = 'stroke="currentColor" stroke-opacity=".15"'
_SMALL_TEXT = 'fill="currentColor" fill-opacity=".7" font-size="12"'
_LABEL_LETTER = 6.6  # mean width of a letter at font size 13, in pixels


@dataclass(frozen=True)
class Mark:
    """One run in a chart of intervals or a scatter plot.

    Attributes:
        label: Label of the run.
        colour: Its colour.
        value: Its metric.
        low: Lower end of the interval.
        high: Upper end of the interval.
        x: Position on the x axis of a scatter plot.
        named: Whether a scatter plot shows the label.
    """

    label: str
    colour: str
    value: float
    low: float
    high: float
    x: float = 0.0
    named: bool = True


@dataclass(frozen=True)
class Line:
    """One run in a chart of curves.

    Attributes:
        label: Label of the run.
        colour: Its colour.
        points: (x, y) in order; NaN for a gap.
        best: The x marked by a ring.
        dashes: SVG dash pattern; empty for a solid line.
    """

    label: str
    colour: str
    points: Sequence[tuple[float, float]]
    best: float | None = None
    dashes: Sequence[int] = ()


class Scale:
    """Linear or logarithmic scale from values to pixels, with round ticks."""

    def __init__(self, values: Sequence[float], start: float, end: float, *, log: bool = False) -> None:
        finite = [value for value in values if math.isfinite(value) and (value > 0 or not log)] or [1.0]
        low, high = min(finite), max(finite)
        self.log = log
        if log:
            low, high = math.log10(low), math.log10(high)
        margin = (high - low) * 0.08 or (0.5 if log else (abs(high) or 1) * 0.1)
        self.low, self.high, self.start, self.end = low - margin, high + margin, start, end

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        position = math.log10(max(value, 10.0**self.low)) if self.log else value
        return self.start + (position - self.low) / ((self.high - self.low) or 1) * (self.end - self.start)

    def ticks(self, max_ticks: int = 6) -> list[float]:
        """Return at most about `max_ticks` round values between the ends."""
        if self.log:
            powers = range(math.floor(self.low), math.ceil(self.high) + 1)
            for factors in ((1,), (1, 2, 5)):
                ticks = [factor * 10.0**power for power in powers for factor in factors]
                ticks = [value for value in ticks if self.low <= math.log10(value) <= self.high]
                if len(ticks) > 2:
                    return ticks[:: math.ceil(len(ticks) / max_ticks)]
            return _round_values(10.0**self.low, 10.0**self.high, 4)
        return _round_values(self.low, self.high, max_ticks)


def _round_values(low: float, high: float, max_ticks: int) -> list[float]:
    rough = (high - low) / max_ticks
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    return [float(f"{(first + index) * step:.12g}") for index in range(count)]


def intervals(marks: Sequence[Mark], title: str) -> str:
    """Return a chart of means with their intervals, one line per run in the given order."""
    row, left = 26, _label_width(marks)
    bottom = 14 + row * len(marks)
    x = Scale([end for mark in marks for end in (mark.low, mark.high)], left, WIDTH - 14)
    parts = _x_axis(x, 8, bottom, title)
    for index, mark in enumerate(marks):
        y = 8 + row * (index + 0.5)
        tooltip = f"{mark.label}: {mark.value:.4f} ({mark.low:.4f} to {mark.high:.4f})"
        parts += [
            f'<g><title>{escape(tooltip)}</title><text x="{left - 10}" y="{y + 4:.1f}" text-anchor="end" '
            f'fill="currentColor" font-size="13">{escape(mark.label)}</text>',
            f'<line x1="{x(mark.low):.1f}" x2="{x(mark.high):.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{mark.colour}" '
            'stroke-width="3" stroke-opacity=".45"/>',
            f'<circle cx="{x(mark.value):.1f}" cy="{y:.1f}" r="5" fill="{mark.colour}"/></g>',
        ]
    return _svg(parts, bottom + 40, f"{title} with 95% intervals")


def scatter(marks: Sequence[Mark], title: str, x_title: str, *, front: Sequence[Mark] = (), log: bool = False) -> str:
    """Return a scatter plot of values with their intervals.

    Args:
        marks: The runs.
        title: Title of the y axis.
        x_title: Title of the x axis.
        front: Marks to join by a dotted staircase, in order of x.
        log: Whether the x axis is logarithmic.
    """
    bottom, left = 300, 64
    x = Scale([mark.x for mark in marks], left, WIDTH - 90, log=log)
    y = Scale([end for mark in marks for end in (mark.low, mark.high)], bottom, 12)
    parts = [*_x_axis(x, 8, bottom, x_title), *_y_axis(y, left, WIDTH - 14, title)]
    if front:
        steps = " ".join(
            f"H{x(mark.x):.1f} V{y(mark.value):.1f}" if index else f"M{x(mark.x):.1f} {y(mark.value):.1f}"
            for index, mark in enumerate(front)
        )
        parts.append(
            f'<path d="{steps}" fill="none" stroke="currentColor" stroke-opacity=".5" stroke-dasharray="2 4"/>'
        )
    positions = [(x(mark.x), y(mark.value)) for mark in marks]
    sides = label_placement.place_labels(positions, [mark.label if mark.named else "" for mark in marks])
    for mark, (left_px, top_px), side in zip(marks, positions, sides, strict=True):
        tooltip = f"{mark.label}: {mark.value:.4f} at {mark.x:,.4g}"
        label = escape(mark.label) if mark.named else ""
        above, right = side.startswith("top"), side.endswith("right")
        position = f'x="{left_px + (8 if right else -8):.1f}" y="{top_px + (-7 if above else 16):.1f}"'
        anchor = "start" if right else "end"
        parts += [
            f'<g><title>{escape(tooltip)}</title><line x1="{left_px:.1f}" x2="{left_px:.1f}" y1="{y(mark.low):.1f}" '
            f'y2="{y(mark.high):.1f}" stroke="{mark.colour}" stroke-opacity=".5" stroke-width="1.5"/>',
            f'<circle cx="{left_px:.1f}" cy="{top_px:.1f}" r="5" fill="{mark.colour}"/>',
            f'<text {position} text-anchor="{anchor}" {_SMALL_TEXT}>{label}</text></g>',
        ]
    return _svg(parts, bottom + 40, f"{title} against {x_title}")


def curves(lines: Sequence[Line], title: str, x_title: str = "epoch") -> str:
    """Return a chart of values over epochs: one line per run, with a ring at its best epoch."""
    bottom, left = 220, 64
    x = Scale([point[0] for line in lines for point in line.points], left, WIDTH - 14)
    y = Scale([point[1] for line in lines for point in line.points], bottom, 12)
    parts = [*_x_axis(x, 8, bottom, x_title), *_y_axis(y, left, WIDTH - 14, title)]
    for line in lines:
        steps, pen_down = [], False
        for epoch, value in line.points:
            if not math.isfinite(value):
                pen_down = False
                continue
            steps.append(f"{'L' if pen_down else 'M'}{x(epoch):.1f} {y(value):.1f}")
            pen_down = True
        name = f"<title>{escape(line.label)}</title>"
        dashes = f' stroke-dasharray="{" ".join(map(str, line.dashes))}"' if line.dashes else ""
        parts.append(
            f'<path d="{" ".join(steps)}" fill="none" stroke="{line.colour}" stroke-width="2"{dashes}>{name}</path>'
        )
        best = [point for point in line.points if point[0] == line.best and math.isfinite(point[1])]
        parts += [
            f'<circle cx="{x(epoch):.1f}" cy="{y(value):.1f}" r="5" fill="none" '
            f'stroke="{line.colour}" stroke-width="2"/>'
            for epoch, value in best
        ]
    return _svg(parts, bottom + 40, f"{title} over {x_title}s")


def sparkline(values: Sequence[float], max_points: int = 24) -> str:
    """Return a curve as block characters, with a space for each gap."""
    step = max(1, math.ceil(len(values) / max_points))
    shown = list(values)[::-1][::step][::-1]
    finite = [value for value in shown if math.isfinite(value)]
    if not finite:
        return ""
    low, span = min(finite), (max(finite) - min(finite)) or 1
    return "".join("▁▂▃▄▅▆▇█"[round((value - low) / span * 7)] if math.isfinite(value) else " " for value in shown)


def _x_axis(scale: Scale, top: float, bottom: float, title: str) -> list[str]:
    parts = []
    for tick in scale.ticks():
        x = f"{scale(tick):.1f}"
        parts.append(f'<line x1="{x}" x2="{x}" y1="{top}" y2="{bottom}" {_GRID_LINE}/>')
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle" {_SMALL_TEXT}>{_tick_label(tick)}</text>')
    middle = (scale.start + scale.end) / 2
    return [
        *parts,
        f'<text x="{middle:.1f}" y="{bottom + 34}" text-anchor="middle" {_SMALL_TEXT}>{escape(title)}</text>',
    ]


def _y_axis(scale: Scale, left: float, right: float, title: str) -> list[str]:
    parts = []
    for tick in scale.ticks(5):
        y = scale(tick)
        parts.append(f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" {_GRID_LINE}/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" {_SMALL_TEXT}>{_tick_label(tick)}</text>')
    middle = (scale.start + scale.end) / 2
    rotated = f'transform="rotate(-90 14 {middle:.1f})" x="14" y="{middle:.1f}"'
    return [*parts, f'<text {rotated} text-anchor="middle" {_SMALL_TEXT}>{escape(title)}</text>']


def _tick_label(tick: float) -> str:
    """Return a short label of a tick: 0.05, 1,000, 10k, 2M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(tick) >= size:
            return f"{tick / (1e3 if letter == 'k' else size):,.4g}{letter}"
    return f"{tick:,.4g}"


def _label_width(marks: Sequence[Mark]) -> float:
    return min(260.0, 24 + _LABEL_LETTER * max((len(mark.label) for mark in marks), default=0))


def _svg(parts: Sequence[str], height: float, label: str) -> str:
    box = f"0 0 {WIDTH} {height:.0f}"
    head = f'<svg viewBox="{box}" role="img" aria-label="{escape(label)}" font-family="inherit">'
    return f"{head}{''.join(parts)}</svg>"
