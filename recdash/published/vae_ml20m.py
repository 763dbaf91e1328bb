"""Cells of the vae20m table, `published-vae20m`: Mult-VAE and Mult-DAE as published on MovieLens-20M, and corrected."""

from __future__ import annotations

from typing import Any

from recdash.evaluation.evaluator import evaluate, mean_metrics
from recdash.evaluation.selection_metric import SELECTION_METRICS
from recdash.models.base import Model
from recdash.published.context import CellContext, CellResult, training_facts
from recdash.published.training_files import MetricValues
from recdash.splits import Split, published_splits
from recdash.training.loop import Validation

METRICS = ("recall_all@50", "ndcg@100")
ALL_METRICS = (*METRICS, "recall@50", "recall@20")
SETTINGS: dict[str, dict[str, Any]] = {  # of vae_training.py and dae_training.py, where the preset differs
    "multvae": {
        "hidden": (600,),
        "noise_sd": 1.0,
        "initial": "xavier",
        "learning_rate": 1e-3,
        "epochs": 150,
        "patience": 150,
        "validate_every": 2,
    },
    "multdae": {"validate_every": 2},
}


def as_published_and_corrected(context: CellContext, name: str) -> CellResult:
    """Train once: metrics of the validation users at the epoch chosen on them, and of the test users."""
    split = _split(context)
    model = context.build_model(name, split, **SETTINGS[name])

    def measure(trained: Model) -> MetricValues:
        return mean_metrics(trained, split, ALL_METRICS)

    validation = Validation(measure, SELECTION_METRICS["ranking"])
    training, epochs = context.train_model(model, split.train, validation, split=split.fingerprint)
    best = training.best.epoch
    columns = {
        "as_published": {metric: epochs[best][metric] for metric in ALL_METRICS},
        "corrected": dict(evaluate(model, split, metric_names=ALL_METRICS).mean),
    }
    return CellResult(columns, {"best_epoch": best, "epochs": max(epochs)})


def baseline(context: CellContext, name: str) -> CellResult:
    """Fit a model without epochs on the same split."""
    split = _split(context)
    model = context.fit_model(name, split)
    return CellResult({"corrected": dict(evaluate(model, split, metric_names=ALL_METRICS).mean)}, training_facts(model))


def _split(context: CellContext) -> Split:
    return published_splits.split_vae20m(context.dataset, seed=published_splits.SEEDS["published-vae20m"])
