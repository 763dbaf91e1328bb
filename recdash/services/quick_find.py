"""Finds runs and items by a few letters of their names, for the command palette."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from recdash.analysis.run_labels import model_title
from recdash.services import datasets, runs

if TYPE_CHECKING:
    from recdash.data.items import Item
    from recdash.services.runs import RunRecord

MIN_SCORE = 60.0  # of 100; less similar names are no results
CONTAINED = 90.0  # of names that contain the words as they are, without typing errors
MAX_DATASETS = 3  # whose titles are searched: as many as `datasets.load` keeps in memory
MAX_INTERACTIONS = 5_000_000  # larger datasets take seconds to load, and gigabytes
_WORD = re.compile(r"[^\W_]+")


class _HasScore(Protocol):
    @property
    def score(self) -> float: ...


Scored = TypeVar("Scored", bound=_HasScore)


class FoundItem(NamedTuple):
    """An item of a dataset, with the relevance of its title, from 0 to 100."""

    dataset: str
    item: Item
    score: float


class FoundRun(NamedTuple):
    """A run, with the relevance of its names, from 0 to 100."""

    run: RunRecord
    score: float


def find_runs(text: str, limit: int = 6) -> list[FoundRun]:
    """Return the runs whose name, model, dataset, tags or id resemble a text, best first.

    Args:
        text: What to look for; without any, active runs and then the newest are returned.
        limit: Maximum number of runs.
    """
    records = runs.list_runs()
    if not text.strip():
        return [FoundRun(run, 0.0) for run in sorted(records, key=lambda run: not run.state.is_active())[:limit]]
    scored = [FoundRun(run, similarity(text, _names(run))) for run in records]
    return without_guesses(scored)[:limit]  # of equal ones the newest first


def searched_datasets() -> list[str]:
    """Return the installed datasets whose titles are searched: those of the newest runs first."""
    recent = list(dict.fromkeys(run.dataset for run in runs.list_runs()))
    ready = [
        entry.name for entry in datasets.entries() if entry.ready and (entry.interactions or 0) <= MAX_INTERACTIONS
    ]
    rank = {name: position for position, name in enumerate(recent)}
    return sorted(ready, key=lambda name: rank.get(name, len(rank)))[:MAX_DATASETS]


def load_titles(names: Sequence[str]) -> None:
    """Load datasets and index their titles, so that the next search answers at once."""
    for name in names:
        find_items("a", [name], 1)


def find_items(text: str, names: Sequence[str], limit: int = 6) -> list[FoundItem]:
    """Return the items of datasets whose titles resemble a text, best first, typing errors included.

    Args:
        text: What to look for.
        names: Datasets.
        limit: Maximum number of items.
    """
    from recdash.data.title_search import search  # lazy: numpy
    from recdash.services.dataset_popularity import popularity_of  # lazy: numpy

    found: dict[str, FoundItem] = {}  # by title and year: of the same film in several datasets the first is kept
    for name in names:
        data = datasets.load(name)
        if not data.catalogue.has_titles:
            continue
        for hit in search(data.catalogue, text, limit, popularity_of(data).counts):
            item = data.catalogue[hit.item]
            score = max(MIN_SCORE, similarity(text, item.title))
            found.setdefault(item.label, FoundItem(name, item, score))
    return sorted(found.values(), key=lambda one: -one.score)[:limit]


def without_guesses(found: Sequence[Scored]) -> list[Scored]:
    """Return what fits well enough, best first; with typing errors only if nothing fits without."""
    least = CONTAINED if any(one.score >= CONTAINED for one in found) else MIN_SCORE
    return sorted((one for one in found if one.score >= least), key=lambda one: -one.score)


def similarity(text: str, names: str) -> float:
    """Return how well a text fits names, from 0 to 100.

    100 if the text is a word of the names or starts all of them, 97 if each of its words starts a word of the names, 90
    if each is part of one, less with typing errors: one per word of up to five letters, two per longer word.
    """
    wanted, given = text.casefold().strip(), names.casefold()
    words, known = _WORD.findall(wanted), _WORD.findall(given)
    if wanted and (given.startswith(wanted) or wanted in known):
        return 100.0
    if words and all(any(one.startswith(word) for one in known) for word in words):
        return 97.0
    if words and all(word in given for word in words):
        return CONTAINED
    if sum(map(len, words)) < 3:
        return 0.0
    return 0.9 * min((_typed(word, known) for word in words), default=0.0)


def _typed(word: str, known: Sequence[str]) -> float:
    """Return how similar the nearest word is, from 0 to 100; 0 if more letters differ than typing errors explain."""
    from rapidfuzz import fuzz, process  # lazy: rapidfuzz
    from rapidfuzz.distance import OSA  # lazy: rapidfuzz

    errors = 1 if len(word) <= 5 else 2
    near = [one for one in known if OSA.distance(word, one, score_cutoff=errors) <= errors]
    match = process.extractOne(word, near, scorer=fuzz.ratio)
    return 0.0 if match is None else float(match[1])


def _names(run: RunRecord) -> str:
    tags = getattr(run, "tags", ())
    return " ".join((run.name, model_title(run), run.model, run.dataset, run.protocol, *tags, run.id))
