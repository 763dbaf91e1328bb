"""recdash train: train one run per model and wait for the results, unless --detach is given."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recdash.cli import progress
from recdash.cli.common import TIES_HELP, Parser, add_command, parse_settings, print_json, print_message, print_output
from recdash.settings import DEFAULT_SPLIT_SEED

if TYPE_CHECKING:
    from recdash.runs.run_records import Request, RunRecord
    from recdash.splits.split_options import SplitOptions


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "train", run)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="model name, such as multvae, ease, popularity")
    add_training_options(parser)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the training (default: 0)")


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
        help="settings preset: auto, paper, published, tuned or fast; auto where a model has none (default: auto)",
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
    parser.add_argument(
        "--split-seed",
        type=int,
        default=DEFAULT_SPLIT_SEED,
        metavar="N",
        help=f"seed of the split (default: {DEFAULT_SPLIT_SEED})",
    )
    add_split_options(parser)
    parser.add_argument("--device", default="auto", metavar="D", help="device: auto, cpu, cuda, mps (default: auto)")
    parser.add_argument("--detach", action="store_true", help="return at once and train in the background")


def add_split_options(parser: Parser) -> None:
    """Add the options of a split besides its protocol and seed."""
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
    """Queue the runs and wait for them."""
    from recdash.services import launch, training_requests  # lazy: SQLAlchemy

    requests = training_requests.build_requests(
        options.models,
        options.dataset,
        protocol=options.protocol,
        preset=options.preset,
        settings=parse_settings(options.set),
        epochs=options.epochs,
        seed=options.seed,
        split_seed=options.split_seed,
        device=options.device,
        options=split_options(options),
    )
    report_preset_fallbacks(requests)
    report_time_ties(requests)
    return wait_and_report(launch.train(requests), options)


def report_preset_fallbacks(requests: Sequence[Request]) -> None:
    """Report which models lack the requested preset and use another one."""
    from recdash.models import registry  # lazy: torch

    used = {request.model: registry.preset_used(request.model, request.preset) for request in requests}
    without = dict.fromkeys(request.model for request in requests if used[request.model] != request.preset)
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
