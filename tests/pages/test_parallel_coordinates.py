"""Parallel coordinates: axes of numbers, of texts and of values that some runs do not have; many runs."""

from __future__ import annotations

import math
import time

import pytest

from recdash.ui.charts.parallel_coordinates import Coordinate, dimension, figure


def test_few_numbers_are_evenly_spaced_ticks_and_a_missing_one_is_below() -> None:
    axis = dimension(Coordinate("latent", [200, 50, None, 200]))
    assert axis["ticktext"] == ["–", "50", "200"] and axis["tickvals"] == [-1, 0, 1]
    assert axis["values"] == [1, 0, -1, 1]
    assert axis["range"][0] < -1 and axis["range"][1] > 1


def test_many_numbers_over_a_wide_range_have_a_logarithmic_axis() -> None:
    rates = [10 ** (-4 + n / 10) for n in range(21)]
    axis = dimension(Coordinate("learning_rate", [*rates, None]))
    assert axis["values"][:21] == pytest.approx([math.log10(rate) for rate in rates])
    assert axis["values"][-1] < min(axis["values"][:21]), "the run without the setting is below"
    assert axis["ticktext"] == ["–", "0.0001", "0.001", "0.01"]
    narrow = dimension(Coordinate("dropout", [n / 20 for n in range(10, 20)]))
    assert narrow["values"] == pytest.approx([n / 20 for n in range(10, 20)])


def test_texts_are_shown_as_they_are() -> None:
    axis = dimension(Coordinate("model", ["<b>x</b>", "EASE", "EASE"]))
    assert axis["ticktext"] == ["&lt;b>x&lt;/b>", "EASE"] and axis["values"] == [0, 1, 1]
    mixed = dimension(Coordinate("hidden", [[600], None, [200, 100]]))
    assert len(set(mixed["values"])) == 3


def test_five_hundred_runs_are_drawn_at_once_coloured_by_the_metric() -> None:
    axes = [Coordinate(f"setting {n}", [(run * n) % 97 for run in range(500)]) for n in range(1, 12)]
    values = [run / 500 for run in range(500)]
    figure(axes, "NDCG@100", values, lower=False, theme="light")  # Plotly is imported
    started = time.perf_counter()
    plot = figure(axes, "RMSE", values, lower=True, theme="dark")
    assert time.perf_counter() - started < 2.0
    lines = plot.data[0]
    assert len(lines.dimensions) == 10, "further axes would be too close to each other"
    assert lines.dimensions[-1].label == "RMSE" and list(lines.line.color) == values
    assert lines.line.reversescale is True, "a low error has the colour of the best"
