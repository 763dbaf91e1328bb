"""recdash runs tag, archive, trash, restore, prune, move and clone."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from recdash.cli.common import (
    RUN_HELP,
    Parser,
    add_command,
    parse_settings,
    print_json,
    print_message,
    print_output,
)
from recdash.cli.train import report_time_ties, wait_and_report
from recdash.errors import UsageError
from recdash.settings import whole_number

if TYPE_CHECKING:
    from recdash.runs.run_records import RunRecord
    from recdash.services.housekeeping import Freed, Pruned

_SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400}
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([hdw])")


def add(parts: Any) -> None:
    """Add the subcommands to those of `recdash runs`."""
    tags = add_for_runs(parts, "tag", tag, "add and remove tags")
    tags.add_argument("--add", default="", metavar="TAG,TAG", help="tags to add")
    tags.add_argument("--remove", default="", metavar="TAG,TAG", help="tags to remove")
    add_for_runs(parts, "archive", archive, "leave runs out of all lists; they stay complete")
    add_for_runs(parts, "unarchive", unarchive, "list archived runs again")
    add_for_runs(parts, "trash", trash, "move runs to the trash, which is emptied after 24 hours")
    add_for_runs(parts, "restore", restore, "take runs out of the trash")
    _add_prune(parts)
    moved = add_command(parts, "move", move, "change the order of the queue", is_subcommand=True)
    moved.add_argument("run_id", metavar="RUN", help=RUN_HELP)
    place = moved.add_mutually_exclusive_group(required=True)
    place.add_argument("--first", action="store_true", help="start it next")
    place.add_argument("--last", action="store_true", help="start it after all others")
    place.add_argument("--before", metavar="RUN", help="start it before this queued run")
    _add_clone(parts)


def add_for_runs(parts: Any, name: str, act: Callable[[argparse.Namespace], int], help: str) -> Parser:
    """Add a subcommand that takes one or more runs."""
    parser = add_command(parts, name, act, help, is_subcommand=True)
    parser.add_argument("run_ids", metavar="RUN", nargs="+", help=RUN_HELP)
    return parser


def tag(options: argparse.Namespace) -> int:
    """Add and remove tags."""
    from recdash.services import housekeeping  # lazy: SQLAlchemy

    if not options.add and not options.remove:
        raise UsageError("runs tag: nothing to do. Give --add TAG or --remove TAG.")
    changed = housekeeping.tag(run_ids(options), options.add, options.remove)
    return _print_runs(
        options, changed, lambda run: f"has the tags {', '.join(run.tags)}" if run.tags else "has no tag"
    )


def archive(options: argparse.Namespace) -> int:
    """Archive runs."""
    from recdash.services import housekeeping  # lazy: SQLAlchemy

    return _print_runs(options, housekeeping.archive(run_ids(options)), lambda run: "is archived")


def unarchive(options: argparse.Namespace) -> int:
    """List archived runs again."""
    from recdash.services import housekeeping  # lazy: SQLAlchemy

    return _print_runs(options, housekeeping.unarchive(run_ids(options)), lambda run: "is listed again")


def trash(options: argparse.Namespace) -> int:
    """Move runs to the trash."""
    from recdash.devices import format_bytes  # lazy: torch
    from recdash.services import housekeeping  # lazy: SQLAlchemy

    moved: Freed = housekeeping.trash(run_ids(options))
    print_message(
        f"In the trash: {' '.join(moved.runs)} ({format_bytes(moved.bytes)}, freed in 24 hours or by "
        "`recdash runs prune --trash --yes`). To undo: recdash runs restore RUN"
    )
    if options.json:
        print_json({"trashed": list(moved.runs), "bytes": moved.bytes})
    return 0


def restore(options: argparse.Namespace) -> int:
    """Take runs out of the trash."""
    from recdash.services import housekeeping, runs  # lazy: SQLAlchemy

    ids = [runs.find_in_trash(reference).id for reference in options.run_ids]
    return _print_runs(options, housekeeping.restore(ids), lambda run: "is restored")


def prune(options: argparse.Namespace) -> int:
    """List what rules select, or delete it."""
    from recdash.services import housekeeping  # lazy: SQLAlchemy

    if options.keep_best is not None:
        whole_number("--keep-best", options.keep_best, 0)
    found = housekeeping.prune(
        states=options.state,
        older_than_s=options.older_than,
        retain_best=options.keep_best,
        archived=options.archived,
        trash=options.trash,
        training_states=options.training_states,
        dry_run=not options.yes,
    )
    if options.json:
        print_json({"deleted": found.deleted, "bytes": found.bytes, "items": [vars(item) for item in found.items]})
    else:
        _print_pruned(found)
    return 0


def move(options: argparse.Namespace) -> int:
    """Move a queued run."""
    from recdash.services import launch, runs  # lazy: SQLAlchemy

    run_id = runs.find(options.run_id).id
    before = runs.find(options.before).id if options.before is not None else None
    if options.first:
        before = next((run.id for run in launch.queued()), None)
    order = launch.move(run_id, before)
    if options.json:
        print_json({"queue": [run.id for run in order]})
    else:
        print_message(f"Queue: {' '.join(run.id for run in order)}")
    return 0


def clone(options: argparse.Namespace) -> int:
    """Train again with changes, as a new run, and wait for it."""
    from recdash.services import launch, runs, training_requests  # lazy: SQLAlchemy

    new = launch.clone(
        runs.find(options.run_id).id,
        settings=parse_settings(options.set),
        reset=options.reset,
        epochs=options.epochs,
        preset=options.preset,
        protocol=options.protocol,
        seed=options.seed,
        split_seed=options.split_seed,
        device=options.device,
        name=options.name,
    )
    report_time_ties([training_requests.request_of(new)])
    return wait_and_report([new], options)


def run_ids(options: argparse.Namespace) -> list[str]:
    """Return the ids of the named runs, each once; raises UsageError, before anything is done, if one is unknown."""
    from recdash.services import runs  # lazy: SQLAlchemy

    return list(dict.fromkeys(runs.find(reference).id for reference in options.run_ids))


def parse_age(text: str) -> float:
    """Return an age such as "30d", "12h" or "2w" in seconds."""
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not an age. Use hours, days or weeks: 12h, 30d, 2w")
    return float(found[1]) * _SECONDS[found[2]]


def _add_prune(parts: Any) -> None:
    parser = add_command(
        parts, "prune", prune, "list, and with --yes delete for good, the runs that rules select", is_subcommand=True
    )
    parser.add_argument(
        "--state", default="", metavar="S,S", help="runs in these states: failed, interrupted, stopped, finished"
    )
    parser.add_argument(
        "--older-than", type=parse_age, metavar="AGE", help="runs that ended this long ago: 12h, 30d, 2w"
    )
    parser.add_argument(
        "--keep-best",
        type=int,
        metavar="N",
        help="finished runs other than the N best of each model among comparable runs",
    )
    parser.add_argument("--archived", action="store_true", help="archived runs")
    parser.add_argument("--trash", action="store_true", help="runs in the trash")
    parser.add_argument(
        "--training-states",
        action="store_true",
        help="delete only what unfinished runs would be resumed from, and keep the runs",
    )
    parser.add_argument("--yes", action="store_true", help="delete; without it nothing is deleted")


def _add_clone(parts: Any) -> None:
    parser = add_command(parts, "clone", clone, "train again with changes, as a new run", is_subcommand=True)
    parser.add_argument("run_id", metavar="RUN", help=RUN_HELP)
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="setting to change; repeatable"
    )
    parser.add_argument("--reset", default="", metavar="NAME,NAME", help="settings that go back to the preset's values")
    parser.add_argument("--epochs", type=int, metavar="N", help="maximum number of epochs")
    parser.add_argument("--preset", metavar="P", help="settings preset")
    parser.add_argument("--protocol", metavar="P", help="split and evaluation protocol")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the training")
    parser.add_argument("--split-seed", type=int, metavar="N", help="seed of the split")
    parser.add_argument("--device", metavar="D", help="device: auto, cpu, cuda, mps")
    parser.add_argument("--name", default="", metavar="NAME", help="name of the new run")
    parser.add_argument("--detach", action="store_true", help="return at once and train in the background")


def _print_runs(options: argparse.Namespace, changed: list[RunRecord], describe: Callable[[RunRecord], str]) -> int:
    for run in changed:
        print_message(f"{run.id} {describe(run)}.")
    if options.json:
        print_json({"runs": [run.to_dict() for run in changed]})
    return 0


def _print_pruned(found: Pruned) -> None:
    from recdash.devices import format_bytes  # lazy: torch
    from recdash.reporting import table_format  # lazy: numpy

    if not found.items:
        print_message("Nothing was deleted." if found.deleted else "Nothing to delete.")
        return
    lines = [[item.run, item.what, item.reason, format_bytes(item.bytes), item.name] for item in found.items]
    print_output(table_format.plain_table([["Run", "What", "Why", "Size", "Name"], *lines]))
    total = f"{len(found.items)} in all, {format_bytes(found.bytes)}"
    print_message(f"Deleted: {total}." if found.deleted else f"{total}. Nothing is deleted yet: add --yes to delete.")
