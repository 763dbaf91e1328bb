"""What people type finds the film they mean among all of MovieLens-1M: title_queries.csv, by kind of error.

The held-out queries were written after the search was tuned on the others.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from recdash.data.catalogue import Catalogue
from recdash.data.items import Item
from recdash.data.title_search import search
from tests.data.test_title_search import Titles, titles_of

FILE = Path(__file__).with_name("title_queries.csv")
MIN_FOUND_FIRST = 0.97
LARGE = 87_000  # titles of the largest MovieLens release


class Query(NamedTuple):
    """A line of the file; an empty title means that nothing is found."""

    query: str
    title: str
    kind: str
    set: str


with FILE.open(encoding="utf-8", newline="") as file:
    QUERIES = [Query(**row) for row in csv.DictReader(file)]
TITLED = [query for query in QUERIES if query.title]
NOTHING = [query.query for query in QUERIES if not query.title]


@pytest.fixture(scope="module")
def ml_1m(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Titles]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECDASH_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield titles_of(test_data / "ml-1m")


def seconds_of(catalogue: Catalogue, popularity: NDArray[np.int64], queries: list[str]) -> list[float]:
    """Processor time of each query, typed for the first time."""
    search(catalogue, "first", 20, popularity)  # builds the index
    taken = []
    for query in queries:
        started = time.process_time()
        search(catalogue, query, 20, popularity)
        taken.append(time.process_time() - started)
    return taken


def test_the_queries_are_many_of_many_kinds_and_each_is_there_once() -> None:
    assert len(TITLED) >= 200 and len(NOTHING) >= 40 and len({query.kind for query in QUERIES}) >= 15
    assert sum(query.set == "held out" for query in TITLED) >= 50
    assert len({query.query for query in QUERIES}) == len(QUERIES)


@pytest.mark.parametrize("part", ["tuned", "held out"])
def test_97_percent_of_the_queries_find_their_film_first(ml_1m: Titles, part: str) -> None:
    labels = {item.label for item in ml_1m.catalogue.items}
    queries = [query for query in TITLED if query.set == part]
    assert labels.issuperset(query.title for query in queries)
    missed = [(query.query, found) for query in queries if (found := ml_1m.first(query.query)) != query.title]
    assert len(missed) <= (1 - MIN_FOUND_FIRST) * len(queries), missed


@pytest.mark.parametrize("query", NOTHING)
def test_what_fits_no_film_finds_nothing(ml_1m: Titles, query: str) -> None:
    assert search(ml_1m.catalogue, query, 5, ml_1m.popularity) == []


def test_the_median_query_takes_under_5_ms(ml_1m: Titles) -> None:
    assert np.median(seconds_of(ml_1m.catalogue, ml_1m.popularity, [query.query for query in QUERIES])) < 0.005


def enlarged(titles: Titles) -> Titles:
    """So many titles of real words; every third has a word that is made of two real ones and is rare."""
    rng = np.random.default_rng(7)
    words = [word for item in titles.catalogue.items for word in item.title.split()]  # frequent words more than once
    n = LARGE - len(titles.catalogue)
    made = []
    for index, (length, year, is_rare) in enumerate(
        zip(rng.integers(1, 7, n), rng.integers(1920, 2024, n), rng.random(n) < 1 / 3, strict=True)
    ):
        drawn = [words[position] for position in rng.integers(0, len(words), length + 1)]
        if is_rare:
            drawn[0] = drawn[0][: len(drawn[0]) // 2 + 1] + drawn[-1][len(drawn[-1]) // 2 :].lower()
        made.append(Item(f"made {index}", " ".join(drawn[:-1]), int(year)))
    catalogue = Catalogue((*titles.catalogue.items, *made))
    return Titles(catalogue, np.concatenate((titles.popularity, rng.integers(0, 1000, n))))


@pytest.mark.slow
def test_19_of_20_queries_of_87000_titles_take_under_60_ms_and_each_letter_typed_as_well(ml_1m: Titles) -> None:
    large = enlarged(ml_1m)
    assert len(large.catalogue) == LARGE
    typed = ["the shawshank redemption", "star wars episode five", "citizen cane"]
    letters = [text[:end] for text in typed for end in range(1, len(text) + 1)]
    for queries in ([query.query for query in QUERIES], letters):
        taken = seconds_of(*large, queries)
        assert np.median(taken) < 0.03 and np.percentile(taken, 95) < 0.06
