"""Learning curves of runs, and the epochs recorded after a given one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from recdash.analysis.curves import Curves, curves_from_epochs
from recdash.errors import unknown_name
from recdash.runs.run_records import EpochRow
from recdash.services import tie_warnings
from recdash.services.store_access import open_store
from recdash.settings import name_list

FORMATS = ("json", "csv")


def curves(run_id: str) -> Curves:
    """Return the curves of one run."""
    return curves_of([run_id])[0]


def curves_of(run_ids: str | Sequence[str]) -> list[Curves]:
    """Return the curves of several runs, read with one query."""
    store = open_store()
    runs = tie_warnings.add_tie_rules(store.run(run_id) for run_id in name_list(run_ids))
    rows: dict[str, list[EpochRow]] = {run.id: [] for run in runs}
    for row in store.epochs(list(rows)):
        rows[row.run].append(row)
    return [curves_from_epochs(run, sorted(rows[run.id], key=lambda row: row.epoch)) for run in runs]


def epochs_after(run_ids: str | Sequence[str], seq: int) -> list[EpochRow]:
    """Return the epochs of these runs with a sequence number above `seq`, in the order of writing."""
    return open_store().epochs(name_list(run_ids), after=seq)


def export(run_curves: Curves, file_format: str) -> str:
    """Return the curves as "csv" (one row per epoch) or "json" text."""
    if file_format not in FORMATS:
        raise unknown_name("format", file_format, FORMATS)
    if file_format == "json":
        return json.dumps(run_curves.to_dict())
    by_epoch = {name: dict(points) for name, points in run_curves.series.items()}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["epoch", "seconds", *by_epoch])
    for epoch, seconds in run_curves.seconds.items():
        writer.writerow([epoch, seconds, *(points.get(epoch) for points in by_epoch.values())])
    return out.getvalue().rstrip("\n")
