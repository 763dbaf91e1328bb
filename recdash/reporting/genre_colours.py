"""Colours of genres, motifs of decades and the tile of an item: a picture made from genre, year and title."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from recdash.data.items import Item

MIN_CONTRAST = 4.5  # of text, WCAG 2.2 level AA
WHITE, NEAR_BLACK = "#ffffff", "#10141b"
LIGHT_PAGE, DARK_PAGE = "#f5f6f9", "#191e26"  # the less contrasting of the two page backgrounds of each theme
NO_GENRE_COLOUR = (0.02, 262.0, 6.0)  # grey
# (chroma, hue in degrees, contrast with the page) in OKLCH. Those of the eight most common genres were searched for the
# largest smallest distance to readers with and without all cones; some differ in lightness rather than in hue.
GENRES: dict[str, tuple[float, float, float]] = {
    "action": (0.18, 25, 9.8),
    "adventure": (0.12, 175, 4.7),
    "animation": (0.15, 128, 4.8),
    "children's": (0.15, 62, 4.8),
    "children": (0.15, 62, 4.8),
    "comedy": (0.13, 75, 4.7),
    "crime": (0.10, 55, 7.2),
    "documentary": (0.04, 230, 7.2),
    "drama": (0.16, 270, 4.7),
    "family": (0.14, 70, 5.0),
    "fantasy": (0.18, 305, 5.4),
    "film-noir": (0.02, 280, 11.0),
    "history": (0.09, 70, 8.0),
    "horror": (0.16, 335, 4.7),
    "imax": (0.10, 235, 6.0),
    "music": (0.20, 340, 5.0),
    "musical": (0.20, 340, 5.0),
    "mystery": (0.14, 290, 8.6),
    "romance": (0.20, 5, 4.8),
    "sci-fi": (0.12, 220, 6.2),
    "science fiction": (0.12, 220, 6.2),
    "thriller": (0.08, 200, 9.8),
    "war": (0.08, 115, 7.2),
    "western": (0.11, 45, 5.2),
}
_OLDEST, _NEWEST = 1920, 2010  # colours of tiles fade towards sepia between these decades
_SEPIA_HUE = 75.0
_FADED = 0.45  # share of the chroma that the oldest tiles lose
_HUE_RANGE = 18.0  # degrees around the hue of the genre, so that two tiles of one genre and decade differ
_ACCENT_LIGHTER = 0.09  # OKLCH lightness between the background of a tile and its motif
_DARK_TILE_LIGHTNESS = 0.05  # how much darker tiles are in the dark theme
# First year of each motif, a drawing habit of its time.
MOTIFS: tuple[tuple[int, str], ...] = (
    (0, "iris"),
    (1930, "fan"),
    (1950, "starburst"),
    (1960, "waves"),
    (1970, "stripes"),
    (1980, "grid"),
    (1990, "blocks"),
    (2000, "dots"),
    (2010, "rings"),
)
NO_YEAR_MOTIF = "plain"
_SMALL_WORDS = {"the", "a", "an", "of", "and", "in", "on", "to", "for", "la", "le", "les", "el", "der", "die", "das"}


class ThemeColours(NamedTuple):
    """A colour for the light and one for the dark theme, as #rrggbb."""

    light: str
    dark: str


@dataclass(frozen=True)
class TileColours:
    """Colours of a tile in one theme, as #rrggbb; the text has a contrast of at least 4.5 to 1 with both others."""

    background: str
    accent: str
    text: str


@dataclass(frozen=True)
class TileStyle:
    """How the tile of an item looks.

    Attributes:
        light: Colours in the light theme.
        dark: Colours in the dark theme.
        motif: Pattern behind the text, by decade: one of `MOTIFS`, or "plain" without a year.
        initials: Up to four characters of the title, for example "GF" of The Godfather.
        genre: Primary genre, or an empty text.
        decade: For example "1970s", or an empty text without a year.
    """

    light: TileColours
    dark: TileColours
    motif: str
    initials: str
    genre: str
    decade: str


def primary_genre(genres: Sequence[str]) -> str:
    """Return the first genre that the dataset lists, or an empty text."""
    return genres[0] if genres else ""


@lru_cache(maxsize=512)
def genre_colour(genre: str) -> ThemeColours:
    """Return the colours of a genre as text or points on the page, with a contrast of at least 4.5 to 1.

    They depend on the name alone, whatever its case; an unknown genre has a hue from its hash, no genre is grey.
    """
    chroma, hue, contrast = _recipe(genre)
    return ThemeColours(
        _with_contrast(chroma, hue, contrast, LIGHT_PAGE), _with_contrast(chroma * 0.85, hue, contrast, DARK_PAGE)
    )


@lru_cache(maxsize=4096)
def tile_style(item: Item) -> TileStyle:
    """Return the tile of an item: a shade of the genre's colour, faded for old items, and the motif of the decade."""
    genre = primary_genre(item.genres)
    chroma, hue, _ = _recipe(genre)
    age = 0.0 if item.year is None else min(1.0, max(0.0, (_NEWEST - item.year) / (_NEWEST - _OLDEST)))
    chroma *= 1 - _FADED * age
    turn = int.from_bytes(blake2b(item.id.encode(), digest_size=2).digest()) / 65535 - 0.5
    hue = (_towards(hue, _SEPIA_HUE, 0.15 * age) + _HUE_RANGE * turn) % 360
    lightness = _lightness(genre_colour(genre).light)
    return TileStyle(
        light=_tile(lightness, chroma, hue),
        dark=_tile(max(0.2, lightness - _DARK_TILE_LIGHTNESS), chroma * 0.85, hue),
        motif=NO_YEAR_MOTIF if item.year is None else _motif(item.year),
        initials=initials(item.title),
        genre=genre,
        decade="" if item.year is None else f"{item.year // 10 * 10}s",
    )


def initials(title: str) -> str:
    """Return up to three initials of a title without small words, or a number or acronym that it starts with.

    "FC" of Fight Club, "12" of 12 Angry Men, "MASH" of M*A*S*H.
    """
    joined = re.sub(r"(?<=\b\w)[*.](?=\w\b)", "", re.sub(r"['’,]", "", title))  # M*A*S*H is one word
    words: list[str] = re.findall(r"[^\W_]+", joined)
    first = words[0] if words else ""
    if 1 < len(first) <= 4 and (first.isdecimal() or first.isupper()) and first.casefold() not in _SMALL_WORDS:
        return first
    telling = [word for word in words if word.casefold() not in _SMALL_WORDS] or words
    letters: str = "".join(word[0] for word in telling[:3]).upper()[:3]
    return letters or title.strip()[:1]


def contrast_ratio(one: str, other: str) -> float:
    """Return the contrast of two colours by WCAG 2.2, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _recipe(genre: str) -> tuple[float, float, float]:
    """Return chroma, hue and contrast of a genre."""
    name = genre.strip().casefold()
    if not name or name.startswith("("):  # "(no genres listed)"
        return NO_GENRE_COLOUR
    if name in GENRES:
        return GENRES[name]
    digest = blake2b(name.encode(), digest_size=4).digest()
    return 0.12 + digest[2] / 255 * 0.06, int.from_bytes(digest[:2]) / 65536 * 360, 4.8 + digest[3] / 255 * 3.5


def _motif(year: int) -> str:
    return next((name for first, name in reversed(MOTIFS) if year >= first), MOTIFS[0][1])


def _tile(lightness: float, chroma: float, hue: float) -> TileColours:
    """Return a background of about this lightness, dark enough for white text on it and on its motif."""
    while True:
        accent = _hex(lightness + _ACCENT_LIGHTER, chroma, hue)
        if contrast_ratio(accent, WHITE) >= MIN_CONTRAST or lightness <= 0:
            return TileColours(_hex(lightness, chroma, hue), accent, WHITE)
        lightness -= 0.01


def _with_contrast(chroma: float, hue: float, contrast: float, page: str) -> str:
    """Return the colour of this chroma and hue whose lightness gives the contrast with a page, rounded to be enough."""
    dark_page = _luminance(page) < 0.2
    low, high = 0.0, 1.0
    for _ in range(24):
        middle = (low + high) / 2
        enough = contrast_ratio(_hex(middle, chroma, hue), page) >= contrast
        if enough == dark_page:
            high = middle
        else:
            low = middle
    return _hex(high if dark_page else low, chroma, hue)


def _towards(hue: float, target: float, share: float) -> float:
    """Return a hue moved by a share of the shorter way to another."""
    return (hue + share * ((target - hue + 180) % 360 - 180)) % 360


def _hex(lightness: float, chroma: float, hue: float) -> str:
    """Return an OKLCH colour as #rrggbb; the chroma is lowered until sRGB has the colour."""
    lightness = min(1.0, max(0.0, lightness))
    while True:
        linear = _linear_rgb(lightness, chroma, hue)
        if all(-1e-4 <= value <= 1 + 1e-4 for value in linear) or chroma < 1e-3:
            return "#" + "".join(f"{round(255 * _gamma(min(1.0, max(0.0, value)))):02x}" for value in linear)
        chroma *= 0.96


def _linear_rgb(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    """Return linear sRGB of an OKLCH colour (Ottosson, 2020, bottosson.github.io/posts/oklab)."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _lightness(colour: str) -> float:
    """Return the OKLCH lightness of a colour."""
    red, green, blue = _linear(colour)
    long = 0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue
    medium = 0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue
    short = 0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue
    return 0.2104542553 * math.cbrt(long) + 0.7936177850 * math.cbrt(medium) - 0.0040720468 * math.cbrt(short)


def _luminance(colour: str) -> float:
    red, green, blue = _linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return _ungamma(red), _ungamma(green), _ungamma(blue)


def _gamma(value: float) -> float:
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


def _ungamma(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
