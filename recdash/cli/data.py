"""recdash data: list, show, get, import and remove data sets."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from recdash.cli.words import answer, answer_json, byte_bar, command, existing, say

if TYPE_CHECKING:
    from recdash.data.library import Entry

HELP = "list, show, get, import and remove data sets"
_COLUMNS = ("user", "item", "rating", "time")


def add(commands: Any) -> None:
    """Declare the command and its parts."""
    parser = command(commands, "data", list_sets, HELP)
    parts = parser.add_subparsers(metavar="list|show|get|import|remove")
    command(parts, "list", list_sets, "list the data sets that are here or can be fetched", part=True)
    _named(parts, "show", show, "show the numbers of a data set")
    get_one = _named(parts, "get", get, "fetch a published data set, or read it from a folder or zip at hand")
    get_one.add_argument("--from", dest="source", type=existing, metavar="FOLDER_OR_ZIP", help="where it lies already")
    imported = _named(parts, "import", import_csv, "import a CSV, or a RecBole .inter file, under a name")
    imported.add_argument("--csv", required=True, type=existing, metavar="FILE", help="one row per interaction")
    for column in _COLUMNS:
        imported.add_argument(
            f"--{column}", type=_column, metavar="COL", help=f"name or number (from 0) of the {column} column"
        )
    imported.add_argument("--titles", type=existing, metavar="FILE", help="a CSV with a title for each item")
    imported.add_argument("--delimiter", metavar="C", help="what stands between the columns (default: found out)")
    imported.add_argument("--no-header", dest="header", action="store_false", help="the first row is data already")
    _named(parts, "remove", remove, "remove the files of a data set")


def list_sets(options: argparse.Namespace) -> int:
    """Print every data set."""
    from recdash.services import datasets, tables

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
    """Import a CSV."""
    from recdash.services import datasets

    columns = {name: getattr(options, name) for name in (*_COLUMNS, "titles", "delimiter", "header")}
    with byte_bar(options.name) as progress:
        entry = datasets.import_csv(options.name, options.csv, progress=progress, **columns)
    return _is_here(entry, options)


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
