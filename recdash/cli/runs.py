"""recdash runs: list, show, stop, resume, retry, delete, rename and annotate runs (the rest: `run_housekeeping`)."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from recdash.cli import run_exchange, run_housekeeping
from recdash.cli.common import RUN_HELP, add_command, print_json, print_message, print_output
from recdash.cli.run_housekeeping import add_for_runs
from recdash.cli.train import wait_and_report

if TYPE_CHECKING:
    from recdash.runs.run_records import RunRecord

# Fields of a run that `recdash runs show` prints only with --json, or as separate lines.
_NOT_SHOWN = {"intervals", "remarks", "warnings", "twin", "request_hash", "heartbeat", "version"}


def add(commands: Any) -> None:
    """Add the command and its subcommands to the parser."""
    parser = add_command(commands, "runs", list_runs)
    parser.set_defaults(dataset=None, model=None, active=False, archived=False, trash=False, tag="")
    parts = parser.add_subparsers(metavar="SUBCOMMAND")
    listing = add_command(parts, "list", list_runs, "list runs, newest first", is_subcommand=True)
    listing.add_argument("--dataset", metavar="D", help="only runs on this dataset (name or path)")
    listing.add_argument("--model", metavar="M", help="only runs of this model")
    listing.add_argument("--active", action="store_true", help="only queued and running runs")
    listing.add_argument("--tag", default="", metavar="TAG,TAG", help="only runs with all of these tags")
    listing.add_argument("--archived", action="store_true", help="only archived runs, which are left out otherwise")
    listing.add_argument("--trash", action="store_true", help="only runs in the trash")
    show = _add_for_one_run(parts, "show", show_run, "show one run")
    show.add_argument("--log", type=int, default=0, metavar="N", help="include the last N lines of the log")
    add_for_runs(parts, "stop", stop, "save a checkpoint and stop")
    for name, act, help in (
        ("resume", resume, "continue stopped, interrupted or failed runs from their last checkpoint"),
        ("retry", retry, "train again from the start, as a new run"),
    ):
        again = add_for_runs(parts, name, act, help)
        again.add_argument("--detach", action="store_true", help="return at once and train in the background")
    add_for_runs(parts, "delete", delete, "delete ended runs and their checkpoints for good")
    rename_one = _add_for_one_run(parts, "rename", rename, "rename a run")
    rename_one.add_argument("name", metavar="NAME", help="new name")
    note_one = _add_for_one_run(parts, "note", note, "annotate a run, replacing an earlier note")
    note_one.add_argument("text", metavar="TEXT", help="note")
    run_housekeeping.add(parts)
    run_exchange.add(parts)


def list_runs(options: argparse.Namespace) -> int:
    """Print all matching runs."""
    from recdash.services import launch, runs  # lazy: SQLAlchemy

    launch.ensure_supervisor()
    active = True if options.active else None
    found = runs.list_runs(
        dataset=options.dataset,
        model=options.model,
        active=active,
        archived=None if options.trash else options.archived,
        tags=options.tag,
        trashed=options.trash,
    )
    chosen = options.dataset or options.model or active or options.archived or options.tag or options.trash
    if options.json:
        print_json({"runs": [run.to_dict() for run in found]})
    elif not found:
        start = "No runs yet. Start one: recdash train ease --dataset demo"
        print_message("No run fits. To list all: recdash runs list" if chosen else start)
    else:
        from recdash.reporting import table_format  # lazy: numpy

        heading = ["Run", "State", "Epoch", "Best validation", "Started", "Name"]
        lines = [_line(run) for run in found]
        if any(run.tags for run in found):
            heading.append("Tags")
            lines = [[*line, ", ".join(run.tags)] for line, run in zip(lines, found, strict=True)]
        print_output(table_format.plain_table([heading, *lines]))
    return 0


def show_run(options: argparse.Namespace) -> int:
    """Print everything about one run."""
    from recdash.services import curves, runs  # lazy: SQLAlchemy

    run = curves.curves(runs.find(options.run_id).id).run
    events, log = runs.events(run.id), runs.log(run.id, options.log) if options.log else ""
    if options.json:
        event_documents = [{"time": event.time, "kind": event.kind, "text": event.text} for event in events]
        print_json({**run.to_dict(), "events": event_documents, **({"log": log} if options.log else {})})
        return 0
    document = run.to_dict()
    details = {name: value for name, value in document["details"].items() if name != "looks"}
    if (memory := details.pop("card_memory_bytes", None)) is not None:
        details["GPU memory"] = f"{memory / 2**20:,.0f} MiB"
    document["details"] = details
    for name, value in document.items():
        if name not in _NOT_SHOWN and value not in (None, "", {}, []):
            print_output(f"{name:<20} {_plain(value)}")
    for name, text in (("remarks", "; ".join(run.remarks)), ("warning", run.tie_notes[1])):
        if text:
            print_output(f"{name:<20} {text}")
    for event in events:
        print_output(f"{_local_time(event.time)}  {event.kind}  {event.text}".rstrip())
    if log:
        print_output(f"\n{log}")
    return 0


def stop(options: argparse.Namespace) -> int:
    """Ask runs to stop."""
    from recdash.services import launch  # lazy: SQLAlchemy

    return _each(
        options, launch.stop, lambda run: "stops after saving a checkpoint" if run.stopping else f"is {run.state.value}"
    )


def resume(options: argparse.Namespace) -> int:
    """Queue runs again and wait for them."""
    from recdash.services import launch  # lazy: SQLAlchemy

    return _start_again(options, launch.resume_all)


def retry(options: argparse.Namespace) -> int:
    """Train again from the start, as new runs, and wait for them."""
    from recdash.services import launch  # lazy: SQLAlchemy

    return _start_again(options, launch.retry_all)


def delete(options: argparse.Namespace) -> int:
    """Delete runs."""
    from recdash.services import runs  # lazy: SQLAlchemy

    ids = run_housekeeping.run_ids(options)
    runs.delete(*ids)
    for run_id in ids:
        print_message(f"Deleted {run_id}.")
    if options.json:
        print_json({"deleted": ids})
    return 0


def rename(options: argparse.Namespace) -> int:
    """Rename a run."""
    from recdash.services import runs  # lazy: SQLAlchemy

    return _print_changed(options, runs.rename(runs.find(options.run_id).id, options.name))


def note(options: argparse.Namespace) -> int:
    """Annotate a run."""
    from recdash.services import runs  # lazy: SQLAlchemy

    return _print_changed(options, runs.annotate(runs.find(options.run_id).id, options.text))


def _add_for_one_run(parts: Any, name: str, act: Callable[[argparse.Namespace], int], help: str) -> Any:
    parser = add_command(parts, name, act, help, is_subcommand=True)
    parser.add_argument("run_id", metavar="RUN", help=RUN_HELP)
    return parser


def _each(options: argparse.Namespace, act: Callable[[str], RunRecord], describe: Callable[[RunRecord], str]) -> int:
    done = [act(run_id) for run_id in run_housekeeping.run_ids(options)]
    for run in done:
        print_message(f"{run.id} {describe(run)}.")
    if options.json:
        print_json({"runs": [run.to_dict() for run in done]})
    return 0


def _start_again(options: argparse.Namespace, act: Callable[[list[str]], list[RunRecord]]) -> int:
    from recdash.services import cloned_requests, runs  # lazy: SQLAlchemy

    ids = run_housekeeping.run_ids(options)
    for run in runs.list_runs(ids=ids, archived=None):
        if changes := cloned_requests.calmer_settings(run):
            rate = changes["learning_rate"]
            print_message(
                f"{run.id} diverged, and may do so again with the same seed and settings. With a lower learning rate: "
                f"recdash runs clone {run.id} --set learning_rate={rate:g}"
            )
    return wait_and_report(act(ids), options)


def _print_changed(options: argparse.Namespace, run: RunRecord) -> int:
    if options.json:
        print_json(run.to_dict())
    else:
        print_message(f"{run.id}: {run.name}" + (f" ({run.note})" if run.note else ""))
    return 0


def _line(run: RunRecord) -> list[str]:
    state = "stopping" if run.stopping else run.state.value
    state = f"{state}, {run.warning}" if run.warning else state
    epochs = f"{run.epoch}/{run.epochs}" if run.epochs else str(run.epoch)
    best = "-" if run.best_value is None else f"{run.best_value:.4f}"
    return [run.id, state, epochs, best, _local_time(run.started), run.name]


def _local_time(seconds: float | None) -> str:
    return "-" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(inner)}" for name, inner in value.items())
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"[{', '.join(map(_plain, value))}]" if isinstance(value, list) else str(value)
