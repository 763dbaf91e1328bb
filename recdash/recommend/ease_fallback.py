"""Fallback recommender for data without a trained model: EASE, fitted on demand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recdash.data.dataset import Dataset
from recdash.data.histories import Histories
from recdash.models import registry
from recdash.models.base import ClosedFormModel, Model
from recdash.models.data_shape import DataShape
from recdash.splits.strong import positive_threshold

MAX_ITEMS = 4000  # the time of EASE grows with the cube of the items: a few seconds at 4,000


class FallbackModel(NamedTuple):
    """EASE as fitted now, and a note to show with it."""

    model: Model
    note: str


def fit_ease(dataset: Dataset) -> FallbackModel:
    """Fit EASE with preset `auto` on all positives of all users, for a large catalogue on its most popular items."""
    positives = dataset.in_time_order_ties_by_item
    threshold = positive_threshold(dataset)
    if threshold is not None and positives.values is not None:
        positives = positives.select(positives.values >= threshold)
    note = "no model is trained on this dataset yet: EASE was just fitted to the positives of all users"
    counts = np.bincount(positives.items, minlength=positives.n_items)
    chosen = np.arange(positives.n_items)
    if positives.n_items > MAX_ITEMS:
        chosen = np.sort(np.lexsort((chosen, -counts))[:MAX_ITEMS])
        note += f", for the {MAX_ITEMS:,} most popular items"
    new_index = np.full(positives.n_items, -1, np.int32)
    new_index[chosen] = np.arange(len(chosen), dtype=np.int32)
    inside = positives.select(new_index[positives.items] >= 0)
    rows = Histories(inside.indptr, new_index[inside.items], None, len(chosen), inside.ordered)
    shape = DataShape(len(rows), len(chosen), rows.n_entries, dataset.scale)
    model = registry.build("ease", registry.configure("ease", shape), shape)
    if not isinstance(model, ClosedFormModel):
        raise TypeError("EASE is solved in closed form")
    model.solve(rows)
    model.catalogue = dataset.catalogue.take(chosen)
    return FallbackModel(model, note)
