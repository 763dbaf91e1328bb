"""How often each item of a dataset occurs: counts, percentiles and shares of users, by item id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recdash.data.catalogue import Catalogue
from recdash.data.dataset import Dataset
from recdash.data.items import Item


@dataclass(frozen=True, eq=False)
class ItemPopularity:
    """Interactions of each item.

    Attributes:
        catalogue: The items.
        counts: (items,) interactions, in the order of the catalogue.
        n_users: Number of users.
    """

    catalogue: Catalogue
    counts: NDArray[np.int64]
    n_users: int

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Count the interactions of a dataset."""
        counts = np.bincount(dataset.items, minlength=dataset.n_items).astype(np.int64)
        return cls(dataset.catalogue, counts, dataset.n_users)

    @cached_property
    def percentiles(self) -> NDArray[np.float64]:
        """Share of items that are less popular, (items,), 0 to below 1; as in `popularity_percentile@k`."""
        below = np.searchsorted(np.sort(self.counts), self.counts, side="left")
        shares: NDArray[np.float64] = below / max(1, len(self.counts))
        return shares

    def counts_of(self, items: Catalogue | Sequence[Item]) -> NDArray[np.int64]:
        """Return the interactions of items, (items,); 0 for items that the dataset does not have."""
        return self._by_id(items, self.counts)

    def percentiles_of(self, items: Catalogue | Sequence[Item]) -> NDArray[np.float64]:
        """Return the percentiles of items, (items,); 0 for items that the dataset does not have."""
        return self._by_id(items, self.percentiles)

    def novelty_of(self, items: Catalogue | Sequence[Item]) -> NDArray[np.float64]:
        """Return the self-information of items in bits, (items,): -log2(max(interactions, 1) / users)."""
        bits: NDArray[np.float64] = np.log2(max(1, self.n_users)) - np.log2(np.maximum(self.counts_of(items), 1))
        return bits

    def _by_id(self, items: Catalogue | Sequence[Item], values: NDArray[Any]) -> NDArray[Any]:
        if items is self.catalogue:
            return values
        listed = items.items if isinstance(items, Catalogue) else items
        index_of = self.catalogue.index_of
        indices = np.array([index_of.get(item.id, -1) for item in listed], np.int64)
        if not len(self.catalogue):
            return np.zeros(len(indices), values.dtype)
        found: NDArray[Any] = np.where(indices >= 0, values[indices], values.dtype.type(0))
        return found
