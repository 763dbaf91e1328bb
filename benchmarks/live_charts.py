"""Chart libraries for live curves: 20 runs x 8 charts x 200 epochs, in headless Chromium.

Server: milliseconds to build the charts and hand them to Streamlit, which serialises them. Wire: bytes of the
websocket. Browser: milliseconds of the main thread per refresh (Chromium's TaskDuration); that of a page without charts
is given too.
"""

from __future__ import annotations

import os
import re
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

from benchmarks.common import conditions, free_port, write

PAGE = Path(__file__).with_name("live_charts_page.py")
LIBRARIES = ("nothing", "board", "vega_lite", "plotly", "echarts")
ACTIVE = 3  # of 20 runs; each refresh brings one more epoch of each
REFRESHES = 10
PLOTS = {
    "board": "[data-panel]",
    "vega_lite": "[data-testid=stVegaLiteChart]",
    "plotly": ".js-plotly-plot",
    "echarts": "[data-testid=stEChartsChart]",
}


@contextmanager
def server() -> Iterator[str]:
    """Start the page; yields its address."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(PAGE), "--server.headless=true", f"--server.port={port}"]
    root = str(PAGE.parent.parent)
    environment = {**os.environ, "PYTHONPATH": root}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=root, env=environment, stdout=quiet, stderr=quiet)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            with suppress(OSError), urllib.request.urlopen(f"{address}/_stcore/health", timeout=1):
                break
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


class Tab:
    """One visit of the page with one library."""

    def __init__(self, browser: Any, address: str, library: str, active: int) -> None:
        self.page = browser.new_page(viewport={"width": 1440, "height": 1600})
        self.page.set_default_timeout(60_000)
        self.frames: list[int] = []
        self.page.on("websocket", lambda ws: ws.on("framereceived", lambda data: self.frames.append(len(data))))
        self.page.goto(f"{address}/?library={library}&active={active}")
        self.page.get_by_text(re.compile(r"drawn 1 in")).wait_for()
        self.settle()
        self.probe = self.page.context.new_cdp_session(self.page)
        self.probe.send("Performance.enable")

    def settle(self, quiet: float = 1.0) -> None:
        """Wait until no message has come for a while, and the browser has drawn."""
        seen = -1
        while seen != len(self.frames):
            seen = len(self.frames)
            self.page.wait_for_timeout(1000 * quiet)

    def server_ms(self) -> float:
        """Milliseconds of the last drawing on the server."""
        return float(str(self.page.get_by_text(re.compile(r"drawn \d+ in")).inner_text()).split()[-2])

    def busy_ms(self) -> float:
        """Milliseconds of main thread so far."""
        metrics = {entry["name"]: entry["value"] for entry in self.probe.send("Performance.getMetrics")["metrics"]}
        return 1000 * float(metrics["TaskDuration"])

    def refresh(self, button: str, settle: float = 0.5) -> dict[str, float]:
        """Click a button of the page; returns what that cost."""
        number = int(str(self.page.get_by_text(re.compile(r"drawn \d+ in")).inner_text()).split()[1])
        self.frames.clear()
        before = self.busy_ms()
        self.page.get_by_role("button", name=button).click()
        self.page.get_by_text(re.compile(rf"drawn {number + 1} in")).wait_for()
        self.settle(settle)
        return {"server_ms": self.server_ms(), "bytes": sum(self.frames), "browser_ms": self.busy_ms() - before}


def measure(browser: Any, address: str, library: str, active: int = ACTIVE) -> dict[str, Any]:
    """All figures of one library."""
    tab = Tab(browser, address, library, active)
    first = {"first_server_ms": tab.server_ms(), "first_bytes": sum(tab.frames)}
    tab.refresh("Add an epoch")
    rounds = [tab.refresh("Add an epoch") for _ in range(REFRESHES)]
    quiet = [tab.refresh("Nothing new") for _ in range(3)]
    result: dict[str, Any] = {**first, "active": active}
    for name in ("server_ms", "bytes", "browser_ms"):
        result[f"refresh_{name}"] = statistics.median(each[name] for each in rounds)
        result[f"nothing_new_{name}"] = statistics.median(each[name] for each in quiet)
    if library in PLOTS:
        result["zoom_kept"] = survives_refresh(tab, library)
    tab.page.close()
    return result


def survives_refresh(tab: Tab, library: str) -> bool | None:
    """Whether a zoom into the first epochs looks the same after a new epoch; None if zooming changed nothing."""
    plot = tab.page.locator(PLOTS[library]).first
    box = plot.bounding_box()
    blank = plot.screenshot()
    x, y = box["x"] + 0.2 * box["width"], box["y"] + 0.5 * box["height"]
    if library == "echarts":  # the right handle of its slider, to the left
        drag(tab, box["x"] + box["width"] - 40, box["y"] + box["height"] - 12, -0.5 * box["width"])
    elif library == "vega_lite":
        tab.page.mouse.move(x, y)
        for _ in range(6):
            tab.page.mouse.wheel(0, -240)
            tab.page.wait_for_timeout(80)
    else:
        drag(tab, x, y, 0.3 * box["width"])
    tab.page.mouse.move(3, 3)
    tab.page.wait_for_timeout(800)
    zoomed = plot.screenshot()
    if difference(blank, zoomed) < 0.01:
        return None
    tab.refresh("Add an epoch")
    tab.page.mouse.move(3, 3)
    tab.page.wait_for_timeout(800)
    return difference(zoomed, plot.screenshot()) < 0.01


def drag(tab: Tab, x: float, y: float, distance: float) -> None:
    """Drag the mouse to the right, or to the left if the distance is negative."""
    tab.page.mouse.move(x, y)
    tab.page.mouse.down()
    tab.page.mouse.move(x + distance / 2, y + 2, steps=5)
    tab.page.mouse.move(x + distance, y + 2, steps=5)
    tab.page.mouse.up()


def difference(first: bytes, second: bytes) -> float:
    """Share of pixels in which two pictures differ."""
    import io

    import numpy as np
    from PIL import Image

    one, two = (np.asarray(Image.open(io.BytesIO(part)).convert("RGB"), dtype=np.int16) for part in (first, second))
    return 1.0 if one.shape != two.shape else float((np.abs(one - two).max(axis=2) > 24).mean())


def main() -> None:
    """Measure all libraries, and the board with all runs active."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    found: dict[str, dict[str, Any]] = {}
    with server() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for library in LIBRARIES:
            found[library] = measure(browser, address, library)
            print(library, found[library], flush=True)
        found["board, all 20 active"] = measure(browser, address, "board", active=20)
        browser.close()
    for result in found.values():
        base = found["nothing"]["refresh_browser_ms"]
        result["refresh_browser_ms_of_charts"] = result["refresh_browser_ms"] - base
    load = {"load_average": os.getloadavg(), "idle": os.getloadavg()[0] < 1.0}
    write("live_charts", {"summary": found, "conditions": conditions(runs=20, charts=8, epochs=200, **load)})


if __name__ == "__main__":
    main()
