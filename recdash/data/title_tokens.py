"""Tokens of titles and queries: normalised words, their weights and their phonetic keys."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_ARTICLES = {"the", "a", "an"}
_MISSPELT_ARTICLES = {"teh", "hte"}
LOW_WEIGHT_WORDS = {"of", "and", "in", "to", "on", "for", "part", "episode", "le", "la", "de"} | _ARTICLES
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_MAX_SPELT = len(_NUMBERS) - 1
DIGITS_OF = {word: str(number) for number, word in enumerate(_NUMBERS)}
_ROMAN = {"ii": "two", "iii": "three", "iv": "four", "vi": "six", "vii": "seven", "viii": "eight", "ix": "nine"}
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = {  # of the number words that make up larger numbers
    **{word: number for number, word in enumerate(_NUMBERS)},
    **{
        f"{stem}teen": number for number, stem in enumerate(("thir", "four", "fif", "six", "seven", "eigh", "nine"), 13)
    },
    **{word: 10 * ten for ten, word in enumerate(_TENS, 2)},
}
_MULTIPLES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_LARGE_ORDINALS = {
    "eleventh": "11th",
    "twelfth": "12th",
    **{f"{word}th": f"{value}th" for word, value in _VALUES.items() if 13 <= value <= 19},
    **{f"{word[:-1]}ieth": f"{_VALUES[word]}th" for word in _TENS},
}
_ABBREVIATIONS = {
    "dr": "doctor",
    "mr": "mister",
    "vs": "versus",
    "xmas": "christmas",
    "st": "saint",
    "blvd": "boulevard",
}
_SYNONYMS = {
    **{digits: word for word, digits in DIGITS_OF.items()},
    **{f"{rank}{('st', 'nd', 'rd')[rank - 1] if rank < 4 else 'th'}": _ORDINALS[rank - 1] for rank in range(1, 11)},
    **_ROMAN,
    **_ABBREVIATIONS,
}
ROMAN_LETTERS = {"one": "i", "five": "v", "ten": "x"}  # also words of their own: "I, Robot", "Malcolm X"
_UNDECOMPOSED = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "&": " and ", "½": " half"}
)
_REMOVED_SIGNS = re.compile(r"['’`.]")
_WORD = re.compile(r"[^\W\d_]+|\d+[^\W\d_]*")  # "Alien3" is two words, "6th" one
_HALF = re.compile(r"(?<!\S)1/2(?!\d)")
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
    found = all_words_of(text)
    return tuple(_SYNONYMS.get(word, word) for word in found if word not in _ARTICLES) or found or tuple(text.split())


def all_words_of(text: str) -> tuple[str, ...]:
    """Split into plain words, with articles and numbers as they are written."""
    plain = _HALF.sub(" half", text.casefold()).translate(_UNDECOMPOSED)
    if not plain.isascii():
        plain = unicodedata.normalize("NFKD", plain)
        plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    plain = _DIGIT_AS_LETTER.sub(lambda digit: _LETTER_OF[digit[0]], _REMOVED_SIGNS.sub("", plain))
    return tuple(_WORD.findall(plain))


def with_digits(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words with large numbers in digits: "thirty nine steps" becomes "39 steps".

    Years may be spelt in two halves ("nineteen eighty four"). Numbers up to twelve stay words, as in `words_of`.
    """
    found: list[str] = []
    position = 0
    while position < len(words):
        value, end = _number_at(words, position)
        if value > _MAX_SPELT:
            found.append(str(value))
            position = end
        else:
            found.append(_LARGE_ORDINALS.get(words[position], words[position]))
            position += 1
    return tuple(found)


def _number_at(words: tuple[str, ...], start: int) -> tuple[int, int]:
    """Return the number that starts at a word, 0 for none, and the position after its last word."""
    thousands = below = 0  # parts of the number
    end = start
    for position in range(start, len(words)):
        word = words[position]
        if word in _MULTIPLES:
            below = max(below, 1) * _MULTIPLES[word]
            if below >= 1000:
                thousands, below = thousands + below, 0
        elif word in _VALUES and (longer := _appended(below, _VALUES[word])) is not None:
            below = longer
        elif word == "and" and position > start and words[position - 1] in _MULTIPLES:
            continue  # part of the number only if a number follows
        else:
            break
        end = position + 1
    return thousands + below, end


def _appended(number: int, value: int) -> int | None:
    """Return the number below 10,000 that is spelt as `number` followed by `value`; None if there is none."""
    if number % 100 == 0 or (number % 100 >= 20 and number % 10 == 0 and value < 10):
        return number + value  # two hundred one, twenty one
    if 10 <= number < 100 and value >= 10:
        return 100 * number + value  # nineteen eighty
    return None


def is_number(word: str) -> bool:
    """Return whether a word of `words_of` is a number, in digits or spelt."""
    return word.isdecimal() or word in DIGITS_OF


def is_misspelt_article(word: str) -> bool:
    """Return whether a word is "the" with two letters swapped."""
    return word in _MISSPELT_ARTICLES


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


def consonants_of(sound: str) -> str:
    """Return a phonetic key without its vowels, except that a first vowel counts: equal for "sevn" and "seven"."""
    return sound[:1] + sound[1:].replace("a", "")


def split_year(text: str) -> tuple[int | None, str]:
    """Split off a year at the end, with or without parentheses. Text that is only a year is left whole."""
    match = _YEAR.search(text)
    if match is None or match.start() == 0:
        return None, text
    return int(match[1]), text[: match.start()]
