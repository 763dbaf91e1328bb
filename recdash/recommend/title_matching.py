"""Matching of titles with years, as other sites write them, to the items of a catalogue.

A match is certain only if one item fits better than all others, by the first of these rules that any item satisfies:

1. The same title and the same year; if two items fit, the one whose main title it is.
2. The same title and a year one off; or the same title but for its article, and the same year.
3. The same title but for its article and a year one off; not for titles of a single word.
4. Part of a title and the same year: with or without a subtitle, the title of a numbered series ("Star Wars: Episode
   V - "), an author ("Monty Python's"), a foreign article or a plural s. Not for single words, and, authors excepted,
   not if the catalogue has an item with the partial title and another year.
5. A title with one wrong letter (two from 14 letters on) and the same year, if the differing words occur in no other
   title. Numbers never differ.

Everything less certain, such as the same title two or three years off, is a candidate to choose from. How titles are
compared: `recdash.recommend.title_variants`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from numpy.typing import NDArray

from recdash.data.catalogue import Catalogue
from recdash.recommend.title_variants import (
    TitlePart,
    count_content_words,
    number_words,
    starts_with_article,
    title_keys,
    title_parts,
    title_words,
)

MAX_CANDIDATES = 8
_MAX_LETTERS = 300  # of a title; the rest is ignored
_MAX_YEAR_GAP = 3  # of a candidate with the same title
_MIN_LETTERS, _MIN_LETTERS_TWO_EDITS = 8, 14  # of a title in which one or two letters may be wrong
_ENDS = 4  # letters at the start or the end of a title that are right if a letter elsewhere is wrong

TITLE_AND_YEAR, YEAR_OFF, ARTICLE_DIFFERS = "title and year", "title, year one off", "title without its article"
PART_OF_TITLE, SPELLING = "part of the title, and year", "title with another spelling, and year"
TITLE_ONLY = "title"


class TitleMatch(NamedTuple):
    """What a title was matched to.

    Attributes:
        items: Item indices, best first: one for a certain match, none if nothing is similar.
        rule: Number of the rule of a certain match (see the module), None for candidates to choose from.
        how: What agrees, for display.
    """

    items: tuple[int, ...] = ()
    rule: int | None = None
    how: str = ""


class _Form(NamedTuple):
    """One title of an item: whether it has an article at the start, and whether it is an alternative title."""

    item: int
    has_article: bool
    is_alternative: bool


class _Fit(NamedTuple):
    """How an item fits; smaller is better."""

    rule: int
    is_alternative: bool
    how: str


@dataclass(eq=False)
class _Found:
    """What is known about the items while a title is matched.

    Attributes:
        fits: The best rule of each item that fits.
        doubts: The items that do not fit well enough, and the order in which to offer them.
        has_title: Whether any item has the whole title, of whatever year.
    """

    fits: dict[int, _Fit] = field(default_factory=dict)
    doubts: dict[int, int] = field(default_factory=dict)
    has_title: bool = False

    def add(self, item: int, fit: _Fit) -> None:
        self.fits[item] = min(self.fits.get(item, fit), fit)


class _Spelling(NamedTuple):
    """A title of an item for the comparison letter by letter."""

    item: int
    key: str
    words: frozenset[str]


@dataclass(frozen=True, eq=False)
class TitleMatcher:
    """The titles of a catalogue, indexed once; each match then costs a few lookups.

    Attributes:
        catalogue: The items.
        popularity: (items,) counts that order candidates; None for the order of the catalogue.
    """

    catalogue: Catalogue
    popularity: NDArray[Any] | None = None

    def match(self, titles: Sequence[str], year: int | None) -> TitleMatch:
        """Match a title to an item.

        Args:
            titles: Title and any other titles of the same film, such as the original one.
            year: Year; None if unknown.
        """
        titles = [title[:_MAX_LETTERS] for title in titles if title.strip()]
        found = _Found()
        for find in (self._find_whole, self._find_part, self._find_spelling):
            for title in titles if not found.fits else ():
                find(title, year, found)
        if not found.fits:
            return TitleMatch(self._by_preference(found.doubts))
        best_rank = min(map(_rank, found.fits.values()))
        best = {item: 0 for item, fit in found.fits.items() if _rank(fit) == best_rank}
        if len(best) == 1:
            (item,) = best
            return TitleMatch((item,), found.fits[item].rule, found.fits[item].how)
        return TitleMatch(self._by_preference({**found.doubts, **best}))

    def _find_whole(self, title: str, year: int | None, found: _Found) -> None:
        has_article, is_single_word = starts_with_article(title), count_content_words(title_words(title)) < 2
        for form in (form for key in title_keys(title) for form in self._forms.get(key, ())):
            found.has_title = True
            item_year = self.catalogue[form.item].year
            same_article = form.has_article == has_article
            if not self._has_years or (year is None and item_year is None):
                found.add(form.item, _Fit(1 if same_article else 2, form.is_alternative, TITLE_ONLY))
                continue
            gap = None if year is None or item_year is None else abs(year - item_year)
            if gap == 0:
                rule, how = (1, TITLE_AND_YEAR) if same_article else (2, ARTICLE_DIFFERS)
                found.add(form.item, _Fit(rule, form.is_alternative, how))
            elif gap == 1 and (same_article or not is_single_word):
                found.add(form.item, _Fit(2 if same_article else 3, form.is_alternative, YEAR_OFF))
            elif gap is None or gap <= _MAX_YEAR_GAP:
                found.doubts.setdefault(form.item, 1 if gap is None else gap)

    def _find_part(self, title: str, year: int | None, found: _Found) -> None:
        if year is None:
            return
        in_catalogue = [part for key in title_keys(title) for part in self._parts.get(key, ())]
        in_title = [
            (form.item, part) for part in title_parts(title, is_query=True) for form in self._forms.get(part.key, ())
        ]
        for item, part in (*in_catalogue, *in_title):
            gap = abs(year - (self.catalogue[item].year or 0))
            if gap == 0 and part.is_clear and (part.is_work or not found.has_title):
                found.add(item, _Fit(4, False, PART_OF_TITLE))
            elif gap <= 1:
                found.doubts.setdefault(item, _MAX_YEAR_GAP + 1 + gap)

    def _find_spelling(self, title: str, year: int | None, found: _Found) -> None:
        from rapidfuzz.distance import OSA  # optional: rapidfuzz

        words = title_words(title)
        key = "".join(words)
        if year is None or len(key) < _MIN_LETTERS:
            return
        edits = 1 if len(key) < _MIN_LETTERS_TWO_EDITS else 2
        near = {*self._spellings.get((year, key[:_ENDS], ""), ()), *self._spellings.get((year, "", key[-_ENDS:]), ())}
        for one in near:
            if one.key[0] != key[0] or number_words(one.words) != number_words(words):
                continue
            if OSA.distance(key, one.key, score_cutoff=edits) > edits:
                continue
            if self._vocabulary.isdisjoint(set(words) - one.words):
                found.add(one.item, _Fit(5, False, SPELLING))
            else:
                found.doubts.setdefault(one.item, _MAX_YEAR_GAP + 3)

    def _by_preference(self, order: dict[int, int]) -> tuple[int, ...]:
        popularity = self.popularity
        if popularity is None:
            return tuple(sorted(order, key=lambda item: (order[item], item))[:MAX_CANDIDATES])
        return tuple(sorted(order, key=lambda item: (order[item], -popularity[item], item))[:MAX_CANDIDATES])

    @cached_property
    def _has_years(self) -> bool:
        return any(item.year is not None for item in self.catalogue.items)

    @cached_property
    def _titles(self) -> list[tuple[int, str]]:
        """Titles and alternative titles, with their item indices; items without a title have none."""
        return [
            (index, title[:_MAX_LETTERS])
            for index, item in enumerate(self.catalogue.items)
            if item.title != item.id or any(map(str.isalpha, item.title))
            for title in (item.title, *item.alternatives)
        ]

    @cached_property
    def _forms(self) -> dict[str, list[_Form]]:
        forms: dict[str, list[_Form]] = {}
        for index, title in self._titles:
            is_alternative = title != self.catalogue[index].title[:_MAX_LETTERS]
            form = _Form(index, starts_with_article(title), is_alternative)
            for key in title_keys(title):
                if form not in (listed := forms.setdefault(key, [])):
                    listed.append(form)
        return forms

    @cached_property
    def _parts(self) -> dict[str, list[tuple[int, TitlePart]]]:
        found: dict[str, list[tuple[int, TitlePart]]] = {}
        for index, title in self._titles:
            for part in title_parts(title):
                found.setdefault(part.key, []).append((index, part))
        return found

    @cached_property
    def _spellings(self) -> dict[tuple[int, str, str], list[_Spelling]]:
        """Titles by year and their first or last letters: one wrong letter leaves one of the two unchanged."""
        found: dict[tuple[int, str, str], list[_Spelling]] = {}
        for index, title in self._titles:
            words, year = title_words(title), self.catalogue[index].year
            key = "".join(words)
            if year is not None and len(key) >= _MIN_LETTERS - 1:
                spelling = _Spelling(index, key, frozenset(words))
                found.setdefault((year, key[:_ENDS], ""), []).append(spelling)
                found.setdefault((year, "", key[-_ENDS:]), []).append(spelling)
        return found

    @cached_property
    def _vocabulary(self) -> frozenset[str]:
        return frozenset(word for _, title in self._titles for word in title_words(title))


def _rank(fit: _Fit) -> tuple[int, bool]:
    """Return the rule, and whether an alternative title agrees; with an exact match the main title decides."""
    return fit.rule, fit.is_alternative and fit.rule == 1
