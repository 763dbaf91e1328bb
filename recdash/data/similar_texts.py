"""Texts that differ from another in few letters, found without comparing all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BITS = 64


class SimilarTexts:
    """A search among texts for those within some edits of another; swapping two neighbours is one edit.

    Only texts of about the same length and with about the same letters are compared: an edit changes the length by at
    most one and the set of letters by at most two.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        """Store the lengths of the texts and the letters they contain."""
        self.texts = texts
        self.lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        self.letters = _letter_sets(texts, self.lengths)

    def within(self, text: str, max_edits: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Return positions of the texts within so many edits, ascending, and their edits, (n,) each."""
        from rapidfuzz import process  # optional: rapidfuzz
        from rapidfuzz.distance import OSA  # optional: rapidfuzz

        wanted = _letter_sets([text], np.array([len(text)]))
        near = np.abs(self.lengths - len(text)) <= max_edits
        near[near] = np.bitwise_count(self.letters[near] ^ wanted) <= 2 * max_edits
        positions = np.flatnonzero(near)
        candidates = [self.texts[position] for position in positions.tolist()]
        edits = process.cdist([text], candidates, scorer=OSA.distance, score_cutoff=max_edits, dtype=np.uint8)[0]
        is_within = edits <= max_edits
        return positions[is_within], edits[is_within]


def _letter_sets(texts: Sequence[str], lengths: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the letters of each text as bits, (n,); several letters may share a bit."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    bits = np.left_shift(np.uint64(1), (codes % _BITS).astype(np.uint64))
    found = np.zeros(len(texts), np.uint64)
    filled = np.flatnonzero(lengths)
    if len(filled):
        found[filled] = np.bitwise_or.reduceat(bits, (np.cumsum(lengths) - lengths)[filled])
    return found
