"""Titles written as one word: "thelionking", "gost busters" and other wrong spaces next to other errors."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recdash.data.similar_texts import SimilarTexts

_LETTERS_PER_EDIT, _MAX_EDITS = 5, 3  # one wrong letter in five, at most three
_MIN_PREFIX = 4  # letters
_PREFIX_RELEVANCE, _PREFIX_COST = 0.95, 0.1  # of the start of a title; the cost is that of an infinitely longer title


@dataclass(frozen=True, eq=False)
class JoinedTitles:
    """Titles without spaces, sorted.

    Attributes:
        texts: The titles.
        forms: The forms of each title in the search index.
    """

    texts: tuple[str, ...]
    forms: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, forms_of: Mapping[str, list[int]]) -> JoinedTitles:
        """Build from the forms of each title."""
        texts = tuple(sorted(filter(None, forms_of)))
        return cls(texts, tuple(tuple(forms_of[text]) for text in texts))

    def matches(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the forms that equal the text up to some letters, or start with it, and their relevance, (n,) each."""
        found = self._starting_with(text)
        for index, relevance in self._similar_to(text).items():
            found[index] = max(found.get(index, 0.0), relevance)
        pairs = [(form, relevance) for index, relevance in found.items() for form in self.forms[index]]
        return np.array([form for form, _ in pairs], np.int64), np.array([relevance for _, relevance in pairs])

    def _similar_to(self, text: str) -> dict[int, float]:
        max_edits = min(_MAX_EDITS, len(text) // _LETTERS_PER_EDIT)
        if not max_edits:
            return {}
        positions, edits = self._similar.within(text, max_edits)
        return dict(zip(positions.tolist(), (1 - edits / len(text)).tolist(), strict=True))

    def _starting_with(self, text: str) -> dict[int, float]:
        if len(text) < _MIN_PREFIX:
            return {}
        first, end = bisect_left(self.texts, text), bisect_left(self.texts, text + chr(0x10FFFF))
        return {
            index: _PREFIX_RELEVANCE - _PREFIX_COST * (1 - len(text) / len(self.texts[index]))
            for index in range(first, end)
        }

    @cached_property
    def _similar(self) -> SimilarTexts:
        return SimilarTexts(self.texts)
