"""recdash doctor: check the installation and show how to fix what fails."""

from __future__ import annotations

import argparse
from typing import Any

from recdash.cli.common import add_command, print_json, print_output


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "doctor", run)
    parser.add_argument("--fix", action="store_true", help="rebuild a damaged run store from the folders of its runs")
    parser.add_argument("--mend", dest="fix", action="store_true", help=argparse.SUPPRESS)  # its name until 0.2


def run(options: argparse.Namespace) -> int:
    """Print every check; returns 1 if one fails."""
    from recdash.services import doctor  # lazy: SQLAlchemy

    if options.fix:
        done = doctor.rebuild_store()
        if options.json:
            print_json({"mended": done})
        else:
            print_output(done)
        return 0
    checks = doctor.checks()
    ok = all(check.ok for check in checks)
    if options.json:
        # The document keeps the field names of version 0.1.
        documents = [{"what": one.what, "ok": one.ok, "detail": one.detail, "mend": one.fix} for one in checks]
        print_json({"checks": documents, "ok": ok})
        return 0 if ok else 1
    for check in checks:
        print_output(f"{'ok  ' if check.ok else 'FAIL'}  {check.what:<22} {check.detail}")
        if not check.ok and check.fix:
            print_output(f"      {'':<22} {check.fix}")
    return 0 if ok else 1
