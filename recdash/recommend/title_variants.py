"""Forms of a title for comparison: normalised words, keys, and parts that may stand for the whole.

Titles are compared without case, accents, English articles, punctuation and spaces, and with numbers in one spelling
("Part II" equals "Part 2").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from recdash.data.items import natural_title
from recdash.data.title_tokens import DIGITS_OF, ROMAN_LETTERS, weight_of, with_digits, words_of

_NUMBER_OF_LETTER = {letter: number for number, letter in ROMAN_LETTERS.items()}
_PART_WORDS = frozenset(("part", "vol", "volume", "chapter", "book"))
_NUMBER_WORDS = frozenset(DIGITS_OF) | {"half"}

_ARTICLE = re.compile(r"(the|an?)\s", re.IGNORECASE)
_FOREIGN_ARTICLE = re.compile(
    r"(?:(?:le|la|les|il|lo|gli|el|los|las|der|das|ein|eine|un|une|una|det|den|het)\s+|l['’]\s*)(?=\S)", re.IGNORECASE
)
_MIN_SINGLE_WORD = 5  # letters of a single word after a foreign article
_SEPARATOR = re.compile(r"\s*:\s*|\s+[-–—]\s+|\s*[()]\s*")
_TRAILING_OR = re.compile(r",?\s+or$", re.IGNORECASE)  # "Dr. Strangelove or: How I ..."
_AUTHOR = re.compile(r"(?!(?:the|an?|my|your|our|his|her)\s)[^\W\d_]\S*\s\S+['’]s?\s+(?=\S)", re.IGNORECASE)
_OTHER_WORK = re.compile(  # subtitles of works about a film
    r"\b(series|making[ -]of|behind the|specials?|documentary|inside story|live|revisited|legacy|unauthorized)\b",
    re.IGNORECASE,
)
_INNER_SIGN = re.compile(r"\w[^\w\s.'’]\w")
_SIGNS = re.compile(r"[^\w\s]")


class TitlePart(NamedTuple):
    """Part of a title that may stand for it.

    Attributes:
        key: The part, as in `title_keys`.
        is_clear: Whether it is specific enough for a match.
        is_work: Whether it is the title without its author, and not the title of a series.
    """

    key: str
    is_clear: bool
    is_work: bool = False


@lru_cache(maxsize=1 << 12)
def title_words(title: str) -> tuple[str, ...]:
    """Return normalised words with numbers in one spelling; a title without words has one, its signs."""
    found = with_digits(words_of(_separate_fractions(natural_title(title)).replace(" + ", " & ")))
    return (*found[:1], *(_NUMBER_OF_LETTER.get(word, word) for word in found[1:]))


@lru_cache(maxsize=1 << 12)
def title_keys(title: str) -> frozenset[str]:
    """Return the title without spaces, also as it reads without its signs ("M*A*S*H" is "mash", "3-D" is "3d")."""
    found = {"".join(title_words(title))}
    if _INNER_SIGN.search(title):
        found.add("".join(title_words(_SIGNS.sub("", natural_title(title)))))
    return frozenset(found - {""})


def starts_with_article(title: str) -> bool:
    """Return whether a title starts with an English article, or ends with one after a comma."""
    return _ARTICLE.match(natural_title(title)) is not None


def count_content_words(words: Iterable[str]) -> int:
    """Return the number of words other than "of", "part" and similar ones."""
    return sum(1 for word in words if weight_of(word) == 1)


def number_words(words: Iterable[str]) -> list[str]:
    """Return the numbers among normalised words, in digits or spelt out, sorted."""
    return sorted(word for word in words if word in _NUMBER_WORDS or any(map(str.isdigit, word)))


def title_parts(title: str, *, is_query: bool = False) -> Iterator[TitlePart]:
    """Yield the parts that may stand for a title.

    is_query: The title is the longer one, so that what the part leaves out must not be another work or a sequel.
    """
    title = natural_title(title)
    for separator in _SEPARATOR.finditer(title):
        head, tail = _TRAILING_OR.sub("", title[: separator.start()]), title[separator.end() :]
        tail_words = title_words(tail)
        if not (is_query and tail_words and (_OTHER_WORK.search(tail) or _is_sequel(tail_words))):
            yield from _part(head)
        if count_content_words(tail_words) > 1:
            yield from _part(tail, is_clear=bool(number_words(title_words(head))))
    if author := _AUTHOR.match(title):
        yield from _part(title[author.end() :], is_work=True)
    if article := _FOREIGN_ARTICLE.match(title):
        yield from _part(title[article.end() :], min_letters=_MIN_SINGLE_WORD)
    words = title_words(title)
    singular = tuple(map(_singular, words))
    if singular != words:
        yield TitlePart("".join(singular), count_content_words(words) > 1)


def _part(
    text: str, *, is_clear: bool = True, is_work: bool = False, min_letters: int | None = None
) -> Iterator[TitlePart]:
    words = title_words(text)
    if key := "".join(words):
        is_long = min_letters is not None and len(key) >= min_letters
        yield TitlePart(key, is_clear and (is_long or count_content_words(words) > 1), is_work)


def _is_sequel(subtitle: Sequence[str]) -> bool:
    """Return whether a subtitle numbers a later part: "Part Two", "Vol. 2" or "2"."""
    numbered = subtitle[1:2] if subtitle[0] in _PART_WORDS else subtitle if len(subtitle) == 1 else ()
    return bool(number_words(numbered)) and tuple(numbered) != ("one",)


def _singular(word: str) -> str:
    for ending, other in (("ves", "f"), ("ies", "y"), ("ss", "ss"), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word.removesuffix(ending) + other
    return word


def _separate_fractions(text: str) -> str:
    """Write "33⅓" as "33 1/3"; Unicode's own decomposition gives 331/3."""
    if text.isascii():
        return text
    return "".join(
        " " + unicodedata.normalize("NFKD", sign).replace("\u2044", "/") if _is_fraction(sign) else sign
        for sign in text
    )


def _is_fraction(sign: str) -> bool:
    return unicodedata.category(sign) == "No" and "\u2044" in unicodedata.normalize("NFKD", sign)
