"""The rows of the public table under P-A1: popularity, EASE, Mult-VAE and CDAE."""

from __future__ import annotations

from typing import Any

from recdash.evaluation.criterion import CRITERIA
from recdash.evaluation.evaluator import evaluate
from recdash.models.base import Model
from recdash.published.context import Figures, Found, Work, facts_of
from recdash.published.unmasked_topk import means, most_active_first, seen_places, unmasked, unmasked_and_masked
from recdash.splits import Split, published_splits
from recdash.training.loop import Validation

METRICS = ("precision@100", "recall@100", "ndcg@100")
ALSO = (*METRICS, "recall_all@100")
_SEED = published_splits.SEEDS["published-implicit"]


def closed_form(work: Work, name: str, **settings: Any) -> Found:
    """One solution serves both columns; there is nothing to choose, so nothing is set aside for validation."""
    split = published_splits.implicit(work.dataset, seed=_SEED, validation=False)
    model = work.fitted(name, split, **settings)
    return _both(model, split)


def as_published(work: Work, name: str) -> Found:
    """Settings of the public run; the epoch is chosen on the test part, whose lists keep what was seen."""
    split = published_splits.implicit(work.dataset, seed=_SEED, validation=False)
    model = work.untrained(name, split)

    part = most_active_first(split.test)

    def look(trained: Model) -> Figures:
        return means(unmasked(trained, part), part.held_out, METRICS)

    training, epochs = work.trained(model, split.train, Validation(look, CRITERIA["ranking"]), split=split.fingerprint)
    found = _both(model, split)
    last = epochs[max(epochs)]
    facts = {"best_epoch": training.best.epoch, "epochs": training.position.epoch, "last_ndcg@100": last["ndcg@100"]}
    masked = {f"masked_{metric}": found.columns["corrected"][metric] for metric in METRICS}
    return Found({"as_published": found.columns["as_published"]}, {**found.facts, **facts, **masked})


def corrected(work: Work, name: str, **changes: Any) -> Found:
    """The same data, split, sizes and steps, with the mistakes of the formula changed; chosen on validation items."""
    split = published_splits.implicit(work.dataset, seed=_SEED)
    model = work.fitted(name, split, preset="published", precision="float32", **changes)
    return Found({"corrected": dict(evaluate(model, split, metric_names=ALSO).mean)}, facts_of(model))


def _both(model: Model, split: Split) -> Found:
    part = most_active_first(split.test)
    left_in, taken_out = unmasked_and_masked(model, part)
    columns = {
        "as_published": means(left_in, part.held_out, METRICS),
        "corrected": means(taken_out, part.held_out, ALSO),
    }
    return Found(columns, {"seen_places": seen_places(left_in, part.fold_in)})
