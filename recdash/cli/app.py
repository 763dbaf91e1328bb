"""recdash app: starts the dashboard."""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import Any

from recdash import paths
from recdash.cli.common import command
from recdash.errors import RecdashError, UsageError

HELP = "start the dashboard"


def add(commands: Any) -> None:
    """Declare the command."""
    parser = command(commands, "app", run, HELP, json=False)
    parser.add_argument("--port", type=int, metavar="N", help="default 8501")


def run(options: argparse.Namespace) -> int:
    """Run Streamlit on app.py until it is stopped."""
    script = paths.PROJECT / "app.py"
    if not script.is_file():
        raise RecdashError(f"{script}: the dashboard is not here. Run recdash from a checkout of its repository.")
    if options.port is not None and not 1 <= options.port <= 65535:
        raise UsageError(f"app: --port {options.port} is outside [1, 65535]. Leave it out for 8501.")
    port = [] if options.port is None else ["--server.port", str(options.port)]
    command_line = [sys.executable, "-m", "streamlit", "run", str(script), *port]
    try:
        return subprocess.call(command_line, cwd=paths.PROJECT)
    except KeyboardInterrupt:
        return 0
