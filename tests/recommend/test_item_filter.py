"""Filters keep what meets all conditions."""

from __future__ import annotations

import numpy as np
import pytest

from recdash.data.catalogue import Catalogue
from recdash.data.items import Item
from recdash.errors import UsageError
from recdash.recommend.item_filter import ItemFilter
from recdash.recommend.item_popularity import ItemPopularity

CATALOGUE = Catalogue(
    (
        Item("a", "Old Drama", 1949, ("Drama",)),
        Item("b", "Musical Drama", 1950, ("Drama", "Musical")),
        Item("c", "Comedy", 1959, ("Comedy",)),
        Item("d", "No Year", None, ("Comedy", "Drama")),
        Item("e", "No Genre", 1960),
    )
)
POPULARITY = ItemPopularity(CATALOGUE, np.array([10, 5, 5, 1, 20]), 40)


def permitted(**conditions: object) -> str:
    found = ItemFilter(**conditions).permitted(CATALOGUE, POPULARITY)
    return "".join(CATALOGUE[index].id for index in np.flatnonzero(found))


def test_without_conditions_everything_is_permitted() -> None:
    assert permitted() == "abcde"


def test_one_genre_suffices_and_one_excluded_genre_is_too_much() -> None:
    assert permitted(genres=["Drama"]) == "abd"
    assert permitted(genres=("Comedy", "Musical")) == "bcd"
    assert permitted(without_genres=("Musical", "Comedy")) == "ae"
    assert permitted(genres=("Drama",), without_genres=("Musical",)) == "ad"


def test_years_are_inclusive_and_items_without_a_year_fail_any_bound() -> None:
    assert permitted(year_from=1950, year_to=1959) == "bc"
    assert permitted(year_to=1949) == "a" and permitted(year_from=1960) == "e"
    assert ItemFilter.of_decade(1950) == ItemFilter(year_from=1950, year_to=1959)


def test_percentiles_are_the_share_of_less_popular_items() -> None:
    np.testing.assert_allclose(POPULARITY.percentiles, [3 / 5, 1 / 5, 1 / 5, 0, 4 / 5])
    assert permitted(popularity=(0.2, 0.6)) == "abc"
    assert permitted(popularity=(0, 0)) == "d" and permitted(popularity=(0.7, 1)) == "e"


def test_popularity_goes_by_id_and_unknown_items_have_none() -> None:
    others = Catalogue((CATALOGUE[4], Item("z", "Unknown"), CATALOGUE[0]))
    assert POPULARITY.counts_of(others).tolist() == [20, 0, 10]
    assert POPULARITY.percentiles_of([CATALOGUE[4], Item("z", "Unknown")]).tolist() == [0.8, 0.0]
    assert POPULARITY.novelty_of(others).tolist() == pytest.approx([1.0, np.log2(40), 2.0])


@pytest.mark.parametrize(
    "conditions",
    [{"genres": "Drama"}, {"year_from": 1990.5}, {"year_from": 2000, "year_to": 1990}, {"popularity": (0.9, 0.1)},
     {"popularity": (-0.1, 1)}, {"popularity": (0, float("nan"))}],
)  # fmt: skip
def test_conditions_that_make_no_sense_are_refused_in_one_line(conditions: dict[str, object]) -> None:
    with pytest.raises(UsageError) as error:
        ItemFilter(**conditions)
    assert "\n" not in str(error.value)
