"""MLflow's own client finds every point; needs mlflow-skinny and alembic (an optional extra)."""

from __future__ import annotations

import math

import pytest

from recdash.errors import UsageError
from recdash.services import curves, mlflow_export

tracking = pytest.importorskip("mlflow.tracking", reason="mlflow is not installed: pip install recdash[mlflow]")
pytest.importorskip("alembic", reason="alembic is not installed: pip install recdash[mlflow]")
pytestmark = pytest.mark.slow  # creating MLflow's database takes seconds


def test_c5_mlflow_reads_every_point(runs, tmp_path) -> None:
    odd = runs.running(epochs=300, name="=1+1")
    runs.store.add_epoch(odd, runs.me, epoch=301, update=1, seconds=9.0, values={"kl": math.nan, "examples/s": 1.5})
    done = runs.finished("ease", epochs=1, settings={"l2": 0.123456789})
    report = mlflow_export.export_mlflow(tmp_path / "ml")
    assert set(report.runs) == {odd, done} and not [path for path in tmp_path.iterdir() if path.name[0] == "."]
    client = tracking.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'ml' / 'mlflow.db'}")
    (experiment,) = [found for found in client.search_experiments() if found.name == "toy, strong"]
    found = {run.data.tags["recdash.run"]: run for run in client.search_runs([experiment.experiment_id])}
    assert found.keys() == {odd, done}
    for run_id, run in found.items():
        recorded = {row.epoch: row.recorded for row in runs.store.epochs([run_id])}
        for name, points in curves.curves(run_id).series.items():
            history = client.get_metric_history(run.info.run_id, mlflow_export.mlflow_name(name))
            history.sort(key=lambda metric: metric.step)
            assert [metric.step for metric in history] == [epoch for epoch, _ in points]
            assert all(
                metric.value == value or (math.isnan(metric.value) and math.isnan(value))
                for metric, (_, value) in zip(history, points, strict=True)
            )
            assert [metric.timestamp for metric in history] == [round(recorded[epoch] * 1000) for epoch, _ in points]
    info, data = found[done].info, found[done].data
    assert (info.status, info.run_name, found[odd].info.run_name) == ("FINISHED", "EASE on toy", "=1+1")
    assert data.metrics["test/ndcg_at_100"] == 0.3 and data.metrics["test/ndcg_at_100/low"] == pytest.approx(0.29)
    assert data.params["hidden"] == "[600]" and data.params["beta_cap"] == "0.2" and found[odd].info.status == "KILLED"
    address = f"sqlite:///{tmp_path / 'ml' / 'mlflow.db'}"
    again = mlflow_export.export_mlflow(address, [done])  # as to a server: what is there stays as it is
    assert again.epochs == 0 and len(client.search_runs([experiment.experiment_id])) == 2
    (tmp_path / "ml" / "mine").write_text("x")
    with pytest.raises(UsageError, match="holds other files"):
        mlflow_export.export_mlflow(tmp_path / "ml")
