"""What all commands share: the parser, option types, messages and output."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from recdash.errors import UsageError
from recdash.paths import user_path
from recdash.settings import name_list

COMMANDS = {
    "data": "list, show, download, import and remove datasets",
    "train": "train one or more models on a dataset",
    "compare": "train what is missing, then print the results",
    "tune": "search for the settings of models, on validation data",
    "presets": "list, show, save, export and remove presets of settings",
    "runs": "list, show, stop, resume, clone, tag, archive, delete and otherwise manage runs",
    "results": "print the results of finished runs",
    "report": "write a comparison to one file (HTML, Markdown or LaTeX)",
    "curves": "print the learning curves of a run",
    "recommend": "recommend from liked titles",
    "reproduce": "reproduce a published table: as published, corrected, and with recdash's own protocol",
    "doctor": "check the installation and show how to fix what fails",
    "app": "start the dashboard",
}
RUN_HELP = "run id, unique beginning of an id, or name"
TIES_HELP = "order of events with equal times: file (if the file is sorted by time) or random (default: file)"
_NEGATIVE_NUMBER = re.compile(r"-\d[\d.]*(\.\.-?[\d.]+)?")  # a number or a scale such as -1..10, not an option


_NOT_A_NUMBER = re.compile(r"invalid (int|float) value: (.*)")  # argparse's message
_KINDS = {"int": "a whole number", "float": "a number"}


class Parser(argparse.ArgumentParser):
    """An argument parser that raises one-line errors and accepts no abbreviated options."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **kwargs)
        self._negative_number_matcher = _NEGATIVE_NUMBER

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of printing the usage and exiting."""
        name = self.prog.removeprefix("recdash").strip()
        prefix = f"{name}: " if name else ""
        message = _NOT_A_NUMBER.sub(lambda found: f"{found[2]} is not {_KINDS[found[1]]}", message)
        message = message.removeprefix("argument ")
        raise UsageError(f"{prefix}{message}. See `{self.prog} --help`.")


def add_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    help: str | None = None,
    *,
    json: bool = True,
    is_subcommand: bool = False,
) -> Parser:
    """Add a command or subcommand to the parser.

    Args:
        commands: Result of `add_subparsers`.
        name: Name on the command line.
        run: Function that runs the command and returns the exit status.
        help: One line without a full stop; for a command, the one in COMMANDS by default.
        json: Whether it takes `--json`.
        is_subcommand: Whether the parent command takes `--json` too; the option may then precede or follow the name.

    Returns:
        The parser of the new command.
    """
    help = COMMANDS[name] if help is None else help
    parser: Parser = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
    parser.set_defaults(run=run)
    if json:
        default = argparse.SUPPRESS if is_subcommand else False
        parser.add_argument(
            "--json", action="store_true", default=default, help="print one JSON document to standard output"
        )
    return parser


def parse_settings(texts: Sequence[str]) -> dict[str, str]:
    """Split `name=value` texts into a dictionary."""
    settings = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set {text!r} is not NAME=VALUE. Example: --set dropout=0.5.")
        settings[name.strip()] = value
    return settings


def parse_integers(text: str) -> list[int]:
    """Parse "1,2,3" as integers."""
    try:
        return [int(part) for part in name_list(text)]
    except ValueError:
        raise UsageError(f"{text!r} is not a list of integers. Example: 1,2,3.") from None


def file_path(text: str) -> Path:
    """Parse a path; the reader of the file checks that it exists."""
    return user_path(text)


def print_message(text: str) -> None:
    """Print a message to standard error; standard output is for results only."""
    print(text, file=sys.stderr, flush=True)


def print_output(text: str) -> None:
    """Print a result to standard output."""
    print(text)


def print_json(document: Any) -> None:
    """Print a result as one JSON document to standard output."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # half a surrogate pair, or a terminal of another encoding
        text = json.dumps(document, allow_nan=False)
    print(text)


@contextmanager
def byte_progress(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """Yield a callback of (bytes done, bytes in total or None); it draws a bar on a terminal and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from tqdm import tqdm  # lazy: tqdm

    with tqdm(desc=title, unit="B", unit_scale=True, leave=False) as bar:

        def show(done: int, total: int | None) -> None:
            if done < bar.n:  # the next file, or reading after the download
                bar.reset()
            bar.total = total
            bar.update(done - bar.n)

        yield show
