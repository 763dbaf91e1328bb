"""recdash results: the table of finished runs, one per split."""

from __future__ import annotations

import argparse
from typing import Any

from recdash.cli.common import answer, answer_json, command, say

HELP = "print the results of finished runs"


def add(commands: Any) -> None:
    """Declare the command."""
    parser = command(commands, "results", run, HELP)
    parser.add_argument("--dataset", metavar="D", help="only runs on this data set (a name or a path)")
    parser.add_argument("--protocol", metavar="P", help="only runs under this protocol")
    parser.add_argument(
        "--format", choices=("table", "json", "csv", "md", "latex"), default="table", help="default table"
    )
    parser.add_argument(
        "--metrics", metavar="A,B", help="columns, such as ndcg@100,recall@20 (default: the usual ones)"
    )


def run(options: argparse.Namespace) -> int:
    """Print the groups of comparable runs."""
    from recdash.analysis import groups, reference_figures, seeds, split_summary, versus_best
    from recdash.json_values import json_safe
    from recdash.reporting import seed_tables
    from recdash.services import results

    found = results.groups(dataset=options.dataset, protocol=options.protocol)
    differences = groups.why_not_comparable(found)
    if options.json or options.format == "json":
        rows = [row.to_dict() for group in found for row in group.rows]
        splits = []
        for group in found:
            verdict = versus_best.compare_with_best(group, group.primary)
            against = None if verdict is None else json_safe(verdict.to_dict())
            same = {"split": group.split_fingerprint, "data": group.dataset_fingerprint, "label": group.label}
            others = [row for table in reference_figures.beside(group) for row in table.to_dicts()]
            told = {
                "facts": dict(group.facts),
                "options": dict(group.options),
                "warning": split_summary.about_ties(group),
            }
            splits.append({**same, **told, "against_best": against, "published": others})
        over = [table.to_dict() for table in seeds.tables(found)]
        answer_json({"results": rows, "splits": splits, "not_comparable": differences, "over_seeds": over})
        return 0
    if not found:
        say("No finished run yet. Start one: recdash compare --dataset demo")
        return 0
    answer(results.export(found, options.format, options.metrics))
    repeated = seeds.tables(found)
    if repeated and options.format != "csv":
        answer(f"\n{seed_tables.text(repeated, options.format, options.metrics)}")
    for group in found:
        if said := split_summary.about_ties(group):
            say(f"{group.label}: {said}")
    for sentence in differences:
        say(f"These tables are not comparable. {sentence}")
    return 0
