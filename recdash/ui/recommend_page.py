"""The Recommend page: the same picks, every trained model's list side by side, why, and how the lists differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from recdash.reporting.formatting import escape, listed
from recdash.ui import cache, glossary, url_state
from recdash.ui.charts import curve_panels, run_colours
from recdash.ui.widgets import item_picker

if TYPE_CHECKING:
    from recdash.services.recommend import Answer, Suggestion, Suggestions
    from recdash.services.runs import RunRecord

MOST_LISTS = 8
REASONS = {
    "contribution": "The share of each pick in the film's score, exactly: EASE adds up one weight per pick.",
    "score drop": "How much the score falls without a pick, as a share of all falls. An estimate: picks act together.",
}


def options() -> tuple[str, list[str], int, str]:
    """Let somebody choose the data, the lists, their length, and, where there is a GPU, the device that answers."""
    ready, devices = cache.ready(), cache.devices()
    first, second, third, *fourth = st.columns(
        [2, 6, 1, 1] if len(devices) > 1 else [2, 6, 1], vertical_alignment="top"
    )
    with first:
        dataset = str(st.selectbox("Data set", ready, **url_state.bind("dataset", ready[0], options=ready)))
    trained = cache.trained(dataset)
    names = curve_panels.labels(trained, cache.titles(trained))
    best = list({run.model: run.id for run in reversed(trained)}.values())[::-1]
    with second:
        chosen = st.multiselect(
            "Lists",
            list(names),
            format_func=lambda run_id: names[run_id],
            max_selections=MOST_LISTS,
            select_all=False,
            wrap=True,
            disabled=not trained,
            placeholder="The best run of each model" if trained else "Nothing is trained yet: EASE answers on the spot",
            **url_state.bind("list", best[:MOST_LISTS], options=names, many=True),
        )
    with third:
        length = st.number_input("Length", 3, 50, **url_state.bind("k", 10, read=_length))
    device = devices[0]
    for column in fourth:
        with column:
            told = "Where the models compute their lists. Without free memory there, a list is computed on the CPU."
            bound = url_state.bind("device", devices[0], options=devices)
            device = str(st.selectbox("Device", devices, help=told, **bound))
    return dataset, list(chosen), int(length), device


def lists(answer: Answer, chosen: Sequence[str]) -> None:
    """Draw all lists side by side."""
    counts = Counter(place.item.id for one in answer.lists for place in one.items)
    names = _names(answer.lists)
    with st.grid(len(answer.lists), min_column_width=264, gap="small", wrap=False):
        for one in answer.lists:
            with st.container(border=True, key=f"list.{one.key}", gap="small"):
                _heading(one, names)
                for place in one.items:
                    _row(one, place, counts[place.item.id], len(answer.lists), len(chosen))


def overlap(answer: Answer) -> None:
    """Say how much the lists have in common."""
    full = [one for one in answer.lists if one.items]
    if len(full) < 2:
        return
    import pandas as pd

    st.subheader("How the lists differ", anchor=False)
    names = list(_names(full).values())
    sets = [{place.item.id for place in one.items} for one in full]
    table = pd.DataFrame([[len(a & b) for b in sets] for a in sets], index=names, columns=names)
    left, right = st.columns(2, gap="large")
    with left:
        st.caption(f"Films that two lists share, of {max(map(len, sets))}")
        colour, longest = run_colours.PALETTE[0], max(1, max(map(len, sets)))
        shade = table.style.apply(
            lambda row: [f"background-color: {run_colours.background(colour, 0.5 * value / longest)}" for value in row],
            axis=1,
        )
        st.dataframe(shade, width="stretch", key="overlap", alt="Number of films that each pair of lists shares")
    with right:
        st.caption("What only one of them suggests")
        for one, name in zip(full, names, strict=True):
            others = {place.item.id for other in full if other is not one for place in other.items}
            own = [place.item for place in one.items if place.item.id not in others]
            said = ", ".join(escape(item.label) for item in own[:5]) or ":gray[nothing of its own]"
            more = f" :gray[and {len(own) - 5} more]" if len(own) > 5 else ""
            st.markdown(f"**{escape(name)}** {said}{more}")


def answers(
    dataset: str,
    picks: Sequence[str],
    trained: Sequence[RunRecord],
    chosen: Sequence[RunRecord],
    length: int,
    device: str = "cpu",
) -> None:
    """Draw the lists of the chosen runs for the picks; without a chosen run, say that one has to be chosen."""
    if trained and not chosen:
        st.info("No list is chosen. Choose at least one run under Lists.", icon=":material/playlist_add:")
    elif picks:
        answer = cache.answer(dataset, tuple(picks), chosen, length, device)
        lists(answer, picks)
        overlap(answer)


def invitation(trained: Sequence[RunRecord]) -> None:
    """Say what will happen here, to somebody who has picked nothing yet."""
    if trained:
        models = listed(dict.fromkeys(escape(run.name.split(" on ")[0]) for run in trained))
        said = f"Pick a film or two: {models} answer here, side by side."
    else:
        said = (
            "Pick a film or two. Nothing is trained on this data yet: EASE is fitted on the spot and answers at once."
        )
    st.info(said, icon=":material/touch_app:")


def _heading(one: Suggestions, names: dict[str, str]) -> None:
    told = REASONS.get(one.reasons_are, "")
    if one.run is None:
        st.markdown(f"**{escape(one.title)}** :gray[:small[fitted on the spot]]", help=told or None)
    else:
        quality = f"{glossary.quality(one.run.validation)} on validation. " if one.run.validation else ""
        remarks = "".join(f"{said[0].upper()}{said[1:]}. " for said in one.run.remarks)
        named = f"{escape(one.run.name)}, run {one.run.id}, preset {escape(one.run.preset)}, seed {one.run.seed}"
        st.markdown(
            f"{run_colours.dot(one.run.id)} **{escape(names[one.key])}** {glossary.warning_badge(one.run)}",
            help=f"{named}. {quality}{remarks}{told}",
        )
        st.caption(f"{escape(one.run.protocol)}, split seed {one.run.split_seed}")
    if one.note:
        st.caption(escape(one.note[0].upper() + one.note[1:]))


def _row(one: Suggestions, place: Suggestion, count: int, lists: int, picks: int) -> None:
    item = place.item
    year = f" :gray[{item.year}]" if item.year else ""
    under = [escape(", ".join(item.genres[:3]))] if item.genres else []
    if lists > 1:
        under.append("only here" if count == 1 else f"in {count} of {lists}")
    why = _because(place, picks)
    lines = [" · ".join(under), f"because of {why[0]}" if why else ""]
    told = f" Because of {listed(why)}." if len(why) > 1 else ""
    with st.container(gap=None):
        st.button(
            f"{item_picker.tile(item)} **{escape(item.title)}**{year}",
            key=f"like.{one.key}.{item.id}",
            type="tertiary",
            on_click=item_picker.add,
            args=(item.id,),
            wrap=False,
            help=f"Pick {escape(item.label)} too.{told}",
        )
        st.caption("  \n".join(line for line in lines if line))


def _because(place: Suggestion, picks: int) -> list[str]:
    """Name the picks that speak for a suggestion, the strongest first, with their shares."""
    speak = [reason for reason in place.reasons if reason.share > 0]
    total = sum(reason.share for reason in speak)
    if picks < 2:
        return []
    return [f"{escape(_short(reason.pick.title))} {reason.share / total:.0%}" for reason in speak[:4]]


def _short(title: str, most: int = 26) -> str:
    return title if len(title) <= most else f"{title[: most - 1].rstrip()}…"


def _names(found: Sequence[Suggestions]) -> dict[str, str]:
    """Return what each list is called, by its key."""
    with_run = {one.run.id: one for one in found if one.run is not None}
    named = curve_panels.labels(
        [one.run for one in with_run.values() if one.run], {key: one.title for key, one in with_run.items()}
    )
    return {one.key: named.get(one.key, one.title) for one in found}


def _length(text: str) -> int:
    return min(50, max(3, int(text)))
