"""Curves of other programs: every point arrives, names become ours only where certain, nonsense ends in one line."""

from __future__ import annotations

import csv
import io
import json
import math
import sqlite3
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recdash.analysis import run_labels
from recdash.errors import DataError, RecdashError, UsageError
from recdash.services import curve_import, curve_points, curve_tables, curves, results, run_export, store_access
from recdash.services import runs as runs_service

TENSORBOARD = b"Wall time,Step,Value\n1700000000.5,1,0.25\n1700000010.5,2,NaN\n1700000020.5,3,1e-320\n"
WANDB_CHART = b"""\
"Step","mult - vae - val/ndcg@100","mult - vae - val/ndcg@100__MIN","mult - vae - val/ndcg@100__MAX",\
"dae - val/ndcg@100","dae - val/ndcg@100__MIN","dae - val/ndcg@100__MAX"
"1","0.25","0.25","0.25","","",""
"2","0.5","0.5","0.5","0.375","0.375","0.375"
"""
WANDB_HISTORY = (
    b"_step,_timestamp,_runtime,train/loss,val/loss,sample\n0,1700000000,1.5,9,8,a.png\n1,1700000002,3.5,7,6,b.png\n"
)
WANDB_RUNS = b'"Name","State","Notes","Runtime","ndcg@100"\n"fast-sun-1","finished","-","12","0.4"\n'
TRACKIO_PLOT = b"step,loss,series_key,run\n0,2,a1,first\n1,1,a1,first\n0,3,b2,second\n"


def imported(*files: tuple[str, bytes]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Import files; return {run name: {metric: points}} of what the store has then."""
    curve_import.import_uploads(list(files))
    return stored()


def stored() -> dict[str, dict[str, list[tuple[int, float]]]]:
    found = curves.curves_of([run.id for run in runs_service.list_runs()])
    return {one.run.name: {name: list(points) for name, points in one.series.items()} for one in found}


def test_tensorboard_scalars_of_one_run_become_one_run() -> None:
    loss = ("run-toy_seed 0-tag-train_loss.csv", TENSORBOARD)
    again = ("run-toy_seed 0-tag-ndcg@100 (1).csv", TENSORBOARD.replace(b"NaN", b"inf"))
    found = imported(loss, again)
    assert found.keys() == {"toy_seed 0"}
    assert found["toy_seed 0"]["ndcg@100"] == [(1, 0.25), (2, math.inf), (3, 1e-320)]
    assert math.isnan(found["toy_seed 0"]["train_loss"][1][1])
    (run,) = runs_service.list_runs()
    assert (run.source, run.state.value, run.created) == ("TensorBoard CSV", "finished", 1700000000.5)
    assert curves.curves(run.id).seconds == {1: 0.0, 2: 10.0, 3: 20.0}
    assert [row.recorded for row in store_access.open_store().epochs([run.id])] == [
        1700000000.5, 1700000010.5, 1700000020.5,
    ]  # fmt: skip


def test_a_wandb_chart_has_a_run_for_each_group_of_columns() -> None:
    assert imported(("wandb_export.csv", WANDB_CHART)) == {
        "mult - vae": {"ndcg@100": [(1, 0.25), (2, 0.5)]},
        "dae": {"ndcg@100": [(2, 0.375)]},
    }
    assert {run.source for run in runs_service.list_runs()} == {"W&B CSV"}


def test_a_wandb_chart_of_means_says_so() -> None:
    (report,) = curve_import.import_uploads([("chart.csv", WANDB_CHART.replace(b'"0.25"\n', b'"9"\n').replace(
        b'"0.5","0.5","0.5"', b'"0.5","0.4","0.6"'))])  # fmt: skip
    assert "minimum and maximum differ" in report.notes[0] and report.points == 3


def test_a_wandb_history_keeps_times_and_skips_text() -> None:
    (report,) = curve_import.import_uploads([("fast-sun-1.csv", WANDB_HISTORY)])
    assert stored() == {"fast-sun-1": {"loss": [(0, 9), (1, 7)], "val/loss": [(0, 8), (1, 6)]}}
    assert report.notes == ('fast-sun-1.csv: the column "sample" has no numbers.',)
    assert curves.curves(report.run_ids[0]).seconds == {0: 1.5, 1: 3.5}


def test_a_table_of_wandb_runs_has_no_curves() -> None:
    with pytest.raises(DataError, match="a table of runs, which has last values but no curves"):
        imported(("wandb.csv", WANDB_RUNS))


def test_trackio_tables_are_read_by_run() -> None:
    kl = ("kl.csv", b"step,kl,series_key,run\n1,0.5,a1,first\n1,0.75,c3,second\n")
    assert imported(("loss.csv", TRACKIO_PLOT), kl) == {
        "first": {"loss": [(0, 2), (1, 1)], "kl": [(1, 0.5)]},
        "second (b2)": {"loss": [(0, 3)]},
        "second (c3)": {"kl": [(1, 0.75)]},
    }
    assert {run.source for run in runs_service.list_runs()} == {"Trackio CSV"}


def test_trackio_parquet_and_json(tmp_path) -> None:
    rows = {
        "id": [1, 2], "timestamp": ["2025-01-01T00:00:00+00:00", "2025-01-01T00:00:05Z"], "run_name": ["toy", "toy"],
        "step": [0, 1], "log_id": [None, None], "space_id": [None, None], "loss": [2.0, math.inf], "run_id": ["u", "u"],
    }  # fmt: skip
    buffer = io.BytesIO()
    pq.write_table(pa.table(rows), buffer)
    document = {"project": "p", "run": "toy2", "metric": "kl", "values": [
        {"timestamp": "2025-01-01T00:00:00", "step": 3, "value": 0.5}, {"timestamp": None, "step": 4, "value": "NaN"},
    ]}  # fmt: skip
    found = imported(("p.parquet", buffer.getvalue()), ("kl.json", json.dumps(document).encode()))
    assert found["toy"] == {"loss": [(0, 2.0), (1, math.inf)]}
    assert found["toy2"]["kl"][0] == (3, 0.5) and math.isnan(found["toy2"]["kl"][1][1])
    assert {run.name: run.source for run in runs_service.list_runs()} == {
        "toy": "Trackio Parquet",
        "toy2": "Trackio JSON",
    }


def trackio_file(path: Path) -> Path:
    """A project as Trackio 0.43 stores it, with two runs of one name."""
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, timestamp TEXT NOT NULL,"
            " run_name TEXT NOT NULL, step INTEGER NOT NULL, metrics TEXT NOT NULL, log_id TEXT, space_id TEXT)"
        )
        rows = [
            ("aaaaaaaaaa", "2025-01-01T00:00:00", "toy", 0, '{"loss": 2, "ndcg_at_100": "NaN"}'),
            ("aaaaaaaaaa", "2025-01-01T00:00:07", "toy", 1, '{"loss": 1.5, "picture": {"_type": "image"}}'),
            ("bbbbbbbbbb", "2025-01-01T00:00:00", "toy", 0, '{"loss": 4}'),
        ]
        connection.executemany(
            "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?, ?)", rows
        )
    connection.close()
    return path


@pytest.mark.parametrize("as_upload", [True, False])
def test_a_trackio_project_file(tmp_path, as_upload) -> None:
    path = trackio_file(tmp_path / "project.db")
    if as_upload:
        (report,) = curve_import.import_uploads([("project.db", path.read_bytes())])
    else:
        (report,) = curve_import.import_paths([path])
    found = stored()
    assert found["toy (bbbbbbbb)"] == {"loss": [(0, 4.0)]}
    assert found["toy (aaaaaaaa)"]["loss"] == [(0, 2.0), (1, 1.5)] and "ndcg@100" in found["toy (aaaaaaaa)"]
    assert report.skipped_cells == 1 and report.points == 4
    seconds = {run.name: curves.curves(run.id).seconds for run in runs_service.list_runs()}
    assert seconds["toy (aaaaaaaa)"] == {0: 0.0, 1: 7.0}


def test_rows_still_in_the_log_of_a_trackio_file_are_read(tmp_path) -> None:
    path = trackio_file(tmp_path / "project.db")
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("UPDATE metrics SET metrics = '{\"loss\": 99}' WHERE run_id = 'bbbbbbbbbb'")
    writer.commit()
    curve_import.import_paths([path])
    writer.close()
    assert stored()["toy (bbbbbbbb)"] == {"loss": [(0, 99.0)]}


def test_our_own_curves_are_read_back(runs, monkeypatch, tmp_path) -> None:
    run_id = runs.finished()
    texts = {form: curves.export(curves.curves(run_id), form) for form in curves.FORMATS}
    run_export.export_runs(tmp_path / "out", file_format="csv")
    table = (tmp_path / "out" / "epochs.csv").read_bytes()
    expected = stored()["Mult-VAE on toy"]
    monkeypatch.setenv("RECDASH_STORE", f"sqlite:///{tmp_path / 'other.db'}")
    monkeypatch.setenv("RECDASH_CHECKPOINT_DIR", str(tmp_path / "other"))
    found = imported(("a.csv", texts["csv"].encode()), ("b.json", texts["json"].encode()), ("epochs.csv", table))
    assert found == {"a": expected, run_id: expected} and len(runs_service.list_runs()) == 2


def test_epochs_are_the_axis_where_each_row_is_one_and_steps_otherwise() -> None:
    per_epoch = imported(("a.csv", b"epoch,step,loss\n1,100,3\n2,200,2\n"))["a"]
    assert per_epoch == {"loss": [(1, 3.0), (2, 2.0)]}
    (run,) = runs_service.list_runs()
    assert [row.update for row in store_access.open_store().epochs([run.id])] == [100, 200]
    per_step = imported(("b.csv", b"epoch;step;loss\n1;100;3\n1;200;2\n"))["b"]
    assert per_step["loss"] == [(100, 3.0), (200, 2.0)]


def test_an_external_run_is_drawn_and_never_in_a_table(runs) -> None:
    ours = runs.finished()
    (report,) = curve_import.import_uploads([("=1+1.csv", b"step,ndcg@100\n1,0.9\n")])
    assert [row.run.id for group in results.groups() for row in group.rows] == [ours]
    records = runs_service.list_runs()
    labels = run_labels.run_labels(records)
    assert labels[report.run_ids[0]] == "=1+1" and runs_service.find(report.run_ids[0]).model == "external"
    runs_service.delete(report.run_ids[0])
    assert [run.id for run in runs_service.list_runs()] == [ours]


def test_the_same_file_twice_is_one_run_and_a_longer_one_another() -> None:
    first, second = b"step,loss\n1,3\n", b"step,loss\n1,3\n2,2\n"
    (report,) = curve_import.import_uploads([("a.csv", first)])
    (again,) = curve_import.import_uploads([("a.csv", first)])
    assert again.runs == () and again.already_here == tuple(report.run_ids)
    curve_import.import_uploads([("a.csv", second)])
    assert len(runs_service.list_runs()) == 2


def test_of_two_points_at_one_step_the_later_one_counts_and_it_is_said() -> None:
    (report,) = curve_import.import_uploads([("a.csv", b"step,loss\n1,3\n2,2\n1,9\n")])
    assert stored() == {"a": {"loss": [(1, 9.0), (2, 2.0)]}}
    assert report.notes == ("1 point replaced by later points of the same step.",)


def test_cells_without_a_number_are_counted() -> None:
    (report,) = curve_import.import_uploads([("a.csv", b"step,loss,kl\n1,3,\n2,oops,1\n,5,6\n")])
    assert report.skipped_cells == 2 and stored() == {"a": {"loss": [(1, 3.0)], "kl": [(2, 1.0)]}}
    assert report.summary() == "CSV: 1 run with 2 points imported, 2 cells without a number skipped."


def test_a_dry_run_stores_nothing_and_a_read_only_installation_refuses(monkeypatch) -> None:
    (report,) = curve_import.import_uploads([("a.csv", b"step,loss\n1,3\n")], dry_run=True)
    assert report.points == 1 and runs_service.list_runs() == []
    monkeypatch.setenv("RECDASH_READ_ONLY", "1")
    with pytest.raises(UsageError, match="imported"):
        curve_import.import_uploads([("a.csv", b"step,loss\n1,3\n")])


@pytest.mark.parametrize(
    ("metric", "ours"),
    [
        ("NDCG@100", "ndcg@100"), ("val/ndcg_at_100", "ndcg@100"), ("eval/Recall@20", "recall@20"),
        ("train/loss", "loss"), ("Loss", "loss"), ("KL", "kl"), ("train/kl_divergence", "kl"), ("rmse", "rmse"),
        ("val/loss", "val/loss"), ("test/ndcg@100", "test/ndcg@100"), ("train/ndcg@100", "train/ndcg@100"),
        ("ndcg", "ndcg"), ("ndcg100", "ndcg100"), ("kl_loss", "kl_loss"), ("a/b/loss", "a/b/loss"), ("F1", "F1"),
    ],
)  # fmt: skip
def test_a_name_becomes_ours_only_where_certain(metric, ours) -> None:
    assert curve_points.our_name(metric) == ours


def test_two_metrics_that_would_get_one_name_keep_theirs() -> None:
    assert imported(("a.csv", b"step,loss,train/loss\n1,3,4\n"))["a"].keys() == {"loss", "train/loss"}


def test_names_that_cannot_be_shown_are_cleaned_and_exports_work(tmp_path) -> None:
    content = json.dumps([{"step": 1, "a\1": 1, "a\2": 2, "\ud800": 3, "m" * 300: 4, "run": "x\ud800"}]).encode()
    assert imported(("a.json", content))["x?"].keys() == {"a", "a (2)", "?", "m" * 120}
    for file_format in ("csv", "json", "parquet"):
        assert run_export.export_runs(tmp_path / file_format, file_format=file_format).epochs == 1


def test_a_comma_as_decimal_sign_between_semicolons() -> None:
    assert imported(("a.csv", b"step;loss;kl\n1;0,5;1\n2;-4,5e-1;x\n"))["a"]["loss"] == [(1, 0.5), (2, -0.45)]


def test_numbers_of_fixed_precision_in_parquet() -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"step": [1, 2], "loss": pa.array([Decimal("1.5"), None])}), out)
    assert imported(("a.parquet", out.getvalue()))["a"] == {"loss": [(1, 1.5)]}


def test_files_without_end_and_parquet_that_swells_are_refused(monkeypatch) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"step": [0] * 1000, "loss": [0.0] * 1000}), out)
    monkeypatch.setattr(curve_tables, "_MOST_CELLS", 1999)
    with pytest.raises(DataError, match="more than 1,999 cells"):
        curve_import.import_uploads([("a.parquet", out.getvalue())])
    monkeypatch.setattr(curve_import, "_LARGEST_FILE", 1 << 20)
    with pytest.raises(DataError, match="larger than 1 MiB"):
        curve_import.import_paths(["/dev/zero"])


def test_of_two_imports_of_curves_at_once_the_second_finds_them_here(monkeypatch) -> None:
    files = [("a.csv", b"step,loss\n1,3\n")]
    (first,) = curve_import.import_uploads(files)
    identity = curve_import._identity
    monkeypatch.setattr(curve_import, "_identity", lambda *given: (*identity(*given)[:2], False))
    (again,) = curve_import.import_uploads(files)
    assert (again.runs, again.points, list(again.already_here)) == ((), 0, first.run_ids)


NONSENSE = {
    "nothing": (b"", "a.csv: empty"),
    "a heading only": (b"step,loss\n", "a.csv: no rows below the heading"),
    "no steps": (b"x,loss\n1,2\n", 'a.csv: no column of steps or epochs among "x", "loss"'),
    "no numbers": (b"step,loss\n1,a\n", "a.csv: no point of a curve"),
    "a fraction as step": (b"step,loss\n1,1\n0.5,2\n", "a.csv, row 3: the step is '0.5', expected a whole number"),
    "a text as step": (b"step,loss\none,1\n", 'a.csv, row 2: the step is "one"'),
    "a negative step": (b"step,loss\n-1,1\n", "a.csv, row 2: the step is"),
    "a huge step": (b"step,loss\n99999999999,1\n", "a.csv, row 2: the step is"),
    "an infinite step": (b"step,loss\ninf,1\n", "a.csv, row 2: the step is"),
    "a quote without end": (b'step,loss\n1,1\n2,"2\n3,3\n', "a.csv: not CSV (unexpected end of data)"),
    "a row cut off": (b"step,loss,kl\n1,1,1\n2,1\n", "a.csv, row 3: 2 cells, the heading has 3"),
    "a column twice": (b"step,loss,loss\n1,1,1\n", 'a.csv: two columns are called "loss"'),
    "bytes": (bytes(range(256)), "a.csv: not a text file"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0", "a.csv: not a text file"),
    "JSON cut off": (b'{"series": {"loss": [[1, 2]', "a.csv: damaged or cut off"),
    "JSON of something else": (b'{"a": 1}', "a.csv: JSON without a list of points"),
    "JSON of pairs that are none": (b'{"series": {"loss": [1, 2]}}', "no pairs of epoch and value"),
    "a deep JSON": (b"[" * 100_000, "a.csv: damaged or cut off"),
    "Parquet cut off": (b"PAR1 cut off", "a.csv: damaged Parquet file"),
    "SQLite of something else": (b"SQLite format 3\0" + bytes(100), "a.csv: not a Trackio file, or damaged"),
    "wandb over relative time": (
        b'"Relative Time (Process)","a - loss","a - loss__MIN"\n0.25,1,1\n', "expected a whole number",
    ),
    "a zip of something else": (b"PK\x03\x04\0 zip", "a.csv: not a text file"),
}  # fmt: skip


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_refused_in_one_line_and_nothing_is_stored(name) -> None:
    content, expected = NONSENSE[name]
    with pytest.raises(DataError) as caught:
        curve_import.import_uploads([("good.csv", b"step,loss\n1,1\n"), ("a.csv", content)])
    assert expected in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 300
    assert runs_service.list_runs() == []


def test_paths_that_are_nothing_to_import_are_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        curve_import.import_paths([tmp_path / "none.csv"])
    for odd in ("a" * 300, "~nobody-of-this-name/x"):
        with pytest.raises(UsageError, match="not a path to use"):
            curve_import.import_paths([odd])
        with pytest.raises(UsageError, match="not a path to use"):
            run_export.export_runs(odd)
    with pytest.raises(DataError, match="neither an export of runs nor a TensorBoard log folder"):
        curve_import.import_paths([tmp_path])


NUMBERS = st.floats() | st.integers(-(2**53), 2**53)


@settings(max_examples=40)
@given(st.dictionaries(st.integers(0, 2**31 - 1), NUMBERS, min_size=1, max_size=8))
def test_c5_every_point_of_a_csv_file_arrives_as_it_is(points) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([("step", "loss"), *((step, repr(value)) for step, value in points.items())])
    collector = curve_points.PointCollector()
    curve_import._read_content("a.csv", out.getvalue().encode(), collector)
    (run,) = collector.finish()
    assert run.points["loss"].keys() == points.keys()
    assert all(found == points[step] or points[step] != points[step] for step, found in run.points["loss"].items())
    assert collector.skipped_cells == 0


@settings(max_examples=150)
@given(st.binary(max_size=60) | st.text("step,loss\n\"'-+.e0123456789{}[]:", max_size=60).map(str.encode))
def test_any_content_gives_points_or_one_line(content) -> None:
    collector = curve_points.PointCollector()
    try:
        curve_import._read_content("a.csv", content, collector)
    except RecdashError as error:
        assert "\n" not in str(error)
    else:
        assert collector.finish()
