"""The item catalogue: ids, titles, years, genres and other titles, aligned with item indices."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from recdash.errors import DataError

if TYPE_CHECKING:
    from recdash.data.search import SearchIndex

_ARTICLES = (
    "The|A|An|La|Le|Les|L'|Il|Lo|I|Gli|El|Los|Las|Der|Die|Das|Ein|Eine|Un|Une|Una|Det|Den|De|Het|En|Ett|O|Os|As|Um|Uma"
)
_TRAILING_ARTICLE = re.compile(rf"^(?P<rest>.+), (?P<article>{_ARTICLES})$", re.IGNORECASE)
_YEAR = re.compile(r"^(?P<rest>.*?)\s*\((?P<year>\d{4})(?:[-–]\d{0,4})?\)\s*$")
_BRACKETS = re.compile(r"(?<=\S)\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
_ALSO = re.compile(r"^a\.?k\.?a\.?:?\s+", re.IGNORECASE)
_MISSING = ("None", "nan", "<NA>", "NaT")  # how Python, numpy and pandas write that there is nothing


class Item(NamedTuple):
    """One entry of the catalogue; `year` is None when unknown."""

    id: str
    title: str
    year: int | None = None
    genres: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Title with its year, the form in which people and files name a film."""
        return self.title if self.year is None else f"{self.title} ({self.year})"


def natural_title(title: str) -> str:
    """Move a trailing article to the front: "Matrix, The" becomes "The Matrix"."""
    match = _TRAILING_ARTICLE.match(title.strip())
    if match is None:
        return title.strip()
    article, rest = match["article"], match["rest"]
    return f"{article}{rest}" if article.endswith("'") else f"{article} {rest}"


def parse_title(raw: str) -> tuple[str, int | None, tuple[str, ...]]:
    """Split a MovieLens title into title, year and other titles.

    "City of Lost Children, The (Cité des enfants perdus, La) (1995)" gives
    ("The City of Lost Children", 1995, ("La Cité des enfants perdus",)).
    """
    match = _YEAR.match(raw.strip())
    rest, year = (match["rest"], int(match["year"])) if match else (raw.strip(), None)
    others = [natural_title(_ALSO.sub("", other.strip())) for other in _BRACKETS.findall(rest)]
    title = natural_title(_BRACKETS.sub("", rest).strip())
    if not title:
        return rest.strip(), year, ()
    return title, year, tuple(other for other in others if other)


@dataclass(frozen=True)
class Catalogue:
    """Items in the order of their indices; a bare one knows ids only."""

    items: tuple[Item, ...]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Item:
        return self.items[index]

    @property
    def has_titles(self) -> bool:
        """Whether any title says more than its id."""
        return any(item.title != item.id for item in self.items)

    @cached_property
    def index_of(self) -> Mapping[str, int]:
        """Item index by id."""
        return {item.id: index for index, item in enumerate(self.items)}

    @cached_property
    def search_index(self) -> SearchIndex:
        """The words of all titles, built when first searched."""
        from recdash.data.search import SearchIndex

        return SearchIndex.of(self)

    def take(self, indices: NDArray[np.integer[Any]]) -> Self:
        """Return the named items, in the given order."""
        return type(self)(tuple(self.items[int(index)] for index in indices))

    @classmethod
    def bare(cls, ids: Iterable[object]) -> Self:
        """Build from ids alone; each id is its own title."""
        return cls(tuple(Item(name, name) for name in map(str, ids)))

    @classmethod
    def of_names(cls, names: Any) -> Self:
        """Build from a catalogue, or from names (each its own id and title) in the order of the item indices.

        names: a list, array, pandas Index or Series, of texts or numbers, or of `Item`.  Raises DataError for what is
        no list, and for names that are missing, empty, longer than a line, or not unique.
        """
        listed = names.items if isinstance(names, Catalogue) else tuple(map(_named, _listed(names), count()))
        first: dict[str, int] = {}
        for index, item in enumerate(listed):
            if first.setdefault(item.id, index) != index:
                raise DataError(
                    f"items: {item.id!r} is the name of item {first[item.id]} and of item {index}. Give unique names."
                )
        return cls(listed)

    @classmethod
    def of(cls, ids: Iterable[object], known: Mapping[str, Item]) -> Self:
        """Build for these ids from what is known; an id without an entry is its own title."""
        return cls(tuple(known.get(str(id_)) or Item(str(id_), str(id_)) for id_ in ids))

    def to_json(self) -> str:
        """Return all items as JSON, one list per item."""
        return json.dumps([list(item) for item in self.items], ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Rebuild from `to_json`; raises ValueError or RecursionError for what it did not write."""
        rows = json.loads(text)
        if not isinstance(rows, list) or not all(_is_item(row) for row in rows):
            raise ValueError("not a list of items")
        return cls(tuple(Item(id_, title, year, tuple(genres), tuple(also)) for id_, title, year, genres, also in rows))


def _listed(names: Any) -> list[Any]:
    """Names in their order, as Python values."""
    unordered = isinstance(names, str | bytes | Mapping | Set) or getattr(names, "ndim", 1) != 1
    if unordered or not isinstance(names, Iterable):
        raise DataError(
            f"items: expected a list of names, one for each item, found {type(names).__name__}. "
            "Give for example ['Heat (1995)', 'Toy Story (1995)']."
        )
    return list(names.tolist() if hasattr(names, "tolist") else names)


def _named(name: Any, index: int) -> Item:
    if isinstance(name, Item):
        return name
    text = str(name)
    if not isinstance(name, str) and (text in _MISSING or not isinstance(name, Hashable)):
        raise DataError(f"items: item {index} has no name, found {type(name).__name__}. Give a text or a number.")
    if not text.strip() or len(text.splitlines()) > 1:
        raise DataError(f"items: the name of item {index}, {text[:40]!r}, is not one line of text.")
    return Item(text, text)


def _is_item(row: object) -> bool:
    """Whether a JSON value has the fields of an item; ids that somebody gave as numbers stay numbers."""
    if not isinstance(row, list) or len(row) != len(Item._fields):
        return False
    id_, title, year, genres, also = row
    words = [id_, title, *genres, *also] if isinstance(genres, list) and isinstance(also, list) else [None]
    return (year is None or isinstance(year, int)) and all(isinstance(word, str | int) for word in words)
