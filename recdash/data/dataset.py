"""`Dataset`: interactions and their catalogue as one immutable, fingerprinted value that can be kept in a folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from recdash.data.catalogue import Catalogue, Item
from recdash.data.histories import Histories
from recdash.data.storage import is_number, json_object, reading_back
from recdash.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

DATES_FROM = 10**8  # seconds since 1970; smaller "times" are places in a row, not dates
_MILLISECONDS_FROM = 10**11
_FORMAT = 1
_FILE = "dataset.npz"
_FACTS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "users": (int,),
    "items": (int,),
    "interactions": (int,),
    "scale": (list, type(None)),
    "time_kind": (str, type(None)),
    "source": (str,),
    "generated": (bool,),
    "notes": (list,),
    "fingerprint": (str,),
}

TimeKind = Literal["dates", "order"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Interactions in the order of their source, indexed by ascending user and item id.

    users, items: (n,) int32 indices.  ratings: (n,) float32 or None.  times: (n,) int64 or None.
    scale: lowest and highest possible rating, None without ratings.
    time_kind: "dates" when times are seconds since 1970, "order" when they only order a history.
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
        if self.times is None:
            return None
        return "dates" if len(self.times) and int(self.times.max()) >= DATES_FROM else "order"

    @cached_property
    def histories(self) -> Histories:
        """All interactions by user, in time order; ties by item index, without times in the order of the source."""
        order = np.arange(len(self)) if self.times is None else np.lexsort((self.items, self.times))
        values = None if self.ratings is None else self.ratings[order]
        return Histories.from_entries(
            self.users[order],
            self.items[order],
            values,
            n_rows=self.n_users,
            n_items=self.n_items,
            ordered=self.times is not None,
        )

    @classmethod
    def build(
        cls,
        name: str,
        *,
        users: pd.Series[Any] | NDArray[Any],
        items: pd.Series[Any] | NDArray[Any],
        ratings: NDArray[Any] | None,
        times: NDArray[Any] | None,
        known: Mapping[str, Item] | None = None,
        scale: tuple[float, float] | None = None,
        source: str,
        generated: bool = False,
        notes: tuple[str, ...] = (),
    ) -> Self:
        """Index raw columns; of a (user, item) pair that comes twice the last one stays, and the number is noted.

        users, items: (n,) ids of any kind.  known: catalogue entries by id.  scale: by default the observed range.
        Raises DataError when there is nothing to index.
        """
        if len(users) == 0:
            raise DataError(f"{source}: no interactions found. Check that the file has rows below its header.")
        user_index, user_ids = _index(users)
        item_index, item_ids = _index(items)
        last = _last_of_each_pair(user_index, item_index, len(item_ids))
        dropped = len(last) - int(last.sum())
        if dropped:
            notes = (*notes, f"{dropped:,} duplicate (user, item) rows; the last one of each pair counts")
            user_index, item_index = user_index[last], item_index[last]
            ratings = None if ratings is None else ratings[last]
            times = None if times is None else times[last]
        finer = 0
        while times is not None and float(np.median(times)) >= _MILLISECONDS_FROM:
            times, finer = times // 1000, finer + 1
        if finer:
            notes = (*notes, f"times were {('milli', 'micro', 'nano')[finer - 1]}seconds and are kept as seconds")
        if ratings is not None and scale is None:
            scale = (float(ratings.min()), float(ratings.max()))
        dataset = cls(
            name=name,
            users=user_index,
            items=item_index,
            ratings=None if ratings is None else np.ascontiguousarray(ratings, dtype=np.float32),
            times=None if times is None else np.ascontiguousarray(times, dtype=np.int64),
            user_ids=user_ids,
            catalogue=Catalogue.of(item_ids, known or {}),
            scale=scale if ratings is not None else None,
            source=source,
            generated=generated,
            notes=notes,
        )
        object.__setattr__(dataset, "fingerprint", _fingerprint(dataset))
        return dataset

    def save(self, folder: Path) -> None:
        """Keep this data set in a folder, as one file that is replaced whole: readers see the old or the new one."""
        folder.mkdir(parents=True, exist_ok=True)
        texts = {
            "facts": json.dumps(self._facts()),
            "catalogue": self.catalogue.to_json(),
            "user_ids": json.dumps(self.user_ids),
        }
        arrays = {"users": self.users, "items": self.items, "ratings": self.ratings, "times": self.times}
        members: dict[str, Any] = {key: array for key, array in arrays.items() if array is not None}
        members |= {key: np.frombuffer(text.encode(), np.uint8) for key, text in texts.items()}
        work = folder / f".{uuid4().hex}.tmp"
        try:
            with work.open("xb") as file:
                np.savez(file, **members)
                file.flush()
                os.fsync(file.fileno())
            work.replace(folder / _FILE)
        finally:
            work.unlink(missing_ok=True)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises DataError when it is missing, damaged or of another format."""
        with _opened(folder) as (facts, members):
            arrays: dict[str, Any] = {key: members.get(key) for key in ("users", "items", "ratings", "times")}
            user_ids = tuple(json.loads(_text(members["user_ids"])))
            catalogue = Catalogue.from_json(_text(members["catalogue"]))
            _check(arrays, len(user_ids), len(catalogue))
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
            )

    @staticmethod
    def facts(folder: Path) -> dict[str, Any]:
        """Read what is known about a kept data set without reading the data: name, sizes, scale, source, notes."""
        with _opened(folder) as (facts, _):
            return facts

    @staticmethod
    def is_kept(folder: Path) -> bool:
        """Whether a data set was saved in this folder."""
        return (folder / _FILE).is_file()

    def _facts(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
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
        }


@contextmanager
def _opened(folder: Path) -> Iterator[tuple[dict[str, Any], Mapping[str, Any]]]:
    """Open the file of a kept data set and read its facts; whatever is wrong with it, then or later, is a DataError."""
    with (
        reading_back(folder, DataError, "Get or import it again.", "damaged data set"),
        np.load(folder / _FILE, allow_pickle=False) as members,
    ):
        facts = json_object(_text(members["facts"]))
        if facts["format"] != _FORMAT:
            raise DataError(f"{folder}: made by another version of recdash. Get or import the data set again.")
        _check_facts(facts)
        yield facts, members


def _text(member: NDArray[np.uint8]) -> str:
    return member.tobytes().decode()


def _check_facts(facts: Mapping[str, Any]) -> None:
    """Raise ValueError or KeyError unless each fact is there and of its type."""
    for key, kinds in _FACTS.items():
        if not isinstance(facts[key], kinds):
            raise ValueError(f"{key} is of another type")
    scale, notes = facts["scale"], facts["notes"]
    if scale is not None and not (len(scale) == 2 and all(map(is_number, scale))):
        raise ValueError("scale is no pair of numbers")
    if not all(isinstance(note, str) for note in notes):
        raise ValueError("notes are of another type")


def _check(arrays: Mapping[str, Any], n_users: int, n_items: int) -> None:
    """Raise ValueError unless the columns have one length and their types, and point into the ids."""
    if len({array.shape for array in arrays.values() if array is not None}) != 1 or arrays["users"].ndim != 1:
        raise ValueError("columns of different lengths")
    for key, kind in (("users", np.int32), ("items", np.int32), ("ratings", np.float32), ("times", np.int64)):
        if arrays[key] is not None and arrays[key].dtype != kind:
            raise ValueError(f"{key} of another type")
    for key, bound in (("users", n_users), ("items", n_items)):
        if arrays[key].min() < 0 or arrays[key].max() >= bound:
            raise ValueError(f"{key} out of range")


def _index(ids: Any) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Index ids in ascending numeric order, or in string order when one of them is not a whole number."""
    import pandas as pd

    codes, unique = pd.factorize(ids)
    names = [str(value) for value in unique]
    if all(name.isdecimal() for name in names):
        order = sorted(range(len(names)), key=lambda position: (int(names[position]), names[position]))
    else:
        order = sorted(range(len(names)), key=names.__getitem__)
    place = np.empty(len(names), np.int32)
    place[order] = np.arange(len(names), dtype=np.int32)
    return place[codes], tuple(names[position] for position in order)


def _last_of_each_pair(users: NDArray[np.int32], items: NDArray[np.int32], n_items: int) -> NDArray[np.bool_]:
    import pandas as pd

    pairs = users.astype(np.int64) * n_items + items
    return np.asarray(~pd.Series(pairs).duplicated(keep="last"))


def _fingerprint(dataset: Dataset) -> str:
    digest = blake2b(digest_size=8)
    for array in (dataset.users, dataset.items, dataset.ratings, dataset.times):
        digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    digest.update("\n".join((*dataset.user_ids, "", *(item.id for item in dataset.catalogue.items))).encode())
    return digest.hexdigest()
