"""What a run costs, in the units in which somebody pays, and which runs are worth their cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recdash.analysis.groups import ResultRow


@dataclass(frozen=True)
class Cost:
    """One kind of cost. unit: of `value`, for an axis.  least: what a logarithmic axis needs where it is nothing."""

    name: str
    title: str
    unit: str
    least: float
    help: str
    value: Callable[[ResultRow], float | None]


def _detail(name: str, scale: float = 1.0) -> Callable[[ResultRow], float | None]:
    def read(row: ResultRow) -> float | None:
        found: Any = row.run.details.get(name)
        return None if found is None else float(found) * scale

    return read


COSTS = {
    cost.name: cost
    for cost in (
        Cost(
            "time",
            "Training time",
            "seconds of training",
            1e-3,
            "Training alone, without validation and test, on the machine that trained the run.",
            lambda row: row.run.runtime_s,
        ),
        Cost(
            "memory",
            "Memory",
            "MiB while training",
            1.0,
            "The most resident memory of the training process, libraries and data included.",
            _detail("peak_memory_bytes", 1 / 2**20),
        ),
        Cost(
            "parameters",
            "Parameters",
            "learned numbers",
            1.0,
            "How many numbers a checkpoint holds.",
            _detail("parameters"),
        ),
        Cost(
            "list",
            "Time per list",
            "milliseconds per list",
            1e-3,
            "From one user's history to a list of 100: the median of twenty users, one by one.",
            _detail("seconds_per_list", 1e3),
        ),
    )
}


def front(points: Sequence[tuple[float, float]], *, lower: bool) -> list[int]:
    """Return the places of the points (cost, quality) that no other point beats in both, the cheapest first.

    lower: whether a lower quality value is better.  Of equal points the first stands for all.
    """
    sign = -1 if lower else 1
    found, best = [], float("-inf")
    for place in sorted(range(len(points)), key=lambda place: (points[place][0], -sign * points[place][1])):
        quality = sign * points[place][1]
        if quality > best:
            found.append(place)
            best = quality
    return found
