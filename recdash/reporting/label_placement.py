"""Placement of labels in a chart: they overlap neither each other nor the points, as far as possible."""

from __future__ import annotations

from collections.abc import Sequence

POSITIONS = ("top right", "bottom right", "top left", "bottom left")
# In pixels: mean width of a letter, height of a line, distance from the point, radius of a point with its margin.
LETTER_WIDTH, LINE_HEIGHT, GAP, RADIUS = 6.4, 14.0, 7.0, 7.0
Box = tuple[float, float, float, float]


def place_labels(
    points: Sequence[tuple[float, float]], labels: Sequence[str], preferred: str = "top right"
) -> list[str]:
    """Return for each point the position of its label with the least overlap.

    Args:
        points: (x, y) in pixels from the left and from the top.
        labels: Their labels; an empty label takes no space.
        preferred: One of `POSITIONS`, chosen among positions of equal overlap.
    """
    positions = sorted(POSITIONS, key=lambda position: position != preferred)
    dots = [(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS) for x, y in points]
    placed: list[Box] = []
    chosen = []
    for index, ((x, y), label) in enumerate(zip(points, labels, strict=True)):
        if not label:
            chosen.append(positions[0])
            continue
        obstacles = [*placed, *dots[:index], *dots[index + 1 :]]
        boxes = {position: _box(x, y, len(label) * LETTER_WIDTH, position) for position in positions}
        best = min(positions, key=lambda position: sum(_overlap(boxes[position], other) for other in obstacles))
        chosen.append(best)
        placed.append(boxes[best])
    return chosen


def _box(x: float, y: float, width: float, position: str) -> Box:
    left = x + GAP if position.endswith("right") else x - GAP - width
    top = y - GAP - LINE_HEIGHT if position.startswith("top") else y + GAP
    return left, top, left + width, top + LINE_HEIGHT


def _overlap(first: Box, second: Box) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return width * height if width > 0 and height > 0 else 0.0
