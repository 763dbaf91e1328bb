"""The `recdash` command: find the subcommand, run it, and report any error as one line and an exit status."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from recdash import __version__
from recdash.cli.common import COMMANDS, Parser
from recdash.errors import RecdashError, UsageError, unknown_name

INTERRUPTED, TERMINATED = 130, 143  # the exit statuses of a shell after Ctrl-C and after SIGTERM


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        arguments: The command and its options; `sys.argv` by default.

    Returns:
        Exit status: 0 done, 1 failed, 2 usage error, 130 interrupted.
    """
    if arguments is None:  # a program of its own, not a call from Python
        exit_on_sigterm()
        if isinstance(sys.stdout, io.TextIOWrapper):  # names from files may have what a terminal cannot show
            sys.stdout.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        return _run([argument for argument in given if argument != "--debug"])
    except RecdashError as error:
        if debug:
            traceback.print_exc()
        print(f"recdash: {_one_line(error)}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has closed the pipe: without this, Python complains again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            traceback.print_exc()
        kind = type(error).__name__
        message = f"unexpected {kind}: {_one_line(error)}. Add --debug for the traceback."
        print(f"recdash: {message}", file=sys.stderr)
        return 1


def exit_on_sigterm() -> None:
    """End by SystemExit on SIGTERM, so that temporary files are deleted as after Ctrl-C."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: object) -> None:
    sys.exit(TERMINATED)


def _run(arguments: list[str]) -> int:
    parser = _parser()
    name = next((argument for argument in arguments if not argument.startswith("-")), None)
    if arguments and arguments[0] == name and name not in COMMANDS:
        raise unknown_name("command", name, COMMANDS)
    if not arguments:
        parser.print_help(sys.stderr)
        return UsageError.exit_status
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", prog="recdash", help=argparse.SUPPRESS)
    if name in COMMANDS:
        import_module(f"recdash.cli.{name}").add(commands)
    try:
        options = parser.parse_args(arguments)
    except SystemExit as end:  # raised by --help and --version
        return int(end.code or 0)
    if name != "doctor":  # doctor reports invalid environment variables among its checks
        from recdash.services.store_access import check_settings  # lazy: SQLAlchemy

        check_settings()
    return int(options.run(options))


def _parser() -> Parser:
    listed = "\n".join(f"  {name:<10} {help}" for name, help in COMMANDS.items())
    parser = Parser(
        prog="recdash",
        usage="recdash COMMAND ... [--json] [--debug]",
        description="Train, evaluate and compare autoencoder recommenders with one evaluation protocol.",
        epilog=f"commands:\n{listed}\n\nRun `recdash COMMAND --help` for the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"recdash {__version__}")
    return parser


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
