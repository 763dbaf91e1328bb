"""Tokens of titles and queries: normalised words, their weights and their phonetic keys."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_ARTICLES = {"the", "a", "an"}
LOW_WEIGHT_WORDS = {"of", "and", "in", "to", "on", "for", "part", "episode", "le", "la", "de"} | _ARTICLES
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
DIGITS_OF = {word: str(number) for number, word in enumerate(_NUMBERS)}
_ROMAN = {"ii": "two", "iii": "three", "iv": "four", "vi": "six", "vii": "seven", "viii": "eight", "ix": "nine"}
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_ABBREVIATIONS = {"dr": "doctor", "mr": "mister", "vs": "versus", "xmas": "christmas"}
_SYNONYMS = {
    **{digits: word for word, digits in DIGITS_OF.items()},
    **{f"{rank}{('st', 'nd', 'rd')[rank - 1] if rank < 4 else 'th'}": _ORDINALS[rank - 1] for rank in range(1, 11)},
    **_ROMAN,
    **_ABBREVIATIONS,
}
ROMAN_LETTERS = {"one": "i", "five": "v", "ten": "x"}  # also words of their own: "I, Robot", "Malcolm X"
_UNDECOMPOSED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "&": " and ", "½": " 1/2"})
_REMOVED_SIGNS = re.compile(r"['’`.]")
_WORD = re.compile(r"[^\W\d_]+|\d+[^\W\d_]*")  # "Alien3" is two words, "6th" one
_DIGIT_AS_LETTER = re.compile(r"(?<=[a-z])[01357](?=[a-z])")
_LETTER_OF = {"0": "o", "1": "i", "3": "e", "5": "s", "7": "v"}  # "Se7en"
_YEAR = re.compile(r"\(?\b(1[89]\d\d|20\d\d)\b\)?\s*$")

# Phonetic rules for English, applied in this order. "S" stands for the sound "sh", "a" for any vowel.
_SOUNDS = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"^(?:kn|gn|pn)", "n"),
        (r"^wr", "r"),
        (r"^(?:ps|x)", "s"),
        (r"mb$", "m"),
        (r"cch|ck|qu?", "k"),
        (r"s?ch|tch|sh|ti(?=on)", "S"),
        (r"ph", "f"),
        (r"gh(?=t|$)", ""),
        (r"d?g(?=[eiy])", "j"),
        (r"s?c(?=[eiy])|z", "s"),
        (r"c", "k"),
        (r"x", "ks"),
        (r"(?<=.)h|(?<=[^aeiou])e$", ""),
        (r"(?<=[aeiou])w", ""),
        (r"[aeiouy]+", "a"),
        (r"(.)\1+", r"\1"),
    )
)


def words_of(text: str) -> tuple[str, ...]:
    """Split into normalised words: no accents, no articles, small numbers spelt out ("Part II" is "part two").

    Text without letters and digits is only split at spaces.
    """
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_UNDECOMPOSED))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    plain = _DIGIT_AS_LETTER.sub(lambda digit: _LETTER_OF[digit[0]], _REMOVED_SIGNS.sub("", plain))
    found = _WORD.findall(plain)
    return tuple(_SYNONYMS.get(word, word) for word in found if word not in _ARTICLES) or tuple(found or text.split())


def weight_of(word: str) -> float:
    """Return the weight of a word in a title; it is low for words such as "of" or "part"."""
    return 0.3 if word in LOW_WEIGHT_WORDS else 1.0


@lru_cache(maxsize=1 << 16)
def sound_of(word: str) -> str:
    """Return a phonetic key, equal for "cane" and "kane", or for "nitemare" and "nightmare".

    For English spelling; the key of a word without the letters a to z is the word itself.
    """
    for pattern, sound in _SOUNDS:
        word = pattern.sub(sound, word)
    return word


def split_year(text: str) -> tuple[int | None, str]:
    """Split off a year at the end, with or without parentheses. Text that is only a year is left whole."""
    match = _YEAR.search(text)
    if match is None or match.start() == 0:
        return None, text
    return int(match[1]), text[: match.start()]
