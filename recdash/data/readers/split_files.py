"""User-defined splits from files: one dataset in which every (user, item) pair knows its parts."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain, permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from recdash.data.dataset import Dataset
from recdash.data.dataset_file import Feedback, OwnSplit
from recdash.data.readers import interactions
from recdash.data.readers.cells import detect_time_format
from recdash.data.readers.chunks import ProgressCallback
from recdash.data.readers.read_options import NONE
from recdash.data.readers.split_checks import SplitChecks
from recdash.data.readers.time_formats import AmbiguousFormat
from recdash.data.split_parts import FOLD_IN_OF, SplitFiles
from recdash.data.timestamps import DAY_FIRST, MONTH_FIRST, Times
from recdash.errors import DataError, UsageError
from recdash.settings import known_name

if TYPE_CHECKING:
    import pandas as pd

_SIGNIFICANCE = 1e-3  # files are on different scales if a common one makes their ranges less probable than this
_TINY = 1e-9  # keeps the logarithm finite


class _Part(NamedTuple):
    """One file of the split. bit: its part.  label: its name in messages."""

    bit: int
    label: str
    data: Dataset
    path: Path


def read(
    name: str,
    files: SplitFiles,
    *,
    task: str | None = None,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> Dataset:
    """Read the files of a split and join them as one dataset, whose `parts` hold the files of each (user, item) pair.

    Args:
        name: Name of the dataset.
        files: The files.
        task: "ranking" or "rating"; None means "rating" if there is one file per part and all have ratings,
            otherwise "ranking", and adds a note.
        progress: Called with the bytes read and the size of each file.
        **options: Applied to every file, see `ReadOptions.of`.

    Raises:
        UsageError: The files do not fit the task, or an option is invalid.
        DataError: A file is invalid, the files differ in ids, columns, scales or kinds of times, or a held-out pair
            is also in a file that models learn or read from.
    """
    by_part = files.by_part()
    has_fold_in = any(bit in by_part for bit in FOLD_IN_OF.values())
    if task is not None:
        known_name("task", task, get_args(OwnSplit))
        if task == "rating" and has_fold_in:
            raise UsageError(
                "--task rating: two files are given for one part. Give one file per part, without a fold-in."
            )
    if options.get("min_positives") is not None:
        raise UsageError("--min-positives: a split from files keeps all of their users. Omit this option.")
    parts = [
        _Part(bit, label, interactions.read(path, name=name, progress=progress, **options), path)
        for (bit, path), label in zip(by_part.items(), _labels(by_part.values()), strict=True)
    ]
    chosen, task_notes = _infer_task(task, parts, has_fold_in)
    _check_columns(parts, chosen)
    _check_scales(parts, options)
    _check_times(parts, options)
    dataset = _join(name, parts, chosen)
    checks = SplitChecks(dataset, {part.bit: part.label for part in parts})
    checks.check_ids()
    checks.check_leaks()
    return replace(dataset, notes=(*task_notes, *_file_notes(parts), *checks.notes()))


def _labels(paths: Any) -> list[str]:
    """Return file names, or whole paths where names repeat."""
    listed = list(paths)
    names = Counter(path.name for path in listed)
    return [path.name if names[path.name] == 1 else str(path) for path in listed]


def _infer_task(requested: str | None, parts: Sequence[_Part], has_fold_in: bool) -> tuple[OwnSplit, tuple[str, ...]]:
    """Return the task, and a note if it was inferred."""
    if requested is not None:
        return ("rating" if requested == "rating" else "ranking"), ()
    if has_fold_in:
        return "ranking", ("task: ranking, because there is a fold-in file",)
    if all(_has_ratings(part.data) for part in parts):
        return "rating", ("task: rating prediction, because all files have ratings; for a ranking add --task ranking",)
    return "ranking", ("task: ranking, because not every file contains at least two distinct ratings",)


def _has_ratings(data: Dataset) -> bool:
    """Whether there are at least two distinct ratings on a scale."""
    return data.ratings is not None and data.feedback == "ratings" and data.ratings.min() < data.ratings.max()


def _check_columns(parts: Sequence[_Part], task: OwnSplit) -> None:
    """Raise DataError unless all files have ratings or none has; rating prediction needs them on a scale."""
    unrated = next((part for part in parts if part.data.ratings is None), None)
    rated = next((part for part in parts if part.data.ratings is not None), None)
    if unrated is not None and task == "rating":
        raise DataError(f"{unrated.label}: no rating column found. Give it (--rating COL), or use --task ranking.")
    if unrated is not None and rated is not None:
        raise DataError(
            f"{unrated.label}: no rating column found, but {rated.label} has one. Give it (--rating COL), or use every "
            "row of all files as a positive (--rating none)."
        )
    if task == "rating" and _joint_feedback(parts) in ("labels", "counts"):
        raise DataError(
            f"{parts[0].label}: its values are {_joint_feedback(parts)}, not ratings on a scale. Use --task ranking."
        )


def _check_scales(parts: Sequence[_Part], options: Mapping[str, Any]) -> None:
    """Raise DataError for two files whose ratings are unlikely to be on one scale.

    A small file may have a narrower range by chance, so the test is how probable that is, given the share of the
    other file's ratings outside that range.
    """
    scaled = [part for part in parts if part.data.scale is not None and part.data.feedback != "counts"]
    if options.get("scale") is not None:
        return
    for part, other in permutations(scaled, 2):
        assert part.data.scale is not None and part.data.ratings is not None and other.data.ratings is not None  # noqa: S101
        low, high = part.data.scale
        outside = float(((other.data.ratings < low) | (other.data.ratings > high)).mean())
        if outside and len(part.data) * math.log1p(-min(outside, 1 - _TINY)) < math.log(_SIGNIFICANCE):
            first, second = (f"{item.label} from {_observed_range(item.data)}" for item in (part, other))
            lowest, highest = _joint_scale((part, other)) or (low, high)
            raise DataError(
                f"The ratings are on different scales: {first}, {second}. Convert them, or give one scale for all "
                f"(--scale {lowest:g}..{highest:g}).",
                fixes={f"The scale of all is {lowest:g} to {highest:g}": {"scale": (lowest, highest)}},
            )


def _observed_range(data: Dataset) -> str:
    assert data.ratings is not None  # noqa: S101  (of a part with a scale)
    return f"{data.ratings.min():g} to {data.ratings.max():g}"


def _check_times(parts: Sequence[_Part], options: Mapping[str, Any]) -> None:
    """Raise DataError for times that cannot be compared: dates and an order, or day first and month first."""
    timed = [part for part in parts if part.data.times is not None]
    if len(timed) < len(parts):
        return  # times are used only if every file has them
    with_dates, with_order = ([part for part in timed if part.data.time_kind == kind] for kind in ("dates", "order"))
    if with_dates and with_order:
        raise DataError(
            f"{with_dates[0].label} has dates, but the times of {with_order[0].label} are an order. Use one kind "
            f"of time in all files, or ignore times (--time {NONE}).",
            fixes={"Ignore the times": {"time": NONE}},
        )
    if options.get("time_format") is not None:
        return
    firsts = {part.label: _day_order(part, options) for part in timed}
    day_first, month_first = (
        next((label for label, order in firsts.items() if order == wanted_order), None) for wanted_order in ("d", "m")
    )
    if day_first is not None and month_first is not None:
        raise DataError(
            f"{day_first} has dates with the day first, {month_first} with the month first. Use one format in all "
            f"files, such as 2026-11-20, or ignore times (--time {NONE}).",
            fixes={"Ignore the times": {"time": NONE}},
        )


def _day_order(part: _Part, options: Mapping[str, Any]) -> str:
    """Return "d" for dates with the day first, "m" for the month first, "" for unambiguous formats."""
    if DAY_FIRST in part.data.notes or MONTH_FIRST in part.data.notes:
        return "d" if DAY_FIRST in part.data.notes else "m"
    detected = interactions.detect_format(part.path, **options)
    index = detected.roles["time"]
    texts = [row[index] for row in detected.rows if len(row) > index] if index is not None else []
    time_format = detect_time_format(texts, f"{part.label}: the time")
    if not isinstance(time_format, AmbiguousFormat):
        return _first_part(time_format or "")
    for candidate in time_format.candidates:  # later rows decided; find out how
        with suppress(DataError):
            data = interactions.read(part.path, name=part.data.name, **{**options, "time_format": candidate})
            if data.times is not None and part.data.times is not None and np.array_equal(data.times, part.data.times):
                return _first_part(candidate)
    return ""


def _first_part(time_format: str) -> str:
    return time_format[1] if re.match(r"%[dm][-/ ]%[dm]", time_format) else ""


def _join(name: str, parts: Sequence[_Part], task: OwnSplit) -> Dataset:
    """Join the rows of all files as one dataset with each pair once."""
    parts = parts[
        ::-1
    ]  # `Dataset.build` uses the last row of a repeated pair: here that of train, to preserve its order
    data = [part.data for part in parts]
    ratings = [dataset.ratings for dataset in data if dataset.ratings is not None]
    return Dataset.build(
        name,
        users=_join_ids([dataset.users for dataset in data], [dataset.user_ids for dataset in data]),
        items=_join_ids(
            [dataset.items for dataset in data], [[item.id for item in dataset.catalogue.items] for dataset in data]
        ),
        ratings=np.concatenate(ratings) if ratings else None,
        times=_join_times(data),
        items_by_id={item.id: item for dataset in data for item in dataset.catalogue.items},
        scale=_joint_scale(parts),
        feedback=_joint_feedback(parts),
        source=", ".join(part.label for part in parts[::-1]),
        parts=np.concatenate([np.full(len(part.data), part.bit, np.uint8) for part in parts]),
        own_split=task,
        ties=data[0].ties,
        item_word=next((dataset.item_word for dataset in data if dataset.item_word), None),
        positive_from=min(
            (dataset.positive_from for dataset in data if dataset.positive_from is not None), default=None
        ),
    )


def _join_ids(columns: Sequence[NDArray[np.int32]], names: Sequence[Sequence[str]]) -> pd.Series[Any]:
    """Join columns of indices, each with its own names, as one categorical column."""
    import pandas as pd  # lazy: pandas

    codes, categories = pd.factorize(np.array(list(chain.from_iterable(names)), object))
    starts = np.cumsum([0, *map(len, names)])
    joined = np.concatenate([codes[start + column] for start, column in zip(starts, columns, strict=False)])
    return pd.Series(pd.Categorical.from_codes(joined, categories=pd.Index(categories)))


def _join_times(data: Sequence[Dataset]) -> Times | None:
    """Join times in the finest resolution of any file; None unless every file has times."""
    found = [(dataset.times, dataset.ticks) for dataset in data if dataset.times is not None]
    if len(found) < len(data):
        return None
    ticks = math.lcm(*(ticks for _, ticks in found))
    return Times(np.concatenate([times * (ticks // own_ticks) for times, own_ticks in found]), ticks)


def _joint_feedback(parts: Sequence[_Part]) -> Feedback:
    """Return the type of the values of all files together.

    A small file alone may mislead: held-out ratings that are all 1 look like counts, plays from 1 to 5 like ratings.
    """
    found = {part.data.feedback for part in parts if not _is_all_ones(part.data)}
    precedence: tuple[Feedback, ...] = ("counts", "ratings", "labels")
    return next((kind for kind in precedence if kind in found), parts[0].data.feedback)


def _is_all_ones(data: Dataset) -> bool:
    """Whether all values are 1, which does not show their type."""
    return data.ratings is not None and bool(data.ratings.min() == data.ratings.max() == 1)


def _joint_scale(parts: Sequence[_Part]) -> tuple[float, float] | None:
    """Return the scale that covers those of all files; None for values without a scale."""
    scales = [part.data.scale for part in parts if part.data.scale is not None]
    if not scales or _joint_feedback(parts) == "counts":
        return None
    return min(low for low, _ in scales), max(high for _, high in scales)


def _file_notes(parts: Sequence[_Part]) -> tuple[str, ...]:
    """Return the notes of the files: those common to all once, the others with their file's name."""
    times = Counter(note for part in parts for note in part.data.notes)
    notes = dict.fromkeys(
        note if times[note] == len(parts) else f"{part.label}: {note}" for part in parts for note in part.data.notes
    )
    timeless = [part.label for part in parts if part.data.times is None]
    if 0 < len(timeless) < len(parts):
        notes[f"{', '.join(timeless)}: no times, so histories have no order"] = None
    return tuple(notes)
