"""The map of taste: items by a model's vectors, with the picks and one model's list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.reporting.formatting import escape, plural
from recdash.ui import url_state
from recdash.ui.recommend import lists_view, queries, taste_state
from recdash.ui.recommend.choice import Choice

if TYPE_CHECKING:
    from recdash.services.recommend import Recommendations

MODEL, METHOD = "map_run", "map"  # URL parameters
MAX_LASSO = 30  # items picked at once
METHODS = {"pca": "PCA", "umap": "UMAP"}


def draw(choice: Choice, answer: Recommendations) -> None:
    """Draw the map of one of the lists' models."""
    from recdash.services import item_map as maps  # lazy: torch
    from recdash.ui.charts import item_map_chart  # lazy: plotly

    labels = lists_view.names(answer)
    keys = [one.key for one in answer.lists if one.items]
    if not keys:
        st.caption("No list has an item.")
        return
    methods = maps.available_methods()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        preferred = next((one.key for one in answer.lists if one.model in ("multvae", "recvae") and one.items), keys[0])
        bound = url_state.bind(MODEL, preferred, options=keys)
        key = st.selectbox("Map and list of", keys, format_func=lambda key: labels[key], width=260, **bound)
        method: Any = "pca"
        if len(methods) > 1:
            bound = url_state.bind(METHOD, "pca", options=methods)
            method = st.segmented_control(
                "Layout", list(methods), format_func=METHODS.__getitem__, required=True, **bound
            )
    one = next(one for one in answer.lists if one.key == key)
    found = queries.item_map(choice.dataset, one.run, method)
    if found.note:
        st.info(escape(found.note), icon=":material/scatter_plot:")
        return
    marks = taste_state.current(choice.dataset).marks
    offer = st.container()  # above the map, where it is seen
    theme = "dark" if st.context.theme.type == "dark" else "light"
    shown = item_map_chart.item_map_figure(
        found,
        theme=theme,
        picks=list(marks),
        recommended=[ranked.item.id for ranked in one.items],
        model=labels[one.key],
        revision=f"{one.key} {method}",
        lasso=not _is_phone(),
    )
    event = st.plotly_chart(
        shown.figure,
        width="stretch",
        key=f"map.{one.key}.{method}",
        on_select="rerun",
        selection_mode=("lasso", "box", "points"),
        config=item_map_chart.CONFIG,
        theme=None,
        alt=f"Map of the items by the vectors of {labels[one.key]}, with your picks and its list",
    )
    with offer:
        _offer(choice.dataset, item_map_chart.selected_ids(event, shown.ids))
    words = queries.item_words(choice.dataset)
    st.caption(
        f"Each point is one of the most popular {words.plural}, coloured by its first genre; near points have similar "
        "vectors. Stars are your picks, rings the list. Click a point or draw a lasso to pick."
    )


def _is_phone() -> bool:
    """Whether the browser says that it is one of a phone, where dragging has to scroll the page."""
    return "Mobi" in str(st.context.headers.get("User-Agent", ""))


def _offer(dataset: str, selected: list[str]) -> None:
    """Offer to pick what was selected on the map."""
    known, marks = queries.items(dataset), taste_state.current(dataset).marks
    n_free = min(MAX_LASSO, taste_state.MAX_PICKS - len(marks))
    unmarked = [item_id for item_id in selected if item_id in known and item_id not in marks]
    new = unmarked[: max(0, n_free)]
    if not new:
        return
    titles = ", ".join(escape(known[item_id].label) for item_id in new[:5])
    more = f" and {len(new) - 5} more" if len(new) > 5 else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        words = queries.item_words(dataset)
        noun = words.singular if len(new) == 1 else words.plural
        of_all = f" of {len(unmarked)}" if len(unmarked) > len(new) else ""
        label = f"Pick {len(new)}{of_all} {noun}"
        st.button(label, type="primary", key="pick_lasso", on_click=_pick, args=(dataset, new))
        st.caption(f"{titles}{more}")


def _pick(dataset: str, item_ids: list[str]) -> None:
    entries = taste_state.current(dataset).entries
    taste_state.replace_all(
        (*entries, *((item_id, "like") for item_id in item_ids)), f"Picked {plural(len(item_ids), 'item')}"
    )
