"""recdash results: one table of finished runs per split."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from recdash.cli.common import add_command, print_json, print_message, print_output
from recdash.json_values import json_safe

if TYPE_CHECKING:
    from recdash.analysis.groups import Group


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "results", run)
    parser.add_argument("--dataset", metavar="D", help="only runs on this dataset (name or path)")
    parser.add_argument("--protocol", metavar="P", help="only runs with this protocol")
    parser.add_argument(
        "--format",
        choices=("table", "json", "csv", "md", "latex"),
        default="table",
        help="output format (default: table)",
    )
    parser.add_argument(
        "--metrics",
        metavar="A,B",
        help="metric columns, such as ndcg@100,recall@20 (default: main metrics of the task)",
    )


def run(options: argparse.Namespace) -> int:
    """Print one table per group of comparable runs."""
    from recdash.analysis import groups, seeds, split_summary  # lazy: numpy
    from recdash.reporting import seed_tables  # lazy: numpy
    from recdash.services import results  # lazy: SQLAlchemy

    found = results.groups(dataset=options.dataset, protocol=options.protocol)
    differences = groups.why_not_comparable(found)
    if options.json or options.format == "json":
        rows = [row.to_dict() for group in found for row in group.rows]
        splits = [_split_document(group) for group in found]
        over = [table.to_dict() for table in seeds.seed_tables(found)]
        print_json({"results": rows, "splits": splits, "not_comparable": differences, "over_seeds": over})
        return 0
    if not found:
        print_message("No finished runs yet. Start some: recdash compare --dataset demo")
        return 0
    print_output(results.export(found, options.format, options.metrics))
    repeated = seeds.seed_tables(found)
    if repeated and options.format != "csv":
        print_output(f"\n{seed_tables.render(repeated, options.format, options.metrics)}")
    for group in found:
        if warning := split_summary.tie_warning(group):
            print_message(f"{group.label}: {warning}")
    for sentence in differences:
        print_message(f"These tables are not comparable. {sentence}")
    return 0


def _split_document(group: Group) -> dict[str, Any]:
    from recdash.analysis import reference_figures, split_summary, versus_best  # lazy: numpy

    comparison = versus_best.compare_with_best(group, group.primary)
    return {
        "split": group.split_fingerprint,
        "data": group.dataset_fingerprint,
        "label": group.label,
        "facts": dict(group.facts),
        "options": dict(group.options),
        "warning": split_summary.tie_warning(group),
        "against_best": None if comparison is None else json_safe(comparison.to_dict()),
        "published": [row for table in reference_figures.for_group(group) for row in table.to_dicts()],
    }
