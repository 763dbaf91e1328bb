"""Explanations of scores: what each pick contributes, exactly where a score is a sum, else by leaving the pick out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recdash.data.catalogue import Catalogue
from recdash.data.histories import Histories

CONTRIBUTION, SCORE_DROP = "contribution", "score drop"
NO_PICKS_READ = "does not read picks"
ONE_PICK_ONLY = "needs at least two picks: without its only pick there is no score to compare with"


class PickContributions(NamedTuple):
    """What each pick contributes to each item.

    Attributes:
        shares: (picks, items) float32, in the order of the picks; None if there is nothing to say.
        kind: "contribution" (exact parts of the score), "score drop" (score lost without the pick), or "".
        note: Why there are no shares; "" otherwise.
    """

    shares: NDArray[np.float32] | None
    kind: str = ""
    note: str = ""


class Contribution(NamedTuple):
    """What one pick contributes to the score of an item; what `share` means: `Explanation.kind`."""

    id: str
    title: str
    share: float


class ExplainedItem(NamedTuple):
    """An item with its score and what each pick contributes to it, the largest contribution first."""

    id: str
    title: str
    score: float
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True)
class Explanation:
    """Why a model scores items as it does.

    Attributes:
        items: The items, with the contribution of every pick.
        kind: "contribution" (exact parts, which add up to the score), "score drop" (score lost without the pick), or ""
            without contributions.
        note: Why there are no contributions; "" otherwise.
    """

    items: tuple[ExplainedItem, ...]
    kind: str = ""
    note: str = ""


class Explainable(Protocol):
    """What `pick_contributions` needs of a model."""

    uses_history: ClassVar[bool]
    exact_contributions: ClassVar[bool]

    def contributions(self, picks: Sequence[int], items: Sequence[int]) -> NDArray[np.float32] | None:
        """Return exact contributions, (picks, items), if the score is a sum of them."""

    def score_chunks(self, histories: Histories) -> Iterator[tuple[slice, Tensor]]:
        """Yield slices of rows and their scores, (rows of the slice, items)."""


def pick_contributions(model: Explainable, picks: Histories, items: Sequence[int]) -> PickContributions:
    """Return what each pick contributes to the scores of some items.

    Args:
        model: A trained model.
        picks: A single row: the picks in order, with ratings for rating models.
        items: Item indices.

    Returns:
        Exact contributions for models whose score is a sum over the picks. For others the score drop: the score minus
        the score that the item has without the pick. Nothing for models that read no picks, and no score drop for a
        single pick.
    """
    rows = rows_to_score(model, picks)
    return contributions_from(model, picks, _scores_of(model, rows, items), items)


def rows_to_score(model: Explainable, picks: Histories) -> Histories:
    """Return the rows whose scores `contributions_from` needs, for callers that score them together with others.

    Args:
        model: A trained model.
        picks: A single row.

    Returns:
        That row; for models whose contributions are score drops, also the row without each of its entries.
    """
    if not model.uses_history or model.exact_contributions or picks.n_entries < 2:
        return picks
    count = picks.n_entries
    remaining = np.ones((1 + count, count), np.bool_)  # (rows, entries)
    remaining[np.arange(1, 1 + count), np.arange(count)] = False
    every = picks.take(np.zeros(1 + count, np.int64))  # (1 row) -> (1 + entries rows)
    return every.select(remaining.ravel())


def contributions_from(
    model: Explainable, picks: Histories, scores: NDArray[np.float32], items: Sequence[int]
) -> PickContributions:
    """Return what `pick_contributions` does, from scores that are known already.

    Args:
        model: A trained model.
        picks: A single row.
        scores: (rows of `rows_to_score`, items) scores of the items.
        items: Item indices.
    """
    if not model.uses_history:
        return PickContributions(None, note=NO_PICKS_READ)
    if model.exact_contributions:
        return PickContributions(model.contributions(picks.items.tolist(), items), CONTRIBUTION)
    if picks.n_entries < 2:
        return PickContributions(None, note=ONE_PICK_ONLY)
    return PickContributions(scores[0] - scores[1:], SCORE_DROP)


def explanation(
    catalogue: Catalogue,
    picks: Sequence[int],
    items: Sequence[int],
    scores: NDArray[np.float32],
    found: PickContributions,
) -> Explanation:
    """Return contributions with titles.

    Args:
        catalogue: Items of the model.
        picks: Indices of the picks.
        items: Indices of the explained items.
        scores: (explained items,) their scores.
        found: Contributions of the picks to these items.
    """
    explained = []
    for column, (index, score) in enumerate(zip(items, scores.tolist(), strict=True)):
        shares = [] if found.shares is None else found.shares[:, column].tolist()
        contributions = [
            Contribution(catalogue[pick].id, catalogue[pick].label, share)
            for pick, share in zip(picks if shares else (), shares, strict=True)
        ]
        contributions.sort(key=lambda one: -one.share)
        explained.append(ExplainedItem(catalogue[index].id, catalogue[index].label, score, tuple(contributions)))
    return Explanation(tuple(explained), found.kind, found.note)


def _scores_of(model: Explainable, rows: Histories, items: Sequence[int]) -> NDArray[np.float32]:
    """Return the scores of some items, (rows, these items); all others are dropped chunk by chunk."""
    chosen = list(items)
    out = np.empty((len(rows), len(chosen)), np.float32)
    for chunk, scores in model.score_chunks(rows):
        out[chunk] = scores[:, chosen].cpu().numpy()
    return out
