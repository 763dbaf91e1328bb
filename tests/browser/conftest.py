"""The real app on a port of its own, and headless Chromium to look at it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from recdash.runs.process_id import kill_tree

ROOT = Path(__file__).resolve().parent.parent.parent
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server(NamedTuple):
    """A running app: its address, port and process id."""

    url: str
    port: int
    pid: int


@contextmanager
def serving(environment: dict[str, str], script: Path | str = "app.py") -> Iterator[Server]:
    """Start `streamlit run app.py` (or another script) in an environment, and end it with everything it started."""
    port = free_port()
    options = ["--server.headless=true", f"--server.port={port}"]
    command = [sys.executable, "-m", "streamlit", "run", str(script), *options]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health", server)
        yield Server(f"http://127.0.0.1:{port}", port, server.pid)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)
        with suppress(OSError, ValueError, KeyError):
            supervisor = Path(environment["RECDASH_DATA_DIR"], "recdash.db.supervisor")
            kill_tree(int(json.loads(supervisor.read_text())["pid"]))


@pytest.fixture
def app(demo_kept: None, own_folders: Path) -> Iterator[str]:
    """Start `streamlit run app.py` on empty folders; gives its address."""
    with serving({**os.environ, "RECDASH_MAX_RUNS": "2"}) as server:
        yield server.url


def wait_for(url: str, server: subprocess.Popen[bytes], seconds: float = 30) -> None:
    """Wait until the server answers."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=1) as answer:
            if answer.read() == b"ok":
                return
        time.sleep(0.1)
    raise AssertionError(f"the app did not answer at {url}")


@contextmanager
def chromium() -> Iterator[Any]:
    """Start headless Chromium; the test is skipped where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium here: install the package chromium to run the browser tests")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def tab() -> Iterator[Any]:
    """A browser tab, 1440 pixels wide; skipped where there is no Chromium."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 1200})
        page.set_default_timeout(30_000)
        yield page
