"""The word for the items of a dataset: movies, books, songs, or plainly items."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from recdash.data.dataset import Dataset

MOVIE = "movie"
_ITEM = "item"
_WORDS = (  # safe to infer from the name of a file, too
    "album", "anime", "article", "artist", "beer", "book", "business", "comic", "course", "film", "game", "hotel",
    "joke", "manga", "movie", "place", "playlist", "podcast", "product", "recipe", "restaurant", "song", "track",
    "video", "wine",
)  # fmt: skip
_WORDS_OF_COLUMNS = (  # the name of a file that has one of these rather names its interactions
    "app", "dish", "episode", "event", "job", "listing", "paper", "photo", "post", "property", "series", "show",
    "store", "venue",
)  # fmt: skip
_SAME_IN_PLURAL = ("anime", "manga", "series")
_COLUMN_SYNONYMS = {
    "isbn": "book", "isbn10": "book", "isbn13": "book", "buch": "book", "libro": "book", "livre": "book",
    "asin": "product", "sku": "product", "ean": "product", "upc": "product", "gtin": "product", "produkt": "product",
    "produit": "product", "producto": "product", "goods": "product",
    "imdb": "movie", "tmdb": "movie", "tconst": "movie", "pelicula": "movie",
    "doi": "article", "pmid": "article", "news": "article",
    "biz": "business", "poi": "place", "music": "song",
}  # fmt: skip
_DATASETS = {  # by the start of a word of their names
    "ml": "movie", "movielens": "movie", "netflix": "movie", "filmtrust": "movie", "flixster": "movie",
    "eachmovie": "movie", "imdb": "movie", "tmdb": "movie", "letterboxd": "movie", "demo": "movie",
    "goodbooks": "book", "goodreads": "book", "bookcrossing": "book", "bx": "book",
    "lastfm": "artist", "lfm": "artist", "spotify": "track", "nowplaying": "track", "msd": "song", "amazon": "product",
    "epinions": "product", "retailrocket": "product", "yoochoose": "product", "diginetica": "product",
    "instacart": "product", "tafeng": "product", "tmall": "product", "taobao": "product", "modcloth": "product",
    "steam": "game", "yelp": "business", "gowalla": "place", "foursquare": "place", "brightkite": "place",
    "citeulike": "article", "adressa": "article", "globo": "article", "plista": "article", "jester": "joke",
    "beeradvocate": "beer", "ratebeer": "beer", "myanimelist": "anime", "anilist": "anime", "kuairec": "video",
    "kuairand": "video", "microlens": "video", "youtube": "video",
}  # fmt: skip
_MIN_PREFIX = 6  # letters of a dataset's name; shorter names must be whole words
_ENDINGS = re.compile(r"(?:ids?|names?|titles?|keys?|codes?|numbers?|ur[il]s?)$")
_CAMEL_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATORS = re.compile(r"[\W_]+")


class ItemWords(NamedTuple):
    """What the items of a dataset are called, in lower case."""

    singular: str
    plural: str


def item_words(dataset: Dataset) -> ItemWords:
    """Return the word for a dataset's items: its own, else that of its name or file, else "item".

    Its own word was inferred from the item column when the dataset was read; datasets that were saved by earlier
    versions have none. The words are from a fixed list, so they can be shown without escaping.
    """
    file_name = re.split(r"[/\\]", dataset.name)[-1]
    candidates = (dataset.item_word, word_of_name(file_name), word_of_name(dataset.source))
    return _PLURALS[next((word for word in candidates if word in _PLURALS), _ITEM)]


def word_of_column(column: str) -> str | None:
    """Return the word that the name of an item column contains: "book" for "book_id" or "ISBN"; None for "item_id"."""
    parts = [_ENDINGS.sub("", part) or part for part in _parts(column.partition(":")[0])]
    for part in reversed(parts):  # the last noun is the item: "album_artist_id"
        word = _COLUMN_SYNONYMS.get(part) or _SINGULARS.get(part)
        if word is not None and word != _ITEM:
            return word
    return None


def word_of_name(name: str) -> str | None:
    """Return the word for the items of a dataset or file with this name, such as "goodbooks-10k"; None if unknown."""
    parts = _parts(name)
    for part in parts:
        if word := next((word for word in _WORDS if part in (word, _plural_of(word))), None):
            return word
    for part in (*parts, *map("".join, pairwise(parts))):  # "last.fm", too
        if word := _word_of_dataset(part):
            return word
    return None


def _word_of_dataset(part: str) -> str | None:
    for name, word in _DATASETS.items():
        if part == name or (len(name) >= _MIN_PREFIX and part.startswith(name)):
            return word
    return next((word for word in _WORDS if part.endswith(_plural_of(word))), None)  # "mybooks"


def _parts(name: str) -> list[str]:
    """Return the words of a name, in lower case: "productId" and "product_ID" are product, id."""
    return [part.lower() for part in _SEPARATORS.split(_CAMEL_CASE.sub(" ", name)) if part]


def _plural_of(word: str) -> str:
    if word in _SAME_IN_PLURAL:
        return word
    if word.endswith("y"):
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "sh", "ch", "x")) else f"{word}s"


def _forms(words: Iterable[str]) -> dict[str, ItemWords]:
    return {word: ItemWords(word, _plural_of(word)) for word in words}


_PLURALS = _forms((*_WORDS, *_WORDS_OF_COLUMNS, _ITEM))
_SINGULARS = {form: words.singular for words in _PLURALS.values() for form in words}
