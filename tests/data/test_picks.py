"""A pick names one item, or the reader learns which ones it could be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recdash.data.catalogue import Catalogue
from recdash.data.items import Item
from recdash.data.picks import resolve, resolve_all
from recdash.errors import UsageError
from tests.data.test_title_search import Titles, titles_of

FILMS = Catalogue(
    (
        Item("1984", "Brazil", 1985),
        Item("2", "Nineteen Eighty-Four", 1984, (), ("1984",)),
        Item("3", "Sabrina", 1954),
        Item("4", "Sabrina", 1995),
        Item("5", "#Horror", 2015),
        Item("horror", "Heat", 1995),
        Item("17", "Alien", 1979),
        Item("187", "Speed", 1994),
        Item("9", "187", 1997),
    )
)
POPULAR = np.array([10, 10, 40, 20, 1, 50, 60, 70, 2])


@pytest.fixture(scope="module")
def ml_1m(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Titles]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECDASH_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield titles_of(test_data / "ml-1m")


@pytest.fixture(scope="module")
def demo(demo_cache: Path) -> Iterator[Titles]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECDASH_DATA_DIR", str(demo_cache.parent))
        yield titles_of("demo")


def chosen(titles: Titles, pick: str) -> str:
    return titles.catalogue[resolve(titles.catalogue, pick, titles.popularity)].label


def refusal(catalogue: Catalogue, pick: Any, popularity: Any = None) -> str:
    with pytest.raises(UsageError) as caught:
        resolve(catalogue, pick, popularity)
    message = str(caught.value)
    assert "\n" not in message and caught.value.exit_status == 2
    return message


@pytest.mark.parametrize(
    ("pick", "id_"),
    [
        ("1984", "2"),  # another title of a film comes before an id
        ("#1984", "1984"),
        ("# 1984", "1984"),
        ("  17 ", "17"),
        ("#17", "17"),
        ("187", "9"),
        ("#187", "187"),
        ("#Horror", "5"),
        ("#horror", "5"),  # the title "#Horror", not the id
        ("horror", "5"),
        ("sabrina", "3"),  # the more popular one
        ("Sabrina (1995)", "4"),
        ("sabrina 1954", "3"),
        (17, "17"),
        (187, "187"),
        (np.int64(187), "187"),
        (np.str_("heat"), "horror"),
        (Item("187", "any title"), "187"),
        ("haet", "horror"),
    ],
)
def test_titles_come_before_ids_and_ids_before_the_best_match(pick: Any, id_: str) -> None:
    assert FILMS[resolve(FILMS, pick, POPULAR)].id == id_


def test_of_several_items_with_one_title_the_most_popular_is_meant() -> None:
    assert FILMS[resolve(FILMS, "Sabrina", POPULAR)].year == 1954
    assert FILMS[resolve(FILMS, "Sabrina", np.where(POPULAR == 20, 41, POPULAR))].year == 1995
    assert FILMS[resolve(FILMS, "Sabrina")].year == 1954, "the first, where no popularity is known"
    assert FILMS[resolve(FILMS, "sabrna", POPULAR)].year == 1954, "misspelt, too"


def test_a_bare_number_without_such_a_title_is_an_id() -> None:
    without = Catalogue(tuple(item._replace(alternatives=()) for item in FILMS.items))
    assert without[resolve(without, "1984", POPULAR)].id == "1984"


@pytest.mark.parametrize("pick", [318, "#318", np.int64(318), -1, 3.5, None, True, b"Heat", Item("318", "Heat")])
def test_an_id_that_no_item_has_is_no_title(pick: Any) -> None:
    message = refusal(FILMS, pick, POPULAR)
    assert message.startswith("No item has the id ") and "such as 'Speed (1994)', or an id such as #187" in message


@pytest.mark.parametrize("pick", ["", "   ", "\n"])
def test_an_empty_pick_is_refused(pick: str) -> None:
    assert refusal(FILMS, pick) == "A pick is empty. Give a title such as 'Brazil (1985)', or an id such as #1984."


def test_a_title_that_is_not_there_is_refused_with_the_nearest() -> None:
    near = Catalogue((Item("7", "Toy Story", 1995), Item("8", "Toy Story 2", 1999), Item("9", "Heat", 1995)))
    assert refusal(near, "toy story 3") == (
        "No item matches 'toy story 3'. Nearest: Toy Story (1995) (#7), Toy Story 2 (1999) (#8). Give a title or an id."
    )
    assert refusal(near, "zorglub", np.array([1, 5, 2])) == (
        "No item matches 'zorglub'. Give a title such as 'Toy Story 2 (1999)', or an id such as #8."
    )


def test_a_long_title_or_pick_is_cut_in_the_message() -> None:
    catalogue = Catalogue((Item("1", "Heat " * 70, 1995),))
    assert len(refusal(catalogue, "zorglub " * 500)) < 300


def test_data_without_titles_say_so() -> None:
    bare = Catalogue.bare(range(17, 40))
    assert resolve(bare, "17") == 0 and resolve(bare, 18) == 1 and resolve(bare, "#19") == 2
    assert refusal(bare, "Heat") == "No item matches 'Heat'. This dataset has no titles. Give an id such as 17."
    assert refusal(bare, "") == "A pick is empty. This dataset has no titles. Give an id such as 17."
    assert "no titles" in refusal(bare, 7)
    assert "no titles" in refusal(Catalogue.bare(["7", "8"]), "seven"), "an id is no title"
    assert "catalogue is empty" in refusal(Catalogue(()), "Heat")


def test_names_that_are_their_own_ids_are_found_in_any_case() -> None:
    assert resolve(Catalogue.of_names(["Heat (1995)", "Toy Story (1995)"]), "toy story (1995)") == 1


def test_several_items_that_fit_equally_well_are_listed() -> None:
    moons = Catalogue(tuple(Item(str(n), f"{name} Moon", 1990 + n) for n, name in enumerate(("Blue", "Red", "Pink"))))
    message = refusal(moons, "moon", np.array([100, 90, 80]))
    assert message == (
        "'moon' matches several items about equally well: Blue Moon (1990) (#0), Red Moon (1991) (#1), "
        "Pink Moon (1992) (#2). Give a title with its year, or an id such as #0."
    )


@pytest.mark.parametrize(("second", "clear"), [(1000, False), (200, False), (100, True), (0, True)])
def test_eight_times_the_popularity_decides(second: int, clear: bool) -> None:
    moons = Catalogue((Item("1", "Blue Moon"), Item("2", "Pink Moon")))
    popularity = np.array([second, 1000])
    if clear:
        assert resolve(moons, "moon", popularity) == 1
    else:
        refusal(moons, "moon", popularity)


def test_a_clearly_better_fit_decides_whatever_the_popularity() -> None:
    assert resolve(Catalogue((Item("1", "Terminator 2: Judgment Day"), Item("2", "Terminator"))), "terminater") == 1
    popular = np.array([100_000, 50])
    films = Catalogue((Item("1", "The Return of the Moon of Endor"), Item("2", "Moonrise Kingdom")))
    assert resolve(films, "moonrise", popular) == 1


@pytest.mark.parametrize(
    ("popularity", "expected"), [([50, 100, 40], 1), ([101, 100, 40], 1), ([150, 100, 40], None), (None, 1)]
)
def test_the_first_part_of_a_series_stands_for_it_unless_another_is_better_known(
    popularity: list[int] | None, expected: int | None
) -> None:
    parts = Catalogue(
        (Item("5", "War Stars: More", 1980), Item("4", "War Stars: First", 1977), Item("1", "War Stars: Late", 1999))
    )
    counts = None if popularity is None else np.array(popularity)
    if expected is None:
        refusal(parts, "war stars", counts)
    else:
        assert resolve(parts, "war stars", counts) == resolve(parts, "warstars", counts) == expected


@pytest.mark.parametrize("pick", ["the", "of", "part of the", "a"])
def test_small_words_alone_name_nothing(demo: Titles, pick: str) -> None:
    assert "No item matches" in refusal(demo.catalogue, pick, demo.popularity)


def test_picks_are_resolved_in_order_and_once() -> None:
    assert resolve_all(FILMS, ["heat", "#17", "Alien", 17], POPULAR) == [5, 6]
    assert resolve_all(FILMS, "heat") == resolve_all(FILMS, FILMS[5]) == [5]
    assert resolve_all(FILMS, 17) == resolve_all(FILMS, np.int32(17)) == [6]
    for nothing in (None, 5.5, b"abc", np.array(3), object()):
        with pytest.raises(UsageError, match="Expected a list of titles"):
            resolve_all(FILMS, nothing)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pick", "label"),
    [
        ("toy story", "Toy Story (1995)"),
        ("godfather", "The Godfather (1972)"),
        ("star wars", "Star Wars: Episode IV - A New Hope (1977)"),
        ("starwars", "Star Wars: Episode IV - A New Hope (1977)"),
        ("matrix", "The Matrix (1999)"),
        ("terminator", "The Terminator (1984)"),
        ("terminater", "The Terminator (1984)"),
        ("alien", "Alien (1979)"),
        ("clockwork", "A Clockwork Orange (1971)"),
        ("shawshank", "The Shawshank Redemption (1994)"),
        ("shakespeare", "Shakespeare in Love (1998)"),
        ("gump", "Forrest Gump (1994)"),
        ("private ryan", "Saving Private Ryan (1998)"),
        ("citizen cane", "Citizen Kane (1941)"),
        ("jaus", "Jaws (1975)"),
        ("psyco", "Psycho (1960)"),
        ("dalmations", "101 Dalmatians (1961)"),
        ("sabrina", "Sabrina (1995)"),
        ("titanic", "Titanic (1997)"),
        ("monty python", "Monty Python and the Holy Grail (1974)"),
        ("blair witch", "The Blair Witch Project (1999)"),
        ("#1984", "Halloween III: Season of the Witch (1983)"),
        ("1984", "Halloween III: Season of the Witch (1983)"),
        ("187", "187 (1997)"),
        ("#187", "Party Girl (1995)"),
    ],
)
def test_what_is_clear_is_taken_in_movielens_1m(ml_1m: Titles, pick: str, label: str) -> None:
    assert chosen(ml_1m, pick) == label


@pytest.mark.parametrize("pick", ["star trek", "love", "night", "indiana jones", "austin powers", "up", "x"])
def test_what_is_not_clear_is_refused_in_movielens_1m(ml_1m: Titles, pick: str) -> None:
    message = refusal(ml_1m.catalogue, pick, ml_1m.popularity)
    assert "matches several items about equally well" in message and message.count("(#") >= 2


def test_the_films_of_star_trek_are_all_listed(ml_1m: Titles) -> None:
    message = refusal(ml_1m.catalogue, "star trek", ml_1m.popularity)
    assert message.count("Star Trek") == 8


@pytest.mark.parametrize(
    "pick",
    ["Inception", "Avatar", "Frozen", "The Dark Knight", "Finding Nemo", "Harry Potter", "WALL·E", "Kill Bill",
     "Get Out", "The Departed", "The Prestige", "Memento", "Oldboy", "Shrek", "Monsters, Inc.", "Spider-Man", "Joker",
     "Superbad", "Toy Story 3", "City of God", "zorglub", "citizen queen", "Psycho (1920)"],
)  # fmt: skip
def test_films_that_are_not_in_movielens_1m_are_refused(ml_1m: Titles, pick: str) -> None:
    assert refusal(ml_1m.catalogue, pick, ml_1m.popularity).startswith(f"No item matches {pick!r}")


@pytest.mark.parametrize(
    ("pick", "label"),
    [
        ("star wars", "Star Wars: Episode IV - A New Hope (1977)"),
        ("lord of the rings", "The Lord of the Rings: The Fellowship of the Ring (2001)"),
        ("pirates of the carribean", "Pirates of the Caribbean: The Curse of the Black Pearl (2003)"),
        ("star trek", "Star Trek (2009)"),
        ("batman", "Batman (1989)"),
        ("wall e", "WALL·E (2008)"),
        ("sevn", "Se7en (1995)"),
    ],
)
def test_what_is_clear_is_taken_in_the_demo(demo: Titles, pick: str, label: str) -> None:
    assert chosen(demo, pick) == label


@pytest.mark.parametrize("pick", ["love", "night", "harry potter", "indiana jones"])
def test_what_is_not_clear_is_refused_in_the_demo(demo: Titles, pick: str) -> None:
    assert "matches several items about equally well" in refusal(demo.catalogue, pick, demo.popularity)
