"""How lists differ: rank-biased overlap, shared and unique items, popularity and novelty, and what all agree on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recdash.data.items import Item
from recdash.errors import UsageError
from recdash.recommend.item_popularity import ItemPopularity

PERSISTENCE = 0.9  # p: the first ten ranks have 86% of the weight (Webber et al., 2010, section 4)


@dataclass(frozen=True)
class ListProfile:
    """Popularity of the items of one list; NaN for an empty list.

    Attributes:
        mean_count: Mean number of interactions.
        mean_percentile: Mean popularity percentile, 0 to 1: the share of all items that are less popular.
        novelty: Mean self-information in bits: -log2 of the share of users who have the item.
    """

    mean_count: float
    mean_percentile: float
    novelty: float


@dataclass(frozen=True, eq=False)
class ListComparison:
    """How several lists for the same taste differ. Empty lists take part, but agreement is that of the others.

    Attributes:
        names: Names of the lists.
        shared: (lists, lists) number of items in both.
        overlap: (lists, lists) rank-biased overlap, 0 to 1.
        only_in: Items that no other list has, by list, in its order.
        in_all: Items of every list that is not empty, by mean rank; empty with fewer than two such lists.
        profiles: Popularity and novelty by list; empty without known popularity.
    """

    names: tuple[str, ...]
    shared: NDArray[np.int64]
    overlap: NDArray[np.float64]
    only_in: Mapping[str, tuple[Item, ...]]
    in_all: tuple[Item, ...]
    profiles: Mapping[str, ListProfile]


def compare_lists(
    lists: Mapping[str, Sequence[Item]], popularity: ItemPopularity | None = None, *, p: float = PERSISTENCE
) -> ListComparison:
    """Compare lists.

    Args:
        lists: Items of each list, best first, by name.
        popularity: Popularity of the items, for the profiles.
        p: Persistence of the rank-biased overlap.
    """
    names, ids = tuple(lists), {name: [item.id for item in items] for name, items in lists.items()}
    sets = [set(ids[name]) for name in names]
    shared = np.array([[len(a & b) for b in sets] for a in sets], np.int64).reshape(len(names), len(names))
    overlap = np.ones((len(names), len(names)))
    for row, first in enumerate(names):
        for column, second in enumerate(names):
            if row <= column:
                overlap[row, column] = overlap[column, row] = rank_biased_overlap(ids[first], ids[second], p)
    n_lists_with: dict[str, int] = {}
    for found in sets:
        for item_id in found:
            n_lists_with[item_id] = n_lists_with.get(item_id, 0) + 1
    only_in = {
        name: tuple(item for item in items if n_lists_with[item.id] == 1) if len(names) > 1 else ()
        for name, items in lists.items()
    }
    profiles = {} if popularity is None else {name: profile(items, popularity) for name, items in lists.items()}
    return ListComparison(names, shared, overlap, only_in, _in_all(lists), profiles)


def rank_biased_overlap(a: Sequence[str], b: Sequence[str], p: float = PERSISTENCE) -> float:
    """Return the extrapolated rank-biased overlap (Webber, Moffat and Zobel, ACM TOIS 2010, equation 32).

    A weighted mean of the agreement at each depth, with weight p^d at depth d; beyond the lists the agreement is
    assumed to stay. 1 for equal lists, 0 for lists without a common item, and for an empty list with any other.

    Args:
        a: Distinct ids, best first.
        b: Distinct ids, best first; may have another length.
        p: Persistence, above 0 and below 1: the closer to 1, the more later ranks count.

    Raises:
        UsageError: p is out of range, or a list has an id twice.
    """
    if not 0 < p < 1:
        raise UsageError(f"p = {p:g} is outside (0, 1). The usual persistence is {PERSISTENCE:g}.")
    if len(set(a)) < len(a) or len(set(b)) < len(b):
        raise UsageError("A ranked list has an item twice. Give each item once.")
    short, long = sorted((a, b), key=len)
    s, n = len(short), len(long)
    if s == 0:
        return 1.0 if n == 0 else 0.0
    in_short, in_long = set[str](), set[str]()
    common, total, common_at_s = 0, 0.0, 0
    for depth in range(1, n + 1):
        newest = long[depth - 1]
        in_long.add(newest)
        if depth <= s:
            other = short[depth - 1]
            in_short.add(other)
            common += (newest in in_short) + (other in in_long and other != newest)
            common_at_s = common
        else:
            common += newest in in_short
            total += p**depth * common_at_s * (depth - s) / (s * depth)
        total += p**depth * common / depth
    beyond = (common - common_at_s) / n + common_at_s / s
    return float(min(1.0, max(0.0, (1 - p) / p * total + beyond * p**n)))


def profile(items: Sequence[Item], popularity: ItemPopularity) -> ListProfile:
    """Return mean popularity and novelty of the items of a list."""
    if not items:
        return ListProfile(np.nan, np.nan, np.nan)
    return ListProfile(
        float(popularity.counts_of(items).mean()),
        float(popularity.percentiles_of(items).mean()),
        float(popularity.novelty_of(items).mean()),
    )


def _in_all(lists: Mapping[str, Sequence[Item]]) -> tuple[Item, ...]:
    ranks = [{item.id: place for place, item in enumerate(items)} for items in lists.values() if items]
    if len(ranks) < 2:
        return ()
    first = next(items for items in lists.values() if items)
    common = [item for item in first if all(item.id in by_id for by_id in ranks)]
    return tuple(sorted(common, key=lambda item: sum(by_id[item.id] for by_id in ranks)))
