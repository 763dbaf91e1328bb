"""Vocabulary of a catalogue: the title words that one word of a query may mean, each with its similarity."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recdash.data.similar_texts import SimilarTexts
from recdash.data.title_tokens import DIGITS_OF, ROMAN_LETTERS, consonants_of, is_number, sound_of

_MAX_CACHED_WORDS = 4096  # of queries; the words typed before stay matched while the next one is typed
_MAX_CACHED_STARTS = 8  # lengths
_MAX_START = 24  # letters; longer starts are not compared
_MAX_EDITS = {0: 0, 3: 1, 7: 2, 10: 3}  # wrong letters by the least length of a word
_SHORT_WORD, _SHORT_WORD_COST = 3, 1 / 6  # similar words of three letters are mostly different words
_PREFIX_SIMILARITY, _TYPED_PREFIX_SIMILARITY = 0.5, 0.65  # of the first letter of a very long word
_MIN_MISTYPED_PREFIX = 5  # letters
_ERROR_IN_PREFIX_COST = 0.1  # for an error in what is already the start of a title word
_SOUND_SIMILARITY, _CONSONANTS_SIMILARITY = 0.4, 0.2  # of words that sound alike and have no letter in common
_MIN_SOUND_LETTERS = 0.4  # share of equal letters; with fewer, words are not confused, such as "queen" and "kane"
_NUMBER_OF_LETTER = {letter: number for number, letter in ROMAN_LETTERS.items()}


class Matches(NamedTuple):
    """The words that a word of a query may mean: (n,) indices, ascending, and (n,) similarities in (0, 1]."""

    words: NDArray[np.int64]
    similarity: NDArray[np.float64]


class Vocabulary:
    """Sorted words of all titles.

    A word of a query means a title word with a similarity of

    - 1 if they are equal, or the same number;
    - 0.5 to 1 if it is the start of the title word, and 0.65 to 1 if it is the last word, which may still be typed;
    - 1 less the share of wrong letters, for few of them;
    - 0.4 to 1 if both sound alike, by the share of equal letters, and 0.2 to 1 if their consonants do.

    Errors cost 0.1 more if the last word is the start of a title word without any.
    """

    def __init__(self, words: Iterable[str]) -> None:
        """Build from words in any order, with or without repetitions."""
        self.words = tuple(sorted(set(words)))

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def index_of(self) -> dict[str, int]:
        """Index of each word."""
        return {word: index for index, word in enumerate(self.words)}

    def with_prefix(self, prefix: str) -> range:
        """Return the indices of the words that start with the prefix."""
        return range(bisect_left(self.words, prefix), bisect_left(self.words, prefix + chr(0x10FFFF)))

    @cached_property
    def matches(self) -> Callable[[str, bool], Matches]:
        """Return what a word may mean, given the word and whether it is the last of the query. Cached."""
        return lru_cache(_MAX_CACHED_WORDS)(self._matches)

    def _matches(self, word: str, is_last: bool) -> Matches:
        found: dict[int, float] = {}
        typed = is_last and not is_number(word)
        if not is_number(word):  # 1998 is not a misspelling of 1999, nor "nine" of "five"
            self._add_misspellings(word, found)
            self._add_alike_in_sound(word, found)
            if typed and self.with_prefix(word):
                found = {index: similarity - _ERROR_IN_PREFIX_COST for index, similarity in found.items()}
            elif typed:
                self._add_mistyped_prefixes(word, found)
        for prefix in filter(None, (word, DIGITS_OF.get(word))):
            self._add_prefixes(prefix, found, typed)
        roman = ROMAN_LETTERS.get(word) or _NUMBER_OF_LETTER.get(word, "")
        if (same_number := self.index_of.get(roman)) is not None:
            found[same_number] = 1.0
        indices = np.array(sorted(found), np.int64)
        return Matches(indices, np.array([found[index] for index in indices.tolist()], np.float64))

    def _add_misspellings(self, word: str, found: dict[int, float]) -> None:
        max_edits = max(edits for length, edits in _MAX_EDITS.items() if len(word) >= length)
        if not max_edits:
            return
        for index, edits in _pairs(self._similar.within(word, max_edits)):
            cost = edits / max(len(word), len(self.words[index])) + (
                _SHORT_WORD_COST if len(word) <= _SHORT_WORD else 0.0
            )
            found[index] = max(found.get(index, 0.0), 1 - cost)

    def _add_mistyped_prefixes(self, word: str, found: dict[int, float]) -> None:
        """Add the words whose start differs from the word in one letter, if none starts with it: "shwas"."""
        if not _MIN_MISTYPED_PREFIX <= len(word) < _MAX_START:
            return
        for length in range(len(word) - 1, len(word) + 2):
            starts, firsts = self._starts(length)
            for position, _ in _pairs(starts.within(word, 1)):
                for index in range(firsts[position], firsts[position + 1]):
                    if len(self.words[index]) >= length:
                        similarity = _prefix_similarity(length, self.words[index], typed=True) - 1 / len(word)
                        found[index] = max(found.get(index, 0.0), similarity)

    def _add_alike_in_sound(self, word: str, found: dict[int, float]) -> None:
        from rapidfuzz import process  # optional: rapidfuzz
        from rapidfuzz.distance import OSA  # optional: rapidfuzz

        sound = sound_of(word)
        alike = self._by_consonants.get(consonants_of(sound), [])
        texts = [self.words[index] for index in alike]
        scores = process.cdist([word], texts, scorer=OSA.normalized_similarity, dtype=np.float32)[0]
        for index, text, letters in zip(alike, texts, scores.tolist(), strict=True):
            is_same_sound = sound_of(text) == sound
            if letters >= _MIN_SOUND_LETTERS and (is_same_sound or len(word) > _SHORT_WORD):
                least = _SOUND_SIMILARITY if is_same_sound else _CONSONANTS_SIMILARITY
                similarity = least + (1 - least) * letters - (_SHORT_WORD_COST if len(word) <= _SHORT_WORD else 0.0)
                found[index] = max(found.get(index, 0.0), similarity)

    def _add_prefixes(self, prefix: str, found: dict[int, float], typed: bool) -> None:
        for index in self.with_prefix(prefix):
            similarity = _prefix_similarity(len(prefix), self.words[index], typed=typed)
            found[index] = max(found.get(index, 0.0), similarity)

    @cached_property
    def _similar(self) -> SimilarTexts:
        return SimilarTexts(self.words)

    @cached_property
    def _starts(self) -> Callable[[int], tuple[SimilarTexts, NDArray[np.int64]]]:
        """Return the starts of so many letters, and the first word of each; words with one start are neighbours."""
        words = np.array(self.words, f"U{_MAX_START}")

        def starts(length: int) -> tuple[SimilarTexts, NDArray[np.int64]]:
            cut = words.astype(f"U{length}")
            firsts = np.flatnonzero(np.concatenate(([True], cut[1:] != cut[:-1])))
            return SimilarTexts(cut[firsts].tolist()), np.append(firsts, len(words))

        return lru_cache(_MAX_CACHED_STARTS)(starts)

    @cached_property
    def _by_consonants(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for index, word in enumerate(self.words):
            found.setdefault(consonants_of(sound_of(word)), []).append(index)
        return found


def _pairs(found: tuple[NDArray[np.int64], NDArray[np.uint8]]) -> Iterable[tuple[int, int]]:
    positions, edits = found
    return zip(positions.tolist(), edits.tolist(), strict=True)


def _prefix_similarity(letters: int, word: str, *, typed: bool) -> float:
    least = _TYPED_PREFIX_SIMILARITY if typed else _PREFIX_SIMILARITY
    return least + (1 - least) * letters / len(word)
