"""Titles as other sites write them find the item of the same film, and never another one."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recdash.data.catalogue import Catalogue
from recdash.data.items import Item
from recdash.recommend.title_matching import TitleMatcher
from tests.recommend.ml1m_titles import ml1m_matcher


@pytest.fixture(scope="module")
def ml1m(test_data: Path) -> TitleMatcher:
    return ml1m_matcher(test_data)


# Title and year as a site has them, and the label of the item in MovieLens-1M.
SAME_FILM = [
    ("Star Wars", 1977, "Star Wars: Episode IV - A New Hope (1977)"),
    ("The Empire Strikes Back", 1980, "Star Wars: Episode V - The Empire Strikes Back (1980)"),
    ("Star Wars Episode 5: The Empire Strikes Back", 1980, "Star Wars: Episode V - The Empire Strikes Back (1980)"),
    ("Matrix, The", 1999, "The Matrix (1999)"),
    ("Matrix", 1999, "The Matrix (1999)"),
    ("City of Lost Children", 1996, "The City of Lost Children (1995)"),
    ("La cité des enfants perdus", 1995, None),  # ml-1m has no original title of it
    ("Alien 3", 1992, "Alien³ (1992)"),
    ("MASH", 1970, "M*A*S*H (1970)"),
    ("Jaws 3D", 1983, "Jaws 3-D (1983)"),
    ("12 Monkeys", 1995, "Twelve Monkeys (1995)"),
    ("8½", 1963, "8 1/2 (1963)"),
    ("The Naked Gun 33⅓: The Final Insult", 1994, "Naked Gun 33 1/3: The Final Insult (1994)"),
    ("The Naked Gun", 1988, "The Naked Gun: From the Files of Police Squad! (1988)"),
    ("Rocky 5", 1990, "Rocky V (1990)"),
    ("Terminator 2", 1991, "Terminator 2: Judgment Day (1991)"),
    ("Mad Max 2: The Road Warrior", 1981, "Mad Max 2 (1981)"),
    ("The Road Warrior", 1981, "Mad Max 2 (1981)"),
    ("Léon: The Professional", 1994, "The Professional (1994)"),
    ("Das Boot", 1981, "The Boat (1981)"),
    ("Sunset Boulevard", 1950, "Sunset Blvd. (1950)"),
    ("Dr. Strangelove", 1963, "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb (1963)"),
    ("Life of Brian", 1979, "Monty Python's Life of Brian (1979)"),
    ("Romeo + Juliet", 1996, "William Shakespeare's Romeo and Juliet (1996)"),
    ("Lock, Stock and Two Smoking Barrels", 1998, "Lock, Stock & Two Smoking Barrels (1998)"),
    ("One Hundred and One Dalmatians", 1961, "101 Dalmatians (1961)"),
    ("Three Colours: Red", 1994, "Three Colors: Red (1994)"),
    ("Shwashank Redemption", 1994, "The Shawshank Redemption (1994)"),
    ("Bicycle Thieves", 1948, "The Bicycle Thief (1948)"),
    ("Bamba", 1987, "La Bamba (1987)"),
    ("Psycho", 1960, "Psycho (1960)"),
    ("Psycho", 1998, "Psycho (1998)"),
    ("Metropolis", 1927, "Metropolis (1926)"),
    ("Der bewegte Mann", 1994, "Der Bewegte Mann (1994)"),  # ml-1m has it twice; the main title decides
]
OTHER_FILM = [
    ("Psycho", 2005),  # same title, other year
    ("King Kong", 2005),
    ("Breathless", 1960),  # ml-1m has the remake
    ("Diabolique", 1955),
    ("Solaris", 2002),
    ("Gladiator", 1992),
    ("Rocky VI", 2006),  # sequels
    ("Toy Story 3", 2010),
    ("Rocky 2", 1990),  # ml-1m has Rocky V of that year
    ("The Godfather: Part IV", 1990),
    ("Halloween 6", 1989),
    ("Robin Hood", 1991),  # ml-1m has Robin Hood: Prince of Thieves of that year
    ("Batman", 1993),  # and Batman: Mask of the Phantasm
    ("Men in Black: The Series", 1997),
    ("The Making of Jurassic Park", 1993),
    ("Titanic: The Making of a Legend", 1997),
    ("Matrix Revisited", 1999),
    ("Fear", 1995),  # ml-1m has The Fear (1995) and Fear (1996)
    ("Boys", 1997),  # ml-1m has The Boys (1997) and Boys (1996)
    ("Matrix", 2000),  # a single word without its article and with another year
    ("Jumanji: Welcome to the Jungle", 2017),
    ("Bad Days", 1995),  # two letters from Bad Boys
    ("Dead Men Walking", 1995),  # "men" is a word, not a typing error
    ("Toy Stories", 1994),
    ("", 1999),
    ("???", 1999),
]


@pytest.mark.parametrize(("title", "year", "label"), SAME_FILM)
def test_a_title_finds_the_same_film(ml1m: TitleMatcher, title: str, year: int, label: str | None) -> None:
    match = ml1m.match([title], year)
    found = [ml1m.catalogue[item].label for item in match.items] if match.rule is not None else []
    assert found == ([label] if label else [])


@pytest.mark.parametrize(("title", "year"), OTHER_FILM)
def test_a_title_of_another_film_is_never_certain(ml1m: TitleMatcher, title: str, year: int) -> None:
    match = ml1m.match([title], year)
    assert match.rule is None, ml1m.catalogue[match.items[0]].label


def test_every_title_of_ml_1m_finds_itself(ml1m: TitleMatcher) -> None:
    for index, item in enumerate(ml1m.catalogue.items):
        assert ml1m.match([item.title], item.year).items == (index,), item.label


def test_an_original_title_decides_where_the_title_does_not(ml1m: TitleMatcher) -> None:
    match = ml1m.match(["The Magic of Cinema", "La vita è bella"], 1997)
    assert [ml1m.catalogue[item].label for item in match.items] == ["Life Is Beautiful (1997)"]
    both = ml1m.match(["Fargo", "Trainspotting"], 1996)
    assert both.rule is None
    assert {ml1m.catalogue[item].title for item in both.items} == {"Fargo", "Trainspotting"}


def test_without_a_year_a_title_is_only_a_candidate(ml1m: TitleMatcher) -> None:
    match = ml1m.match(["Fargo"], None)
    assert match.rule is None
    assert [ml1m.catalogue[item].label for item in match.items] == ["Fargo (1996)"]


def test_without_any_years_the_title_decides() -> None:
    matcher = TitleMatcher(Catalogue((Item("a", "Emma"), Item("b", "Dune"), Item("c", "Dune"))))
    assert matcher.match(["emma"], 1815).items == (0,)
    twice = matcher.match(["Dune"], None)
    assert (twice.rule, twice.items) == (None, (1, 2))


def test_candidates_are_ordered_by_popularity() -> None:
    matcher = TitleMatcher(Catalogue((Item("a", "Emma", 1996), Item("b", "Emma", 1996))), np.array([3, 8]))
    assert matcher.match(["Emma"], 1996).items == (1, 0)


def test_a_catalogue_without_titles_matches_nothing() -> None:
    assert TitleMatcher(Catalogue.bare(["17", "1999"])).match(["1999"], 1999).items == ()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=3), st.none() | st.integers(1870, 2030))
def test_any_text_can_be_matched(titles: list[str], year: int | None) -> None:
    catalogue = Catalogue((Item("1", "Heat", 1995), Item("2", "A: B - C (D)", 1995), Item("3", titles[0] or "x", year)))
    match = TitleMatcher(catalogue).match(titles, year)
    assert len(match.items) <= 3
    assert match.rule is None or len(match.items) == 1


def test_matching_takes_a_fraction_of_a_millisecond(ml1m: TitleMatcher) -> None:
    ml1m.match(["Unknown film"], 1999)  # builds the index
    start = time.perf_counter()
    for number in range(2000):
        ml1m.match([f"Unknown film number {number} of this list"], 1990 + number % 10)
    assert time.perf_counter() - start < 2  # 0.3 s on an idle core


def test_films_that_the_catalogue_lacks_match_no_other_film(ml1m: TitleMatcher) -> None:
    """Hide a fourth of ml-1m: its titles must not be taken for those of remakes, sequels and similar films."""
    items = ml1m.catalogue.items
    matcher = TitleMatcher(Catalogue(tuple(item for index, item in enumerate(items) if index % 4)))
    wrong = {
        item.label: matcher.catalogue[match.items[0]].label
        for item in items[::4]
        if (match := matcher.match([item.title, *item.alternatives], item.year)).rule is not None
    }
    assert set(wrong) <= {"Midaq Alley (1995)", "El Callejón de los milagros (1995)"}  # one film that ml-1m has twice
