"""Response time of the pages, and the cost of a live page for running trainings; server side, without a browser."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.common import conditions, fail_without_data, free_port, write
from benchmarks.dashboard_client import DashboardClient
from recdash.services import curves, launch, runs, training_requests

PAGES = ("", "train", "curves", "results", "recommend", "data")
CHARTS = ("loss", "reconstruction", "kl", "beta", "lr", "examples/s", "ndcg@100", "recall@50")
WINDOW, WINDOWS = 20.0, 8  # seconds per window, alternately without and with the page
EDGE = 3.0  # seconds at the edges of a window that are not counted


@contextmanager
def own_folders() -> Iterator[None]:
    """Use temporary folders and two parallel runs."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # the supervisor may write its log
        os.environ |= {
            "RECDASH_DATA_DIR": f"{folder}/data",
            "RECDASH_CHECKPOINT_DIR": f"{folder}/checkpoints",
            "RECDASH_MAX_RUNS": "2",
        }
        yield


@contextmanager
def server(port: int) -> Iterator[tuple[int, float]]:
    """Start the dashboard; yields its process id and start time."""
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", f"--server.port={port}"]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process.pid, started
    finally:
        process.terminate()
        process.wait(timeout=20)


async def first_page(port: int) -> float:
    """Seconds from the command to the first page."""
    with server(port) as (_, started):
        tab = await DashboardClient.open(port)
        await tab.go("")
        seconds = time.perf_counter() - started
        await tab.close()
    return seconds


async def warm_pages(port: int, rounds: int = 7) -> dict[str, dict[str, float]]:
    """Median and maximum response time of every page in milliseconds, after one visit to each."""
    times: dict[str, list[float]] = {page: [] for page in PAGES}
    with server(port):
        tab = await DashboardClient.open(port)
        await tab.go("")
        await asyncio.sleep(5)  # the rest is imported on the first tick of a timer
        for number in range(rounds + 1):
            for page in PAGES:
                seconds = await tab.go(page)
                if number:
                    times[page].append(1000 * seconds)
        await tab.close()
    return {page or "overview": {"median_ms": statistics.median(t), "max_ms": max(t)} for page, t in times.items()}


async def live_curves(port: int) -> dict[str, Any]:
    """Epoch times of two trainings, with and without an open live page of eight charts."""
    settings = {"epochs": 20_000, "patience": 20_000}
    found = launch.train(training_requests.build_requests(["multdae", "multvae"], "ml-1m", settings=settings))
    ids = [run.id for run in found]
    query = urlencode([("run", run_id) for run_id in ids] + [("show", name) for name in CHARTS])
    windows: list[tuple[float, float, bool]] = []
    draws, busy = 0, {False: 0.0, True: 0.0}
    with server(port) as (pid, _):
        tab = await DashboardClient.open(port)
        await tab.go("")
        await _until_all_train(ids)
        for number in range(WINDOWS):
            is_open = number % 2 == 1
            if is_open:
                await tab.go("curves", query)
            else:
                await tab.go("data")
            before, start, used = tab.live_draws, time.time(), _processor_time(pid)
            while time.time() < start + WINDOW:
                await asyncio.sleep(0.5)
            windows.append((start, time.time(), is_open))
            busy[is_open] += (_processor_time(pid) - used) / (WINDOW * WINDOWS / 2)
            draws += (tab.live_draws - before) if is_open else 0
        await tab.close()
    for run_id in ids:
        launch.stop(run_id)
    launch.wait(ids, timeout=30)
    seen = {run_id: _finished_at(run_id) for run_id in ids}
    shares = {"server_s_per_s_closed": busy[False], "server_s_per_s_open": busy[True]}
    return {"draws_per_s": draws / (WINDOW * WINDOWS / 2), **shares, **_compare(seen, windows)}


def _processor_time(pid: int) -> float:
    """Seconds of processor time that a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _until_all_train(ids: list[str]) -> None:
    while not all(run.epoch >= 3 for run in runs.list_runs(ids=ids)):
        await asyncio.sleep(0.5)


def _finished_at(run_id: str) -> dict[int, float]:
    """Wall time at the end of each epoch."""
    seconds = curves.curves(run_id).seconds
    start = (runs.find(run_id).finished or time.time()) - max(seconds.values())
    return {epoch: start + at for epoch, at in seconds.items()}


def _compare(seen: dict[str, dict[int, float]], windows: list[tuple[float, float, bool]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for number, ends in enumerate(seen.values()):
        durations: dict[bool, list[float]] = {False: [], True: []}
        for epoch in sorted(ends)[1:]:
            if epoch - 1 not in ends:
                continue
            for start, stop, is_open in windows:
                if start + EDGE < ends[epoch - 1] and ends[epoch] < stop - EDGE:
                    durations[is_open].append(ends[epoch] - ends[epoch - 1])
        closed, opened = (statistics.mean(durations[key]) for key in (False, True))
        name = ("multdae", "multvae")[number]
        out[name] = {"epoch_s_closed": closed, "epoch_s_open": opened, "cost": opened / closed - 1}
        out[name] |= {"epochs_closed": len(durations[False]), "epochs_open": len(durations[True])}
    return out


def main() -> None:
    """Measure all three."""
    fail_without_data()
    with own_folders():
        port = free_port()
        first = [asyncio.run(first_page(port)) for _ in range(3)]
        print("first page", first, flush=True)
        command = [sys.executable, "-m", "recdash", "compare", "--dataset", "demo", "--preset", "fast", "--json"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        warm = asyncio.run(warm_pages(port))
        print("warm pages", warm, flush=True)
        source = Path(str(os.environ.get("RECDASH_TEST_DATA", ""))) / "ml-1m"
        command = [sys.executable, "-m", "recdash", "data", "get", "ml-1m"]
        subprocess.run(command + (["--from", str(source)] if source.is_dir() else []), check=True)
        live = asyncio.run(live_curves(port))
    write("pages", {"summary": {"first_page_s": first, "warm": warm, "live_curves": live}, "conditions": conditions()})


if __name__ == "__main__":
    main()
