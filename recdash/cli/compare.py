"""recdash compare: train what is missing, resume what is unfinished, print the results."""

from __future__ import annotations

import argparse
from typing import Any

from recdash.cli.common import add_command, parse_integers, parse_settings, print_message
from recdash.cli.train import (
    add_training_options,
    report_preset_fallbacks,
    report_time_ties,
    split_options,
    wait_and_report,
)
from recdash.settings import name_list


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "compare", run)
    parser.add_argument("--models", default="all", metavar="A,B,C", help="models to compare (default: all)")
    parser.add_argument(
        "--seeds",
        metavar="1,2,3",
        help="split seeds, one repetition each; also the training seeds, unless --training-seeds is given",
    )
    parser.add_argument(
        "--training-seeds", metavar="1,2,3", help="seeds of the training, one repetition each on every split"
    )
    add_training_options(parser)
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the training, without --seeds (default: 0)"
    )


def run(options: argparse.Namespace) -> int:
    """Train what is missing and print the table."""
    from recdash.services import compare  # lazy: SQLAlchemy

    wanted = compare.requests(
        options.dataset,
        options.models,
        protocol=options.protocol,
        seeds=None if options.seeds is None else parse_integers(options.seeds),
        training_seeds=None if options.training_seeds is None else parse_integers(options.training_seeds),
        seed=options.seed,
        split_seed=options.split_seed,
        preset=options.preset,
        epochs=options.epochs,
        settings=parse_settings(options.set),
        device=options.device,
        options=split_options(options),
    )
    report_preset_fallbacks(wanted)
    report_time_ties(wanted)
    if "all" in name_list(options.models):
        for reason in compare.excluded_models(options.protocol, options.dataset, split_options(options)).values():
            print_message(f"Skipped: {reason}")
    there = [found.id for found in compare.find_runs(wanted).runs if found is not None and found.state.is_finished()]
    if there:
        print_message(f"Already trained: {', '.join(there)}")
    return wait_and_report(compare.start(wanted), options)
