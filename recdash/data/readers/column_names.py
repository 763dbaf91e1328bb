"""Usual names of id, item and title columns, and how column names are compared."""

from __future__ import annotations

import re

ID_NAMES = (
    "movieid", "itemid", "filmid", "productid", "bookid", "songid", "trackid", "artistid", "articleid", "contentid",
    "businessid", "videoid", "gameid", "iid", "asin", "isbn",
)  # fmt: skip
ITEM_NAMES = ("item", "movie", "film", "product", "book", "song", "track", "artist", "article", "game", "title")
TITLE_NAMES = ("title", "movietitle", "itemtitle", "name", "itemname", "movie", "film", "product", "label")


def normalise_name(name: str) -> str:
    """Normalise a column name: "User_ID", "user id" and "user_id:token" all become "userid"."""
    return re.sub(r"[^a-z0-9]", "", name.partition(":")[0].lower())
