"""Options of the Recommend page, all in the URL: dataset, models, view, length, filters and adventurousness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from recdash.analysis.run_labels import run_labels
from recdash.recommend.item_filter import ItemFilter
from recdash.recommend.ranked_list import ListOptions
from recdash.reporting.formatting import plural
from recdash.ui import url_state
from recdash.ui.recommend import ease_penalty, queries
from recdash.ui.recommend.choice import Choice
from recdash.ui.widgets import runs_sidebar

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord
    from recdash.ui.widgets.runs_sidebar import Selection

MAX_LISTS = 8
_OPTIONS = ("genre", "from", "to", "popularity", "k", "temperature", "l2", "device")  # URL parameters of the popover
_MAX_LEAST = 95  # percentile; no item is at 100, which is the share of less popular items
DEFAULT_MODELS = ("ease", "multdae", "multvae", "recvae")
VIEWS = {
    "lists": ("Side by side", ":material/view_column:"),
    "merged": ("Merged", ":material/merge:"),
    "differences": ("Differences", ":material/compare_arrows:"),
    "blind": ("Blind comparison", ":material/visibility_off:"),
    "map": ("Map", ":material/scatter_plot:"),
}
ADVENTURE_HELP = (
    "0 is each model's own order. Otherwise its 200 best items are ordered by (1 - |a|) z(score) - a z(log "
    "popularity), where a is this number and z standardises among these 200: above 0 rarer items move up, below 0 "
    "popular ones."
)


def choose(dataset: str) -> Choice:
    """Draw all other options in one row, with the rarer ones in a popover."""
    trained = queries.trained_runs(dataset)
    default = default_runs(trained)
    selection = runs_sidebar.draw("recommend", trained, default)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        _choose_models(trained, default, selection)
        adventure = st.slider(
            "Mainstream to adventurous",
            -1.0,
            1.0,
            step=0.1,
            width=230,
            help=ADVENTURE_HELP,
            **url_state.bind("adventure", 0.0, read=_parse_adventure),
        )
        by_id = {run.id: run for run in trained}
        runs = tuple(by_id[run_id] for run_id in selection.visible)
        filters, temperature, length, device, ease_l2 = _more_options(dataset, runs)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        view = st.segmented_control(
            "View",
            list(VIEWS),
            required=True,
            format_func=lambda name: f"{VIEWS[name][1]} {VIEWS[name][0]}",
            label_visibility="collapsed",
            wrap=True,
            **url_state.bind("view", "lists", options=VIEWS),
        )
    options = ListOptions(k=length, filter=filters, adventure=float(adventure), temperature=temperature)
    return Choice(dataset, tuple(trained), runs, str(view), options, device, ease_l2)


def default_runs(trained: Sequence[RunRecord]) -> list[str]:
    """Return the ids of the best run of EASE, Mult-DAE, Mult-VAE and RecVAE, of others if none of them is trained."""
    best = {run.model: run.id for run in reversed(trained)}
    chosen = [best[model] for model in DEFAULT_MODELS if model in best]
    return chosen or [best[model] for model in dict.fromkeys(run.model for run in trained)][:4]


def _choose_models(trained: Sequence[RunRecord], default: Sequence[str], selection: Selection) -> None:
    """Draw the choice of models in a popover, for phones, where the sidebar is closed. Both change one parameter."""
    names = run_labels(trained)
    label = plural(len(selection.visible), "model") if trained else "No trained model"
    with st.popover(label, icon=":material/model_training:", key="models", disabled=not trained):
        st.multiselect(
            "Models",
            list(names),
            format_func=lambda run_id: names[run_id],
            max_selections=MAX_LISTS,
            select_all=False,
            wrap=True,
            disabled=not trained,
            placeholder="Select models" if trained else "No trained model yet: EASE answers, fitted on demand",
            **url_state.bind("list", list(default), options=names, many=True),
        )
        if selection.unknown:
            n_unknown = plural(len(selection.unknown), "run")
            st.caption(f"{n_unknown} of this link cannot recommend here, or no longer exist.")


def _more_options(dataset: str, runs: Sequence[RunRecord]) -> tuple[ItemFilter, float, int, str, float | None]:
    facets, devices = queries.item_facets(dataset), queries.devices()
    n_changed = len(url_state.changed(_OPTIONS))
    label = f"Options ({n_changed} changed)" if n_changed else "Options"
    with st.popover(label, icon=":material/tune:", key="options"):
        if n_changed:
            st.button("Reset", icon=":material/restart_alt:", on_click=url_state.reset, args=(_OPTIONS,), key="reset")
        genres = st.multiselect(
            "Genres",
            facets.genres,
            disabled=not facets.genres,
            placeholder="Any" if facets.genres else "This dataset has no genres",
            **url_state.bind("genre", [], options=facets.genres, many=True),
        )
        decades = facets.decades
        first, last = (decades[0], decades[-1]) if decades else (1900, 2020)
        earlier, later = st.columns(2)
        start = earlier.selectbox(
            "From",
            decades or [first],
            format_func=_decade,
            disabled=len(decades) < 2,
            **url_state.bind("from", first, options=decades or [first], read=int),
        )
        end = later.selectbox(
            "To",
            decades or [last],
            format_func=_decade,
            disabled=len(decades) < 2,
            **url_state.bind("to", last, options=decades or [last], read=int),
        )
        least, most = st.slider(
            "Popularity, percentile",
            0,
            100,
            step=5,
            help="Percentage of all items that are less popular: near 100 for the most popular ones.",
            **url_state.bind("popularity", (0, 100), read=_parse_range),
        )
        length = st.number_input("List length", 3, 50, **url_state.bind("k", 10, read=_parse_length))
        temperature = st.slider(
            "Temperature",
            0.25,
            4.0,
            step=0.25,
            help="Divides the logits of models with a softmax before their probabilities are shown; the order stays.",
            **url_state.bind("temperature", 1.0, read=_parse_temperature),
        )
        ease_l2 = ease_penalty.choose(runs)
        device = devices[0]
        if len(devices) > 1:
            about = "Device that computes the lists; the CPU is used if its memory is full"
            bound = url_state.bind("device", devices[0], options=devices)
            device = str(st.selectbox("Device", devices, help=about, **bound))
    item_filter = ItemFilter(
        genres=tuple(genres),
        year_from=min(start, end) if start != first else None,
        year_to=max(start, end) + 9 if end != last else None,
        popularity=(min(least, _MAX_LEAST) / 100, most / 100),
    )
    return item_filter, float(temperature), int(length), device, ease_l2


def _decade(year: int) -> str:
    return f"{year}s"


def _parse_length(text: str) -> int:
    return min(50, max(3, int(text)))


def _parse_adventure(text: str) -> float:
    return round(min(1.0, max(-1.0, _finite(text))), 1)


def _parse_temperature(text: str) -> float:
    return round(min(4.0, max(0.25, _finite(text))) * 4) / 4


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"not a finite number: {text}")
    return number


def _parse_range(text: str) -> tuple[int, int]:
    low, high = (min(100, max(0, int(part))) for part in text.strip("()[] ").split(","))
    return min(low, high), max(low, high)
