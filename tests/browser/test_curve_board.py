"""The curve board in a real browser, on a store that the test writes epoch by epoch."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recdash.runs import queue
from recdash.runs.process_id import ProcessId
from recdash.runs.run_records import Request
from recdash.runs.states import State
from recdash.services.store_access import open_store
from tests.browser.conftest import serving

pytestmark = [pytest.mark.slow, pytest.mark.browser]
PAGE = Path(__file__).with_name("curve_board_page.py")
METRICS = ("reconstruction", "kl", "beta", "ndcg@100")
STATE = "globalThis.recdashBoards?.get('test_board')?.state"
WATCH_SHIFTS = """
globalThis.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) globalThis.shifts.push([entry.value, entry.startTime]);
}).observe({type: 'layout-shift', buffered: true});
"""

SHOW = """
(state) => {
  Object.defineProperty(document, 'visibilityState', { get: () => state, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}
"""


class Training:
    """A run of this process, one epoch after the other."""

    def __init__(self, model: str, epochs: int, seed: int = 0, level: float = 400) -> None:
        self.store, self.me = open_store(), ProcessId.mine()
        asked = Request(model=model, dataset="toy", seed=seed, epochs=epochs)
        self.id = queue.enqueue(self.store, [asked])[0].id
        queue.claim(self.store, self.id, self.me, 1)
        self.store.update_run(self.id, self.me, epochs=epochs)
        self.random = np.random.default_rng(seed)
        self.values: list[dict[str, float]] = []
        self.best, self.level = 0, level

    def train(self, epochs: int, **special: float) -> Training:
        """Write some epochs; `special` are values of the last one."""
        for number in range(epochs):
            epoch = len(self.values) + 1
            noise = self.random.normal(size=3)
            values = {"reconstruction": self.level + 90 / epoch + noise[0], "kl": 20 - 18 / epoch + 0.3 * noise[1]}
            values |= {"beta": min(0.2, epoch / 100), "ndcg@100": 0.4 - 0.3 / epoch + 0.01 * noise[2]}
            if number == epochs - 1:
                values |= special
            self.values.append(values)
            best = max(range(epoch), key=lambda index: self.values[index]["ndcg@100"])
            self.best = best + 1
            self.store.add_epoch(
                self.id, self.me, epoch=epoch, update=10 * epoch, seconds=float(epoch), values=values,
                best_epoch=best + 1, best_value=self.values[best]["ndcg@100"],
            )  # fmt: skip
        return self

    def end(self) -> Training:
        """End the run as finished."""
        self.store.end_run(self.id, self.me, State.FINISHED)
        return self


@pytest.fixture
def board(own_folders: Path) -> Iterator[str]:
    """Address of a page with a board."""
    own_folders.mkdir(parents=True, exist_ok=True)
    with serving({**os.environ, "PYTHONPATH": str(PAGE.parent.parent.parent)}, PAGE) as server:
        yield server.url


def until(tab: Any, expression: str, seconds: float = 30) -> None:
    """Wait until a JavaScript expression about the board is true."""
    body = f"try {{ const state = {STATE}; return Boolean({expression}); }} catch {{ return false; }}"
    tab.wait_for_function(f"() => {{ {body} }}", timeout=1000 * seconds)


def chart(tab: Any, metric: str) -> Any:
    """The plot of a metric."""
    return tab.locator(f"[data-panel='toy.{metric}']")


PRESS_FOR = """async milliseconds => {
  const asked = [], send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) { asked.push(performance.now()); return send.call(this, data); };
  const until = performance.now() + milliseconds;
  while (performance.now() < until) {
    document.body.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
    await new Promise(done => setTimeout(done, 50));
  }
  WebSocket.prototype.send = send;
  return asked;
}"""


def hover(tab: Any, metric: str, x: float = 0.5, y: float = 0.5) -> str:
    """Point at a place of a chart; returns the tooltip."""
    box = chart(tab, metric).bounding_box()
    tab.mouse.move(box["x"] + 5 + box["width"] * x, box["y"] + box["height"] * y)
    tab.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
    tooltip = tab.locator(".tooltip")
    tooltip.wait_for(state="visible")
    return str(tooltip.inner_text())


def drawn(tab: Any, run_id: str, metric: str, name: str = "y") -> list[float]:
    """The values that the browser draws for a run."""
    panel = f"state.decoded[state.lines.find(line => line.id === '{run_id}').part].panels.get('toy.{metric}')"
    return tab.evaluate(f"() => {{ const state = {STATE}; return [...{panel}.get('{run_id}').{name}]; }}")


def test_a_board_of_a_live_training(board: str, tab: Any) -> None:
    ended = [Training("multvae", 40, seed).train(40).end() for seed in (0, 1)]
    recvae = Training("recvae", 30).train(12, kl=float("nan")).train(18).end()
    live = Training("multdae", 60, seed=5, level=460)
    frames: list[int] = []
    errors: list[str] = []
    tab.on("websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(len(data))))
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.add_init_script(WATCH_SHIFTS)
    tab.goto(f"{board}/?smoothing=exponential&weight=0.6")
    until(tab, "state.lines.length === 4 && state.panels.every(panel => panel.u)")
    live.train(1)
    until(tab, "state.decoded.active.panels.get('toy.kl').size === 1")

    # One tooltip lists all runs, highest first, with raw and smoothed value, and the rule is on every chart.
    text = hover(tab, "reconstruction", 0.4)
    assert "exponential average, weight 0.6" in text and len(re.findall("≈ ", text)) >= 4
    raw = [float(value) for value in re.findall(r"^(\d+\.\d)$", text, re.MULTILINE)][:3]
    assert len(raw) == 3
    assert all(name in text for name in ("multvae, seed 0", "multvae, seed 1", "recvae", "multdae"))
    dark = tab.evaluate(
        f"() => {STATE}.panels.map(panel => panel.overlay.getContext('2d').getImageData(0, 0, panel.overlay.width, "
        "panel.overlay.height).data.some(value => value > 0))"
    )
    assert dark == [True] * 4

    # The best epoch stands on the raw value.
    epochs, values = drawn(tab, ended[0].id, "ndcg@100", "e"), drawn(tab, ended[0].id, "ndcg@100")
    assert values[epochs.index(ended[0].best)] == pytest.approx(max(v["ndcg@100"] for v in ended[0].values), rel=1e-6)

    # The gap stays a gap.
    kl = drawn(tab, recvae.id, "kl")
    assert len(kl) == 30 and np.isnan(kl[11]) and np.isfinite(kl[10])

    # Nothing new, nothing sent.
    tab.mouse.move(5, 5)
    time.sleep(0.6)
    frames.clear()
    draws = tab.evaluate("performance.now()")
    time.sleep(3)
    assert len(frames) > 5 and max(frames) < 3000, (len(frames), sum(frames), draws)

    # A hidden tab asks for nothing; when it is shown again, it is up to date at once.
    tab.evaluate(SHOW, "hidden")
    time.sleep(1)
    frames.clear()
    live.train(1)
    time.sleep(3)
    assert len(frames) == 0
    tab.evaluate(SHOW, "visible")
    until(tab, "[...state.decoded.active.panels.get('toy.kl').values()][0].x.length === 2", seconds=5)

    # Who presses something asks for something: until then timers ask for nothing, but not forever.
    asked: list[float] = tab.evaluate(PRESS_FOR, 900)
    assert len(asked) <= 1
    asked = tab.evaluate(PRESS_FOR, 2500)
    assert 1 <= len(asked) <= 4

    # Zooming by dragging holds while points arrive, in all charts; the page does not move.
    box = chart(tab, "kl").bounding_box()
    tab.mouse.move(box["x"] + 120, box["y"] + 80)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 200, box["y"] + 90, steps=4)
    tab.mouse.move(box["x"] + 320, box["y"] + 90, steps=4)
    tab.mouse.up()
    until(tab, "state.zoom && state.panels.every(panel => panel.u.scales.x.min === state.zoom[0])")
    ranges = f"() => {STATE}.panels.map(panel => [panel.u.scales.x.min, panel.u.scales.x.max])"
    zoomed = tab.evaluate(ranges)
    assert all(found == zoomed[0] for found in zoomed) and zoomed[0][1] - zoomed[0][0] < 25
    started = tab.evaluate("performance.now()")
    charts = tab.evaluate(
        f"() => {{ globalThis.before = {STATE}.panels.map(panel => panel.u); return globalThis.before.length; }}"
    )
    for _ in range(12):
        live.train(2)
        time.sleep(0.25)
    until(tab, "[...state.decoded.active.panels.get('toy.kl').values()][0].x.length === 26")
    assert tab.evaluate(ranges) == zoomed
    assert (
        tab.evaluate(f"() => {STATE}.panels.every((panel, index) => panel.u === globalThis.before[index])")
        and charts == 4
    )
    shifts = tab.evaluate("() => globalThis.shifts")
    assert sum(value for value, when in shifts if when > started) < 0.02, shifts
    tab.locator(".reset").click()
    until(tab, "state.zoom === null && state.panels[0].u.scales.x.max > 30")

    # A click on a line picks its run, and the page answers.
    place = tab.evaluate(
        f"() => {{ const state = {STATE}; const panel = state.panels[0];"
        f"const line = state.lines.find(line => line.id === '{live.id}');"
        "const points = state.decoded[line.part].panels.get(panel.key).get(line.id); const at = points.x.length - 1;"
        "const box = panel.u.over.getBoundingClientRect();"
        "return [box.left + panel.u.valToPos(points.x[at], 'x'), box.top + panel.u.valToPos(points.s[at], 'y')]; }"
    )
    tab.mouse.move(place[0] - 3, place[1])
    tab.mouse.click(*place)
    until(tab, f"state.picked.has('{live.id}') && state.pinned.includes('{live.id}')")
    assert tab.locator(f".legend button[data-line='{live.id}']").get_attribute("aria-pressed") == "true"

    # The others step back where it is drawn, but not behind a pinned run without values.
    until(tab, "state.panels[0].somePicked")
    set_picked = "state.picked = ids; for (const panel of state.panels) panel.stale = true; state.entry.changed();"
    tab.evaluate(f"() => {{ const state = {STATE}, ids = new Set(['without values']); {set_picked} }}")
    until(tab, "!state.panels[0].somePicked")
    tab.evaluate(f"() => {{ const state = {STATE}, ids = new Set(['{live.id}']); {set_picked} }}")

    # By keyboard: the rule moves, the values are read out, Escape leaves.
    plot = chart(tab, "ndcg@100")
    plot.focus()
    tab.keyboard.press("Home")
    tab.keyboard.press("ArrowRight")
    announced = tab.locator("[aria-live]").filter(has_text="NDCG@100, epoch 2").inner_text()
    assert all(name in announced for name in ("multvae, seed 0", "recvae", "multdae"))
    tab.keyboard.press("Escape")
    until(tab, "state.hover === null")
    assert re.match(r"NDCG@100.*by epoch\. Last values: .*multdae 0\.\d{4}", str(plot.get_attribute("aria-label")))

    # The files: exact values as CSV, and a picture for print.
    for item, suffix, start in (
        ("Download CSV", ".csv", b"run,name"),
        ("Download SVG", ".svg", b"<svg"),
        ("Download PNG", ".png", b"\x89PNG"),
    ):
        tab.get_by_role("button", name="Options of KL divergence").click()
        with tab.expect_download() as download:
            tab.get_by_role("menuitem", name=item, exact=True).click()
        content = Path(str(download.value.path())).read_bytes()
        assert download.value.suggested_filename.endswith(suffix) and content.startswith(start)
        if suffix == ".csv":
            assert f"{live.id},multdae" in content.decode() and str(live.values[-1]["kl"]) in content.decode()

    # Each chart has its own logarithmic axis; the last run ends, and no line is lost.
    tab.get_by_role("button", name="Options of Reconstruction loss").click()
    tab.get_by_role("menuitemcheckbox", name="Logarithmic Y axis").click()
    until(tab, "state.panels[0].u.scales.y.distr === 3 && state.panels[1].u.scales.y.distr === 1")
    live.end()
    until(tab, "state.lines.length === 4 && !state.live")
    assert errors == []


def test_ten_thousand_points_keep_their_extremes_and_memory_stays_flat(board: str, tab: Any) -> None:
    from sqlalchemy import insert

    from recdash.runs.schema import epochs as table

    run = Training("multvae", 20_000).train(1)
    random = np.random.default_rng(2)
    values = random.normal(size=10_000) ** 3
    rows = [
        {"run": run.id, "epoch": epoch, "seq": 1000 + epoch, "update_number": epoch, "seconds": float(epoch)}
        | {"numbers": f'{{"kl": {float(value)!r}}}', "recorded": None}
        for epoch, value in enumerate(values, start=2)
    ]
    with run.store.database.write() as connection:
        connection.execute(insert(table), rows)
    tab.goto(f"{board}/?show=kl&smoothing=gaussian&weight=0.9")
    until(tab, "[...state.decoded.active.panels.get('toy.kl').values()][0].x.length > 500")
    found = drawn(tab, run.id, "kl")
    assert len(found) < 1400
    assert (min(found), max(found)) == pytest.approx((values.min(), values.max()), rel=1e-6)
    low, high = tab.evaluate(f"() => {{ const u = {STATE}.panels[0].u; return [u.scales.y.min, u.scales.y.max]; }}")
    assert low <= values.min() and high >= values.max()
    # A hundred refreshes with new points: neither arrays nor elements pile up.
    client = tab.context.new_cdp_session(tab)
    sizes = []
    for round_ in range(2):
        for _ in range(50):
            with run.store.database.write() as connection:
                last = 20_000 * (round_ + 1) + _
                row = {
                    "run": run.id,
                    "epoch": last,
                    "seq": 10**6 + last,
                    "update_number": 1,
                    "seconds": 1.0,
                    "numbers": '{"kl": 0.1}',
                }
                connection.execute(insert(table), [{**row, "recorded": None}])
            tab.wait_for_timeout(60)
        until(tab, f"[...state.decoded.active.panels.get('toy.kl').values()][0].e.at(-1) === {last}")
        client.send("HeapProfiler.collectGarbage")
        nodes = tab.evaluate("() => document.querySelectorAll('*').length")
        sizes.append((client.send("Runtime.getHeapUsage")["usedSize"], nodes))
    assert sizes[1][0] < sizes[0][0] * 1.1 + 1e6, sizes
    assert sizes[1][1] == sizes[0][1], sizes
    assert len(tab.evaluate("() => [...globalThis.recdashBoards.get('test_board').parts.keys()]")) == 3
