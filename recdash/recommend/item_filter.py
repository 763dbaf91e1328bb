"""Filters of a list: genres, years and popularity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recdash.data.catalogue import Catalogue
from recdash.errors import UsageError
from recdash.recommend.item_popularity import ItemPopularity
from recdash.settings import real_number, whole_number

ANY_POPULARITY = (0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class ItemFilter:
    """Conditions that every listed item meets; by default none.

    Attributes:
        genres: An item has at least one of these; () for any.
        without_genres: An item has none of these.
        year_from: Earliest year; items without a year are left out when there is a bound.
        year_to: Latest year.
        popularity: Lowest and highest popularity percentile, 0 to 1: the share of items that are less popular.

    Raises:
        UsageError: A bound is no number, outside its range, or above its counterpart.
    """

    genres: tuple[str, ...] = ()
    without_genres: tuple[str, ...] = ()
    year_from: int | None = None
    year_to: int | None = None
    popularity: tuple[float, float] = ANY_POPULARITY

    def __post_init__(self) -> None:
        for name in ("genres", "without_genres"):
            given = getattr(self, name)
            if isinstance(given, str):
                raise UsageError(f"{name}: expected a list of genres, found {given[:40]!r}. For example: [{given!r}].")
            object.__setattr__(self, name, tuple(given))
        for name in ("year_from", "year_to"):
            if getattr(self, name) is not None:
                whole_number(name, getattr(self, name), -10_000, 10_000)
        low, high = (real_number("popularity", bound) for bound in self.popularity)
        if not 0 <= low <= high <= 1:
            raise UsageError(f"popularity = {low:g} to {high:g} is no range in [0, 1]. For example: 0.5 to 1.")
        object.__setattr__(self, "popularity", (low, high))
        if self.year_from is not None and self.year_to is not None and self.year_from > self.year_to:
            raise UsageError(f"year_from = {self.year_from} is above year_to = {self.year_to}. Swap them.")

    @classmethod
    def of_decade(cls, decade: int) -> ItemFilter:
        """Return the filter of a decade by its first year, for example 1990."""
        return cls(year_from=decade, year_to=decade + 9)

    @property
    def reads_popularity(self) -> bool:
        """Whether popularity matters."""
        return self.popularity != ANY_POPULARITY

    def permitted(self, catalogue: Catalogue, popularity: ItemPopularity | None = None) -> NDArray[np.bool_]:
        """Return which items meet all conditions, (items,).

        Args:
            catalogue: The items.
            popularity: Popularity of the items, which a bound on percentiles needs.

        Raises:
            UsageError: There is a bound on percentiles, and no popularity.
        """
        items, found = catalogue.items, np.ones(len(catalogue), np.bool_)
        if self.genres:
            wanted = frozenset(self.genres)
            found &= np.array([not wanted.isdisjoint(item.genres) for item in items], np.bool_)
        if self.without_genres:
            excluded = frozenset(self.without_genres)
            found &= np.array([excluded.isdisjoint(item.genres) for item in items], np.bool_)
        if self.year_from is not None or self.year_to is not None:
            years = np.array([np.nan if item.year is None else item.year for item in items], np.float64)
            low = -np.inf if self.year_from is None else self.year_from
            high = np.inf if self.year_to is None else self.year_to
            found &= (years >= low) & (years <= high)
        if self.reads_popularity:
            if popularity is None:
                raise UsageError("popularity: the popularity of the items is unknown. Leave it out.")
            percentiles, (low, high) = popularity.percentiles_of(catalogue), self.popularity
            found &= (percentiles >= low) & (percentiles <= high)
        return found
