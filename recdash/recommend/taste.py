"""A visitor's taste: liked, disliked and rated items in order, and what a model reads of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import numpy as np

from recdash.data.histories import Histories
from recdash.data.items import Item
from recdash.errors import UsageError, short_repr
from recdash.models.base import Model

Mark = float | Literal["like", "dislike"]
LIKE: Mark = "like"
DISLIKE: Mark = "dislike"
LIKE_POSITION, DISLIKE_POSITION = 0.875, 0.125  # on the rating scale: 4.5 and 1.5 on a scale of 1 to 5
DEFAULT_SCALE = (0.5, 5.0)  # of stars, for data without a rating scale


class TasteEntry(NamedTuple):
    """One item and what the visitor thinks of it: "like", "dislike" or a number of stars."""

    item: Item
    mark: Mark = LIKE

    def rating(self, scale: tuple[float, float]) -> float:
        """Return the entry as a rating on a scale; stars outside it are clipped."""
        low, high = scale
        if isinstance(self.mark, str):
            position = LIKE_POSITION if self.mark == LIKE else DISLIKE_POSITION
            return low + position * (high - low)
        return min(high, max(low, self.mark))

    def is_liked(self, positive_from: float) -> bool:
        """Whether the entry is a positive: a like, or at least so many stars."""
        return self.mark == LIKE if isinstance(self.mark, str) else self.mark >= positive_from


@dataclass(frozen=True)
class Taste:
    """Entries in the visitor's order, each item once.

    Attributes:
        entries: The entries.
        scale: Lowest and highest number of stars.
        positive_from: Fewest stars of a positive.
    """

    entries: tuple[TasteEntry, ...] = ()
    scale: tuple[float, float] = DEFAULT_SCALE
    positive_from: float = 4.0

    def __post_init__(self) -> None:
        """Raise UsageError if an item occurs twice."""
        ids = [entry.item.id for entry in self.entries]
        if len(set(ids)) < len(ids):
            twice = next(item_id for item_id in ids if ids.count(item_id) > 1)
            raise UsageError(f"Item {short_repr(twice)} occurs twice in this taste. Name each item once.")

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[TasteEntry]:
        return iter(self.entries)

    @classmethod
    def of_likes(cls, items: Iterable[Item]) -> Self:
        """Return a taste of liked items only."""
        return cls(tuple(TasteEntry(item) for item in items))

    @property
    def items(self) -> tuple[Item, ...]:
        """All items, liked or not; none of them is ever recommended."""
        return tuple(entry.item for entry in self.entries)

    @property
    def liked(self) -> tuple[Item, ...]:
        """The positives, in order."""
        return tuple(entry.item for entry in self.entries if entry.is_liked(self.positive_from))

    def read_by(self, model: Model) -> tuple[TasteEntry, ...]:
        """Return the entries that a model reads: all for rating models, else the positives; only items it knows."""
        known = model.catalogue.index_of
        return tuple(
            entry
            for entry in self.entries
            if entry.item.id in known and (model.task == "rating" or entry.is_liked(self.positive_from))
        )

    def describe_reading(self, model: Model) -> str:
        """Return what a model reads of this taste, for display: "reads 4 likes, in this order"."""
        if not model.uses_history:
            return "does not read your picks"
        n_read = len(self.read_by(model))
        if model.task == "rating":
            return f"reads {n_read} {'rating' if n_read == 1 else 'ratings'}; a like counts as {self._as_stars(model)}"
        order = "in this order" if model.needs_order else "in any order"
        return f"reads {n_read} {'like' if n_read == 1 else 'likes'}, {order}"

    def _as_stars(self, model: Model) -> str:
        scale = model.shape.scale or self.scale
        like, dislike = (TasteEntry(Item("", ""), mark).rating(scale) for mark in (LIKE, DISLIKE))
        return f"{like:g} stars, a dislike as {dislike:g}"


def model_input(model: Model, rows: Sequence[Sequence[TasteEntry]], scale: tuple[float, float]) -> Histories:
    """Return the histories that a model scores: one row for each list of entries, with ratings for rating models.

    Args:
        model: A trained model.
        rows: Entries of items that the model knows, as `Taste.read_by` returns them.
        scale: Scale of the stars, if the model has none of its own.
    """
    index_of = model.catalogue.index_of
    histories = Histories.from_rows([[index_of[entry.item.id] for entry in row] for row in rows], model.shape.items)
    if model.task != "rating":
        return histories
    own = model.shape.scale or scale
    values = np.array([entry.rating(own) for row in rows for entry in row], np.float32)  # (entries,)
    return Histories(histories.indptr, histories.items, values, histories.n_items, histories.ordered)


def parse_mark(text: str) -> Mark:
    """Parse "like", "dislike" or a number of stars. Raises ValueError for anything else."""
    if text in (LIKE, DISLIKE):
        return LIKE if text == LIKE else DISLIKE
    stars = float(text)
    if not np.isfinite(stars):
        raise ValueError(f"not a number of stars: {text}")
    return stars


def format_mark(mark: Mark) -> str:
    """Return a mark as text that `parse_mark` reads."""
    return mark if isinstance(mark, str) else f"{mark:g}"
