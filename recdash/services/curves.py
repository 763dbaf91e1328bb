"""Learning curves: every named value of every epoch, and what is new since the last look."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from recdash.errors import unknown
from recdash.evaluation import stability
from recdash.runs.checkpoints import RunFolder
from recdash.runs.records import EpochRow, RunRecord, json_safe
from recdash.services import ties
from recdash.services.access import open_store
from recdash.settings import as_names

FORMS = ("json", "csv")


@dataclass(frozen=True, kw_only=True)
class Curves:
    """All epochs of one run.

    series: {name: ((epoch, value), ...)}; a value that is no number stays NaN, so that a chart can show the gap.
    seconds: wall time of training at each epoch, resumed parts included.  seq: pass it to `newer`.
    """

    run: RunRecord
    series: Mapping[str, tuple[tuple[int, float], ...]]
    seconds: Mapping[int, float]
    seq: int

    def to_dict(self) -> dict[str, Any]:
        """Return the command line's document."""
        series = {name: [list(point) for point in points] for name, points in self.series.items()}
        seconds = [[epoch, second] for epoch, second in self.seconds.items()]
        run = self.run
        told: dict[str, Any] = {"best_epoch": run.best_epoch, "state": run.state.value, "model": run.model}
        told |= {"unstable_epoch": run.unstable_epoch, "still_improving": run.still_improving}
        told |= {"remarks": run.remarks, "warnings": run.warnings}
        return dict(json_safe({"run": run.id, "series": series, "seconds": seconds, **told}))


def curves(run_id: str) -> Curves:
    """Return the curves of one run."""
    return curves_of([run_id])[0]


def curves_of(run_ids: str | Sequence[str]) -> list[Curves]:
    """Return the curves of several runs, read at one go."""
    store = open_store()
    runs = ties.with_rule(store.run(run_id) for run_id in as_names(run_ids))
    rows: dict[str, list[EpochRow]] = {run.id: [] for run in runs}
    for row in store.epochs(list(rows)):
        rows[row.run].append(row)
    return [_curves(run, sorted(rows[run.id], key=lambda row: row.epoch)) for run in runs]


def kl_by_dimension(run_id: str, epoch: int | None = None) -> tuple[float, ...]:
    """Return the KL divergence of each latent dimension in nats, largest first; empty for models without any.

    epoch: by default, or where it kept nothing, the last one.
    """
    kept = RunFolder(run_id).arrays("kl_by_dimension", epoch) or RunFolder(run_id).arrays("kl_by_dimension")
    if not kept:
        return ()
    return tuple(sorted((float(value) for value in kept[max(kept)]), reverse=True))


def newer(run_ids: str | Sequence[str], seq: int) -> list[EpochRow]:
    """Return the epochs of these runs that were written after `seq`, in the order of writing."""
    return open_store().epochs(as_names(run_ids), after=seq)


def with_stability(run: RunRecord, epochs: Iterable[tuple[int, Mapping[str, float]]]) -> RunRecord:
    """Return the run with the epoch in which it became unstable, from its epochs where the record does not have it.

    Runs of earlier versions recorded none. epochs: (epoch, values) in order.
    """
    found = stability.unstable_epoch(epochs) if run.unstable_epoch is None else None
    return run if found is None else replace(run, details={**run.details, "unstable_epoch": found})


def export(found: Curves, form: str) -> str:
    """Return the curves as "csv" (one row per epoch) or "json" text."""
    if form not in FORMS:
        raise unknown("format", form, FORMS)
    if form == "json":
        return json.dumps(found.to_dict())
    by_epoch = {name: dict(points) for name, points in found.series.items()}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["epoch", "seconds", *by_epoch])
    for epoch, seconds in found.seconds.items():
        writer.writerow([epoch, seconds, *(points.get(epoch) for points in by_epoch.values())])
    return out.getvalue().rstrip("\n")


def _curves(run: RunRecord, rows: Sequence[EpochRow]) -> Curves:
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
