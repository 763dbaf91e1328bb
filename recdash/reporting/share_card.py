"""A picture to share, "My five films, three models": picks and the lists of some models as a PNG, without a network."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from PIL import Image, ImageDraw

from recdash.data.items import Item
from recdash.errors import UsageError
from recdash.reporting import card_fonts
from recdash.reporting.card_fonts import BOLD, REGULAR, SEMIBOLD, Font
from recdash.reporting.genre_colours import ThemeColours, genre_colour, primary_genre, tile_style
from recdash.reporting.tile_motifs import draw_motif

SIZE = (1200, 630)  # the size that link previews are cut to
MAX_PICKS, MAX_LISTS, MAX_RANKS = 5, 3, 5
FOOTER = "made with recdash"
MISSING_NOTE = f"{card_fonts.MISSING} = no font on this computer has the character"
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_SMOOTH = 2  # everything is drawn in twice the size and reduced, which spaces small letters evenly
_MARGIN, _GAP = 48, 16
_TILES_TOP, _TILES_HEIGHT = 126, 176
_LISTS_TOP, _LISTS_HEIGHT = 322, 246
_ROW = 36  # height of a row of a list
_LOCK = threading.Lock()  # fonts are shared and not made for several threads
Box = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True)
class CardList:
    """One model's list: its title, its items, best first, and its colour as #rrggbb (the run's, for example)."""

    title: str
    items: tuple[Item, ...]
    colour: str = "#2d69de"


@dataclass(frozen=True)
class _Colours:
    page: str
    panel: str
    line: str
    text: str
    muted: str


_THEMES: dict[str, _Colours] = {
    "light": _Colours("#ffffff", "#f5f6f9", "#e4e7ed", "#1b2130", "#5b6475"),
    "dark": _Colours("#0f1217", "#191e26", "#2b323e", "#e7eaf0", "#a5aebd"),
}


def draw(
    picks: Sequence[Item],
    lists: Sequence[CardList],
    dataset: str,
    *,
    day: date,
    theme: str = "light",
    nouns: tuple[str, str] = ("film", "films"),
) -> bytes:
    """Return the card as a PNG of 1200 x 630 pixels; the same input gives the same bytes on the same computer.

    Args:
        picks: The picks, in order; five are drawn, the others counted.
        lists: Lists of the models; three are drawn with their first five items, the others counted.
        dataset: Name of the dataset.
        day: Date on the card.
        theme: "light" or "dark".
        nouns: The dataset's word for its items, singular and plural.

    Raises:
        UsageError: There are no picks or no lists, or the theme is unknown.
    """
    if not picks or not lists:
        lacking = "picks" if not picks else "lists of models"
        raise UsageError(f"The card has no {lacking}. Give at least one.")
    if theme not in _THEMES:
        raise UsageError(f"The theme {theme!r} is unknown. Choose one of: {', '.join(_THEMES)}.")
    with _LOCK:
        card = _Card(_THEMES[theme], theme)
        headline = f"My {_count(len(picks), nouns)}, {_count(len(lists), ('model', 'models'))}"
        card.header(headline, dataset, f"{day.day} {day:%B %Y}")
        card.tiles(picks[:MAX_PICKS])
        card.lists(lists[:MAX_LISTS])
        card.footer([_more(len(picks) - MAX_PICKS, nouns), _more(len(lists) - MAX_LISTS, ("model", "models"))])
        return card.png()


class _Card:
    """The canvas. Positions and sizes are pixels of the finished card; texts are drawn last, over all shapes."""

    def __init__(self, colours: _Colours, theme: str) -> None:
        self._colours, self._theme = colours, theme
        self._canvas = Image.new("RGB", (SIZE[0] * _SMOOTH, SIZE[1] * _SMOOTH), colours.page)
        self._texts: list[tuple[float, float, str, Font, str]] = []
        self._incomplete = False

    def header(self, headline: str, dataset: str, day: str) -> None:
        """Write the headline, the dataset and the date."""
        self._text(_MARGIN, 84, headline, _font(46, BOLD), self._colours.text)
        self._text(SIZE[0] - _MARGIN, 64, dataset, _font(20, SEMIBOLD), self._colours.text, room=300, right=True)
        self._text(SIZE[0] - _MARGIN, 90, day, _font(18, REGULAR), self._colours.muted, room=300, right=True)

    def tiles(self, picks: Sequence[Item]) -> None:
        """Draw a tile for each pick, side by side."""
        for box, item in zip(_columns(len(picks), _TILES_TOP, _TILES_HEIGHT), picks, strict=True):
            self._tile(box, item)

    def lists(self, lists: Sequence[CardList]) -> None:
        """Draw a panel for each list."""
        for box, one in zip(_columns(len(lists), _LISTS_TOP, _LISTS_HEIGHT), lists, strict=True):
            self._list(box, one)

    def footer(self, more: Sequence[str]) -> None:
        """Write what is not on the card, and where it was made."""
        self._text(SIZE[0] - _MARGIN, 604, FOOTER, _font(18, SEMIBOLD), self._colours.muted, right=True)
        notes = [*more, MISSING_NOTE if self._incomplete else ""]
        self._text(_MARGIN, 604, " · ".join(filter(None, notes)), _font(18, REGULAR), self._colours.muted)

    def png(self) -> bytes:
        """Return the card as PNG."""
        draw = ImageDraw.Draw(self._canvas)
        for x, baseline, text, main, colour in self._texts:
            place = x * _SMOOTH
            for run in card_fonts.runs(text, main):
                draw.text((place, baseline * _SMOOTH), run.text, fill=colour, font=run.font, anchor="ls")
                place += run.font.getlength(run.text)
        content = io.BytesIO()
        self._canvas.resize(SIZE, Image.Resampling.LANCZOS).save(content, "PNG", optimize=True)
        return content.getvalue()

    def _tile(self, box: Box, item: Item) -> None:
        left, top, right, bottom = box
        style = tile_style(item)
        colours = style.light if self._theme == "light" else style.dark
        size = ((right - left) * _SMOOTH, (bottom - top) * _SMOOTH)
        picture = draw_motif(style.motif, size, colours.background, colours.accent)
        mask = Image.new("L", size, 0)
        ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), radius=14 * _SMOOTH, fill=255)
        self._canvas.paste(picture, (left * _SMOOTH, top * _SMOOTH), mask)
        room = right - left - 32
        facts = " · ".join(filter(None, (str(item.year) if item.year is not None else "", style.genre)))
        self._text(left + 16, bottom - 16, facts, _font(16, REGULAR), colours.text, room)
        title = _font(22, BOLD)
        lines = card_fonts.wrapped(self._drawable(item.title), title, room * _SMOOTH, 3)
        lowest = bottom - (44 if facts else 20)
        for number, line in enumerate(reversed(lines)):
            self._text(left + 16, lowest - 25 * number, line, title, colours.text, room)

    def _list(self, box: Box, one: CardList) -> None:
        left, top, right, _ = box
        self._rounded(box, self._colours.panel, self._colours.line)
        self._rounded((left + 18, top + 18, left + 24, top + 42), one.colour)
        self._text(left + 36, top + 38, one.title, _font(22, BOLD), self._colours.text, right - left - 56)
        for number, item in enumerate(one.items[:MAX_RANKS]):
            self._row(box, top + 74 + _ROW * number, number + 1, item)
        if not one.items:
            self._text(left + 18, top + 74, "no list for these picks", _font(18, REGULAR), self._colours.muted)

    def _row(self, box: Box, baseline: int, rank: int, item: Item) -> None:
        left, _, right, _ = box
        colours: ThemeColours = genre_colour(primary_genre(item.genres))
        chip = colours.light if self._theme == "light" else colours.dark
        self._text(left + 18, baseline, str(rank), _font(18, SEMIBOLD), self._colours.muted)
        self._rounded((left + 38, baseline - 12, left + 48, baseline - 2), chip, radius=3)
        year = "" if item.year is None else str(item.year)
        end = right - 18 - (_font(16, REGULAR).getlength(year) / _SMOOTH + 12 if year else 0)
        self._text(left + 58, baseline, item.title, _font(19, REGULAR), self._colours.text, end - left - 58)
        self._text(right - 18, baseline, year, _font(16, REGULAR), self._colours.muted, right=True)

    def _rounded(self, box: Box, fill: str, outline: str | None = None, radius: int = 14) -> None:
        left, top, right, bottom = (side * _SMOOTH for side in box)
        radius = min(radius, (box[2] - box[0]) // 2) * _SMOOTH
        draw = ImageDraw.Draw(self._canvas)
        draw.rounded_rectangle((left, top, right - 1, bottom - 1), radius, fill=fill, outline=outline, width=_SMOOTH)

    def _text(
        self,
        x: float,
        baseline: float,
        text: str,
        main: Font,
        colour: str,
        room: float = SIZE[0],
        *,
        right: bool = False,
    ) -> None:
        """Write a text from x, or up to x, shortened to so many pixels."""
        shown = card_fonts.ellipsised(self._drawable(text), main, room * _SMOOTH)
        start = x - card_fonts.width(shown, main) / _SMOOTH if right else x
        self._texts.append((start, baseline, shown, main, colour))

    def _drawable(self, text: str) -> str:
        shown = card_fonts.drawable(text)
        self._incomplete |= shown.count(card_fonts.MISSING) > text.count(card_fonts.MISSING)
        return shown


def _font(size: int, weight: int) -> Font:
    return card_fonts.font(size * _SMOOTH, weight)


def _columns(count: int, top: int, height: int) -> list[Box]:
    """Return boxes side by side over the width of the card."""
    width = (SIZE[0] - 2 * _MARGIN - (count - 1) * _GAP) / count
    starts = [_MARGIN + number * (width + _GAP) for number in range(count)]
    return [(round(start), top, round(start + width), top + height) for start in starts]


def _count(number: int, nouns: tuple[str, str]) -> str:
    """Return "five films", "13 films", or "film" for a single one of the reader's own."""
    word = _NUMBERS[number] if number < len(_NUMBERS) else str(number)
    return f"{word} {nouns[number != 1]}"


def _more(number: int, nouns: tuple[str, str]) -> str:
    return "" if number <= 0 else f"and {number} more {nouns[number != 1]}"
