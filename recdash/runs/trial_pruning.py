"""Pruning of a trial by its worker: after each validated epoch it is compared with the other trials of its study."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from recdash.evaluation.selection_metric import SelectionMetric
from recdash.runs.run_records import RunRecord
from recdash.runs.store import Store
from recdash.tuning.pruning import Pruning, should_prune


class TrialPruner:
    """Decides whether a trial ends early.

    Args:
        store: Holds the runs of all trials.
        run: The run of the trial.
        metric: The validation metric that decides.
    """

    def __init__(self, store: Store, run: RunRecord, metric: SelectionMetric) -> None:
        self.store, self.run, self.metric = store, run, metric
        self.pruning = _pruning(run.trial.get("pruning"))
        self._curves: dict[str, dict[int, float]] = {}
        self._last_seq: dict[str, int] = {}

    def should_prune(self, epochs: int) -> bool:
        """Return whether the trial ends at its last stored epoch; `epochs` is the largest number it may have."""
        if self.pruning.rule == "none":
            return False
        self._read_new_epochs()
        curves = dict(self._curves)
        own = curves.pop(self.run.id, {})
        return should_prune(self.pruning, own, list(curves.values()), epochs)

    def _read_new_epochs(self) -> None:
        study = self.run.trial.get("study")
        ids = [run.id for run in self.store.runs(model=self.run.model) if run.trial.get("study") == study]
        known = [run_id for run_id in ids if run_id in self._last_seq]
        after = min((self._last_seq[run_id] for run_id in known), default=0)
        self._curves = {run_id: self._curves.get(run_id, {}) for run_id in ids}
        rows = self.store.epochs(known, after) if known else []
        rows += self.store.epochs([run_id for run_id in ids if run_id not in self._last_seq])
        newest = max([after, *(row.seq for row in rows)])
        for row in rows:
            value = row.values.get(self.metric.name)
            if value is not None and math.isfinite(value):
                self._curves[row.run][row.epoch] = self.metric.sign * value
        self._last_seq = dict.fromkeys(ids, newest)


def _pruning(stored: Any) -> Pruning:
    if not isinstance(stored, Mapping):
        return Pruning(rule="none")
    return Pruning(stored.get("rule", "none"), stored.get("after", 0.2), stored.get("fewest", 4))
