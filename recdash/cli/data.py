"""recdash data: list, show, download, import and remove datasets."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from recdash.cli.common import TIES_HELP, add_command, byte_progress, file_path, print_json, print_message, print_output
from recdash.errors import UsageError

if TYPE_CHECKING:
    from recdash.data.dataset_registry import DatasetEntry

_COLUMNS = ("user", "item", "rating", "time")
_READ_OPTIONS = (
    *_COLUMNS, "titles", "delimiter", "encoding", "header", "quotes", "format", "time_format", "scale",
    "positive_from", "min_positives", "ignore_ratings", "ties", "skip_bad",
)  # fmt: skip


def add(commands: Any) -> None:
    """Add the command and its subcommands to the parser."""
    parser = add_command(commands, "data", list_datasets)
    parts = parser.add_subparsers(metavar="list|show|get|import|remove")
    add_command(
        parts, "list", list_datasets, "list installed datasets and those that can be downloaded", is_subcommand=True
    )
    _named(parts, "show", show, "show the statistics of a dataset")
    download = _named(parts, "get", get, "download a public dataset, or read it from a local folder or zip file")
    download.add_argument(
        "--from", dest="source", type=file_path, metavar="FOLDER_OR_ZIP", help="local folder or zip file"
    )
    _add_import(_named(parts, "import", import_csv, "import a file of interactions, or the files of a split"))
    _named(parts, "remove", remove, "remove the files of a dataset")


def list_datasets(options: argparse.Namespace) -> int:
    """Print every dataset."""
    from recdash.reporting import table_format  # lazy: numpy
    from recdash.services import datasets  # lazy: SQLAlchemy

    found = datasets.entries()
    if options.json:
        print_json({"datasets": [_entry_document(entry) for entry in found]})
        return 0
    lines = [["Name", "Installed", "Users", "Items", "Interactions", "Notes"]]
    for entry in found:
        sizes = ["-" if size is None else f"{size:,}" for size in (entry.users, entry.items, entry.interactions)]
        notes = "generated ratings" if entry.generated else (entry.notes[0] if entry.notes else "")
        lines.append([entry.name, "yes" if entry.ready else "no", *sizes, notes])
    print_output(table_format.plain_table(lines))
    return 0


def show(options: argparse.Namespace) -> int:
    """Print the statistics of one dataset."""
    from recdash.services import datasets  # lazy: SQLAlchemy

    found = datasets.describe(options.name)
    if options.json:
        print_json(found)
        return 0
    rows = _statistics_rows(found)
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        print_output(f"{label:<{width}}  {value}")
    return 0


def get(options: argparse.Namespace) -> int:
    """Download a dataset."""
    from recdash.services import datasets  # lazy: SQLAlchemy

    with byte_progress(options.name) as progress:
        entry = datasets.get(options.name, options.source, progress)
    return _print_entry(entry, options)


def import_csv(options: argparse.Namespace) -> int:
    """Import a file, after printing how it was read, or the files of a split."""
    from recdash.services import datasets, import_summary  # lazy: SQLAlchemy

    given = {name: getattr(options, name) for name in _READ_OPTIONS}
    if _is_split_import(options):
        return _import_split(options, given)
    with byte_progress(options.name) as progress:
        reading = datasets.read_file(options.name, options.csv, progress=progress, **given)
    reading_summary = reading.to_dict()
    for line in import_summary.lines(reading_summary):
        print_message(line)
    return _save_and_report(options, reading_summary, lambda: datasets.save(reading))


def _statistics_rows(statistics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return labels and values of the statistics of a dataset; values that it lacks are left out."""
    scale, ratings = statistics["scale"], statistics.get("ratings")
    values = {
        "Dataset": statistics["name"],
        "Source": statistics["source"],
        "Generated": "yes" if statistics["generated"] else "no",
        "Fingerprint": statistics["fingerprint"],
        "Notes": "; ".join(statistics["notes"]),
        "Users": statistics["users"],
        "Items": statistics["items"],
        "Ratings" if ratings else "Interactions": statistics["interactions"],
        "Density": f"{statistics['density']:.2%}",
        "Feedback": statistics["feedback"],
        "Rating scale": None if scale is None else f"{scale[0]:g} to {scale[1]:g}",
        "Mean rating": statistics.get("mean_rating"),
        "Number of each rating": ", ".join(f"{rating:g}: {count:,}" for rating, count in ratings or ()),
        "Positive from": statistics["positive_from"],
        "Positives": statistics["positives"],
        "Interactions of the top 10% of items": f"{statistics['top_tenth_share']:.1%}",
        "Median per user": statistics["median_per_user"],
        "Median per item": statistics["median_per_item"],
        "Times": statistics["time_kind"],
        "First event": statistics.get("from"),
        "Last event": statistics.get("to"),
        "Tied events": f"{statistics['tied_share']:.1%}" if statistics["time_kind"] else None,
        "User-defined split": statistics["own_split"],
    }
    return [(label, _format_value(value)) for label, value in values.items() if value not in (None, "")]


def _format_value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _add_import(parser: Any) -> None:
    """Add the options of an import."""
    parser.add_argument(
        "--csv",
        type=file_path,
        metavar="FILE",
        help="file of interactions: CSV, TSV, Parquet or JSON, optionally .gz, .bz2, .xz or .zip",
    )
    _add_split_files(parser)
    columns = parser.add_argument_group("columns (default: auto-detected)")
    for column in _COLUMNS:
        columns.add_argument(
            f"--{column}", type=_column, metavar="COL", help=f"{column} column: name, number from 1, or none"
        )
    parser.add_argument("--titles", type=file_path, metavar="FILE", help="file with the titles of the items")
    file_format = parser.add_argument_group("file format (default: auto-detected)")
    add = file_format.add_argument
    add("--delimiter", metavar="C", help='separator: a character, "tab" or "spaces"')
    add("--encoding", metavar="E", help="text encoding, such as cp1252, gbk, utf-16")
    add("--header", action="store_true", default=None, help="read column names from the first row")
    add("--no-header", dest="header", action="store_false", help="read a file that has no header")
    add("--quotes", action="store_true", default=None, help="allow line breaks in quoted fields")
    add("--no-quotes", dest="quotes", action="store_false", help="read double quotes as plain characters")
    add("--format", metavar="F", help="layout: table, wide (row per user, column per item) or lists (user, then items)")
    add("--time-format", metavar="F", help="date format, such as %%d/%%m/%%Y")
    ratings = parser.add_argument_group("meaning of the ratings")
    add = ratings.add_argument
    add("--scale", metavar="LOW..HIGH", help="rating scale, such as 1..5 (default: auto-detected)")
    add(
        "--positive-from",
        metavar="R",
        help="lowest rating that is a positive (default: three quarters of the way up the scale, 4 on 1..5)",
    )
    add("--min-positives", type=int, metavar="N", help="minimum positives per user (default: 5)")
    add(
        "--ignore-rating",
        dest="ignore_ratings",
        action="append",
        metavar="R",
        help='rating that means "not rated"; repeatable',
    )
    parser.add_argument("--ties", choices=("file", "random"), help=TIES_HELP)
    parser.add_argument(
        "--skip-bad",
        nargs="?",
        const=True,
        metavar="SHARE",
        help="skip invalid rows, at most SHARE of all (default: 1%%)",
    )
    parser.add_argument("--dry-run", action="store_true", help="show how the file is read and save nothing")


def _add_split_files(parser: Any) -> None:
    """Add the options for a user-defined split."""
    group = parser.add_argument_group("user-defined split, instead of --csv")
    group.add_argument("--train", type=file_path, metavar="F", help="training interactions")
    for part in ("validation", "test"):
        group.add_argument(
            f"--{part}", nargs="+", default=[], type=file_path, metavar="F",
            help=f"{part} files: fold-in and held-out, or held-out only for users of --train",
        )  # fmt: skip
    group.add_argument("--task", choices=("ranking", "rating"), help="task of the split (default: auto-detected)")


def _is_split_import(options: argparse.Namespace) -> bool:
    """Return whether the files of a split are given; raises UsageError for options that exclude each other."""
    given = [name for name in ("train", "validation", "test", "task") if getattr(options, name)]
    if not given and options.csv is None:
        raise UsageError("data import: no file given. Give --csv FILE, or the files of a split: --train F --test F G.")
    if given and options.csv is not None:
        raise UsageError(f"data import: --csv and --{given[0]} exclude each other. Give a file or a split.")
    if given and options.train is None:
        raise UsageError(f"data import: --{given[0]} needs --train. Add --train FILE with the training interactions.")
    return bool(given)


def _import_split(options: argparse.Namespace, given: dict[str, Any]) -> int:
    """Import the files of a split, after printing how they were read."""
    from recdash.services import datasets  # lazy: SQLAlchemy

    files = options.train, options.validation, options.test
    with byte_progress(options.name) as progress:
        found = datasets.read_split(options.name, *files, task=options.task, progress=progress, **given)
    print_message(f"{found.name}: {found.n_users:,} users, {found.n_items:,} items, {len(found):,} interactions.")
    for note in found.notes:
        print_message(f"  {note}")
    reading_summary: dict[str, Any] = {"own_split": found.own_split, "users": found.n_users, "items": found.n_items}
    reading_summary |= {"interactions": len(found), "notes": list(found.notes)}
    return _save_and_report(options, reading_summary, lambda: datasets.save_split(found))


def _save_and_report(
    options: argparse.Namespace, reading_summary: dict[str, Any], save: Callable[[], DatasetEntry]
) -> int:
    """Save the dataset unless this is a dry run, and print JSON if requested."""
    facts: dict[str, Any] = {"name": options.name}
    if options.dry_run:
        print_message("Nothing saved (--dry-run).")
    else:
        facts = _entry_document(save())
    if options.json:
        print_json({**facts, "kept": not options.dry_run, "understood": reading_summary})
    return 0


def remove(options: argparse.Namespace) -> int:
    """Remove a dataset."""
    from recdash.services import datasets  # lazy: SQLAlchemy

    datasets.remove(options.name)
    print_message(f"Removed {options.name}.")
    if options.json:
        print_json({"removed": options.name})
    return 0


def _named(parts: Any, name: str, act: Any, help: str) -> Any:
    parser = add_command(parts, name, act, help, is_subcommand=True)
    parser.add_argument("name", metavar="NAME", help="name of the dataset")
    return parser


def _print_entry(entry: DatasetEntry, options: argparse.Namespace) -> int:
    if options.json:
        print_json(_entry_document(entry))
        return 0
    print_message(f"{entry.name}: {entry.users:,} users, {entry.items:,} items, {entry.interactions:,} interactions.")
    for note in entry.notes:
        print_message(f"  {note}")
    return 0


def _entry_document(entry: DatasetEntry) -> dict[str, Any]:
    plain = {name: getattr(entry, name) for name in entry.__dataclass_fields__}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}


def _column(text: str) -> str | int:
    return int(text) if text.isdigit() else text
