"""One model's list for a user's picks, with reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recdash.data.histories import Histories
from recdash.data.items import Item
from recdash.models.base import Model

CONTRIBUTION, SCORE_DROP = "contribution", "score drop"


@dataclass(frozen=True)
class Reason:
    """Contribution of one pick to one item: `share` of the score, see `RankedList.reason_kind`."""

    pick: Item
    share: float


@dataclass(frozen=True)
class RankedItem:
    """One item of a list; `score` is the model's own, not a probability."""

    rank: int
    item: Item
    score: float
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class RankedList:
    """A model's list for some picks.

    Attributes:
        items: The list, best item first.
        unknown: Picks that are not among the model's items.
        reason_kind: "contribution" (exact parts of the score), "score drop" (score lost without the pick), or ""
            without reasons.
    """

    items: tuple[RankedItem, ...]
    unknown: tuple[Item, ...]
    reason_kind: str = ""


def rank(model: Model, picks: Sequence[Item], k: int, *, explain: bool = True) -> RankedList:
    """Rank the model's items for a user who likes the picks; the picks are never in the list.

    Args:
        model: A trained model.
        picks: Liked items, in the order in which they were liked. Without any pick that the model knows, only models
            that need none return a list.
        k: Maximum length of the list.
        explain: Whether to compute reasons.

    Returns:
        The list; ties go to the lower item index.
    """
    indices = {item.id: model.catalogue.index_of.get(item.id) for item in picks}
    known = [(item, index) for item in picks if (index := indices[item.id]) is not None]
    unknown = tuple(item for item in picks if indices[item.id] is None)
    if not known and not model.accepts_empty_history:
        return RankedList((), unknown)
    chosen = [index for _, index in known]
    scores = model.score(Histories.from_rows([chosen], model.shape.items))[0]
    masked = scores.copy()
    masked[chosen] = -np.inf
    best = np.lexsort((np.arange(len(masked)), -masked))[: max(0, min(k, len(masked) - len(set(chosen))))]
    shares, kind = _shares(model, chosen, best, scores) if explain and known else (None, "")
    items = []
    for rank, index in enumerate(best.tolist(), 1):
        reasons = (
            []
            if shares is None
            else [Reason(item, float(shares[row, rank - 1])) for row, (item, _) in enumerate(known)]
        )
        reasons.sort(key=lambda reason: -reason.share)
        items.append(RankedItem(rank, model.catalogue[index], float(scores[index]), tuple(reasons)))
    return RankedList(tuple(items), unknown, kind)


def _shares(
    model: Model, chosen: Sequence[int], best: NDArray[np.int64], scores: NDArray[np.float32]
) -> tuple[NDArray[np.float32] | None, str]:
    """Contribution of each pick to each item, (picks, items), and its kind; None if picks do not matter."""
    if not model.uses_history:
        return None, ""
    exact = model.contributions(chosen, best.tolist())
    if exact is not None:
        return exact, CONTRIBUTION
    if len(chosen) < 2:
        return None, ""  # without its only pick the list has no input to compare with
    without = [[other for other in chosen if other != pick] for pick in chosen]
    return scores[best] - model.score(Histories.from_rows(without, model.shape.items))[:, best], SCORE_DROP
