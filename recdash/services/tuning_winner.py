"""The winner of a study: the only trial that is evaluated on the test part, once, from its checkpoint."""

from __future__ import annotations

from recdash.errors import CheckpointError, DataError
from recdash.models import registry
from recdash.runs.final_evaluation import evaluate_on_test
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.services import tuning_studies
from recdash.services.store_access import open_store
from recdash.services.tuning_studies import StudySpec
from recdash.splits.split_options import SplitOptions


def evaluate(spec: StudySpec) -> RunRecord | None:
    """Evaluate the best trial of a study on the test part, unless it was already, and record how many were tried.

    The model is read from its checkpoint, not trained again. A study that goes on and finds a better trial evaluates
    that one, too; each figure tells of how many trials it was the best.

    Returns:
        The run of the best trial with its test results; None for a study without a complete trial.

    Raises:
        CheckpointError: Its model is gone or damaged.
        DataError: The dataset has changed.
    """
    trials = tuning_studies.trials_of(spec)
    best = tuning_studies.best_of(spec, trials)
    if best is None or best.run is None:
        return None
    store, run = open_store(), best.run
    n_tried = tuning_studies.count_tried(trials)
    if run.metrics:
        return run if run.trials == n_tried else store.record_winner(run.id, trials=n_tried)
    folder = RunFolder(run.id)
    if not folder.has_model():
        raise CheckpointError(f"{folder.best}: the model of the best trial is gone. Train its settings again.")
    model = registry.load(folder.best)
    options = SplitOptions.from_dict(spec.options)
    dataset = options.load(spec.dataset)
    if spec.dataset_fingerprint and dataset.fingerprint != spec.dataset_fingerprint:
        raise DataError(f"{spec.dataset} has changed since study {spec.name} began. Start another study.")
    split = options.make(dataset, spec.protocol, seed=spec.split_seed)
    record = store.record_winner(run.id, trials=n_tried, **evaluate_on_test(model, split, folder))
    folder.write_record(record.to_dict())
    return record
