"""`recdash reproduce`: a published table as published, corrected, and with the common protocols, side by side."""

from __future__ import annotations

import argparse
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from recdash.cli.common import add_command, file_path, print_json, print_message, print_output
from recdash.cli.progress import Progress, progress_display
from recdash.errors import UsageError
from recdash.settings import name_list

if TYPE_CHECKING:
    from recdash.services.reproduce import CellProgress


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(commands, "reproduce", run)
    parser.add_argument(
        "--table", default="metarec", metavar="T", help="published table: metarec or vae20m (default: metarec)"
    )
    parser.add_argument("--models", metavar="A,B", help="models of the table to compute (default: all)")
    parser.add_argument("--dataset", metavar="D", help="dataset to use instead of the table's own, for a trial run")
    parser.add_argument("--epochs", type=int, metavar="N", help="maximum number of epochs in each run, for a trial run")
    parser.add_argument(
        "--out",
        type=file_path,
        metavar="FILE",
        help="additional output file; its cells of the same table and data are kept (default: only "
        "reproduce/TABLE.json in the data folder)",
    )


def run(options: argparse.Namespace) -> int:
    """Compute the missing cells with a progress display, then print the table."""
    if options.epochs is not None and options.epochs < 1:
        raise UsageError(f"--epochs is {options.epochs}. Give 1 or more.")
    # before numpy is imported; its products here are so small that more threads would only wait
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from recdash.services import reproduce  # lazy: numpy

    display = progress_display()
    with _until_interrupted() as stop:
        try:
            document = reproduce.run(
                options.table,
                models=None if options.models is None else name_list(options.models),
                dataset=options.dataset,
                epochs=options.epochs,
                out=options.out,
                on_progress=lambda progress: display.show(_bar(progress)),
                should_stop=stop.is_set,
            )
        finally:
            display.close()
    if options.json:
        print_json(document)
        return 0
    print_output(as_text(document))
    return 0


def as_text(document: dict[str, Any]) -> str:
    """Return a document as a table, with a note for each number and the provenance of the cells below it."""
    from recdash.reporting import table_format  # lazy: numpy
    from recdash.services import reproduce_files  # lazy: numpy

    head = ["Model", "Metric", "Published", "As published, recomputed", "Corrected", "Common"]
    rows = [row for row in document["rows"] if any(row[stage] is not None for stage in ("as_published", "corrected"))]
    body = [[row["title"], row["metric"], *(_number(row[stage], row["metric"]) for stage in _STAGES)] for row in rows]
    lines = [document["title"], ""]
    if document["rehearsal"]:
        lines += [f"Trial run on {document['dataset']}: these numbers are not comparable with the published ones.", ""]
    lines += [table_format.plain_table([head, *body]) if body else "Nothing has been computed yet.", ""]
    lines += [f"{row['title']}, {row['metric']}: {row['what_was_wrong']}" for row in rows if row["what_was_wrong"]]
    missed = [row for row in rows if row["within_tolerance"] is False]
    lines += [
        f"{row['title']}, {row['metric']}: {_number(row['as_published'], row['metric'])} differs from the "
        f"published {_number(row['published'], row['metric'])} by more than {row['tolerance']:g}."
        for row in missed
    ]
    if sources := reproduce_files.provenance_lines(document):
        lines += ["", "Computed values:", *(f"- {line}" for line in sources)]
    if document["missing"]:
        lines.append(f"Not computed yet: {', '.join(document['missing'])}.")
    return "\n".join(lines)


_STAGES = ("published", "as_published", "corrected", "common")


def _number(value: float | None, metric: str) -> str:
    return "-" if value is None else f"{value:.3f}" if metric == "rmse" else f"{value:.4f}"


@contextmanager
def _until_interrupted() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a request to stop; the second one ends the command at once."""
    stop = threading.Event()

    def request(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        print_message("Stopping; finished work is saved. Press Ctrl-C again to quit now.")

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _bar(cell: CellProgress) -> Progress:
    return Progress(
        key=cell.cell,
        title=f"{cell.number}/{cell.of} {cell.about}",
        status=f"{cell.number} of {cell.of}: {cell.about}",
        epoch=cell.epoch,
        epochs=max(cell.epochs, 1),
        is_done=cell.over,
    )
