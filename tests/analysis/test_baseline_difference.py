"""Differences to a chosen baseline, by hand; what is significant, and what is too small to matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.analysis import baseline_difference
from recdash.analysis.baseline_difference import BaselineDifference, Verdict, differences_to_baseline, pooled
from recdash.evaluation.bootstrap import RatioStatistics

BASELINE = np.array([0.2, 0.4, 0.6, 0.8] * 100)  # mean 0.5


def sums(values: np.ndarray) -> RatioStatistics:
    return RatioStatistics.of(values)


def test_a_constant_gain_has_an_interval_of_no_width() -> None:
    found = differences_to_baseline({"ours": sums(BASELINE + 0.1)}, sums(BASELINE))["ours"]
    assert found.difference == pytest.approx(0.1) and found.baseline == pytest.approx(0.5)
    assert (found.low, found.high) == (pytest.approx(0.1), pytest.approx(0.1))
    assert found.relative == pytest.approx(0.2)  # 0.1 / 0.5
    assert found.verdict(higher_is_better=True) is Verdict.BETTER
    assert found.verdict(higher_is_better=False) is Verdict.WORSE


def test_a_significant_difference_below_the_threshold_is_too_small_to_matter() -> None:
    found = differences_to_baseline({"ours": sums(BASELINE + 0.002)}, sums(BASELINE))["ours"]  # 0.4% of 0.5
    assert found.p < 0.05
    assert found.verdict(higher_is_better=True) is Verdict.SMALL
    assert found.verdict(higher_is_better=True, threshold=0.003) is Verdict.BETTER
    assert found.verdict(higher_is_better=True, threshold=0.0) is Verdict.BETTER


def test_noise_is_not_significant_and_a_copy_is_equal() -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, 400)
    rows = {"noisy": sums(BASELINE + noise - noise.mean() + 0.004), "copy": sums(BASELINE)}
    found = differences_to_baseline(rows, sums(BASELINE))
    assert found["noisy"].low < 0 < found["noisy"].high
    assert found["noisy"].verdict(higher_is_better=True) is Verdict.NOT_SIGNIFICANT
    assert found["copy"].verdict(higher_is_better=True) is Verdict.EQUAL


def test_more_rows_make_the_correction_stricter() -> None:
    rng = np.random.default_rng(3)
    one = sums(BASELINE + 0.02 + rng.normal(0, 0.18, 400))
    others = {f"noise {n}": sums(BASELINE + rng.normal(0, 0.18, 400)) for n in range(40)}
    alone = differences_to_baseline({"one": one}, sums(BASELINE))["one"]
    among = differences_to_baseline({"one": one, **others}, sums(BASELINE))["one"]
    assert (alone.low, alone.high) == pytest.approx((among.low, among.high)), "intervals are not corrected"
    assert alone.p < among.p


def test_seeds_of_a_setting_are_pooled() -> None:
    both = pooled([sums(np.array([0.1, 0.3])), sums(np.array([0.3, 0.5]))])
    assert both.values()[0] == pytest.approx((0.1 + 0.3 + 0.3 + 0.5) / 4)
    first = RatioStatistics(np.array([[4.0]]), np.array([[4.0]]), root=True)  # squared errors, ratings: RMSE 1
    second = RatioStatistics(np.array([[16.0]]), np.array([[4.0]]), root=True)  # RMSE 2
    assert pooled([first, second]).values()[0] == pytest.approx(math.sqrt(20 / 8))


def test_a_row_on_other_users_is_left_out() -> None:
    assert differences_to_baseline({"ours": sums(BASELINE[:10])}, sums(BASELINE)) == {}


def test_runs_without_files_are_left_out() -> None:
    unit = (("ease-00000000", 1),)
    assert baseline_difference.compare_units((("row", unit),), unit, "ndcg@100") == {}


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0.01, 1), st.floats(0, 0.5))
def test_the_directions_of_a_metric_are_mirror_images(gap: float, p: float, value: float, threshold: float) -> None:
    found = BaselineDifference(gap, gap - 0.1, gap + 0.1, p, value)
    up, down = (found.verdict(higher_is_better=better, threshold=threshold) for better in (True, False))
    mirrored = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}
    assert down is mirrored.get(up, up)
    if up in mirrored:
        assert p < 0.05 and abs(gap) >= threshold * value * (1 - 1e-9)
