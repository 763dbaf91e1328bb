"""Lists side by side or merged, with the epoch slider."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.analysis.run_labels import model_title, run_labels
from recdash.recommend.merged_list import merge_lists
from recdash.recommend.ranked_list import ListOptions
from recdash.recommend.taste import Mark
from recdash.reporting.formatting import escape, plural
from recdash.runs.run_colours import colour_of
from recdash.ui import glossary, url_state
from recdash.ui.charts import theme_colours
from recdash.ui.components import component
from recdash.ui.recommend import details, queries, taste_state
from recdash.ui.recommend.choice import Choice
from recdash.ui.recommend.item_view import item_view

if TYPE_CHECKING:
    from recdash.recommend.taste_history import Entries
    from recdash.services.recommend import RankedItem, RecommendationList, Recommendations
    from recdash.services.runs import RunRecord

EPOCH = "epoch"  # URL parameter: RUN:EPOCH of each list that does not show the best epoch
_DRAGGED = "_sliders"  # runs whose slider was touched: their lists of all epochs are in the page
_UNTRAINED_COLOUR = "#757304"
_REASONS = {"contribution": "because of {}", "score drop": "leave-one-out: {}"}
REASON_HELP = {
    "contribution": "The score is a sum of one weight per pick; percentages are exact shares of its positive part.",
    "score drop": "Leave-one-out: each pick was left out in turn; percentages are shares of all drops of the score.",
    "": "",
}


def chosen_epochs(choice: Choice) -> dict[str, int]:
    """Return the epoch of each list that shows another than the best, from the URL."""
    chosen = {}
    for text in url_state.value_list(EPOCH):
        run_id, _, epoch = text.partition(":")
        run = next((run for run in choice.runs if run.id == run_id), None)
        earlier = {} if run is None else {str(one): one for one in queries.snapshot_epochs(run)[:-1]}
        if epoch in earlier:
            chosen[run_id] = earlier[epoch]
    return chosen


@dataclass(frozen=True)
class ShownLists:
    """The lists on the page, and what their rows are marked with.

    Attributes:
        choice: What the visitor chose.
        answer: The lists.
        entries: The taste that they answer.
        marks: The visitor's marks now, which may differ until the lists are updated.
        hits: Ids of the held-out items of a test user.
    """

    choice: Choice
    answer: Recommendations
    entries: Entries
    marks: Mapping[str, Mark]
    hits: Collection[str] = ()


def draw(shown: ShownLists) -> None:
    """Draw the lists side by side."""
    _mount_side_by_side(shown, "lists")


def draw_by_epoch(dataset: str, runs: Sequence[RunRecord], entries: Entries) -> None:
    """Draw the lists of runs with their epoch sliders, outside the Recommend page."""
    choice = Choice(dataset, tuple(runs), tuple(runs), "lists", ListOptions(), "cpu")
    answer = queries.recommendations(dataset, entries, runs, choice.lists, choice.device, chosen_epochs(choice))
    _mount_side_by_side(ShownLists(choice, answer, entries, dict(entries)), "epochs")


def draw_merged(shown: ShownLists) -> None:
    """Draw one ranked column of all lists, with a dot per model."""
    labels = names(shown.answer)
    full = [one for one in shown.answer.lists if one.items]
    by_label = {labels[one.key]: [ranked.item for ranked in one.items] for one in full}
    colours = {labels[one.key]: colour(one) for one in full}
    rows = []
    for merged in merge_lists(by_label, limit=2 * max(map(len, by_label.values()), default=0)):
        dots = [
            {
                "title": f"{label}: {f'rank {rank}' if rank else 'not in its list'}",
                "rank": str(rank or ""),
                "colour": [colours[label]] * 2,
            }
            for label, rank in merged.ranks.items()
        ]
        rows.append(
            {
                **item_view(merged.item, shown.marks.get(merged.item.id)),
                "rank": merged.rank,
                "dots": dots,
                "hit": merged.item.id in shown.hits,
                "highlight": merged.is_disputed,
            }
        )
    about = (
        "Reciprocal rank fusion. Each dot is a model, with its rank; a bar at the left marks items that are high in "
        "one list and far lower or absent in another."
    )
    one = {"key": "merged", "title": "All lists, merged", "subtitle": about, "tip": "", "items": rows}
    st.markdown(
        "   ".join(f"{theme_colours.dot(one.key) if one.run else '●'} {escape(labels[one.key])}" for one in full)
    )
    _mount(shown.choice.dataset, "merged", [one], shown.marks, shown.entries)


def draw_plain(
    dataset: str,
    key: str,
    shown: Sequence[tuple[str, RecommendationList]],
    marks: Mapping[str, Mark],
    entries: Entries,
) -> None:
    """Draw lists with given names and nothing that betrays their model, for the blind comparison."""
    lists = [
        {
            "key": name,
            "title": name,
            "subtitle": plural(len(one.items), "item"),
            "tip": "",
            "items": [
                {**item_view(ranked.item, marks.get(ranked.item.id)), "rank": ranked.rank, "dots": []}
                for ranked in one.items
            ],
        }
        for name, one in shown
    ]
    _mount(dataset, key, lists, marks, entries)


def names(answer: Recommendations) -> dict[str, str]:
    """Return the name of each list by its key."""
    named = run_labels([one.run for one in answer.lists if one.run is not None])
    return {one.key: named.get(one.key, one.title) for one in answer.lists}


def can_compare(answer: Recommendations, purpose: str, icon: str) -> bool:
    """Whether two lists have items; if not, say what to do."""
    if sum(bool(one.items) for one in answer.lists) > 1:
        return True
    select = f"Select at least two models to {purpose}."
    empty = "Fewer than two lists have an item. Widen the filters under Options."
    st.info(empty if len(answer.lists) > 1 else select, icon=icon)
    return False


def titles(runs: Sequence[RunRecord]) -> list[str]:
    """Return the titles of the runs' models."""
    return [model_title(run) for run in runs]


def because(ranked: RankedItem, kind: str, n_picks: int, most: int = 2) -> str:
    """Return the picks behind an item with their shares, largest first; "" with fewer than two picks."""
    reasons = ranked.because
    if n_picks < 2 or not reasons:
        return ""
    total = sum(reason.share for reason in reasons)
    text = ", ".join(f"{reason.pick.title} {reason.share / total:.0%}" for reason in reasons[:most])
    return _REASONS[kind].format(text)


def _mount(dataset: str, key: str, shown: list[dict[str, Any]], marks: Mapping[str, Mark], entries: Entries) -> None:
    changed = taste_state.n_changes(entries, marks)
    data = {
        "label": "Recommendations",
        "lists": shown,
        "merged": key == "merged",
        "changes": f"{plural(changed, 'change')} to your picks since these lists were made." if changed else "",
        "version": repr(entries),
    }

    def handle(action: dict[str, Any]) -> None:
        kind, run_id = action.get("kind"), str(action.get("list", ""))
        if kind == "details":
            details.request(str(action.get("id", "")))
        elif kind == "update":
            taste_state.update_lists()
        elif kind == "epochs":
            st.session_state[_DRAGGED] = {*st.session_state.get(_DRAGGED, ()), run_id}
        elif kind == "epoch":
            _set_epoch(run_id, action.get("epoch"))
        else:
            taste_state.act(dataset, action)

    component.mount("ranked_lists", f"ranked_lists.{key}", data, handle)


def _set_epoch(run_id: str, epoch: Any) -> None:
    """Write the epoch of a list to the URL, or nothing for the best epoch, which a list shows without it."""
    others = [text for text in url_state.value_list(EPOCH) if text.partition(":")[0] != run_id]
    url_state.set_value(EPOCH, [*others, f"{run_id}:{epoch}"] if isinstance(epoch, int) else others)


def _mount_side_by_side(shown: ShownLists, key: str) -> None:
    labels, epochs = names(shown.answer), chosen_epochs(shown.choice)
    columns = [_column(shown, one, labels[one.key], epochs) for one in shown.answer.lists]
    _mount(shown.choice.dataset, key, columns, shown.marks, shown.entries)


def _column(shown: ShownLists, one: RecommendationList, name: str, epochs: Mapping[str, int]) -> dict[str, Any]:
    run, reasons = one.run, REASON_HELP[one.reason_kind]
    if run is None:
        subtitle, tip = "fitted on demand", reasons
    else:
        quality = f"{glossary.quality(run.validation)} on validation. " if run.validation else ""
        remarks = "".join(f"{remark[0].upper()}{remark[1:]}. " for remark in run.remarks)
        subtitle = f"{run.protocol}, split seed {run.split_seed}"
        tip = f"{run.name}, run {run.id}, preset {run.preset}, seed {run.seed}. {quality}{remarks}{reasons}"
    n_found = sum(ranked.item.id in shown.hits for ranked in one.items)
    found = f"{n_found} of {len(shown.hits)} held-out items in this list." if shown.hits else ""
    return {
        "key": one.key,
        "title": name,
        "subtitle": subtitle,
        "tip": tip,
        "reading": one.reads,
        "note": " ".join(filter(None, [found, _sentence("" if run is None else run.warning), _sentence(one.note)])),
        "colour": [colour(one)] * 2,
        "items": [_row(shown, one, ranked) for ranked in one.items],
        "slider": None if run is None else _slider(shown, run, epochs),
    }


def _slider(shown: ShownLists, run: RunRecord, epochs: Mapping[str, int]) -> dict[str, Any] | None:
    """Return the epochs of a run's slider, and once it was touched the lists of all of them."""
    offered = queries.snapshot_epochs(run)
    if len(offered) < 2:
        return None
    lists = None
    if run.id in st.session_state.get(_DRAGGED, ()):
        choice = shown.choice
        plain = replace(choice.lists, reasons=False)
        lists = {}
        for epoch in offered:
            at_epoch = queries.recommendations(
                choice.dataset, shown.entries, [run], plain, choice.device, {run.id: epoch}
            ).lists[0]
            lists[str(epoch)] = [_row(shown, at_epoch, ranked) for ranked in at_epoch.items]
    return {"epochs": offered, "epoch": epochs.get(run.id, offered[-1]), "lists": lists}


def _row(shown: ShownLists, one: RecommendationList, ranked: RankedItem) -> dict[str, Any]:
    scale = one.scale
    return {
        **item_view(ranked.item, shown.marks.get(ranked.item.id)),
        "rank": ranked.rank,
        "bar": ranked.bar,
        "score": ranked.score_text + (" ★" if scale is not None and scale.name == "stars" else ""),
        "scoreTip": scale.about if scale is not None else "",
        "because": because(ranked, one.reason_kind, len(shown.entries)),
        "hit": ranked.item.id in shown.hits,
    }


def colour(one: RecommendationList) -> str:
    """Return the colour of a list's run."""
    return _UNTRAINED_COLOUR if one.run is None else colour_of(one.run.id)


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:]}".removesuffix(".") + "." if note else ""
