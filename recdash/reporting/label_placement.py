"""Where labels go in a picture, so that they cover neither each other nor the points."""

from __future__ import annotations

from collections.abc import Sequence

PLACES = ("top right", "bottom right", "top left", "bottom left")
LETTER, LINE, GAP, DOT = 6.4, 14.0, 7.0, 7.0  # pixels: width of a letter, height of a line, from the point, its radius
Box = tuple[float, float, float, float]


def places(points: Sequence[tuple[float, float]], texts: Sequence[str], first: str = "top right") -> list[str]:
    """Return for each point where its label covers least: one of `PLACES`, `first` where several are as good.

    points: pixels from the left and from the top.  A text that is empty is no label.
    """
    offered = sorted(PLACES, key=lambda place: place != first)
    dots = [(x - DOT, y - DOT, x + DOT, y + DOT) for x, y in points]
    taken: list[Box] = []
    found = []
    for number, ((x, y), text) in enumerate(zip(points, texts, strict=True)):
        others = [*taken, *dots[:number], *dots[number + 1 :]]
        boxes = {place: _box(x, y, len(text) * LETTER, place) for place in offered}
        best = min(offered, key=lambda place: sum(_overlap(boxes[place], other) for other in others))
        found.append(best)
        if text:
            taken.append(boxes[best])
    return found


def _box(x: float, y: float, width: float, place: str) -> Box:
    left = x + GAP if place.endswith("right") else x - GAP - width
    top = y - GAP - LINE if place.startswith("top") else y + GAP
    return left, top, left + width, top + LINE


def _overlap(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0
