"""Items of a catalogue, and parsing of MovieLens titles: leading article, year, alternative titles."""

from __future__ import annotations

import re
from typing import NamedTuple

_ARTICLES = (
    "The|A|An|La|Le|Les|L'|Il|Lo|I|Gli|El|Los|Las|Der|Die|Das|Ein|Eine|Un|Une|Una|Det|Den|De|Het|En|Ett|O|Os|As|Um|Uma"
)
_TRAILING_ARTICLE = re.compile(rf"^(?P<rest>.+), (?P<article>{_ARTICLES})$", re.IGNORECASE)
_YEAR = re.compile(r"^(?P<rest>.*?)\s*\((?P<year>\d{4})(?:[-–]\d{0,4})?\)\s*$")
_BRACKETS = re.compile(r"(?<=\S)\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
_ALSO = re.compile(r"^a\.?k\.?a\.?:?\s+", re.IGNORECASE)


class Item(NamedTuple):
    """One entry of the catalogue. `alternatives` are other titles; `year` is None if unknown."""

    id: str
    title: str
    year: int | None = None
    genres: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Title with its year, such as "Heat (1995)"."""
        return self.title if self.year is None else f"{self.title} ({self.year})"


def natural_title(title: str) -> str:
    """Move a trailing article to the front: "Matrix, The" becomes "The Matrix"."""
    match = _TRAILING_ARTICLE.match(title.strip())
    if match is None:
        return title.strip()
    article, rest = match["article"], match["rest"]
    return f"{article}{rest}" if article.endswith("'") else f"{article} {rest}"


def parse_title(raw: str) -> tuple[str, int | None, tuple[str, ...]]:
    """Split a MovieLens title into title, year and alternative titles.

    "City of Lost Children, The (Cité des enfants perdus, La) (1995)" gives
    ("The City of Lost Children", 1995, ("La Cité des enfants perdus",)).
    """
    match = _YEAR.match(raw.strip())
    rest, year = (match["rest"], int(match["year"])) if match else (raw.strip(), None)
    others = [natural_title(_ALSO.sub("", other.strip())) for other in _BRACKETS.findall(rest)]
    title = natural_title(_BRACKETS.sub("", rest).strip())
    if not title:
        return rest.strip(), year, ()
    return title, year, tuple(other for other in others if other)
