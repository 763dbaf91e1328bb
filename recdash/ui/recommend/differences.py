"""How the lists differ: overlap, what one list alone has, popularity and novelty, and what all agree on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.recommend.list_comparison import PERSISTENCE, ListProfile, compare_lists
from recdash.reporting.formatting import escape
from recdash.runs.run_colours import PALETTE
from recdash.ui.charts import theme_colours
from recdash.ui.recommend import queries
from recdash.ui.recommend.lists_view import can_compare, names

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from recdash.services.recommend import Recommendations

OVERLAP_HELP = (
    f"Rank-biased overlap (Webber, Moffat and Zobel, 2010), persistence {PERSISTENCE:g}: 1 for equal lists, 0 for "
    "lists without a common item; the first ranks count most."
)
_PROFILE_FORMATS: dict[Any, Any] = {
    "Interactions per item": "{:,.0f}",
    "Popularity percentile": "{:.1f}",
    "Novelty (bits)": "{:.2f}",
}
_MOST_NAMED = 6


def draw(answer: Recommendations) -> None:
    """Draw the comparison of all lists with items."""
    if not can_compare(answer, "compare their lists", ":material/compare_arrows:"):
        return
    labels = names(answer)
    lists = {labels[one.key]: [ranked.item for ranked in one.items] for one in answer.lists if one.items}
    found = compare_lists(lists, queries.item_popularity(answer.dataset))
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Rank-biased overlap**", help=OVERLAP_HELP)
        _matrix(found.overlap, found.names, "overlap", "{:.2f}", "Rank-biased overlap of each pair of lists")
    with right:
        longest = max(map(len, lists.values()))
        st.markdown(f"**Shared items** :gray[out of {longest}]")
        _matrix(
            found.shared / longest,
            found.names,
            "shared",
            "{:.0f}",
            "Number of items that each pair of lists shares",
            longest,
        )
    st.markdown("**Popularity and novelty**", help="Means over the items of each list.")
    styled = _profiles(found.profiles).style.format(_PROFILE_FORMATS)
    st.dataframe(styled, width="stretch", key="profiles", alt="Popularity and novelty of each list")
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**In every list**")
        st.markdown(_titles([item.label for item in found.in_all]))
    with right:
        st.markdown("**In one list only**")
        for name in found.names:
            st.markdown(f"**{escape(name)}** {_titles([item.label for item in found.only_in[name]])}")


def _matrix(values: NDArray[Any], labels: tuple[str, ...], key: str, form: str, alt: str, factor: float = 1) -> None:
    import pandas as pd  # lazy: pandas

    table = pd.DataFrame(values, index=pd.Index(labels, name="List"), columns=labels)
    shaded = (
        (table * factor)
        .style.format(form)
        .apply(
            lambda row: [
                f"background-color: {theme_colours.background(PALETTE[0], 0.5 * value / factor)}" for value in row
            ],
            axis=1,
        )
    )
    st.dataframe(shaded, width="stretch", key=key, alt=alt)


def _profiles(profiles: Mapping[str, ListProfile]) -> pd.DataFrame:
    import pandas as pd  # lazy: pandas

    rows = {
        name: {
            "Interactions per item": profile.mean_count,
            "Popularity percentile": 100 * profile.mean_percentile,
            "Novelty (bits)": profile.novelty,
        }
        for name, profile in profiles.items()
    }
    return (
        pd.DataFrame.from_dict(rows, orient="index")
        .rename_axis("List")
        .round({"Interactions per item": 0, "Popularity percentile": 1, "Novelty (bits)": 2})
    )


def _titles(labels: list[str]) -> str:
    more = f" :gray[and {len(labels) - _MOST_NAMED} more]" if len(labels) > _MOST_NAMED else ""
    return (", ".join(escape(label) for label in labels[:_MOST_NAMED]) or ":gray[none]") + more
