"""recdash results: the table of finished runs, one per split."""

from __future__ import annotations

import argparse
from typing import Any

from recdash.cli.words import answer, answer_json, command, names, say

HELP = "print the results of finished runs"


def add(commands: Any) -> None:
    """Declare the command."""
    parser = command(commands, "results", run, HELP)
    parser.add_argument("--dataset", metavar="D", help="only runs on this data set")
    parser.add_argument("--protocol", metavar="P", help="only runs under this protocol")
    parser.add_argument(
        "--format", choices=("table", "json", "csv", "md", "latex"), default="table", help="default table"
    )
    parser.add_argument(
        "--metrics", metavar="A,B", help="columns, such as ndcg@100,recall@20 (default: the usual ones)"
    )


def run(options: argparse.Namespace) -> int:
    """Print the groups of comparable runs."""
    from recdash.services import results

    found = results.groups(dataset=options.dataset, protocol=options.protocol)
    differences = results.differences(found)
    if options.json or options.format == "json":
        rows = [row.to_dict() for group in found for row in group.rows]
        splits = [
            {"split": group.split_fingerprint, "label": group.label, "facts": dict(group.facts)} for group in found
        ]
        answer_json({"results": rows, "splits": splits, "not_comparable": differences})
        return 0
    if not found:
        say("No finished run yet. Start one: recdash compare --dataset demo")
        return 0
    answer(results.export(found, options.format, names(options.metrics) if options.metrics else None))
    for sentence in differences:
        say(f"These tables are not comparable. {sentence}")
    return 0
