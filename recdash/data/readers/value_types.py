"""Types of columns: ids are numbers or text; values are ratings, labels or counts; times are dates or an order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recdash.data.dataset_file import Feedback
from recdash.data.readers.column_names import normalise_name
from recdash.data.readers.column_roles import (
    COUNT_NAMES,
    LABEL_NAMES,
    is_date_name,
)
from recdash.data.readers.columns import Columns
from recdash.data.readers.read_options import ReadOptions
from recdash.data.timestamps import (
    ColumnError,
    Times,
    from_datetimes,
    from_numbers,
)
from recdash.errors import Fixes

USUAL_SCALES = ((1.0, 5.0), (0.5, 5.0), (1.0, 10.0), (0.0, 10.0), (-10.0, 10.0), (0.0, 100.0))
_SENTINELS = (0.0, -1.0, 99.0, 255.0, 999.0, -99.0, -999.0, 100.0, 9999.0)
_SCIENTIFIC_NOTATION = re.compile(r"[0-9]([.,][0-9]+)?E\+[0-9]+", re.IGNORECASE)
_MAX_OUTLIER_SHARE = 0.001  # of all ratings; fewer outside a usual scale are errors of their lines
_MIN_ROWS = 4  # to tell outliers from the rest
_ZERO_EXCESS = 1.5  # zeros this many times as frequent as any rating may mean "not rated"
_EVERY_ROW: Fixes = {"Every row is a positive": {"rating": "none"}}
_COUNT_SKEW = 10  # integers above 10 whose maximum is at least this many times the median are counts


class InferredValues(NamedTuple):
    """The type of the value column.

    Attributes:
        feedback: Ratings, labels or counts.
        scale: Lowest and highest possible value; None for counts.
        note: How the type was inferred.
        positive_from: Lowest value of a positive, for counts that may be 0.
    """

    feedback: Feedback
    scale: tuple[float, float] | None
    note: str = ""
    positive_from: float | None = None


class AmbiguousColumn(ValueError):
    """Values that can be read in several ways; the message lists the options that decide.

    fixes: as of `DataError`.
    """

    def __init__(self, text: str, fixes: Fixes | None = None) -> None:
        super().__init__(text)
        self.fixes: Fixes = fixes or {}


def numeric_ids(names: Sequence[str]) -> list[str] | None:
    """Return ids without ".0" if all are whole numbers; None if they are text, which includes leading zeros.

    Raises:
        AmbiguousColumn: A spreadsheet has truncated long numbers.
    """
    truncated = next((name for name in names if _SCIENTIFIC_NOTATION.fullmatch(name)), None)
    if truncated is not None:
        raise AmbiguousColumn(
            f"ids such as {truncated} were truncated by a spreadsheet, which merges different ids. Export ids as text."
        )
    integers = []
    for name in names:
        whole, _, fraction = name.partition(".")
        if not whole.isascii() or not whole.isdecimal() or fraction.strip("0") or (len(whole) > 1 and whole[0] == "0"):
            return None
        integers.append(whole)
    return integers


def infer_values(ratings: NDArray[np.float32], column: str, options: ReadOptions) -> InferredValues:
    """Infer the type of a value column from its name and values.

    Args:
        ratings: The values, (rows,).
        column: The column's name.
        options: Options that override detection.

    Raises:
        ColumnError: A value is outside the scale.
        AmbiguousColumn: The values fit no usual scale, or several.
    """
    name = normalise_name(column)
    low, high = float(ratings.min()), float(ratings.max())
    if options.scale is not None:
        _check_scale(ratings, options.scale, "")
        return InferredValues("ratings", options.scale)
    distinct = set(np.unique(ratings[: 1 << 16]).tolist())
    if {low, high} <= {0.0, 1.0} and distinct <= {0.0, 1.0} and (low < high or name in LABEL_NAMES):
        return InferredValues("labels", (0.0, 1.0), f"{column}: 1 is a positive, 0 is not")
    if (low, high) == (-1.0, 1.0) and distinct <= {-1.0, 0.0, 1.0}:
        return InferredValues("labels", (-1.0, 1.0), f"{column}: 1 is a positive, the others are not")
    if low == high == 1.0:
        return InferredValues("counts", None, f"{column}: always 1, so every row is a positive")
    are_integers = not np.any(ratings % 1)
    if name in COUNT_NAMES and low < 0:
        raise AmbiguousColumn(
            f"values in {column} go down to {low:g}, but counts cannot be negative. Leave these rows out "
            f"(--ignore-rating {low:g}).",
            {f"Leave rows of {low:g} out": {"ignore_ratings": (low,)}},
        )
    if name in COUNT_NAMES:
        return _infer_counts(ratings, column)
    scale = _usual_scale(low, high, are_integers, not np.any(ratings % 0.5))
    core_scale = _scale_without_outliers(ratings, scale)
    if core_scale is not None:
        _check_scale(ratings, core_scale, " of the others")
    if are_integers and low >= 0 and high > 10 and (high > 100 or high >= _COUNT_SKEW * float(np.median(ratings))):
        return _infer_counts(ratings, column)
    if low == high and (scale is None or low == 0):
        raise AmbiguousColumn(
            f"all values in {column} are {low:g}. Give the scale (--scale), or use every row as a positive "
            "(--rating none).",
            _EVERY_ROW,
        )
    if scale is None or (scale == USUAL_SCALES[-1] and high <= scale[1] / 2):
        raise AmbiguousColumn(
            f"values in {column} range from {low:g} to {high:g}, which is not a standard rating scale. Give the scale "
            f"(--scale {low:g}..{high:g}), or use every row as a positive (--rating none).",
            {f"The scale is {low:g} to {high:g}": {"scale": (low, high)}, **_EVERY_ROW},
        )
    if low == 0:
        return _infer_with_zeros(ratings, column, scale)
    return InferredValues("ratings", scale)


def infer_times(columns: Columns, column: str, are_text: bool) -> Times | None:
    """Convert the time column; raises ColumnError for invalid times.

    Args:
        columns: The columns of the file.
        column: The name of the time column.
        are_text: Whether times were textual.
    """
    if columns.times is None:
        return None
    whole, nanos = columns.times
    if not are_text:
        return from_numbers(whole, nanos, named_date=is_date_name(column) and "stamp" not in normalise_name(column))
    if nanos is None:
        return from_datetimes(whole.astype("datetime64[s]"))
    return from_datetimes(whole.astype("datetime64[s]").astype("datetime64[ns]") + nanos.astype("timedelta64[ns]"))


def _usual_scale(low: float, high: float, are_integers: bool, are_halves: bool) -> tuple[float, float] | None:
    """Return the narrowest usual scale that contains these values; None for none."""
    for scale in USUAL_SCALES:
        if scale == (1.0, 5.0) and are_halves and not are_integers:
            continue  # scales with half stars start at 0.5
        if scale[0] < 0 and are_integers:
            continue  # the scale with negative ratings is a slider, as Jester's, with fractions
        if scale[0] <= 0 and max(-low, high) <= scale[1] / 2:
            continue  # values in the lower half only, such as fractions between 0 and 1
        if scale[0] <= low and high <= scale[1]:
            return scale
    return None


def _scale_without_outliers(
    ratings: NDArray[np.float32], scale: tuple[float, float] | None
) -> tuple[float, float] | None:
    """Return the narrower usual scale of all values but rare outliers or one that often means "not rated"."""
    if len(ratings) < _MIN_ROWS:
        return None
    for narrower in USUAL_SCALES:
        if narrower == scale or (narrower, scale) == (USUAL_SCALES[0], USUAL_SCALES[1]):
            return None
        outside = ratings[(ratings < narrower[0]) | (ratings > narrower[1])]
        if not len(outside):
            return None
        is_rare = len(outside) <= max(1, _MAX_OUTLIER_SHARE * len(ratings))
        sentinel = len(outside) < len(ratings) and outside.min() == outside.max() and float(outside[0]) in _SENTINELS
        beyond = outside.max() > 2 * narrower[1] or outside.min() < narrower[0] if sentinel else is_rare
        zero_to_ten = sentinel and outside[0] == 0 and narrower == (1.0, 10.0)
        if (is_rare or (sentinel and beyond)) and not zero_to_ten and _inliers_fill_scale(ratings, narrower):
            return narrower
    return None


def _inliers_fill_scale(ratings: NDArray[np.float32], scale: tuple[float, float]) -> bool:
    inside = ratings[(ratings >= scale[0]) & (ratings <= scale[1])]
    if scale[0] < 0:
        return bool(inside.min() < 0 and np.any(inside % 1))
    return len(inside) > 1 and bool(inside.max() > scale[1] / 2)


def _check_scale(ratings: NDArray[np.float32], scale: tuple[float, float], suffix: str) -> None:
    outside = (ratings < scale[0]) | (ratings > scale[1])
    if not outside.any():
        return
    row, count = int(np.argmax(outside)), int(outside.sum())
    value = ratings[row]
    problem = f"the rating is {value:g}, outside the scale {scale[0]:g} to {scale[1]:g}{suffix}"
    also = f" (as in {count - 1:,} other rows)" if count > 1 else ""
    low, high = min(scale[0], float(ratings.min())), max(scale[1], float(ratings.max()))
    raise ColumnError(
        outside,
        f"{problem}{also}. Fix it, ignore it as not rated (--ignore-rating {value:g}), "
        f"or give the scale (--scale {low:g}..{high:g}).",
        {
            f"{value:g} means not rated": {"ignore_ratings": (float(value),)},
            f"The scale is {low:g} to {high:g}": {"scale": (low, high)},
        },
    )


def _infer_with_zeros(ratings: NDArray[np.float32], column: str, scale: tuple[float, float]) -> InferredValues:
    _, counts = np.unique(ratings, return_counts=True)
    if len(counts) > 1 and counts[0] >= _ZERO_EXCESS * counts[1:].max():
        raise AmbiguousColumn(
            f"{counts[0]:,} of {len(ratings):,} values in {column} are 0, more than any other value. If 0 means not "
            f"rated, add --ignore-rating 0; if it is a rating, add --scale {scale[0]:g}..{scale[1]:g}.",
            {"Leave the zeros out": {"ignore_ratings": (0.0,)}, "0 is a rating": {"scale": scale}},
        )
    return InferredValues(
        "ratings", scale, f"{column}: 0 is the lowest rating; add --ignore-rating 0 if it means not rated"
    )


def _infer_counts(ratings: NDArray[np.float32], column: str) -> InferredValues:
    if ratings.min() > 0:
        effect = "every row is a positive (--positive-from N to change)"
        return InferredValues("counts", None, f"{column}: counts, not ratings; {effect}")
    least = float(ratings[ratings > 0].min(initial=np.inf))
    if not np.isfinite(least):
        raise AmbiguousColumn(
            f"all values in {column} are 0. Use every row as a positive (--rating none), or select another column.",
            _EVERY_ROW,
        )
    return InferredValues("counts", None, f"{column}: counts, not ratings; values above 0 are positives", least)
