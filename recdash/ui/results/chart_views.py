"""The views below the results table; one at a time, named in the URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from recdash.analysis import reference_figures
from recdash.ui import layout, url_state
from recdash.ui.charts import result_charts
from recdash.ui.results import seed_views, source_views, table_options

if TYPE_CHECKING:
    from recdash.analysis.groups import Group

VIEWS = {
    "cost": "Cost",
    "intervals": "Intervals",
    "slices": "Users and items",
    "variety": "Coverage and novelty",
    "parallel": "Parallel coordinates",
    "seeds": "Seeds",
    "stability": "List stability",
    "published": "Published figures",
    "protocol": "Protocol",
}


@layout.with_error_boundary
def draw(group: Group, groups: Sequence[Group]) -> None:
    """Draw the selector of views and the chosen one; a fragment.

    Args:
        group: The runs shown.
        groups: All tables, for means over split seeds.
    """
    columns = table_options.chosen_metrics(group)
    offered = [name for name in VIEWS if _has_content(name, group)]
    chosen = st.segmented_control(
        "View",
        offered,
        required=True,
        format_func=VIEWS.__getitem__,
        **url_state.bind("chart", offered[0], options=offered),
    )
    views: Mapping[str, Callable[[], None]] = {
        "cost": partial(result_charts.draw_cost, group),
        "intervals": partial(result_charts.draw_intervals, group),
        "slices": partial(result_charts.draw_slices, group),
        "variety": partial(result_charts.draw_variety, group),
        "parallel": partial(result_charts.draw_parallel, group),
        "seeds": partial(seed_views.draw_seeds, group, groups, columns),
        "stability": partial(seed_views.draw_stability, group),
        "published": partial(source_views.draw_published, group, columns),
        "protocol": partial(source_views.draw_protocol, group),
    }
    with st.container(key=f"view.{chosen}", gap="small"):
        views[str(chosen)]()


def _has_content(view: str, group: Group) -> bool:
    if view == "variety":
        return bool(result_charts.list_metrics(group))
    if view == "published":
        return bool(reference_figures.for_group(group, [group.primary]))
    return view != "stability" or group.task == "ranking"
