"""A recommender for data on which nothing has been trained yet: EASE, solved on the spot."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recdash.data.dataset import Dataset
from recdash.data.histories import Histories
from recdash.models import registry
from recdash.models.base import ClosedFormModel, Model
from recdash.models.data_shape import DataShape
from recdash.splits.strong import positive_threshold

MOST_ITEMS = 4000  # the time of EASE grows with the cube of the items: a few seconds at 4,000


class Instant(NamedTuple):
    """The model, and what has to be said about it."""

    model: Model
    note: str


def fit_at_once(dataset: Dataset) -> Instant:
    """Fit EASE with preset `auto` on all positives of all users; of a large catalogue on its most popular items."""
    liked = dataset.in_item_order
    threshold = positive_threshold(dataset)
    if threshold is not None and liked.values is not None:
        liked = liked.keep(liked.values >= threshold)
    note = "nothing is trained on this data yet: EASE was fitted just now on everybody's likes"
    counts = np.bincount(liked.items, minlength=liked.n_items)
    kept = np.arange(liked.n_items)
    if liked.n_items > MOST_ITEMS:
        kept = np.sort(np.lexsort((kept, -counts))[:MOST_ITEMS])
        note += f" of the {MOST_ITEMS:,} most popular items"
    number = np.full(liked.n_items, -1, np.int32)
    number[kept] = np.arange(len(kept), dtype=np.int32)
    inside = liked.keep(number[liked.items] >= 0)
    rows = Histories(inside.indptr, number[inside.items], None, len(kept), inside.ordered)
    shape = DataShape(len(rows), len(kept), rows.n_entries, dataset.scale)
    model = registry.build("ease", registry.configure("ease", shape), shape)
    if not isinstance(model, ClosedFormModel):
        raise TypeError("EASE is solved in closed form")
    model.solve(rows)
    model.catalogue = dataset.catalogue.take(kept)
    return Instant(model, note)
