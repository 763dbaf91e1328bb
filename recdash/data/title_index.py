"""Index of all titles, and the relevance of each title for a query. Search rules: see `title_search`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recdash.data.items import Item, natural_title
from recdash.data.joined_titles import JoinedTitles
from recdash.data.title_tokens import (
    all_words_of,
    is_misspelt_article,
    is_number,
    split_year,
    weight_of,
    with_digits,
    words_of,
)
from recdash.data.vocabulary import Matches, Vocabulary

_MAX_WORDS, _MAX_LETTERS = 16, 400  # of a query; the rest is ignored
_MAX_READINGS = 6
_EXTRA_WORDS_COST = 0.1  # for a title whose words are all missing from the query
_ALTERNATIVE_COST = 0.02  # for another title than the main one

_PUNCTUATION = re.compile(r"[^\w\s]")  # without it, "Spider-Man" is "Spiderman" and "M*A*S*H" is "MASH"
_LEADING_YEAR = re.compile(r"\s*\(?\b(1[89]\d\d|20\d\d)\b\)?\s+(?=\S)")

Words = tuple[str, ...]


class Query(NamedTuple):
    """One interpretation of a query: the words of a title and an optional year."""

    words: Words
    year: int | None


@dataclass(frozen=True, eq=False)
class SearchIndex:
    """The words of all titles, and the forms that contain each word, so that a query reads few of them.

    A form is one way to write a title.

    Attributes:
        vocabulary: The words of all forms.
        forms: (entries,) the forms that contain each word, word by word.
        starts: (words + 1,) position of each word's forms in `forms`.
        form_weights: (forms,) sum of the weights of a form's words.
        form_costs: (forms,) cost of a form that is not the main title.
        item_of: (forms,) item index of each form.
        joined: The forms written as one word.
        numbers: The numbers in a form, for forms that have some.
        exact: Items by the words of their title.
        pairs: Letters of the first of two neighbouring words, by their joined spelling.
        years: (items,) year; 0 if unknown.
    """

    vocabulary: Vocabulary
    forms: NDArray[np.int64]
    starts: NDArray[np.int64]
    form_weights: NDArray[np.float64]
    form_costs: NDArray[np.float64]
    item_of: NDArray[np.int64]
    joined: JoinedTitles
    numbers: dict[int, frozenset[str]]
    exact: dict[Words, list[int]]
    pairs: dict[str, int]
    years: NDArray[np.int64]

    @classmethod
    def of(cls, items: Sequence[Item]) -> SearchIndex:
        """Build the index; about 0.1 s for 4,000 titles."""
        forms: list[Words] = []
        item_of: list[int] = []
        costs: list[float] = []
        joined: dict[str, list[int]] = {}
        exact: dict[Words, list[int]] = {}
        for index, item in enumerate(items):
            names = _names_of(item)
            for words in {words_of(name) for name in names}:
                exact.setdefault(words, []).append(index)
            for rank, name in enumerate(names):
                written = _forms_of(name)
                for form in written:
                    joined.setdefault("".join(form), []).append(len(forms))
                    forms.append(form)
                    item_of.append(index)
                    costs.append(_ALTERNATIVE_COST if rank else 0.0)
                if written:  # with its articles: "thelionking"
                    joined.setdefault("".join(all_words_of(name)), []).append(len(forms) - 1)
        pairs = {first + second: len(first) for form in forms for first, second in pairwise(form)}
        numbers = {index: found for index, form in enumerate(forms) if (found := _numbers_in(form))}
        forms = [tuple(dict.fromkeys(form)) for form in forms]  # unique words: "Kill! Kill!" counts as one
        vocabulary = Vocabulary(word for form in forms for word in form)
        word_of = np.array([vocabulary.index_of[word] for form in forms for word in form], np.int64)  # (entries,)
        form_of = np.repeat(np.arange(len(forms)), list(map(len, forms)))  # (entries,)
        weights = np.array([weight_of(word) for word in vocabulary.words])
        return cls(
            vocabulary,
            form_of[np.argsort(word_of, kind="stable")],
            np.searchsorted(np.sort(word_of), np.arange(len(vocabulary) + 1)),
            np.bincount(form_of, weights[word_of], len(forms)).astype(np.float64),
            np.array(costs),
            np.array(item_of, np.int64),
            JoinedTitles.of(joined),
            numbers,
            exact,
            pairs,
            np.array([item.year or 0 for item in items], np.int64),
        )

    def exact_matches(self, text: str) -> list[int]:
        """Return the items with this title, or alternative title, and this year if the text ends with one.

        Case, accents, punctuation and articles are ignored.
        """
        year, rest = split_year(text)
        titled = self.exact.get(words_of(natural_title(rest)), [])
        of_year = [item for item in titled if year is None or self.years[item] == year]
        return of_year or self.exact.get(words_of(natural_title(text)), [])

    def relevance(self, text: str) -> NDArray[np.float64]:
        """Return the relevance of each item's title, (items,); about 1 for a perfect match, 0 for none."""
        best = np.zeros(len(self.years))
        for query in self._interpretations(text[:_MAX_LETTERS]) if len(self.vocabulary) else ():
            relevance = np.zeros(len(self.years))
            np.maximum.at(relevance, self.item_of, self._relevance_of_forms(query.words) - self.form_costs)
            if query.year is not None:
                bonus = np.where(self.years == 0, 0, _year_bonus(np.abs(self.years - query.year)))
                relevance += np.where(relevance > 0, bonus, 0)
            best = np.maximum(best, relevance)
        return best

    def _interpretations(self, text: str) -> list[Query]:
        """Return the query with a number as a year and as a word, spelt or in digits, with words joined or split."""
        year, rest = split_year(text)
        plain = Query(words_of(rest)[:_MAX_WORDS], year)
        found = [plain]
        if year is not None:
            found.append(Query(words_of(text)[:_MAX_WORDS], None))
        elif (leading := _LEADING_YEAR.match(text)) is not None:
            found.append(Query(words_of(text[leading.end() :])[:_MAX_WORDS], int(leading[1])))
        found.append(Query(with_digits(plain.words), year))
        literal = all_words_of(text)[-1:]
        if literal and year is None and not is_number(plain.words[-1]):  # "st" may become "story"
            found.append(Query((*plain.words[:-1], *literal), None))
        found.extend(Query(words, year) for words in self._respaced(plain.words))
        return [query for query in dict.fromkeys(found) if query.words][:_MAX_READINGS]

    def _respaced(self, words: Words) -> Iterable[Words]:
        """Yield the words with two joined ("ghost busters") or one split ("starwars"), if a title has them so."""
        for index, word in enumerate(words):
            if split := self.pairs.get(word):
                yield (*words[:index], word[:split], word[split:], *words[index + 1 :])
        for index, (first, second) in enumerate(pairwise(words)):
            if self.vocabulary.with_prefix(first + second):
                yield (*words[:index], first + second, *words[index + 2 :])

    def _relevance_of_forms(self, words: Words) -> NDArray[np.float64]:
        """Return the share of the query found in each form, minus the cost of its extra words, (forms,)."""
        query = tuple(dict.fromkeys(words))
        found = np.zeros(len(self.item_of))
        similarity = np.zeros(len(self.vocabulary))
        total = 0.0
        for word in query:
            matches = self.vocabulary.matches(word, word == query[-1])
            weight = self._weight_in_query(word)
            total += weight
            found += weight * self._best_in_forms(matches)
            similarity[matches.words] = np.maximum(similarity[matches.words], matches.similarity)
        met = np.flatnonzero(similarity)
        used = self._sum_over_forms(met, similarity[met] * self._weights[met])
        found = np.minimum(found, used)  # one title word matches at most one query word: "kill bill"
        extra: NDArray[np.float64] = 1 - np.minimum(1, found / self.form_weights)
        share = found / total
        share[found == 0] = 0
        relevance: NDArray[np.float64] = share - _EXTRA_WORDS_COST * extra
        forms, joined = self.joined.matches("".join(words))
        if numbers := _numbers_in(words):  # "Toy Story 3" is no misspelling of "Toy Story 2"
            same = [self.numbers.get(form) == numbers for form in forms.tolist()]
            forms, joined = forms[same], joined[same]
        np.maximum.at(relevance, forms, joined)
        return relevance

    def _weight_in_query(self, word: str) -> float:
        is_article = is_misspelt_article(word) and word not in self.vocabulary.index_of
        return weight_of("the" if is_article else word)

    def _entries_of(self, words: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the forms that contain each of the words, and how many they are, (words,)."""
        counts = self.starts[words + 1] - self.starts[words]
        offsets = np.repeat(self.starts[words] - np.cumsum(counts) + counts, counts)
        return self.forms[offsets + np.arange(len(offsets))], counts

    def _best_in_forms(self, matches: Matches) -> NDArray[np.float64]:
        """Return the similarity of a query word to the most similar word of each form, (forms,)."""
        forms, counts = self._entries_of(matches.words)
        best = np.zeros(len(self.item_of))
        np.maximum.at(best, forms, np.repeat(matches.similarity, counts))
        return best

    def _sum_over_forms(self, words: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of the values of the words in each form, (forms,)."""
        forms, counts = self._entries_of(words)
        sums: NDArray[Any] = np.bincount(forms, np.repeat(values, counts), len(self.item_of))
        return sums

    @cached_property
    def _weights(self) -> NDArray[np.float64]:
        return np.array([weight_of(word) for word in self.vocabulary.words])


def _names_of(item: Item) -> list[str]:
    """Return all titles of an item; an id in place of a missing title counts only if it has letters."""
    if item.title == item.id and not any(letter.isalpha() for letter in item.title):
        return []
    return [item.title, *item.alternatives]


def _forms_of(name: str) -> list[Words]:
    """Return the words of a title, also with numbers in digits and without punctuation."""
    words, plain = words_of(name), _PUNCTUATION.sub("", name)
    return sorted({words, with_digits(words), words if plain == name else words_of(plain)} - {()})


def _numbers_in(words: Words) -> frozenset[str]:
    return frozenset(filter(is_number, words))


def _year_bonus(gap: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.select([gap == 0, gap == 1, gap == 2], [0.1, 0.05, 0.0], -0.25)
