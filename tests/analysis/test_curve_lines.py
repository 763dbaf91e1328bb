"""Smoothing and downsampling of learning curves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recdash.analysis.curve_lines import MOST_POINTS, downsampled, pauses, smoothed

VALUES = st.lists(
    st.one_of(st.floats(-1e9, 1e9), st.sampled_from([math.nan, math.inf, -math.inf])), min_size=1, max_size=300
).map(np.array)
WEIGHTS = st.floats(0.01, 0.99)
KINDS = st.sampled_from(["exponential", "gaussian", "mean"])


@given(VALUES, st.integers(8, 64))
@settings(max_examples=60)
def test_the_picture_keeps_first_last_minimum_maximum_and_every_kind_of_gap(values, most):
    kept = downsampled(values, most)
    drawn = values[kept]
    assert (np.diff(kept) > 0).all() and kept[0] == 0 and kept[-1] == len(values) - 1
    finite = values[np.isfinite(values)]
    if len(finite):
        assert np.nanmin(drawn[np.isfinite(drawn)]) == finite.min()
        assert np.nanmax(drawn[np.isfinite(drawn)]) == finite.max()
    assert np.isfinite(drawn).all() == np.isfinite(values).all()
    assert len(kept) <= (len(values) if len(values) <= most else max(5, 1.25 * most))


@given(st.lists(st.floats(-100, 100), min_size=80, max_size=400).map(np.array), st.integers(1, 60))
@settings(max_examples=60)
def test_a_point_of_a_full_bin_stays_and_bins_double_to_a_subset(values, more):
    most = 32
    before, after = downsampled(values[:-more], most), downsampled(values, most)
    size = lambda n: 2 ** max(0, math.ceil(math.log2(4 * n / most)))  # noqa: E731
    old, new = size(len(values) - more), size(len(values))
    full = (len(values) - more) // new * new  # bins of the new size that were full before
    assert set(after[after < full]) <= set(before)
    if old == new:
        assert list(after[after < full]) == list(before[before < full])


def test_the_minimum_of_each_bin_is_kept_by_hand():
    values = np.array([5, 1, 9, 4, 3, 8, 2, 7, 6, 6, 6, 6, 0, 1, 2, 3], dtype=float)
    assert list(downsampled(values, most=8)) == [0, 1, 2, 7, 8, 12, 15]  # two bins of eight


def test_ten_thousand_noisy_points_keep_their_extremes():
    values = np.random.default_rng(3).normal(size=10_000)
    kept = downsampled(values)
    assert len(kept) <= 1.25 * MOST_POINTS
    assert (values[kept].min(), values[kept].max()) == (values.min(), values.max())


@given(st.floats(-1e12, 1e12), st.integers(1, 200), WEIGHTS, KINDS)
@settings(max_examples=60)
def test_c6_a_constant_stays_constant(constant, n, weight, kind):
    assert (smoothed(np.full(n, constant), weight, kind) == constant).all()


@given(VALUES, WEIGHTS, KINDS)
@settings(max_examples=60)
def test_c7_averages_stay_within_the_values_and_gaps_stay_gaps(values, weight, kind):
    averages = smoothed(values, weight, kind)
    finite = np.isfinite(values)
    np.testing.assert_array_equal(averages[~finite], values[~finite])
    if finite.any():
        low, high = values[finite].min(), values[finite].max()
        slack = 1e-9 * max(1.0, abs(low), abs(high))
        assert (averages[finite] >= low - slack).all() and (averages[finite] <= high + slack).all()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), WEIGHTS)
@settings(max_examples=40)
def test_the_exponential_average_equals_the_recurrence(values, weight):
    mean, expected = 0.0, []
    for number, value in enumerate(values, start=1):
        mean = weight * mean + (1 - weight) * value
        expected.append(mean / (1 - weight**number))
    np.testing.assert_allclose(smoothed(np.array(values), weight), expected, rtol=1e-7, atol=1e-6)


def test_centred_averages_do_not_lag():
    line = np.arange(101.0)
    for kind in ("gaussian", "mean"):
        np.testing.assert_allclose(smoothed(line, 0.8, kind)[20:80], line[20:80])
    assert smoothed(line, 0.8)[50] == pytest.approx(50 - 4, abs=0.01)  # the lag is weight / (1 - weight)


def test_no_weight_returns_the_values():
    values = np.array([1.0, math.nan, 3.0])
    np.testing.assert_array_equal(smoothed(values, 0.0), values)


def test_a_pause_is_longer_than_the_training_between_two_epochs() -> None:
    seconds = np.array([1.0, 2.0, 3.0, 4.0, 64.0])  # the last epoch was slow, but trained all the time
    recorded = np.array([100.0, 101.0, 131.0, 132.0, 192.0])
    assert pauses(recorded, seconds).tolist() == [1]
    assert pauses(np.full(5, np.nan), seconds).tolist() == []
    assert pauses(np.array([5.0]), np.array([1.0])).tolist() == []
    assert pauses(np.arange(0.0, 50.0, 10.0), np.zeros(5)).tolist() == [], "imported without a training time"
