"""The Recommend page: a search and tiles first, then the picks and the lists of the models in several views."""

from __future__ import annotations

import streamlit as st

from recdash.recommend.taste_history import Entries
from recdash.reporting.formatting import listed, plural
from recdash.services import runs
from recdash.services.recommend import Recommendations
from recdash.ui import cache, layout, url_state
from recdash.ui.recommend import (
    blind,
    details,
    differences,
    ease_penalty,
    lists_view,
    map_view,
    options,
    picker,
    queries,
    starts,
    taste_state,
    train_offer,
)
from recdash.ui.recommend.choice import Choice


def choose_dataset() -> str:
    """Draw the choice of the dataset; by default that of the newest finished run."""
    ready = cache.installed()
    finished = [run for run in runs.list_runs(active=False) if run.state.is_finished()]
    default = next((run.dataset for run in finished if run.dataset in ready), ready[0])
    return str(st.selectbox("Dataset", ready, **url_state.bind("dataset", default, options=ready)))


def note(dataset: str) -> None:
    """Mark generated ratings."""
    if cache.is_generated(dataset):
        layout.generated_note()


def draw(dataset: str) -> None:
    """Draw the page below its heading."""
    history, entries = taste_state.current(dataset), taste_state.shown(dataset)
    known = queries.items(dataset)
    picks = [known[item_id].label for item_id, _ in history.entries if item_id in known]
    layout.title(f"{picks[0]}{f' and {len(picks) - 1} more' if len(picks) > 1 else ''}" if picks else "")
    controls = st.container(gap="small")
    with controls:
        picker.search(dataset)
        start_row = st.container()  # filled last: it needs the choice, which is drawn further down
    if history.entries:
        with controls:
            picker.taste_bar(dataset)
            choice = options.choose(dataset)
        answer = _answer(choice, entries)
        if answer is not None:
            answer = ease_penalty.apply(choice, answer, entries)
        with start_row:
            starts.draw(choice, answer)
        _views(choice, answer, entries)
        train_offer.draw(choice)
        with st.expander(f"Popular {queries.item_words(dataset).plural}", icon=":material/star:"):
            picker.tiles(dataset, dict(history.marks))
        named = None if choice.view == "blind" else answer  # before a vote no list has a name
        details.show_requested(dataset, named, {} if named is None else lists_view.names(named))
    else:
        with controls:
            picker.tiles(dataset, {})
        choice = options.choose(dataset)
        with start_row:
            starts.draw(choice, None)
        _prompt(choice)
        train_offer.draw(choice)
        details.show_requested(dataset, None, {})


def _answer(choice: Choice, entries: Entries) -> Recommendations | None:
    """Return the lists for the shown picks; None if no model is selected, or nothing was picked when they were made."""
    if not entries or (choice.trained and not choice.runs):
        return None
    epochs = lists_view.chosen_epochs(choice)
    return queries.recommendations(choice.dataset, entries, choice.runs, choice.lists, choice.device, epochs)


def _views(choice: Choice, answer: Recommendations | None, entries: Entries) -> None:
    if choice.trained and not choice.runs:
        st.info("No model is selected. Select at least one under Models.", icon=":material/playlist_add:")
        return
    if answer is None:
        return
    marks, held_out = taste_state.current(choice.dataset).marks, starts.hits(choice)
    starts.caption(choice, held_out)
    shown = lists_view.ShownLists(choice, answer, entries, marks, held_out)
    if choice.view == "merged":
        lists_view.draw_merged(shown)
    elif choice.view == "differences":
        _update_note(choice.dataset)
        differences.draw(answer)
    elif choice.view == "blind":
        blind.draw(answer, marks)
    elif choice.view == "map":
        _update_note(choice.dataset)
        map_view.draw(choice, answer)
    else:
        lists_view.draw(shown)


def _update_note(dataset: str) -> None:
    """Offer to update the lists behind a view that shows no list of its own."""
    if changed := taste_state.changes_since_shown(dataset):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{plural(changed, 'change')} to your picks since these lists were made.", width="content")
            st.button("Update lists", type="primary", on_click=taste_state.update_lists, key="update_lists")


def _prompt(choice: Choice) -> None:
    words = queries.item_words(choice.dataset)
    if choice.trained and not choice.runs:
        st.info("No model is selected. Select at least one under Models.", icon=":material/playlist_add:")
    elif choice.runs:
        models = listed(dict.fromkeys(lists_view.titles(choice.runs)))
        st.caption(f"Tap or search a few {words.plural}: {models} answer at once.")
    else:
        st.caption(
            f"Tap or search a few {words.plural}. No model is trained on this dataset yet; EASE is fitted on demand."
        )
