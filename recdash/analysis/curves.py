"""Learning curves of one run: every value recorded at every epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from recdash.evaluation import stability
from recdash.json_values import json_safe
from recdash.runs.run_records import EpochRow, RunRecord


@dataclass(frozen=True, kw_only=True)
class Curves:
    """All epochs of one run.

    Attributes:
        run: The record of the run.
        series: {name: ((epoch, value), ...)}; NaN values are kept, so that a chart shows the gap.
        seconds: {epoch: wall time of training in seconds since the start, earlier parts of a resumed run included}.
        seq: Number of the newest epoch record; pass it to `recdash.services.curves.epochs_after` for later ones.
    """

    run: RunRecord
    series: Mapping[str, tuple[tuple[int, float], ...]]
    seconds: Mapping[int, float]
    seq: int

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of `recdash curves`."""
        series = {name: [list(point) for point in points] for name, points in self.series.items()}
        seconds = [[epoch, second] for epoch, second in self.seconds.items()]
        run = self.run
        details: dict[str, Any] = {"best_epoch": run.best_epoch, "state": run.state.value, "model": run.model}
        details |= {"unstable_epoch": run.unstable_epoch, "still_improving": run.still_improving}
        details |= {"remarks": run.remarks, "warnings": run.warnings}
        return dict(json_safe({"run": run.id, "series": series, "seconds": seconds, **details}))


def curves_from_epochs(run: RunRecord, rows: Sequence[EpochRow]) -> Curves:
    """Return the curves of a run, from its epochs in order."""
    series: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        for name, value in row.values.items():
            series.setdefault(name, []).append((row.epoch, value))
    return Curves(
        run=with_stability(run, ((row.epoch, row.values) for row in rows)),
        series={name: tuple(points) for name, points in series.items()},
        seconds={row.epoch: row.seconds for row in rows},
        seq=max((row.seq for row in rows), default=0),
    )


def with_stability(run: RunRecord, epochs: Iterable[tuple[int, Mapping[str, float]]]) -> RunRecord:
    """Return the run with the first unstable epoch added to its details, if its record does not have it.

    Records of earlier versions do not have it.

    Args:
        run: The record of the run.
        epochs: (epoch, values) in order.
    """
    epoch = stability.unstable_epoch(epochs) if run.unstable_epoch is None else None
    return run if epoch is None else replace(run, details={**run.details, "unstable_epoch": epoch})
