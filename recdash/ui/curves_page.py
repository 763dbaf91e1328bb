"""The Curves page: which runs and values are drawn, how, and what is below the charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import streamlit as st

from recdash import environment
from recdash.analysis import curve_groups
from recdash.analysis.loss_parts import VAE_MODELS
from recdash.analysis.run_labels import run_labels
from recdash.reporting.formatting import escape, listed, plural
from recdash.services.annealing_tries import TAG as WORKBOOK_TAG
from recdash.ui import curve_files, glossary, layout, url_state
from recdash.ui.charts import live_curves
from recdash.ui.charts.curve_board import Bands, BoardOptions, Smoothing, X
from recdash.ui.charts.epoch_reader import epoch_reader
from recdash.ui.recommend import learning
from recdash.ui.vae import section as vae_section
from recdash.ui.widgets import result_tables, run_cards, runs_sidebar

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord
    from recdash.ui.widgets.runs_sidebar import Selection

BOARD = "curves"
MAX_RUNS = 40  # more lines in a chart are not legible
LAUNCH_WINDOW = 60.0  # seconds; runs queued within it count as started together
FIRST_MODELS = ("multvae", "recvae", "multdae")  # of a batch, shown before they start
AXES = {"epoch": "Epoch", "update": "Update", "relative": "Training time", "clock": "Clock time"}
SMOOTHING = {"exponential": "Exponential", "gaussian": "Gaussian", "mean": "Running mean"}
BANDS = {"off": "One line per run", "range": "Range over seeds", "deviation": "Standard deviation over seeds"}
SECTIONS = {
    "settings": "Differences in settings",
    "vae": "Inside the VAE",
    "lists": "Recommendations by epoch",
    "files": "Export and import",
}


def has_curves(records: Sequence[RunRecord]) -> bool:
    """Whether any run has curves to draw."""
    return any(map(curve_groups.has_curves, records))


def choose_runs(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Draw the runs sidebar and return the chosen runs; by default those started together last."""
    offered = [run for run in records if curve_groups.has_curves(run)]
    url_state.bind("batch", "")
    batch = str(st.session_state[url_state.key_of("batch")])
    if batch != st.session_state.get("_curves_batch_of", ""):  # a link to a batch, which replaces an earlier selection
        url_state.forget("run")
        st.session_state["_curves_batch_of"] = batch
    selection = runs_sidebar.draw("curves", offered, default=_default_runs(offered, batch))
    _explain_missing(selection, {run.id: run for run in records})
    if len(selection.visible) > MAX_RUNS:
        st.caption(f"The first {MAX_RUNS} of {len(selection.visible)} selected runs are drawn.")
    by_id = {run.id: run for run in offered}
    return [by_id[run_id] for run_id in selection.visible[:MAX_RUNS]]


def draw(selected: Sequence[RunRecord]) -> None:
    """Draw the chart options, the charts and what is below them."""
    available = live_curves.available_values(selected, epoch_reader(BOARD, [run.id for run in selected]))
    options, separate = _options(selected)
    values = _values(available)
    _mixture(selected, separate)
    _ended_without_epoch(selected)
    pinned = [run_id for run_id in url_state.value_list("pin") if run_id in {run.id for run in selected}]
    layout.title(_view_title(selected, values))
    if not values:
        st.info("No curve is selected. Select at least one above.", icon=":material/show_chart:")
    live_curves.draw(
        BOARD, selected, values, options, separate_data=separate, pinned=pinned, on_action=_on_board_action
    )


def below(selected: Sequence[RunRecord]) -> None:
    """Draw one of the sections below the charts."""
    default = "vae" if any(run.model in VAE_MODELS for run in selected) else "settings"
    shown = st.segmented_control(
        "More on these runs",
        list(SECTIONS),
        required=True,
        format_func=SECTIONS.__getitem__,
        label_visibility="collapsed",
        **url_state.bind("section", default, options=SECTIONS),
    )
    with layout.error_boundary():
        if shown == "vae":
            vae_section.draw(selected)
        elif shown == "lists":
            learning.draw(selected)
        elif shown == "files":
            curve_files.export(selected)
            curve_files.import_curves()
        else:
            _differences(selected)


def _differences(records: Sequence[RunRecord]) -> None:
    st.header("Differences in settings", anchor=False)
    if len(records) < 2:
        st.caption("Select two runs or more to see in which settings they differ.")
        return
    table = result_tables.setting_differences(records)
    if table.empty:
        st.caption(
            "None: the runs have the same model, data and settings. Differences between the curves are due to chance."
        )
    else:
        st.dataframe(table, width="stretch", key="differences", alt="Settings that differ between the chosen runs")


def _default_runs(records: Sequence[RunRecord], batch_of: str) -> list[str]:
    """Return the ids of a batch: a few models at once, the others as they start. Runs are only added.

    A batch are runs queued within a minute. What was shown stays, whatever becomes of a run.

    Args:
        records: All runs with epochs.
        batch_of: Id of a run of the batch; by default that of the newest run.
    """
    candidates = [run for run in records if not run.archived and not run.source and WORKBOOK_TAG not in run.tags]
    newest = next((run.created for run in records if run.id == batch_of), None)
    if newest is None:
        newest = max((run.created for run in candidates), default=0.0)
    batch = sorted((run for run in candidates if abs(newest - run.created) < LAUNCH_WINDOW), key=_batch_order)
    at_once = [run for run in batch if run.model in FIRST_MODELS] or batch[:1]
    started = [run for run in batch if run.state != "queued" and run not in at_once]
    known: list[str] = st.session_state.get("_curves_batch", [])
    if not set(known) & {run.id for run in batch}:
        known = []
    known = [*known, *(run.id for run in [*at_once, *started] if run.id not in known)]
    st.session_state["_curves_batch"] = known
    return known


def _batch_order(run: RunRecord) -> tuple[int, float, str]:
    first = FIRST_MODELS.index(run.model) if run.model in FIRST_MODELS else len(FIRST_MODELS)
    return first, run.created, run.id


def _explain_missing(selection: Selection, records: Mapping[str, RunRecord]) -> None:
    """Say why runs in the address are not drawn: models without epochs, and runs that do not exist."""
    without_epochs = [run_id for run_id in selection.unknown if run_id in records]
    if without_epochs:
        names = listed([escape(records[run_id].name) for run_id in without_epochs])
        st.caption(
            f"Without curves, since {'it is' if len(without_epochs) == 1 else 'they are'} solved in one step: {names}."
        )
    unknown = [run_id for run_id in selection.unknown if run_id not in records]
    if unknown:
        names = listed([f"**{escape(run_id)}**" for run_id in unknown[:3]])
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        st.warning(
            f"{plural(len(unknown), 'run')} in the address not found: {names}{more}. Deleted, or of another store. "
            "Choose runs in the list at the left.",
            icon=":material/link_off:",
        )


def _options(selected: Sequence[RunRecord]) -> tuple[BoardOptions, bool]:
    """Draw the options of the charts; returns them, and whether runs on different data have charts of their own."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        x = st.segmented_control(
            "X axis",
            list(AXES),
            required=True,
            format_func=AXES.__getitem__,
            **url_state.bind("x", "epoch", options=AXES, read=_parse_axis),
        )
        weight = st.slider(
            "Smoothing",
            0.0,
            0.95,
            step=0.05,
            width=220,
            help="0 turns it off. The raw curve stays visible behind the smoothed one.",
            **url_state.bind("smooth", 0.0, read=_parse_smoothing),
        )
        log_y = st.toggle(
            "Log scale",
            help="Logarithmic Y axis for losses and KL divergence",
            **url_state.bind("log", False, read=url_state.parse_flag),
        )
        with st.popover("More", icon=":material/tune:", key="chart_options"):
            kind, bands, log_x, shared_y, columns, separate = _more_options()
        st.button(
            "Share",
            icon=":material/link:",
            type="tertiary",
            on_click=_write_address,
            args=([run.id for run in selected],),
            help="Writes the runs and curves shown into the address, so that a copy of it shows exactly these.",
            key="share",
        )
    return (
        BoardOptions(
            x=cast(X, x),
            log_x=log_x,
            log_y=bool(log_y),
            smoothing=cast(Smoothing, kind) if weight else "none",
            weight=float(weight),
            shared_y=shared_y,
            columns=columns,
            bands=cast(Bands, bands),
        ),
        separate,
    )


def _more_options() -> tuple[str, str, bool, bool, int, bool]:
    kind = st.radio(
        "Kind of smoothing",
        list(SMOOTHING),
        format_func=SMOOTHING.__getitem__,
        help="The exponential average follows the past and lags behind; the other two are centred.",
        **url_state.bind("kind", "exponential", options=SMOOTHING),
    )
    bands = st.radio(
        "Runs that differ in their seed only",
        list(BANDS),
        format_func=BANDS.__getitem__,
        **url_state.bind("bands", "off", options=BANDS),
    )
    log_x = st.toggle("Logarithmic X axis", **url_state.bind("logx", False, read=url_state.parse_flag))
    shared_y = st.toggle(
        "Same Y axis for all charts of a value", **url_state.bind("sharey", False, read=url_state.parse_flag)
    )
    columns = st.segmented_control(
        "Charts side by side",
        [1, 2, 3, 4],
        required=True,
        **url_state.bind("columns", 2, options=[1, 2, 3, 4], read=int),
    )
    separate = st.toggle(
        "Separate charts for each dataset and protocol",
        help="Losses of different objectives are always apart: their numbers are not comparable.",
        **url_state.bind("split", True, read=url_state.parse_flag),
    )
    return str(kind), str(bands), bool(log_x), bool(shared_y), int(columns or 2), bool(separate)


def _values(available: Sequence[str]) -> list[str]:
    """Draw the choice of values. A value that no run has recorded yet stays chosen."""
    default = live_curves.default_values(available)
    bound = url_state.bind("show", default, many=True, read=_parse_value)
    chosen = list(st.session_state[bound["key"]])
    offered = [*available, *(name for name in chosen if name not in available)]
    shown = st.pills(
        "Curves",
        offered,
        selection_mode="multi",
        format_func=lambda name: glossary.curve(name)[0],
        label_visibility="collapsed",
        **bound,
    )
    return [name for name in offered if name in shown]


def _mixture(selected: Sequence[RunRecord], separate: bool) -> None:
    """Warn of charts that mix data, with a button that separates them."""
    data = set(curve_groups.data_labels(selected).values())
    if separate or len(data) < 2:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f":orange[:material/warning:] These charts mix runs on {listed(sorted(map(escape, data)))}. Their values "
            "are not comparable.",
            width="content",
        )
        st.button("Separate", on_click=url_state.set_value, args=("split", True), type="tertiary", key="separate")


def _ended_without_epoch(selected: Sequence[RunRecord]) -> None:
    """Say what became of runs that ended before their first epoch, which have no curves."""
    for run in selected:
        if run.epoch or run.state.is_active():
            continue
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"**{escape(run.name)}** {glossary.state_badge(run.state)} {escape(run_cards.outcome(run))}",
                width="content",
            )
            if not environment.read_only():
                run_cards.resume_button(run)


def _on_board_action(action: dict[str, Any]) -> None:
    """Pin the run whose line was clicked, all runs of a band, or let them go."""
    if action.get("kind") != "pick":
        return
    picked = [str(run_id) for run_id in action.get("runs", ())]
    others = [run_id for run_id in url_state.value_list("pin") if run_id not in picked]
    url_state.set_value("pin", [*others, *picked] if action.get("picked") else others)


def _write_address(run_ids: list[str]) -> None:
    """Write the runs and values shown to the address."""
    url_state.pin("run", run_ids)
    url_state.pin("show", st.session_state.get(url_state.key_of("show"), []))
    st.toast("The address of this page now shows exactly these runs. Copy it to share them.", icon=":material/link:")


def _view_title(selected: Sequence[RunRecord], values: Sequence[str]) -> str:
    """Return what the page shows, for the title of the tab."""
    names = list(run_labels(selected).values())
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    metrics = ", ".join(glossary.curve(name)[0] for name in values[:2])
    return f"{shown}: {metrics}" if metrics else shown


def _parse_axis(text: str) -> str:
    return "relative" if text == "seconds" else text  # as links of earlier versions have it


def _parse_smoothing(text: str) -> float:
    return round(min(0.95, max(0.0, float(text))) * 20) / 20


def _parse_value(text: str) -> str:
    if not text or len(text) > 60 or not text.isprintable():
        raise ValueError(text)
    return text
