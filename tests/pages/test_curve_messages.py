"""What the curve board sends to the browser, and what it saves as files."""

from __future__ import annotations

import base64
import csv
import io
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recdash.errors import UsageError
from recdash.runs.run_records import EpochRow, RunRecord
from recdash.runs.states import State
from recdash.ui.charts import curve_export, curve_messages, curve_series
from recdash.ui.charts.curve_board import BoardOptions, Panel
from recdash.ui.charts.epoch_reader import EpochReader

NUMBERS = st.lists(st.floats(), max_size=40).map(np.array)


def decode(text: str) -> np.ndarray:
    """What curve_board.js does."""
    if text[0] == "r":
        first, count = map(int, text[1:].split(","))
        return np.arange(first, first + count, dtype=float)
    return np.frombuffer(base64.b64decode(text[1:]), "<f4" if text[0] == "f" else "<f8").astype(float)


def record(run_id: str, state: State = State.FINISHED, **fields) -> RunRecord:
    plain = {"name": run_id, "model": "multvae", "dataset": "toy", "protocol": "strong", "preset": "auto"}
    plain |= {"settings": {}, "seed": 0, "split_seed": 1, "device": "cpu"}
    return RunRecord(id=run_id, state=state, **{**plain, **fields})


def reader_of(**values: list[float | None]) -> EpochReader:
    """A reader of runs by id; None is an epoch without the value."""
    reader, seq = EpochReader(tuple(values)), 0
    for run_id, column in values.items():
        for epoch, value in enumerate(column, start=1):
            seq += 1
            row = EpochRow(run_id, epoch, seq, 10 * epoch, 0.5 * epoch, {} if value is None else {"kl": value}, None)
            reader.add(row)
    return reader


def panel(*run_ids: str) -> Panel:
    return Panel("p", "KL divergence", "nats", "kl", "toy", run_ids)


@given(NUMBERS)
@settings(max_examples=60)
def test_arrays_survive_the_way_to_the_browser(values):
    with np.errstate(over="ignore"):
        found = decode(curve_messages.encode(values))
    np.testing.assert_allclose(found, values, rtol=1e-6, atol=0)


def test_epochs_travel_as_a_range_and_equal_arrays_once():
    table = curve_messages.ArrayTable()
    epochs = np.arange(1.0, 201)
    assert [table.add(epochs), table.add(None), table.add(epochs + 0.5), table.add(epochs.copy())] == [0, -1, 1, 0]
    assert table.texts[0] == "r1,200"


def test_values_that_differ_by_little_keep_eight_bytes():
    assert curve_messages.encode(np.array([1e6, 1e6 + 0.1])).startswith("d")
    assert curve_messages.encode(np.array([1e6, 2e6, math.nan])).startswith("f")


def test_an_epoch_without_the_value_is_left_out_and_nan_is_a_gap():
    points = curve_series.points(
        curve_series.lines([record("a")], BoardOptions())[0],
        panel("a"),
        reader_of(a=[1.0, None, math.nan, 4.0]),
        BoardOptions(),
    )
    assert list(points.epoch) == [1, 3, 4] and math.isnan(points.y[1])


def test_c6_the_best_epoch_is_drawn_on_its_raw_value_among_ten_thousand():
    values = np.random.default_rng(0).normal(size=10_000)
    best = int(np.argsort(values)[5_000]) + 1  # a value that no bin keeps for being its lowest or highest
    line = curve_series.lines([record("a", best_epoch=best)], BoardOptions())[0]
    options = BoardOptions(smoothing="exponential", weight=0.9)
    points = curve_series.points(line, panel("a"), reader_of(a=list(values)), options)
    assert points.y[points.epoch == best] == values[best - 1]
    assert (points.y.min(), points.y.max()) == (values.min(), values.max())
    assert np.ptp(points.smooth) < np.ptp(points.y)


def test_seeds_become_one_line_and_runs_that_are_not_seeds_stay():
    runs = [record("a"), record("b", seed=1), record("c", settings={"latent": 8})]
    options = BoardOptions(bands="range")
    reader = reader_of(a=[1.0, 2.0], b=[3.0, 2.0], c=[5.0])
    first, second = curve_series.lines(runs, options)
    assert first.name.endswith("2 seeds") and [run.id for run in first.runs] == ["a", "b"] and second.id == "c"
    points = curve_series.points(first, panel("a", "b", "c"), reader, options)
    assert list(points.y) == [2, 2] and list(points.low) == [1, 2] and list(points.high) == [3, 2]


def test_a_message_depends_on_its_runs_alone_and_is_large_enough_to_be_hashed():
    runs = [record("a"), record("b", State.RUNNING, epochs=50)]
    reader, options, charts = reader_of(a=[1.0] * 400, b=[1.0, 2.0]), BoardOptions(), [panel("a", "b")]
    ended, active = list(enumerate(curve_series.lines(runs, options)))
    first = curve_messages.part("board", "ended", [ended], reader, charts, options)
    assert len(json.dumps(first)) > 10_000
    reader.add(EpochRow("b", 3, 999, 30, 1.5, {"kl": 3.0}, None))
    assert curve_messages.part("board", "ended", [ended], reader, charts, options) == first
    message = curve_messages.part("board", "active", [active], reader, charts, options)
    assert message["plan"] == 50 and first["plan"] is None
    (row,) = message["series"]["p"]
    assert list(decode(message["arrays"][row[3]])) == [1, 2, 3]


def test_csv_has_the_exact_raw_values_and_no_formula():
    values = [1 / 3, math.nan, 2.5e14]
    runs = [record("a", name="=1+1")]
    options = BoardOptions(smoothing="exponential", weight=0.9)
    file = curve_export.file(panel("a"), curve_series.lines(runs, options), reader_of(a=values), options, "csv")
    rows = list(csv.DictReader(io.StringIO(file.content.decode())))
    np.testing.assert_array_equal([float(row["kl"]) for row in rows], values)
    assert rows[0]["name"] == "'=1+1" and rows[2]["epoch"] == "3" and file.name == "toy-kl.csv"


@pytest.mark.slow  # starting vl-convert
def test_svg_names_metric_and_runs_and_draws_markup_as_text():
    runs = [record("a", name="<b>x</b>", best_epoch=2), record("b", seed=1)]
    options = BoardOptions(smoothing="gaussian", weight=0.5)
    file = curve_export.file(
        panel("a", "b"),
        curve_series.lines(runs, options),
        reader_of(a=[3.0, 1.0, 2.0], b=[1.0, math.nan, 2.0]),
        options,
        "svg",
    )
    text = file.content.decode()
    assert text.startswith("<svg") and "KL divergence" in text and "&lt;b&gt;x&lt;/b&gt;" in text and "<b>" not in text
    assert "centred Gaussian average" in text


@pytest.mark.slow  # starting vl-convert
def test_png_for_print_is_a_picture_of_high_resolution():
    options = BoardOptions(log_y=True)
    file = curve_export.file(
        panel("a"), curve_series.lines([record("a")], options), reader_of(a=[3.0, -1.0, 2.0]), options, "png"
    )
    assert file.content[:8] == b"\x89PNG\r\n\x1a\n" and int.from_bytes(file.content[16:20], "big") > 1500


def test_an_unknown_format_is_refused():
    with pytest.raises(UsageError, match="svg, png, csv"):
        curve_export.file(panel("a"), [], reader_of(a=[]), BoardOptions(), "gif")


@pytest.mark.parametrize(
    ("x", "expected"), [("epoch", [1, 2]), ("update", [10, 20]), ("relative", [0.5, 1.0]), ("clock", [1e9, 1e9 + 7])]
)
def test_c11_every_axis_has_the_recorded_positions(x, expected):
    reader = EpochReader(("a",))
    for epoch, clock in ((1, 1e9), (2, 1e9 + 7)):
        reader.add(EpochRow("a", epoch, epoch, 10 * epoch, 0.5 * epoch, {"kl": 1.0}, clock))
    (line,) = curve_series.lines([record("a")], BoardOptions(x=x))
    found = curve_series.points(line, panel("a"), reader, BoardOptions(x=x))
    assert found.x.tolist() == expected


def test_a_pause_is_a_gap_on_the_clock_axis_only():
    reader, clocks = EpochReader(("a",)), [1e9, 1e9 + 1, 1e9 + 2, 1e9 + 600, 1e9 + 601]
    for epoch, clock in enumerate(clocks, start=1):
        reader.add(EpochRow("a", epoch, epoch, 10 * epoch, 1.0 * epoch, {"kl": 1.0}, clock))
    for x, expected in (("clock", [1e9 + 2]), ("epoch", None), ("relative", None)):
        options = BoardOptions(x=x)
        (line,) = curve_series.lines([record("a")], options)
        found = curve_series.points(line, panel("a"), reader, options)
        assert (None if found.pauses is None else found.pauses.tolist()) == expected
        part = curve_messages.part("b", "ended", [(0, line)], reader, [panel("a")], options)
        sent = part["series"]["p"][0][7]
        assert (sent < 0) == (expected is None) and (sent < 0 or decode(part["arrays"][sent]).tolist() == expected)
        values = [
            row["value"] for row in curve_export.vega_spec(panel("a"), [(line, found)], options)["data"]["values"]
        ]
        assert values == [1.0, 1.0, 1.0, *([None] if expected else []), 1.0, 1.0]


def test_c11_both_axes_can_be_logarithmic_and_the_vertical_one_shared():
    options = BoardOptions(log_x=True, log_y=True, shared_y=True)
    sent = curve_messages.layout("b", [panel("a")], options, ())["options"]
    assert (sent["log_x"], sent["log_y"], sent["shared_y"]) == (True, True, True)
