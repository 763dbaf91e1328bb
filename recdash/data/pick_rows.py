"""Picks of one user or of many as rows of item indices, the form that models read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recdash.data.catalogue import Catalogue
from recdash.data.histories import Histories
from recdash.data.items import Item
from recdash.data.picks import Pick, resolve_all
from recdash.errors import UsageError, short_repr
from recdash.settings import real_number

_MAX_RATING = float(np.finfo(np.float32).max)


def history_of(
    catalogue: Catalogue,
    picks: Pick | Sequence[Pick],
    popularity: NDArray[Any] | None = None,
    *,
    ratings: Sequence[float] | None = None,
    scale: tuple[float, float] | None = None,
) -> Histories:
    """Return the picks of one user as a single row, in order.

    Args:
        catalogue: Items of the model.
        picks: Titles, ids or items (`recdash.data.picks.resolve`).
        popularity: (items,) counts, which decide between equal titles.
        ratings: One rating for each pick; None if picks have no ratings.
        scale: Lowest and highest possible rating; None for no bounds.

    Raises:
        UsageError: A pick matches no item or several, or the ratings do not fit the picks or the scale.
    """
    if ratings is None:
        return Histories.from_rows([resolve_all(catalogue, picks, popularity)], len(catalogue))
    picks = list(picks) if isinstance(picks, Iterator) else picks  # which can be read only once
    listed = picks if isinstance(picks, Collection) and not isinstance(picks, str | Item) else (picks,)
    try:
        given = list(ratings)
    except TypeError:
        raise UsageError(f"ratings: expected a list of numbers, found {short_repr(ratings)}.") from None
    chosen = resolve_all(catalogue, picks, popularity)
    if not len(chosen) == len(listed) == len(given):
        raise UsageError(
            f"ratings: {len(given)} ratings for {len(listed)} picks of {len(chosen)} different items. "
            "Name each item once, and give one rating for each."
        )
    numbers = np.array([real_number("rating", value) for value in given], np.float64)  # (picks,)
    low, high = (-_MAX_RATING, _MAX_RATING) if scale is None else scale
    values = numbers.clip(-_MAX_RATING, _MAX_RATING).astype(np.float32)  # (picks,)
    if (outside := numbers[(values < low) | (values > high) | (np.abs(numbers) > _MAX_RATING)]).size:
        raise UsageError(f"rating = {outside[0]:g} is outside the scale [{low:g}, {high:g}].")
    row = Histories.from_rows([chosen], len(catalogue))
    return Histories(row.indptr, row.items, values, row.n_items)


def rows_of(catalogue: Catalogue, histories: Any, n_items: int, popularity: NDArray[Any] | None = None) -> Histories:
    """Return the histories of many users.

    Args:
        catalogue: Items of the model.
        histories: Histories, a matrix (users, items), or a list with the titles, ids or items of each user.
        n_items: Number of items of the model.
        popularity: (items,) counts, which decide between equal titles.

    Raises:
        DataError: The rows are invalid or have another number of items.
        UsageError: A pick matches no item or several; the message names the row.
    """
    if not isinstance(histories, list | tuple):
        return Histories.from_any(histories, n_items)
    rows = []
    for number, picks in enumerate(histories):
        try:
            rows.append(resolve_all(catalogue, picks, popularity))
        except UsageError as error:
            raise UsageError(f"Row {number}: {error}") from error
    return Histories.from_rows(rows, n_items)
