"""Cached queries of the pages. Each key changes whenever the result would change."""

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
    from recdash.data.dataset_registry import DatasetEntry
    from recdash.data.items import Item
    from recdash.services.options import ModelChoice
    from recdash.services.recommend import Recommendations
    from recdash.services.runs import RunRecord
    from recdash.splits.protocols import Protocol


def groups() -> list[Group]:
    """Return all comparable groups of finished runs."""
    from recdash.services import runs  # lazy: import lock

    newest = runs.list_runs()[:1]
    return _groups(paths.store_url(), runs.version(), newest[0].id if newest else "")


def best_comparisons(group: Group, metrics: Sequence[str]) -> dict[str, BestComparison]:
    """Return the paired comparison of each row of a group with its best, by metric."""
    return _best_comparisons(group, _group_key(group), tuple(metrics))


def slices(group: Group, by: str) -> SliceView:
    """Return the primary metric of a group by slice of the users ("activity") or items ("popularity")."""
    return _slices(group, _group_key(group), by)


def seed_tables(comparable_groups: Sequence[Group]) -> list[SeedTable]:
    """Return tables of means over seeds."""
    return _seed_tables(comparable_groups, tuple(_group_key(group) for group in comparable_groups))


def _group_key(group: Group) -> tuple[str, ...]:
    return (paths.store_url(), *(row.run.id for row in group.rows))


def entries() -> list[DatasetEntry]:
    """Return all datasets, installed or not. The first call creates the demo."""
    from recdash.services import datasets  # lazy: import lock

    return datasets.entries()


def installed() -> list[str]:
    """Return the names of the installed datasets, the demo first."""
    return [entry.name for entry in entries() if entry.ready]


def is_generated(name: str) -> bool:
    """Whether the ratings of a dataset are generated."""
    return any(entry.name == name and entry.generated for entry in entries())


@st.cache_data(show_spinner="Loading models")
def models() -> list[ModelChoice]:
    """Return all models. The first call of a server imports PyTorch."""
    from recdash.services import options  # lazy: import lock

    return options.models()


@st.cache_data(show_spinner="Loading protocols")
def protocols() -> list[Protocol]:
    """Return all protocols."""
    from recdash.services import options  # lazy: import lock

    return options.protocols()


def protocols_of(dataset: str) -> list[Protocol]:
    """Return the protocols for a dataset: its own split if it was imported as one, otherwise all others."""
    from recdash.splits import user_defined  # lazy: import lock

    own_split = next((entry.own_split for entry in entries() if entry.name == dataset), None)
    return [protocol for protocol in protocols() if user_defined.is_available(protocol.name, own_split)]


def describe(name: str) -> dict[str, Any]:
    """Return the statistics of a dataset."""
    return _describe(name, _fingerprint(name))


def distributions(name: str) -> Distributions:
    """Return the distributions of a dataset."""
    return _distributions(name, _fingerprint(name))


def split_facts(name: str, protocol: str) -> Mapping[str, Any]:
    """Return the sizes of the split that a protocol makes of a dataset."""
    return _split_facts(name, _fingerprint(name), protocol)


def trained_runs(dataset: str) -> list[RunRecord]:
    """Return the finished runs of a dataset that can recommend, the best of each model first."""
    from recdash.services import trained_runs  # lazy: torch

    return trained_runs.trained_runs(dataset)


def items(dataset: str) -> Mapping[str, Item]:
    """Return the items of a dataset by id."""
    return _items(dataset, _fingerprint(dataset))


def find_items(dataset: str, text: str, limit: int) -> list[Item]:
    """Return items whose titles match a query."""
    from recdash.services import recommend  # lazy: torch

    return recommend.find_items(dataset, text, limit)


def starter_items(dataset: str, limit: int) -> list[Item]:
    """Return popular items of varied genres: each is the most popular one left of the least covered genre."""
    return _starter_items(dataset, _fingerprint(dataset))[:limit]


def devices() -> list[str]:
    """Return the devices on which trained models can score items, the CPU first."""
    from recdash.services import recommend  # lazy: torch

    return recommend.available_devices()


def recommendations(
    dataset: str, picks: tuple[str, ...], runs: Sequence[RunRecord], length: int, device: str = "cpu"
) -> Recommendations:
    """Return the runs' lists for the picks. Without runs, a model fitted for this query is used."""
    from recdash.services import runs as store  # lazy: import lock

    ids, versions = tuple(run.id for run in runs), tuple(str(run.version) for run in runs) or (store.version(),)
    return _recommendations(dataset, _fingerprint(dataset), picks, ids, versions, length, device)


def ease_with_and_without_seen() -> dict[str, float]:
    """Return NDCG@100 of EASE on the published table's split, with and without seen items in the lists."""
    from recdash.services import reproduce  # lazy: import lock

    return _ease_with_and_without_seen(_fingerprint(reproduce.dataset_of("metarec")))


def _fingerprint(name: str) -> str:
    from recdash.services import datasets  # lazy: import lock

    return datasets.entry(name).fingerprint


@st.cache_data(max_entries=8, show_spinner=False)
def _groups(store: str, version: str, newest: str) -> list[Group]:
    from recdash.services import results  # lazy: import lock

    return results.groups()


@st.cache_data(max_entries=64, show_spinner="Comparing per-user results")
def _best_comparisons(_group: Group, rows: tuple[str, ...], metrics: tuple[str, ...]) -> dict[str, BestComparison]:
    from recdash.analysis import versus_best  # lazy: import lock

    return versus_best.compare_with_best_by_metric(_group, metrics)


@st.cache_data(max_entries=16, show_spinner=False)
def _seed_tables(_found: Sequence[Group], rows: tuple[tuple[str, ...], ...]) -> list[SeedTable]:
    from recdash.analysis import seeds  # lazy: import lock

    return seeds.seed_tables(_found)


@st.cache_data(max_entries=64, show_spinner="Computing slices")
def _slices(_group: Group, rows: tuple[str, ...], by: str) -> SliceView:
    from recdash.analysis import slices  # lazy: import lock

    return slices.slice_view(_group, by)


@st.cache_data(max_entries=2, show_spinner=False)
def _ease_with_and_without_seen(fingerprint: str) -> dict[str, float]:
    from recdash.services import reproduce  # lazy: import lock

    return reproduce.ease_with_and_without_seen()


@st.cache_data(max_entries=16, show_spinner="Computing statistics")
def _describe(name: str, fingerprint: str) -> dict[str, Any]:
    from recdash.services import datasets  # lazy: import lock

    return datasets.describe(name)


@st.cache_data(max_entries=16, show_spinner="Computing distributions")
def _distributions(name: str, fingerprint: str) -> Distributions:
    from recdash.services import datasets  # lazy: import lock

    return datasets.distributions(name)


@st.cache_data(max_entries=32, show_spinner="Building the split")
def _split_facts(name: str, fingerprint: str, protocol: str) -> Mapping[str, Any]:
    from recdash.services import datasets  # lazy: import lock

    return datasets.split_facts(name, protocol)


@st.cache_resource(max_entries=4, show_spinner="Loading items")
def _items(dataset: str, fingerprint: str) -> Mapping[str, Item]:
    from recdash.services import datasets  # lazy: import lock

    return {item.id: item for item in datasets.load(dataset).catalogue.items}


@st.cache_data(max_entries=8, show_spinner="Finding popular items")
def _starter_items(dataset: str, fingerprint: str) -> list[Item]:
    from recdash.services import recommend  # lazy: torch

    left, covered = recommend.popular_items(dataset, 150), Counter[str]()
    chosen: list[Item] = []
    while left and len(chosen) < 60:
        item = min(left, key=lambda item: (sum(covered[genre] for genre in item.genres[:2]), left.index(item)))
        left.remove(item)
        covered.update(item.genres[:2])
        chosen.append(item)
    return chosen


@st.cache_data(max_entries=256, show_spinner="Computing recommendations")
def _recommendations(
    dataset: str,
    fingerprint: str,
    picks: tuple[str, ...],
    run_ids: tuple[str, ...],
    versions: tuple[str, ...],
    length: int,
    device: str,
) -> Recommendations:
    from recdash.services import recommend  # lazy: torch

    known = items(dataset)
    # Items, not ids: an id such as "1984" may be the title of another item.
    chosen = [known[item_id] for item_id in picks]
    return recommend.recommend(dataset, chosen, run_ids=run_ids or None, k=length, device=device)
