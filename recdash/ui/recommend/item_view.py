"""Items as plain values for the page's components."""

from __future__ import annotations

from typing import Any

from recdash.data.items import Item
from recdash.recommend.taste import Mark, format_mark
from recdash.reporting.genre_colours import tile_style

MAX_GENRES = 3  # named on a tile or in a list


def item_view(item: Item, mark: Mark | None = None) -> dict[str, Any]:
    """Return title, year, genres, picture and the visitor's mark ("" for none) of an item."""
    style = tile_style(item)
    return {
        "id": item.id,
        "title": item.title,
        "year": item.year,
        "genres": ", ".join(item.genres[:MAX_GENRES]),
        "mark": "" if mark is None else format_mark(mark),
        "tile": {
            "back": [style.light.background, style.dark.background],
            "accent": [style.light.accent, style.dark.accent],
            "ink": [style.light.text, style.dark.text],
            "motif": style.motif,
            "initials": style.initials,
        },
    }
