"""One model's list for a taste: filters, adventure, scores as shown, and reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recdash.data.histories import Histories
from recdash.data.items import Item
from recdash.errors import TrainingError, UsageError
from recdash.models.base import Model
from recdash.models.explain import CONTRIBUTION, SCORE_DROP, contributions_from, rows_to_score
from recdash.recommend.item_filter import ItemFilter
from recdash.recommend.item_popularity import ItemPopularity
from recdash.recommend.score_scale import DisplayedScore, ScoreScale, display
from recdash.recommend.taste import LIKE, Mark, Taste, TasteEntry, model_input
from recdash.settings import real_number, whole_number

__all__ = ["CONTRIBUTION", "SCORE_DROP", "ListOptions", "RankedItem", "RankedList", "Reason", "rank"]

MAX_LENGTH = 1000
ADVENTURE_CANDIDATES = 200  # best permitted items that adventure reorders
MAX_LEFT_OUT = 200  # entries; of longer tastes a single one changes hardly anything, and each costs a score
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0


def check_length(k: int) -> None:
    """Raise UsageError if a list cannot have this length."""
    if not 1 <= k <= MAX_LENGTH:
        raise UsageError(f"k = {k} is outside [1, {MAX_LENGTH}]. It is the length of the list, for example 10.")


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """Options of a list.

    Attributes:
        k: Maximum length, from 1 to 1000.
        filter: Conditions that every listed item meets.
        adventure: From -1 (mainstream) to 1 (adventurous); 0 is the model's own order. Otherwise the model's 200 best
            permitted items are ordered by (1 - |adventure|) z(score) - adventure z(log popularity), where z
            standardises among these 200. The mean log popularity of a list never rises with adventure.
        temperature: Divisor of the logits of displayed probabilities, from 0.05 to 20; it changes no order.
        reasons: Whether to compute reasons; score drops only for tastes of at most 200 entries.

    Raises:
        UsageError: An option is out of range.
    """

    k: int = 10
    filter: ItemFilter = field(default_factory=ItemFilter)
    adventure: float = 0.0
    temperature: float = 1.0
    reasons: bool = True

    def __post_init__(self) -> None:
        whole_number("k", self.k, 1, MAX_LENGTH)
        if not -1 <= real_number("adventure", self.adventure) <= 1:
            raise UsageError(f"adventure = {self.adventure:g} is outside [-1, 1]. 0 is the model's own order.")
        if not MIN_TEMPERATURE <= real_number("temperature", self.temperature) <= MAX_TEMPERATURE:
            raise UsageError(
                f"temperature = {self.temperature:g} is outside [{MIN_TEMPERATURE:g}, {MAX_TEMPERATURE:g}]. The usual "
                "one is 1."
            )


@dataclass(frozen=True)
class Reason:
    """Contribution of one entry of the taste to one item: `share` of the score, see `RankedList.reason_kind`."""

    pick: Item
    share: float
    mark: Mark = LIKE


@dataclass(frozen=True)
class RankedItem:
    """One item of a list.

    Attributes:
        rank: Rank, from 1.
        item: The item.
        score: The model's own score, not a probability.
        reasons: Contribution of each entry that the model reads, largest first, negative ones included.
        bar: Length of the score's bar, from 0 to 1, see `RankedList.scale`.
        score_text: The score on that scale, for example "1.2%", "4.3" or "87".
    """

    rank: int
    item: Item
    score: float
    reasons: tuple[Reason, ...] = ()
    bar: float = 0.0
    score_text: str = ""

    @property
    def because(self) -> tuple[Reason, ...]:
        """The reasons to name: those that raise the score, largest first."""
        return tuple(reason for reason in self.reasons if reason.share > 0)


@dataclass(frozen=True)
class RankedList:
    """A model's list for a taste.

    Attributes:
        items: The list, best item first.
        unknown: Items that the model would read, but does not know.
        reason_kind: "contribution" (exact parts of the score), "score drop" (score lost without the entry), or ""
            without reasons.
        scale: Scale of the displayed scores; None for an empty list.
        n_read: Number of entries that the model read.
        n_permitted: Number of items that the list could have, after filters.
    """

    items: tuple[RankedItem, ...]
    unknown: tuple[Item, ...]
    reason_kind: str = ""
    scale: ScoreScale | None = None
    n_read: int = 0
    n_permitted: int = 0


def rank(
    model: Model,
    taste: Taste | Sequence[Item],
    k: int | None = None,
    *,
    options: ListOptions | None = None,
    popularity: ItemPopularity | None = None,
) -> RankedList:
    """Rank the model's items for a taste; no item of the taste, liked or not, is ever in the list.

    Args:
        model: A trained model; it is not changed.
        taste: A taste, or liked items in their order. Without any entry that the model reads and knows, only models
            that need none return a list.
        k: Maximum length of the list; overrides that of the options.
        options: Filters, adventure, temperature and reasons; by default none but reasons.
        popularity: Popularity of the items; by default that of the model's training data.

    Returns:
        The list; ties go to the lower item index. Items that a rating model has too few ratings of are left out.

    Raises:
        UsageError: An option is out of range, or needs a popularity that is unknown.
        TrainingError: A score is NaN or infinite.
    """
    taste = taste if isinstance(taste, Taste) else Taste.of_likes(dict.fromkeys(taste))
    options = options or ListOptions()
    options = options if k is None else replace(options, k=k)
    popularity = _training_popularity(model) if popularity is None else popularity
    read, unknown = taste.read_by(model), _unread(model, taste)
    if not read and not model.accepts_empty_history:
        return RankedList((), unknown)
    row = model_input(model, [read], taste.scale)
    gives_reasons = options.reasons and len(read) > 0 and (model.exact_contributions or len(read) <= MAX_LEFT_OUT)
    # One batch: a decoder reads all its weights for one row as for ten.
    all_scores = model.score(rows_to_score(model, row) if gives_reasons else row)  # (1 + left out, items)
    scores = all_scores[0]  # (items,)
    if not np.isfinite(scores).all():
        raise TrainingError(f"The scores of {model.name} contain NaN or infinity, so there is no list. Train it again.")
    index_of = model.catalogue.index_of
    candidates = np.ones(len(scores), np.bool_)  # (items,)
    candidates[[index_of[item.id] for item in taste.items if item.id in index_of]] = False
    permitted = candidates & options.filter.permitted(model.catalogue, popularity) & (scores > model.lowest_listed)
    listed = _best(model, scores, permitted, options, popularity)  # (at most k,)
    scale, shown = display(model, scores, listed, candidates, options.temperature)
    reasons, kind = _reasons(model, read, row, all_scores, listed) if gives_reasons else ([], "")
    items = [
        _ranked_item(model, place, int(index), float(scores[index]), shown[place], reasons[place] if kind else ())
        for place, index in enumerate(listed)
    ]
    return RankedList(tuple(items), unknown, kind, scale, len(read), int(permitted.sum()))


def _ranked_item(
    model: Model, place: int, index: int, score: float, shown: DisplayedScore, reasons: tuple[Reason, ...]
) -> RankedItem:
    return RankedItem(place + 1, model.catalogue[index], score, reasons, shown.bar, shown.text)


def _unread(model: Model, taste: Taste) -> tuple[Item, ...]:
    """Return the items that the model would read if it knew them."""
    index_of = model.catalogue.index_of
    wanted = taste.items if model.task == "rating" else taste.liked
    return tuple(item for item in wanted if item.id not in index_of)


def _training_popularity(model: Model) -> ItemPopularity | None:
    if model.popularity is None:
        return None
    return ItemPopularity(model.catalogue, model.popularity, model.shape.users)


def _best(
    model: Model,
    scores: NDArray[np.float32],
    permitted: NDArray[np.bool_],
    options: ListOptions,
    popularity: ItemPopularity | None,
) -> NDArray[np.int64]:
    """Return the indices of the list, best first, (at most k,)."""
    among = np.flatnonzero(permitted)
    order: NDArray[np.int64] = among[np.argsort(-scores[among], kind="stable")]  # ties: lower index first
    if options.adventure == 0:
        return order[: options.k]
    if popularity is None:
        raise UsageError("adventure: the popularity of the items is unknown. Leave adventure at 0.")
    order = order[: max(options.k, ADVENTURE_CANDIDATES)]
    log_counts = np.log1p(popularity.counts_of([model.catalogue[int(index)] for index in order]))
    value = (1 - abs(options.adventure)) * _standardised(scores[order]) - options.adventure * _standardised(log_counts)
    return order[np.argsort(-value, kind="stable")][: options.k]


def _standardised(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return values with mean 0 and standard deviation 1; zeros if all are equal."""
    centred = values.astype(np.float64) - values.mean(dtype=np.float64) if len(values) else values.astype(np.float64)
    deviation = float(centred.std()) if len(values) else 0.0
    return centred / deviation if deviation > 1e-12 else np.zeros(len(values))


def _reasons(
    model: Model,
    read: Sequence[TasteEntry],
    row: Histories,
    all_scores: NDArray[np.float32],
    listed: NDArray[np.int64],
) -> tuple[list[tuple[Reason, ...]], str]:
    """Return the reasons of each listed item, largest share first, and their kind; "" without reasons.

    Args:
        model: The model.
        read: The entries that it reads.
        row: The same entries as a single row.
        all_scores: (rows, items) scores of `rows_to_score`.
        listed: Indices of the listed items.
    """
    shares, kind, _ = contributions_from(model, row, all_scores[:, listed], listed.tolist())
    if shares is None or not len(listed):
        return [], ""
    reasons = []
    for column in shares.T:  # (entries, items) -> (entries,) of each item
        order = np.argsort(-column, kind="stable")
        reasons.append(tuple(Reason(read[row].item, float(column[row]), read[row].mark) for row in order.tolist()))
    return reasons, kind
