"""recdash train: one run per model, waited for unless --detach."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recdash.cli import progress
from recdash.cli.common import Parser, answer, answer_json, command, pairs, say
from recdash.settings import DEFAULT_SPLIT_SEED

if TYPE_CHECKING:
    from recdash.runs.run_records import Request, RunRecord
    from recdash.splits.split_options import SplitOptions

HELP = "train one or more models on a data set"


def add(commands: Any) -> None:
    """Declare the command."""
    parser = command(commands, "train", run, HELP)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="such as multvae, ease, popularity")
    add_training_options(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of the training (default 0)")


def add_training_options(parser: Parser) -> None:
    """Declare what train and compare share."""
    parser.add_argument(
        "--dataset", required=True, metavar="NAME", help="an installed data set, or the path of a file or folder"
    )
    parser.add_argument("--protocol", metavar="P", help="how to split and score (default: strong for ranking models)")
    parser.add_argument(
        "--preset",
        default="auto",
        help="auto, paper, published, fast, or tuned, which is auto for a model without one (default auto)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting that wins over the preset; repeatable",
    )
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="the largest number of epochs, for models that have epochs"
    )
    parser.add_argument(
        "--split-seed",
        type=int,
        default=DEFAULT_SPLIT_SEED,
        metavar="N",
        help=f"seed of the split (default {DEFAULT_SPLIT_SEED})",
    )
    add_split_options(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (default auto)")
    parser.add_argument("--detach", action="store_true", help="return at once; the training goes on")


def add_split_options(parser: Parser) -> None:
    """Declare what can be said about a split besides its protocol and seed."""
    parser.add_argument("--scale", metavar="LOW..HIGH", help="lowest and highest possible rating, such as 1..5")
    parser.add_argument(
        "--positive-from",
        type=float,
        metavar="R",
        help="lowest rating that counts as liked (default: 3/4 up the scale)",
    )
    parser.add_argument("--min-positives", type=int, metavar="N", help="likes that a user needs (default 5)")
    parser.add_argument(
        "--ignore-rating",
        action="append",
        default=[],
        metavar="R",
        help='a rating that means "not rated"; repeatable, or separated by commas',
    )
    parser.add_argument(
        "--ties",
        choices=("file", "random"),
        help="what orders events at the same time: the file, where it is in order of time, or chance (default file)",
    )


def split_options(options: argparse.Namespace) -> SplitOptions:
    """Read what `add_split_options` declared; raises UsageError for a wrong value."""
    from recdash.splits.split_options import SplitOptions

    return SplitOptions(
        scale=options.scale,
        positive_from=options.positive_from,
        min_positives=options.min_positives,
        ignore_ratings=options.ignore_rating,
        ties=options.ties,
    )


def run(options: argparse.Namespace) -> int:
    """Queue the trainings and wait for them."""
    from recdash.services import launch

    requests = launch.plan(
        options.models,
        options.dataset,
        protocol=options.protocol,
        preset=options.preset,
        settings=pairs(options.set),
        epochs=options.epochs,
        seed=options.seed,
        split_seed=options.split_seed,
        device=options.device,
        options=split_options(options),
    )
    say_fallbacks(requests)
    say_ties(requests)
    return finish(launch.train(requests), options)


def say_fallbacks(requests: Sequence[Request]) -> None:
    """Say which models have no preset of the name that was asked for, and what they take in its place."""
    from recdash.models import registry

    used = {request.model: registry.preset_used(request.model, request.preset) for request in requests}
    without = dict.fromkeys(request.model for request in requests if used[request.model] != request.preset)
    if without:
        say(f"No preset {requests[0].preset!r} for {', '.join(without)}: auto is used.")


def say_ties(requests: Sequence[Request]) -> None:
    """Say what ties in time will mean for the figures, where there are many."""
    from recdash.services import tie_warnings

    for sentence in tie_warnings.ahead(requests):
        say(sentence)


def finish(runs: list[RunRecord], options: argparse.Namespace) -> int:
    """Wait for runs and print their results, or say how to follow them."""
    from recdash.analysis import groups, seeds
    from recdash.reporting import seed_tables
    from recdash.services import results

    if not options.detach:
        runs = progress.wait(runs)
    found = results.groups(run_ids=[one.id for one in runs])
    repeated = seeds.tables(found)
    if options.json:
        rows = [row.to_dict() for group in found for row in group.rows]
        over = [table.to_dict() for table in repeated]
        answer_json({"runs": [one.to_dict() for one in runs], "results": rows, "over_seeds": over})
    elif found:
        answer(results.export(found, "table"))
        if repeated:
            answer(f"\n{seed_tables.text(repeated, 'table')}")
        for sentence in groups.why_not_comparable(found):
            say(f"These tables are not comparable. {sentence}")
    if options.detach:
        say(f"Queued: {' '.join(one.id for one in runs)}. Follow: recdash runs list")
        return 0
    return progress.report(runs)
