"""Blind comparison: two lists without names, a vote, and a running tally with intervals."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import streamlit as st

from recdash.recommend.preference_tally import BlindPair, PreferenceTally
from recdash.recommend.taste import Mark
from recdash.reporting.formatting import escape, plural
from recdash.ui.recommend import lists_view

if TYPE_CHECKING:
    from recdash.services.recommend import Recommendations

_TALLY, _SEED, _LAST, _DATASET = "_blind_votes", "_blind_seed", "_blind_last", "_blind_dataset"
_LEFT, _RIGHT = "List A", "List B"


def draw(answer: Recommendations, marks: Mapping[str, Mark]) -> None:
    """Draw the next pair of lists, the buttons to vote, and the tally."""
    if not lists_view.can_compare(answer, "compare their lists blindly", ":material/visibility_off:"):
        return
    labels = lists_view.names(answer)
    lists = {labels[one.key]: one for one in answer.lists if one.items}
    if st.session_state.get(_DATASET) != answer.dataset:  # votes are about models of one dataset
        _delete_votes()
        st.session_state[_DATASET] = answer.dataset
    tally: PreferenceTally = st.session_state.setdefault(_TALLY, PreferenceTally())
    pair = tally.next_pair(list(lists), st.session_state.setdefault(_SEED, secrets.randbelow(2**31)))
    st.markdown("**Which list is better for you?** :gray[Names are shown after each vote.]")
    _last_vote()
    with st.container(horizontal=True):
        choices: tuple[tuple[Literal["left", "right", "tie"], str], ...] = (
            ("left", f"{_LEFT} is better"),
            ("tie", "Equally good"),
            ("right", f"{_RIGHT} is better"),
        )
        for choice, label in choices:
            st.button(label, key=f"vote.{choice}", on_click=_vote, args=(pair, choice))
    shown = [(_LEFT, lists[pair.left]), (_RIGHT, lists[pair.right])]
    entries = tuple((entry.item.id, entry.mark) for entry in answer.taste)  # that the lists answer
    lists_view.draw_plain(answer.dataset, "blind", shown, marks, entries)
    _draw_tally(tally)


def _vote(pair: BlindPair, choice: Literal["left", "right", "tie"]) -> None:
    st.session_state[_TALLY] = st.session_state[_TALLY].record(pair, choice)
    st.session_state[_LAST] = (pair, choice)


def _last_vote() -> None:
    if _LAST not in st.session_state:
        return
    pair, choice = st.session_state[_LAST]
    winner = {"left": pair.left, "right": pair.right, "tie": ""}[choice]
    verdict = f"You preferred **{escape(winner)}**." if winner else "You found them equally good."
    st.success(
        f"Last vote: {_LEFT} was **{escape(pair.left)}**, {_RIGHT} was **{escape(pair.right)}**. {verdict}",
        icon=":material/visibility:",
    )


def _draw_tally(tally: PreferenceTally) -> None:
    if not tally.votes:
        return
    import pandas as pd  # lazy: pandas

    st.markdown(f"**Your votes** :gray[{plural(len(tally.votes), 'vote')}]")
    rows = [
        {
            "Lists": f"{pair.first} against {pair.second}",
            "Votes for the first": pair.wins,
            "Ties": pair.ties,
            "Votes for the second": pair.losses,
            "Share of the first": f"{pair.share:.0%}" if pair.wins + pair.losses else "",
            "95% interval": f"{pair.low:.0%} to {pair.high:.0%}" if pair.wins + pair.losses else "",
            "Preferred": pair.preferred or "undecided",
        }
        for pair in tally.pairs()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", key="tally", alt="Votes for each pair of models")
    st.caption(
        "Share among the votes that are no ties, with its 95% Wilson interval. Votes stay in this browser session."
    )
    with st.container(horizontal=True):
        st.button("Undo the last vote", on_click=_undo_vote, type="tertiary", key="undo_vote")
        st.button("Delete all votes", on_click=_delete_votes, type="tertiary", key="clear_votes")


def _undo_vote() -> None:
    st.session_state[_TALLY] = st.session_state[_TALLY].undo()
    st.session_state.pop(_LAST, None)
    st.session_state[_SEED] = secrets.randbelow(2**31)  # another pair: this one was named


def _delete_votes() -> None:
    for key in (_TALLY, _SEED, _LAST):  # the seed, too: the first pair was named
        st.session_state.pop(key, None)
