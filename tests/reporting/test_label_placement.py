"""Labels of neighbouring points do not overlap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recdash.reporting.label_placement import POSITIONS, place_labels


def test_labels_of_neighbouring_points_take_different_positions() -> None:
    chosen = place_labels([(100.0, 100.0), (104.0, 102.0), (98.0, 105.0)], ["EASE", "Mult-VAE", "CDAE"])
    assert len(set(chosen)) == 3


def test_a_single_label_takes_the_preferred_position() -> None:
    assert place_labels([(0.0, 0.0)], ["alone"]) == ["top right"]
    assert place_labels([(0.0, 0.0)], ["alone"], "bottom right") == ["bottom right"]


def test_an_empty_label_takes_no_space() -> None:
    points = [(100.0, 100.0), (140.0, 100.0)]
    assert place_labels(points, ["a long label", "second"])[1] != "top left"
    assert place_labels(points, ["", "second"], "top left")[1] == "top left"


@given(st.lists(st.tuples(st.floats(0, 600), st.floats(0, 300)), max_size=8))
def test_every_point_gets_a_position(points: list[tuple[float, float]]) -> None:
    chosen = place_labels(points, ["label"] * len(points))
    assert len(chosen) == len(points) and set(chosen) <= set(POSITIONS)
