"""Cached queries of the pages. Each key changes whenever the result would change."""

from __future__ import annotations

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
    from recdash.services.options import ModelChoice
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
    return _describe(name, fingerprint(name))


def distributions(name: str) -> Distributions:
    """Return the distributions of a dataset."""
    return _distributions(name, fingerprint(name))


def split_facts(name: str, protocol: str) -> Mapping[str, Any]:
    """Return the sizes of the split that a protocol makes of a dataset."""
    return _split_facts(name, fingerprint(name), protocol)


def fingerprint(name: str) -> str:
    """Return the fingerprint of a dataset's content."""
    from recdash.services import datasets  # lazy: import lock

    return datasets.entry(name).fingerprint


# Visitors share these frozen records: a copy for each rerun, as of `cache_data`, takes 0.7 s for 500 runs.
@st.cache_resource(max_entries=4, show_spinner=False)
def _groups(store: str, version: str, newest: str) -> list[Group]:
    from recdash.services import results  # lazy: import lock

    return results.groups()


@st.cache_data(max_entries=64, show_spinner="Comparing per-user results")
def _best_comparisons(_group: Group, rows: tuple[str, ...], metrics: tuple[str, ...]) -> dict[str, BestComparison]:
    from recdash.analysis import versus_best  # lazy: import lock

    return versus_best.compare_with_best_by_metric(_group, metrics)


@st.cache_resource(max_entries=8, show_spinner=False)
def _seed_tables(_found: Sequence[Group], rows: tuple[tuple[str, ...], ...]) -> list[SeedTable]:
    from recdash.analysis import seeds  # lazy: import lock

    return seeds.seed_tables(_found)


@st.cache_data(max_entries=64, show_spinner="Computing slices")
def _slices(_group: Group, rows: tuple[str, ...], by: str) -> SliceView:
    from recdash.analysis import slices  # lazy: import lock

    return slices.slice_view(_group, by)


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
