"""recdash compare: trains what is missing, resumes what was left half done, prints the results."""

from __future__ import annotations

import argparse
from typing import Any

from recdash.cli.common import command, pairs, say, whole_numbers
from recdash.cli.train import add_training_options, finish, say_fallbacks, say_ties, split_options
from recdash.settings import as_names

HELP = "train what is missing, then print the results"


def add(commands: Any) -> None:
    """Declare the command."""
    parser = command(commands, "compare", run, HELP)
    parser.add_argument("--models", default="all", metavar="A,B,C", help="models to compare (default all)")
    parser.add_argument("--seeds", metavar="1,2,3", help="repeat split and training with each of these seeds")
    parser.add_argument(
        "--training-seeds", metavar="1,2,3", help="repeat the training on each split with each of these seeds"
    )
    add_training_options(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of the training, without --seeds (default 0)")


def run(options: argparse.Namespace) -> int:
    """Look what is there, train the rest, print the table."""
    from recdash.services import compare

    wanted = compare.requests(
        options.dataset,
        options.models,
        protocol=options.protocol,
        seeds=None if options.seeds is None else whole_numbers(options.seeds),
        training_seeds=None if options.training_seeds is None else whole_numbers(options.training_seeds),
        seed=options.seed,
        split_seed=options.split_seed,
        preset=options.preset,
        epochs=options.epochs,
        settings=pairs(options.set),
        device=options.device,
        options=split_options(options),
    )
    say_fallbacks(wanted)
    say_ties(wanted)
    if "all" in as_names(options.models):
        for reason in compare.left_out(options.protocol, options.dataset, split_options(options)).values():
            say(f"Left out: {reason}")
    there = [found.id for found in compare.look(wanted).runs if found is not None and found.state.is_finished()]
    if there:
        say(f"Already trained: {', '.join(there)}")
    return finish(compare.start(wanted), options)
