"""Fuzzy title search: word by word, tolerant of typing errors and of wrongly joined or split words.

The relevance of a title is about 1 if it has all words of the query and no others:

- It is the share of the query's words found in the title, in any order. A query word may also be the start of a title
  word, differ in some letters or sound like it, see `vocabulary`. Words such as "of" or "part" count less.
- Title words that are not in the query cost up to 0.1.
- A title that is as a whole, without spaces, within a few letters of the query is as relevant as the share of right
  letters.
- Numbers match spelt, in digits and as roman numerals. A year at either end of the query adds 0.1 for items of that
  year and costs 0.25 for items more than two years off.
- Another title than the main one costs 0.02.

Titles with at most half of the query are no results. Popularity adds up to 0.1, with 0.01 per doubling, so it mainly
orders titles of about equal relevance.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recdash.data.catalogue import Catalogue

MIN_SHOWN_RELEVANCE = 0.5  # up to it a title is unrelated to the query
_BONUS_PER_DOUBLING, _MAX_BONUS = 0.01, 0.1
_EXACT_BONUS = 0.1  # for items whose title equals the query, word by word


class Hit(NamedTuple):
    """A search result: item index, relevance of its title, and score (relevance plus bonuses)."""

    item: int
    relevance: float
    score: float


def search(
    catalogue: Catalogue,
    text: str,
    limit: int = 20,
    popularity: NDArray[Any] | None = None,
    *,
    min_relevance: float = MIN_SHOWN_RELEVANCE,
) -> list[Hit]:
    """Return the items that match the text, best first.

    Args:
        catalogue: Items to search.
        text: Query.
        limit: Maximum number of results.
        popularity: (items,) counts; among about equally relevant titles the popular ones come first.
        min_relevance: Titles up to this relevance are no results.
    """
    index = catalogue.search_index
    relevance = index.relevance(text)
    score = relevance + popularity_bonus(popularity)
    score[index.exact_matches(text)] += _EXACT_BONUS
    related = np.flatnonzero(relevance > min_relevance)
    order = related[np.argsort(-score[related], kind="stable")][:limit]
    return [Hit(int(i), float(relevance[i]), float(score[i])) for i in order]


def popularity_bonus(popularity: NDArray[Any] | None) -> NDArray[np.float64] | float:
    """Return the bonus of each item, (items,) in [0, 0.1]: 0.1 for the most popular, 0.01 less per halving."""
    if popularity is None or popularity.max(initial=0) <= 0:
        return 0.0
    doublings: NDArray[np.float64] = np.log2((popularity + 1.0) / (popularity.max() + 1.0))
    return np.maximum(_MAX_BONUS + _BONUS_PER_DOUBLING * doublings, 0)
