"""The real titles of MovieLens-1M."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from recdash.data.catalogue import Catalogue
from recdash.data.items import Item, parse_title
from recdash.recommend.title_matching import TitleMatcher


@lru_cache
def ml1m_matcher(test_data: Path) -> TitleMatcher:
    """A matcher of the 3,883 titles of movies.dat."""
    items = []
    for line in (test_data / "ml-1m" / "movies.dat").read_text(encoding="latin-1").splitlines():
        item_id, raw, _ = line.split("::")
        title, year, others = parse_title(raw)
        items.append(Item(item_id, title, year, (), others))
    return TitleMatcher(Catalogue(tuple(items)))
