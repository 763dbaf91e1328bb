"""Resolution of picks: the item for a title, an id or a few words of a title."""

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
from recdash.errors import UsageError, short_repr

MIN_RELEVANCE = 0.8  # below it a title is only suggested
_MIN_SUGGESTED_RELEVANCE = 0.4  # below it a title is no suggestion either
MIN_LEAD = 0.03  # score of the best match ahead of the second; 8 times the popularity gives as much
_MIN_POPULARITY_RATIO = 0.9  # of the first part of a series to its most popular part, to prefer the first
_MIN_SERIES_SIMILARITY = 0.85  # share of matching letters in the name of a series
_MAX_CANDIDATES, _MAX_SUGGESTIONS = 8, 3  # listed in an error
_MAX_TITLE_LENGTH = 60  # letters of a title in an error

Pick = str | int | Item


def resolve(catalogue: Catalogue, pick: Pick, popularity: NDArray[Any] | None = None) -> int:
    """Return the index of the item that a pick names.

    Text is interpreted as the first of these that matches:

    1. A title or alternative title, with or without its year. Of several items with the same title, the most popular.
       Text starting with "#" only matches titles with that sign.
    2. "#" followed by an id.
    3. An id.
    4. The best match of `search`, if its relevance is at least 0.8 and its score is 0.03 ahead of the second, which is
       the bonus of 8 times the popularity. No lead is needed among items with the same title, where the most popular
       one is chosen, and among parts of a series, titles that equal the query up to a colon ("star wars"), where the
       earliest is chosen, unless another part is more than a tenth more popular.

    Args:
        catalogue: Items to choose from.
        pick: Text, a number (an id), or an `Item` (by its id).
        popularity: (items,) counts.

    Raises:
        UsageError: No item matches (the message lists the nearest titles), or several match about equally well.
    """
    if not isinstance(pick, str):
        return _by_id(catalogue, pick.id if isinstance(pick, Item) else str(pick), popularity)
    text = pick.strip()
    if not text:
        raise UsageError(f"A pick is empty. {_example(catalogue, popularity)}")
    if titled := _items_with_title(catalogue, text):
        return titled[0] if popularity is None else max(titled, key=lambda index: (popularity[index], -index))
    if text.startswith("#"):
        return _by_id(catalogue, text[1:].strip(), popularity)
    if text in catalogue.index_of:
        return catalogue.index_of[text]
    return _best_match(catalogue, text, popularity)


def resolve_all(
    catalogue: Catalogue, picks: Pick | Sequence[Pick], popularity: NDArray[Any] | None = None
) -> list[int]:
    """Resolve every pick, in order and without repeated items. A single title or id is a list of one."""
    if isinstance(picks, str | int | np.integer | Item):
        picks = [picks]
    try:
        listed = None if isinstance(picks, bytes) else list(picks)
    except TypeError:  # not iterable, or a zero-dimensional array
        listed = None
    if listed is None:
        raise UsageError(f"Expected a list of titles or item ids, found {short_repr(picks)}. For example: [].")
    return list(dict.fromkeys(resolve(catalogue, pick, popularity) for pick in listed))


def _items_with_title(catalogue: Catalogue, text: str) -> list[int]:
    """Return the items with exactly this title."""
    found = catalogue.search_index.exact_matches(text)
    if not text.startswith("#"):
        return found
    return [i for i in found if any(name.startswith("#") for name in (catalogue[i].title, *catalogue[i].alternatives))]


def _by_id(catalogue: Catalogue, id_: str, popularity: NDArray[Any] | None) -> int:
    if (index := catalogue.index_of.get(id_)) is None:
        raise UsageError(f"No item has the id {short_repr(id_)}. {_example(catalogue, popularity)}")
    return index


def _best_match(catalogue: Catalogue, text: str, popularity: NDArray[Any] | None) -> int:
    if not catalogue.has_titles:
        raise UsageError(f"No item matches {short_repr(text)}. {_example(catalogue, popularity)}")
    hits = search(catalogue, text, _MAX_CANDIDATES, popularity, min_relevance=_MIN_SUGGESTED_RELEVANCE)
    is_specific = any(weight_of(word) == 1 for word in words_of(text))  # unlike "the" or "part of"
    relevant = [hit for hit in hits if hit.relevance >= MIN_RELEVANCE and is_specific]
    if not relevant:
        raise _no_match(catalogue, text, hits, popularity)
    close = [hit for hit in relevant if hit.score > relevant[0].score - MIN_LEAD]
    best = close[0].item
    if all(words_of(catalogue[hit.item].title) == words_of(catalogue[best].title) for hit in close):
        return best  # the only one, or the most popular one with this title
    if (first := _first_of_series(catalogue, text, close, popularity)) is not None:
        return first
    raise UsageError(
        f"{short_repr(text)} matches several items about equally well: {_labels(catalogue, relevant)}. "
        f"Give a title with its year, or an id such as #{catalogue[relevant[0].item].id}."
    )


def _first_of_series(
    catalogue: Catalogue, text: str, close: Sequence[Hit], popularity: NDArray[Any] | None
) -> int | None:
    """Return the earliest title that equals the text up to a colon, unless another is clearly more popular."""
    from rapidfuzz.distance import OSA  # optional: rapidfuzz

    query = "".join(words_of(text))
    heads = ["".join(words_of(catalogue[hit.item].title.partition(":")[0])) for hit in close]
    parts = [
        hit.item
        for hit, head in zip(close, heads, strict=True)
        if OSA.normalized_similarity(query, head) >= _MIN_SERIES_SIMILARITY
    ]
    dated = [index for index in parts if catalogue[index].year is not None]
    if not dated or (popularity is not None and close[0].item not in parts):
        return None
    first = min(dated, key=lambda index: (catalogue[index].year, index))
    if popularity is None or popularity[first] >= _MIN_POPULARITY_RATIO * popularity[parts].max():
        return first
    return None


def _no_match(catalogue: Catalogue, text: str, hits: Sequence[Hit], popularity: NDArray[Any] | None) -> UsageError:
    if not hits:
        return UsageError(f"No item matches {short_repr(text)}. {_example(catalogue, popularity)}")
    nearest = _labels(catalogue, hits[:_MAX_SUGGESTIONS])
    return UsageError(f"No item matches {short_repr(text)}. Nearest: {nearest}. Give a title or an id.")


def _labels(catalogue: Catalogue, hits: Sequence[Hit]) -> str:
    items = [catalogue[hit.item] for hit in hits]
    return ", ".join(f"{shorten(item.label, _MAX_TITLE_LENGTH, placeholder='...')} (#{item.id})" for item in items)


def _example(catalogue: Catalogue, popularity: NDArray[Any] | None) -> str:
    if not len(catalogue):
        return "The catalogue is empty."
    item = catalogue[0 if popularity is None else int(np.argmax(popularity))]
    if not catalogue.has_titles:
        return f"This dataset has no titles. Give an id such as {item.id}."
    title = shorten(item.label, _MAX_TITLE_LENGTH, placeholder="...")
    return f"Give a title such as {title!r}, or an id such as #{item.id}."
