"""Texts within some edits of another are all found, and no others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.data.joined_titles import JoinedTitles
from recdash.data.similar_texts import SimilarTexts
from recdash.data.title_tokens import with_digits, words_of
from recdash.data.vocabulary import Vocabulary

LETTERS = st.text("abcpst1é七", max_size=8)  # "p" and "0", "t" and "4" share a bit


def edits_between(first: str, second: str) -> int:
    """Optimal string alignment distance, by its definition."""
    rows = [list(range(len(second) + 1))]
    for i, letter in enumerate(first, 1):
        row = [i]
        for j, other in enumerate(second, 1):
            row.append(min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != other)))
            if i > 1 and j > 1 and (letter, first[i - 2]) == (second[j - 2], other):
                row[-1] = min(row[-1], rows[-2][j - 2] + 1)
        rows.append(row)
    return rows[-1][-1]


@given(st.lists(LETTERS, max_size=12), LETTERS, st.integers(0, 3))
def test_all_texts_within_some_edits_are_found(texts: list[str], text: str, max_edits: int) -> None:
    positions, edits = SimilarTexts(texts).within(text, max_edits)
    expected = {i: n for i, other in enumerate(texts) if (n := edits_between(text, other)) <= max_edits}
    assert dict(zip(positions.tolist(), edits.tolist(), strict=True)) == expected


def similarity(words: str, word: str, *, is_last: bool = False) -> dict[str, float]:
    vocabulary = Vocabulary(words.split())
    found = vocabulary.matches(word, is_last)
    return {
        vocabulary.words[i]: round(s, 3) for i, s in zip(found.words.tolist(), found.similarity.tolist(), strict=True)
    }


def test_a_word_is_the_more_similar_the_less_is_wrong() -> None:
    assert similarity("shawshank", "shawshank") == {"shawshank": 1.0}
    assert similarity("shawshank", "shawshenk")["shawshank"] > similarity("shawshank", "shewshenk")["shawshank"] > 0.6
    assert similarity("shawshank", "wshash") == {}
    assert similarity("cat cut", "cat") == {"cat": 1.0, "cut": 0.633}
    assert similarity("kane queen", "cane") == {"kane": 0.85}


def test_the_start_of_a_word_counts_more_where_it_is_still_typed_also_with_an_error() -> None:
    assert similarity("godfather", "godf") == {"godfather": 0.722}
    assert similarity("godfather god", "godf", is_last=True) == {"godfather": 0.806, "god": 0.65}
    assert similarity("shawshank", "shwash", is_last=True)["shawshank"] > 0.7
    assert similarity("boat", "borat", is_last=True) == {"boat": 0.8}, "a longer start than the word is none"


def test_words_typed_before_are_not_matched_again() -> None:
    vocabulary = Vocabulary(["toy", "story"])
    assert vocabulary.matches("toy", False) is vocabulary.matches("toy", False)


def test_numbers_match_themselves_only() -> None:
    assert similarity("1998 1999 199", "1998") == {"1998": 1.0}
    assert similarity("five nine v", "five") == {"five": 1.0, "v": 1.0}


def test_titles_match_as_one_word_with_errors_or_from_their_start() -> None:
    titles = JoinedTitles.of({"ghostbusters": [4, 7], "lionking": [2], "": [9]})
    forms, relevance = titles.matches("gostbusters")
    assert forms.tolist() == [4, 7] and relevance == pytest.approx(1 - 1 / 11)
    forms, relevance = titles.matches("lionk")
    assert forms.tolist() == [2] and relevance == pytest.approx(0.95 - 0.1 * 3 / 8)
    assert titles.matches("lio")[0].tolist() == titles.matches("")[0].tolist() == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Thirty-Nine Steps", "39 steps"),
        ("two thousand and one", "2001"),
        ("nineteen eighty four", "1984"),
        ("one hundred and one dalmatians", "101 dalmatians"),
        ("four hundred blows", "400 blows"),
        ("twenty thousand leagues", "20000 leagues"),
        ("million dollar duck", "1000000 dollar duck"),
        ("thirteenth floor", "13th floor"),
        ("twentieth", "20th"),
        ("twelve angry men", "twelve angry men"),
        ("one two three", "one two three"),
        ("hundred and love", "100 and love"),
        ("twenty twenty", "2020"),
        ("sixty sixth", "60 sixth"),
        ("", ""),
    ],
)
def test_large_numbers_are_written_in_digits(text: str, words: str) -> None:
    assert with_digits(words_of(text)) == tuple(words.split())
