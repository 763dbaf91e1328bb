"""recdash runs export and import: runs as files of other programs, and the files of other programs as curves."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from recdash.cli.common import RUN_HELP, add_command, print_json, print_message
from recdash.errors import UsageError

if TYPE_CHECKING:
    from recdash.services.export_folder import ExportReport

_FORMATS = ("parquet", "csv", "json", "tensorboard", "mlflow")


def add(parts: Any) -> None:
    """Add the subcommands to the parser of `recdash runs`."""
    export = add_command(parts, "export", export_runs, "write runs to a folder", is_subcommand=True)
    export.add_argument("run_ids", metavar="RUN", nargs="*", help=f"{RUN_HELP} (default: all runs)")
    to_help = "new or empty folder, or one of a former export; with --format mlflow also the address of a server"
    export.add_argument("--to", required=True, metavar="FOLDER", help=to_help)
    export.add_argument("--format", choices=_FORMATS, default="parquet", help="format of the files (default: parquet)")
    export.add_argument("--with-weights", action="store_true", help="copy the best weights, too")
    bring_in = add_command(
        parts, "import", import_runs, "import exported runs, or curves of other programs", is_subcommand=True
    )
    path_help = "folder or zip of `recdash runs export`; TensorBoard, W&B, Trackio or any CSV with a column of steps"
    bring_in.add_argument("paths", metavar="PATH", nargs="+", help=path_help)
    bring_in.add_argument("--dry-run", action="store_true", help="check everything and store nothing")


def export_runs(options: argparse.Namespace) -> int:
    """Write runs to a folder."""
    report = _export(options)
    print_message(report.summary())
    for note in report.notes:
        print_message(note)
    if options.json:
        print_json(report.to_dict())
    return 0


def import_runs(options: argparse.Namespace) -> int:
    """Import runs and curves."""
    from recdash.services import curve_import  # lazy: SQLAlchemy

    reports = curve_import.import_paths(options.paths, dry_run=options.dry_run)
    for report in reports:
        print_message(report.summary())
        for run_id, name in report.runs:
            print_message(f"{run_id}: {name}")
        for note in report.notes:
            print_message(note)
    if options.json:
        print_json({"imports": [report.to_dict() for report in reports]})
    return 0


def _export(options: argparse.Namespace) -> ExportReport:
    from recdash.services import mlflow_export, run_export, runs, tensorboard_export  # lazy: SQLAlchemy

    ids = [runs.find(reference).id for reference in options.run_ids] or None
    if options.format in ("tensorboard", "mlflow"):
        if options.with_weights:
            raise UsageError(f"--with-weights cannot be used with --format {options.format}. Export as parquet, too.")
        to_program = {"tensorboard": tensorboard_export.export_tensorboard, "mlflow": mlflow_export.export_mlflow}
        return to_program[options.format](options.to, ids)
    return run_export.export_runs(options.to, ids, options.format, with_weights=options.with_weights)
