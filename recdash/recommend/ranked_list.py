"""One model's list for somebody's picks, with reasons."""

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
    """What one pick did for one suggestion: `share` of the score, see `Suggestions.reasons_are`."""

    pick: Item
    share: float


@dataclass(frozen=True)
class Suggestion:
    """One place of a list; `score` is the model's own, not a probability."""

    rank: int
    item: Item
    score: float
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class RankedList:
    """What a model answers.

    unknown: picks that are not among the model's items.  reasons_are: "contribution" (exact parts of the score) or
    "score drop" (score lost when the pick is left out), empty without reasons.
    """

    items: tuple[Suggestion, ...]
    unknown: tuple[Item, ...]
    reasons_are: str = ""


def rank(model: Model, picks: Sequence[Item], k: int, *, explain: bool = True) -> RankedList:
    """Rank the model's items for somebody who likes the picks; the picks themselves are never in the list.

    picks: in the order in which they were liked. Without one that the model knows, only models that need none
    answer. Ties go to the lower item index.
    """
    indices = {item.id: model.catalogue.index_of.get(item.id) for item in picks}
    known = [(item, index) for item in picks if (index := indices[item.id]) is not None]
    unknown = tuple(item for item in picks if indices[item.id] is None)
    if not known and not model.answers_without_picks:
        return RankedList((), unknown)
    chosen = [index for _, index in known]
    scores = model.score(Histories.from_rows([chosen], model.shape.items))[0]
    masked = scores.copy()
    masked[chosen] = -np.inf
    best = np.lexsort((np.arange(len(masked)), -masked))[: max(0, min(k, len(masked) - len(set(chosen))))]
    shares, kind = _shares(model, chosen, best, scores) if explain and known else (None, "")
    suggestions = []
    for place, index in enumerate(best.tolist()):
        reasons = (
            [] if shares is None else [Reason(item, float(shares[row, place])) for row, (item, _) in enumerate(known)]
        )
        reasons.sort(key=lambda reason: -reason.share)
        suggestions.append(Suggestion(place + 1, model.catalogue[index], float(scores[index]), tuple(reasons)))
    return RankedList(tuple(suggestions), unknown, kind)


def _shares(
    model: Model, chosen: Sequence[int], best: NDArray[np.int64], scores: NDArray[np.float32]
) -> tuple[NDArray[np.float32] | None, str]:
    """What each pick adds to each suggestion, (picks, suggestions), and in what sense; None where no pick decides."""
    if not model.reads_picks:
        return None, ""
    exact = model.contributions(chosen, best.tolist())
    if exact is not None:
        return exact, CONTRIBUTION
    if len(chosen) < 2:
        return None, ""  # nothing would be left to compare with
    without = [[other for other in chosen if other != pick] for pick in chosen]
    return scores[best] - model.score(Histories.from_rows(without, model.shape.items))[:, best], SCORE_DROP
