"""Titles as people say them, from titles as MovieLens stores them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.data.catalogue import Catalogue
from recdash.data.items import (
    Item,
    natural_title,
    parse_title,
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Toy Story (1995)", ("Toy Story", 1995, ())),
        ("Matrix, The (1999)", ("The Matrix", 1999, ())),
        ("Bug's Life, A (1998)", ("A Bug's Life", 1998, ())),
        ("Misérables, Les (1995)", ("Les Misérables", 1995, ())),
        ("Avventura, L' (1960)", ("L'Avventura", 1960, ())),
        (
            "City of Lost Children, The (Cité des enfants perdus, La) (1995)",
            ("The City of Lost Children", 1995, ("La Cité des enfants perdus",)),
        ),
        ("Seven (a.k.a. Se7en) (1995)", ("Seven", 1995, ("Se7en",))),
        ("unknown", ("unknown", None, ())),
        ("M*A*S*H (1970)", ("M*A*S*H", 1970, ())),
        ("$1,000,000 Duck (1971)", ("$1,000,000 Duck", 1971, ())),
        ("2001: A Space Odyssey (1968)", ("2001: A Space Odyssey", 1968, ())),
        ("(500) Days of Summer (2009)", ("(500) Days of Summer", 2009, ())),
        ("", ("", None, ())),
    ],
)
def test_title_year_and_other_titles_are_told_apart(
    raw: str, expected: tuple[str, int | None, tuple[str, ...]]
) -> None:
    assert parse_title(raw) == expected


def test_an_article_in_the_middle_stays_where_it_is() -> None:
    assert natural_title("Good, the Bad and the Ugly, The") == "The Good, the Bad and the Ugly"
    assert natural_title("Heat") == "Heat"


@given(st.text(max_size=60))
def test_no_title_is_lost(raw: str) -> None:
    title, _, _ = parse_title(raw)
    assert bool(title) == bool(raw.strip()) or raw.strip().startswith("(")


def test_a_catalogue_survives_json_and_is_found_by_id() -> None:
    catalogue = Catalogue((Item("7", "Amélie", 2001, ("Romance",), ("Le Fabuleux",)), Item("8", "8")))
    assert Catalogue.from_json(catalogue.to_json()) == catalogue
    assert catalogue.index_of["8"] == 1
    assert catalogue.has_titles and not Catalogue.bare(["8"]).has_titles


def test_unknown_ids_are_their_own_titles() -> None:
    catalogue = Catalogue.of(["1", "2"], {"2": Item("2", "Heat", 1995)})
    assert [item.label for item in catalogue.items] == ["1", "Heat (1995)"]
