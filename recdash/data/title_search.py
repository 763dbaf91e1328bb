"""Finding items by what people type: word by word, with typing errors and wrongly joined or split words forgiven.

How well a title fits is its relevance, about 1 for all words found and no others:

- The share of the query's words that the title has. A word may be the beginning of one, differ from it in a letter (two
  from eight letters on), or sound like it; that costs a little. Words such as "of" or "part" count less.
- The share of the title's words that the query leaves out costs up to 0.1.
- A year at the end of the query adds 0.1 to items of that year, takes 0.25 from those more than two years off.

Popularity adds up to 0.1, 0.01 for each doubling: it orders what fits about equally well, and hardly more.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recdash.data.catalogue import Catalogue

SHOWN_FROM = 0.4  # relevance below which a title has nothing to do with the query
_PER_DOUBLING, _MOST_POPULAR = 0.01, 0.1
_EXACT = 0.1  # added to items whose title is the query, word by word


class Hit(NamedTuple):
    """An item that was found: its item index, how well its title fits, and that with popularity added."""

    item: int
    relevance: float
    score: float


def search(catalogue: Catalogue, text: str, limit: int = 20, popularity: NDArray[Any] | None = None) -> list[Hit]:
    """Return the items that fit the text, best first; of those that fit about equally well the popular ones first.

    popularity: (items,) any counts.
    """
    index = catalogue.search_index
    relevance = index.relevance(text)
    score = relevance + popularity_share(popularity)
    score[index.named(text)] += _EXACT
    order = np.lexsort((np.arange(len(score)), -score))
    order = order[relevance[order] > SHOWN_FROM][:limit]
    return [Hit(int(i), float(relevance[i]), float(score[i])) for i in order]


def popularity_share(popularity: NDArray[Any] | None) -> NDArray[np.float64] | float:
    """What popularity adds to the score of each item, (items,) in [0, 0.1]: 0.01 for each doubling, most at the top."""
    if popularity is None or popularity.max(initial=0) <= 0:
        return 0.0
    doublings: NDArray[np.float64] = np.log2((popularity + 1.0) / (popularity.max() + 1.0))
    return np.maximum(_MOST_POPULAR + _PER_DOUBLING * doublings, 0)
