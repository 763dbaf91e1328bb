"""Cached queries of the Recommend page. Each key changes whenever the result would change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from recdash.ui.cache import fingerprint

if TYPE_CHECKING:
    from recdash.data.item_words import ItemWords
    from recdash.data.items import Item
    from recdash.recommend.item_map import Method
    from recdash.recommend.item_popularity import ItemPopularity
    from recdash.recommend.ranked_list import ListOptions
    from recdash.recommend.taste import Taste
    from recdash.recommend.taste_files import TasteImport
    from recdash.recommend.taste_history import Entries
    from recdash.services.item_map import ItemMap
    from recdash.services.recommend import RecommendationList, Recommendations
    from recdash.services.runs import RunRecord
    from recdash.services.similar_items import SimilarItems
    from recdash.services.taste_starts import ExampleUser

_STAR_STEPS = 10  # most values offered: whole stars on a scale of ten, halves on one of five


class ItemFacets(NamedTuple):
    """What items can be filtered by: genres by number of items, and decades by their first year."""

    genres: list[str]
    decades: list[int]


def trained_runs(dataset: str) -> list[RunRecord]:
    """Return the finished runs of a dataset that can recommend, the best of each model first."""
    from recdash.services import trained_runs  # lazy: torch

    return trained_runs.trained_runs(dataset)


def items(dataset: str) -> Mapping[str, Item]:
    """Return the items of a dataset by id."""
    return _items(dataset, fingerprint(dataset))


def item_words(dataset: str) -> ItemWords:
    """Return the dataset's own word for its items, such as movie and movies."""
    return _item_words(dataset, fingerprint(dataset))


def star_scale(dataset: str) -> tuple[float, float, float]:
    """Return the lowest and the highest number of stars, and the step between two."""
    return _star_scale(dataset, fingerprint(dataset))


def item_facets(dataset: str) -> ItemFacets:
    """Return the genres and decades of a dataset's items."""
    return _item_facets(dataset, fingerprint(dataset))


def find_items(dataset: str, text: str, limit: int) -> list[Item]:
    """Return items whose titles match a query."""
    from recdash.services import recommend  # lazy: torch

    return recommend.find_items(dataset, text, limit)


def starter_items(dataset: str, limit: int) -> list[Item]:
    """Return popular items of varied genres and decades."""
    from recdash.services import recommend  # lazy: torch

    return recommend.starter_items(dataset, limit)


def item_popularity(dataset: str) -> ItemPopularity:
    """Return how often each item occurs."""
    from recdash.services import dataset_popularity, datasets  # lazy: numpy

    return dataset_popularity.popularity_of(datasets.load(dataset))


def devices() -> list[str]:
    """Return the devices on which trained models can score items, the CPU first."""
    from recdash.services import recommend  # lazy: torch

    return recommend.available_devices()


def snapshot_epochs(run: RunRecord) -> list[int]:
    """Return the epochs of a run whose models can be shown, the best one last; empty without snapshots."""
    return _snapshot_epochs(run.id, run.version)


def example_user(dataset: str, run_id: str | None, number: int | None) -> ExampleUser:
    """Return a test user as a start, random without a number."""
    from recdash.services import recommend  # lazy: torch

    return recommend.example_user(dataset, run_id, number)


def read_ratings(dataset: str, content: bytes, file_name: str) -> TasteImport:
    """Return what a visitor's file of ratings contains; nothing of it is cached."""
    from recdash.services import taste_profiles  # lazy: numpy

    return taste_profiles.import_ratings(dataset, content, file_name)


def taste_of(dataset: str, entries: Entries) -> Taste:
    """Return entries as a taste on the dataset's rating scale."""
    from recdash.recommend.taste import TasteEntry  # lazy: torch
    from recdash.services import datasets, recommend  # lazy: torch

    known = items(dataset)
    listed = tuple(TasteEntry(known[item_id], mark) for item_id, mark in entries if item_id in known)
    return replace(recommend.empty_taste(datasets.load(dataset)), entries=listed)


def recommendations(
    dataset: str,
    entries: Entries,
    runs: Sequence[RunRecord],
    options: ListOptions,
    device: str = "cpu",
    epochs: Mapping[str, int] | None = None,
) -> Recommendations:
    """Return the runs' lists for a taste. Without runs, EASE is fitted for this query.

    Args:
        dataset: Name of a dataset.
        entries: Item ids and marks.
        runs: The runs that answer.
        options: Options of the lists.
        device: Device that computes them.
        epochs: Epoch by run id, where not the best one answers.
    """
    from recdash.services import runs as store  # lazy: import lock

    ids, versions = tuple(run.id for run in runs), tuple(str(run.version) for run in runs) or (store.version(),)
    shown = tuple(sorted((epochs or {}).items()))
    return _recommendations(dataset, fingerprint(dataset), entries, ids, versions, options, device, shown)


def refitted_list(
    dataset: str, entries: Entries, run: RunRecord, l2: float, options: ListOptions
) -> RecommendationList:
    """Return the list of a run's EASE with another penalty, which is in memory by now."""
    from recdash.services import datasets, ease_refits, recommend  # lazy: torch

    model, note = ease_refits.refit_ease(run, l2), f"solved again with l2 = {l2:g}"
    return recommend.list_of_model(model, datasets.load(dataset), taste_of(dataset, entries), options, run, note)


def item_map(dataset: str, run: RunRecord | None, method: Method) -> ItemMap:
    """Return the map of a run's items; without a run that of the EASE fitted on demand."""
    from recdash.services import datasets, recommend  # lazy: torch
    from recdash.services import item_map as maps  # lazy: torch

    if run is not None:
        return maps.item_map(run, method)
    return maps.item_map_of_model(recommend.untrained_ease(datasets.load(dataset)).model, method)


def similar_items(dataset: str, run_id: str | None, item_id: str, k: int) -> SimilarItems:
    """Return items similar to one, according to a run or to EASE."""
    from recdash.services import recommend  # lazy: torch

    return recommend.similar_items(dataset, run_id, items(dataset)[item_id], k)


@st.cache_resource(max_entries=4, show_spinner="Loading items")
def _items(dataset: str, fingerprint: str) -> Mapping[str, Item]:
    from recdash.services import datasets  # lazy: import lock

    return {item.id: item for item in datasets.load(dataset).catalogue.items}


@st.cache_data(max_entries=32, show_spinner=False)
def _item_words(dataset: str, fingerprint: str) -> ItemWords:
    from recdash.data import item_words  # lazy: numpy
    from recdash.services import datasets  # lazy: import lock

    return item_words.item_words(datasets.load(dataset))


@st.cache_data(max_entries=32, show_spinner=False)
def _star_scale(dataset: str, fingerprint: str) -> tuple[float, float, float]:
    from recdash.recommend.taste import DEFAULT_SCALE  # lazy: torch
    from recdash.services import datasets  # lazy: import lock

    loaded = datasets.load(dataset)
    low, high = loaded.scale or DEFAULT_SCALE
    step = loaded.rating_step or 0.5
    while (high - low) / step > _STAR_STEPS:
        step *= 2
    return low, high, step


@st.cache_data(max_entries=32, show_spinner=False)
def _item_facets(dataset: str, fingerprint: str) -> ItemFacets:
    listed = items(dataset).values()
    genres = Counter(genre for item in listed for genre in item.genres)
    decades = sorted({item.year // 10 * 10 for item in listed if item.year is not None})
    return ItemFacets([genre for genre, _ in genres.most_common()], decades)


@st.cache_data(max_entries=256, show_spinner=False)
def _snapshot_epochs(run_id: str, version: int) -> list[int]:
    from recdash.services import runs, snapshots  # lazy: torch

    return snapshots.snapshot_epochs(runs.find(run_id))


@st.cache_data(max_entries=512, show_spinner="Computing recommendations")
def _recommendations(
    dataset: str,
    fingerprint: str,
    entries: Entries,
    run_ids: tuple[str, ...],
    versions: tuple[str, ...],
    options: ListOptions,
    device: str,
    epochs: tuple[tuple[str, int], ...],
) -> Recommendations:
    from recdash.services import recommend  # lazy: torch

    return recommend.recommend(
        dataset,
        run_ids=run_ids or None,
        taste=taste_of(dataset, entries),
        options=options,
        device=device,
        epochs=dict(epochs),
    )
