"""recdash doctor: what works, what does not, and how to mend it."""

from __future__ import annotations

import argparse
from typing import Any

from recdash.cli.common import answer, answer_json, command

HELP = "look at what works, what does not, and how to mend it"


def add(commands: Any) -> None:
    """Declare the command."""
    parser = command(commands, "doctor", run, HELP)
    parser.add_argument("--mend", action="store_true", help="rebuild a damaged run store from the folders of its runs")


def run(options: argparse.Namespace) -> int:
    """Print every check; 1 when something does not work."""
    from recdash.services import doctor

    if options.mend:
        done = doctor.mend_store()
        if options.json:
            answer_json({"mended": done})
        else:
            answer(done)
        return 0
    found = doctor.checks()
    if options.json:
        answer_json({"checks": [vars(check) for check in found], "ok": all(check.ok for check in found)})
    else:
        for check in found:
            answer(f"{'ok ' if check.ok else 'BAD'}  {check.what:<22} {check.detail}")
            if not check.ok and check.mend:
                answer(f"     {'':<22} {check.mend}")
    return 0 if all(check.ok for check in found) else 1
