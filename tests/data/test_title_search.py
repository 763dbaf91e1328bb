"""What people type finds the item they mean, and finds it first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import recdash
from recdash.data.catalogue import Catalogue
from recdash.data.items import Item
from recdash.data.title_search import popularity_bonus, search
from recdash.data.title_tokens import sound_of, split_year, words_of

# Query and the first title that is found, in MovieLens-1M.
ML_1M = [
    ("toy story", "Toy Story (1995)"),
    ("TOY STORY", "Toy Story (1995)"),
    ("toi story", "Toy Story (1995)"),
    ("toystory2", "Toy Story 2 (1999)"),
    ("clockwork", "A Clockwork Orange (1971)"),
    ("star wars", "Star Wars: Episode IV - A New Hope (1977)"),
    ("starwars", "Star Wars: Episode IV - A New Hope (1977)"),
    ("empire strikes", "Star Wars: Episode V - The Empire Strikes Back (1980)"),
    ("jedi", "Star Wars: Episode VI - Return of the Jedi (1983)"),
    ("tombstone", "Tombstone (1993)"),
    ("tomb stone", "Tombstone (1993)"),
    ("ghost busters", "Ghostbusters (1984)"),
    ("ghostbusters", "Ghostbusters (1984)"),
    ("ghost buster", "Ghostbusters (1984)"),
    ("jurassicpark", "Jurassic Park (1993)"),
    ("jurasic park", "Jurassic Park (1993)"),
    ("jurasicpark", "Jurassic Park (1993)"),
    ("brave heart", "Braveheart (1995)"),
    ("bladerunner", "Blade Runner (1982)"),
    ("golden eye", "GoldenEye (1995)"),
    ("citizen cane", "Citizen Kane (1941)"),
    ("sitizen kane", "Citizen Kane (1941)"),
    ("fargow", "Fargo (1996)"),
    ("jaus", "Jaws (1975)"),
    ("fite club", "Fight Club (1999)"),
    ("nitemare on elm street", "A Nightmare on Elm Street (1984)"),
    ("pinokeyo", "Pinocchio (1940)"),
    ("ghandi", "Gandhi (1982)"),
    ("shindlers list", "Schindler's List (1993)"),
    ("heat 1995", "Heat (1995)"),
    ("psycho 1998", "Psycho (1998)"),
    ("sabrina 1954", "Sabrina (1954)"),
    ("titanic (1953)", "Titanic (1953)"),
    ("matrix, the", "The Matrix (1999)"),
    ("matrix the", "The Matrix (1999)"),
    ("natrix", "The Matrix (1999)"),
    ("matirx", "The Matrix (1999)"),
    ("godfather", "The Godfather (1972)"),
    ("godfather ii", "The Godfather: Part II (1974)"),
    ("godfather part 2", "The Godfather: Part II (1974)"),
    ("the godfather part three", "The Godfather: Part III (1990)"),
    ("rocky 5", "Rocky V (1990)"),
    ("alien", "Alien (1979)"),
    ("alein", "Alien (1979)"),
    ("alien 3", "Alien³ (1992)"),
    ("terminater", "The Terminator (1984)"),
    ("terminator2", "Terminator 2: Judgment Day (1991)"),
    ("seven", "Seven (1995)"),
    ("se7en", "Seven (1995)"),
    ("12 monkeys", "Twelve Monkeys (1995)"),
    ("6th sense", "The Sixth Sense (1999)"),
    ("2001", "2001: A Space Odyssey (1968)"),
    ("dr strangelove", "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb (1963)"),
    ("doctor strangelove", "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb (1963)"),
    ("les miserables", "Les Misérables (1998)"),
    ("mash", "M*A*S*H (1970)"),
    ("la confidential", "L.A. Confidential (1997)"),
    ("bugs life", "A Bug's Life (1998)"),
    ("beauty & the beast", "Beauty and the Beast (1991)"),
    ("silense of the lams", "The Silence of the Lambs (1991)"),
    ("shawshenk redemption", "The Shawshank Redemption (1994)"),
    ("one flew over the cuckoos nest", "One Flew Over the Cuckoo's Nest (1975)"),
]
DEMO = [
    ("star wars", "Star Wars: Episode IV - A New Hope (1977)"),
    ("starwars", "Star Wars: Episode IV - A New Hope (1977)"),
    ("spider man", "Spider-Man (2002)"),
    ("spiderman", "Spider-Man (2002)"),
    ("xmen", "X-Men (2000)"),
    ("wall e", "WALL·E (2008)"),
    ("walle", "WALL·E (2008)"),
    ("ghost busters", "Ghostbusters (1984)"),
    ("amelie", "Amélie (2001)"),
    ("AMELIE", "Amélie (2001)"),
    ("nausicaa", "Nausicaä of the Valley of the Wind (1984)"),
    ("seven", "Se7en (1995)"),
    ("se7en", "Se7en (1995)"),
    ("sevn", "Se7en (1995)"),
    ("citizen cane", "Citizen Kane (1941)"),
    ("jaus", "Jaws (1975)"),
    ("fargow", "Fargo (1996)"),
    ("inseption", "Inception (2010)"),
    ("interstelar", "Interstellar (2014)"),
    ("heat 1995", "Heat (1995)"),
    ("dune 2021", "Dune: Part One (2021)"),
    ("blade runer 2049", "Blade Runner 2049 (2017)"),
    ("kill bill 2", "Kill Bill: Vol. 2 (2004)"),
    ("toy story three", "Toy Story 3 (2010)"),
    ("twelve angry men", "12 Angry Men (1957)"),
    ("500 days of summer", "(500) Days of Summer (2009)"),
    ("la la land", "La La Land (2016)"),
    ("dark knight, the", "The Dark Knight (2008)"),
    ("pirates of the carribean", "Pirates of the Caribbean: The Curse of the Black Pearl (2003)"),
    ("clockwork", "A Clockwork Orange (1971)"),
    ("terminator 2", "Terminator 2: Judgment Day (1991)"),
    ("shawshank", "The Shawshank Redemption (1994)"),
]


class Titles(NamedTuple):
    """A catalogue with the popularity of its items."""

    catalogue: Catalogue
    popularity: NDArray[np.int64]

    def first(self, query: str) -> str:
        """The label of what is found first."""
        hits = search(self.catalogue, query, 1, self.popularity)
        return self.catalogue[hits[0].item].label if hits else ""


def titles_of(name: str | Path) -> Titles:
    dataset = recdash.load_dataset(name)
    return Titles(dataset.catalogue, np.bincount(dataset.items, minlength=dataset.n_items))


@pytest.fixture(scope="module")
def demo(demo_cache: Path) -> Iterator[Titles]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECDASH_DATA_DIR", str(demo_cache.parent))
        yield titles_of("demo")


@pytest.fixture(scope="module")
def ml_1m(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Titles]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECDASH_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield titles_of(test_data / "ml-1m")


@pytest.mark.parametrize(("query", "label"), ML_1M)
def test_the_film_that_is_meant_is_first_in_movielens_1m(ml_1m: Titles, query: str, label: str) -> None:
    assert ml_1m.first(query) == label


@pytest.mark.parametrize(("query", "label"), DEMO)
def test_the_film_that_is_meant_is_first_in_the_demo(demo: Titles, query: str, label: str) -> None:
    assert demo.first(query) == label


def test_every_film_of_the_demo_is_first_for_its_own_label(demo: Titles) -> None:
    wanted = [item.label for item in demo.catalogue.items[::5]]
    assert [demo.first(label) for label in wanted] == wanted


@pytest.mark.parametrize("query", ["", "  ", "?!", "zorglub", "qwertz", "x" * 100_000, "'", "((("])
def test_what_is_no_title_finds_nothing(demo: Titles, query: str) -> None:
    assert search(demo.catalogue, query, 5, demo.popularity) == []


def films(*titles: str) -> Catalogue:
    return Catalogue(tuple(Item(str(index), title) for index, title in enumerate(titles)))


def found(catalogue: Catalogue, query: str, popularity: NDArray[np.int64] | None = None) -> list[str]:
    return [catalogue[hit.item].title for hit in search(catalogue, query, 9, popularity)]


def test_popularity_orders_what_fits_equally_well() -> None:
    catalogue = films("Blue Moon", "Red Moon", "Green Moon")
    assert found(catalogue, "moon", np.array([5, 500, 50])) == ["Red Moon", "Green Moon", "Blue Moon"]
    assert found(catalogue, "moon") == ["Blue Moon", "Red Moon", "Green Moon"]


def test_popularity_does_not_beat_a_title_that_is_typed_in_full() -> None:
    catalogue = films("Moon", "Moonlight", "Noon", "Blue Moon")
    assert found(catalogue, "moon", np.array([1, 10**6, 10**6, 10**6]))[0] == "Moon"


def test_each_doubling_of_the_popularity_counts_the_same_down_to_a_thousandth_of_the_highest() -> None:
    share = popularity_bonus(np.array([1023, 511, 255, 0]))
    np.testing.assert_allclose(share, [0.1, 0.09, 0.08, 0.0], atol=1e-12)
    assert popularity_bonus(None) == popularity_bonus(np.zeros(4)) == 0


def test_one_word_of_a_title_does_not_stand_for_two_of_the_query() -> None:
    catalogue = films("To Kill a Mockingbird")
    assert catalogue.search_index.relevance("kill bill") < 0.5 and not search(catalogue, "kill bill")


def test_numbers_are_not_misspelt_numbers() -> None:
    assert found(films("Film 1999", "Film 1998"), "1998") == ["Film 1998"]
    assert found(films("Nine", "Five"), "nine") == ["Nine"]


def test_the_beginning_of_a_word_finds_it_also_of_a_number_in_digits() -> None:
    assert found(films("Clockwork", "Orange"), "clo") == ["Clockwork"]
    assert found(films("2001", "Two Towers", "Three"), "2") == ["Two Towers", "2001"]
    assert found(films("Seven", "Nine"), "sev") == ["Seven"]


def test_a_year_far_off_is_another_film() -> None:
    catalogue = Catalogue((Item("1", "Psycho", 1960), Item("2", "Psycho", 1998), Item("3", "Psycho", None)))
    relevance = {hit.item: hit.relevance for hit in search(catalogue, "psycho 1999")}
    assert relevance == pytest.approx({0: 0.75, 1: 1.05, 2: 1.0})


def test_titles_of_punctuation_alone_differ_from_each_other() -> None:
    catalogue = films("???", "!!!")
    assert catalogue.search_index.exact_matches("!!!") == [1] and catalogue.search_index.exact_matches("??") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Matrix", ("matrix",)),
        ("Amélie & Ærø", ("amelie", "and", "aero")),
        ("The Godfather: Part II", ("godfather", "part", "two")),
        ("Se7en", ("seven",)),
        ("Alien³", ("alien", "three")),
        ("Dr. No", ("doctor", "no")),
        ("A Bug's Life", ("bugs", "life")),
        ("The", ("the",)),
        ("6th 21st", ("sixth", "21st")),
        ("8½", ("eight", "half")),
        ("8 1/2", ("eight", "half")),
        ("七人の侍", ("七人の侍",)),
        ("", ()),
    ],
)
def test_titles_become_plain_words(text: str, words: tuple[str, ...]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize(
    "alike",
    ["cane kane", "jaus jaws", "fargow fargo", "fite fight", "nitemare nightmare", "pinokeyo pinocchio", "jon john",
     "ghandi gandhi", "shindler schindler", "sitizen citizen", "rapsody rhapsody"],
)  # fmt: skip
def test_words_of_one_sound_share_a_key(alike: str) -> None:
    first, second = alike.split()
    # A silent letter in the middle of a word ("nite-mare") is one vowel more.
    assert sound_of(first).replace("a", "") == sound_of(second).replace("a", "")


@pytest.mark.parametrize("different", ["heat hate", "matrix patrix", "alien aliens", "rocky rookie", "speed spade"])
def test_words_that_look_or_sound_alike_are_found_by_their_own_spelling(different: str) -> None:
    catalogue = films(*different.split())
    first, second = different.split()
    assert found(catalogue, first)[0] == first and found(catalogue, second)[0] == second


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Heat (1995)", (1995, "Heat ")),
        ("heat 1995", (1995, "heat ")),
        ("1984", (None, "1984")),
        ("Heat", (None, "Heat")),
    ],
)
def test_a_year_is_what_stands_at_the_end(text: str, parts: tuple[int | None, str]) -> None:
    assert split_year(text) == parts


QUERIES = [
    "clockwork",
    "starwars",
    "citizen cane",
    "t",
    "the",
    "shawshank redemtion",
    "a b c d e f g h i j k l m n o p",
]


def made_up(n: int) -> tuple[Catalogue, NDArray[np.int64]]:
    """So many titles of one to six words, a few of which are frequent and most of which are rare."""
    rng = np.random.default_rng(3)
    parts = [
        "ba",
        "ko",
        "ri",
        "ten",
        "mar",
        "sol",
        "vin",
        "qua",
        "dre",
        "lo",
        "shi",
        "pan",
        "gor",
        "el",
        "star",
        "wars",
    ]
    words = np.array(["".join(rng.choice(parts, rng.integers(1, 6))) for _ in range(n // 2)])
    chance = 1 / np.arange(1, len(words) + 1) ** 0.7
    drawn = iter(rng.choice(words, 6 * n, p=chance / chance.sum()).tolist())
    titles = [" ".join(next(drawn) for _ in range(length)) for length in rng.integers(1, 7, n)]
    return films(*titles), rng.integers(0, 10_000, n)


def seconds_per_search(catalogue: Catalogue, popularity: NDArray[np.int64]) -> float:
    """Processor time of the slowest query, the best of three attempts of each."""
    slowest = 0.0
    for query in QUERIES:
        taken = []
        for _ in range(3):
            started = time.process_time()
            search(catalogue, query, 20, popularity)
            taken.append(time.process_time() - started)
        slowest = max(slowest, min(taken))
    return slowest


def test_a_search_in_4000_titles_takes_under_20_ms() -> None:
    assert seconds_per_search(*made_up(4_000)) < 0.020


@pytest.mark.slow
def test_a_search_in_60000_titles_takes_under_150_ms_and_their_index_under_3_s() -> None:
    catalogue, popularity = made_up(60_000)
    started = time.process_time()
    search(catalogue, "first", 20, popularity)  # builds the index
    assert time.process_time() - started < 3
    assert seconds_per_search(catalogue, popularity) < 0.150
