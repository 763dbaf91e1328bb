"""From what people name a pick by, a title, an id or a few words of a title, to the one item that is meant."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recdash.data.catalogue import Catalogue
from recdash.data.items import Item
from recdash.data.title_search import Hit, search
from recdash.data.title_tokens import weight_of, words_of
from recdash.errors import UsageError, shown

ACCEPT = 0.8  # relevance below which a title is a suggestion, not an answer
LEAD = 0.03  # the best match has to be so much ahead of the second; 8 times the popularity is worth as much
_AS_POPULAR = 0.9  # the least share of the popularity of a series' best-known part with which its first part is meant
_SAME_SERIES = 0.85  # share of letters that are right in the name of a series
_MOST_NAMED, _NEAREST = 8, 3  # candidates that an error lists
_LONGEST = 60  # letters of a title in an error

Pick = str | int | Item


def resolve(catalogue: Catalogue, pick: Pick, popularity: NDArray[Any] | None = None) -> int:
    """Return the index of the item that a pick names.

    popularity: (items,) any counts.  A text is understood as the first of these that there is:

    1. A title, or one of an item's other titles, with or without its year. Of several items with that title the most
       popular is meant. A text that begins with "#" has to be a title with that sign.
    2. "#" and an id.
    3. An id.
    4. The best match of `search`, if its relevance is at least 0.8 and it is clearly the best: its score is 0.03 ahead
       of the second. So much are 8 times the popularity worth where titles fit equally well; better spelling and fewer
       other words in the title count, too. Two kinds of items need no such lead: of items with one title the most
       popular is meant, and of a series, titles that are the query up to a colon ("star wars"), the earliest, unless
       another part is more popular by over a tenth.

    A number is an id, an `Item` is the one with its id.  Raises UsageError with the nearest titles when nothing fits,
    and with the candidates when several items fit about equally well.
    """
    if not isinstance(pick, str):
        return _by_id(catalogue, pick.id if isinstance(pick, Item) else str(pick), popularity)
    text = pick.strip()
    if not text:
        raise UsageError(f"A pick is empty. {_example(catalogue, popularity)}")
    if titled := _titled(catalogue, text):
        return titled[0] if popularity is None else max(titled, key=lambda index: (popularity[index], -index))
    if text.startswith("#"):
        return _by_id(catalogue, text[1:].strip(), popularity)
    if text in catalogue.index_of:
        return catalogue.index_of[text]
    return _best_match(catalogue, text, popularity)


def resolve_all(
    catalogue: Catalogue, picks: Pick | Sequence[Pick], popularity: NDArray[Any] | None = None
) -> list[int]:
    """Resolve every pick, in order, each item once; a single title or id stands for a list of one."""
    if isinstance(picks, str | int | np.integer | Item):
        picks = [picks]
    try:
        listed = None if isinstance(picks, bytes) else list(picks)
    except TypeError:  # no list, or an array without a dimension
        listed = None
    if listed is None:
        raise UsageError(f"Picks are a list of titles or item ids, found {shown(picks)}. Give for example [].")
    return list(dict.fromkeys(resolve(catalogue, pick, popularity) for pick in listed))


def _titled(catalogue: Catalogue, text: str) -> list[int]:
    """The items with exactly this title."""
    found = catalogue.search_index.named(text)
    if not text.startswith("#"):
        return found
    return [i for i in found if any(name.startswith("#") for name in (catalogue[i].title, *catalogue[i].alternatives))]


def _by_id(catalogue: Catalogue, id_: str, popularity: NDArray[Any] | None) -> int:
    if (index := catalogue.index_of.get(id_)) is None:
        raise UsageError(f"No item has the id {shown(id_)}. {_example(catalogue, popularity)}")
    return index


def _best_match(catalogue: Catalogue, text: str, popularity: NDArray[Any] | None) -> int:
    if not catalogue.has_titles:
        raise UsageError(f"No item is called {shown(text)}. {_example(catalogue, popularity)}")
    hits = search(catalogue, text, _MOST_NAMED, popularity)
    says_something = any(weight_of(word) == 1 for word in words_of(text))  # unlike "the" or "part of"
    fitting = [hit for hit in hits if hit.relevance >= ACCEPT and says_something]
    if not fitting:
        raise _no_match(catalogue, text, hits, popularity)
    close = [hit for hit in fitting if hit.score > fitting[0].score - LEAD]
    best = close[0].item
    if all(words_of(catalogue[hit.item].title) == words_of(catalogue[best].title) for hit in close):
        return best  # alone, or the most popular of one title
    if (first := _first_of_series(catalogue, text, close, popularity)) is not None:
        return first
    raise UsageError(
        f"{shown(text)} fits several items about equally well: {_named(catalogue, fitting)}. "
        f"Give a title with its year, or an id such as #{catalogue[fitting[0].item].id}."
    )


def _first_of_series(
    catalogue: Catalogue, text: str, close: Sequence[Hit], popularity: NDArray[Any] | None
) -> int | None:
    """The earliest of the titles that are the text up to a colon, unless another one is clearly more popular."""
    from rapidfuzz.distance import OSA

    query = "".join(words_of(text))
    heads = ["".join(words_of(catalogue[hit.item].title.partition(":")[0])) for hit in close]
    parts = [
        hit.item
        for hit, head in zip(close, heads, strict=True)
        if OSA.normalized_similarity(query, head) >= _SAME_SERIES
    ]
    dated = [index for index in parts if catalogue[index].year is not None]
    if not dated or (popularity is not None and close[0].item not in parts):
        return None
    first = min(dated, key=lambda index: (catalogue[index].year, index))
    if popularity is None or popularity[first] >= _AS_POPULAR * popularity[parts].max():
        return first
    return None


def _no_match(catalogue: Catalogue, text: str, hits: Sequence[Hit], popularity: NDArray[Any] | None) -> UsageError:
    if not hits:
        return UsageError(f"No item is called {shown(text)}, or nearly so. {_example(catalogue, popularity)}")
    nearest = _named(catalogue, hits[:_NEAREST])
    return UsageError(f"No item is called {shown(text)}. The nearest: {nearest}. Give a title or an id.")


def _named(catalogue: Catalogue, hits: Sequence[Hit]) -> str:
    items = [catalogue[hit.item] for hit in hits]
    return ", ".join(f"{shorten(item.label, _LONGEST, placeholder='...')} (#{item.id})" for item in items)


def _example(catalogue: Catalogue, popularity: NDArray[Any] | None) -> str:
    if not len(catalogue):
        return "There are no items at all."
    item = catalogue[0 if popularity is None else int(np.argmax(popularity))]
    if not catalogue.has_titles:
        return f"This data set has ids only, give an id such as {item.id}."
    return f"Give a title such as {shorten(item.label, _LONGEST, placeholder='...')!r}, or an id such as #{item.id}."
