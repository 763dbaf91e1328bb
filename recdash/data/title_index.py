"""The words of all titles, and how well each title fits a query: typing errors and joined or split words forgiven."""

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

_MOST_WORDS, _MOST_LETTERS = 16, 400  # of a query; the rest is not read
_MOST_READINGS = 4
_LEFT_OUT = 0.1  # the cost of a title of which the query names nothing
_NO_LIKENESS = 0.7  # two words of which neither is the other misspelt have a similarity of up to this
_SPELT_ALIKE = 0.55  # words of one sound that are less similar than this are no error for each other: "queen", "kane"
_NUMBER_OF_LETTER = {letter: number for number, letter in ROMAN_LETTERS.items()}

Words = tuple[str, ...]


class Query(NamedTuple):
    """One way to understand a query: the words of a title, and maybe a year."""

    words: Words
    year: int | None


@dataclass(frozen=True, eq=False)
class SearchIndex:
    """The words of all titles, laid out so that one query is a few array operations.

    words: the vocabulary, sorted.  entries: word number of every word of every form (a way to write a title).
    starts: where each form begins.  item_of: item index of each form.  exact: items by the words of their title, with
    the year and without.  pairs: neighbouring words by how they are written as one.  years: of the items, 0 if unknown.
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
                forms.append(tuple(dict.fromkeys(form)))  # "Kill! Kill!" is found by one word, not by two
                item_of.append(index)
                pairs.update((first + second, (first, second)) for first, second in pairwise(form))
        words = tuple(sorted({word for form in forms for word in form}))
        number = {word: place for place, word in enumerate(words)}
        return cls(
            words,
            np.array([number[word] for form in forms for word in form], np.int64),
            np.cumsum([0, *map(len, forms)])[:-1],
            np.array(item_of, np.int64),
            exact,
            pairs,
            np.array([item.year or 0 for item in items], np.int64),
        )

    def named(self, text: str) -> list[int]:
        """Return the items whose title, or one of its other titles, is the text, of its year where it ends in one.

        Case, accents, punctuation and articles make no difference.
        """
        year, rest = split_year(text)
        return (
            self.exact.get(Query(words_of(natural_title(rest)), year))
            or self.exact.get(Query(words_of(natural_title(text)), None))
            or []
        )

    def relevance(self, text: str) -> NDArray[np.float64]:
        """How well each item's title fits the text, (items,); about 1 for a perfect fit, 0 for none."""
        best = np.zeros(len(self.years))
        for reading in self._readings(text) if self.words else ():
            fit = np.zeros(len(self.years))
            np.maximum.at(fit, self.item_of, self._fit_of_forms(reading.words))
            if reading.year is not None:
                fit += np.where(self.years == 0, 0, _for_year(np.abs(self.years - reading.year)))
            best = np.maximum(best, fit)
        return best

    def _readings(self, text: str) -> list[Query]:
        """The query as it stands, its last number read as a year and as a word, and with words joined or split."""
        year, rest = split_year(text[:_MOST_LETTERS])
        plain = Query(words_of(rest)[:_MOST_WORDS], year)
        found = [plain, *(Query(words, year) for words in self._respelt(plain.words))]
        if year is not None:
            found.insert(1, Query(words_of(text[:_MOST_LETTERS])[:_MOST_WORDS], None))
        return [reading for reading in found if reading.words][:_MOST_READINGS]

    def _respelt(self, words: Words) -> Iterable[Words]:
        """The words with two joined as the titles have them ("ghost busters"), or one split ("starwars")."""
        for place, word in enumerate(words):
            if pair := self.pairs.get(word):
                yield (*words[:place], *pair, *words[place + 1 :])
        for place, (first, second) in enumerate(pairwise(words)):
            if self._beginning_with(first + second):
                yield (*words[:place], first + second, *words[place + 2 :])

    def _fit_of_forms(self, query: Words) -> NDArray[np.float64]:
        """The share of the query that each form has, less what the form has besides, (forms,)."""
        query = tuple(dict.fromkeys(query))
        likeness = self._likeness(query)
        weight = np.array([weight_of(word) for word in query])
        found = np.maximum.reduceat(likeness[:, self.entries], self.starts, axis=1).T @ weight
        used = np.add.reduceat((likeness.max(axis=0) * self._weights)[self.entries], self.starts)
        found = np.minimum(found, used)  # a word of the title stands for one word of the query: "kill bill"
        left_out: NDArray[np.float64] = 1 - np.minimum(1, found / self._form_weights)
        share: NDArray[np.float64] = found / weight.sum()
        return share - _LEFT_OUT * left_out

    def _likeness(self, query: Words) -> NDArray[np.float64]:
        """How much each word of the query is like each known word, (query, words) in [0, 1]."""
        from rapidfuzz import process
        from rapidfuzz.distance import OSA, JaroWinkler

        close: NDArray[Any] = process.cdist(query, self.words, scorer=JaroWinkler.similarity, dtype=np.float32)
        slips: NDArray[Any] = process.cdist(query, self.words, scorer=OSA.distance, score_cutoff=2, dtype=np.uint8)
        for row, word in enumerate(query):
            if word.isdecimal() or word in DIGITS_OF:
                close[row] = 0  # 1998 is not 1999 misspelt, nor "nine" "five"
            else:
                self._forgive(word, close[row], slips[row])
            self._accept_beginnings(word, close[row])
        return np.maximum(close - _NO_LIKENESS, 0) / (1 - _NO_LIKENESS)

    def _forgive(self, word: str, close: NDArray[Any], slips: NDArray[Any]) -> None:
        """Raise the similarity (words,) of what may be the word misspelt: by a letter or two, or by its sound."""
        if len(word) <= 3:
            close -= 0.05  # most short words are other words
        else:
            near = np.flatnonzero(slips <= (2 if len(word) >= 8 else 1))
            close[near] = np.maximum(close[near], 1 - 0.3 * slips[near] / len(word))
        sound = sound_of(word)
        alike = [known for known in self._by_sound.get(sound, []) if close[known] >= _SPELT_ALIKE]
        close[alike] = np.maximum(1 - 0.3 / max(1, len(sound)), (1 + close[alike]) / 2)

    def _accept_beginnings(self, word: str, close: NDArray[Any]) -> None:
        """Raise the similarity (words,) of what the word is or begins, also as a number in digits or a Roman letter."""
        for start in filter(None, (word, DIGITS_OF.get(word))):
            for known in self._beginning_with(start):
                close[known] = max(close[known], 0.85 + 0.15 * len(start) / len(self.words[known]))
        other = ROMAN_LETTERS.get(word) or _NUMBER_OF_LETTER.get(word, "")
        place = bisect_left(self.words, other)
        if other and self.words[place : place + 1] == (other,):
            close[place] = 1

    def _beginning_with(self, start: str) -> range:
        """The numbers of the known words that begin like this."""
        return range(bisect_left(self.words, start), bisect_left(self.words, start + chr(0x10FFFF)))

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
    """All titles of an item; an id that stands for a missing title is none, unless it has letters."""
    if item.title == item.id and not any(letter.isalpha() for letter in item.title):
        return []
    return [item.title, *item.alternatives]


def _without_punctuation(item: Item) -> list[str]:
    """The titles as written by those who leave signs out: "Spiderman" for "Spider-Man", "MASH" for "M*A*S*H"."""
    return [re.sub(r"[^\w\s]", "", name) for name in _names_of(item)]


def _for_year(gap: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.select([gap == 0, gap == 1, gap == 2], [0.1, 0.05, 0.0], -0.25)
