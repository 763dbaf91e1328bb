"""Trains recdash's models for a benchmark. Arguments: the split's file, then precision=auto|float32."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse
from serve import Trained, serve

import recdash
from benchmarks.common import strong_split
from recdash.data.dataset import Dataset
from recdash.models import registry

PRECISION = dict(argument.split("=", 1) for argument in sys.argv[2:]).get("precision", "auto")
EVALUATIONS = 5
Matrices = dict[str, sparse.csr_matrix]


def train(name: str, split: Any, settings: dict[str, Any], epochs: int) -> Trained:
    """Train for some epochs; the time of an epoch is the time between two records."""
    marks = [time.perf_counter()]

    def mark(record: Any) -> None:
        marks.append(time.perf_counter())

    given = {"precision": PRECISION, "epochs": epochs, **settings}
    model = recdash.fit(name, split, on_epoch=mark, device="cpu", **given)
    facts = {"precision": model.record["precision"], "batch_size": model.config.batch_size}
    return Trained(np.diff(marks).tolist(), model.score, facts)


def on_matrices(name: str) -> Any:
    """Trainer of a ranking model on the training users alone, without validation."""

    def trainer(matrices: Matrices, settings: dict[str, Any], epochs: int) -> Trained:
        pair = matrices["test_fold_in"], matrices["test_held_out"]
        return train(name, recdash.Split.from_matrices(matrices["train"], test=pair), settings, epochs)

    return trainer


def on_dataset(name: str) -> Any:
    """Trainer of a model that reads an order or ratings, which matrices do not have."""

    def trainer(matrices: Matrices, settings: dict[str, Any], epochs: int) -> Trained:
        settings = dict(settings)
        split = split_for(name, recdash.load_dataset(settings.pop("data")))
        return train(name, replace(split, validation=None), settings, epochs)

    return trainer


def split_for(name: str, dataset: Dataset) -> Any:
    """Return `ratings-90` for rating models, the benchmark's strong split otherwise."""
    if registry.model_class(name).task == "rating":
        return recdash.make_split(dataset, "ratings-90", seed=1)
    return strong_split(dataset)


def closed_form(name: str) -> Any:
    """Trainer of a closed form: its whole fit is the epoch."""

    def trainer(matrices: Matrices, settings: dict[str, Any], epochs: int) -> Trained:
        pair = matrices["test_fold_in"], matrices["test_held_out"]
        split = recdash.Split.from_matrices(matrices["train"], test=pair)
        started = time.perf_counter()
        model = recdash.fit(name, split, device="cpu", **settings)
        return Trained([time.perf_counter() - started], model.score)

    return trainer


def evaluation(matrices: Matrices, settings: dict[str, Any], epochs: int) -> Trained:
    """Evaluate 1,000 users by all metrics: those of validation and test together; each evaluation is an epoch."""
    fold_in = sparse.vstack([matrices["validation_fold_in"], matrices["test_fold_in"]]).tocsr()
    held_out = sparse.vstack([matrices["validation_held_out"], matrices["test_held_out"]]).tocsr()
    split = recdash.Split.from_matrices(matrices["train"], test=(fold_in, held_out))
    model = recdash.fit("multvae", split, epochs=1, device="cpu", precision=PRECISION, **settings)
    seconds = []
    for _ in range(EVALUATIONS):
        started = time.perf_counter()
        recdash.evaluate(model, split)
        seconds.append(time.perf_counter() - started)
    return Trained(seconds, model.score)


def to_quality(matrices: Matrices, settings: dict[str, Any], epochs: int) -> Trained:
    """Train until validation NDCG@100 reaches `target`; facts: seconds with validation, epochs, the value."""
    settings = dict(settings)
    name, target = settings.pop("model"), settings.pop("target")
    pairs = {part: (matrices[f"{part}_fold_in"], matrices[f"{part}_held_out"]) for part in ("validation", "test")}
    split = recdash.Split.from_matrices(matrices["train"], **pairs)
    values, reached = [], []

    def watch(record: Any) -> None:
        values.append(float(record.values["ndcg@100"]))
        if values[-1] >= target and not reached:
            reached.append(record.seconds)

    model = recdash.fit(
        name, split, on_epoch=watch, should_stop=lambda: bool(reached), device="cpu", precision=PRECISION, **settings
    )
    facts = {"reached_s": reached[0] if reached else None, "epochs": len(values), "best_ndcg@100": max(values)}
    return Trained([], model.score, facts)


if __name__ == "__main__":
    serve(
        "recdash",
        {
            **{name: on_matrices(name) for name in ("multvae", "multdae", "cdae", "recvae")},
            **{name: on_dataset(name) for name in ("svae", "autorec")},
            **{name: closed_form(name) for name in ("ease", "itemknn")},
            "evaluation": evaluation,
            "to_quality": to_quality,
        },
    )
