"""Fonts of picture cards: text in any script is drawn, romanised or marked, never left as empty boxes."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from PIL import ImageFont

MISSING = "?"  # a character that no font has and that has no romanisation
REGULAR, SEMIBOLD, BOLD = 400, 600, 700
ELLIPSIS = "…"
Font = ImageFont.FreeTypeFont
# Parts of file names of fonts with many scripts, best first, in the folders of the common operating systems.
_MANY_SCRIPTS = (
    "notosanscjk", "notosansjp", "sourcehansans", "pingfang", "hiragino", "msyh", "yugoth", "msgothic", "malgun",
    "applesdgothic", "droidsansfallback", "wqy", "arialunicode", "arial unicode", "notosans", "segoeui", "tahoma",
    "nirmala", "leelawui", "thonburi", "devanagari", "dejavusans.", "freesans.", "unifont",
)  # fmt: skip
_FOLDERS = (
    "/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts", "/System/Library/Fonts",
    "/Library/Fonts", "C:/Windows/Fonts",
)  # fmt: skip
_SUFFIXES = {".ttf", ".otf", ".ttc"}
_NOT_A_CHARACTER = "\uffff"  # drawn as the font's picture for a missing glyph


class Run(NamedTuple):
    """A piece of text that one font can draw."""

    text: str
    font: Font


@lru_cache(maxsize=64)
def font(size: int, weight: int = REGULAR) -> Font:
    """Return the font of a size in pixels: Source Sans, which Streamlit ships, else the one built into Pillow."""
    path = _source_sans()
    if path is not None:
        try:
            found = ImageFont.truetype(path, size)
            found.set_variation_by_axes([weight])
            return found
        except OSError:  # a Pillow built without WOFF2 or variable fonts
            pass
    builtin = ImageFont.load_default(size)
    return builtin if isinstance(builtin, Font) else ImageFont.truetype("DejaVuSans.ttf", size)


def drawable(text: str) -> str:
    """Return a text as it can be drawn: one line, composed, romanised or marked where no font has a character."""
    composed = unicodedata.normalize("NFC", " ".join(text.split()))
    return "".join(_drawable_characters(composed))


def runs(text: str, main: Font) -> list[Run]:
    """Split a drawable text into pieces and their fonts; a combining mark stays with its base."""
    pieces: list[Run] = []
    for character in text:
        mark = bool(pieces) and unicodedata.category(character).startswith("M")
        chosen = pieces[-1].font if mark else _font_for(character, main)
        if pieces and pieces[-1].font is chosen:
            pieces[-1] = Run(pieces[-1].text + character, chosen)
        else:
            pieces.append(Run(character, chosen))
    return pieces


def width(text: str, main: Font) -> float:
    """Return the width of a drawable text in pixels."""
    return sum(run.font.getlength(run.text) for run in runs(text, main))


def ellipsised(text: str, main: Font, room: float) -> str:
    """Return the text, shortened with an ellipsis to fit into so many pixels."""
    if width(text, main) <= room:
        return text
    low, high = 0, len(text)
    while low < high:  # the longest beginning that fits with the ellipsis
        middle = (low + high + 1) // 2
        if width(text[:middle].rstrip() + ELLIPSIS, main) <= room:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip(" ,.;:-–") + ELLIPSIS


def wrapped(text: str, main: Font, room: float, lines: int) -> list[str]:
    """Break a drawable text at spaces into at most so many lines; what does not fit is shortened."""
    found: list[str] = []
    rest = text
    while rest and len(found) < lines - 1:
        words = rest.split(" ")
        taken = 1
        while taken < len(words) and width(" ".join(words[: taken + 1]), main) <= room:
            taken += 1
        found.append(ellipsised(" ".join(words[:taken]), main, room))
        rest = " ".join(words[taken:])
    return [*found, ellipsised(rest, main, room)] if rest else found


def _drawable_characters(text: str) -> Iterator[str]:
    for character in text:
        kind = unicodedata.category(character)
        if kind in ("Cc", "Cf", "Cs", "Co", "Cn"):
            continue
        yield character if kind.startswith("M") or _is_drawable(character) else _romanised(character)


@lru_cache(maxsize=4096)
def _is_drawable(character: str) -> bool:
    return has_glyph(font(20), character) or _fallback_path(character) is not None


@lru_cache(maxsize=16_384)
def has_glyph(one: Font, character: str) -> bool:
    """Whether a font has a picture of a character other than the one for missing glyphs."""
    if character.isspace():
        return True
    mask, missing = one.getmask(character), one.getmask(_NOT_A_CHARACTER)
    return mask.size != missing.size or bytes(mask) != bytes(missing)


@lru_cache(maxsize=4096)
def _romanised(character: str) -> str:
    """Return a base letter, the sound of a letter or syllable by its Unicode name, or the mark for missing ones."""
    base = "".join(part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part))
    if base and base != character and all(has_glyph(font(20), part) for part in base):
        return base
    name = unicodedata.name(character, "")
    for kind in (" LETTER ", " SYLLABLE "):
        if kind in name:
            sound = name.split(kind, 1)[1].split(" WITH ")[0].removeprefix("SMALL ")
            if sound.replace(" ", "").isalpha():
                return sound.replace(" ", "").lower() if "CAPITAL" not in name else sound.replace(" ", "").capitalize()
    return MISSING


def _font_for(character: str, main: Font) -> Font:
    if has_glyph(main, character):
        return main
    path = _fallback_path(character)
    return main if path is None else _fallback_font(path, int(main.size))


@lru_cache(maxsize=64)
def _fallback_font(path: str, size: int) -> Font:
    return ImageFont.truetype(path, size)


@lru_cache(maxsize=4096)
def _fallback_path(character: str) -> str | None:
    """Return the first font of this computer that has a character, or None."""
    for path in _system_fonts():
        try:
            if has_glyph(_fallback_font(path, 20), character):
                return path
        except OSError:
            continue
    return None


@lru_cache(maxsize=1)
def _system_fonts() -> tuple[str, ...]:
    """Return the fonts with many scripts that are installed, best first."""
    ranked = []
    for folder in _FOLDERS:
        for root, _, names in os.walk(Path(folder).expanduser()):
            for name in names:
                place = next((place for place, part in enumerate(_MANY_SCRIPTS) if part in name.lower()), None)
                plain = not any(style in name.lower() for style in ("bold", "italic", "oblique", "mono", "serif"))
                if place is not None and plain and Path(name).suffix.lower() in _SUFFIXES:
                    ranked.append((place, name, str(Path(root, name))))
    return tuple(path for _, _, path in sorted(ranked))


@lru_cache(maxsize=1)
def _source_sans() -> str | None:
    """Return the path of Source Sans (SIL Open Font License) among Streamlit's static files, if it is there."""
    spec = find_spec("streamlit")
    folders = spec.submodule_search_locations if spec is not None else None
    for folder in folders or ():
        found = sorted(Path(folder, "static", "static", "media").glob("SourceSansVF-Upright*.woff2"))
        if found:
            return str(found[0])
    return None
