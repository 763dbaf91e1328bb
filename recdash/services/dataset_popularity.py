"""Popularity of a dataset's items, counted once."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from recdash.data.dataset import Dataset
from recdash.recommend.item_popularity import ItemPopularity

_COUNTED: WeakKeyDictionary[Dataset, ItemPopularity] = WeakKeyDictionary()


def popularity_of(dataset: Dataset) -> ItemPopularity:
    """Return the interactions of each item; cached as long as the dataset, since a page searches at every key press."""
    if (found := _COUNTED.get(dataset)) is None:
        found = _COUNTED[dataset] = ItemPopularity.of(dataset)
    return found
