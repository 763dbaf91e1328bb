"""Colours of genres and tiles: readable in both themes, stable, and distinct for the common genres."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recdash.data.items import Item
from recdash.reporting import genre_colours, tile_motifs
from recdash.reporting.genre_colours import contrast_ratio, genre_colour, initials, tile_style

LIGHT_PAGES, DARK_PAGES = ("#ffffff", "#f5f6f9"), ("#0f1217", "#191e26")
COMMON = ("Drama", "Comedy", "Action", "Horror", "Adventure", "Crime", "Documentary", "Thriller")
# Linear sRGB as seen without one kind of cone (Machado et al., IEEE TVCG 2009, severity 1).
COLOUR_VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
}


def oklab(linear: np.ndarray) -> np.ndarray:
    to_cones = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.63]])
    to_lab = np.array([[0.2105, 0.7936, -0.0041], [1.978, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]])
    return to_lab @ np.cbrt(to_cones @ np.clip(linear, 0, 1))


def test_contrast_is_that_of_wcag() -> None:
    assert contrast_ratio("#000000", "#ffffff") == pytest.approx(21)
    assert contrast_ratio("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.sampled_from(sorted(genre_colours.GENRES)), st.text(max_size=20)))
def test_every_genre_is_readable_in_both_themes(genre: str) -> None:
    colours = genre_colour(genre)
    assert min(contrast_ratio(colours.light, page) for page in LIGHT_PAGES) >= 4.5
    assert min(contrast_ratio(colours.dark, page) for page in DARK_PAGES) >= 4.5


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.sampled_from([*genre_colours.GENRES, ""]), st.text(max_size=12)),
    st.one_of(st.none(), st.integers(-3000, 3000)),
    st.text(max_size=8),
)
def test_text_on_every_tile_is_readable(genre: str, year: int | None, item_id: str) -> None:
    style = tile_style(Item(item_id, "Any title", year, (genre,)))
    for colours in (style.light, style.dark):
        assert contrast_ratio(colours.text, colours.background) >= 4.5
        assert contrast_ratio(colours.text, colours.accent) >= 4.5
        assert colours.accent != colours.background


def test_a_colour_depends_on_the_name_alone() -> None:
    assert genre_colour("Drama") == genre_colour(" drama ") != genre_colour("Comedy")
    assert genre_colour("Ethnographic Noir") == genre_colour("ethnographic noir") != genre_colour("Poetry")
    assert genre_colour("") == genre_colour("(no genres listed)")
    assert genre_colour("Poetry").light == "#475300"  # the same on every machine and in every version


@pytest.mark.parametrize("vision", COLOUR_VISION)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_common_genres_differ_for_readers_with_and_without_all_cones(vision: str, theme: str) -> None:
    seen = {
        genre: oklab(np.array(COLOUR_VISION[vision]) @ genre_colours._linear(getattr(genre_colour(genre), theme)))
        for genre in COMMON
    }
    for one, other in combinations(COMMON, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 0.05, (one, other)


@pytest.mark.parametrize(
    ("year", "motif", "decade"),
    [(1895, "iris", "1890s"), (1929, "iris", "1920s"), (1930, "fan", "1930s"), (1949, "fan", "1940s"),
     (1959, "starburst", "1950s"), (1968, "waves", "1960s"), (1979, "stripes", "1970s"), (1984, "grid", "1980s"),
     (1999, "blocks", "1990s"), (2003, "dots", "2000s"), (2024, "rings", "2020s"), (None, "plain", "")],
)  # fmt: skip
def test_the_motif_is_the_decades(year: int | None, motif: str, decade: str) -> None:
    style = tile_style(Item("1", "A", year, ("Drama", "War")))
    assert (style.motif, style.decade, style.genre) == (motif, decade, "Drama")


def test_old_tiles_are_less_colourful() -> None:
    def chroma(colour: str) -> float:
        return float(np.hypot(*oklab(np.array(genre_colours._linear(colour)))[1:]))

    old, new = (tile_style(Item("1", "A", year, ("Action",))).light.background for year in (1925, 2015))
    assert chroma(old) < 0.75 * chroma(new)


@pytest.mark.parametrize(
    ("title", "expected"),
    [("The Godfather", "G"), ("Fight Club", "FC"), ("12 Angry Men", "12"), ("2001: A Space Odyssey", "2001"),
     ("M*A*S*H", "MASH"), ("羅生門", "羅"), ("The", "T"), ("*", "*"), ("$1,000,000 Duck", "1D"), ("", ""),
     ("Schindler's List", "SL"), ("E.T. the Extra-Terrestrial", "ET"), ("THE END", "E")],
)  # fmt: skip
def test_initials(title: str, expected: str) -> None:
    assert initials(title) == expected


@pytest.mark.parametrize("motif", [*dict(genre_colours.MOTIFS).values(), genre_colours.NO_YEAR_MOTIF])
def test_every_motif_has_a_drawing_of_two_colours(motif: str) -> None:
    picture = tile_motifs.draw_motif(motif, (200, 170), "#102030", "#405060")
    colours = {colour for _, colour in picture.getcolors()}
    assert colours == {(16, 32, 48), (64, 80, 96)}
    assert motif in tile_motifs._MOTIFS
