"""Export of runs as TensorBoard event files; needs the package `tensorboard`, not TensorFlow.

Each run is a folder named by its id. Values by epoch are scalars with the epoch as step; wall times are those recorded,
for older runs the start of the run plus the training time. Settings and test metrics are on the HPARAMS page.
TensorBoard keeps scalars as 32-bit floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recdash.errors import UsageError
from recdash.paths import user_path
from recdash.runs.disk_usage import folder_bytes
from recdash.runs.run_records import EpochRow, RunRecord
from recdash.services.export_folder import ExportReport, replaced_folder, selected_runs
from recdash.services.store_access import open_store
from recdash.settings import format_setting

FORMAT = "tensorboard"


def export_tensorboard(folder: Path | str, run_ids: str | Sequence[str] | None = None) -> ExportReport:
    """Write runs as TensorBoard event files; look at them with `tensorboard --logdir FOLDER`.

    Args:
        folder: A new or empty folder, or that of a former export.
        run_ids: The runs, a list or separated by commas; by default all that are not in the trash.

    Raises:
        UsageError: TensorBoard is not installed, a run is unknown, or the folder holds other files.
        DataError: The folder cannot be written.
    """
    try:
        from tensorboard.summary.writer import event_file_writer  # optional: tensorboard
    except ImportError as error:
        raise UsageError("TensorBoard is not installed. Run: pip install tensorboard") from error
    target, store = user_path(folder).absolute(), open_store()
    runs = selected_runs(store, run_ids)
    n_points = n_epochs = 0
    with replaced_folder(target, FORMAT) as temporary:
        for run in runs:
            rows = sorted(store.epochs([run.id]), key=lambda row: row.epoch)
            writer = event_file_writer.EventFileWriter(str(temporary / run.id))
            for event in _events(run, rows):
                writer.add_event(event)
            writer.close()
            n_epochs += len(rows)
            n_points += sum(len(row.values) for row in rows)
    return ExportReport(
        target, FORMAT, tuple(run.id for run in runs), n_epochs, {"scalars": n_points}, folder_bytes(target)
    )


def _events(run: RunRecord, rows: Sequence[EpochRow]) -> list[Any]:
    from tensorboard.compat.proto.event_pb2 import Event  # optional: tensorboard
    from tensorboard.compat.proto.summary_pb2 import Summary  # optional: tensorboard
    from tensorboard.plugins.hparams import summary_v2  # optional: tensorboard

    start = run.started or run.created
    settings = {name: _hparam(value) for name, value in (run.config or run.settings).items()}
    hparams = summary_v2.hparams_pb(
        {"model": run.model, "dataset": run.dataset, "protocol": run.protocol, "seed": run.seed, **settings},
        trial_id=run.id,
        start_time_secs=start,
    )
    events = [Event(wall_time=start, step=0, summary=hparams)]
    for row in rows:
        values = [Summary.Value(tag=name, simple_value=value) for name, value in row.values.items()]
        time = start + row.seconds if row.recorded is None else row.recorded
        events.append(Event(wall_time=time, step=row.epoch, summary=Summary(value=values)))
    if run.metrics:
        tests = [Summary.Value(tag=f"test/{name}", simple_value=value) for name, value in run.metrics.items()]
        events.append(
            Event(wall_time=run.finished or start, step=run.best_epoch or run.epoch, summary=Summary(value=tests))
        )
    return events


def _hparam(value: Any) -> str | float | bool:
    return value if isinstance(value, (str, int, float)) else format_setting(value)
