"""Events of one user at the same time have no order of their own: how many there are, and which rule gives them one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

TieRule = Literal["file", "random"]

RULES: tuple[TieRule, ...] = ("file", "random")
_ENOUGH_TIES = 10  # neighbours in a file that fewer ties than these sort by chance
_SORTED_SHARE = 0.9

Column = NDArray[np.int32]


def tied(users: Column, times: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which events share their time with another one of the same user, (n,)."""
    order = np.lexsort((times, users))
    same = (users[order][1:] == users[order][:-1]) & (times[order][1:] == times[order][:-1])
    found = np.zeros(len(users), np.bool_)
    found[order[1:]] |= same
    found[order[:-1]] |= same
    return found


def tied_share(users: Column, times: NDArray[np.int64]) -> float:
    """Share of the events that are tied; cheaper than `tied`."""
    if len(users) < 2:
        return 0.0
    first = int(times.min())
    span = int(times.max()) - first + 1
    if span > 2**62 // (int(users.max()) + 1):  # too fine for one number per event
        return float(tied(users, times).mean())
    keys = users.astype(np.int64)
    keys *= span
    keys += times
    keys -= first
    keys.sort()
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
    """1 where the file lists events in the order of time, -1 where the newest come first, 0 where it shows neither.

    Only then does the position of tied events say which came first.  A file that sorts tied events by item, popularity
    or rating shows neither: such an order would favour some items.
    """
    by_user = np.argsort(users, kind="stable")
    whose, steps = users[by_user], np.diff(times[by_user])
    same_user = whose[1:] == whose[:-1]
    direction = _direction(steps[same_user]) or _direction(np.diff(times))
    ties = np.flatnonzero(same_user & (steps == 0))
    if not direction or len(ties) < _ENOUGH_TIES:
        return direction
    keys: list[NDArray[Any]] = [rank[items] for rank in _ranks(items, item_ids)]
    keys += [] if ratings is None else [ratings]
    return 0 if any(_are_sorted(key[by_user[ties]], key[by_user[ties + 1]]) for key in keys) else direction


def _direction(steps: NDArray[np.int64]) -> int:
    """1 where steps only go up, -1 where they only go down, 0 where they do both, or neither."""
    return int((steps > 0).any()) - int((steps < 0).any())


def _ranks(items: Column, item_ids: Sequence[str]) -> Iterator[NDArray[np.int64]]:
    """Places of the items by id, as numbers, as words and as people sort names, and by popularity; each (items,)."""
    yield np.arange(len(item_ids))
    for key in (str, _folded, _natural):
        yield _rank(item_ids, key)
    yield np.bincount(items, minlength=len(item_ids))


def _are_sorted(before: NDArray[Any], after: NDArray[Any]) -> bool:
    """Whether neighbours go up nearly always, or down."""
    apart = after != before
    if np.count_nonzero(apart) < _ENOUGH_TIES:
        return False
    rising = float((after > before)[apart].mean())
    return not 1 - _SORTED_SHARE < rising < _SORTED_SHARE


def _rank(item_ids: Sequence[str], key: Callable[[str], Any]) -> NDArray[np.int64]:
    """Place of each id when they are sorted by a key."""
    rank = np.empty(len(item_ids), np.int64)
    rank[sorted(range(len(item_ids)), key=lambda place: key(item_ids[place]))] = np.arange(len(item_ids))
    return rank


def _folded(name: str) -> str:
    """A name without case and accents, as collations of databases compare it."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def _natural(name: str) -> list[tuple[int, str]]:
    """A name in parts, so that "i7" comes before "i40"."""
    parts = re.findall(r"\d+|\D+", _folded(name))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def by_chance(
    users: Column, items: Column, user_ids: Sequence[str], item_ids: Sequence[str], seed: int
) -> NDArray[np.uint64]:
    """A number for every event that orders tied ones by chance: a hash of seed, user and item, (n,).

    Ids are hashed, so that other users and items change nothing.
    """
    mixed = _hashes(user_ids, f"user {seed}")[users] ^ _hashes(item_ids, f"item {seed}")[items]
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # SplitMix64 (Steele et al., 2014)
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def _hashes(names: Sequence[str], what: str) -> NDArray[np.uint64]:
    digests = b"".join(
        blake2b(f"{what}:{name}".encode("utf-8", "surrogateescape"), digest_size=8).digest() for name in names
    )
    return np.frombuffer(digests, "<u8").astype(np.uint64)
