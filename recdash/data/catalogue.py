"""The item catalogue: ids, titles, years, genres and other titles, aligned with item indices."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recdash.data.items import Item
from recdash.data.title_index import SearchIndex
from recdash.errors import DataError

_MISSING = ("None", "nan", "<NA>", "NaT")  # text of the missing values of Python, numpy and pandas


@dataclass(frozen=True)
class Catalogue:
    """Items in the order of their indices. Without titles, each id is its own title."""

    items: tuple[Item, ...]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Item:
        return self.items[index]

    @property
    def has_titles(self) -> bool:
        """Whether any item has a title other than its id."""
        return any(item.title != item.id for item in self.items)

    @cached_property
    def index_of(self) -> Mapping[str, int]:
        """Item index by id."""
        return {item.id: index for index, item in enumerate(self.items)}

    @cached_property
    def search_index(self) -> SearchIndex:
        """Search index of all titles, built on first use."""
        return SearchIndex.of(self.items)

    def take(self, indices: NDArray[np.integer[Any]]) -> Self:
        """Return the items with these indices, in the given order."""
        return type(self)(tuple(self.items[int(index)] for index in indices))

    @classmethod
    def bare(cls, ids: Iterable[object]) -> Self:
        """Build from ids only; each id is its own title."""
        return cls(tuple(Item(name, name) for name in map(str, ids)))

    @classmethod
    def of_names(cls, names: Any) -> Self:
        """Build from names, each its own id and title.

        Args:
            names: Names in the order of the item indices: a list, array, pandas Index or Series of texts, numbers or
                `Item`; or a Catalogue.

        Raises:
            DataError: The input is not a list, or a name is missing, empty, not a single line, or not unique.
        """
        listed = names.items if isinstance(names, Catalogue) else tuple(map(_item_of_name, _name_list(names), count()))
        first: dict[str, int] = {}
        for index, item in enumerate(listed):
            if first.setdefault(item.id, index) != index:
                raise DataError(
                    f"items: {item.id!r} is the name of item {first[item.id]} and of item {index}. Give unique names."
                )
        return cls(listed)

    @classmethod
    def of(cls, ids: Iterable[object], items_by_id: Mapping[str, Item]) -> Self:
        """Build for these ids from known items; an unknown id is its own title."""
        return cls(tuple(items_by_id.get(str(id_)) or Item(str(id_), str(id_)) for id_ in ids))

    def to_json(self) -> str:
        """Encode all items as JSON, one list per item."""
        return json.dumps([list(item) for item in self.items], ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Decode `to_json`. Raises ValueError or RecursionError for any other text."""
        rows = json.loads(text)
        if not isinstance(rows, list) or not all(_is_item(row) for row in rows):
            raise ValueError("not a list of items")
        return cls(
            tuple(Item(id_, title, year, tuple(genres), tuple(others)) for id_, title, year, genres, others in rows)
        )


def _name_list(names: Any) -> list[Any]:
    """Return names in their order, as Python values."""
    unordered = isinstance(names, str | bytes | Mapping | Set) or getattr(names, "ndim", 1) != 1
    if unordered or not isinstance(names, Iterable):
        raise DataError(
            f"items: expected a list of names, one for each item, found {type(names).__name__}. "
            "For example: ['Heat (1995)', 'Toy Story (1995)']."
        )
    return list(names.tolist() if hasattr(names, "tolist") else names)


def _item_of_name(name: Any, index: int) -> Item:
    if isinstance(name, Item):
        return name
    text = str(name)
    if not isinstance(name, str) and (text in _MISSING or not isinstance(name, Hashable)):
        raise DataError(f"items: item {index} has no name, found {type(name).__name__}. Give text or a number.")
    if not text.strip() or len(text.splitlines()) > 1:
        raise DataError(f"items: the name of item {index}, {text[:40]!r}, is not one line of text.")
    return Item(text, text)


def _is_item(row: object) -> bool:
    """Return whether a JSON value has the fields of an item; numeric ids are allowed."""
    if not isinstance(row, list) or len(row) != len(Item._fields):
        return False
    id_, title, year, genres, others = row
    texts = [id_, title, *genres, *others] if isinstance(genres, list) and isinstance(others, list) else [None]
    return (year is None or isinstance(year, int)) and all(isinstance(text, str | int) for text in texts)
