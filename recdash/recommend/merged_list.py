"""One ranked list of several: reciprocal rank fusion, with the rank in each list and how much the lists disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recdash.data.items import Item

FUSION_K = 60  # constant of Cormack et al., SIGIR 2009: large enough that no single list decides
STRONG_DISAGREEMENT = 0.7  # in the top 30% of one list, absent from another


@dataclass(frozen=True)
class MergedItem:
    """One item of a merged list.

    Attributes:
        rank: Rank in the merged list, from 1.
        item: The item.
        score: Sum of 1 / (60 + rank) over the lists that have the item.
        ranks: Rank in each list by name; None where the list does not have it. Empty lists are left out.
        disagreement: Difference between the highest and the lowest position of the item in the lists, 0 to 1; the
            position is 1 at the top, falls in equal steps, and is 0 for an absent item. 1 means first in one list and
            absent from another.
    """

    rank: int
    item: Item
    score: float
    ranks: Mapping[str, int | None]
    disagreement: float

    @property
    def lists(self) -> tuple[str, ...]:
        """Names of the lists that have the item."""
        return tuple(name for name, rank in self.ranks.items() if rank is not None)

    @property
    def is_disputed(self) -> bool:
        """Whether the item is high in one list and far lower or absent in another."""
        return self.disagreement >= STRONG_DISAGREEMENT


def merge_lists(
    lists: Mapping[str, Sequence[Item]], limit: int | None = None, *, k: int = FUSION_K
) -> tuple[MergedItem, ...]:
    """Merge lists by reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009).

    Args:
        lists: Items of each list, best first, by name.
        limit: Maximum length of the merged list; by default all items.
        k: Constant that is added to each rank; the larger it is, the less the first ranks stand out.

    Returns:
        The merged list. Ties go to the item with the better best rank, then to the one in the earlier list.
    """
    ranks = {name: {item.id: rank for rank, item in enumerate(items, 1)} for name, items in lists.items() if items}
    by_id: dict[str, Item] = {}
    for items in lists.values():
        for item in items:
            by_id.setdefault(item.id, item)
    scores = {
        item_id: sum(1 / (k + found[item_id]) for found in ranks.values() if item_id in found) for item_id in by_id
    }
    best = {item_id: min(found[item_id] for found in ranks.values() if item_id in found) for item_id in by_id}
    order = sorted(by_id, key=lambda item_id: (-scores[item_id], best[item_id]))[:limit]
    return tuple(
        MergedItem(
            place,
            by_id[item_id],
            scores[item_id],
            {name: found.get(item_id) for name, found in ranks.items()},
            _disagreement([_position(found, item_id) for found in ranks.values()]),
        )
        for place, item_id in enumerate(order, 1)
    )


def _position(ranks: Mapping[str, int], item_id: str) -> float:
    """Return 1 for the first item of a list, 1 / length for the last, 0 for an absent one."""
    return (len(ranks) + 1 - ranks[item_id]) / len(ranks) if item_id in ranks else 0.0


def _disagreement(positions: Sequence[float]) -> float:
    return max(positions) - min(positions)
