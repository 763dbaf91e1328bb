"""`Dataset`: interactions and their item catalogue as one immutable, fingerprinted value."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
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
from recdash.data.stable_order import order_in_groups, sort_ties
from recdash.data.time_ties import (
    TieRule,
    file_order,
    random_keys,
    tied_share,
)
from recdash.data.timestamps import (
    TimeKind,
    Times,
    format_time,
    from_numbers,
    kind_of,
)
from recdash.errors import DataError, UsageError
from recdash.settings import DEFAULT_SPLIT_SEED

if TYPE_CHECKING:
    import pandas as pd

_POSITIVE_SHARE_OF_SCALE = 0.75  # of the way from the lowest to the highest rating: 4 on a scale of 1 to 5


@dataclass(frozen=True, eq=False)
class Dataset:
    """Interactions in the order of their source, indexed by ascending user and item id.

    Attributes:
        name: Name, or absolute path of the file.
        users: (n,) int32 user indices.
        items: (n,) int32 item indices.
        ratings: (n,) float32 ratings; None if there are none.
        times: (n,) int64 times, in ticks since 1970 or as a plain order; None if there are none.
        user_ids: Original id of each user.
        catalogue: Items with their ids, titles, years and genres.
        scale: Lowest and highest possible rating; None if there is no rating scale.
        source: Origin of the data, for display.
        generated: Whether the ratings are generated (the demo); every view must state it.
        notes: Remarks of the reader, for display.
        fingerprint: Hash of interactions and ids.
        ticks: Units of `times` per second; 1 unless the source is finer.
        feedback: Meaning of `ratings`: "ratings" on the scale, "labels" (1 is liked, 0 or -1 is not), "counts" such as
            plays, which have no scale, or "events" if there are none.
        positive_from: Lowest rating that counts as a positive, if set at import.
        min_positives: Fewest positives of a user in a split, if set at import.
        ties: Rule that orders events of one user at the same time, see `in_time_order`.
        parts: (n,) uint8 bits of `recdash.data.split_parts`, for data imported as a split; None otherwise.
        own_split: Task of that split; None otherwise.
        item_word: Word for the items, such as "book", if the reader found one; see `recdash.data.item_words`.
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
    item_word: str | None = None

    @property
    def n_users(self) -> int:
        """Number of users, each with at least one interaction."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Number of items, each with at least one interaction."""
        return len(self.catalogue)

    def __len__(self) -> int:
        return len(self.users)

    @cached_property
    def time_kind(self) -> TimeKind | None:
        """Meaning of `times`: "dates" counted from 1970, a plain "order", or None without times."""
        return None if self.times is None else kind_of(self.times, self.ticks)

    @cached_property
    def tied_share(self) -> float:
        """Share of interactions with the same time as another one of the same user; 0 without times."""
        return 0.0 if self.times is None else tied_share(self.users, self.times)

    @cached_property
    def rating_step(self) -> float | None:
        """Step between ratings: 1 for whole numbers, 0.5 for halves, None for anything else."""
        if self.ratings is None:
            return None
        return next((step for step in (1.0, 0.5) if not np.any(self.ratings % step)), None)

    @property
    def default_positive_from(self) -> float | None:
        """Lowest rating that counts as a positive by default; None if every row counts.

        The value set at import, else three quarters of the way up the scale, rounded up to a possible rating: whole
        stars have a whole threshold.
        """
        if self.ratings is None or self.positive_from is not None or self.scale is None:
            return None if self.ratings is None else self.positive_from
        threshold = self.scale[0] + _POSITIVE_SHARE_OF_SCALE * (self.scale[1] - self.scale[0])
        return threshold if self.rating_step is None else math.ceil(threshold / self.rating_step) * self.rating_step

    @property
    def n_positives(self) -> int:
        """Number of interactions that count as positives by default."""
        threshold = self.default_positive_from
        return len(self) if threshold is None or self.ratings is None else int((self.ratings >= threshold).sum())

    @cached_property
    def histories(self) -> Histories:
        """All interactions by user in time order, see `in_time_order`; in source order if there are no times."""
        return self.in_time_order()

    def in_time_order(self, ties: TieRule | None = None, seed: int = DEFAULT_SPLIT_SEED) -> Histories:
        """Return all interactions by user, in time order.

        Args:
            ties: Rule that orders interactions of one user at the same time. "file" uses their position in the file if
                the file is sorted by time; "random", and "file" for other files, uses a hash of seed, user and item.
                Default: the rule of the dataset.
            seed: Seed of the hash.

        Returns:
            One row per user. Without times the rows have the order of the source and are marked as not ordered.
        """
        if self.times is None:
            return self._rows(np.arange(len(self)), ordered=False)
        if self.tie_rule(ties) == "random":
            return self._rows(self._order_with_ties_by(self._random_keys(seed)))
        if self._file_order == 1:
            return self._rows(order_in_groups(self.users, self.times, self.n_users))
        return self._rows(len(self) - 1 - order_in_groups(self.users[::-1], self.times[::-1], self.n_users))

    @cached_property
    def in_time_order_ties_by_item(self) -> Histories:
        """Like `histories`, with ties ordered by item index: the row order in which random hold-outs are drawn."""
        if self.times is None:
            return self.histories
        return self._rows(self._order_with_ties_by(self.items.__getitem__))

    def _order_with_ties_by(self, keys: Callable[[NDArray[np.int64]], NDArray[Any]]) -> NDArray[np.int64]:
        """Order interactions by user, time and a key of rows, (n,)."""
        assert self.times is not None  # noqa: S101  (checked by the callers)
        order = order_in_groups(self.users, self.times, self.n_users)
        sort_ties(order, self.users, self.times, keys)
        return order

    def _random_keys(self, seed: int) -> Callable[[NDArray[np.int64]], NDArray[np.uint64]]:
        item_ids = [item.id for item in self.catalogue.items]
        return lambda rows: random_keys(self.users[rows], self.items[rows], self.user_ids, item_ids, seed)

    def adjusted(self, scale: tuple[float, float] | None = None, ignore_ratings: Collection[float] = ()) -> Self:
        """Return the dataset with another scale, and without interactions whose rating means "not rated".

        The result equals an import of the file without these rows: users and items with no other rows are removed.

        Args:
            scale: Lowest and highest possible rating. By default an end of the scale that is ignored is replaced by the
                lowest or highest remaining rating.
            ignore_ratings: Ratings whose interactions are removed.

        Raises:
            UsageError: The dataset has no ratings.
            DataError: A rating is outside the scale, or no interaction remains.
        """
        if scale is None and not ignore_ratings:
            return self
        if self.ratings is None:
            option = "scale" if scale is not None else "ignore_ratings"
            raise UsageError(f"{option}: {self.name} has no ratings. Leave {option} out.")
        chosen = ~np.isin(self.ratings, np.array(list(ignore_ratings), np.float32))
        remaining = self._select(chosen, sorted(ignore_ratings)) if not chosen.all() else self
        return remaining if scale in (None, remaining.scale) else remaining._with_scale(scale)

    def _select(self, chosen: NDArray[np.bool_], ignored: Sequence[float]) -> Self:
        """Select marked interactions of a dataset with ratings."""
        listed = ", ".join(f"{rating:g}" for rating in ignored)
        if not chosen.any():
            raise DataError(f"{self.name}: all ratings are ignored ({listed}). Ignore fewer values.")
        assert self.ratings is not None  # noqa: S101  (checked by `adjusted`)
        ratings, scale = self.ratings[chosen], self.scale
        if scale is not None:
            low, high = scale
            scale = (
                float(ratings.min()) if low in ignored else low,
                float(ratings.max()) if high in ignored else high,
            )
        old_users, user_positions = np.unique(self.users[chosen], return_inverse=True)
        old_items, item_positions = np.unique(self.items[chosen], return_inverse=True)
        user_index, user_ids = index(np.array([self.user_ids[user] for user in old_users], object))
        item_index, item_ids = index(np.array([self.catalogue[item].id for item in old_items], object))
        selected = replace(
            self,
            users=user_index[user_positions],
            items=item_index[item_positions],
            ratings=ratings,
            times=None if self.times is None else self.times[chosen],
            parts=None if self.parts is None else self.parts[chosen],
            user_ids=user_ids,
            catalogue=Catalogue.of(item_ids, {item.id: item for item in self.catalogue.items}),
            scale=scale,
            notes=(*self.notes, f"{int((~chosen).sum()):,} interactions with ignored ratings ({listed}) are left out"),
        )
        return replace(selected, fingerprint=_fingerprint(selected))

    def _with_scale(self, scale: tuple[float, float]) -> Self:
        """Return a dataset with ratings on another scale."""
        assert self.ratings is not None  # noqa: S101
        low, high = scale
        outside = (self.ratings < low) | (self.ratings > high)
        if outside.any():
            raise DataError(
                f"{self.name}: {int(outside.sum()):,} ratings are outside the scale {low:g} to {high:g}, the first is "
                f"{self.ratings[np.argmax(outside)]:g}. Give the full scale, or ignore that rating."
            )
        return replace(self, scale=scale, feedback="ratings" if self.feedback == "counts" else self.feedback)

    def tie_rule(self, requested: TieRule | None = None) -> TieRule:
        """Return the rule that orders ties: "file" only if it is requested and the file is sorted by time."""
        return "file" if (requested or self.ties) == "file" and self._file_order else "random"

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
        items_by_id: Mapping[str, Item] | None = None,
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
        item_word: str | None = None,
    ) -> Self:
        """Build a dataset from raw columns.

        Of a repeated (user, item) pair the latest row counts; a note states how many rows were dropped.

        Args:
            name: Name of the dataset.
            users: (n,) user ids of any kind.
            items: (n,) item ids of any kind.
            ratings: (n,) ratings; None if there are none.
            times: (n,) times, parsed or as numbers whose unit is detected (`timestamps.from_numbers`); None if there
                are none.
            items_by_id: Catalogue entries by item id.
            scale: Lowest and highest possible rating; by default the observed range.
            feedback: Meaning of the ratings, "ratings" by default.
            source: Origin of the data, for display.
            generated: Whether the ratings are generated.
            notes: Remarks for display.
            parts: (n,) split parts as bits; those of a repeated pair are combined.
            own_split: Task of the split that came with the data.
            positive_from: Lowest rating that counts as a positive.
            min_positives: Fewest positives of a user in a split.
            ties: Rule that orders events of one user at the same time.
            item_word: Word for the items.

        Raises:
            DataError: There are no rows.
            ColumnError: A time is invalid.
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
            catalogue=Catalogue.of(item_ids, items_by_id or {}),
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
            item_word=item_word,
        )
        object.__setattr__(dataset, "fingerprint", _fingerprint(dataset))
        return dataset

    def save(self, folder: Path) -> None:
        """Save this dataset in a folder, as one file that is replaced atomically. Raises OSError."""
        texts = {"catalogue": self.catalogue.to_json(), "user_ids": json.dumps(self.user_ids)}
        dataset_file.write(folder, self._facts(), {name: getattr(self, name) for name in dataset_file.COLUMNS}, texts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a saved dataset. Raises DataError if it is missing, damaged or in another format."""
        with dataset_file.open_dataset(folder) as (facts, members):
            arrays: dict[str, Any] = {key: members.get(key) for key in dataset_file.COLUMNS}
            user_ids = tuple(json.loads(dataset_file.member_text(members["user_ids"])))
            catalogue = Catalogue.from_json(dataset_file.member_text(members["catalogue"]))
            dataset_file.check_columns(arrays, len(user_ids), len(catalogue))
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
                item_word=facts["item_word"],
            )

    @staticmethod
    def read_facts(folder: Path) -> dict[str, Any]:
        """Read name, sizes, scale, source and notes of a saved dataset without its columns."""
        with dataset_file.open_dataset(folder) as (facts, _):
            return facts

    @staticmethod
    def is_saved(folder: Path) -> bool:
        """Return whether a dataset is saved in this folder."""
        return dataset_file.exists(folder)

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
            "item_word": self.item_word,
        }

    def format_time(self, value: int) -> str:
        """Format one of `times`: ISO 8601 in UTC for dates, the number itself for an order."""
        return format_time(value, self.ticks) if self.time_kind == "dates" else f"{value / self.ticks:g}"


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
