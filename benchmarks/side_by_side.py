"""Two trainings at once, and a training under a live page in a browser, against sharing the cores perfectly.

Epochs are counted in windows: one training alone on all cores, two at once on half of them each, one while Curves shows
it live in headless Chromium. Two trainings share perfectly if their epochs per second add up to those of the one alone.
Under a page a training has, at best, the cores that server and browser leave free. What is missing from that is the
loss; it is negative where two trainings do more together.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.common import conditions, fail_without_data, free_port, write
from benchmarks.pages import own_folders, server
from recdash.services import curves, launch, runs, training_requests

MODEL = "multvae"
ROUNDS, WINDOW = 3, 20.0  # seconds
BOARD = "[data-panel]"


@contextmanager
def trainings(count: int) -> Iterator[list[str]]:
    """Train so many models at once in folders of their own, each with its own seed."""
    with own_folders():
        os.environ["RECDASH_MAX_RUNS"] = str(count)
        source = Path(os.environ.get("RECDASH_TEST_DATA", "")) / "ml-1m"
        command = [sys.executable, "-m", "recdash", "data", "get", "ml-1m"]
        command += ["--from", str(source)] if source.is_dir() else []
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield from _trainings(count)


def _trainings(count: int) -> Iterator[list[str]]:
    settings = {"epochs": 100_000, "patience": 100_000}
    ids = []
    for seed in range(count):
        found = launch.train(training_requests.build_requests([MODEL], "ml-1m", settings=settings, seed=seed))
        ids += [run.id for run in found]
    while not all(run.epoch >= 3 for run in runs.list_runs(ids=ids)):
        time.sleep(0.2)
    yield ids


def epochs_per_second(ids: list[str], start: float, stop: float) -> float:
    """Stop some trainings; return their epochs per second within a window of time, summed."""
    rate = 0.0
    for run_id in ids:
        launch.stop(run_id)
    launch.wait(ids, timeout=60)
    for run_id in ids:
        seconds = curves.curves(run_id).seconds
        begin = (runs.find(run_id).finished or stop) - max(seconds.values())
        ends = [begin + at for at in seconds.values() if start <= begin + at <= stop]
        rate += (len(ends) - 1) / (ends[-1] - ends[0])
    return rate


def window(count: int) -> float:
    """Return the epochs per second of so many trainings at once, without a page."""
    with trainings(count) as ids:
        start = time.time()
        time.sleep(WINDOW)
        return epochs_per_second(ids, start, time.time())


def window_with_page() -> tuple[float, float]:
    """Return the epochs per second of a training that Curves shows, and the share of the cores that is left for it."""
    from playwright.sync_api import sync_playwright  # optional: playwright

    browser = shutil.which("chromium")
    port = free_port()
    with trainings(1) as ids, server(port) as (pid, _), sync_playwright() as playwright:
        _wait_until_ready(port)
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        tab = chromium.new_page(viewport={"width": 1440, "height": 1000})
        tab.goto(f"http://127.0.0.1:{port}/curves?run={ids[0]}", wait_until="commit")
        tab.wait_for_selector(BOARD, timeout=60_000)
        time.sleep(3)
        watched = [process for process in psutil.Process().children(recursive=True) if _is_page(process, pid)]
        start, used = time.time(), _processor_seconds(watched)
        time.sleep(WINDOW)
        stop, used = time.time(), _processor_seconds(watched) - used
        chromium.close()
        return epochs_per_second(ids, start, stop), 1 - used / ((stop - start) * (os.cpu_count() or 1))


def _wait_until_ready(port: int) -> None:
    for _ in range(300):
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1):
            return
        time.sleep(0.1)
    raise SystemExit("The dashboard did not start within 30 s.")


def _is_page(process: psutil.Process, server_pid: int) -> bool:
    """Whether a process belongs to the server or the browser, and not to a training."""
    return process.pid == server_pid or "chrom" in process.name()


def _processor_seconds(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes if process.is_running())


def main() -> None:
    """Measure in turn and write the result."""
    fail_without_data()
    alone, two, with_page, free = ([] for _ in range(4))  # type: tuple[list[float], ...]
    for _ in range(ROUNDS):
        alone.append(window(1))
        two.append(window(2))
        rate, share = window_with_page()
        with_page.append(rate)
        free.append(share)
        print(f"alone {alone[-1]:.2f}, two {two[-1]:.2f}, with page {rate:.2f} of {share:.2f}", flush=True)
    losses: dict[str, list[float]] = {
        "two_trainings": [1 - both / one for one, both in zip(alone, two, strict=True)],
        "with_live_page": [1 - rate / (one * share) for one, rate, share in zip(alone, with_page, free, strict=True)],
    }
    summary: dict[str, Any] = {name: statistics.median(found) for name, found in losses.items()}
    rates = {"epochs_per_s": {"alone": alone, "two": two, "with_page": with_page}, "share_left_by_page": free}
    write("side_by_side", {"summary": summary, "losses": losses, **rates, "conditions": conditions(model=MODEL)})


if __name__ == "__main__":
    main()
