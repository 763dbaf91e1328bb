"""Cells of the MetaRec table under `published-implicit`: popularity, EASE, Mult-VAE and CDAE."""

from __future__ import annotations

from typing import Any

from recdash.evaluation.evaluator import evaluate
from recdash.evaluation.selection_metric import SELECTION_METRICS
from recdash.models.base import Model
from recdash.published.context import CellContext, CellResult, training_facts
from recdash.published.training_files import MetricValues
from recdash.published.unmasked_topk import (
    list_metrics,
    mean_seen_per_list,
    most_active_first,
    unmasked_and_masked_lists,
    unmasked_lists,
)
from recdash.splits import Split, published_splits
from recdash.training.loop import Validation

METRICS = ("precision@100", "recall@100", "ndcg@100")
ALL_METRICS = (*METRICS, "recall_all@100")
_SEED = published_splits.SEEDS["published-implicit"]


def closed_form(context: CellContext, name: str, **settings: Any) -> CellResult:
    """Fit a model without epochs: one solution gives both columns, and no validation part is needed."""
    split = published_splits.split_implicit(context.dataset, seed=_SEED, validation=False)
    model = context.fit_model(name, split, **settings)
    return _both_columns(model, split)


def as_published(context: CellContext, name: str) -> CellResult:
    """Train with the published settings: lists contain seen items, and the epoch is chosen on the test part."""
    split = published_splits.split_implicit(context.dataset, seed=_SEED, validation=False)
    model = context.build_model(name, split)

    part = most_active_first(split.test)

    def measure(trained: Model) -> MetricValues:
        return list_metrics(unmasked_lists(trained, part), part.held_out, METRICS)

    validation = Validation(measure, SELECTION_METRICS["ranking"])
    training, epochs = context.train_model(model, split.train, validation, split=split.fingerprint)
    found = _both_columns(model, split)
    last = epochs[max(epochs)]
    facts = {"best_epoch": training.best.epoch, "epochs": training.position.epoch, "last_ndcg@100": last["ndcg@100"]}
    masked = {f"masked_{metric}": found.columns["corrected"][metric] for metric in METRICS}
    return CellResult({"as_published": found.columns["as_published"]}, {**found.facts, **facts, **masked})


def corrected(context: CellContext, name: str, **changes: Any) -> CellResult:
    """Train on the same data and split with the mistakes corrected; the epoch is chosen on validation items.

    Args:
        context: data and folder.
        name: the model's name.
        changes: settings that correct a mistake in the published formula.
    """
    split = published_splits.split_implicit(context.dataset, seed=_SEED)
    model = context.fit_model(name, split, preset="published", precision="float32", **changes)
    return CellResult({"corrected": dict(evaluate(model, split, metric_names=ALL_METRICS).mean)}, training_facts(model))


def _both_columns(model: Model, split: Split) -> CellResult:
    part = most_active_first(split.test)
    unmasked, masked = unmasked_and_masked_lists(model, part)
    columns = {
        "as_published": list_metrics(unmasked, part.held_out, METRICS),
        "corrected": list_metrics(masked, part.held_out, ALL_METRICS),
    }
    return CellResult(columns, {"seen_places": mean_seen_per_list(unmasked, part.fold_in)})
