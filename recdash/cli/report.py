"""recdash report: a comparison as one self-contained file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from recdash.cli.common import add_command, file_path, print_json, print_output
from recdash.errors import DataError


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "report", run)
    parser.add_argument("--dataset", metavar="D", help="only runs on this dataset (name or path)")
    parser.add_argument("--protocol", metavar="P", help="only runs with this protocol")
    parser.add_argument(
        "--run", dest="runs", action="append", default=[], metavar="RUN", help="only this run; repeatable"
    )
    parser.add_argument(
        "--out",
        type=file_path,
        default=Path("recdash-report.html"),
        metavar="FILE",
        help="output file ending in .html, .md or .tex (default: recdash-report.html)",
    )


def run(options: argparse.Namespace) -> int:
    """Write the file."""
    from recdash.reporting import render  # lazy: numpy
    from recdash.services import report, runs  # lazy: SQLAlchemy

    form = render.format_of(options.out)
    ids = [runs.find(one).id for one in options.runs] or None
    made = report.create(dataset=options.dataset, protocol=options.protocol, run_ids=ids)
    try:
        options.out.write_text(render.render(made, form), encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"{options.out}: cannot be written ({error.strerror}). Choose another file with --out."
        ) from error
    if options.json:
        there = [row.run.id for section in made.sections for row in section.group.rows]
        print_json({"written": str(options.out.absolute()), "form": form, "runs": there})
    else:
        print_output(f"Wrote {len(made.sections)} table{'s' if len(made.sections) > 1 else ''} to {options.out}.")
    return 0
