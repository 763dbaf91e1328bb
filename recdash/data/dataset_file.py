"""The file of a kept data set: columns and facts as one `.npz`, replaced whole, readable by later versions."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from recdash.atomic_files import reading_back
from recdash.data.time_ties import RULES, tied_share
from recdash.data.timestamps import TimeKind
from recdash.errors import DataError
from recdash.json_values import is_number, json_object

_FORMAT = 2
_ITEM_TIES_FORMAT = 1  # earlier versions kept no finer times than seconds, and ordered ties by item
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
    "ticks": (int,),
    "feedback": (str,),
    "positive_from": (float, int, type(None)),
    "min_positives": (int, type(None)),
    "ties": (str,),
    "tied_share": (float, int),
    "own_split": (str, type(None)),
}
_SINCE_2: dict[str, Any] = {
    "ticks": 1, "feedback": "ratings", "positive_from": None, "min_positives": None, "ties": "file", "tied_share": 0.0,
    "own_split": None,
}  # fmt: skip
COLUMNS = {"users": np.int32, "items": np.int32, "ratings": np.float32, "times": np.int64, "parts": np.uint8}

Feedback = Literal["ratings", "labels", "counts", "events"]
OwnSplit = Literal["ranking", "rating"]


def write(folder: Path, facts: Mapping[str, Any], arrays: Mapping[str, Any], texts: Mapping[str, str]) -> None:
    """Write facts, columns (None where there is none) and texts as one file: readers see the old or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    members: dict[str, Any] = {key: array for key, array in arrays.items() if array is not None}
    said = {"facts": json.dumps({"format": _FORMAT, **facts}), **texts}
    members |= {key: np.frombuffer(text.encode(), np.uint8) for key, text in said.items()}
    work = folder / f".{uuid4().hex}.tmp"
    try:
        with work.open("xb") as file:
            np.savez(file, **members)
            file.flush()
            os.fsync(file.fileno())
        work.replace(folder / _FILE)
    finally:
        work.unlink(missing_ok=True)


def is_there(folder: Path) -> bool:
    """Whether a data set was kept in this folder."""
    return (folder / _FILE).is_file()


@contextmanager
def opened(folder: Path) -> Iterator[tuple[dict[str, Any], Mapping[str, Any]]]:
    """Open the file of a kept data set and read its facts; whatever is wrong with it, then or later, is a DataError."""
    with (
        reading_back(folder, DataError, "Get or import it again.", "damaged data set"),
        np.load(folder / _FILE, allow_pickle=False) as members,
    ):
        facts = json_object(text(members["facts"]))
        if facts["format"] == _ITEM_TIES_FORMAT:
            facts = _brought_up(facts, _tied_share_of(folder / _FILE, (folder / _FILE).stat().st_mtime_ns))
        elif facts["format"] != _FORMAT:
            raise DataError(f"{folder}: made by another version of recdash. Get or import the data set again.")
        _check_facts(facts)
        yield facts, members


def _brought_up(facts: dict[str, Any], share: float) -> dict[str, Any]:
    """Facts of the first format in the words of this one."""
    feedback = "events" if facts["scale"] is None else "ratings"
    found = _SINCE_2 | facts | {"tied_share": share, "feedback": feedback, "notes": list(facts["notes"])}
    if share:
        found["notes"].append(
            f"kept by an earlier version, which put the {share:.0%} of its interactions that are tied in time in the "
            "order of item ids; temporal splits no longer do, so they differ from those of earlier runs"
        )
    return found


@lru_cache(maxsize=64)
def _tied_share_of(path: Path, changed: int) -> float:
    """Share of the tied interactions of a file of the first format, which does not say it."""
    with np.load(path, allow_pickle=False) as members:
        users, times = members["users"], members.get("times")
        sound = times is None or (users.dtype == np.int32 and times.dtype == np.int64 and users.shape == times.shape)
        if not sound or users.ndim != 1:
            raise ValueError("columns of other types")
        return 0.0 if times is None else tied_share(users, times)


def text(member: NDArray[np.uint8]) -> str:
    """Return a member that holds text."""
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
    known = {"feedback": get_args(Feedback), "time_kind": (*get_args(TimeKind), None), "ties": RULES}
    if any(facts[key] not in values for key, values in known.items()) or facts["ticks"] < 1:
        raise ValueError("a fact has another value")


def check(arrays: Mapping[str, Any], n_users: int, n_items: int) -> None:
    """Raise ValueError unless the columns have one length and their types, and point into the ids."""
    if len({array.shape for array in arrays.values() if array is not None}) != 1 or arrays["users"].ndim != 1:
        raise ValueError("columns of different lengths")
    for key, kind in COLUMNS.items():
        if arrays[key] is not None and arrays[key].dtype != kind:
            raise ValueError(f"{key} of another type")
    for key, bound in (("users", n_users), ("items", n_items)):
        if arrays[key].min() < 0 or arrays[key].max() >= bound:
            raise ValueError(f"{key} out of range")
