"""What columns mean: ids are numbers or words, values stars, labels or counts, times dates or an order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recdash.data.dataset_file import Feedback
from recdash.data.readers.column_roles import COUNTS, LABELS, is_dated
from recdash.data.readers.columns import Columns
from recdash.data.readers.read_options import ReadOptions
from recdash.data.readers.title_files import plain
from recdash.data.timestamps import Misfit, Times, from_datetimes, from_numbers
from recdash.errors import Fixes

CONVENTIONS = ((1.0, 5.0), (0.5, 5.0), (1.0, 10.0), (0.0, 10.0), (-10.0, 10.0), (0.0, 100.0))
_SENTINELS = (0.0, -1.0, 99.0, 255.0, 999.0, -99.0, -999.0, 100.0, 9999.0)
_CUT_SHORT = re.compile(r"[0-9]([.,][0-9]+)?E\+[0-9]+", re.IGNORECASE)
_FEW = 0.001  # of all ratings; so few beyond a usual scale are errors of their lines
_FEWEST_ROWS = 4
_NOT_RATED = 1.5  # zeros so many times more frequent than any rating may mean "not rated"
_EVERY_ROW: Fixes = {"Every row is a positive": {"rating": "none"}}
_SKEWED = 10  # the largest count is so many times the median


class Values(NamedTuple):
    """What the value column is; note says how that was found.  positive_from: where counts may be 0, what is more."""

    feedback: Feedback
    scale: tuple[float, float] | None
    note: str = ""
    positive_from: float | None = None


class Unclear(ValueError):
    """The values can be read in several ways, and only their owner knows which; the text says how to say it.

    fixes: as of `DataError`.
    """

    def __init__(self, text: str, fixes: Fixes | None = None) -> None:
        super().__init__(text)
        self.fixes: Fixes = fixes or {}


def numeric_ids(names: Sequence[str]) -> list[str] | None:
    """Return whole numbers without ".0" when all ids are such numbers; None when they are words, kept as they are.

    Numbers with leading zeros are words.  Raises Unclear where a spreadsheet has cut long numbers short.
    """
    short = next((name for name in names if _CUT_SHORT.fullmatch(name)), None)
    if short is not None:
        raise Unclear(
            f"ids such as {short} were cut short by a spreadsheet, which joins different ones. Export the ids as text."
        )
    found = []
    for name in names:
        whole, _, fraction = name.partition(".")
        if not whole.isascii() or not whole.isdecimal() or fraction.strip("0") or (len(whole) > 1 and whole[0] == "0"):
            return None
        found.append(whole)
    return found


def values(ratings: NDArray[np.float32], column: str, options: ReadOptions) -> Values:
    """Say what the values of a column are, from its name and all of them.

    Raises Misfit for a value outside the scale, Unclear where nothing usual fits.
    """
    name = plain(column)
    low, high = float(ratings.min()), float(ratings.max())
    if options.scale is not None:
        _check_scale(ratings, options.scale, "")
        return Values("ratings", options.scale)
    distinct = set(np.unique(ratings[: 1 << 16]).tolist())
    if {low, high} <= {0.0, 1.0} and distinct <= {0.0, 1.0} and (low < high or name in LABELS):
        return Values("labels", (0.0, 1.0), f"{column}: 1 is a positive, 0 is not")
    if (low, high) == (-1.0, 1.0) and distinct <= {-1.0, 0.0, 1.0}:
        return Values("labels", (-1.0, 1.0), f"{column}: 1 is a positive, the others are not")
    if low == high == 1.0:
        return Values("counts", None, f"{column}: always 1, so every row counts as a positive")
    whole = not np.any(ratings % 1)
    if name in COUNTS and low < 0:
        raise Unclear(
            f"values in {column} go down to {low:g}, which no count does. Leave such rows out "
            f"(--ignore-rating {low:g}).",
            {f"Leave rows of {low:g} out": {"ignore_ratings": (low,)}},
        )
    if name in COUNTS:
        return _counted(ratings, column)
    scale = _convention(low, high, whole, not np.any(ratings % 0.5))
    narrower = _outlier(ratings, scale)
    if narrower is not None:
        _check_scale(ratings, narrower, " of the others")
    if whole and low >= 0 and high > 10 and (high > 100 or high >= _SKEWED * float(np.median(ratings))):
        return _counted(ratings, column)
    if low == high and (scale is None or low == 0):
        raise Unclear(
            f"all values in {column} are {low:g}. Give the scale, or say that every row counts (--rating none).",
            _EVERY_ROW,
        )
    if scale is None or (scale == CONVENTIONS[-1] and high <= scale[1] / 2):
        raise Unclear(
            f"values from {low:g} to {high:g} in {column} are on no usual scale. Give it (--scale {low:g}..{high:g}), "
            "or say that every row counts (--rating none).",
            {f"The scale is {low:g} to {high:g}": {"scale": (low, high)}, **_EVERY_ROW},
        )
    if low == 0:
        return _with_zeros(ratings, column, scale)
    return Values("ratings", scale)


def times(columns: Columns, column: str, text: bool) -> Times | None:
    """Read the time column; raises Misfit for the first time that does not belong."""
    if columns.times is None:
        return None
    whole, nanos = columns.times
    if not text:
        return from_numbers(whole, nanos, named_date=is_dated(column) and "stamp" not in plain(column))
    if nanos is None:
        return from_datetimes(whole.astype("datetime64[s]"))
    return from_datetimes(whole.astype("datetime64[s]").astype("datetime64[ns]") + nanos.astype("timedelta64[ns]"))


def _convention(low: float, high: float, whole: bool, halves: bool) -> tuple[float, float] | None:
    """The narrowest usual scale that holds these values."""
    for scale in CONVENTIONS:
        if scale == (1.0, 5.0) and halves and not whole:
            continue  # half stars go down to 0.5
        if scale[0] < 0 and whole:
            continue  # the scale with negative ratings is a slider
        if scale[0] <= 0 and max(-low, high) <= scale[1] / 2:
            continue  # such as shares between 0 and 1
        if scale[0] <= low and high <= scale[1]:
            return scale
    return None


def _outlier(ratings: NDArray[np.float32], scale: tuple[float, float] | None) -> tuple[float, float] | None:
    """The narrower usual scale that all values but very few keep, or all but one that often means "not rated"."""
    if len(ratings) < _FEWEST_ROWS:
        return None
    for narrower in CONVENTIONS:
        if narrower == scale or (narrower, scale) == (CONVENTIONS[0], CONVENTIONS[1]):
            return None
        outside = ratings[(ratings < narrower[0]) | (ratings > narrower[1])]
        if not len(outside):
            return None
        few = len(outside) <= max(1, _FEW * len(ratings))
        sentinel = len(outside) < len(ratings) and outside.min() == outside.max() and float(outside[0]) in _SENTINELS
        beyond = outside.max() > 2 * narrower[1] or outside.min() < narrower[0] if sentinel else few
        zero_to_ten = sentinel and outside[0] == 0 and narrower == (1.0, 10.0)
        if (few or (sentinel and beyond)) and not zero_to_ten and _inside_is_usual(ratings, narrower):
            return narrower
    return None


def _inside_is_usual(ratings: NDArray[np.float32], scale: tuple[float, float]) -> bool:
    inside = ratings[(ratings >= scale[0]) & (ratings <= scale[1])]
    if scale[0] < 0:
        return bool(inside.min() < 0 and np.any(inside % 1))
    return len(inside) > 1 and bool(inside.max() > scale[1] / 2)


def _check_scale(ratings: NDArray[np.float32], scale: tuple[float, float], whose: str) -> None:
    outside = (ratings < scale[0]) | (ratings > scale[1])
    if not outside.any():
        return
    row, count = int(np.argmax(outside)), int(outside.sum())
    value = ratings[row]
    said = f"the rating is {value:g}, outside the scale {scale[0]:g} to {scale[1]:g}{whose}"
    also = f" (as in {count - 1:,} other rows)" if count > 1 else ""
    low, high = min(scale[0], float(ratings.min())), max(scale[1], float(ratings.max()))
    raise Misfit(
        outside,
        f"{said}{also}. Correct it, say that it means not rated (--ignore-rating {value:g}), "
        f"or give the scale (--scale {low:g}..{high:g}).",
        {
            f"{value:g} means not rated": {"ignore_ratings": (float(value),)},
            f"The scale is {low:g} to {high:g}": {"scale": (low, high)},
        },
    )


def _with_zeros(ratings: NDArray[np.float32], column: str, scale: tuple[float, float]) -> Values:
    _, counts = np.unique(ratings, return_counts=True)
    if len(counts) > 1 and counts[0] >= _NOT_RATED * counts[1:].max():
        raise Unclear(
            f"{counts[0]:,} of {len(ratings):,} values in {column} are 0, more than of any other. If 0 means not "
            f"rated, add --ignore-rating 0; if it is a rating, add --scale {scale[0]:g}..{scale[1]:g}.",
            {"Leave the zeros out": {"ignore_ratings": (0.0,)}, "0 is a rating": {"scale": scale}},
        )
    return Values("ratings", scale, f"{column}: 0 is the lowest rating; --ignore-rating 0 if it means not rated")


def _counted(ratings: NDArray[np.float32], column: str) -> Values:
    if ratings.min() > 0:
        said = "every row is a positive (--positive-from N asks for more)"
        return Values("counts", None, f"{column}: counts, not stars; {said}")
    least = float(ratings[ratings > 0].min(initial=np.inf))
    if not np.isfinite(least):
        raise Unclear(
            f"all values in {column} are 0. Say that every row counts (--rating none), or name another column.",
            _EVERY_ROW,
        )
    return Values("counts", None, f"{column}: counts, not stars; more than 0 is a positive", least)
