"""Whatever arrays and arguments people pass: a right answer or one error of one line, never the end of the process.

The calls are made in child processes, for a call that ends its process must not end the tests.
"""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CALLS, EVERYDAY = 2000, 400
SECONDS = 240


def work_off(first: int, last: int) -> tuple[int, int]:
    """Make the calls of these numbers in a process of their own; returns how many gave an answer and an error."""
    command = [sys.executable, "-m", "tests.fuzz.hostile_calls", str(first), str(last)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    counts = re.search(r"done: (\d+) answers, (\d+) errors", done.stdout)
    if done.returncode != 0 or counts is None:
        case = " ".join(done.stdout.splitlines()[-2:])
        pytest.fail(f"exit status {done.returncode} at {case}\n{done.stderr[-3000:]}")
    return int(counts[1]), int(counts[2])


def check_calls(first: int, last: int, processes: int) -> None:
    """Make the calls of these numbers in several processes, and expect many of both outcomes."""
    step = (last - first) // processes
    with ThreadPoolExecutor(processes) as pool:
        found = list(pool.map(lambda start: work_off(start, start + step), range(first, last, step)))
    answers, errors = (sum(counts) for counts in zip(*found, strict=True))
    assert answers + errors == last - first
    assert min(answers, errors) > (last - first) / 4


@pytest.mark.slow
def test_some_hostile_calls_end_in_an_answer_or_in_one_line() -> None:
    check_calls(0, EVERYDAY, 1)


@pytest.mark.slow
def test_the_other_hostile_calls_end_in_an_answer_or_in_one_line() -> None:
    check_calls(EVERYDAY, CALLS, 2)
