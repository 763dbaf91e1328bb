"""The card to share: its size and content, any title, any number of picks, and the same bytes for the same input."""

from __future__ import annotations

import io
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from recdash.data.items import Item
from recdash.errors import UsageError
from recdash.reporting import card_fonts, share_card
from recdash.reporting.share_card import CardList
from recdash.reporting.tile_motifs import draw_motif

DAY = date(2026, 11, 27)
FILMS = tuple(Item(str(n), f"Film {n}", 1920 + 10 * n, ("Drama", "War")) for n in range(10))


EASE = (CardList("EASE", FILMS[5:]),)


def card(picks=FILMS[:5], lists=EASE, **changes: object) -> bytes:
    return share_card.draw(picks, lists, "ml-1m", **{"day": DAY, **changes})  # type: ignore[arg-type]


@pytest.fixture
def written(monkeypatch) -> list[str]:
    """Lists the texts that are drawn."""
    texts: list[str] = []
    draw = share_card._Card._text

    def record(self, x, baseline, text, main, colour, room=1200, **rest):
        draw(self, x, baseline, text, main, colour, room, **rest)
        texts.append(self._texts[-1][2])

    monkeypatch.setattr(share_card._Card, "_text", record)
    return texts


def test_the_card_is_a_png_of_the_size_that_previews_show_and_repeats() -> None:
    first = card()
    assert first == card() != card(theme="dark")
    picture = Image.open(io.BytesIO(first))
    assert (picture.format, picture.size) == ("PNG", (1200, 630)) and len(first) < 400_000
    corner = {theme: Image.open(io.BytesIO(card(theme=theme))).getpixel((2, 2)) for theme in ("light", "dark")}
    assert corner == {"light": (255, 255, 255), "dark": (15, 18, 23)}


def test_the_card_says_what_it_shows(written: list[str]) -> None:
    card(lists=[CardList(name, FILMS[5:]) for name in ("EASE", "Mult-VAE", "RecVAE")])
    assert {"My five films, three models", "ml-1m", "27 November 2026", "made with recdash"} <= set(written)
    assert {"EASE", "Mult-VAE", "RecVAE", "1950 · Drama"} <= set(written)
    assert written.count("Film 9") == 3 and written.count("1") == 3 and "6" not in written


def test_picks_and_lists_that_do_not_fit_are_counted(written: list[str]) -> None:
    card(FILMS[:8], [CardList(f"M{n}", FILMS) for n in range(4)], nouns=("book", "books"))
    assert "My eight books, four models" in written
    assert "and 3 more books · and 1 more model" in written and "M3" not in written


def test_one_pick_and_one_model_are_singular(written: list[str]) -> None:
    card(FILMS[:1])
    assert "My one film, one model" in written


def test_nothing_to_show_is_refused() -> None:
    with pytest.raises(UsageError, match="no picks"):
        card(())
    with pytest.raises(UsageError, match="no lists"):
        card(lists=())
    with pytest.raises(UsageError, match="light, dark"):
        card(theme="sepia")


def test_long_titles_end_with_an_ellipsis_and_titles_with_markup_are_as_written(written: list[str]) -> None:
    odd = Item("1", "<b>x</b> [x](y)", None, ())
    card([Item("2", "word " * 60, 2000, ()), odd], [CardList("m" * 200, (odd,))])
    assert "<b>x</b> [x](y)" in written and any(text.endswith("…") for text in written)
    for text in written:
        assert card_fonts.width(text, card_fonts.font(18)) < 1104 or text.startswith("My ")


def test_a_character_that_no_font_has_is_marked_and_said(written: list[str], monkeypatch) -> None:
    monkeypatch.setattr(card_fonts, "_system_fonts", tuple)
    for cached in (card_fonts._fallback_path, card_fonts._is_drawable):
        cached.cache_clear()
    card([Item("1", "羅生門", 1950, ())])
    assert "???" in written and share_card.MISSING_NOTE in written
    written.clear()
    card([Item("1", "What?", 1950, ())])
    assert "What?" in written and share_card.MISSING_NOTE not in written
    for cached in (card_fonts._fallback_path, card_fonts._is_drawable):
        cached.cache_clear()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("ラ", "ra"), ("강", "gang"), ("ב", "bet"), ("Ж", "Zhe"), ("ﬃ", "ffi"), ("門", "?"), ("🎬", "?")],
)
def test_characters_without_a_font_are_romanised_where_their_name_tells_how(text: str, expected: str) -> None:
    assert card_fonts._romanised(text) == expected


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_drawn_with_fonts_that_have_its_characters(text: str) -> None:
    main = card_fonts.font(20)
    shown = card_fonts.drawable(text)
    assert "\n" not in shown
    for run in card_fonts.runs(shown, main):
        for character in run.text:
            assert card_fonts.has_glyph(run.font, character) or not character.isprintable() or _is_mark(character)


def _is_mark(character: str) -> bool:
    import unicodedata

    return unicodedata.category(character).startswith("M")


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(max_codepoint=0x17F), max_size=60), st.integers(20, 300), st.integers(1, 4))
def test_lines_fit_and_none_is_lost(text: str, room: int, lines: int) -> None:
    main, shown = card_fonts.font(20), card_fonts.drawable(text)
    found = card_fonts.wrapped(shown, main, room, lines)
    assert len(found) <= lines and all(card_fonts.width(line, main) <= room for line in found)
    if not any(line.endswith("…") for line in found):
        assert " ".join(found) == shown


def test_without_streamlits_font_the_built_in_one_is_used(monkeypatch) -> None:
    monkeypatch.setattr(card_fonts, "_source_sans", lambda: None)
    card_fonts.font.cache_clear()
    assert card_fonts.font(20).getname()[0] == "Aileron" and len(card()) > 10_000
    card_fonts.font.cache_clear()


def test_an_unknown_motif_is_drawn_plain() -> None:
    assert draw_motif("nothing", (40, 40), "#000000", "#ffffff") == draw_motif("plain", (40, 40), "#000000", "#ffffff")
