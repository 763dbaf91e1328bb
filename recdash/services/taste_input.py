"""A taste from what a command line names: marked titles, a saved taste, a file of ratings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from recdash.data import dataset_registry
from recdash.data.items import Item
from recdash.data.picks import resolve
from recdash.errors import DataError, UsageError, unknown_name
from recdash.recommend.taste import Mark, Taste, TasteEntry
from recdash.recommend.taste_files import TasteImport
from recdash.recommend.taste_uploads import MAX_BYTES
from recdash.services import datasets, taste_profiles
from recdash.services.dataset_popularity import popularity_of
from recdash.services.taste_starts import empty_taste


class MarkedTitle(NamedTuple):
    """A title or id, and what the user thinks of it."""

    title: str
    mark: Mark


class TasteInput(NamedTuple):
    """A taste and where it comes from.

    Attributes:
        taste: The taste.
        imported: What was understood of the file of ratings; None without a file.
        missing: Items of the saved taste that the dataset no longer has.
    """

    taste: Taste
    imported: TasteImport | None = None
    missing: tuple[Item, ...] = ()

    def import_to_dict(self) -> dict[str, Any]:
        """Return what was understood of the file for the JSON document; empty without a file."""
        found = self.imported
        if found is None:
            return {}
        ambiguous = [
            {
                "row": one.row.number,
                "title": one.row.label,
                "candidates": [{"id": item.id, "title": item.title, "year": item.year} for item in one.candidates],
            }
            for one in found.ambiguous
        ]
        return {
            "imported": {
                "source": found.source,
                "matched": len(found.matched),
                "ambiguous": ambiguous,
                "unmatched": [{"row": one.row.number, "title": one.row.label} for one in found.unmatched],
                "skipped": len(found.skipped),
                "bad_rows": [{"row": one.number, "problem": one.problem} for one in found.bad_rows],
            }
        }


def read_taste(
    dataset: str, marked: Sequence[MarkedTitle] = (), *, profile: str | None = None, file: Path | None = None
) -> TasteInput:
    """Return the saved taste, then the rows of the file, then the marked titles, as one taste.

    An item that occurs again keeps its place and gets the later mark.

    Args:
        dataset: Name of a dataset, or path of a file.
        marked: Titles, ids or "#id" (`recdash.data.picks.resolve`), with marks.
        profile: Name of a saved taste.
        file: Export of Letterboxd, IMDb, MovieLens or recdash (`recdash.recommend.taste_files`).

    Raises:
        UsageError: A title matches no item or several, stars are outside the scale, or no taste has this name.
        DataError: The file cannot be read.
    """
    dataset = dataset_registry.name_of(dataset)
    loaded = datasets.load(dataset)
    start = empty_taste(loaded)
    saved = None if profile is None else taste_profiles.load(dataset, profile)
    imported = None if file is None else taste_profiles.import_ratings(dataset, _read_bytes(file), file.name)
    entries: dict[str, TasteEntry] = {}
    for earlier in (saved and saved.taste, imported and imported.taste()):
        entries |= {entry.item.id: entry for entry in earlier or ()}
    for title, mark in marked:
        if not isinstance(mark, str) and not start.scale[0] <= mark <= start.scale[1]:
            low, high = start.scale
            raise UsageError(f"{mark:g} stars are outside the scale of {loaded.name}, {low:g} to {high:g}.")
        item = loaded.catalogue[resolve(loaded.catalogue, title, popularity_of(loaded).counts)]
        entries[item.id] = TasteEntry(item, mark)
    missing = () if saved is None else tuple(entry.item for entry in saved.missing)
    return TasteInput(replace(start, entries=tuple(entries.values())), imported, missing)


def known_genres(dataset: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return genres as the dataset writes them; case does not matter. Raises UsageError for an unknown one."""
    loaded = datasets.load(dataset_registry.name_of(dataset))
    written = {genre.casefold(): genre for item in loaded.catalogue.items for genre in item.genres}
    for name in names:
        if name.casefold() not in written:
            raise unknown_name(f"genre of {loaded.name}", name, sorted(written.values()))
    return tuple(written[name.casefold()] for name in names)


def _read_bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)  # one more than is allowed: the reader refuses it
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}). Name an exported file of ratings.") from error
