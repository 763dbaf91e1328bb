"""The paired bootstrap covers what it says, Holm's correction is as computed by hand, parts add up to the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.evaluation.bootstrap import (
    RatioStatistics,
    bootstrap_intervals,
    bootstrap_statistics,
    resample_counts,
)
from recdash.evaluation.significance import holm, paired_bootstrap

USERS, WORLDS = 200, 4000


def simulated(rng: np.random.Generator, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Per-user values of two models in many worlds, (users, worlds): skewed, in [0, 1], and strongly correlated."""
    taste = rng.beta(1.2, 3.0, size=(USERS, WORLDS))
    ours = np.clip(taste + rng.normal(0, 0.1, taste.shape), 0, 1)
    theirs = np.clip(taste + shift + rng.normal(0, 0.1, taste.shape), 0, 1)
    return ours, theirs


@pytest.mark.parametrize("shift", [0.0, 0.02])
def test_the_interval_of_a_difference_covers_the_true_one_in_95_of_100_worlds(shift: float) -> None:
    rng = np.random.default_rng(7)
    big = [simulated(rng, shift) for _ in range(2)]
    truth = float(np.mean([ours.mean() - theirs.mean() for ours, theirs in big]))  # of 1.6 million users
    ours, theirs = simulated(rng, shift)
    found = paired_bootstrap(RatioStatistics.of(ours), RatioStatistics.of(theirs))
    covered = float(np.mean((found.low <= truth) & (truth <= found.high)))
    assert 0.93 <= covered <= 0.97
    if shift == 0:
        assert 0.03 <= float(np.mean(found.p < 0.05)) <= 0.07, "false alarms"


def test_the_interval_of_a_difference_of_pooled_errors_covers_the_true_one() -> None:
    rng = np.random.default_rng(8)
    counts = rng.integers(1, 40, size=(USERS, WORLDS)).astype(float)
    hardness = rng.gamma(4.0, 0.2, size=counts.shape)
    ours, theirs = (hardness * counts * rng.uniform(0.9, 1.1, counts.shape) * factor for factor in (1.0, 1.05))
    truth = np.sqrt(ours.sum() / counts.sum()) - np.sqrt(theirs.sum() / counts.sum())
    found = paired_bootstrap(RatioStatistics(ours, counts, root=True), RatioStatistics(theirs, counts, root=True))
    assert 0.93 <= float(np.mean((found.low <= truth) & (truth <= found.high))) <= 0.97


def test_pairing_finds_what_two_separate_intervals_hide() -> None:
    rng = np.random.default_rng(1)
    taste = rng.beta(1.2, 3.0, size=300)
    better = taste + 0.01 + rng.normal(0, 0.02, 300)
    one, two = bootstrap_intervals({"a": better})["a"], bootstrap_intervals({"a": taste})["a"]
    assert one[0] < two[1], "the intervals overlap"
    found = paired_bootstrap(RatioStatistics.of(better), RatioStatistics.of(taste))
    assert found.low[0] > 0 and found.p[0] < 0.05


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    rng = np.random.default_rng(2)
    ours, theirs = RatioStatistics.of(rng.random(50)), RatioStatistics.of(rng.random(50))
    first, again, other = (paired_bootstrap(ours, theirs, seed=seed) for seed in (3, 3, 4))
    assert first.low[0] == again.low[0] and first.p[0] == again.p[0]
    assert first.low[0] != other.low[0]


def test_a_model_is_as_good_as_itself() -> None:
    values = np.random.default_rng(3).random((80, 1))
    found = paired_bootstrap(RatioStatistics.of(np.hstack([values] * 7)), RatioStatistics.of(values))
    assert np.all(np.abs(found.mean) < 1e-12) and np.all(found.p == 1) and np.all(np.abs(found.high) < 1e-12)


def test_who_is_not_scored_does_not_count() -> None:
    rng = np.random.default_rng(4)
    ours, theirs = rng.random(60), rng.random(60)
    ours[::3] = theirs[::3] = np.nan
    found = paired_bootstrap(RatioStatistics.of(ours), RatioStatistics.of(theirs))
    assert found.mean[0] == pytest.approx(np.nanmean(ours) - np.nanmean(theirs))
    nobody = paired_bootstrap(RatioStatistics.of(np.full(5, np.nan)), RatioStatistics.of(np.full(5, np.nan)))
    assert np.isnan([nobody.mean[0], nobody.low[0], nobody.p[0]]).all()


def test_different_users_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="60 users against 59"):
        paired_bootstrap(RatioStatistics.of(np.zeros(60)), RatioStatistics.of(np.zeros(59)))


def test_p_is_below_a_twentieth_exactly_where_the_interval_leaves_out_zero() -> None:
    rng = np.random.default_rng(5)
    ours = rng.normal(0, 1, (100, 400)) + np.linspace(-0.4, 0.4, 400)
    found = paired_bootstrap(RatioStatistics.of(ours), RatioStatistics.of(np.zeros((100, 1))))
    outside = (found.low > 0) | (found.high < 0)
    assert np.mean(outside == (found.p < 0.05)) > 0.99  # quantiles lie between resamples


def test_holm_by_hand() -> None:
    # .005 x 4 = .02; .01 x 3 = .03; .03 x 2 = .06; .04 x 1 = .04, raised to the one before
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    found = holm(np.array([0.9, np.nan, 0.8]))
    assert found[0] == 1 and found[2] == 1 and np.isnan(found[1])
    assert len(holm(np.array([]))) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_a_p_keeps_the_order_and_is_milder_than_bonferroni(p: list[float]) -> None:
    raw = np.array(p)
    adjusted = holm(raw)
    assert np.all(adjusted >= raw) and np.all(adjusted <= np.minimum(1, raw * len(raw)) + 1e-15)
    order = np.argsort(raw, kind="stable")
    assert np.all(np.diff(adjusted[order]) >= 0)


def test_a_clear_difference_is_found_among_a_thousand_comparisons() -> None:
    """A thousand resamples alone could never give a p below .002, and .002 x 1,000 is no alarm at all."""
    rng = np.random.default_rng(9)
    theirs = rng.random((200, 1))
    ours = np.clip(theirs + rng.normal(0, 0.1, (200, 1000)), 0, 1)
    ours[:, 0] -= 0.1
    found = paired_bootstrap(RatioStatistics.of(ours), RatioStatistics.of(theirs))
    adjusted = holm(found.p)
    assert adjusted[0] < 1e-6
    assert np.mean(adjusted[1:] < 0.05) < 0.01


def test_remembered_draws_are_the_draws() -> None:
    users, resamples = 40, 50
    (_, kept), *_ = resample_counts(users, resamples, 3)
    fresh = np.random.default_rng(3).multinomial(users, np.full(users, 1 / users), size=resamples)
    assert np.array_equal(kept, fresh) and np.all(kept.sum(axis=1) == users)


def test_intervals_of_sums_are_those_of_the_metrics() -> None:
    values = np.random.default_rng(6).random((70, 3))
    low, high = bootstrap_statistics(RatioStatistics.of(values))
    by_name = bootstrap_intervals({str(place): values[:, place] for place in range(3)})
    np.testing.assert_allclose(list(zip(low, high, strict=True)), [by_name[str(place)] for place in range(3)])
