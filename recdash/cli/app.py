"""recdash app: start the dashboard."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

from recdash import paths
from recdash.cli.common import add_command
from recdash.errors import RecdashError, UsageError


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "app", run, json=False)
    parser.add_argument("--port", type=int, metavar="N", help="port (default: 8501)")


def run(options: argparse.Namespace) -> int:
    """Run Streamlit on app.py until it is stopped."""
    if options.port is not None and not 1 <= options.port <= 65535:
        raise UsageError(f"app: --port {options.port} is outside [1, 65535]. Omit it to use 8501.")
    script = paths.RESOURCES / "app.py"
    if not script.is_file():
        raise RecdashError(f"{script}: the dashboard is missing. Reinstall recdash, or run it from its repository.")
    if find_spec("streamlit") is None:
        raise RecdashError('app: Streamlit is not installed. Run: pip install "recdash[app]"')
    arguments = [] if options.port is None else ["--server.port", str(options.port)]
    from recdash.runs import process_env  # lazy: SQLAlchemy

    try:
        return subprocess.call(
            [sys.executable, "-m", "streamlit", "run", str(script), *arguments],
            cwd=paths.RESOURCES,  # Streamlit reads .streamlit/config.toml there
            env=process_env.for_process(),  # absolute paths: the working directory changes
        )
    except KeyboardInterrupt:
        return 0
