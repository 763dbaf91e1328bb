"""Items for the rows of a rating file: by id where it can be trusted, else by title, and one film per item."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from recdash.recommend.taste_formats import MOVIELENS, MOVIELENS_ORG, RECDASH, TasteRow
from recdash.recommend.title_matching import TitleMatch, TitleMatcher

_BY_ID = "item id"


class _Film(NamedTuple):
    """What the site says about which film it is."""

    title: str
    year: int | None
    identity: str

    def is_same(self, other: _Film) -> bool:
        return self[:2] == other[:2] and (self.identity == other.identity or not (self.identity and other.identity))


def finder(source: str, matcher: TitleMatcher) -> Callable[[TasteRow], TitleMatch]:
    """Return the function that matches a row of a source to an item, by its id where that can be trusted."""
    index_of = matcher.catalogue.index_of

    def by_title(row: TasteRow) -> TitleMatch:
        return matcher.match((row.title, *row.other_titles), row.year)

    def by_id(row: TasteRow) -> TitleMatch:
        index = index_of.get(row.item_id or "")
        return TitleMatch() if index is None else TitleMatch((index,), 0, _BY_ID)

    def by_id_or_title(row: TasteRow) -> TitleMatch:
        index = index_of.get(row.item_id or "")
        match = by_title(row)
        if index is not None:
            item = matcher.catalogue[index]
            is_same = (" ".join(item.title.split()) or item.id) == row.title and row.year in (None, item.year)
            if is_same or index in match.items:
                return TitleMatch((index,), 0, _BY_ID)
        return match

    return {MOVIELENS: by_id, MOVIELENS_ORG: by_id_or_title, RECDASH: by_id_or_title}.get(source, by_title)


def settle_conflicts(
    certain: list[tuple[TasteRow, int, TitleMatch]],
) -> tuple[list[tuple[TasteRow, int, TitleMatch]], list[tuple[TasteRow, TitleMatch]]]:
    """Separate rows of different films that were matched to one item: at most one of the films can be right.

    The one that fits by the best rule keeps the item; if two fit equally well, neither does.
    """
    rules: dict[int, dict[_Film, int]] = defaultdict(dict)  # best rule of each film, by item
    for row, item, match in certain:
        film = _Film(row.title, row.year, row.identity)
        rules[item][film] = min(rules[item].get(film, match.rule or 0), match.rule or 0)
    settled, contested = [], []
    for row, item, match in certain:
        film = _Film(row.title, row.year, row.identity)
        others = [rule for other, rule in rules[item].items() if not film.is_same(other)]
        if all(rules[item][film] < rule for rule in others):
            settled.append((row, item, match))
        else:
            contested.append((row, match))
    return settled, contested
