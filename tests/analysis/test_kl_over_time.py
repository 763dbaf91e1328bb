"""KL per dimension over time: sorted, reduced without losing what matters, counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.analysis.kl_over_time import KlOverTime, heat_map, kl_over_time


def history(values: np.ndarray) -> KlOverTime:
    found = kl_over_time({epoch: row.astype(np.float32) for epoch, row in enumerate(values, start=1)})
    assert found is not None
    return found


def test_dimensions_are_sorted_by_their_last_value() -> None:
    kl = history(np.array([[3.0, 0.0, 1.0], [0.1, 2.0, 0.005]]))
    assert kl.dimensions.tolist() == [1, 0, 2]
    assert kl.values[0].tolist() == [0.0, 3.0, 1.0]
    assert kl.active_units().tolist() == [2, 2]  # 0.005 and 0 are not above 0.01


def test_the_spectrum_is_that_of_the_epoch_or_of_the_nearest_before() -> None:
    kl = kl_over_time({2: np.array([1.0, 5.0], np.float32), 4: np.array([7.0, 6.0], np.float32)})
    assert kl is not None
    assert kl.at(None) == (4, (7.0, 6.0)) and kl.at(3) == (2, (5.0, 1.0)) and kl.at(1) == (2, (5.0, 1.0))


def test_no_epoch_is_no_history_and_another_width_is_left_out() -> None:
    assert kl_over_time({}) is None
    kl = kl_over_time({1: np.ones(3, np.float32), 2: np.ones(2, np.float32)})
    assert kl is not None and kl.epochs.tolist() == [2]


def test_a_small_matrix_is_shown_as_it_is() -> None:
    kl = history(np.arange(12.0).reshape(4, 3))
    cells = heat_map(kl)
    assert cells.epochs.tolist() == [1, 2, 3, 4] and cells.dimensions_per_row == 1
    np.testing.assert_array_equal(cells.values, kl.values)


@given(st.integers(1, 900), st.integers(1, 250), st.integers(0, 2**32 - 1))
def test_a_reduced_matrix_is_small_and_keeps_ends_extremes_and_the_best_epoch(
    epochs: int, width: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    kl = history(rng.random((epochs, width)))
    best = int(rng.integers(1, epochs + 1))
    cells = heat_map(kl, [best], max_epochs=60, max_dimensions=40)
    assert len(cells.epochs) <= 63 and cells.values.shape[1] <= 40
    totals = kl.values.sum(1)
    wanted = {1, epochs, best, int(kl.epochs[totals.argmin()]), int(kl.epochs[totals.argmax()])}
    assert wanted <= set(cells.epochs.tolist())
    rows = np.searchsorted(kl.epochs, cells.epochs)
    assert cells.values.max() == kl.values[rows].max()  # a row shows its largest dimension


def test_a_collapse_of_one_epoch_among_thousands_is_shown() -> None:
    values = np.ones((4000, 8))
    values[1234] = 0
    cells = heat_map(history(values))
    assert 1235 in cells.epochs and cells.values[list(cells.epochs).index(1235)].max() == 0


def test_the_picture_does_not_change_while_epochs_are_added() -> None:
    values = np.random.default_rng(0).random((300, 4))
    before = heat_map(history(values[:200]), max_epochs=80).epochs
    after = heat_map(history(values[:230]), max_epochs=80).epochs
    complete = [epoch for epoch in before if epoch <= 192]  # stretches of 8 that are full
    assert set(complete) <= set(after.tolist())
    assert len(before) == pytest.approx(50, abs=5)
