"""Results of a trained model on the test part, as they are stored with a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recdash.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from recdash.data.histories import Histories
    from recdash.models.base import Model
    from recdash.splits import RatingSplit, Split


def evaluate_on_test(model: Model, split: Split | RatingSplit, folder: RunFolder) -> dict[str, Any]:
    """Evaluate a model on the test part, and write per-user results and what slices need to the folder of its run.

    Returns:
        Fields of RunRecord: `metrics`, `intervals` and `details`.
    """
    from recdash.evaluation import evaluate  # lazy: scipy
    from recdash.evaluation.latency import seconds_per_list  # lazy: torch

    report = evaluate(model, split, on="test")
    folder.write_per_user(report.per_user, report.top)
    folder.write_facts(report.facts)
    return {
        "metrics": {name: float(value) for name, value in report.mean.items()},
        "intervals": {name: (float(low), float(high)) for name, (low, high) in report.interval.items()},
        "details": {
            "n_scored": report.n_scored,
            "evaluation_seconds": report.seconds,
            "seconds_per_list": seconds_per_list(model, _model_input(split)),
        },
    }


def _model_input(split: Split | RatingSplit) -> Histories:
    """Return the input for recommendation lists: fold-in of the test users, or training ratings of the users."""
    from recdash.splits import RatingSplit  # lazy: scipy

    return split.train if isinstance(split, RatingSplit) else split.test.fold_in
