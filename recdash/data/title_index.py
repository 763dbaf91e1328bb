"""Index of all title words, and the relevance of each title for a query. Search rules: see `title_search`."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recdash.data.items import Item, natural_title
from recdash.data.title_tokens import DIGITS_OF, ROMAN_LETTERS, sound_of, split_year, weight_of, words_of

_MAX_WORDS, _MAX_LETTERS = 16, 400  # of a query; the rest is ignored
_MAX_READINGS = 4
_EXTRA_WORDS_COST = 0.1  # for a title whose words are all missing from the query
_UNRELATED_SIMILARITY = 0.7  # Jaro-Winkler similarity that unrelated words may reach
_MIN_SOUND_SIMILARITY = 0.55  # below it words that sound alike are not confused, such as "queen" and "kane"
_NUMBER_OF_LETTER = {letter: number for number, letter in ROMAN_LETTERS.items()}

Words = tuple[str, ...]


class Query(NamedTuple):
    """One interpretation of a query: the words of a title and an optional year."""

    words: Words
    year: int | None


@dataclass(frozen=True, eq=False)
class SearchIndex:
    """The words of all titles, in arrays, so that a query takes a few array operations.

    A form is one way to write a title.

    Attributes:
        words: Sorted vocabulary.
        entries: Word index of every word of every form.
        starts: (forms,) position of each form in `entries`.
        item_of: (forms,) item index of each form.
        exact: Items by the words of their title, with and without the year.
        pairs: Neighbouring words, by their joined spelling.
        years: (items,) year; 0 if unknown.
    """

    words: Words
    entries: NDArray[np.int64]
    starts: NDArray[np.int64]
    item_of: NDArray[np.int64]
    exact: dict[Query, list[int]]
    pairs: dict[str, tuple[str, str]]
    years: NDArray[np.int64]

    @classmethod
    def of(cls, items: Sequence[Item]) -> SearchIndex:
        """Build the index; about 0.1 s for 4,000 titles."""
        forms: list[Words] = []
        item_of: list[int] = []
        exact: dict[Query, list[int]] = {}
        pairs: dict[str, tuple[str, str]] = {}
        for index, item in enumerate(items):
            names = [words_of(name) for name in _names_of(item)]
            for reading in {Query(words, year) for words in names for year in (item.year, None)}:
                exact.setdefault(reading, []).append(index)
            for form in sorted({*names, *map(words_of, _without_punctuation(item))} - {()}):
                forms.append(tuple(dict.fromkeys(form)))  # unique words: "Kill! Kill!" counts as one
                item_of.append(index)
                pairs.update((first + second, (first, second)) for first, second in pairwise(form))
        words = tuple(sorted({word for form in forms for word in form}))
        number = {word: word_index for word_index, word in enumerate(words)}
        return cls(
            words,
            np.array([number[word] for form in forms for word in form], np.int64),
            np.cumsum([0, *map(len, forms)])[:-1],
            np.array(item_of, np.int64),
            exact,
            pairs,
            np.array([item.year or 0 for item in items], np.int64),
        )

    def exact_matches(self, text: str) -> list[int]:
        """Return the items with this title, or alternative title, and this year if the text ends with one.

        Case, accents, punctuation and articles are ignored.
        """
        year, rest = split_year(text)
        return (
            self.exact.get(Query(words_of(natural_title(rest)), year))
            or self.exact.get(Query(words_of(natural_title(text)), None))
            or []
        )

    def relevance(self, text: str) -> NDArray[np.float64]:
        """Return the relevance of each item's title, (items,); about 1 for a perfect match, 0 for none."""
        best = np.zeros(len(self.years))
        for query in self._interpretations(text) if self.words else ():
            relevance = np.zeros(len(self.years))
            np.maximum.at(relevance, self.item_of, self._relevance_of_forms(query.words))
            if query.year is not None:
                relevance += np.where(self.years == 0, 0, _year_bonus(np.abs(self.years - query.year)))
            best = np.maximum(best, relevance)
        return best

    def _interpretations(self, text: str) -> list[Query]:
        """Return the query with its last number as a year and as a word, and with words joined or split."""
        year, rest = split_year(text[:_MAX_LETTERS])
        plain = Query(words_of(rest)[:_MAX_WORDS], year)
        found = [plain, *(Query(words, year) for words in self._respaced(plain.words))]
        if year is not None:
            found.insert(1, Query(words_of(text[:_MAX_LETTERS])[:_MAX_WORDS], None))
        return [query for query in found if query.words][:_MAX_READINGS]

    def _respaced(self, words: Words) -> Iterable[Words]:
        """Yield the words with two joined ("ghost busters") or one split ("starwars"), if a title has them so."""
        for index, word in enumerate(words):
            if pair := self.pairs.get(word):
                yield (*words[:index], *pair, *words[index + 1 :])
        for index, (first, second) in enumerate(pairwise(words)):
            if self._words_with_prefix(first + second):
                yield (*words[:index], first + second, *words[index + 2 :])

    def _relevance_of_forms(self, query: Words) -> NDArray[np.float64]:
        """Return the share of the query found in each form, minus the cost of its extra words, (forms,)."""
        query = tuple(dict.fromkeys(query))
        similarity = self._similarity(query)
        weight = np.array([weight_of(word) for word in query])
        found = np.maximum.reduceat(similarity[:, self.entries], self.starts, axis=1).T @ weight  # (forms,)
        used = np.add.reduceat((similarity.max(axis=0) * self._weights)[self.entries], self.starts)  # (forms,)
        found = np.minimum(found, used)  # one title word matches at most one query word: "kill bill"
        extra: NDArray[np.float64] = 1 - np.minimum(1, found / self._form_weights)
        share: NDArray[np.float64] = found / weight.sum()
        return share - _EXTRA_WORDS_COST * extra

    def _similarity(self, query: Words) -> NDArray[np.float64]:
        """Return the similarity of each query word to each known word, (query, words) in [0, 1]."""
        from rapidfuzz import process  # optional: rapidfuzz
        from rapidfuzz.distance import OSA, JaroWinkler  # optional: rapidfuzz

        scores: NDArray[Any] = process.cdist(query, self.words, scorer=JaroWinkler.similarity, dtype=np.float32)
        edits: NDArray[Any] = process.cdist(query, self.words, scorer=OSA.distance, score_cutoff=2, dtype=np.uint8)
        for row, word in enumerate(query):
            if word.isdecimal() or word in DIGITS_OF:
                scores[row] = 0  # 1998 is not a misspelling of 1999, nor "nine" of "five"
            else:
                self._score_misspellings(word, scores[row], edits[row])
            self._score_prefixes(word, scores[row])
        return np.maximum(scores - _UNRELATED_SIMILARITY, 0) / (1 - _UNRELATED_SIMILARITY)

    def _score_misspellings(self, word: str, scores: NDArray[Any], edits: NDArray[Any]) -> None:
        """Raise the scores (words,) of words that differ in one or two letters, or sound alike."""
        if len(word) <= 3:
            scores -= 0.05  # similar short words are mostly different words
        else:
            near = np.flatnonzero(edits <= (2 if len(word) >= 8 else 1))
            scores[near] = np.maximum(scores[near], 1 - 0.3 * edits[near] / len(word))
        sound = sound_of(word)
        alike = [known for known in self._by_sound.get(sound, []) if scores[known] >= _MIN_SOUND_SIMILARITY]
        scores[alike] = np.maximum(1 - 0.3 / max(1, len(sound)), (1 + scores[alike]) / 2)

    def _score_prefixes(self, word: str, scores: NDArray[Any]) -> None:
        """Raise the scores (words,) of words that equal the word, start with it, or are the same number."""
        for prefix in filter(None, (word, DIGITS_OF.get(word))):
            for known in self._words_with_prefix(prefix):
                scores[known] = max(scores[known], 0.85 + 0.15 * len(prefix) / len(self.words[known]))
        roman = ROMAN_LETTERS.get(word) or _NUMBER_OF_LETTER.get(word, "")
        position = bisect_left(self.words, roman)
        if roman and self.words[position : position + 1] == (roman,):
            scores[position] = 1

    def _words_with_prefix(self, prefix: str) -> range:
        """Return the indices of the known words that start with the prefix."""
        return range(bisect_left(self.words, prefix), bisect_left(self.words, prefix + chr(0x10FFFF)))

    @cached_property
    def _form_weights(self) -> NDArray[np.float64]:
        return np.add.reduceat(self._weights[self.entries], self.starts)

    @cached_property
    def _weights(self) -> NDArray[np.float64]:
        return np.array([weight_of(word) for word in self.words])

    @cached_property
    def _by_sound(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for number, word in enumerate(self.words):
            found.setdefault(sound_of(word), []).append(number)
        return found


def _names_of(item: Item) -> list[str]:
    """Return all titles of an item; an id in place of a missing title counts only if it has letters."""
    if item.title == item.id and not any(letter.isalpha() for letter in item.title):
        return []
    return [item.title, *item.alternatives]


def _without_punctuation(item: Item) -> list[str]:
    """Return the titles without punctuation: "Spiderman" for "Spider-Man", "MASH" for "M*A*S*H"."""
    return [re.sub(r"[^\w\s]", "", name) for name in _names_of(item)]


def _year_bonus(gap: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.select([gap == 0, gap == 1, gap == 2], [0.1, 0.05, 0.0], -0.25)
