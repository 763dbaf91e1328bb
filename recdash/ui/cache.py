"""Reads that are kept between reruns, each under a key that changes when the answer would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash import paths

if TYPE_CHECKING:
    from recdash.analysis.dataset_stats import Distributions
    from recdash.analysis.groups import Group
    from recdash.analysis.seeds import SeedTable
    from recdash.analysis.slices import SliceView
    from recdash.analysis.versus_best import BestComparison
    from recdash.data.dataset_registry import Entry
    from recdash.data.items import Item
    from recdash.services.options import ModelChoice
    from recdash.services.recommend import Answer
    from recdash.services.runs import RunRecord
    from recdash.splits.protocols import Protocol


def groups() -> list[Group]:
    """Return all comparable groups of finished runs."""
    from recdash.services import runs

    newest = runs.listing()[:1]
    return _groups(paths.store_url(), runs.version(), newest[0].id if newest else "")


def verdicts(group: Group, metrics: Sequence[str]) -> dict[str, BestComparison]:
    """Return which rows of a group cannot be told from its best, by metric."""
    return _verdicts(group, _rows_of(group), tuple(metrics))


def parts(group: Group, by: str) -> SliceView:
    """Return the primary metric of a group for parts of the users ("activity") or items ("popularity")."""
    return _parts(group, _rows_of(group), by)


def over_seeds(found: Sequence[Group]) -> list[SeedTable]:
    """Return means over seeds."""
    return _over_seeds(found, tuple(_rows_of(group) for group in found))


def _rows_of(group: Group) -> tuple[str, ...]:
    return (paths.store_url(), *(row.run.id for row in group.rows))


def entries() -> list[Entry]:
    """Return all data sets, ready or not; the very first look makes the demo."""
    from recdash.services import datasets

    return datasets.entries()


def ready() -> list[str]:
    """Return the names of the data sets that are here, the demo first."""
    return [entry.name for entry in entries() if entry.ready]


def is_generated(name: str) -> bool:
    """Whether the tastes behind a data set are made up."""
    return any(entry.name == name and entry.generated for entry in entries())


@st.cache_data(show_spinner="Reading the models")
def models() -> list[ModelChoice]:
    """Return all models. The first call of a server imports PyTorch."""
    from recdash.services import options

    return options.models()


@st.cache_data(show_spinner="Reading the protocols")
def protocols() -> list[Protocol]:
    """Return all protocols."""
    from recdash.services import options

    return options.protocols()


def protocols_of(dataset: str) -> list[Protocol]:
    """Return the protocols that there are for a data set: its own, where it came as a split, else all others."""
    from recdash.splits import user_defined

    own_split = next((entry.own_split for entry in entries() if entry.name == dataset), None)
    return [protocol for protocol in protocols() if user_defined.fits(protocol.name, own_split)]


def describe(name: str) -> dict[str, Any]:
    """Return the numbers of a data set."""
    return _describe(name, _fingerprint(name))


def portrait(name: str) -> Distributions:
    """Return the distributions of a data set."""
    return _portrait(name, _fingerprint(name))


def protocol_facts(name: str, protocol: str) -> Mapping[str, Any]:
    """Return what a protocol makes of a data set."""
    return _facts(name, _fingerprint(name), protocol)


def trained(dataset: str) -> list[RunRecord]:
    """Return the finished runs of a data set that can recommend, the best of each model first."""
    from recdash.services import recommend

    return recommend.trained_runs(dataset)


def titles(runs: Sequence[RunRecord]) -> dict[str, str]:
    """Return the title of each run's model."""
    known = {model.name: model.title for model in models()}
    return {run.id: known.get(run.model, run.model) for run in runs}


def items(dataset: str) -> Mapping[str, Item]:
    """Return the items of a data set by id."""
    return _items(dataset, _fingerprint(dataset))


def find(dataset: str, text: str, limit: int) -> list[Item]:
    """Return items whose titles fit what somebody types."""
    from recdash.services import recommend

    return recommend.find_items(dataset, text, limit)


def starters(dataset: str, limit: int) -> list[Item]:
    """Return well-known items of many kinds: each is the most popular one left of a genre that stands behind."""
    return _starters(dataset, _fingerprint(dataset))[:limit]


def devices() -> list[str]:
    """Return where trained models can answer, the CPU first."""
    from recdash.services import recommend

    return recommend.devices_here()


def answer(dataset: str, picks: tuple[str, ...], runs: Sequence[RunRecord], length: int, device: str = "cpu") -> Answer:
    """Return the lists of some runs for the picks; no runs, where nothing is trained, mean the model fitted at once."""
    from recdash.services import runs as store

    ids, versions = tuple(run.id for run in runs), tuple(str(run.version) for run in runs) or (store.version(),)
    return _answer(dataset, _fingerprint(dataset), picks, ids, versions, length, device)


def ease_now() -> dict[str, float]:
    """Return what EASE reaches on the public table's split with and without seen movies; computed once per data."""
    from recdash.services import reproduce

    return _ease_now(_fingerprint(reproduce.find("metarec").dataset))


def _fingerprint(name: str) -> str:
    from recdash.services import datasets

    return datasets.entry(name).fingerprint


@st.cache_data(max_entries=8, show_spinner=False)
def _groups(store: str, version: str, newest: str) -> list[Group]:
    from recdash.services import results

    return results.groups()


@st.cache_data(max_entries=64, show_spinner="Comparing user by user")
def _verdicts(_group: Group, rows: tuple[str, ...], metrics: tuple[str, ...]) -> dict[str, BestComparison]:
    from recdash.analysis import versus_best

    return versus_best.compare_with_best_by_metric(_group, metrics)


@st.cache_data(max_entries=16, show_spinner=False)
def _over_seeds(_found: Sequence[Group], rows: tuple[tuple[str, ...], ...]) -> list[SeedTable]:
    from recdash.analysis import seeds

    return seeds.tables(_found)


@st.cache_data(max_entries=64, show_spinner="Looking at parts")
def _parts(_group: Group, rows: tuple[str, ...], by: str) -> SliceView:
    from recdash.analysis import slices

    return slices.view(_group, by)


@st.cache_data(max_entries=2, show_spinner=False)
def _ease_now(fingerprint: str) -> dict[str, float]:
    from recdash.services import reproduce

    return reproduce.ease_now()


@st.cache_data(max_entries=16, show_spinner="Counting")
def _describe(name: str, fingerprint: str) -> dict[str, Any]:
    from recdash.services import datasets

    return datasets.describe(name)


@st.cache_data(max_entries=16, show_spinner="Drawing")
def _portrait(name: str, fingerprint: str) -> Distributions:
    from recdash.services import datasets

    return datasets.distributions(name)


@st.cache_data(max_entries=32, show_spinner="Splitting")
def _facts(name: str, fingerprint: str, protocol: str) -> Mapping[str, Any]:
    from recdash.services import datasets

    return datasets.split_facts(name, protocol)


@st.cache_resource(max_entries=4, show_spinner="Reading the catalogue")
def _items(dataset: str, fingerprint: str) -> Mapping[str, Item]:
    from recdash.services import datasets

    return {item.id: item for item in datasets.load(dataset).catalogue.items}


@st.cache_data(max_entries=8, show_spinner="Looking for popular films")
def _starters(dataset: str, fingerprint: str) -> list[Item]:
    from recdash.services import recommend

    left, seen = recommend.popular_items(dataset, 150), Counter[str]()
    found: list[Item] = []
    while left and len(found) < 60:
        kind = min(left, key=lambda item: (sum(seen[genre] for genre in item.genres[:2]), left.index(item)))
        left.remove(kind)
        seen.update(kind.genres[:2])
        found.append(kind)
    return found


@st.cache_data(max_entries=256, show_spinner="Asking the models")
def _answer(
    dataset: str,
    fingerprint: str,
    picks: tuple[str, ...],
    run_ids: tuple[str, ...],
    versions: tuple[str, ...],
    length: int,
    device: str,
) -> Answer:
    from recdash.services import recommend

    known = items(dataset)
    chosen = [known[item_id] for item_id in picks]  # not their ids, which may be titles of other items: "1984"
    return recommend.recommend(dataset, chosen, run_ids=run_ids or None, k=length, device=device)
