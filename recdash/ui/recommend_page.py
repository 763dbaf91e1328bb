"""The Recommend page: the trained models' lists for the same picks, explanations, and overlap of the lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from recdash.analysis.run_labels import run_labels
from recdash.reporting.formatting import escape, listed
from recdash.runs import run_colours
from recdash.ui import cache, glossary, url_state
from recdash.ui.charts import theme_colours
from recdash.ui.widgets import item_picker

if TYPE_CHECKING:
    from recdash.services.recommend import (
        RankedItem,
        RecommendationList,
        Recommendations,
    )
    from recdash.services.runs import RunRecord

MAX_LISTS = 8
REASONS = {
    "contribution": "Share of each pick in the positive contributions to the score, which is a sum of one weight "
    "per pick.",
    "score drop": "Estimated share: drop of the score without the pick, relative to the sum of all drops.",
}


def options() -> tuple[str, list[str], int, str]:
    """Draw the options: dataset, lists, list length and, if there is a GPU, the device."""
    ready, devices = cache.installed(), cache.devices()
    first, second, third, *fourth = st.columns(
        [2, 6, 1, 1] if len(devices) > 1 else [2, 6, 1], vertical_alignment="top"
    )
    with first:
        dataset = str(st.selectbox("Dataset", ready, **url_state.bind("dataset", ready[0], options=ready)))
    trained = cache.trained_runs(dataset)
    names = run_labels(trained)
    best = list({run.model: run.id for run in reversed(trained)}.values())[::-1]
    with second:
        chosen = st.multiselect(
            "Models",
            list(names),
            format_func=lambda run_id: names[run_id],
            max_selections=MAX_LISTS,
            select_all=False,
            wrap=True,
            disabled=not trained,
            placeholder="Select runs" if trained else "No trained model yet: EASE is fitted on demand",
            **url_state.bind("list", best[:MAX_LISTS], options=names, many=True),
        )
    with third:
        length = st.number_input("List length", 3, 50, **url_state.bind("k", 10, read=_parse_length))
    device = devices[0]
    for column in fourth:
        with column:
            about = "Device that computes the lists; the CPU is used if its memory is full"
            bound = url_state.bind("device", devices[0], options=devices)
            device = str(st.selectbox("Device", devices, help=about, **bound))
    return dataset, list(chosen), int(length), device


def lists(answer: Recommendations, chosen: Sequence[str]) -> None:
    """Draw all lists side by side."""
    counts = Counter(ranked.item.id for one in answer.lists for ranked in one.items)
    names = _names(answer.lists)
    with st.grid(len(answer.lists), min_column_width=264, gap="small", wrap=False):
        for one in answer.lists:
            with st.container(border=True, key=f"list.{one.key}", gap="small"):
                _heading(one, names)
                for ranked in one.items:
                    _row(one, ranked, counts[ranked.item.id], len(answer.lists), len(chosen))


def overlap(answer: Recommendations) -> None:
    """Show the overlap of the lists and the items unique to each."""
    full = [one for one in answer.lists if one.items]
    if len(full) < 2:
        return
    import pandas as pd  # lazy: pandas

    st.subheader("How the lists differ", anchor=False)
    names = list(_names(full).values())
    sets = [{ranked.item.id for ranked in one.items} for one in full]
    table = pd.DataFrame([[len(a & b) for b in sets] for a in sets], index=names, columns=names)
    left, right = st.columns(2, gap="large")
    with left:
        st.caption(f"Items shared by each pair of lists (out of {max(map(len, sets))})")
        colour, longest = run_colours.PALETTE[0], max(1, max(map(len, sets)))
        shade = table.style.apply(
            lambda row: [
                f"background-color: {theme_colours.background(colour, 0.5 * value / longest)}" for value in row
            ],
            axis=1,
        )
        st.dataframe(shade, width="stretch", key="overlap", alt="Number of items shared by each pair of lists")
    with right:
        st.caption("Items in one list only")
        for one, name in zip(full, names, strict=True):
            others = {ranked.item.id for other in full if other is not one for ranked in other.items}
            unique = [ranked.item for ranked in one.items if ranked.item.id not in others]
            titles = ", ".join(escape(item.label) for item in unique[:5]) or ":gray[none]"
            more = f" :gray[and {len(unique) - 5} more]" if len(unique) > 5 else ""
            st.markdown(f"**{escape(name)}** {titles}{more}")


def answers(
    dataset: str,
    picks: Sequence[str],
    trained: Sequence[RunRecord],
    chosen: Sequence[RunRecord],
    length: int,
    device: str = "cpu",
) -> None:
    """Draw the lists of the chosen runs for the picks, or ask for a run if none is chosen."""
    if trained and not chosen:
        st.info("No model is selected. Select at least one under Models.", icon=":material/playlist_add:")
    elif picks:
        answer = cache.recommendations(dataset, tuple(picks), chosen, length, device)
        lists(answer, picks)
        overlap(answer)


def prompt(trained: Sequence[RunRecord]) -> None:
    """Explain what to do while nothing is picked."""
    if trained:
        models = listed(dict.fromkeys(escape(run.name.split(" on ")[0]) for run in trained))
        text = f"Pick one or more titles to see the lists of {models} side by side."
    else:
        text = "Pick one or more titles. No model is trained on this dataset yet; EASE is fitted on demand."
    st.info(text, icon=":material/touch_app:")


def _heading(ranked_list: RecommendationList, names: dict[str, str]) -> None:
    reasons = REASONS.get(ranked_list.reason_kind, "")
    run = ranked_list.run
    if run is None:
        st.markdown(f"**{escape(ranked_list.title)}** :gray[:small[fitted on demand]]", help=reasons or None)
    else:
        quality = f"{glossary.quality(run.validation)} on validation. " if run.validation else ""
        remarks = "".join(f"{remark[0].upper()}{remark[1:]}. " for remark in run.remarks)
        about = f"{escape(run.name)}, run {run.id}, preset {escape(run.preset)}, seed {run.seed}"
        st.markdown(
            f"{theme_colours.dot(run.id)} **{escape(names[ranked_list.key])}** {glossary.warning_badge(run)}",
            help=f"{about}. {quality}{remarks}{reasons}",
        )
        st.caption(f"{escape(run.protocol)}, split seed {run.split_seed}")
    if ranked_list.note:
        st.caption(escape(f"{ranked_list.note[0].upper()}{ranked_list.note[1:]}".removesuffix(".") + "."))


def _row(ranked_list: RecommendationList, ranked: RankedItem, count: int, lists: int, picks: int) -> None:
    item = ranked.item
    year = f" :gray[{item.year}]" if item.year else ""
    details = [escape(", ".join(item.genres[:3]))] if item.genres else []
    if lists > 1:
        details.append(f"in {count} of {lists} lists")
    why = _reasons(ranked, picks)
    lines = [" · ".join(details), f"because of {why[0]}" if why else ""]
    reasons = f" Because of {listed(why)}." if len(why) > 1 else ""
    with st.container(gap=None):
        st.button(
            f"{item_picker.tile(item)} **{escape(item.title)}**{year}",
            key=f"like.{ranked_list.key}.{item.id}",
            type="tertiary",
            on_click=item_picker.add,
            args=(item.id,),
            wrap=False,
            help=f"Add {escape(item.label)} to your picks.{reasons}",
        )
        st.caption("  \n".join(line for line in lines if line))


def _reasons(ranked: RankedItem, picks: int) -> list[str]:
    """Return the picks with the largest share in a suggestion, largest first, with their shares."""
    positive = [reason for reason in ranked.reasons if reason.share > 0]
    total = sum(reason.share for reason in positive)
    if picks < 2:
        return []
    return [f"{escape(_short(reason.pick.title))} {reason.share / total:.0%}" for reason in positive[:4]]


def _short(title: str, max_length: int = 26) -> str:
    return title if len(title) <= max_length else f"{title[: max_length - 1].rstrip()}…"


def _names(shown_lists: Sequence[RecommendationList]) -> dict[str, str]:
    """Return the name of each list by its key."""
    named = run_labels([one.run for one in shown_lists if one.run is not None])
    return {one.key: named.get(one.key, one.title) for one in shown_lists}


def _parse_length(text: str) -> int:
    return min(50, max(3, int(text)))
