"""A split that was made elsewhere, from files: one data set in which every pair knows the parts that it is in."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain, permutations
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recdash.data.dataset import Dataset
from recdash.data.dataset_file import Feedback, OwnSplit
from recdash.data.readers import interactions as csv_reader
from recdash.data.readers.cells import text_format
from recdash.data.readers.chunks import ProgressCallback
from recdash.data.readers.read_options import NONE
from recdash.data.readers.time_formats import Undecided
from recdash.data.split_roles import ALLOWED, FOLD_IN_OF, TRAIN, SplitFiles
from recdash.data.timestamps import DAY_FIRST, MONTH_FIRST, Times
from recdash.errors import DataError, UsageError
from recdash.settings import known_name

_UNLIKELY = 1e-3  # a chance below which a narrower range of ratings is no chance
_TINY = 1e-9


class _Part(NamedTuple):
    """A file that was read. shown: how messages name it."""

    bit: int
    shown: str
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
    """Read the files of a split, each as `readers.csv.read` does with these options, and join them.

    `parts` of the data set says for every (user, item) pair in which files it is.  task: "ranking" or "rating"; None
    takes "ranking" unless there is one file for each part and all of them have ratings, and notes what was taken.
    Raises UsageError for files and tasks that do not go together, DataError for what is wrong inside: files with other
    ids, columns, scales or clocks, and pairs that are held out and yet in a file that a model reads.
    """
    by_part = files.by_part()
    two_files = any(bit in by_part for bit in FOLD_IN_OF.values())
    if task is not None:
        known_name("task", task, get_args(OwnSplit))
        if task == "rating" and two_files:
            raise UsageError("--task rating: give one file for each part, the ratings to predict; there is no fold-in.")
    if options.get("min_positives") is not None:
        raise UsageError("--min-positives: a split made elsewhere has the users of its files. Leave it out.")
    parts = [
        _Part(bit, shown, csv_reader.read(path, name=name, progress=progress, **options), path)
        for (bit, path), shown in zip(by_part.items(), _shown(by_part.values()), strict=True)
    ]
    chosen, said = _task(task, parts, two_files)
    _check_columns(parts, chosen)
    _check_scales(parts, options)
    _check_clocks(parts, options)
    dataset = _joined(name, parts, chosen)
    checked = _Checks(dataset, {part.bit: part.shown for part in parts})
    checked.ids()
    checked.leaks()
    return replace(dataset, notes=(*said, *_file_notes(parts), *checked.left_out()))


def _shown(paths: Any) -> list[str]:
    """Names of files without their folders, unless two have one name."""
    listed = list(paths)
    names = Counter(path.name for path in listed)
    return [path.name if names[path.name] == 1 else str(path) for path in listed]


def _task(asked: str | None, parts: Sequence[_Part], two_files: bool) -> tuple[OwnSplit, tuple[str, ...]]:
    """Return the task, and what to note where nobody said it."""
    if asked is not None:
        return ("rating" if asked == "rating" else "ranking"), ()
    if two_files:
        return "ranking", ("a split for ranking, because of its fold-in file",)
    if all(_has_ratings(part.data) for part in parts):
        return "rating", (
            "a split for rating prediction, because all files have ratings; --task ranking for a ranking",
        )
    return "ranking", ("a split for ranking, because not every file has several different ratings",)


def _has_ratings(data: Dataset) -> bool:
    """Whether there are ratings on a scale, and not all the same."""
    return data.ratings is not None and data.feedback == "ratings" and data.ratings.min() < data.ratings.max()


def _check_columns(parts: Sequence[_Part], task: OwnSplit) -> None:
    """Raise DataError unless all files have ratings, or none has, and a split of ratings has them on a scale."""
    bare = next((part for part in parts if part.data.ratings is None), None)
    rated = next((part for part in parts if part.data.ratings is not None), None)
    if bare is not None and task == "rating":
        raise DataError(f"{bare.shown}: no rating column was found. Name it (--rating COL), or use --task ranking.")
    if bare is not None and rated is not None:
        raise DataError(
            f"{bare.shown}: no rating column was found, {rated.shown} has one. Name it (--rating COL), or let every "
            "row of all files count as liked (--rating none)."
        )
    if task == "rating" and _feedback(parts) in ("labels", "counts"):
        raise DataError(
            f"{parts[0].shown}: its numbers are {_feedback(parts)}, not ratings on a scale to predict. "
            "Use --task ranking."
        )


def _check_scales(parts: Sequence[_Part], options: Mapping[str, Any]) -> None:
    """Raise DataError for two files whose ratings cannot well be on one scale.

    A part of the ratings may have a narrower range than all; but not where many of the others lie outside of it.
    """
    scaled = [part for part in parts if part.data.scale is not None and part.data.feedback != "counts"]
    if options.get("scale") is not None:
        return
    for part, other in permutations(scaled, 2):
        assert part.data.scale is not None and part.data.ratings is not None and other.data.ratings is not None  # noqa: S101
        low, high = part.data.scale
        outside = float(((other.data.ratings < low) | (other.data.ratings > high)).mean())
        if outside and len(part.data) * math.log1p(-min(outside, 1 - _TINY)) < math.log(_UNLIKELY):
            first, second = (f"{one.shown} from {_span(one.data)}" for one in (part, other))
            lowest, highest = _scale((part, other)) or (low, high)
            raise DataError(
                f"The ratings are on different scales: {first}, {second}. Bring them to one, or say that it is one "
                f"(--scale {lowest:g}..{highest:g}).",
                fixes={f"The scale of all is {lowest:g} to {highest:g}": {"scale": (lowest, highest)}},
            )


def _span(data: Dataset) -> str:
    assert data.ratings is not None  # noqa: S101  (of a part with a scale)
    return f"{data.ratings.min():g} to {data.ratings.max():g}"


def _check_clocks(parts: Sequence[_Part], options: Mapping[str, Any]) -> None:
    """Raise DataError for times that cannot be compared: dates and an order, or day and month in another order."""
    timed = [part for part in parts if part.data.times is not None]
    if len(timed) < len(parts):
        return  # no file's times are used
    dated, ordered = ([part for part in timed if part.data.time_kind == kind] for kind in ("dates", "order"))
    if dated and ordered:
        raise DataError(
            f"{dated[0].shown} has dates, {ordered[0].shown} numbers that say an order and no date. Use one clock in "
            f"all files, or leave times out (--time {NONE}).",
            fixes={"Leave the times out": {"time": NONE}},
        )
    if options.get("time_format") is not None:
        return
    firsts = {part.shown: _day_order(part, options) for part in timed}
    day_first, month_first = (next((one for one, said in firsts.items() if said == way), None) for way in ("d", "m"))
    if day_first is not None and month_first is not None:
        raise DataError(
            f"{day_first} has the day first in its dates, {month_first} the month. Write the dates of all files alike, "
            f"such as 2026-11-20, or leave times out (--time {NONE}).",
            fixes={"Leave the times out": {"time": NONE}},
        )


def _day_order(part: _Part, options: Mapping[str, Any]) -> str:
    """Whether the day ("d") or the month ("m") comes first in dates that could be either way; "" for all others."""
    if DAY_FIRST in part.data.notes or MONTH_FIRST in part.data.notes:
        return "d" if DAY_FIRST in part.data.notes else "m"
    plan = csv_reader.look(part.path, **options)
    place = plan.roles["time"]
    texts = [row[place] for row in plan.rows if len(row) > place] if place is not None else []
    layout = text_format(texts, f"{part.shown}: the time")
    if not isinstance(layout, Undecided):
        return _first_of(layout or "")
    for one in layout.left:  # later rows decided
        with suppress(DataError):
            data = csv_reader.read(part.path, name=part.data.name, **{**options, "time_format": one})
            if data.times is not None and part.data.times is not None and np.array_equal(data.times, part.data.times):
                return _first_of(one)
    return ""


def _first_of(layout: str) -> str:
    return layout[1] if re.match(r"%[dm][-/ ]%[dm]", layout) else ""


def _joined(name: str, parts: Sequence[_Part], task: OwnSplit) -> Dataset:
    """Return all rows of all files as one data set, each pair once."""
    parts = parts[::-1]  # of a pair in several files the last row stays: that of train, which has the order of train
    data = [part.data for part in parts]
    ratings = [one.ratings for one in data if one.ratings is not None]
    return Dataset.build(
        name,
        users=_ids([one.users for one in data], [one.user_ids for one in data]),
        items=_ids([one.items for one in data], [[item.id for item in one.catalogue.items] for one in data]),
        ratings=np.concatenate(ratings) if ratings else None,
        times=_times(data),
        known={item.id: item for one in data for item in one.catalogue.items},
        scale=_scale(parts),
        feedback=_feedback(parts),
        source=", ".join(part.shown for part in parts[::-1]),
        parts=np.concatenate([np.full(len(part.data), part.bit, np.uint8) for part in parts]),
        own_split=task,
        ties=data[0].ties,
        positive_from=min((one.positive_from for one in data if one.positive_from is not None), default=None),
    )


def _ids(columns: Sequence[NDArray[np.int32]], names: Sequence[Sequence[str]]) -> pd.Series[Any]:
    """Join columns of indices that each have their own names to one column of names, held as categories."""
    codes, categories = pd.factorize(np.array(list(chain.from_iterable(names)), object))
    starts = np.cumsum([0, *map(len, names)])
    joined = np.concatenate([codes[start + column] for start, column in zip(starts, columns, strict=False)])
    return pd.Series(pd.Categorical.from_codes(joined, categories=pd.Index(categories)))


def _times(data: Sequence[Dataset]) -> Times | None:
    """Times of all rows in the finest ticks of any file; None unless every file has times."""
    found = [(one.times, one.ticks) for one in data if one.times is not None]
    if len(found) < len(data):
        return None
    ticks = math.lcm(*(ticks for _, ticks in found))
    return Times(np.concatenate([times * (ticks // own) for times, own in found]), ticks)


def _feedback(parts: Sequence[_Part]) -> Feedback:
    """What the numbers of all files are, taken together.

    A small file may look like less than it is: held-out stars that are all 1 like counts, plays from 1 to 5 like stars.
    """
    told = {part.data.feedback for part in parts if not _is_constant(part.data)}
    kinds: tuple[Feedback, ...] = ("counts", "ratings", "labels")
    return next((kind for kind in kinds if kind in told), parts[0].data.feedback)


def _is_constant(data: Dataset) -> bool:
    """Whether all numbers are 1, which says nothing about what they are."""
    return data.ratings is not None and bool(data.ratings.min() == data.ratings.max() == 1)


def _scale(parts: Sequence[_Part]) -> tuple[float, float] | None:
    """The scale that holds those of all files; None for numbers without one."""
    scales = [part.data.scale for part in parts if part.data.scale is not None]
    if not scales or _feedback(parts) == "counts":
        return None
    return min(low for low, _ in scales), max(high for _, high in scales)


def _file_notes(parts: Sequence[_Part]) -> tuple[str, ...]:
    """Notes of the files; those that all of them have come once, the others with the name of their file."""
    times = Counter(note for part in parts for note in part.data.notes)
    notes = dict.fromkeys(
        note if times[note] == len(parts) else f"{part.shown}: {note}" for part in parts for note in part.data.notes
    )
    timeless = [part.shown for part in parts if part.data.times is None]
    if 0 < len(timeless) < len(parts):
        notes[f"{', '.join(timeless)} without times, so histories have no order"] = None
    return tuple(notes)


class _Checks:
    """Looks at the joined files for what would make figures wrong."""

    def __init__(self, dataset: Dataset, shown: dict[int, str]) -> None:
        self.dataset, self.shown = dataset, shown
        self.held_out = [bit for bit in FOLD_IN_OF if bit in shown]

    def ids(self) -> None:
        """Raise DataError for files that have no ids in common, and held-out users of whom there is nothing to read."""
        for bit in self.held_out:
            self._overlap(bit, TRAIN, "item", "items", self.dataset.items)
            read_from = self._read_from(bit)
            users, known = self._of(bit, self.dataset.users), self._of(read_from, self.dataset.users)
            self._overlap(bit, read_from, "user", "users", self.dataset.users)
            without = np.setdiff1d(users, known)
            if len(without) and read_from != TRAIN:
                raise DataError(
                    f"{self.shown[bit]}: {_number(len(without), 'user')} without a row in {self.shown[read_from]}, "
                    f"the first is {self.dataset.user_ids[without[0]]}. Each held-out user needs a fold-in to be read "
                    "from: add it, or remove the user."
                )

    def leaks(self) -> None:
        """Raise DataError for a pair that is held out and in a file that is read before it may be known."""
        assert self.dataset.parts is not None  # noqa: S101  (made here)
        for bit in reversed(self.held_out):
            inside = (self.dataset.parts & bit) > 0
            other = self.dataset.parts & np.uint8(~ALLOWED[bit] & 0xFF)
            leaking = np.flatnonzero(inside & (other > 0))
            if len(leaking):
                row = leaking[0]
                also = next(one for one in self.shown if other[row] & one)
                count = int(((other[leaking] & also) > 0).sum())
                raise DataError(
                    f"{self.shown[bit]}: {_number(count, 'pair')} also in {self.shown[also]}, the first is user "
                    f"{self.dataset.user_ids[self.dataset.users[row]]}, item "
                    f"{self.dataset.catalogue[self.dataset.items[row]].id}. {_why(bit, also)}"
                )

    def left_out(self) -> tuple[str, ...]:
        """Say which held-out rows a ranking cannot use, and whose ratings are predicted without knowing the user."""
        assert self.dataset.parts is not None  # noqa: S101  (made here)
        if self.dataset.own_split != "ranking":
            return self._unknown()
        notes, of_train = [], self._of(TRAIN, self.dataset.items)
        for bit in self.held_out:
            rows = (self.dataset.parts & bit) > 0
            unseen = int((rows & ~np.isin(self.dataset.items, of_train)).sum())
            if unseen:
                notes.append(
                    f"{self.shown[bit]}: {_number(unseen, 'row')} left out, of items that {self.shown[TRAIN]} does not "
                    "have and no model can recommend"
                )
            if self._read_from(bit) == TRAIN:
                strangers = np.setdiff1d(self.dataset.users[rows], self._of(TRAIN, self.dataset.users))
                if len(strangers):
                    notes.append(
                        f"{self.shown[bit]}: {_number(len(strangers), 'user')} left out, of whom {self.shown[TRAIN]} "
                        "has no row"
                    )
        return tuple(notes)

    def _unknown(self) -> tuple[str, ...]:
        """Say how many held-out users and items of a rating split are not in training; their ratings count as well."""
        notes = []
        for bit in self.held_out:
            for what, column in (("user", self.dataset.users), ("item", self.dataset.items)):
                unknown = np.setdiff1d(self._of(bit, column), self._of(TRAIN, column))
                if len(unknown):
                    notes.append(
                        f"{self.shown[bit]}: {_number(len(unknown), what)} not in {self.shown[TRAIN]}; their ratings "
                        f"are predicted without a rating of that {what}"
                    )
        return tuple(notes)

    def _overlap(self, bit: int, other: int, one: str, many: str, column: NDArray[np.int32]) -> None:
        mine, theirs = self._of(bit, column), self._of(other, column)
        if not np.isin(mine, theirs).any():
            raise DataError(
                f"{self.shown[bit]} has none of the {many} of {self.shown[other]}: its {one} ids look like "
                f"{self._examples(mine, one)}, those of {self.shown[other]} like {self._examples(theirs, one)}. "
                "Use the same ids in all files."
            )

    def _read_from(self, bit: int) -> int:
        """The part from which a model knows the users of a held-out part."""
        fold_in = FOLD_IN_OF[bit]
        return fold_in if fold_in in self.shown else TRAIN

    def _of(self, bit: int, column: NDArray[np.int32]) -> NDArray[np.int64]:
        """Users or items of one file, ascending."""
        assert self.dataset.parts is not None  # noqa: S101  (made here)
        return np.flatnonzero(np.bincount(column[(self.dataset.parts & bit) > 0]))

    def _examples(self, indices: NDArray[np.int64], one: str) -> str:
        items = self.dataset.catalogue.items
        names = [self.dataset.user_ids[i] if one == "user" else items[i].id for i in indices[:3].tolist()]
        return ", ".join(name[:24] for name in names)


def _why(bit: int, also: int) -> str:
    """Why a held-out pair may not stand in another part, and how to fix it."""
    if also == TRAIN:
        return "What is held out may not be learned from: remove it from one of the two files."
    if also == FOLD_IN_OF[bit]:
        return "What is held out may not be read: remove it from one of the two files."
    return "What is held out for testing may be in no other file: remove it from one of the two."


def _number(count: int, what: str) -> str:
    return f"{count:,} {what} is" if count == 1 else f"{count:,} {what}s are"
