"""The Published page: a published table as printed, recomputed as published, and corrected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.evaluation.selection_metric import SELECTION_METRIC_NAMES
from recdash.reporting.formatting import ago, count, duration, escape, listed
from recdash.services import reproduce, reproduce_files, reproduce_lock, seen_items_effect
from recdash.ui import background_jobs, glossary, layout, url_state
from recdash.ui.charts import dumbbell
from recdash.ui.components import component

if TYPE_CHECKING:
    import pandas as pd

    from recdash.services.reproduce import Explanation
    from recdash.services.reproduce_lock import RunningReproduction

TABLES = {"metarec": "Six models on MovieLens-1M", "vae20m": "Two models on MovieLens-20M"}
COLUMNS = dumbbell.STAGES
HELP = {
    "published": "Number printed in the published table; not rerun",
    "as_published": "Recomputed with the data, split, settings and evaluation of the public code, mistakes included",
    "corrected": "Recomputed on the same data and split, with the same sizes and steps, without the mistakes",
    "common": "Preset auto with the same protocol for all models: unseen users for ranking, 90/10 split for ratings",
}
PROGRESS_SECONDS = 2.0  # between two looks at a running reproduction
EFFECT_SECONDS = 1.0  # between two looks at the computation in the background
_EFFECT = "seen-items-effect"  # key of the background job
METRICS = {"ndcg@100": "NDCG@100", "recall@100": "Recall@100", "precision@100": "Precision@100"}
COMMAND, QUICK = "recdash reproduce", "recdash reproduce --models ease,popularity,bias"


def choose_table() -> str:
    """Show the choice of a published table; returns its name."""
    return str(
        st.segmented_control(
            "Published table",
            list(TABLES),
            required=True,
            format_func=lambda name: TABLES[name],
            label_visibility="collapsed",
            **url_state.bind("table", "metarec", options=TABLES),
        )
    )


def headline(document: Mapping[str, Any]) -> None:
    """Show the effect of one mistake in one sentence: as computed here before or as delivered, at once."""
    st.fragment(_headline)(document)


@layout.with_error_boundary
def _headline(document: Mapping[str, Any]) -> None:
    stored = seen_items_effect.stored() if reproduce.has_data() else None
    if stored is not None:
        background_jobs.dismiss(_EFFECT)  # other data would be computed again
    computing = stored is None and _compute_effect()
    row = _row(document, "ease", "ndcg@100")
    with st.container(border=True, gap="xsmall", key="headline"):
        if stored is not None:
            origin = f"computed here in {duration(stored['seconds'])}, {ago(stored['when'])}"
            _write_headline(stored["as_published"], stored["corrected"], origin)
        elif row is not None and row["as_published"] is not None and row["corrected"] is not None:
            origin = _measured(document["cells"]["ease"]["when"]) + ("; computing it here" if computing else "")
            _write_headline(row["as_published"], row["corrected"], origin)
        else:
            st.header("Removing seen movies changes the numbers of the published table considerably", anchor=False)
            published = "" if row is None else f" The published table prints {row['published']:.4f} for EASE."
            st.markdown(
                ":gray[Solving EASE on MovieLens-1M, with and without seen movies.]"
                if computing
                else f":gray[The exact change is shown here once MovieLens-1M is downloaded.{published}]"
            )
        job = background_jobs.jobs(_EFFECT).get(_EFFECT)
        if job is not None and job.error:
            st.error(escape(job.error), icon=":material/error:")
    if computing:
        component.timer("headline", EFFECT_SECONDS)


def _compute_effect() -> bool:
    """Solve EASE in the background if the data are installed, once; returns whether that is going on."""
    if reproduce.has_data() and _EFFECT not in background_jobs.jobs(_EFFECT):
        background_jobs.start(_EFFECT, "EASE with and without seen movies", lambda report: seen_items_effect.compute())
    return background_jobs.is_running(_EFFECT)


def _write_headline(before: float, after: float, origin: str) -> None:
    text = f"Removing seen movies changes NDCG@100 of EASE on this split from {_short(before)} to {_short(after)}"
    st.header(text, anchor=False)
    st.markdown(f":gray[Same data, same solution; {origin}.]")


def introduction(table: str) -> None:
    """Explain the page to a first-time reader."""
    if table == "vae20m":
        st.markdown(
            "A recommender is tested by hiding some of a person's positives and counting how many of them it "
            "finds. There are two groups of people for this: the best epoch is chosen on the **validation users**, and "
            "the **test users** are evaluated once, at the end. This published table prints the scores of the "
            "validation users."
        )
        return
    st.markdown(
        "A recommender is tested by **hiding some of the movies that a person rated** and counting how many of them "
        "are near the top of its list. A widely cited published table compares six models in this way. recdash "
        "recomputes the table from its public code. Most of its numbers turn out to measure something else: lists are "
        "full of movies that the person has already seen, ratings to be predicted were part of the input, and one "
        "score belongs to training users. In a **corrected number** "
        "the mistakes are corrected, and nothing else is changed."
    )


def status(table: str, document: Mapping[str, Any], now: RunningReproduction | None) -> None:
    """Show how complete the document is, and whether it is comparable with the published numbers."""
    if now is not None:
        st.fragment(_progress)(table, document["when"])
    elif not document["cells"]:
        st.info(
            "Nothing has been computed yet. The charts show the published numbers only.",
            icon=":material/hourglass_empty:",
        )
    if document["rehearsal"]:
        epochs = document.get("epochs_at_most")
        limit = f", with at most {count(epochs)} epochs in each run" if epochs else ""
        st.warning(
            f"Trial run on {escape(str(document['dataset']))}{limit}: these results are not comparable with the "
            f"published numbers, which were made on {escape(document['published_on'])}.",
            icon=":material/science:",
        )


def next_steps(table: str, document: Mapping[str, Any], now: RunningReproduction | None) -> None:
    """Show what has not been computed yet, the command for it, and how to get missing data."""
    if not reproduce.has_data(table):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(
                f"{escape(document['published_on'])} is not downloaded, so no new results can be computed on it.",
                width="content",
            )
            layout.link("data", f"Get {document['published_on']}")
    if now is not None or not document["missing"]:
        return
    models = listed(dict.fromkeys(escape(_title(document, name)) for name in document["missing"]))
    if document["cells"]:
        st.info(f"Not computed yet: {models}. This command computes what is missing.", icon=":material/terminal:")
    st.code(COMMAND if table == "metarec" else f"{COMMAND} --table {table}", language=None)
    if table == "metarec":
        st.caption(
            "Finished results are saved: the command can be stopped at any time and run again to resume. The whole "
            "table takes about an hour and a half on two cores, most of it for SVAE. For first results in half a "
            f"minute: `{QUICK}`."
        )


@layout.with_error_boundary
def _progress(table: str, newest: str | None) -> None:
    """Show the progress of a running reproduction; reruns the page when a result is new or the process has ended."""
    component.timer("reproduction", PROGRESS_SECONDS)
    now = reproduce_lock.running(table)
    document = reproduce_files.latest(table)
    if now is None or (document is not None and document["when"] != newest):
        st.rerun()
    for cell in now.cells:
        share = cell.epoch / cell.epochs if cell.epochs else 0.0
        epoch = f", epoch {count(cell.epoch)} of at most {count(cell.epochs)}" if cell.epochs > 1 else ""
        st.progress(min(share, 1.0), text=f"Computing {escape(cell.about)}{epoch} ({cell.number} of {cell.of})")


def charts(table: str, document: Mapping[str, Any]) -> None:
    """Draw a dumbbell chart for ranking and one for rating prediction."""
    ranking = [row for row in document["rows"] if "@" in row["metric"]]
    rating = [row for row in document["rows"] if row["metric"] == "rmse"]
    _legend()
    if ranking:
        metrics = _offered(ranking)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.header("Ranking", anchor=False, help="Higher is better.")
            metric = st.segmented_control(
                "Metric",
                metrics,
                required=True,
                format_func=glossary.metric,
                label_visibility="collapsed",
                **url_state.bind("metric", metrics[0], options=metrics),
            )
        variants = {metric, str(metric).replace("recall@", "recall_all@")}  # SVAE's recall has the other divisor
        shown = [row for row in ranking if row["metric"] in variants]
        _draw("ranking", shown, glossary.metric(str(metric)), "mean over users, from 0 to 1, higher is better")
    if rating:
        st.header("Rating prediction", anchor=False, help="Difference between predicted and given ratings")
        _draw("rating", rating, "RMSE", "in stars, lower is better")
    st.caption(
        f"All numbers are on {escape(str(document['dataset'] or document['published_on']))}. Each line runs from the "
        "published number (or, if there is none, the number recomputed as published) to the corrected number. Rows "
        f"with different splits are not comparable, except for “{COLUMNS['common']}”."
    )


def _offered(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    names = list(dict.fromkeys(row["metric"] for row in rows))
    usual = [name for name in METRICS if name in names]
    return usual or sorted(names)


def _draw(key: str, rows: Sequence[Mapping[str, Any]], metric: str, unit: str) -> None:
    chart = dumbbell.draw(rows, title=f"{metric}, {unit}")
    st.altair_chart(
        chart,
        key=f"dumbbells.{key}",
        width="stretch",
        alt=f"{metric}, {unit}. {'; '.join(dumbbell.alt_text(row) for row in rows)}",
    )


def _legend() -> None:
    marks = {"published": "○", "as_published": "•", "corrected": "●", "common": "◆"}
    parts = [f':color[{marks[name]}]{{foreground="{dumbbell.COLOURS[name]}"}}\u00a0{COLUMNS[name]}' for name in COLUMNS]
    st.markdown(
        ":small[" + "\u2003".join(parts) + "]",
        help="  \n".join(f"**{COLUMNS[name]}**: {HELP[name]}" for name in COLUMNS),
    )


def explanations(table: str, document: Mapping[str, Any]) -> None:
    """Show what was wrong with each model: a summary, the numbers, and links to the public code."""
    st.header("What was wrong", anchor=False)
    with st.container(gap="xsmall"):
        for explanation in reproduce.explanations(table):
            with st.expander(_expander_label(explanation, document), key=f"why.{table}.{explanation.model}"):
                _explain(explanation, document)


def _explain(explanation: Explanation, document: Mapping[str, Any]) -> None:
    st.markdown(escape(explanation.summary))
    for row in document["rows"]:
        # one note for each row of the chart: that of NDCG or RMSE
        if row["model"] == explanation.model and row["what_was_wrong"] and row["metric"] in SELECTION_METRIC_NAMES:
            st.markdown(f":material/calculate: {escape(row['what_was_wrong'])}")
    st.markdown(
        "\n".join(
            f"- {escape(mistake.what)} :gray[{escape(mistake.effect)}] [{escape(mistake.where)}]({mistake.url})"
            for mistake in explanation.mistakes
        )
    )


def all_numbers(document: Mapping[str, Any]) -> None:
    """Show all numbers, their provenance, and the published numbers that were not reproduced."""
    missed = [row for row in document["rows"] if row["within_tolerance"] is False]
    for row in missed:
        st.caption(
            f":material/warning: {escape(row['title'])}, {glossary.metric(row['metric'])}: recomputed as published it "
            f"is {_number(row['as_published'], row['metric'])}, which differs from the published "
            f"{_number(row['published'], row['metric'])} by more than {row['tolerance']:g}."
        )
    with st.expander("All numbers", icon=":material/table:", key="numbers"):
        config = {COLUMNS[name]: st.column_config.TextColumn(COLUMNS[name], help=HELP[name]) for name in COLUMNS}
        st.dataframe(_frame(document), column_config=config, hide_index=True, width="stretch", alt="All numbers")
        if document["when"]:
            st.caption(
                f"Computed on {escape(str(document['dataset']))}, {_measured(document['when'])}, in "
                f"{duration(document.get('seconds'))} of computing time. Recall@k divides by min(k, number of held-out "
                "movies), except where the metric says (of all)."
            )
            st.caption("\n".join(f"- {escape(line)}" for line in reproduce_files.provenance_lines(document)))
    st.caption(
        f"Published numbers: [{escape(document['title'])}]({document['url']}), not rerun. "
        "`recdash/published/figures.json` lists the published figures of all papers. `docs/reproduce.md` "
        "explains how each number here is computed."
    )


def _frame(document: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd  # lazy: pandas

    return pd.DataFrame(
        [
            {
                "Model": row["title"],
                "Metric": glossary.metric(row["metric"]),
                **{COLUMNS[name]: _number(row[name], row["metric"]) for name in COLUMNS},
                "What was wrong": row["what_was_wrong"],
            }
            for row in document["rows"]
        ]
    )


def _expander_label(explanation: Explanation, document: Mapping[str, Any]) -> str:
    title = f"**{escape(explanation.title)}**"
    for metric in SELECTION_METRIC_NAMES:
        row = _row(document, explanation.model, metric)
        if row is not None and row["published"] is not None:
            corrected = "" if row["corrected"] is None else f" → {_number(row['corrected'], metric)}"
            return f"{title} {glossary.metric(metric)} {_number(row['published'], metric)}{corrected}"
    return title


def _row(document: Mapping[str, Any], model: str, metric: str) -> Mapping[str, Any] | None:
    return next((row for row in document["rows"] if (row["model"], row["metric"]) == (model, metric)), None)


def _title(document: Mapping[str, Any], cell: str) -> str:
    model = cell.split("-", maxsplit=1)[0]
    return next((str(row["title"]).split(",")[0] for row in document["rows"] if row["model"] == model), model)


def _measured(when: object) -> str:
    """Return the date of a cell, or of the newest cell of a document, as text."""
    try:
        moment = datetime.fromisoformat(str(when))
    except ValueError:
        return "not dated"
    return f"measured on {moment:%d %B %Y} ({ago(moment.timestamp())})"


def _number(value: float | None, metric: str) -> str:
    return "–" if value is None else f"{value:.3f}" if metric == "rmse" else f"{value:.4f}"


def _short(value: float) -> str:
    return f"{value:.2f}".removeprefix("0")
