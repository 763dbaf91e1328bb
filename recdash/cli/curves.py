"""recdash curves: the learning curves of a run, one row per epoch."""

from __future__ import annotations

import argparse
from typing import Any

from recdash.cli.common import RUN_HELP, add_command, print_json, print_message, print_output


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "curves", run)
    parser.add_argument("run_id", metavar="RUN", help=RUN_HELP)
    parser.add_argument(
        "--format", choices=("table", "json", "csv"), default="table", help="output format (default: table)"
    )


def run(options: argparse.Namespace) -> int:
    """Print the learning curves of one run."""
    from recdash.reporting import table_format  # lazy: numpy
    from recdash.services import curves, runs  # lazy: SQLAlchemy

    found = curves.curves(runs.find(options.run_id).id)
    if options.json or options.format == "json":
        print_json(found.to_dict())
    elif options.format == "csv":
        print_output(curves.export(found, "csv"))
    elif not found.seconds:
        print_message(f"{found.run.id} is {found.run.state.value} and has no finished epoch yet.")
    else:
        by_epoch = {name: dict(points) for name, points in found.series.items()}
        lines = [["Epoch", *by_epoch]]
        for epoch in found.seconds:
            values = [points.get(epoch) for points in by_epoch.values()]
            lines.append([str(epoch), *("-" if value is None else f"{value:.5g}" for value in values)])
        print_output(table_format.plain_table(lines))
        if found.run.remarks:
            print_message(f"{found.run.id} is {found.run.state.value}, {', '.join(found.run.remarks)}.")
    return 0
