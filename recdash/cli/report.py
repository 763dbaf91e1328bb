"""recdash report: a comparison as one file to pass on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from recdash.cli.common import answer, answer_json, command, existing
from recdash.errors import DataError

HELP = "write a comparison into one file (HTML, Markdown or LaTeX)"


def add(commands: Any) -> None:
    """Declare the command."""
    parser = command(commands, "report", run, HELP)
    parser.add_argument("--dataset", metavar="D", help="only runs on this data set (a name or a path)")
    parser.add_argument("--protocol", metavar="P", help="only runs under this protocol")
    parser.add_argument(
        "--run", dest="runs", action="append", default=[], metavar="RUN", help="only these runs; repeatable"
    )
    parser.add_argument(
        "--out",
        type=existing,
        default=Path("recdash-report.html"),
        metavar="FILE",
        help="a file that ends in .html, .md or .tex (default recdash-report.html)",
    )


def run(options: argparse.Namespace) -> int:
    """Write the file and say where it lies."""
    from recdash.reporting import render
    from recdash.services import report, runs

    form = render.form_of(options.out)
    ids = [runs.find(one).id for one in options.runs] or None
    made = report.make(dataset=options.dataset, protocol=options.protocol, run_ids=ids)
    try:
        options.out.write_text(render.text(made, form), encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"{options.out}: cannot be written ({error.strerror}). Name another file with --out."
        ) from error
    if options.json:
        there = [row.run.id for section in made.sections for row in section.group.rows]
        answer_json({"written": str(options.out.absolute()), "form": form, "runs": there})
    else:
        answer(f"{options.out} holds {len(made.sections)} table{'s' if len(made.sections) > 1 else ''}.")
    return 0
