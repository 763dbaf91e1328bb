"""The Tune tab: a study that the URL names, or all studies and the form of a new search."""

from __future__ import annotations

import streamlit as st

from recdash.errors import RecdashError
from recdash.reporting.formatting import escape
from recdash.services import tuning
from recdash.ui import layout, url_state
from recdash.ui.tune import studies_list, study_view, tune_form


def draw() -> None:
    """Draw the tab."""
    name = next((name for name in url_state.value_list("study") if name), "")
    if not name:
        studies_list.draw()
        st.header("New search", anchor=False)
        tune_form.draw()
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header(f"Study {escape(name)}", anchor=False, width="stretch")
        st.button(
            "All studies", icon=":material/arrow_back:", type="tertiary", key="all_studies",
            on_click=url_state.set_value, args=("study", []),
        )  # fmt: skip
    try:
        found = tuning.study(name)
    except RecdashError as error:
        st.warning(escape(str(error)), icon=":material/warning:")
        return
    layout.title(f"Study {name}")
    study_view.draw(found)
