"""`recdash`: finds the command, runs it, and turns whatever goes wrong into one line and an exit status."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from recdash import __version__
from recdash.cli.common import Parser
from recdash.errors import RecdashError, UsageError, unknown

COMMANDS = {
    "data": "list, show, get, import and remove data sets",
    "train": "train one or more models on a data set",
    "compare": "train what is missing, then print the results",
    "runs": "list, show, stop, resume, delete, rename and note runs",
    "results": "print the results of finished runs",
    "report": "write a comparison into one file (HTML, Markdown or LaTeX)",
    "curves": "print what a run recorded in every epoch",
    "recommend": "recommend for somebody who likes the picks",
    "reproduce": "compute a public table once more: as published, corrected, and under one honest protocol",
    "doctor": "look at what works, what does not, and how to mend it",
    "app": "start the dashboard",
}
PLANNED = ("tune",)
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; returns 0 when done, 1 when the work failed, 2 when the words are off."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    words = [word for word in given if word != "--debug"]
    try:
        return _run(words)
    except RecdashError as error:
        if debug:
            traceback.print_exc()
        print(f"recdash: {_one_line(error)}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads: no second complaint at exit
        return 0
    except Exception as error:
        if debug:
            traceback.print_exc()
        kind = type(error).__name__
        print(f"recdash: unexpected {kind}: {_one_line(error)}. `--debug` shows where.", file=sys.stderr)
        return 1


def _run(words: list[str]) -> int:
    parser = _parser()
    named = next((word for word in words if not word.startswith("-")), None)
    if words and words[0] == named and named not in COMMANDS:
        if named in PLANNED:
            raise UsageError(f"`recdash {named}` is planned and not here yet. Commands: {', '.join(COMMANDS)}.")
        raise unknown("command", named, COMMANDS)
    if not words:
        parser.print_help(sys.stderr)
        return UsageError.exit_status
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", prog="recdash", help=argparse.SUPPRESS)
    if named in COMMANDS:
        import_module(f"recdash.cli.{named}").add(commands)
    try:
        options = parser.parse_args(words)
    except SystemExit as end:  # --help and --version end here
        return int(end.code or 0)
    if named != "doctor":  # it says what is wrong with them among its checks
        from recdash.services.store_access import check_settings

        check_settings()
    return int(options.run(options))


def _parser() -> Parser:
    listed = "\n".join(f"  {name:<10} {help}" for name, help in COMMANDS.items())
    parser = Parser(
        prog="recdash",
        usage="recdash COMMAND ... [--json] [--debug]",
        description="Train, compare and question autoencoder recommenders under one honest protocol.",
        epilog=f"commands:\n{listed}\n\n`recdash COMMAND --help` says more.",
    )
    parser.add_argument("--version", action="version", version=f"recdash {__version__}")
    return parser


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
