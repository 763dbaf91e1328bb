"""Finished runs with a usable checkpoint, and the best of them for each model."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from recdash.analysis.groups import comparability_key
from recdash.errors import DataError, UsageError, unknown_name
from recdash.evaluation.selection_metric import selection_metric_of
from recdash.models import registry
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State
from recdash.services import datasets, tie_warnings, training_requests
from recdash.services.store_access import open_store
from recdash.settings import name_list


def trained_runs(dataset: str) -> list[RunRecord]:
    """Return the finished runs of a dataset with a checkpoint, by model, the best run of each model first.

    Archived runs are left out, and of the trials of a search all but the best.

    Validation results of different protocols, splits or dataset contents cannot be compared. So a model's runs on the
    current content come first, then those of its default protocol, then those comparable with its newest run; among
    comparable runs the best on validation is first, and of equal ones the newest.
    """
    finished = open_store().runs(dataset=datasets.name_in_runs(dataset), states=[State.FINISHED])
    runs = [
        run
        for run in tie_warnings.add_tie_rules(finished)
        if run.archived is None
        and not run.is_untested_trial
        and run.model in registry.names()
        and RunFolder(run.id).has_model()
    ]
    current, order, newest = _current_fingerprint(dataset, runs), registry.names(), _newest_comparable(runs)

    def rank(run: RunRecord) -> tuple[int, bool, bool, float, tuple[str, ...], tuple[bool, float], float]:
        group, outdated = comparability_key(run), run.dataset_fingerprint != current
        other_protocol = run.protocol != training_requests.default_protocol(run.model)
        latest = -newest[run.model, group]
        return order.index(run.model), outdated, other_protocol, latest, group, _by_validation(run), -run.created

    return sorted(runs, key=rank)


def best_runs(dataset: str, models: str | Sequence[str] | None = None) -> list[RunRecord]:
    """Return the first of `trained_runs` for each model.

    Args:
        dataset: Name of a dataset, or path of a file.
        models: A list, or names separated by commas; by default every trained model.

    Raises:
        UsageError: A model is unknown, or has no finished run on the dataset.
    """
    best: dict[str, RunRecord] = {}
    for run in trained_runs(dataset):
        best.setdefault(run.model, run)
    chosen = list(best) if models is None else name_list(models)
    for model in chosen:
        if model not in registry.names():
            raise unknown_name("model", model, registry.names())
        if model not in best:
            trained = ", ".join(best) or "none yet"
            raise UsageError(
                f"{model} is not trained on {dataset} (trained: {trained}). "
                f"Train it: recdash train {model} --dataset {dataset}"
            )
    return [best[model] for model in dict.fromkeys(chosen)]


def runs_by_id(dataset: str, run_ids: str | Sequence[str]) -> list[RunRecord]:
    """Return exactly these runs, in the given order.

    Args:
        dataset: Name of a dataset, or path of a file.
        run_ids: A list of ids, or ids separated by commas.

    Raises:
        UsageError: The list is empty, or a run is unknown, without weights or of another dataset.
    """
    ids = name_list(run_ids)
    if not ids:
        raise UsageError(
            "The list of runs is empty. Name at least one, or leave it out for the best run of each model."
        )
    runs = [open_store().run(run_id) for run_id in ids]
    for run in runs:
        if datasets.name_in_runs(run.dataset) != datasets.name_in_runs(dataset):
            raise UsageError(f"Run {run.id} was trained on {run.dataset}, not on {dataset}. Name that dataset.")
        if not RunFolder(run.id).has_model():
            raise UsageError(f"Run {run.id} is {run.state.value} and has no weights yet. Choose a finished run.")
    return runs


def _current_fingerprint(dataset: str, runs: Sequence[RunRecord]) -> str:
    """Return the fingerprint of the dataset's content, read only if the runs differ; "" if the dataset is gone."""
    recorded = {run.dataset_fingerprint for run in runs}
    if len(recorded) == 1:
        return recorded.pop()
    with suppress(UsageError, DataError):
        return training_requests.data_entry(dataset).fingerprint
    return ""


def _newest_comparable(runs: Sequence[RunRecord]) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return the creation time of the newest run of each model in each group of comparable runs."""
    newest: dict[tuple[str, tuple[str, ...]], float] = {}
    for run in runs:
        key = run.model, comparability_key(run)
        newest[key] = max(run.created, newest.get(key, run.created))
    return newest


def _by_validation(run: RunRecord) -> tuple[bool, float]:
    """Return a sort key for comparable runs: best validation value first, runs without one last."""
    selection_metric = selection_metric_of(run.validation)
    if run.best_value is None or selection_metric is None:
        return True, 0.0
    return False, -selection_metric.sign * run.best_value
