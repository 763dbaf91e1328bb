"""The Published page: a public table, what its code computes, and what comes out when it is done properly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.evaluation.criterion import DECIDING
from recdash.reporting.formatting import ago, count, duration, escape, listed
from recdash.services import reproduce
from recdash.ui import cache, glossary, layout, url_state
from recdash.ui.charts import dumbbell

if TYPE_CHECKING:
    import pandas as pd

    from recdash.services.reproduce import Live

TABLES = {"metarec": "Six models on MovieLens-1M", "vae20m": "Two models on MovieLens-20M"}
COLUMNS = dumbbell.STAGES
HELP = {
    "published": "What the public table prints. Not rerun.",
    "as_published": "The public code's data, split, settings and evaluation, mistakes included, computed by recdash.",
    "corrected": "The same data, split, sizes and steps, with the mistakes taken out.",
    "common": "recdash's own settings under protocols that are the same for all: unseen users, or 90/10 of ratings.",
}
METRICS = {"ndcg@100": "NDCG@100", "recall@100": "Recall@100", "precision@100": "Precision@100"}
COMMAND, QUICK = "recdash reproduce", "recdash reproduce --models ease,popularity,bias"


def choose() -> str:
    """Let somebody choose a public table."""
    return str(
        st.segmented_control(
            "Public table",
            list(TABLES),
            required=True,
            format_func=lambda name: TABLES[name],
            label_visibility="collapsed",
            **url_state.bind("table", "metarec", options=TABLES),
        )
    )


def sentence(found: Mapping[str, Any]) -> Any:
    """Say what the page is about in one number; returns the place, in which `now` renews it."""
    place = st.container(border=True, gap="xsmall")
    with place:
        slot = st.empty()
    row = _row(found, "ease", "ndcg@100")
    if row is not None and row["as_published"] is not None and row["corrected"] is not None:
        _say(slot, row["as_published"], row["corrected"], _measured(found["cells"]["ease"]["when"]))
    elif reproduce.has_data():
        slot.markdown(":gray[Solving EASE on MovieLens-1M, with and without the movies already seen]")
    else:
        printed = "" if row is None else f" The public table prints {row['published']:.4f} for EASE."
        slot.markdown(
            f"### With seen movies removed, the figures of the public table change a great deal\n"
            f":gray[How much is computed here as soon as MovieLens-1M is there.{printed}]"
        )
    return slot


def now(slot: Any) -> None:
    """Compute that number here and now, where the data is; the last thing a page does, for it takes seconds."""
    if reproduce.has_data():
        with layout.errors():
            found = cache.ease_now()
            _say(slot, found["as_published"], found["corrected"], f"computed here in {duration(found['seconds'])}")


def _say(slot: Any, before: float, after: float, how: str) -> None:
    slot.markdown(
        f"### With seen movies removed, NDCG@100 of EASE on that split goes from {_short(before)} to {_short(after)}\n"
        f":gray[The same data, the same solution; {how}.]"
    )


def story(table: str) -> None:
    """Tell a newcomer what this is about."""
    if table == "vae20m":
        st.markdown(
            "Models are compared by hiding some of what people liked and looking how much of it a model finds. There "
            "are two sets of such people: on the first one chooses when to stop, the second is asked once, at the end. "
            "This public table prints the scores of the first set."
        )
        return
    st.markdown(
        "A recommender is tested by **hiding some of the movies a person rated** and looking how many of them it puts "
        "high in its list. A public table compares six models like that, and it is often quoted. Its code is public "
        "too, so recdash runs it again and finds that most of its numbers measure something else: lists full of "
        "movies the person has already seen, answers that were given away, a score on the homework in place of the "
        "exam. Each line below leads from the **printed number** to the one that comes out **when the mistakes are "
        "taken out and nothing else is changed**."
    )


def state(table: str, found: Mapping[str, Any], live: Live | None) -> None:
    """Say how complete this is, and what to do about it."""
    if live is not None:
        st.fragment(_going_on, run_every=2.0)(table, found["when"])
    elif not found["cells"]:
        st.info(
            "Nothing has been computed yet: the hollow dots are the printed numbers.", icon=":material/hourglass_empty:"
        )
    if found["rehearsal"]:
        short = found.get("epochs_at_most")
        cut = f", with at most {count(short)} epochs in each training" if short else ""
        st.warning(
            f"A rehearsal on {escape(str(found['dataset']))}{cut}: nothing here compares with the printed numbers, "
            f"which were made on {escape(found['published_on'])}.",
            icon=":material/science:",
        )


def todo(table: str, found: Mapping[str, Any], live: Live | None) -> None:
    """Say what is still to be computed, and how: the command, and the data where it is not here."""
    if not reproduce.has_data(table):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(
                f"{escape(found['published_on'])} is not here, so nothing new can be computed on it.", width="content"
            )
            layout.link("data", f"Get {found['published_on']}")
    if live is not None or not found["missing"]:
        return
    models = listed(dict.fromkeys(escape(_title(found, name)) for name in found["missing"]))
    if found["cells"]:
        st.info(f"Not computed yet: {models}. The command goes on from here.", icon=":material/terminal:")
    st.code(COMMAND if table == "metarec" else f"{COMMAND} --table {table}", language="bash")
    if table == "metarec":
        st.caption(
            "It keeps what it has done and can be stopped at any time. All of it takes about an hour and a half on two "
            f"cores, most of it SVAE; in half a minute: `{QUICK}`."
        )


@layout.calm
def _going_on(table: str, newest: str | None) -> None:
    live = reproduce.live(table)
    kept = reproduce.look(table)
    if live is None or (kept is not None and kept["when"] != newest):
        st.rerun()
    for step in live.steps:
        share = step.epoch / step.epochs if step.epochs else 0.0
        of = f", epoch {count(step.epoch)} of at most {count(step.epochs)}" if step.epochs > 1 else ""
        st.progress(min(share, 1.0), text=f"Being computed: {escape(step.about)}{of} ({step.number} of {step.of})")


def picture(table: str, found: Mapping[str, Any]) -> None:
    """Draw the table as dumbbells, from what is printed to what is right."""
    ranking = [row for row in found["rows"] if "@" in row["metric"]]
    rating = [row for row in found["rows"] if row["metric"] == "rmse"]
    _legend()
    if ranking:
        metrics = _offered(ranking)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("Ranking", anchor=False, help="Higher is better.")
            metric = st.segmented_control(
                "Metric",
                metrics,
                required=True,
                format_func=glossary.metric,
                label_visibility="collapsed",
                **url_state.bind("metric", metrics[0], options=metrics),
            )
        kinds = {metric, str(metric).replace("recall@", "recall_all@")}
        _draw(
            "ranking",
            [row for row in ranking if row["metric"] in kinds],
            glossary.metric(str(metric)),
            "higher is better",
        )
    if rating:
        st.subheader("Rating prediction", anchor=False, help="How far predicted stars are from given ones.")
        _draw("rating", rating, "RMSE in stars", "lower is better")


def _offered(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    names = list(dict.fromkeys(row["metric"] for row in rows))
    usual = [name for name in METRICS if name in names]
    return usual or sorted(names)


def _draw(key: str, rows: Sequence[Mapping[str, Any]], title: str, better: str) -> None:
    chart = dumbbell.draw(rows, title=f"{title}, {better}")
    said = "; ".join(dumbbell.said(row) for row in rows)
    st.altair_chart(chart, key=f"dumbbells.{key}", width="stretch", alt=f"{title}. {said}")


def _legend() -> None:
    marks = {"published": "○", "as_published": "•", "corrected": "●", "common": "◆"}
    parts = [f':color[{marks[name]}]{{foreground="{dumbbell.COLOURS[name]}"}}\u00a0{COLUMNS[name]}' for name in COLUMNS]
    st.markdown(
        ":small[" + "\u2003".join(parts) + "]",
        help="  \n".join(f"**{COLUMNS[name]}**: {HELP[name]}" for name in COLUMNS),
    )


def explanations(table: str, found: Mapping[str, Any]) -> None:
    """Explain each model's row on demand: in plain words, in numbers, and with the lines of the public code."""
    st.subheader("What was wrong", anchor=False)
    with st.container(gap="xsmall"):
        for one in reproduce.explanations(table):
            with st.expander(_headline(one.title, found, one.model), key=f"why.{table}.{one.model}"):
                _explain(one, [row for row in found["rows"] if row["model"] == one.model and row["what_was_wrong"]])


def _explain(one: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    st.markdown(escape(one.plain))
    for row in _one_each(rows):
        st.markdown(f":material/calculate: {escape(row['what_was_wrong'])}")
    st.markdown(
        "\n".join(
            f"- {escape(mistake.what)} :gray[{escape(mistake.effect)}] [{escape(mistake.where)}]({mistake.url})"
            for mistake in one.mistakes
        )
    )


def numbers(found: Mapping[str, Any]) -> None:
    """Show every number, where each comes from, and which printed number was not met."""
    missed = [row for row in found["rows"] if row["within_tolerance"] is False]
    for row in missed:
        st.caption(
            f":material/warning: {escape(row['title'])}, {glossary.metric(row['metric'])}: computed as published it is "
            f"{_number(row['as_published'], row['metric'])}, and the printed "
            f"{_number(row['published'], row['metric'])} is further off than {row['tolerance']:g}."
        )
    with st.expander("All numbers", icon=":material/table:", key="numbers"):
        config = {COLUMNS[name]: st.column_config.TextColumn(COLUMNS[name], help=HELP[name]) for name in COLUMNS}
        st.dataframe(_frame(found), column_config=config, hide_index=True, width="stretch", alt="All numbers")
        if found["when"]:
            st.caption(
                f"Computed on {escape(str(found['dataset']))}, {_measured(found['when'])}, in "
                f"{duration(found.get('seconds'))} of work. Recall divides by the smaller of 100 and the number of "
                "held-out movies, except where it says (of all)."
            )
            st.caption("\n".join(f"- {escape(said)}" for said in reproduce.sources_in_words(found)))
    st.caption(
        f"Printed numbers: [{escape(found['title'])}]({found['url']}), not rerun. The published figures of all papers "
        "stand in `recdash/published/figures.json`; `docs/reproduce.md` tells how each number here is computed."
    )


def _frame(found: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "Model": row["title"],
                "Metric": glossary.metric(row["metric"]),
                **{COLUMNS[name]: _number(row[name], row["metric"]) for name in COLUMNS},
                "What was wrong": row["what_was_wrong"],
            }
            for row in found["rows"]
        ]
    )


def _headline(title: str, found: Mapping[str, Any], model: str) -> str:
    for metric in DECIDING:
        row = _row(found, model, metric)
        if row is not None and row["published"] is not None:
            after = "" if row["corrected"] is None else f" → {_number(row['corrected'], metric)}"
            return f"**{escape(title)}** {glossary.metric(metric)} {_number(row['published'], metric)}{after}"
    return f"**{escape(title)}**"


def _one_each(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Keep one sentence for each line of the table: that of NDCG, or of RMSE."""
    return [row for row in rows if row["metric"] in DECIDING]


def _row(found: Mapping[str, Any], model: str, metric: str) -> Mapping[str, Any] | None:
    return next((row for row in found["rows"] if (row["model"], row["metric"]) == (model, metric)), None)


def _title(found: Mapping[str, Any], cell: str) -> str:
    model = cell.split("-", maxsplit=1)[0]
    return next((str(row["title"]).split(",")[0] for row in found["rows"] if row["model"] == model), model)


def _measured(when: object) -> str:
    """Return a date of a document in words. Each cell has its own; that of the document is the newest."""
    from datetime import datetime

    try:
        moment = datetime.fromisoformat(str(when))
    except ValueError:
        return "not dated"
    return f"measured on {moment:%d %B %Y} ({ago(moment.timestamp())})"


def _number(value: float | None, metric: str) -> str:
    return "–" if value is None else f"{value:.3f}" if metric == "rmse" else f"{value:.4f}"


def _short(value: float) -> str:
    return f"{value:.2f}".removeprefix("0")
