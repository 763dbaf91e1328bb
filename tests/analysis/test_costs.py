"""Costs and views of quality: every model gives them, and older runs leave blanks."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.analysis import costs, slices
from recdash.models import registry
from recdash.runs.run_folder import RunFolder
from recdash.services import compare, results

POINTS = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1)), min_size=1, max_size=12)


@pytest.mark.parametrize("model", registry.names())
@pytest.mark.slow
def test_every_model_records_its_costs_and_per_user_results(here, model: str) -> None:
    compare.start(compare.requests("toy", [model], epochs=2))
    (group,) = results.groups()
    (row,) = group.rows
    values = {name: cost.value(row) for name, cost in costs.COSTS.items()}
    assert all(value is not None and value >= 0 for value in values.values()), values
    assert 20 < values["memory"] < 64_000, "MiB"
    assert 0 < values["list"] < 5_000, "milliseconds"
    for by in ("activity", "popularity"):
        found = slices.slice_view(group, by)
        assert found.missing == () and 2 <= len(found.parts) <= 4
        (cells,) = found.cells.values()
        for cell in cells:
            assert cell.low <= cell.mean <= cell.high or math.isnan(cell.mean)


def test_parts_of_users_average_to_the_figure_of_the_table(here) -> None:
    compare.start(compare.requests("toy", ["ease", "popularity"]))
    (group,) = results.groups()
    found = slices.slice_view(group, "activity")
    for row in group.rows:
        cells = found.cells[row.run.id]
        mean = sum(part.size * cell.mean for part, cell in zip(found.parts, cells, strict=True))
        mean /= sum(part.size for part in found.parts)
        assert mean == pytest.approx(row.metrics["ndcg@100"].mean, abs=1e-6)


def test_a_run_of_an_earlier_version_is_named_and_left_out(here) -> None:
    compare.start(compare.requests("toy", ["ease", "popularity"]))
    (group,) = results.groups()
    old = group.rows[0].run.id
    (RunFolder(old).path / "facts.npz").unlink()
    slices._slices_of.cache_clear()
    for by in ("activity", "popularity"):
        found = slices.slice_view(group, by)
        assert found.missing == (old,) and set(found.cells) == {group.rows[1].run.id}
    damaged = RunFolder(group.rows[1].run.id)
    (damaged.path / "facts.npz").write_bytes(b"nonsense")
    slices._slices_of.cache_clear()
    assert slices.slice_view(group, "activity").cells == {}


@given(POINTS, st.booleans())
def test_the_front_holds_what_no_other_beats_and_nothing_else(points: list[tuple[float, float]], lower: bool) -> None:
    sign = -1 if lower else 1
    front = costs.pareto_front(points, lower=lower)

    def beaten(place: int) -> bool:
        cost, quality = points[place]
        return any(
            other != place
            and points[other][0] <= cost
            and sign * points[other][1] >= sign * quality
            and (points[other] != points[place] or other < place)
            for other in range(len(points))
        )

    assert set(front) == {place for place in range(len(points)) if not beaten(place)}
    assert [points[place][0] for place in front] == sorted(points[place][0] for place in front)
