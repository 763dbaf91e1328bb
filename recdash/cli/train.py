"""recdash train: train one run per model and wait for the results, unless --detach is given."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recdash.cli import progress
from recdash.cli.common import TIES_HELP, Parser, add_command, parse_settings, print_json, print_message, print_output
from recdash.settings import DEFAULT_SPLIT_SEED

if TYPE_CHECKING:
    from recdash.runs.run_records import Request, RunRecord
    from recdash.services.training_plan import TrainingPlan
    from recdash.splits.split_options import SplitOptions


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "train", run)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="model name, such as multvae, ease, popularity")
    add_training_options(parser)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the training (default: 0)")
    parser.add_argument(
        "--sweep",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help="one run per value of a list or range: latent=64,128 or beta_cap=0.1..0.5 step 0.1 or "
        "learning_rate=1e-4..1e-2 log 5; repeatable, for a grid",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the plan (time, memory, disk) and start nothing")
    parser.add_argument(
        "--force", action="store_true", help="start even if memory or disk space will probably not suffice"
    )


def add_training_options(parser: Parser) -> None:
    """Add the options that train and compare share."""
    parser.add_argument(
        "--dataset", required=True, metavar="NAME", help="installed dataset, or path of a file or folder"
    )
    parser.add_argument(
        "--protocol",
        metavar="P",
        help="split and evaluation protocol (default: strong, or ratings-90 for rating models)",
    )
    parser.add_argument(
        "--preset",
        default="auto",
        help="settings preset: auto, paper, published, tuned, fast or one of your own (recdash presets list); "
        "auto where a model has no tuned one (default: auto)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="setting that overrides the preset; repeatable",
    )
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="maximum number of epochs, for models trained in epochs"
    )
    add_split_options(parser)
    parser.add_argument("--device", default="auto", metavar="D", help="device: auto, cpu, cuda, mps (default: auto)")
    parser.add_argument("--detach", action="store_true", help="return at once and train in the background")


def add_split_options(parser: Parser) -> None:
    """Add the seed and the options of a split, besides its protocol."""
    parser.add_argument(
        "--split-seed",
        type=int,
        default=DEFAULT_SPLIT_SEED,
        metavar="N",
        help=f"seed of the split (default: {DEFAULT_SPLIT_SEED})",
    )
    parser.add_argument("--scale", metavar="LOW..HIGH", help="rating scale, such as 1..5")
    parser.add_argument(
        "--positive-from",
        type=float,
        metavar="R",
        help="lowest rating that is a positive (default: three quarters of the way up the scale, 4 on 1..5)",
    )
    parser.add_argument("--min-positives", type=int, metavar="N", help="minimum positives per user (default: 5)")
    parser.add_argument(
        "--ignore-rating",
        action="append",
        default=[],
        metavar="R",
        help='rating that means "not rated"; repeatable, or a comma-separated list',
    )
    parser.add_argument(
        "--ties",
        choices=("file", "random"),
        help=TIES_HELP,
    )


def split_options(options: argparse.Namespace) -> SplitOptions:
    """Read the options of `add_split_options`; raises UsageError for an invalid value."""
    from recdash.splits.split_options import SplitOptions  # lazy: numpy

    return SplitOptions(
        scale=options.scale,
        positive_from=options.positive_from,
        min_positives=options.min_positives,
        ignore_ratings=options.ignore_rating,
        ties=options.ties,
    )


def run(options: argparse.Namespace) -> int:
    """Queue the runs and wait for them; with --dry-run, print the plan instead."""
    from recdash.services import launch, sweeps, training_plan  # lazy: SQLAlchemy

    requests = _requests(options)
    report_preset_fallbacks(requests)
    report_time_ties(requests)
    plan = training_plan.plan(requests)
    if options.dry_run:
        return _report_plan(plan, options)
    training_plan.refuse(plan, force=options.force)
    if options.sweep:
        print_message(f"Sweep: {plan.time_text()}.")
    queued = launch.train(requests)
    if options.sweep:
        grid = sweeps.parse_options(list(dict.fromkeys(request.model for request in requests)), options.sweep)
        queued = _tagged(queued, sweeps.tag_of(grid, uuid.uuid4().hex))
    return wait_and_report(queued, options)


def _requests(options: argparse.Namespace) -> list[Request]:
    from recdash.services import sweeps, training_requests  # lazy: SQLAlchemy

    arguments: dict[str, Any] = {
        "protocol": options.protocol,
        "preset": options.preset,
        "epochs": options.epochs,
        "split_seed": options.split_seed,
        "device": options.device,
        "options": split_options(options),
    }
    settings = parse_settings(options.set)
    requests = training_requests.build_requests(
        options.models, options.dataset, settings=settings, seed=options.seed, **arguments
    )
    if not options.sweep:
        return requests
    grid = sweeps.parse_options([request.model for request in requests], options.sweep)
    return sweeps.of_requests(requests, grid, [options.seed])


def _report_plan(plan: TrainingPlan, options: argparse.Namespace) -> int:
    """Print a plan; returns the exit status that a start would have had: 2 if it is refused."""
    if options.json:
        print_json(plan.to_dict())
    else:
        print_output(_plan_text(plan))
    for problem in plan.problems:
        print_message(problem.text)
    return 2 if plan.problems and not (options.force and not any(one.certain for one in plan.problems)) else 0


def _plan_text(plan: TrainingPlan) -> str:
    from recdash.reporting.formatting import byte_size, duration  # lazy: start-up time
    from recdash.reporting.table_format import plain_table  # lazy: tabulate

    rows = [["Run", "Seed", "Epochs", "Time", "At most", "From", "Memory", "Disk"]]
    for one in plan.runs:
        times = [duration(seconds, none="unknown") for seconds in (one.seconds, one.at_most_seconds)]
        epochs = "-" if one.epochs is None else f"{one.epochs} of {one.most_epochs}"
        sizes = [byte_size(one.memory_bytes), byte_size(one.disk_bytes)]
        rows.append([one.request.name, str(one.request.seed), epochs, *times, one.basis, *sizes])
    return "\n".join([plain_table(rows), "", *plan.sentences()])


def _tagged(runs: Sequence[RunRecord], tag: str) -> list[RunRecord]:
    """Give the runs of a sweep their tag, and report it."""
    from recdash.services import housekeeping  # lazy: SQLAlchemy

    print_message(f"Tag of these runs: {tag}")
    return housekeeping.tag([one.id for one in runs], add=[tag])


def report_preset_fallbacks(requests: Sequence[Request]) -> None:
    """Report which models lack the requested preset, for this data, and use another one."""
    from recdash.services import training_requests  # lazy: SQLAlchemy

    without = dict.fromkeys(one.model for one in requests if training_requests.preset_used(one) != one.preset)
    if without:
        print_message(f"{', '.join(without)}: no preset {requests[0].preset!r}, using auto.")


def report_time_ties(requests: Sequence[Request]) -> None:
    """Warn about events with equal times, where there are enough to change results."""
    from recdash.services import tie_warnings  # lazy: SQLAlchemy

    for sentence in tie_warnings.warnings_for(requests):
        print_message(sentence)


def wait_and_report(runs: list[RunRecord], options: argparse.Namespace) -> int:
    """Wait for runs and print their results; with --detach, print how to follow them."""
    from recdash.analysis import groups, seeds  # lazy: numpy
    from recdash.reporting import seed_tables  # lazy: numpy
    from recdash.services import results  # lazy: SQLAlchemy

    if not options.detach:
        runs = progress.wait(runs)
    found = results.groups(run_ids=[one.id for one in runs])
    repeated = seeds.seed_tables(found)
    if options.json:
        rows = [row.to_dict() for group in found for row in group.rows]
        over = [table.to_dict() for table in repeated]
        print_json({"runs": [one.to_dict() for one in runs], "results": rows, "over_seeds": over})
    elif found:
        print_output(results.export(found, "table"))
        if repeated:
            print_output(f"\n{seed_tables.render(repeated, 'table')}")
        for sentence in groups.why_not_comparable(found):
            print_message(f"These tables are not comparable. {sentence}")
    if options.detach:
        print_message(f"Queued: {' '.join(one.id for one in runs)}. Follow them: recdash runs list")
        return 0
    return progress.report_unfinished(runs)
