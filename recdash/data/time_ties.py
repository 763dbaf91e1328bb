"""Ties in time: events of one user at the same time. Their share, and the rules that order them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recdash.data.stable_order import group_order

TieRule = Literal["file", "random"]

TIE_RULES: tuple[TieRule, ...] = ("file", "random")
_MIN_TIES = 10  # fewer tied neighbours in a file may be sorted by chance
_SORTED_SHARE = 0.9  # of tied neighbours in one direction, from which a file counts as sorted

Column = NDArray[np.int32]


def tied(users: Column, times: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark events that share their time with another one of the same user, (n,)."""
    order = np.lexsort((times, users))
    same = (users[order][1:] == users[order][:-1]) & (times[order][1:] == times[order][:-1])
    found = np.zeros(len(users), np.bool_)
    found[order[1:]] |= same
    found[order[:-1]] |= same
    return found


def tied_share(users: Column, times: NDArray[np.int64]) -> float:
    """Return the share of tied events; cheaper than `tied`."""
    if len(users) < 2:
        return 0.0
    first = int(times.min())
    span = int(times.max()) - first + 1
    if span > 2**62 // (int(users.max()) + 1):  # (user, time) does not fit one int64
        return float(tied(users, times).mean())
    keys = users.astype(np.int64)  # modified in place, to save memory on large files
    keys *= span
    keys += times
    keys -= first
    # A stable sort merges what is sorted in part, and takes less than half of the time on a file sorted by user.
    keys.sort(kind="stable" if np.all(users[1:] >= users[:-1]) else None)
    same = keys[1:] == keys[:-1]
    among_ties = np.concatenate([[False], same]) | np.concatenate([same, [False]])
    return float(among_ties.mean())


def file_order(
    users: Column,
    items: Column,
    times: NDArray[np.int64],
    item_ids: Sequence[str],
    ratings: NDArray[np.float32] | None = None,
) -> int:
    """Return the time order of a file: 1 for oldest first, -1 for newest first, 0 for neither.

    Only a file sorted by time tells by position which of two tied events came first. A file that sorts tied events by
    item, popularity or rating counts as neither, because that order would favour some items.
    """
    by_user = group_order(users, int(users.max(initial=0)) + 1)
    if by_user is None:  # the file is sorted by user
        by_user = np.arange(len(users))
    sorted_users, steps = users[by_user], np.diff(times[by_user])
    same_user = sorted_users[1:] == sorted_users[:-1]
    direction = _direction(steps[same_user]) or _direction(np.diff(times))
    ties = np.flatnonzero(same_user & (steps == 0))
    if not direction or len(ties) < _MIN_TIES:
        return direction
    keys: list[NDArray[Any]] = [rank[items] for rank in _ranks(items, item_ids)]
    keys += [] if ratings is None else [ratings]
    return 0 if any(_is_sorted(key[by_user[ties]], key[by_user[ties + 1]]) for key in keys) else direction


def _direction(steps: NDArray[np.int64]) -> int:
    """Return 1 if steps only go up, -1 if they only go down, 0 for both or neither."""
    return int((steps > 0).any()) - int((steps < 0).any())


def _ranks(items: Column, item_ids: Sequence[str]) -> Iterator[NDArray[np.int64]]:
    """Yield ranks of the items by index, by id (plain, case-folded and natural order) and by popularity; (items,)."""
    yield np.arange(len(item_ids))
    for key in (str, _folded, _natural):
        yield _rank(item_ids, key)
    yield np.bincount(items, minlength=len(item_ids))


def _is_sorted(before: NDArray[Any], after: NDArray[Any]) -> bool:
    """Return whether neighbours nearly always increase, or decrease."""
    differ = after != before
    if np.count_nonzero(differ) < _MIN_TIES:
        return False
    rising = float((after > before)[differ].mean())
    return not 1 - _SORTED_SHARE < rising < _SORTED_SHARE


def _rank(item_ids: Sequence[str], key: Callable[[str], Any]) -> NDArray[np.int64]:
    """Return the rank of each id, sorted by a key."""
    rank = np.empty(len(item_ids), np.int64)
    rank[sorted(range(len(item_ids)), key=lambda index: key(item_ids[index]))] = np.arange(len(item_ids))
    return rank


def _folded(name: str) -> str:
    """Remove case and accents, like the collations of databases."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def _natural(name: str) -> list[tuple[int, str]]:
    """Split a name into numbers and text, so that "i7" comes before "i40"."""
    parts = re.findall(r"\d+|\D+", _folded(name))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def random_keys(
    users: Column, items: Column, user_ids: Sequence[str], item_ids: Sequence[str], seed: int
) -> NDArray[np.uint64]:
    """Return a random key per event that orders ties: a hash of seed, user id and item id, (n,).

    Ids are hashed instead of indices, so the order does not depend on other users and items.
    """
    mixed = _hashes(user_ids, f"user {seed}")[users] ^ _hashes(item_ids, f"item {seed}")[items]
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # SplitMix64 (Steele et al., 2014)
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def _hashes(names: Sequence[str], prefix: str) -> NDArray[np.uint64]:
    digests = b"".join(
        blake2b(f"{prefix}:{name}".encode("utf-8", "surrogateescape"), digest_size=8).digest() for name in names
    )
    return np.frombuffer(digests, "<u8").astype(np.uint64)
