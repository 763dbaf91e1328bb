"""recdash curves: what a run recorded in every epoch."""

from __future__ import annotations

import argparse
from typing import Any

from recdash.cli.common import answer, answer_json, command, say

HELP = "print what a run recorded in every epoch"


def add(commands: Any) -> None:
    """Declare the command."""
    parser = command(commands, "curves", run, HELP)
    parser.add_argument("run_id", metavar="RUN", help="the id of a run, the beginning of one, or its name")
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table", help="default table")


def run(options: argparse.Namespace) -> int:
    """Print the curves of one run."""
    from recdash.reporting import tables
    from recdash.services import curves, runs

    found = curves.curves(runs.find(options.run_id).id)
    if options.json or options.format == "json":
        answer_json(found.to_dict())
    elif options.format == "csv":
        answer(curves.export(found, "csv"))
    elif not found.seconds:
        say(f"{found.run.id} is {found.run.state.value} and has no epoch yet.")
    else:
        by_epoch = {name: dict(points) for name, points in found.series.items()}
        lines = [["Epoch", *by_epoch]]
        for epoch in found.seconds:
            values = [points.get(epoch) for points in by_epoch.values()]
            lines.append([str(epoch), *("-" if value is None else f"{value:.5g}" for value in values)])
        answer(tables.columns(lines))
        if found.run.remarks:
            say(f"{found.run.id} is {found.run.state.value}, {', '.join(found.run.remarks)}.")
    return 0
