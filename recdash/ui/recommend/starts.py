"""Ways to start: a surprise, a test user, an import, a saved taste; and what leaves the page: links, CSV and a card."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from recdash import environment
from recdash.errors import RecdashError
from recdash.reporting.formatting import escape, plural
from recdash.ui import layout, url_state
from recdash.ui.recommend import lists_view, queries, taste_state
from recdash.ui.recommend.choice import Choice

if TYPE_CHECKING:
    from recdash.recommend.taste import Taste
    from recdash.recommend.taste_history import Entries
    from recdash.services.recommend import Recommendations

USER = "user"  # URL parameter: RUN:NUMBER, or :NUMBER for the default split, of the test user that the picks come from
N_SURPRISES = 5
_DELETED = "_deleted_taste"  # dataset, name and entries of the saved picks that were deleted last
_MOST_DIGITS = 9  # of a test user's number
_MOST_ROWS, _MOST_CHOICES = 2000, 50  # of an import report


def draw(choice: Choice, answer: Recommendations | None) -> None:
    """Draw the row of buttons."""
    words = queries.item_words(choice.dataset)
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        st.button(
            "Surprise me",
            icon=":material/casino:",
            on_click=partial(_surprise, choice.dataset),
            help=f"Start with {N_SURPRISES} random, fairly well-known {words.plural}",
            key="surprise",
        )
        st.button(
            "A test user",
            icon=":material/person:",
            on_click=partial(_test_user, choice),
            help="Start with the input of a random test user; the held-out items are then marked as hits",
            key="test_user",
        )
        if st.button("Import ratings", icon=":material/upload:", key="import_taste"):
            _import_dialog(choice.dataset)
        with st.popover("Saved picks", icon=":material/bookmark:"):
            _saved(choice.dataset)
        with st.popover("Share", icon=":material/share:"):
            _share(choice, answer)


def hits(choice: Choice) -> frozenset[str]:
    """Return the held-out items of the test user whose picks the lists answer; empty for a visitor's own picks."""
    texts = url_state.value_list(USER)
    run_id, _, number = texts[0].partition(":") if texts else ("", "", "")
    if not number.isdecimal() or len(number) > _MOST_DIGITS:
        return frozenset()
    try:
        user = queries.example_user(choice.dataset, run_id or None, int(number))
    except RecdashError:  # the link is of a run that was deleted, or there is no such user
        return frozenset()
    read: Entries = _entries_of(user.taste)[: taste_state.MAX_PICKS]
    if taste_state.shown(choice.dataset) != read:  # changed or undone since
        return frozenset()
    return frozenset(item.id for item in user.held_out)


def caption(choice: Choice, held_out: Collection[str]) -> None:
    """Say whose picks these are, if they are those of a test user."""
    if not held_out:
        return
    number = url_state.value_list(USER)[0].partition(":")[2]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"Test user {number}: the picks are the user's input in the evaluation; {plural(len(held_out), 'item')} "
            "were held out and are marked as hits in the lists.",
            width="content",
        )
        st.button("Back to my picks", type="tertiary", on_click=partial(_own_picks, choice.dataset), key="own_picks")


def _own_picks(dataset: str) -> None:
    """Undo the test user; without an earlier taste, as behind a link, start with none."""
    url_state.set_value(USER, [])
    taste_state.act(dataset, {"kind": "undo" if taste_state.current(dataset).past else "clear"})


def _surprise(dataset: str) -> None:
    from recdash.services import recommend  # lazy: torch

    url_state.set_value(USER, [])
    entries: Entries = tuple((item.id, "like") for item in recommend.surprise(dataset, N_SURPRISES))
    taste_state.replace_all(entries, f"{plural(len(entries), 'random pick')}")


def _test_user(choice: Choice) -> None:
    run_id = choice.runs[0].id if choice.runs else None
    with _toast_errors():
        user = queries.example_user(choice.dataset, run_id, None)
        entries = _entries_of(user.taste)
        taste_state.replace_all(entries, f"Picks of {user.label}")
        url_state.set_value(USER, [f"{run_id or ''}:{user.number}"])


@st.dialog("Import your ratings", width="large")
def _import_dialog(dataset: str) -> None:
    st.markdown(
        "An export of **Letterboxd**, **IMDb** or **MovieLens.org**, a MovieLens `ratings.csv` of one user, or picks "
        "that were exported here. CSV or ZIP. The file is read once and not stored."
    )
    file = st.file_uploader("File", type=["csv", "zip", "tsv", "txt"], max_upload_size=20, key="taste_file")
    if file is None:
        return
    with layout.error_boundary():
        _report(dataset, file.getvalue(), file.name)


def _report(dataset: str, content: bytes, name: str) -> None:
    """Show what a file holds, let the visitor decide what is ambiguous, and offer the picks."""
    import pandas as pd  # lazy: pandas

    found = queries.read_ratings(dataset, content, name)
    st.markdown(f"**{escape(found.source)}**: {found.summary}.")
    for note in found.notes:
        st.caption(escape(note))
    choices: dict[int, str] = {}
    for one in found.ambiguous[:_MOST_CHOICES]:
        labels = {item.id: item.label for item in one.candidates}
        chosen = st.selectbox(
            f"{escape(one.row.label)}: {escape(one.reason)}",
            list(labels),
            index=None,
            format_func=labels.__getitem__,
            placeholder="Leave out",
            key=f"ambiguous.{one.row.number}",
        )
        if chosen:
            choices[one.row.number] = chosen
    left_out = [(one.row.place, one.row.label, one.reason) for one in (*found.unmatched, *found.skipped)]
    left_out += [(bad.place, "", bad.problem) for bad in found.bad_rows]
    if left_out:
        with st.expander(f"{plural(len(left_out), 'row')} left out"):
            table = pd.DataFrame(left_out[:_MOST_ROWS], columns=["Where", "Title", "Why"])
            st.dataframe(table, hide_index=True, width="stretch", alt="Rows that were left out, and why")
    entries = _entries_of(found.taste(choices))
    shortened = len(entries) > taste_state.MAX_PICKS
    if shortened:
        st.caption(f"The latest {taste_state.MAX_PICKS} of {len(entries)} ratings are used.")
        entries = entries[-taste_state.MAX_PICKS :]
    if st.button(f"Use {plural(len(entries), 'pick')}", type="primary", disabled=not entries, key="use_import"):
        url_state.set_value(USER, [])
        taste_state.replace_all(entries, f"Imported {plural(len(entries), 'pick')}")
        st.rerun()


def _saved(dataset: str) -> None:
    """Save the picks under a name, and load or delete saved ones."""
    from recdash.services import taste_profiles  # lazy: import lock

    entries = taste_state.current(dataset).entries
    if environment.read_only():
        st.caption("Saving is disabled (RECDASH_READ_ONLY is set). Use a link or a CSV file.")
    else:
        name = st.text_input("Name", key="profile_name", placeholder="Friday night", max_chars=80)
        st.button(
            "Save these picks",
            disabled=not entries or not (name or "").strip(),
            on_click=_save,
            args=(dataset, name, entries),
            key="save_profile",
        )
        st.caption("Saved on this computer; everyone who can open this dashboard sees the name.")
    deleted = st.session_state.get(_DELETED)
    if deleted is not None and deleted[0] == dataset:
        label = f"Restore {escape(deleted[1])}"
        st.button(
            label, icon=":material/undo:", on_click=_restore, args=deleted, type="tertiary", key="restore_profile"
        )
    for saved in taste_profiles.saved_tastes(dataset):
        name = saved.name
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                escape(name),
                icon=":material/bookmark:",
                on_click=_load,
                args=(dataset, name),
                key=f"load.{name}",
                width="stretch",
            )
            if not environment.read_only():
                st.button(
                    "",
                    icon=":material/delete:",
                    help=f"Delete {escape(name)}",
                    on_click=_delete,
                    args=(dataset, name),
                    key=f"delete.{name}",
                )


def _save(dataset: str, name: str, entries: Entries) -> None:
    from recdash.services import taste_profiles  # lazy: import lock

    with _toast_errors():
        taste_profiles.save(dataset, name, queries.taste_of(dataset, entries))
        st.toast(f"Saved as {escape(name)}", icon=":material/bookmark_added:")


def _load(dataset: str, name: str) -> None:
    from recdash.services import taste_profiles  # lazy: import lock

    with _toast_errors():
        loaded = taste_profiles.load(dataset, name)
        url_state.set_value(USER, [])
        taste_state.replace_all(_entries_of(loaded.taste), f"Loaded {name}")
        if loaded.missing:
            st.toast(f"{plural(len(loaded.missing), 'pick')} of {escape(name)} are not in this dataset any more.")


def _delete(dataset: str, name: str) -> None:
    from recdash.services import taste_profiles  # lazy: import lock

    with _toast_errors():
        entries = _entries_of(taste_profiles.load(dataset, name).taste)
        taste_profiles.delete(dataset, name)
        st.session_state[_DELETED] = (dataset, name, entries)


def _restore(dataset: str, name: str, entries: Entries) -> None:
    st.session_state.pop(_DELETED, None)
    _save(dataset, name, entries)


def _entries_of(taste: Taste) -> Entries:
    return tuple((entry.item.id, entry.mark) for entry in taste)


@contextmanager
def _toast_errors() -> Iterator[None]:
    """Show an expected error of a callback as a message."""
    try:
        yield
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")


def _share(choice: Choice, answer: Recommendations | None) -> None:
    """Offer the link, the picks as CSV and the card."""
    from recdash.recommend import taste_files  # lazy: pandas

    entries = taste_state.current(choice.dataset).entries
    if not entries:
        st.caption("Pick something first.")
        return
    st.caption("The address of this page carries picks, models and view: copy it to share them.")
    st.download_button(
        "Picks as CSV",
        taste_files.write_taste_csv(queries.taste_of(choice.dataset, entries)),
        file_name=f"{choice.dataset}-picks.csv",
        icon=":material/download:",
        on_click="ignore",
        key="export_taste",
    )
    if answer is not None and any(one.items for one in answer.lists):
        for theme in ("light", "dark"):
            st.download_button(
                f"Image card, {theme}",
                partial(_card, answer, theme),
                file_name=f"recdash-{theme}.png",
                mime="image/png",
                icon=":material/image:",
                on_click="ignore",
                key=f"card.{theme}",
            )


def _card(answer: Recommendations, theme: str) -> bytes:
    from recdash.reporting import share_card  # lazy: pillow

    labels = lists_view.names(answer)
    lists = [
        share_card.CardList(labels[one.key], tuple(ranked.item for ranked in one.items), lists_view.colour(one))
        for one in answer.lists
        if one.items
    ]
    words = queries.item_words(answer.dataset)
    picks = answer.picks or answer.taste.items
    return share_card.draw(
        picks, lists, answer.dataset, day=date.today(), theme=theme, nouns=(words.singular, words.plural)
    )
