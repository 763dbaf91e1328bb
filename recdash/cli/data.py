"""recdash data: list, show, get, import and remove data sets."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from recdash.cli.common import answer, answer_json, byte_bar, command, existing, say
from recdash.errors import UsageError

if TYPE_CHECKING:
    from recdash.data.dataset_registry import Entry

HELP = "list, show, get, import and remove data sets"
_COLUMNS = ("user", "item", "rating", "time")
_READ_OPTIONS = (
    *_COLUMNS, "titles", "delimiter", "encoding", "header", "quotes", "format", "time_format", "scale",
    "positive_from", "min_positives", "ignore_ratings", "ties", "skip_bad",
)  # fmt: skip


def add(commands: Any) -> None:
    """Declare the command and its parts."""
    parser = command(commands, "data", list_sets, HELP)
    parts = parser.add_subparsers(metavar="list|show|get|import|remove")
    command(parts, "list", list_sets, "list the data sets that are here or can be fetched", part=True)
    _named(parts, "show", show, "show the numbers of a data set")
    get_one = _named(parts, "get", get, "fetch a published data set, or read it from a folder or zip at hand")
    get_one.add_argument("--from", dest="source", type=existing, metavar="FOLDER_OR_ZIP", help="where it lies already")
    _add_import(_named(parts, "import", import_csv, "import a file of interactions, or a split, under a name"))
    _named(parts, "remove", remove, "remove the files of a data set")


def list_sets(options: argparse.Namespace) -> int:
    """Print every data set."""
    from recdash.reporting import tables
    from recdash.services import datasets

    found = datasets.entries()
    if options.json:
        answer_json({"datasets": [_entry(entry) for entry in found]})
        return 0
    lines = [["Name", "Here", "Users", "Items", "Interactions", "Notes"]]
    for entry in found:
        sizes = ["-" if size is None else f"{size:,}" for size in (entry.users, entry.items, entry.interactions)]
        notes = "generated tastes" if entry.generated else (entry.notes[0] if entry.notes else "")
        lines.append([entry.name, "yes" if entry.ready else "no", *sizes, notes])
    answer(tables.columns(lines))
    return 0


def show(options: argparse.Namespace) -> int:
    """Print the numbers of one data set."""
    from recdash.services import datasets

    found = datasets.describe(options.name)
    if options.json:
        answer_json(found)
        return 0
    for name, value in found.items():
        if name == "ratings":
            value = ", ".join(f"{rating:g}: {count:,}" for rating, count in value)
        elif isinstance(value, list):
            value = "; ".join(map(str, value))
        elif isinstance(value, float):
            value = f"{value:.4g}"
        elif isinstance(value, int) and not isinstance(value, bool):
            value = f"{value:,}"
        if value not in (None, ""):
            answer(f"{name:<18} {value}")
    return 0


def get(options: argparse.Namespace) -> int:
    """Fetch a data set."""
    from recdash.services import datasets

    with byte_bar(options.name) as progress:
        entry = datasets.get(options.name, options.source, progress)
    return _is_here(entry, options)


def import_csv(options: argparse.Namespace) -> int:
    """Import a file after showing how it was understood, or the files of a split."""
    from recdash.services import datasets, import_summary

    given = {name: getattr(options, name) for name in _READ_OPTIONS}
    if _comes_as_split(options):
        return _import_split(options, given)
    with byte_bar(options.name) as progress:
        reading = datasets.read_file(options.name, options.csv, progress=progress, **given)
    understood = reading.to_dict()
    for line in import_summary.lines(understood):
        say(line)
    return _keep_or_not(options, understood, lambda: datasets.keep(reading))


def _add_import(parser: Any) -> None:
    """Declare the options of an import."""
    parser.add_argument("--csv", type=existing, metavar="FILE", help="CSV, TSV, Parquet, JSON, also .gz, .bz2, .zip")
    _add_split_files(parser)
    columns = parser.add_argument_group("columns (default: found out, and shown)")
    for column in _COLUMNS:
        columns.add_argument(
            f"--{column}", type=_column, metavar="COL", help=f"name or number (from 1) of the {column} column, or none"
        )
    parser.add_argument("--titles", type=existing, metavar="FILE", help="a file with a title for each item")
    made = parser.add_argument_group("how the file is made (default: found out, and shown)")
    made.add_argument("--delimiter", metavar="C", help='what stands between the columns; "tab" and "spaces", too')
    made.add_argument("--encoding", metavar="E", help="such as cp1252, gbk, utf-16")
    made.add_argument("--header", action="store_true", default=None, help="the first row names the columns")
    made.add_argument("--no-header", dest="header", action="store_false", help="the first row is data already")
    made.add_argument("--quotes", action="store_true", default=None, help="quoted fields may have several lines")
    made.add_argument("--no-quotes", dest="quotes", action="store_false", help="double quotes are letters")
    made.add_argument("--format", metavar="F", help="wide (a row per user, a column per item), lists, or table")
    made.add_argument("--time-format", metavar="F", help="how dates are written, such as %%d/%%m/%%Y")
    meant = parser.add_argument_group("what the ratings mean")
    meant.add_argument("--scale", metavar="LOW..HIGH", help="lowest and highest possible rating (default: found out)")
    meant.add_argument("--positive-from", metavar="R", help="lowest rating that counts as liked (4 on 1..5)")
    meant.add_argument("--min-positives", type=int, metavar="N", help="positives that a user needs (default 5)")
    meant.add_argument(
        "--ignore-rating", dest="ignore_ratings", action="append", metavar="R", help='means "not rated"; repeatable'
    )
    parser.add_argument(
        "--ties", choices=("file", "random"), help="what orders events at the same time (default: file where it can)"
    )
    parser.add_argument(
        "--skip-bad", nargs="?", const=True, metavar="SHARE", help="leave bad rows out, at most SHARE of all (1%%)"
    )
    parser.add_argument("--dry-run", action="store_true", help="only show how the file is understood")


def _add_split_files(parser: Any) -> None:
    """Declare the options for a split that was made elsewhere."""
    group = parser.add_argument_group("a split made elsewhere, in place of --csv")
    group.add_argument("--train", type=existing, metavar="F", help="what is learned from")
    for part in ("validation", "test"):
        group.add_argument(
            f"--{part}", nargs="+", default=[], type=existing, metavar="F",
            help=f"fold-in and held-out of the {part} users, or only what is held out of users of --train",
        )  # fmt: skip
    group.add_argument("--task", choices=("ranking", "rating"), help="default: found from the files, and said")


def _comes_as_split(options: argparse.Namespace) -> bool:
    """Whether files of a split are given; raises UsageError where they do not go together."""
    given = [name for name in ("train", "validation", "test", "task") if getattr(options, name)]
    if not given and options.csv is None:
        raise UsageError("data import: give --csv FILE, or a split made elsewhere: --train F --test F G.")
    if given and options.csv is not None:
        raise UsageError(f"data import: --csv and --{given[0]} exclude each other. Give one file, or those of a split.")
    if given and options.train is None:
        raise UsageError(f"data import: --{given[0]} needs --train, the file that is learned from.")
    return bool(given)


def _import_split(options: argparse.Namespace, given: dict[str, Any]) -> int:
    """Import the files of a split after showing how they were understood."""
    from recdash.services import datasets

    files = options.train, options.validation, options.test
    with byte_bar(options.name) as progress:
        found = datasets.read_split(options.name, *files, task=options.task, progress=progress, **given)
    say(f"{found.name}: {found.n_users:,} users, {found.n_items:,} items, {len(found):,} interactions.")
    for note in found.notes:
        say(f"  {note}")
    understood: dict[str, Any] = {"own_split": found.own_split, "users": found.n_users, "items": found.n_items}
    understood |= {"interactions": len(found), "notes": list(found.notes)}
    return _keep_or_not(options, understood, lambda: datasets.keep_split(found))


def _keep_or_not(options: argparse.Namespace, understood: dict[str, Any], keep: Callable[[], Entry]) -> int:
    """Keep what was understood, unless this is a dry run, and say it as JSON where that is asked for."""
    facts: dict[str, Any] = {"name": options.name}
    if options.dry_run:
        say("Nothing is kept (--dry-run).")
    else:
        facts = _entry(keep())
    if options.json:
        answer_json({**facts, "kept": not options.dry_run, "understood": understood})
    return 0


def remove(options: argparse.Namespace) -> int:
    """Remove a data set."""
    from recdash.services import datasets

    datasets.remove(options.name)
    say(f"{options.name} is removed.")
    if options.json:
        answer_json({"removed": options.name})
    return 0


def _named(parts: Any, name: str, act: Any, help: str) -> Any:
    parser = command(parts, name, act, help, part=True)
    parser.add_argument("name", metavar="NAME")
    return parser


def _is_here(entry: Entry, options: argparse.Namespace) -> int:
    if options.json:
        answer_json(_entry(entry))
        return 0
    say(f"{entry.name}: {entry.users:,} users, {entry.items:,} items, {entry.interactions:,} interactions.")
    for note in entry.notes:
        say(f"  {note}")
    return 0


def _entry(entry: Entry) -> dict[str, Any]:
    plain = {name: getattr(entry, name) for name in entry.__dataclass_fields__}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}


def _column(text: str) -> str | int:
    return int(text) if text.isdigit() else text
