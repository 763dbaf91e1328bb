"""Motifs of tiles drawn with Pillow: one pattern for each era, named in `recdash.reporting.genre_colours`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from PIL import Image, ImageDraw

Size: TypeAlias = tuple[int, int]


def draw_motif(name: str, size: Size, background: str, accent: str) -> Image.Image:
    """Return the picture of a motif: accent on background, strongest at the top right, away from the text."""
    picture = Image.new("RGB", size, background)
    _MOTIFS.get(name, _plain)(ImageDraw.Draw(picture), size, accent, background)
    return picture


def _plain(draw: ImageDraw.ImageDraw, size: Size, accent: str, background: str) -> None:
    width, height = size
    draw.polygon([(width * 0.55, 0), (width, 0), (width, height * 0.8)], fill=accent)


def _iris(draw: ImageDraw.ImageDraw, size: Size, accent: str, background: str) -> None:
    """The closing iris of silent films."""
    width, height = size
    for step in range(4):
        _circle(draw, width * 0.84, height * 0.26, height * (0.56 - 0.14 * step), background if step % 2 else accent)


def _fan(draw: ImageDraw.ImageDraw, size: Size, accent: str, background: str) -> None:
    """An Art Deco fan."""
    width, height = size
    centre = (width, -height * 0.02)
    for step in range(9):
        start = 90 + step * 10
        radius = height * 0.82
        box = (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
        draw.pieslice(box, start, start + 5, fill=accent)
    _circle(draw, *centre, height * 0.2, accent)
    _circle(draw, *centre, height * 0.12, background)


def _starburst(draw: ImageDraw.ImageDraw, size: Size, accent: str, background: str) -> None:
    """The starburst of the atomic age."""
    width, height = size
    x, y = width * 0.84, height * 0.3
    for step in range(16):
        angle = math.pi * step / 8
        length = height * (0.4 if step % 2 else 0.62)
        tip = (x + length * math.cos(angle), y + length * math.sin(angle))
        sides = [
            (x + height * 0.06 * math.cos(angle + turn), y + height * 0.06 * math.sin(angle + turn))
            for turn in (-0.9, 0.9)
        ]
        draw.polygon([sides[0], tip, sides[1]], fill=accent)


def _waves(draw: ImageDraw.ImageDraw, size: Size, accent: str, background: str) -> None:
    width, height = size
    for step in range(4):
        middle = height * (0.04 + 0.15 * step)
        points = [(x, middle + height * 0.045 * math.sin(x / height * 5 + step * 0.8)) for x in range(0, width + 8, 4)]
        draw.line(points, fill=accent, width=max(1, int(height * 0.055)), joint="curve")


def _stripes(draw: ImageDraw.ImageDraw, size: Size, accent: str, background: str) -> None:
    """Concentric stripes around a corner."""
    width, height = size
    for step in range(4):
        radius = height * (0.78 - 0.17 * step)
        _circle(draw, width, 0, radius, accent)
        _circle(draw, width, 0, radius - height * 0.095, background)


def _grid(draw: ImageDraw.ImageDraw, size: Size, accent: str, background: str) -> None:
    """A grid in perspective below a horizon."""
    width, height = size
    line = max(1, int(height * 0.012))
    horizon = height * 0.16
    _circle(draw, width * 0.8, horizon, height * 0.13, accent)
    draw.rectangle((0, horizon, width, height), fill=background)
    for step in range(6):
        y = horizon + height * 0.9 * (step / 6) ** 1.8
        draw.line([(0, y), (width, y)], fill=accent, width=line)
    for step in range(-9, 10):
        draw.line(
            [(width * (0.8 + step * 0.05), horizon), (width * (0.8 + step * 0.32), height)], fill=accent, width=line
        )


def _blocks(draw: ImageDraw.ImageDraw, size: Size, accent: str, background: str) -> None:
    width, height = size
    cell = height * 0.17
    for column in range(6):
        for row in range(4):
            if (column * 5 + row * 3) % 4 in (0, 1) and row <= column:
                left, top = width - (6 - column) * cell, row * cell
                draw.rectangle((left, top, left + cell * 0.86, top + cell * 0.86), fill=accent)


def _dots(draw: ImageDraw.ImageDraw, size: Size, accent: str, background: str) -> None:
    """Halftone dots that grow towards the corner."""
    width, height = size
    pitch = height * 0.1
    for column in range(int(width / pitch) + 1):
        for row in range(8):
            x, y = width - pitch * (column + 0.5 + 0.5 * (row % 2)), pitch * (row + 0.5)
            radius = pitch * 0.52 * (1 - (column * 0.9 + row) / 11)
            if radius > 1:
                _circle(draw, x, y, radius, accent)


def _rings(draw: ImageDraw.ImageDraw, size: Size, accent: str, background: str) -> None:
    width, height = size
    line = max(1, int(height * 0.03))
    for x, y, radius in ((0.9, 0.14, 0.34), (0.72, 0.3, 0.24), (0.96, 0.5, 0.22)):
        box = _box(width * x, height * y, height * radius)
        draw.ellipse(box, outline=accent, width=line)


def _circle(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, fill: str) -> None:
    draw.ellipse(_box(x, y, radius), fill=fill)


def _box(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    return x - radius, y - radius, x + radius, y + radius


_MOTIFS: dict[str, Callable[[ImageDraw.ImageDraw, Size, str, str], None]] = {
    "plain": _plain,
    "iris": _iris,
    "fan": _fan,
    "starburst": _starburst,
    "waves": _waves,
    "stripes": _stripes,
    "grid": _grid,
    "blocks": _blocks,
    "dots": _dots,
    "rings": _rings,
}
