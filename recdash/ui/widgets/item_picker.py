"""Item picker: search by title, popular items to start with, and the picks as chips stored in the URL."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

import streamlit as st

from recdash.reporting.formatting import escape
from recdash.runs import run_colours
from recdash.ui import cache, layout, url_state
from recdash.ui.charts import theme_colours

if TYPE_CHECKING:
    from recdash.data.items import Item

PARAM = "pick"
MAX_PICKS, MAX_FOUND, N_STARTERS = 40, 6, 14
_STOP_WORDS = {"the", "a", "an", "of", "and", "in", "on", "to", "part"}


def picks(dataset: str) -> list[str]:
    """Return the ids of the picked items that exist in this dataset, in the order of picking."""
    known = cache.items(dataset)
    return [item_id for item_id in url_state.value_list(PARAM) if item_id in known][:MAX_PICKS]


def add(item_id: str) -> None:
    """Add a pick, from a callback."""
    now = list(st.session_state.get(url_state.key_of(PARAM), []))
    url_state.set_value(PARAM, [*now, item_id] if item_id not in now else now)
    st.session_state["search"] = ""
    st.rerun()


def remove(item_id: str) -> None:
    """Remove a pick, from a callback."""
    url_state.set_value(PARAM, [one for one in st.session_state.get(url_state.key_of(PARAM), []) if one != item_id])


def clear() -> None:
    """Remove all picks, from a callback."""
    url_state.set_value(PARAM, [])


@st.fragment
@layout.with_error_boundary
def search(dataset: str) -> None:
    """Search titles while the user types; only this fragment reruns."""
    text = st.text_input(
        "Search titles",
        type="search",
        live="200ms",
        key="search",
        placeholder="Part of a title; typos are tolerated",
    )
    if not (text or "").strip():
        return
    found, chosen = cache.find_items(dataset, str(text).strip(), MAX_FOUND), picks(dataset)
    if not found:
        st.caption("No title matches.")
    with st.container(gap="xxsmall"):
        for item in found:
            taken = item.id in chosen
            st.button(
                item_label(item),
                icon=":material/check:" if taken else ":material/add:",
                type="tertiary",
                key=f"found.{item.id}",
                on_click=add,
                args=(item.id,),
                disabled=taken,
                wrap=False,
            )


def chips(dataset: str, chosen: Sequence[str]) -> None:
    """Show the picks as chips that remove themselves on click."""
    st.markdown(f"**Your picks** :gray[:small[{len(chosen)}; click to remove]]")
    known = cache.items(dataset)
    with st.container(horizontal=True, gap="xsmall"):
        for item_id in chosen:
            label = escape(known[item_id].label)
            st.button(
                label,
                icon=":material/close:",
                icon_position="right",
                key=f"pick.{item_id}",
                on_click=remove,
                args=(item_id,),
            )
        if len(chosen) > 1:
            st.button("Clear picks", type="tertiary", on_click=clear, key="clear_picks")


def starters(dataset: str, chosen: Sequence[str]) -> None:
    """Offer popular items of varied genres as first picks."""
    offered = [item for item in cache.starter_items(dataset, N_STARTERS + len(chosen)) if item.id not in chosen][
        :N_STARTERS
    ]
    with st.container(horizontal=True, gap="xsmall"):
        for item in offered:
            st.button(escape(item.label), icon=":material/add:", key=f"start.{item.id}", on_click=add, args=(item.id,))


def item_label(item: Item) -> str:
    """Return title, year and genres as Markdown."""
    year = f" ({item.year})" if item.year else ""
    genres = f" :gray[:small[{escape(', '.join(item.genres[:3]))}]]" if item.genres else ""
    return f"**{escape(item.title)}**{year}{genres}"


def tile(item: Item) -> str:
    """Return a coloured tile with the initials of a title as Markdown; the colour depends on the first genre."""
    genre = item.genres[0] if item.genres else item.title
    number = int.from_bytes(blake2b(genre.encode(), digest_size=4).digest())  # equal in every process, unlike hash()
    colour = run_colours.PALETTE[number % len(run_colours.PALETTE)]
    style = f'{{foreground="{colour}" background="{theme_colours.background(colour)}"}}'
    return f":color[**{escape(initials(item.title))}**]{style}"


def initials(title: str) -> str:
    """Return one or two letters for a title: "The Silence of the Lambs" is "SL"."""
    parts = ["".join(letter for letter in word if letter.isalnum()) for word in title.split()]
    words = (
        [word for word in parts if word and word.lower() not in _STOP_WORDS]
        or [word for word in parts if word]
        or ["?"]
    )
    return (words[0][0] + words[1][0] if len(words) > 1 else words[0][:2]).upper()
