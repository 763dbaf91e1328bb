"""Mult-VAE and Mult-DAE as the public table on MovieLens-20M has them, and read properly (spec: protocols, P-A5)."""

from __future__ import annotations

from typing import Any

from recdash.evaluation.criterion import CRITERIA
from recdash.evaluation.evaluator import evaluate, quick_means
from recdash.models.base import Model
from recdash.published.context import Figures, Found, Work, facts_of
from recdash.splits import Split, published_splits
from recdash.training.loop import Validation

METRICS = ("recall_all@50", "ndcg@100")
ALSO = (*METRICS, "recall@50", "recall@20")
SETTINGS: dict[str, dict[str, Any]] = {
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


def both(work: Work, name: str) -> Found:
    """One training: the validation users' figures of the epoch chosen on them, and the test users' figures."""
    split = _split(work)
    model = work.untrained(name, split, **SETTINGS[name])

    def look(trained: Model) -> Figures:
        return quick_means(trained, split, ALSO)

    training, epochs = work.trained(model, split.train, Validation(look, CRITERIA["ranking"]), split=split.fingerprint)
    best = training.best.epoch
    columns = {
        "as_published": {metric: epochs[best][metric] for metric in ALSO},
        "corrected": dict(evaluate(model, split, metric_names=ALSO).mean),
    }
    return Found(columns, {"best_epoch": best, "epochs": max(epochs)})


def yardstick(work: Work, name: str) -> Found:
    """A model that has nothing to choose, on the same split."""
    split = _split(work)
    model = work.fitted(name, split)
    return Found({"corrected": dict(evaluate(model, split, metric_names=ALSO).mean)}, facts_of(model))


def _split(work: Work) -> Split:
    return published_splits.vae20m(work.dataset, seed=published_splits.SEEDS["published-vae20m"])
