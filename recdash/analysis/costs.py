"""Costs of a run (time, memory, size), and the Pareto front of quality against cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recdash.analysis.groups import ResultRow


@dataclass(frozen=True)
class Cost:
    """One kind of cost.

    Attributes:
        name: Key in `COSTS`.
        title: Title for people.
        unit: Unit of the value, as an axis title.
        minimum: Lower bound for a logarithmic axis, in that unit.
        help: How the cost is measured.
        value: Function of a row; None if its run did not record the cost.
    """

    name: str
    title: str
    unit: str
    minimum: float
    help: str
    value: Callable[[ResultRow], float | None]


def _detail(name: str, scale: float = 1.0) -> Callable[[ResultRow], float | None]:
    def read(row: ResultRow) -> float | None:
        recorded: Any = row.run.details.get(name)
        return None if recorded is None else float(recorded) * scale

    return read


COSTS = {
    cost.name: cost
    for cost in (
        Cost(
            "time",
            "Training time",
            "seconds of training",
            1e-3,
            "Training only, without validation and test, on the machine that trained the run.",
            lambda row: row.run.runtime_s,
        ),
        Cost(
            "memory",
            "Memory",
            "MiB of memory in training",
            1.0,
            "Peak resident memory of the training process, including libraries and data.",
            _detail("peak_memory_bytes", 1 / 2**20),
        ),
        Cost(
            "parameters",
            "Parameters",
            "learned parameters",
            1.0,
            "Number of values in the checkpoint.",
            _detail("parameters"),
        ),
        Cost(
            "list",
            "Time per list",
            "milliseconds per list",
            1e-3,
            "From one user's history to a list of 100 items: median of 20 users, one at a time.",
            _detail("seconds_per_list", 1e3),
        ),
    )
}


def pareto_front(points: Sequence[tuple[float, float]], *, lower: bool) -> list[int]:
    """Return the indices of the points that no other point beats in both cost and quality, cheapest first.

    Of equal points only the first is returned.

    Args:
        points: (cost, quality) pairs.
        lower: Whether a lower quality value is better.
    """
    sign = -1 if lower else 1
    front, best = [], float("-inf")
    for index in sorted(range(len(points)), key=lambda index: (points[index][0], -sign * points[index][1])):
        quality = sign * points[index][1]
        if quality > best:
            front.append(index)
            best = quality
    return front
