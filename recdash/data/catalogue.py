"""The item catalogue: ids, titles, years, genres and other titles, aligned with item indices."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from recdash.data.search import SearchIndex

_ARTICLES = (
    "The|A|An|La|Le|Les|L'|Il|Lo|I|Gli|El|Los|Las|Der|Die|Das|Ein|Eine|Un|Une|Una|Det|Den|De|Het|En|Ett|O|Os|As|Um|Uma"
)
_TRAILING_ARTICLE = re.compile(rf"^(?P<rest>.+), (?P<article>{_ARTICLES})$", re.IGNORECASE)
_YEAR = re.compile(r"^(?P<rest>.*?)\s*\((?P<year>\d{4})(?:[-–]\d{0,4})?\)\s*$")
_BRACKETS = re.compile(r"(?<=\S)\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
_ALSO = re.compile(r"^a\.?k\.?a\.?:?\s+", re.IGNORECASE)


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
        return cls(tuple(Item(str(id_), str(id_)) for id_ in ids))

    @classmethod
    def of(cls, ids: Iterable[object], known: Mapping[str, Item]) -> Self:
        """Build for these ids from what is known; an id without an entry is its own title."""
        return cls(tuple(known.get(str(id_)) or Item(str(id_), str(id_)) for id_ in ids))

    def to_json(self) -> str:
        """Return all items as JSON, one list per item."""
        return json.dumps([list(item) for item in self.items], ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Rebuild from `to_json`."""
        rows = json.loads(text)
        items = (Item(id_, title, year, tuple(genres), tuple(also)) for id_, title, year, genres, also in rows)
        return cls(tuple(items))
