"""`Dataset`: interactions and their catalogue as one immutable, fingerprinted value that can be kept in a folder."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from recdash.data import dataset_file
from recdash.data.catalogue import Catalogue
from recdash.data.dataset_file import Feedback, OwnSplit
from recdash.data.histories import Histories
from recdash.data.indexing import index, latest_of_each_pair
from recdash.data.items import Item
from recdash.data.time_ties import TieRule, by_chance, file_order, tied_share
from recdash.data.timestamps import TimeKind, Times, from_numbers, iso, kind_of
from recdash.errors import DataError, UsageError
from recdash.settings import DEFAULT_SPLIT_SEED

if TYPE_CHECKING:
    import pandas as pd

_POSITIVE_FROM = 0.75  # of the way from the lowest to the highest rating: 4 on a scale of 1 to 5


@dataclass(frozen=True, eq=False)
class Dataset:
    """Interactions in the order of their source, indexed by ascending user and item id.

    users, items: (n,) int32 indices.  ratings: (n,) float32 or None.  times: (n,) int64 or None.
    scale: lowest and highest possible rating, None without ratings that lie on one.
    time_kind: "dates" when times count from 1970, "order" when they only order a history, None without times.
    ticks: how many units of `times` make a second; 1 unless the source is finer.
    feedback: what `ratings` are: "ratings" on the scale, "labels" (1 is liked, 0 or -1 is not), "counts" such as plays,
    which have no scale, or "events" where there are none.  positive_from, min_positives: what its owner said at import
    counts as liked, and how much of that a user needs; None for the usual.  ties: likewise the rule for events of one
    user at the same time, see `in_time`.
    parts: (n,) uint8, for data that came divided already, see `splits.own`.  own_split: its task, or None.
    generated: the tastes are made up (the demo), which every view must say.
    """

    name: str
    users: NDArray[np.int32]
    items: NDArray[np.int32]
    ratings: NDArray[np.float32] | None
    times: NDArray[np.int64] | None
    user_ids: tuple[str, ...]
    catalogue: Catalogue
    scale: tuple[float, float] | None
    source: str
    generated: bool = False
    notes: tuple[str, ...] = ()
    fingerprint: str = ""
    ticks: int = 1
    feedback: Feedback = "events"
    positive_from: float | None = None
    min_positives: int | None = None
    ties: TieRule = "file"
    parts: NDArray[np.uint8] | None = None
    own_split: OwnSplit | None = None

    @property
    def n_users(self) -> int:
        """Users with at least one interaction."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Items with at least one interaction."""
        return len(self.catalogue)

    def __len__(self) -> int:
        return len(self.users)

    @cached_property
    def time_kind(self) -> TimeKind | None:
        """What the time column means."""
        return None if self.times is None else kind_of(self.times, self.ticks)

    @cached_property
    def tied_share(self) -> float:
        """Share of the interactions that have the same time as another one of the same user; 0 without times."""
        return 0.0 if self.times is None else tied_share(self.users, self.times)

    @cached_property
    def step(self) -> float | None:
        """1 where all ratings are whole numbers, 0.5 where they are halves, else None."""
        if self.ratings is None:
            return None
        return next((step for step in (1.0, 0.5) if not np.any(self.ratings % step)), None)

    @property
    def usual_positive_from(self) -> float | None:
        """Lowest rating that counts as a positive unless a split says otherwise; None when every row counts.

        What was said at import, else three quarters up the scale, raised to a rating that there can be: whole stars
        have a whole threshold.
        """
        if self.ratings is None or self.positive_from is not None or self.scale is None:
            return None if self.ratings is None else self.positive_from
        threshold = self.scale[0] + _POSITIVE_FROM * (self.scale[1] - self.scale[0])
        return threshold if self.step is None else math.ceil(threshold / self.step) * self.step

    @property
    def n_positives(self) -> int:
        """How many interactions count as positives unless a split says otherwise."""
        least = self.usual_positive_from
        return len(self) if least is None or self.ratings is None else int((self.ratings >= least).sum())

    @cached_property
    def histories(self) -> Histories:
        """All interactions by user, in time order, see `in_time`; without times in the order of the source."""
        return self.in_time()

    def in_time(self, ties: TieRule | None = None, seed: int = DEFAULT_SPLIT_SEED) -> Histories:
        """All interactions by user, in time order; without times in the order of the source, marked as not ordered.

        ties: "file" leaves interactions at the same time in the order of the file where that is an order of time
        (`tie_rule`), else, and with "random", they come by chance, the same for the same seed.
        """
        if self.times is None:
            return self._rows(np.arange(len(self)), ordered=False)
        if self.tie_rule(ties) == "random":
            chance = by_chance(self.users, self.items, self.user_ids, [item.id for item in self.catalogue.items], seed)
            return self._rows(np.lexsort((chance, self.times)))
        position = np.arange(len(self))[:: self._file_order]
        return self._rows(position[np.argsort(self.times[position], kind="stable")])

    @cached_property
    def in_item_order(self) -> Histories:
        """As `histories`, but with ties by item index: the rows in which the random folds have always been drawn."""
        if self.times is None:
            return self.histories
        return self._rows(np.lexsort((self.items, self.times)))

    def adjusted(self, scale: tuple[float, float] | None = None, ignore_ratings: Collection[float] = ()) -> Self:
        """Return the data with another scale, and without interactions whose rating means "not rated".

        What is left equals an import of the file without these rows: users and items without any are gone.  An end of
        the scale that is ignored gives way to the lowest or highest rating that is left.
        Raises UsageError for data without ratings, DataError for a rating outside the scale, or when nothing is left.
        """
        if scale is None and not ignore_ratings:
            return self
        if self.ratings is None:
            what = "scale" if scale is not None else "rating to ignore"
            raise UsageError(f"{self.name} has no ratings, so there is no {what}. Leave it out.")
        chosen = ~np.isin(self.ratings, np.array(list(ignore_ratings), np.float32))
        left = self._only(chosen, sorted(ignore_ratings)) if not chosen.all() else self
        return left if scale in (None, left.scale) else left._on_scale(scale)

    def _only(self, chosen: NDArray[np.bool_], ignored: Sequence[float]) -> Self:
        """Keep marked interactions of data with ratings."""
        said = ", ".join(f"{rating:g}" for rating in ignored)
        if not chosen.any():
            raise DataError(f"{self.name}: every rating is one to ignore ({said}), so nothing is left. Ignore fewer.")
        assert self.ratings is not None  # noqa: S101  (`adjusted` has seen to it)
        ratings, scale = self.ratings[chosen], self.scale
        if scale is not None:
            low, high = scale
            scale = (
                float(ratings.min()) if low in ignored else low,
                float(ratings.max()) if high in ignored else high,
            )
        whose, what = (
            np.unique(self.users[chosen], return_inverse=True),
            np.unique(self.items[chosen], return_inverse=True),
        )
        user_place, user_ids = index(np.array([self.user_ids[user] for user in whose[0]], object))
        item_place, item_ids = index(np.array([self.catalogue[item].id for item in what[0]], object))
        left = replace(
            self,
            users=user_place[whose[1]],
            items=item_place[what[1]],
            ratings=ratings,
            times=None if self.times is None else self.times[chosen],
            parts=None if self.parts is None else self.parts[chosen],
            user_ids=user_ids,
            catalogue=Catalogue.of(item_ids, {item.id: item for item in self.catalogue.items}),
            scale=scale,
            notes=(*self.notes, f"{int((~chosen).sum()):,} interactions with ignored ratings ({said}) are left out"),
        )
        return replace(left, fingerprint=_fingerprint(left))

    def _on_scale(self, scale: tuple[float, float]) -> Self:
        """Give data with ratings another scale."""
        assert self.ratings is not None  # noqa: S101
        low, high = scale
        outside = (self.ratings < low) | (self.ratings > high)
        if outside.any():
            raise DataError(
                f"{self.name}: {int(outside.sum()):,} ratings are outside the scale {low:g} to {high:g}, the first is "
                f"{self.ratings[np.argmax(outside)]:g}. Give the whole scale, or ignore that rating."
            )
        return replace(self, scale=scale, feedback="ratings" if self.feedback == "counts" else self.feedback)

    def tie_rule(self, asked: TieRule | None = None) -> TieRule:
        """Return the rule that orders ties: "file" only where it is asked for and the file is in the order of time."""
        return "file" if (asked or self.ties) == "file" and self._file_order else "random"

    @cached_property
    def _file_order(self) -> int:
        if self.times is None or not self.tied_share:
            return 1
        ids = [item.id for item in self.catalogue.items]
        return file_order(self.users, self.items, self.times, ids, self.ratings)

    def _rows(self, order: NDArray[np.int64], *, ordered: bool = True) -> Histories:
        values = None if self.ratings is None else self.ratings[order]
        return Histories.from_entries(
            self.users[order],
            self.items[order],
            values,
            n_rows=self.n_users,
            n_items=self.n_items,
            ordered=ordered,
        )

    @classmethod
    def build(
        cls,
        name: str,
        *,
        users: pd.Series[Any] | NDArray[Any],
        items: pd.Series[Any] | NDArray[Any],
        ratings: NDArray[Any] | None,
        times: Times | NDArray[Any] | None,
        known: Mapping[str, Item] | None = None,
        scale: tuple[float, float] | None = None,
        feedback: Feedback | None = None,
        source: str,
        generated: bool = False,
        notes: tuple[str, ...] = (),
        parts: NDArray[np.uint8] | None = None,
        own_split: OwnSplit | None = None,
        positive_from: float | None = None,
        min_positives: int | None = None,
        ties: TieRule = "file",
    ) -> Self:
        """Index raw columns; of a (user, item) pair that comes twice the latest one stays, and the number is noted.

        users, items: (n,) ids of any kind.  known: catalogue entries by id.  scale: by default the observed range.
        times: read already, or numbers whose unit is found (`times.from_numbers`).  feedback: "ratings" by default.
        parts: where a pair that comes twice is in several of them, they are joined.
        Raises DataError when there is nothing to index, and `times.Misfit` for a time that is none.
        """
        if len(users) == 0:
            raise DataError(f"{source}: no interactions found. Check that the file has rows below its header.")
        user_index, user_ids = index(users)
        item_index, item_ids = index(items)
        read = times if times is None or isinstance(times, Times) else from_numbers(np.asarray(times, np.int64))
        when = None if read is None else read.values
        rows, parts = latest_of_each_pair(user_index, item_index, len(item_ids), when, parts)
        if rows is not None:
            which = "latest in time" if when is not None else "last line"
            dropped = len(user_index) - len(rows)
            notes = (*notes, f"{dropped:,} duplicate (user, item) rows; the {which} of each pair counts")
            user_index, item_index = user_index[rows], item_index[rows]
            ratings = None if ratings is None else ratings[rows]
            when = None if when is None else when[rows]
            parts = None if parts is None else parts[rows]
        if read is not None and read.note:
            notes = (*notes, read.note)
        feedback = feedback or ("events" if ratings is None else "ratings")
        if ratings is not None and scale is None and feedback == "ratings":
            scale = (float(ratings.min()), float(ratings.max()))
        dataset = cls(
            name=name,
            users=user_index,
            items=item_index,
            ratings=None if ratings is None else np.ascontiguousarray(ratings, dtype=np.float32),
            times=None if when is None else np.ascontiguousarray(when, dtype=np.int64),
            user_ids=user_ids,
            catalogue=Catalogue.of(item_ids, known or {}),
            scale=scale if ratings is not None else None,
            source=source,
            generated=generated,
            notes=notes,
            ticks=1 if read is None else read.ticks,
            feedback=feedback,
            positive_from=positive_from,
            min_positives=min_positives,
            ties=ties,
            parts=parts,
            own_split=own_split,
        )
        object.__setattr__(dataset, "fingerprint", _fingerprint(dataset))
        return dataset

    def save(self, folder: Path) -> None:
        """Keep this data set in a folder, as one file that is replaced whole: readers see the old or the new one."""
        texts = {"catalogue": self.catalogue.to_json(), "user_ids": json.dumps(self.user_ids)}
        dataset_file.write(folder, self._facts(), {name: getattr(self, name) for name in dataset_file.COLUMNS}, texts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises DataError when it is missing, damaged or of another format."""
        with dataset_file.opened(folder) as (facts, members):
            arrays: dict[str, Any] = {key: members.get(key) for key in dataset_file.COLUMNS}
            user_ids = tuple(json.loads(dataset_file.text(members["user_ids"])))
            catalogue = Catalogue.from_json(dataset_file.text(members["catalogue"]))
            dataset_file.check(arrays, len(user_ids), len(catalogue))
            return cls(
                **arrays,
                user_ids=user_ids,
                catalogue=catalogue,
                name=facts["name"],
                scale=None if facts["scale"] is None else (facts["scale"][0], facts["scale"][1]),
                source=facts["source"],
                generated=facts["generated"],
                notes=tuple(facts["notes"]),
                fingerprint=facts["fingerprint"],
                ticks=facts["ticks"],
                feedback=facts["feedback"] if arrays["ratings"] is not None else "events",
                positive_from=facts["positive_from"],
                min_positives=facts["min_positives"],
                ties=facts["ties"],
                own_split=facts["own_split"],
            )

    @staticmethod
    def facts(folder: Path) -> dict[str, Any]:
        """Read what is known about a kept data set without reading the data: name, sizes, scale, source, notes."""
        with dataset_file.opened(folder) as (facts, _):
            return facts

    @staticmethod
    def is_kept(folder: Path) -> bool:
        """Whether a data set was saved in this folder."""
        return dataset_file.is_there(folder)

    def _facts(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "users": self.n_users,
            "items": self.n_items,
            "interactions": len(self),
            "scale": self.scale,
            "time_kind": self.time_kind,
            "source": self.source,
            "generated": self.generated,
            "notes": list(self.notes),
            "fingerprint": self.fingerprint,
            "ticks": self.ticks,
            "feedback": self.feedback,
            "positive_from": self.positive_from,
            "min_positives": self.min_positives,
            "ties": self.ties,
            "tied_share": self.tied_share,
            "own_split": self.own_split,
        }

    def said_time(self, value: int) -> str:
        """Say one of `times` in words: ISO 8601 in UTC for dates, the number itself for an order."""
        return iso(value, self.ticks) if self.time_kind == "dates" else f"{value / self.ticks:g}"


def _fingerprint(dataset: Dataset) -> str:
    digest = blake2b(digest_size=8)
    for array in (dataset.users, dataset.items, dataset.ratings, dataset.times):
        digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    if dataset.ticks > 1:
        digest.update(f"ticks {dataset.ticks}".encode())
    if dataset.parts is not None:
        digest.update(dataset.parts.tobytes())
    digest.update("\n".join((*dataset.user_ids, "", *(item.id for item in dataset.catalogue.items))).encode())
    return digest.hexdigest()
