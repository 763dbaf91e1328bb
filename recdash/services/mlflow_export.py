"""Export of runs to MLflow; needs `mlflow-skinny`, and for a local database Alembic.

Each dataset and protocol is an experiment. Values by epoch are metrics with the epoch as step and their wall time. Test
metrics are called `test/NAME`, with `test/NAME/low` and `/high` for the interval; settings are parameters. As MLflow
allows no @ in names, `ndcg@100` is `ndcg_at_100`. Its databases store an infinite value as the largest float.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recdash.errors import DataError, UsageError
from recdash.paths import user_path
from recdash.runs.disk_usage import folder_bytes
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State
from recdash.runs.store import Store
from recdash.services.export_folder import ExportReport, replaced_folder, selected_runs
from recdash.services.store_access import open_store

FORMAT = "mlflow"
RUN_TAG = "recdash.run"
_BATCH = 1_000  # metrics in one request, MLflow's limit
_PARAMETERS, _PARAMETER_LENGTH, _TAG_LENGTH, _NAME_LENGTH = 100, 6_000, 5_000, 250
_NOT_IN_NAMES = re.compile(r"[^\w\-. :/]", re.ASCII)
_STATUS = {State.FINISHED: "FINISHED", State.FAILED: "FAILED"}


def export_mlflow(target: Path | str, run_ids: str | Sequence[str] | None = None) -> ExportReport:
    """Write runs into MLflow.

    Args:
        target: A new or empty folder or that of a former export, which gets a database `mlflow.db`; look at it with
            `mlflow server --backend-store-uri sqlite:///FOLDER/mlflow.db`. Or the address of a tracking server, such as
            "http://localhost:5000", where runs that were exported before are skipped.
        run_ids: The runs, a list or separated by commas; by default all that are not in the trash.

    Raises:
        UsageError: MLflow is not installed, a run is unknown, or the folder holds other files.
        DataError: The folder cannot be written, or the server refused.
    """
    try:
        import mlflow  # noqa: F401  # optional: mlflow-skinny
    except ImportError as error:
        raise UsageError("MLflow is not installed. Run: pip install mlflow-skinny alembic") from error
    store = open_store()
    runs = selected_runs(store, run_ids)
    if "://" in str(target):
        return _Export(str(target), store).write(runs, Path(str(target)))
    folder = user_path(target).absolute()
    with replaced_folder(folder, FORMAT) as temporary:
        report = _Export(f"sqlite:///{temporary / 'mlflow.db'}", store).write(runs, folder)
    return ExportReport(folder, FORMAT, report.runs, report.epochs, report.rows, folder_bytes(folder))


def mlflow_name(name: str) -> str:
    """Return the name of a metric as MLflow allows it, for example "ndcg_at_100"."""
    return _NOT_IN_NAMES.sub("_", name.replace("@", "_at_"))[:_NAME_LENGTH]


class _Export:
    """Writes runs to one tracking address."""

    def __init__(self, address: str, store: Store) -> None:
        from mlflow.tracking import MlflowClient  # optional: mlflow-skinny

        for name in ("mlflow", "alembic"):  # they report each step of creating a database
            logging.getLogger(name).setLevel(logging.WARNING)
        self._address, self._store = address, store
        with _one_line_errors(address):
            self._client = MlflowClient(tracking_uri=address)

    def write(self, runs: Sequence[RunRecord], target: Path) -> ExportReport:
        """Write runs; those that the server has already are left out."""
        n_epochs = n_points = 0
        with _one_line_errors(self._address):
            for run in runs:
                experiment = self._experiment(f"{run.dataset}, {run.protocol}")
                if self._client.search_runs([experiment], f"tags.`{RUN_TAG}` = '{run.id}'", max_results=1):
                    continue
                epochs, points = self._write_run(run, experiment)
                n_epochs, n_points = n_epochs + epochs, n_points + points
        return ExportReport(target, FORMAT, tuple(run.id for run in runs), n_epochs, {"metrics": n_points}, 0)

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        return str(self._client.create_experiment(name) if found is None else found.experiment_id)

    def _write_run(self, run: RunRecord, experiment: str) -> tuple[int, int]:
        from mlflow.entities import Metric, Param  # optional: mlflow-skinny

        start = run.started or run.created
        tags = {RUN_TAG: run.id, "model": run.model, "dataset": run.dataset, "protocol": run.protocol}
        tags |= {"preset": run.preset, "state": run.state.value, "mlflow.note.content": run.note[:_TAG_LENGTH]}
        tags |= {f"tag.{_NOT_IN_NAMES.sub('_', tag)}": "yes" for tag in run.tags}
        tags = {name: value for name, value in tags.items() if value}
        created = self._client.create_run(experiment, round(start * 1000), tags, run_name=run.name)
        given = {"seed": run.seed, "split_seed": run.split_seed, **(run.config or run.settings)}
        parameters = [Param(mlflow_name(name), _parameter(value)) for name, value in given.items()][:_PARAMETERS]
        rows = sorted(self._store.epochs([run.id]), key=lambda row: row.epoch)
        metrics = []
        for row in rows:
            time = round((start + row.seconds if row.recorded is None else row.recorded) * 1000)
            metrics += [Metric(mlflow_name(name), float(value), time, row.epoch) for name, value in row.values.items()]
        end, step = round((run.finished or start) * 1000), run.best_epoch or run.epoch
        metrics += [Metric(mlflow_name(name), float(value), end, step) for name, value in _test_metrics(run)]
        for first in range(0, max(1, len(metrics)), _BATCH):
            batch, parameters_once = metrics[first : first + _BATCH], () if first else parameters
            self._client.log_batch(created.info.run_id, metrics=batch, params=parameters_once)
        self._client.set_terminated(created.info.run_id, _STATUS.get(run.state, "KILLED"), end)
        return len(rows), len(metrics)


def _test_metrics(run: RunRecord) -> Iterator[tuple[str, float]]:
    for name, value in run.metrics.items():
        yield f"test/{name}", value
    for name, (low, high) in run.intervals.items():
        yield f"test/{name}/low", low
        yield f"test/{name}/high", high


def _parameter(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value))[:_PARAMETER_LENGTH]


@contextmanager
def _one_line_errors(address: str) -> Iterator[None]:
    """Turn what MLflow raises into one line."""
    try:
        yield
    except (UsageError, DataError):
        raise
    except ImportError as error:
        raise UsageError(f"MLflow needs another package ({error}). Run: pip install alembic") from error
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{address}: MLflow refused ({reason}). Check the address and its version.") from error
