"""Distributions of a dataset count every interaction, and stay small enough to draw."""

from __future__ import annotations

import numpy as np
import pytest

from recdash.analysis import dataset_stats
from recdash.data.dataset import Dataset
from tests.toy_data import toy_dataset


@pytest.fixture(scope="module")
def data() -> Dataset:
    return toy_dataset()


def test_popularity_falls_from_the_most_popular_item_to_the_least(data: Dataset) -> None:
    points = dataset_stats.distributions(data).popularity
    counts = np.sort(np.bincount(data.items, minlength=data.n_items))[::-1]
    assert points[0] == (1, counts[0]) and points[-1] == (data.n_items, counts[-1])
    assert [count for _, count in points] == sorted((count for _, count in points), reverse=True)
    assert len(points) <= dataset_stats.MOST_POINTS


def test_every_user_is_in_exactly_one_bin_of_activity(data: Dataset) -> None:
    bins = dataset_stats.distributions(data).activity
    assert sum(users for _, _, users in bins) == data.n_users
    per_user = np.bincount(data.users, minlength=data.n_users)
    for low, high, users in bins:
        assert users == ((per_user >= low) & (per_user <= high)).sum()


def test_months_add_up_to_the_interactions_and_are_empty_without_dates(data: Dataset) -> None:
    found = dataset_stats.distributions(data)
    if data.times is None or data.time_kind != "dates":
        assert found.months == ()
    else:
        assert sum(number for _, number in found.months) == len(data)
    assert (found.ties is None) == (data.times is None)
