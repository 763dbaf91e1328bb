"""recdash runs: list, show, stop, resume, retry, delete, rename, note."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from recdash.cli.common import answer, answer_json, command, say

if TYPE_CHECKING:
    from recdash.runs.run_records import RunRecord

HELP = "list, show, stop, resume, delete, rename and note runs"


def add(commands: Any) -> None:
    """Declare the command and its parts."""
    parser = command(commands, "runs", list_runs, HELP)
    parser.set_defaults(dataset=None, model=None, active=False)
    parts = parser.add_subparsers(metavar="list|show|stop|resume|retry|delete|rename|note")
    listing = command(parts, "list", list_runs, "list runs, newest first", part=True)
    listing.add_argument("--dataset", metavar="D", help="only runs on this data set (a name or a path)")
    listing.add_argument("--model", metavar="M", help="only runs of this model")
    listing.add_argument("--active", action="store_true", help="only runs that are queued or running")
    show = _about_one(parts, "show", show_run, "show one run")
    show.add_argument("--log", type=int, default=0, metavar="N", help="also the last N lines of its log")
    _about_many(parts, "stop", stop, "keep a checkpoint and stop")
    for name, act, help in (
        ("resume", resume, "go on from the last checkpoint of a stopped, interrupted or failed run"),
        ("retry", retry, "train the same again from the start, as a new run"),
    ):
        again = _about_many(parts, name, act, help)
        again.add_argument("--detach", action="store_true", help="return at once; the training goes on")
    _about_many(parts, "delete", delete, "delete runs with their checkpoints; refused while they run")
    rename_one = _about_one(parts, "rename", rename, "give a run another name")
    rename_one.add_argument("name", metavar="NAME")
    note_one = _about_one(parts, "note", note, "write a note to a run, in place of an earlier one")
    note_one.add_argument("text", metavar="TEXT")


def list_runs(options: argparse.Namespace) -> int:
    """Print all runs that fit."""
    from recdash.services import launch, runs

    launch.keep_going()
    found = runs.listing(dataset=options.dataset, model=options.model, active=True if options.active else None)
    if options.json:
        answer_json({"runs": [run.to_dict() for run in found]})
    elif not found:
        say("No runs yet. Start one: recdash train ease --dataset demo")
    else:
        from recdash.reporting import tables

        heading = ["Run", "State", "Epoch", "Best validation", "Started", "Name"]
        answer(tables.columns([heading, *(_line(run) for run in found)]))
    return 0


def show_run(options: argparse.Namespace) -> int:
    """Print everything about one run."""
    from recdash.services import curves, runs

    run = curves.curves(runs.find(options.run_id).id).run
    events, log = runs.events(run.id), runs.log(run.id, options.log) if options.log else ""
    if options.json:
        happened = [{"time": event.time, "kind": event.kind, "text": event.text} for event in events]
        answer_json({**run.to_dict(), "events": happened, **({"log": log} if options.log else {})})
        return 0
    for name, value in run.to_dict().items():
        if name not in ("intervals", "remarks", "warnings") and value not in (None, "", {}, []):
            answer(f"{name:<20} {_plain(value)}")
    for name, said in (("remarks", "; ".join(run.remarks)), ("warning", run.about_ties[1])):
        if said:
            answer(f"{name:<20} {said}")
    for event in events:
        answer(f"{_clock(event.time)}  {event.kind}  {event.text}".rstrip())
    if log:
        answer(f"\n{log}")
    return 0


def stop(options: argparse.Namespace) -> int:
    """Ask runs to stop."""
    from recdash.services import launch

    return _each(
        options, launch.stop, lambda run: "stops after a checkpoint" if run.stopping else f"is {run.state.value}"
    )


def resume(options: argparse.Namespace) -> int:
    """Queue runs again and wait for them."""
    from recdash.services import launch

    return _again(options, launch.resume)


def retry(options: argparse.Namespace) -> int:
    """Start the same trainings afresh and wait for them."""
    from recdash.services import launch

    return _again(options, launch.retry)


def delete(options: argparse.Namespace) -> int:
    """Delete runs."""
    from recdash.services import launch, runs

    found = [runs.find(reference) for reference in options.run_ids]
    for run in found:
        launch.delete(run.id)
        say(f"{run.id} is deleted.")
    if options.json:
        answer_json({"deleted": [run.id for run in found]})
    return 0


def rename(options: argparse.Namespace) -> int:
    """Give a run another name."""
    from recdash.services import launch, runs

    return _changed(options, launch.rename(runs.find(options.run_id).id, options.name))


def note(options: argparse.Namespace) -> int:
    """Write a note to a run."""
    from recdash.services import launch, runs

    return _changed(options, launch.annotate(runs.find(options.run_id).id, options.text))


def _about_one(parts: Any, name: str, act: Callable[[argparse.Namespace], int], help: str) -> Any:
    parser = command(parts, name, act, help, part=True)
    parser.add_argument("run_id", metavar="RUN", help="the id of a run, the beginning of one, or its name")
    return parser


def _about_many(parts: Any, name: str, act: Callable[[argparse.Namespace], int], help: str) -> Any:
    parser = command(parts, name, act, help, part=True)
    parser.add_argument("run_ids", metavar="RUN", nargs="+", help="ids of runs, beginnings of ids, or names")
    return parser


def _each(options: argparse.Namespace, act: Callable[[str], RunRecord], words: Callable[[RunRecord], str]) -> int:
    from recdash.services import runs

    done = [act(runs.find(reference).id) for reference in options.run_ids]
    for run in done:
        say(f"{run.id} {words(run)}.")
    if options.json:
        answer_json({"runs": [run.to_dict() for run in done]})
    return 0


def _again(options: argparse.Namespace, act: Callable[[str], RunRecord]) -> int:
    from recdash.cli.train import finish
    from recdash.services import runs

    return finish([act(runs.find(reference).id) for reference in options.run_ids], options)


def _changed(options: argparse.Namespace, run: RunRecord) -> int:
    if options.json:
        answer_json(run.to_dict())
    else:
        say(f"{run.id}: {run.name}" + (f" ({run.note})" if run.note else ""))
    return 0


def _line(run: RunRecord) -> list[str]:
    state = "stopping" if run.stopping else run.state.value
    state = f"{state}, {run.warning}" if run.warning else state
    epochs = f"{run.epoch}/{run.epochs}" if run.epochs else str(run.epoch)
    best = "-" if run.best_value is None else f"{run.best_value:.4f}"
    return [run.id, state, epochs, best, _clock(run.started), run.name]


def _clock(seconds: float | None) -> str:
    import time

    return "-" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(inner)}" for name, inner in value.items())
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"[{', '.join(map(_plain, value))}]" if isinstance(value, list) else str(value)
