"""Pictures as SVG text, for files that open without a network: intervals, curves, quality against something else.

Words and lines take the colour of the text around them, so that a picture fits a light and a dark page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from recdash.reporting import label_placement

WIDTH = 640
_FINE, _SMALL = 'stroke="currentColor" stroke-opacity=".15"', 'fill="currentColor" fill-opacity=".7" font-size="12"'
LABEL_EM = 6.6  # pixels that a letter of a label takes


@dataclass(frozen=True)
class Mark:
    """One run in a picture: its value with an interval, and what it is set against. named: whether its label shows."""

    label: str
    ink: str
    value: float
    low: float
    high: float
    against: float = 0.0
    named: bool = True


@dataclass(frozen=True)
class Line:
    """One run in a picture of curves: points (x, y) in order, NaN for a gap; a ring marks the best x."""

    label: str
    ink: str
    points: Sequence[tuple[float, float]]
    best: float | None = None
    dashes: Sequence[int] = ()


class Scale:
    """Turns values into pixels between two ends, with round ticks. log: of the logarithm."""

    def __init__(self, values: Sequence[float], start: float, end: float, *, log: bool = False) -> None:
        known = [value for value in values if math.isfinite(value) and (value > 0 or not log)] or [1.0]
        low, high = min(known), max(known)
        self.log = log
        if log:
            low, high = math.log10(low), math.log10(high)
        room = (high - low) * 0.08 or (0.5 if log else (abs(high) or 1) * 0.1)
        self.low, self.high, self.start, self.end = low - room, high + room, start, end

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        place = math.log10(max(value, 10.0**self.low)) if self.log else value
        return self.start + (place - self.low) / ((self.high - self.low) or 1) * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Return round values between the ends."""
        if self.log:
            powers = range(math.floor(self.low), math.ceil(self.high) + 1)
            for factors in ((1,), (1, 2, 5)):
                found = [factor * 10.0**power for power in powers for factor in factors]
                found = [value for value in found if self.low <= math.log10(value) <= self.high]
                if len(found) > 2:
                    return found[:: math.ceil(len(found) / most)]
            return _round_between(10.0**self.low, 10.0**self.high, 4)
        return _round_between(self.low, self.high, most)


def _round_between(low: float, high: float, most: int) -> list[float]:
    rough = (high - low) / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    return [float(f"{(first + place) * step:.12g}") for place in range(count)]


def intervals(marks: Sequence[Mark], title: str) -> str:
    """Return means with their intervals, one line per run in the given order."""
    row, left = 26, _room(marks)
    bottom = 14 + row * len(marks)
    x = Scale([end for mark in marks for end in (mark.low, mark.high)], left, WIDTH - 14)
    parts = _across(x, 8, bottom, title)
    for place, mark in enumerate(marks):
        y = 8 + row * (place + 0.5)
        said = f"{mark.label}: {mark.value:.4f} ({mark.low:.4f} to {mark.high:.4f})"
        parts += [
            f'<g><title>{escape(said)}</title><text x="{left - 10}" y="{y + 4:.1f}" text-anchor="end" '
            f'fill="currentColor" font-size="13">{escape(mark.label)}</text>',
            f'<line x1="{x(mark.low):.1f}" x2="{x(mark.high):.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{mark.ink}" '
            'stroke-width="3" stroke-opacity=".45"/>',
            f'<circle cx="{x(mark.value):.1f}" cy="{y:.1f}" r="5" fill="{mark.ink}"/></g>',
        ]
    return _svg(parts, bottom + 40, f"{title} with 95 % intervals")


def scatter(marks: Sequence[Mark], title: str, along: str, *, front: Sequence[Mark] = (), log: bool = False) -> str:
    """Return values against something else; the marks of the front are joined by stairs."""
    bottom, left = 300, 64
    x = Scale([mark.against for mark in marks], left, WIDTH - 90, log=log)
    y = Scale([end for mark in marks for end in (mark.low, mark.high)], bottom, 12)
    parts = [*_across(x, 8, bottom, along), *_upward(y, left, WIDTH - 14, title)]
    if front:
        steps = " ".join(
            f"H{x(mark.against):.1f} V{y(mark.value):.1f}" if place else f"M{x(mark.against):.1f} {y(mark.value):.1f}"
            for place, mark in enumerate(front)
        )
        parts.append(
            f'<path d="{steps}" fill="none" stroke="currentColor" stroke-opacity=".5" stroke-dasharray="2 4"/>'
        )
    spots = [(x(mark.against), y(mark.value)) for mark in marks]
    sides = label_placement.places(spots, [mark.label if mark.named else "" for mark in marks])
    for mark, (across, up), side in zip(marks, spots, sides, strict=True):
        said = f"{mark.label}: {mark.value:.4f} at {mark.against:,.4g}"
        above, right = side.startswith("top"), side.endswith("right")
        where = f'x="{across + (8 if right else -8):.1f}" y="{up + (-7 if above else 16):.1f}"'
        anchor = "start" if right else "end"
        parts += [
            f'<g><title>{escape(said)}</title><line x1="{across:.1f}" x2="{across:.1f}" y1="{y(mark.low):.1f}" '
            f'y2="{y(mark.high):.1f}" stroke="{mark.ink}" stroke-opacity=".5" stroke-width="1.5"/>',
            f'<circle cx="{across:.1f}" cy="{up:.1f}" r="5" fill="{mark.ink}"/>',
            f'<text {where} text-anchor="{anchor}" {_SMALL}>{escape(mark.label) if mark.named else ""}</text></g>',
        ]
    return _svg(parts, bottom + 40, f"{title} against {along}")


def curves(lines: Sequence[Line], title: str, along: str = "epoch") -> str:
    """Return values over epochs, one line per run, a ring at each best epoch."""
    bottom, left = 220, 64
    x = Scale([point[0] for line in lines for point in line.points], left, WIDTH - 14)
    y = Scale([point[1] for line in lines for point in line.points], bottom, 12)
    parts = [*_across(x, 8, bottom, along), *_upward(y, left, WIDTH - 14, title)]
    for line in lines:
        steps, drawing = [], False
        for across, up in line.points:
            if not math.isfinite(up):
                drawing = False
                continue
            steps.append(f"{'L' if drawing else 'M'}{x(across):.1f} {y(up):.1f}")
            drawing = True
        name = f"<title>{escape(line.label)}</title>"
        dashes = f' stroke-dasharray="{" ".join(map(str, line.dashes))}"' if line.dashes else ""
        parts.append(
            f'<path d="{" ".join(steps)}" fill="none" stroke="{line.ink}" stroke-width="2"{dashes}>{name}</path>'
        )
        best = [point for point in line.points if point[0] == line.best and math.isfinite(point[1])]
        parts += [
            f'<circle cx="{x(across):.1f}" cy="{y(up):.1f}" r="5" fill="none" stroke="{line.ink}" stroke-width="2"/>'
            for across, up in best
        ]
    return _svg(parts, bottom + 40, f"{title} over {along}s")


def sparkline(values: Sequence[float], most: int = 24) -> str:
    """Return a curve as a word of block characters; a gap is a space."""
    step = max(1, math.ceil(len(values) / most))
    shown = list(values)[::-1][::step][::-1]
    known = [value for value in shown if math.isfinite(value)]
    if not known:
        return ""
    low, span = min(known), (max(known) - min(known)) or 1
    return "".join("▁▂▃▄▅▆▇█"[round((value - low) / span * 7)] if math.isfinite(value) else " " for value in shown)


def _across(scale: Scale, top: float, bottom: float, title: str) -> list[str]:
    parts = []
    for tick in scale.ticks():
        x = f"{scale(tick):.1f}"
        parts.append(f'<line x1="{x}" x2="{x}" y1="{top}" y2="{bottom}" {_FINE}/>')
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle" {_SMALL}>{_round(tick)}</text>')
    middle = (scale.start + scale.end) / 2
    return [*parts, f'<text x="{middle:.1f}" y="{bottom + 34}" text-anchor="middle" {_SMALL}>{escape(title)}</text>']


def _upward(scale: Scale, left: float, right: float, title: str) -> list[str]:
    parts = []
    for tick in scale.ticks(5):
        y = scale(tick)
        parts.append(f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" {_FINE}/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" {_SMALL}>{_round(tick)}</text>')
    middle = (scale.start + scale.end) / 2
    turned = f'transform="rotate(-90 14 {middle:.1f})" x="14" y="{middle:.1f}"'
    return [*parts, f'<text {turned} text-anchor="middle" {_SMALL}>{escape(title)}</text>']


def _round(tick: float) -> str:
    """Write a tick in few letters: 0.05, 1,000, 10k, 2M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(tick) >= size:
            return f"{tick / (1e3 if letter == 'k' else size):,.4g}{letter}"
    return f"{tick:,.4g}"


def _room(marks: Sequence[Mark]) -> float:
    return min(260.0, 24 + LABEL_EM * max((len(mark.label) for mark in marks), default=0))


def _svg(parts: Sequence[str], height: float, said: str) -> str:
    head = f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(said)}" font-family="inherit">'
    return f"{head}{''.join(parts)}</svg>"
