"""The map of items as an interactive Plotly chart: genres in colour, picks and recommendations marked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from recdash.reporting.genre_colours import genre_colour
from recdash.ui.charts import theme_colours

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recdash.services.item_map import ItemMap

SELECTION_MODES = ("lasso", "box", "points")  # for st.plotly_chart
CONFIG = {"displaylogo": False, "scrollZoom": False, "modeBarButtonsToRemove": ["autoScale2d"]}
MAX_POINTS = 3000
MAX_GENRES = 8  # with a colour and a symbol of their own
OTHER, UNKNOWN = "Other genres", "Genre unknown"
# One for each genre, because colours alone do not distinguish eight groups for everyone.
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "triangle-down", "hexagon2", "x")
OTHER_SYMBOL = "circle-open"
PICKED, RECOMMENDED = "Your picks", "Recommended"
HALO = {"light": "#ffffff", "dark": "#0f1217"}  # the page
GRID = {"light": "#eceff4", "dark": "#1f2630"}
_SMALLEST, _LARGEST = 4.0, 10.0  # diameter of the least and the most popular item, pixels
_HEIGHT = 600
_PADDING = 0.04  # of the axes, so that no marker is cut off


class MapFigure(NamedTuple):
    """A figure, and the ids of the items it shows; `customdata` of each point is its number in `ids`."""

    figure: Any
    ids: tuple[str, ...]


def item_map_figure(
    item_map: ItemMap,
    *,
    theme: str,
    picks: Sequence[str] = (),
    recommended: Sequence[str] = (),
    model: str = "",
    max_points: int = MAX_POINTS,
    revision: str = "",
    lasso: bool = True,
) -> MapFigure:
    """Return the map of the most popular items, with picks and recommendations wherever they are.

    Args:
        item_map: Items and positions, most popular first.
        theme: "light" or "dark".
        picks: Ids of the picks, marked with a star and their title. Ids that are not on the map are left out.
        recommended: Ids of one model's list, best first, marked with a ring and their rank.
        model: Title of that model, for the legend.
        max_points: Maximum number of items without a mark.
        lasso: Whether dragging draws a lasso; otherwise it scrolls the page, and the tool bar has the lasso.
        revision: Zoom and selection stay as long as this text stays; the run's id, for example.
    """
    import plotly.graph_objects as go  # lazy: plotly

    number_of = {item_id: number for number, item_id in enumerate(item_map.ids)}
    picked = [number_of[item_id] for item_id in picks if item_id in number_of]
    ranked = [(rank, number_of[item_id]) for rank, item_id in enumerate(recommended, 1) if item_id in number_of]
    shown = np.unique([*range(min(max_points, len(item_map))), *picked, *(number for _, number in ranked)])
    shown = shown.astype(np.int64)  # (points,) ascending, so popular items first
    sizes = _sizes(item_map.popularity)
    figure = go.Figure()
    for name, symbol, numbers in _groups(item_map.genres, shown):
        colour = _genre_colour(name, theme)
        figure.add_scattergl(
            **_points(item_map, numbers),
            mode="markers",
            name=_escaped(name),
            marker={
                "color": colour,
                "symbol": symbol,
                "size": sizes[numbers],
                "opacity": 0.8,
                "line": {"width": 0.5, "color": HALO[theme]} if symbol != OTHER_SYMBOL else {"width": 1.2},
            },
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 0.2}},
        )
    _mark_picked(figure, item_map, picked, theme)
    _mark_recommended(figure, item_map, ranked, model, theme)  # last, so that no label covers a rank
    figure.update_layout(**_layout(theme, revision, lasso), xaxis=_axis(item_map.x[shown], theme))
    figure.update_layout(yaxis=_axis(item_map.y[shown], theme))
    return MapFigure(figure, item_map.ids)


def selected_ids(event: Mapping[str, Any] | None, ids: Sequence[str]) -> list[str]:
    """Return the ids of the items selected by lasso, box or click, each once, in the order of the map.

    Args:
        event: What `st.plotly_chart(..., on_select="rerun")` returned.
        ids: `MapFigure.ids` of the figure that was shown.
    """
    selection = (event or {}).get("selection") or {}
    numbers = set()
    for point in selection.get("points") or ():
        value = point.get("customdata")
        while isinstance(value, list | tuple | Mapping) and value:  # Streamlit wraps single values in some versions
            value = next(iter(value.values() if isinstance(value, Mapping) else value))
        number = value
        if isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number < len(ids):
            numbers.add(int(number))
    return [ids[number] for number in sorted(numbers)]


def _groups(genres: Sequence[str], shown: NDArray[np.int64]) -> list[tuple[str, str, NDArray[np.int64]]]:
    """Return name, symbol and item numbers of each group, the drawn-over largest first.

    The genres with a group of their own are chosen among all items of the map, so that a filter changes no colour.
    """
    counts = Counter(genre for genre in genres if genre)
    leading = sorted(counts, key=lambda genre: (-counts[genre], genre))[:MAX_GENRES]
    members: dict[str, list[int]] = {name: [] for name in [OTHER, UNKNOWN, *leading]}
    for number in shown.tolist():
        genre = genres[number]
        members[genre if genre in leading else OTHER if genre else UNKNOWN].append(number)
    symbols = dict(zip(leading, SYMBOLS, strict=False))
    found = [(name, symbols.get(name, OTHER_SYMBOL), np.array(numbers)) for name, numbers in members.items() if numbers]
    return [*found[-len(leading) :], *found[: -len(leading)]] if leading else found


def _mark_recommended(
    figure: Any, item_map: ItemMap, ranked: Sequence[tuple[int, int]], model: str, theme: str
) -> None:
    if not ranked:
        return
    numbers = np.array([number for _, number in ranked])
    figure.add_scattergl(
        **_points(item_map, numbers, [f"No. {rank} of {model}" if model else f"No. {rank}" for rank, _ in ranked]),
        mode="markers",
        name=_escaped(f"{RECOMMENDED}: {model}" if model else RECOMMENDED),
        marker={"symbol": "circle-open", "size": 18, "color": theme_colours.TEXT[theme], "line": {"width": 2.4}},
        unselected={"marker": {"opacity": 0.6}},
    )
    for rank, number in ranked:
        figure.add_annotation(**_label(item_map, number, str(rank), theme), xshift=13, yshift=11)


def _mark_picked(figure: Any, item_map: ItemMap, picked: Sequence[int], theme: str) -> None:
    if not picked:
        return
    figure.add_scattergl(
        **_points(item_map, np.array(picked), ["One of your picks"] * len(picked)),
        mode="markers",
        name=PICKED,
        marker={
            "symbol": "star",
            "size": 20,
            "color": [_genre_colour(item_map.genres[number], theme) for number in picked],
            "line": {"width": 2, "color": theme_colours.TEXT[theme]},
        },
        unselected={"marker": {"opacity": 0.8}},
    )
    for number in picked:
        title = _shortened(item_map.titles[number])
        figure.add_annotation(**_label(item_map, number, title, theme), yshift=-19)


def _label(item_map: ItemMap, number: int, text: str, theme: str) -> dict[str, Any]:
    """Return an annotation, since text of a trace would lie below the points, which are drawn by WebGL."""
    return {
        "x": float(item_map.x[number]),
        "y": float(item_map.y[number]),
        "text": f"<b>{_escaped(text)}</b>",
        "showarrow": False,
        "font": {"size": 12, "color": theme_colours.TEXT[theme]},
        "bgcolor": HALO[theme],
        "opacity": 0.88,
        "borderpad": 1,
    }


def _points(item_map: ItemMap, numbers: NDArray[np.int64], notes: Collection[str] | None = None) -> dict[str, Any]:
    """Return positions, numbers and hover texts of some items."""
    lines = [_hover(item_map, number) for number in numbers.tolist()]
    if notes is not None:
        lines = [f"{line}<br>{_escaped(note)}" for line, note in zip(lines, notes, strict=True)]
    return {
        "x": item_map.x[numbers],
        "y": item_map.y[numbers],
        "customdata": numbers.tolist(),
        "hovertext": lines,
        "hoverinfo": "text",
    }


def _hover(item_map: ItemMap, number: int) -> str:
    year = item_map.years[number]
    facts = [str(year) if year is not None else "", item_map.genres[number]]
    facts.append(f"{int(item_map.popularity[number]):,} interactions in training")
    described = " · ".join(_escaped(fact) for fact in facts if fact)
    return f"<b>{_escaped(item_map.titles[number])}</b><br>{described}"


def _sizes(popularity: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return diameters in pixels, (items,): the area grows with the logarithm of popularity."""
    logs = np.log1p(popularity.astype(np.float64))
    span = max(float(np.ptp(logs)), 1e-9) if len(logs) else 1.0
    share = (logs - logs.min()) / span if len(logs) else logs
    sizes: NDArray[np.float64] = np.sqrt(_SMALLEST**2 + share * (_LARGEST**2 - _SMALLEST**2))
    return sizes


def _genre_colour(genre: str, theme: str) -> str:
    if genre in (OTHER, UNKNOWN, ""):
        return theme_colours.MUTED[theme]
    colours = genre_colour(genre)
    return colours.light if theme == "light" else colours.dark


def _axis(values: NDArray[np.float32], theme: str) -> dict[str, Any]:
    """Return an axis that shows all points, without numbers, since only distances have a meaning."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (-1.0, 1.0)
    pad = max(_PADDING * (high - low), 1e-3)
    return {
        "range": [low - pad, high + pad],
        "showticklabels": False,
        "ticks": "",
        "gridcolor": GRID[theme],
        "zeroline": False,
        "dtick": 0.25,
    }


def _layout(theme: str, revision: str, lasso: bool) -> dict[str, Any]:
    return {
        "height": _HEIGHT,
        "margin": {"l": 4, "r": 4, "t": 8, "b": 4},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": theme_colours.TEXT[theme]},
        "dragmode": "lasso" if lasso else False,
        "hovermode": "closest",
        "clickmode": "event+select",
        "uirevision": f"item-map-{revision}",
        "selectionrevision": f"item-map-{revision}",
        "legend": {
            "orientation": "h",
            "yanchor": "top",
            "y": -0.01,
            "x": 0,
            "itemsizing": "constant",
            "font": {"color": theme_colours.TEXT[theme]},
        },
        "modebar": {
            "bgcolor": "rgba(0,0,0,0)",
            "color": theme_colours.MUTED[theme],
            "activecolor": theme_colours.TEXT[theme],
        },
        "hoverlabel": {"align": "left", "bgcolor": HALO[theme], "font": {"color": theme_colours.TEXT[theme]}},
    }


def _shortened(title: str, length: int = 26) -> str:
    return title if len(title) <= length else title[: length - 1].rstrip() + "…"


def _escaped(text: str) -> str:
    """Escape text for Plotly, which interprets some HTML, fields in braces and, with MathJax, dollar signs."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("%{", "%&#123;").replace("$", "&#36;")
