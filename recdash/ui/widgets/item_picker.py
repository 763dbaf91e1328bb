"""Picking films: type a few letters, click; the picks are chips that live in the address."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

import streamlit as st

from recdash.reporting.formatting import escape
from recdash.ui import cache, layout, url_state
from recdash.ui.charts import run_colours

if TYPE_CHECKING:
    from recdash.data.items import Item

PARAM = "pick"
MOST_PICKS, MOST_FOUND, STARTERS = 40, 6, 14
_SMALL = {"the", "a", "an", "of", "and", "in", "on", "to", "part"}


def picks(dataset: str) -> list[str]:
    """Return the ids of the picked items that this data set has, in the order of picking."""
    known = cache.items(dataset)
    return [item_id for item_id in url_state.value_list(PARAM) if item_id in known][:MOST_PICKS]


def add(item_id: str) -> None:
    """Pick one more, from a callback."""
    now = list(st.session_state.get(url_state.key_of(PARAM), []))
    url_state.put(PARAM, [*now, item_id] if item_id not in now else now)
    st.session_state["search"] = ""
    st.rerun()


def drop(item_id: str) -> None:
    """Take a pick back, from a callback."""
    url_state.put(PARAM, [one for one in st.session_state.get(url_state.key_of(PARAM), []) if one != item_id])


def clear() -> None:
    """Take all picks back, from a callback."""
    url_state.put(PARAM, [])


@st.fragment
@layout.calm
def search(dataset: str) -> None:
    """Find films while somebody types; only this part of the page is drawn again."""
    text = st.text_input(
        "Find a film",
        type="search",
        live="200ms",
        key="search",
        placeholder="A few letters will do; typos are forgiven",
    )
    if not (text or "").strip():
        return
    found, chosen = cache.find(dataset, str(text).strip(), MOST_FOUND), picks(dataset)
    if not found:
        st.caption("No film is called like that here.")
    with st.container(gap="xxsmall"):
        for item in found:
            taken = item.id in chosen
            st.button(
                described(item),
                icon=":material/check:" if taken else ":material/add:",
                type="tertiary",
                key=f"found.{item.id}",
                on_click=add,
                args=(item.id,),
                disabled=taken,
                wrap=False,
            )


def chips(dataset: str, chosen: Sequence[str]) -> None:
    """Show the picks; a click takes one back."""
    st.markdown(f"**Your picks** :gray[:small[{len(chosen)}, in the order of picking; a click takes one back]]")
    known = cache.items(dataset)
    with st.container(horizontal=True, gap="xsmall"):
        for item_id in chosen:
            label = escape(known[item_id].label)
            st.button(
                label,
                icon=":material/close:",
                icon_position="right",
                key=f"pick.{item_id}",
                on_click=drop,
                args=(item_id,),
            )
        if len(chosen) > 1:
            st.button("Clear all", type="tertiary", on_click=clear, key="clear_picks")


def starters(dataset: str, chosen: Sequence[str]) -> None:
    """Offer well-known films of many kinds to somebody who does not know where to begin."""
    offered = [item for item in cache.starters(dataset, STARTERS + len(chosen)) if item.id not in chosen][:STARTERS]
    with st.container(horizontal=True, gap="xsmall"):
        for item in offered:
            st.button(escape(item.label), icon=":material/add:", key=f"start.{item.id}", on_click=add, args=(item.id,))


def described(item: Item) -> str:
    """Return title, year and genres as Markdown."""
    year = f" ({item.year})" if item.year else ""
    genres = f" :gray[:small[{escape(', '.join(item.genres[:3]))}]]" if item.genres else ""
    return f"**{escape(item.title)}**{year}{genres}"


def tile(item: Item) -> str:
    """Return a small coloured square with the initials of a title, in the colour of its first genre."""
    kind = item.genres[0] if item.genres else item.title
    ink = run_colours.PALETTE[int.from_bytes(blake2b(kind.encode(), digest_size=4).digest()) % len(run_colours.PALETTE)]
    return (
        f':color[**{escape(initials(item.title))}**]{{foreground="{ink}" background="{run_colours.background(ink)}"}}'
    )


def initials(title: str) -> str:
    """Return one or two letters for a title: "The Silence of the Lambs" is "SL"."""
    parts = ["".join(letter for letter in word if letter.isalnum()) for word in title.split()]
    words = [word for word in parts if word and word.lower() not in _SMALL] or [word for word in parts if word] or ["?"]
    return (words[0][0] + words[1][0] if len(words) > 1 else words[0][:2]).upper()
