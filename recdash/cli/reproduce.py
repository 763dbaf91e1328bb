"""recdash reproduce: a published table as published, corrected, and under the common protocols, side by side."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from recdash.cli.common import answer, answer_json, command, existing, say
from recdash.errors import UsageError
from recdash.settings import as_names

if TYPE_CHECKING:
    from recdash.services.reproduce import Step

HELP = "reproduce a published table: as published, corrected, and with one evaluation protocol"


def add(commands: Any) -> None:
    """Declare the command."""
    parser = command(commands, "reproduce", run, HELP)
    parser.add_argument("--table", default="metarec", metavar="T", help="metarec or vae20m (default metarec)")
    parser.add_argument("--models", metavar="A,B", help="only these models of the table (default all)")
    parser.add_argument("--dataset", metavar="D", help="different data from the table's, as a rehearsal")
    parser.add_argument("--epochs", type=int, metavar="N", help="at most N epochs in each training, for a trial")
    parser.add_argument(
        "--out",
        type=existing,
        metavar="FILE",
        help="also write the result to FILE; cells of the same table and data in it are kept (default: only to the "
        "data folder, reproduce/TABLE.json)",
    )


def run(options: argparse.Namespace) -> int:
    """Compute what is missing, showing how far it is, then print the table."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's products here are small; threads would only wait
    from recdash.services import reproduce

    if options.epochs is not None and options.epochs < 1:
        raise UsageError(f"--epochs {options.epochs} is not a number of epochs. Give 1 or more.")
    show: Any = _Bars() if sys.stderr.isatty() else _Lines()
    with _until_interrupted() as stop:
        try:
            found = reproduce.run(
                options.table,
                models=None if options.models is None else as_names(options.models),
                dataset=options.dataset,
                epochs=options.epochs,
                out=options.out,
                on_step=show,
                should_stop=stop.is_set,
            )
        finally:
            show.close()
    if options.json:
        answer_json(found)
        return 0
    answer(as_text(found))
    return 0


def as_text(found: dict[str, Any]) -> str:
    """Return the document as a table, under it one sentence for each number and where the numbers come from."""
    from recdash.reporting import tables
    from recdash.services import reproduce

    head = ["Model", "Metric", "Published", "As published", "Corrected", "Common"]
    rows = [row for row in found["rows"] if any(row[stage] is not None for stage in ("as_published", "corrected"))]
    body = [[row["title"], row["metric"], *(_number(row[stage], row["metric"]) for stage in _STAGES)] for row in rows]
    lines = [found["title"], ""]
    if found["rehearsal"]:
        lines += [f"A rehearsal on {found['dataset']}: nothing here compares with the published figures.", ""]
    lines += [tables.columns([head, *body]) if body else "Nothing is computed yet.", ""]
    lines += [f"{row['title']}, {row['metric']}: {row['what_was_wrong']}" for row in rows if row["what_was_wrong"]]
    missed = [row for row in rows if row["within_tolerance"] is False]
    lines += [
        f"{row['title']}, {row['metric']}: {_number(row['as_published'], row['metric'])} misses the published "
        f"{_number(row['published'], row['metric'])} by more than {row['tolerance']:g}."
        for row in missed
    ]
    if sources := reproduce.sources_in_words(found):
        lines += ["", "Where the computed figures come from:", *(f"- {said}" for said in sources)]
    if found["missing"]:
        lines.append(f"Still to be computed: {', '.join(found['missing'])}.")
    return "\n".join(lines)


_STAGES = ("published", "as_published", "corrected", "common")


def _number(value: float | None, metric: str) -> str:
    return "-" if value is None else f"{value:.3f}" if metric == "rmse" else f"{value:.4f}"


@contextmanager
def _until_interrupted() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a request to stop; the second one ends at once."""
    stop = threading.Event()

    def request(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        say("Stopping; what is done is kept. Press Ctrl-C again to quit now.")

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Lines:
    """One line whenever a cell begins, for logs."""

    def __call__(self, step: Step) -> None:
        if step.epoch == 0 and not step.over:
            say(f"{step.number} of {step.of}: {step.about}")

    def close(self) -> None:
        """Nothing to clear away."""


class _Bars:
    """One bar for each cell that is being computed, in epochs."""

    def __init__(self) -> None:
        self._bars: dict[str, Any] = {}

    def __call__(self, step: Step) -> None:
        from tqdm import tqdm

        if step.over:
            self._bars.pop(step.cell).close()
            return
        if step.cell not in self._bars:
            form = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} epochs [{elapsed}<{remaining}]"
            about = f"{step.number}/{step.of} {step.about}"
            self._bars[step.cell] = tqdm(desc=about, total=step.epochs or 1, bar_format=form)
        bar = self._bars[step.cell]
        bar.total = max(step.epochs, 1)
        bar.n = step.epoch
        bar.refresh()

    def close(self) -> None:
        """Leave the bars as they stand."""
        for bar in self._bars.values():
            bar.close()
        self._bars.clear()
