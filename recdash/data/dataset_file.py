"""The file of a saved dataset: columns and facts in one `.npz`, replaced atomically, readable by later versions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from recdash.atomic_files import atomic_writer, wrap_read_errors
from recdash.data.time_ties import TIE_RULES, tied_share
from recdash.data.timestamps import TimeKind
from recdash.errors import DataError
from recdash.json_values import is_number, json_object

_FORMAT = 2
_ITEM_TIES_FORMAT = 1  # of versions before 0.2, which stored times in seconds and ordered ties by item
_FILE = "dataset.npz"
_FACT_TYPES: dict[str, tuple[type, ...]] = {
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
    "item_word": (str, type(None)),
}
_ADDED_IN_FORMAT_2: dict[str, Any] = {
    "ticks": 1, "feedback": "ratings", "positive_from": None, "min_positives": None, "ties": "file", "tied_share": 0.0,
    "own_split": None,
}  # fmt: skip
COLUMNS = {"users": np.int32, "items": np.int32, "ratings": np.float32, "times": np.int64, "parts": np.uint8}

Feedback = Literal["ratings", "labels", "counts", "events"]
OwnSplit = Literal["ranking", "rating"]


def write(folder: Path, facts: Mapping[str, Any], arrays: Mapping[str, Any], texts: Mapping[str, str]) -> None:
    """Write facts, columns (None for a missing one) and texts as one file, replaced atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    members: dict[str, Any] = {key: array for key, array in arrays.items() if array is not None}
    encoded = {"facts": json.dumps({"format": _FORMAT, **facts}), **texts}
    members |= {key: np.frombuffer(text.encode(), np.uint8) for key, text in encoded.items()}
    with atomic_writer(folder / _FILE) as file:
        np.savez(file, **members)


def exists(folder: Path) -> bool:
    """Return whether a dataset is saved in this folder."""
    return (folder / _FILE).is_file()


def stamp(folder: Path) -> tuple[int, ...]:
    """Return numbers that change when the file of a saved dataset is replaced; none if there is no file."""
    try:
        stat = (folder / _FILE).stat()
    except OSError:
        return ()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


@contextmanager
def open_dataset(folder: Path) -> Iterator[tuple[dict[str, Any], Mapping[str, Any]]]:
    """Open the file of a saved dataset and read its facts.

    Raises:
        DataError: for any damage, found here or later in the block.
    """
    with (
        wrap_read_errors(folder, DataError, "Get or import it again.", "damaged dataset"),
        np.load(folder / _FILE, allow_pickle=False) as members,
    ):
        facts = json_object(member_text(members["facts"]))
        if facts["format"] == _ITEM_TIES_FORMAT:
            facts = _upgrade_facts(facts, _tied_share_of(folder / _FILE, (folder / _FILE).stat().st_mtime_ns))
        elif facts["format"] != _FORMAT:
            raise DataError(f"{folder}: written by another version of recdash. Get or import the dataset again.")
        facts.setdefault("item_word", None)  # missing in files of earlier versions
        _check_facts(facts)
        yield facts, members


def _upgrade_facts(facts: dict[str, Any], share: float) -> dict[str, Any]:
    """Convert facts of the first format to this one."""
    feedback = "events" if facts["scale"] is None else "ratings"
    found = _ADDED_IN_FORMAT_2 | facts | {"tied_share": share, "feedback": feedback, "notes": list(facts["notes"])}
    if share:
        found["notes"].append(
            f"saved by an earlier version, which ordered ties in time ({share:.0%} of the interactions) by item id; "
            "temporal splits no longer do, so they differ from those of earlier runs"
        )
    return found


@lru_cache(maxsize=64)
def _tied_share_of(path: Path, modified_ns: int) -> float:
    """Compute the share of tied interactions for a file of the first format, which does not store it.

    modified_ns: part of the cache key, so that a replaced file is read again.
    """
    with np.load(path, allow_pickle=False) as members:
        users, times = members["users"], members.get("times")
        sound = times is None or (users.dtype == np.int32 and times.dtype == np.int64 and users.shape == times.shape)
        if not sound or users.ndim != 1:
            raise ValueError("columns have wrong types")
        return 0.0 if times is None else tied_share(users, times)


def member_text(member: NDArray[np.uint8]) -> str:
    """Decode a member that holds text."""
    return member.tobytes().decode()


def _check_facts(facts: Mapping[str, Any]) -> None:
    """Raise ValueError or KeyError unless all facts are present and valid."""
    for key, kinds in _FACT_TYPES.items():
        if not isinstance(facts[key], kinds):
            raise ValueError(f"{key} has a wrong type")
    scale, notes = facts["scale"], facts["notes"]
    if scale is not None and not (len(scale) == 2 and all(map(is_number, scale))):
        raise ValueError("scale is not a pair of numbers")
    if not all(isinstance(note, str) for note in notes):
        raise ValueError("notes have a wrong type")
    known = {"feedback": get_args(Feedback), "time_kind": (*get_args(TimeKind), None), "ties": TIE_RULES}
    if any(facts[key] not in values for key, values in known.items()) or facts["ticks"] < 1:
        raise ValueError("a fact has an unknown value")


def check_columns(arrays: Mapping[str, Any], n_users: int, n_items: int) -> None:
    """Raise ValueError unless the columns have equal lengths, their types and valid indices."""
    if len({array.shape for array in arrays.values() if array is not None}) != 1 or arrays["users"].ndim != 1:
        raise ValueError("columns of different lengths")
    for key, kind in COLUMNS.items():
        if arrays[key] is not None and arrays[key].dtype != kind:
            raise ValueError(f"{key} has a wrong type")
    for key, bound in (("users", n_users), ("items", n_items)):
        if arrays[key].min() < 0 or arrays[key].max() >= bound:
            raise ValueError(f"{key} out of range")
