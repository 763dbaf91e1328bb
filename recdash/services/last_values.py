"""Validation metrics of the last epochs of runs."""

from __future__ import annotations

from collections.abc import Sequence

from recdash.evaluation.selection_metric import selection_metric_of
from recdash.runs.last_epochs import LastEpoch, last_epochs
from recdash.runs.run_records import RunRecord
from recdash.services.store_access import open_store

__all__ = ["LastEpoch", "last_values"]


def last_values(runs: Sequence[RunRecord]) -> dict[str, LastEpoch]:
    """Return the last validated epoch of each run, by run id.

    Normally that is the last epoch; a run that was stopped between two validations has an earlier one. Runs without
    validation are left out.
    """
    store = open_store()
    found = last_epochs(store, [run.id for run in runs])
    for run_id in [run_id for run_id, last in found.items() if selection_metric_of(last.values) is None]:
        validated = [row for row in store.epochs([run_id]) if selection_metric_of(row.values) is not None]
        del found[run_id]
        if validated:
            newest = max(validated, key=lambda row: row.epoch)
            found[run_id] = LastEpoch(newest.epoch, dict(newest.values))
    return found
