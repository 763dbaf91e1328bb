"""The chart of the map: what is shown, what is marked, and which items a selection names."""

from __future__ import annotations

import json

import numpy as np
import pytest

from recdash.services.item_map import ItemMap
from recdash.ui.charts import item_map_chart as chart

GENRES = ("Drama", "Comedy", "Action", "Horror", "Sci-Fi", "War", "Crime", "Musical", "Western", "Mystery", "")


def item_map(n: int = 200, **changes: object) -> ItemMap:
    rng = np.random.default_rng(0)
    values: dict[str, object] = {
        "ids": tuple(f"i{number}" for number in range(n)),
        "x": rng.uniform(-1, 1, n).astype(np.float32),
        "y": rng.uniform(-1, 1, n).astype(np.float32),
        "titles": tuple(f"Film {number}" for number in range(n)),
        "years": tuple(None if number % 7 == 0 else 1930 + number % 80 for number in range(n)),
        "genres": tuple(GENRES[number % len(GENRES) if number % 3 else number % 2] for number in range(n)),
        "popularity": np.arange(n, 0, -1),
    }
    return ItemMap(**{**values, **changes})  # type: ignore[arg-type]


def traces(figure) -> dict[str, object]:
    return {trace.name: trace for trace in figure.data}


def test_each_genre_has_a_colour_and_a_symbol_of_its_own_and_the_rest_is_one_group() -> None:
    figure = chart.item_map_figure(item_map(), theme="light").figure
    named = [trace for trace in figure.data if trace.name not in (chart.OTHER, chart.UNKNOWN)]
    assert len(named) == 8 and {chart.OTHER, chart.UNKNOWN} <= set(traces(figure))
    assert len({trace.marker.color for trace in named}) == len({trace.marker.symbol for trace in named}) == 8
    assert named[0].name == "Comedy" and all(trace.type == "scattergl" for trace in figure.data)
    shown = sorted(number for trace in figure.data for number in trace.customdata)
    assert shown == list(range(200))


def test_only_popular_items_are_shown_but_marked_items_always() -> None:
    picks, recommended = ["i150", "unknown"], ["i199", "i3"]
    shown = chart.item_map_figure(
        item_map(), theme="dark", picks=picks, recommended=recommended, model="EASE", max_points=20
    )
    by_name = traces(shown.figure)
    marks = {chart.PICKED, f"{chart.RECOMMENDED}: EASE"}
    plain = sorted(n for name, trace in by_name.items() if name not in marks for n in trace.customdata)
    assert plain == [*range(20), 150, 199]
    assert list(by_name[chart.PICKED].customdata) == [150] and by_name[chart.PICKED].marker.symbol == "star"
    assert list(by_name[f"{chart.RECOMMENDED}: EASE"].customdata) == [199, 3]
    texts = [note.text for note in shown.figure.layout.annotations]
    assert texts == ["<b>Film 150</b>", "<b>1</b>", "<b>2</b>"]


def test_titles_are_shown_as_written() -> None:
    titles = ["<b>x</b>", "M*A*S*H", "$1,000,000 Duck & $2", "a %{x} b", "[x](javascript:1)"]
    some = item_map(5, titles=tuple(titles), genres=("<i>g</i>",) * 5)
    figure = chart.item_map_figure(some, theme="light", picks=some.ids, recommended=some.ids, model="<u>m</u>").figure
    text = json.dumps(figure.to_dict(), default=str)
    for dangerous in ("<b>x", "<i>", "<u>", "%{x}", "$1"):
        assert dangerous not in text
    assert "&lt;b&gt;x&lt;/b&gt;" in text and "M*A*S*H" in text and "&#36;1,000,000 Duck &amp; &#36;2" in text


def test_a_new_list_changes_neither_zoom_nor_the_colours_of_genres() -> None:
    one = chart.item_map_figure(item_map(), theme="light", revision="r1").figure
    other = chart.item_map_figure(item_map(), theme="light", revision="r1", picks=["i9"], max_points=30).figure
    assert one.layout.uirevision == other.layout.uirevision != chart.item_map_figure(item_map(), theme="light").figure
    assert one.layout.dragmode == "lasso"
    before, after = traces(one), traces(other)
    for name in set(before) & set(after):
        assert (before[name].marker.color, before[name].marker.symbol) == (
            after[name].marker.color,
            after[name].marker.symbol,
        )
    assert len(set(before) & set(after)) > 5


@pytest.mark.parametrize("wrap", [lambda n: n, lambda n: [n], lambda n: {"0": n}, lambda n: float(n)])
def test_a_selection_gives_each_item_once_in_the_order_of_the_map(wrap) -> None:
    event = {"selection": {"points": [{"customdata": wrap(number)} for number in (5, 2, 5)], "lasso": []}}
    assert chart.selected_ids(event, item_map().ids) == ["i2", "i5"]


@pytest.mark.parametrize(
    "event",
    [None, {}, {"selection": None}, {"selection": {"points": []}}, {"selection": {"points": [{}]}}]
    + [{"selection": {"points": [{"customdata": odd}]}} for odd in (-1, 10**9, "3", None, True, [], {}, float("nan"))],
)
def test_no_selection_and_foreign_points_give_nothing(event) -> None:
    assert chart.selected_ids(event, item_map(4).ids) == []


def test_an_empty_map_and_a_single_item_are_drawn() -> None:
    assert not chart.item_map_figure(item_map(0), theme="light").figure.data
    assert len(chart.item_map_figure(item_map(1), theme="dark", picks=["i0"]).figure.data) == 2
