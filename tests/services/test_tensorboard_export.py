"""TensorBoard's own reader finds every point; needs the package tensorboard (an optional extra)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from recdash.errors import UsageError
from recdash.services import curve_import, curves, run_export, tensorboard_export
from recdash.services import runs as runs_service

reader = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator",
    reason="tensorboard is not installed: pip install recdash[tensorboard]",
)


def scalars(folder: Path) -> dict[str, list[tuple[int, float, float]]]:
    """Return what TensorBoard reads: {tag: [(step, value, wall time)]}."""
    events = reader.EventAccumulator(str(folder), {"scalars": 0}).Reload()
    return {
        tag: [(event.step, event.value, event.wall_time) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


@pytest.mark.slow
def test_c5_tensorboard_reads_every_point(runs, tmp_path) -> None:
    odd = runs.running(epochs=300)
    runs.store.add_epoch(odd, runs.me, epoch=301, update=1, seconds=9.0, values={"kl": math.nan, "loss": math.inf})
    done = runs.finished("ease", epochs=1)
    report = tensorboard_export.export_tensorboard(tmp_path / "tb")
    assert report.rows == {"scalars": 300 * 6 + 2 + 6} and set(report.runs) == {odd, done}
    for run_id in (odd, done):
        found = scalars(tmp_path / "tb" / run_id)
        run = curves.curves(run_id)
        assert {tag for tag in found if not tag.startswith("test/")} == run.series.keys()
        for name, points in run.series.items():
            expected = [(epoch, float(np.float32(value))) for epoch, value in points]
            np.testing.assert_array_equal([point[:2] for point in found[name]], expected)
    recorded = [row.recorded for row in runs.store.epochs([done])]
    assert [point[2] for point in scalars(tmp_path / "tb" / done)["ndcg@100"]] == pytest.approx(recorded)
    assert scalars(tmp_path / "tb" / done)["test/ndcg@100"][0][1] == float(np.float32(0.3))


def test_settings_are_hyperparameters(runs, tmp_path) -> None:
    from tensorboard.plugins.hparams import plugin_data_pb2

    run_id = runs.finished(seed=7)
    tensorboard_export.export_tensorboard(tmp_path / "tb", [run_id])
    events = reader.EventAccumulator(str(tmp_path / "tb" / run_id)).Reload()
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    settings = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert settings["seed"].number_value == 7 and settings["model"].string_value == "multvae"
    assert settings["beta_cap"].number_value == 0.2 and settings["hidden"].string_value == "600"


def test_a_log_folder_is_imported_whole_and_the_same_from_an_upload(runs, tmp_path, monkeypatch) -> None:
    run_id = runs.running(epochs=30)
    expected = {
        name: [(epoch, float(np.float32(value))) for epoch, value in points]
        for name, points in curves.curves(run_id).series.items()
    }
    tensorboard_export.export_tensorboard(tmp_path / "tb", [run_id])
    monkeypatch.setenv("RECDASH_STORE", f"sqlite:///{tmp_path / 'other.db'}")
    (report,) = curve_import.import_paths([tmp_path / "tb"])
    found = curves.curves(report.run_ids[0])
    assert found.run.name == run_id and found.run.source == "TensorBoard"
    assert {name: list(points) for name, points in found.series.items()} == expected
    (file,) = (tmp_path / "tb" / run_id).iterdir()
    curve_import.import_uploads([(file.name, file.read_bytes())])
    assert {run.name for run in runs_service.list_runs()} == {run_id, file.name}


def test_points_of_a_resumed_run_are_not_dropped(tmp_path) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(tmp_path / "run"))
    for time, step in enumerate([1, 2, 3, 4, 2, 3]):
        value = Summary.Value(tag="loss", simple_value=10 * time)
        writer.add_event(Event(wall_time=100 + time, step=step, summary=Summary(value=[value])))
    writer.close()
    (report,) = curve_import.import_paths([tmp_path])
    assert curves.curves(report.run_ids[0]).series["loss"] == ((1, 0.0), (2, 40.0), (3, 50.0), (4, 30.0))
    assert report.notes == ("2 points replaced by later points of the same step.",)


def test_a_damaged_event_file_is_refused() -> None:
    from recdash.errors import DataError

    with pytest.raises(DataError, match="no point of a curve"):
        curve_import.import_uploads([("events.out.tfevents.1", b"\0" * 40)])


def test_a_former_export_is_replaced_and_other_files_are_kept(runs, tmp_path) -> None:
    runs.finished()
    run_export.export_runs(tmp_path / "out")
    tensorboard_export.export_tensorboard(tmp_path / "out")
    assert not (tmp_path / "out" / "runs.parquet").exists()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(UsageError, match="holds other files"):
        tensorboard_export.export_tensorboard(tmp_path / "out")
