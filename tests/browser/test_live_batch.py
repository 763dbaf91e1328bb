"""The one button, and Curves open during the whole batch: no run is lost, nothing moves, links keep their meaning."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from recdash.services import curves, launch, runs, training_requests
from tests.browser.conftest import chromium
from tests.browser.test_first_visit import go_to, settle, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WITH_EPOCHS = {"autorec", "cdae", "deeprec", "multdae", "multvae", "recvae", "svae"}
COUNT_SHIFTS = """
window.shifts = [];
new PerformanceObserver(list => { for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts.push(
  [entry.value, entry.startTime, entry.sources.map(source => source.node && source.node.outerHTML ?
   source.node.outerHTML.slice(0, 120) : '')]); }).observe({ type: 'layout-shift', buffered: true });
"""


def legend(tab: Any) -> list[str]:
    """The names in the legend of the charts."""
    return [text.strip() for text in tab.locator("ul.legend > li").all_inner_texts()]


def charts(tab: Any) -> list[str]:
    """The titles of the charts."""
    return [text.strip() for text in tab.locator("figure figcaption strong").all_inner_texts()]


def shown_values(tab: Any) -> list[str]:
    """The values that are switched on."""
    pills = tab.get_by_test_id("stButtonGroup").get_by_role("button", pressed=True)
    return sorted(pills.all_inner_texts())


def test_the_whole_batch_is_watched_without_losing_a_run(app: str, tab: Any) -> None:
    warnings: list[str] = []
    tab.on("console", lambda message: warnings.append(message.text) if "nfinite extent" in message.text else None)
    tab.goto(app)
    tab.get_by_role("button", name="Train all models on the demo").click()
    tab.get_by_role("link", name="Watch live").first.click()
    tab.get_by_role("heading", name="Curves", exact=True).wait_for()
    tab.locator("ul.legend > li").first.wait_for()
    assert {"Mult-VAE", "RecVAE", "Mult-DAE"} <= {name.split(" on ")[0] for name in legend(tab)}
    assert {"KL divergence", "Beta"} <= set(charts(tab))
    go_to(tab, "Overview")
    go_to(tab, "Curves")  # from the menu, without ids in the address: the batch by default
    settle(tab)
    seen, shared = set(legend(tab)), ""
    until = time.monotonic() + 240
    while any(run.state.is_active() for run in runs.list_runs()):
        assert time.monotonic() < until, "the batch did not end"
        now = set(legend(tab))
        assert seen <= now, f"lost {seen - now}"
        seen = now
        if not shared and len(seen) >= 5:
            tab.get_by_role("button", name="Share").click()
            settle(tab)
            shared, shared_legend, shared_charts = tab.url, legend(tab), charts(tab)
        tab.wait_for_timeout(500)
    assert set(parse_qs(urlsplit(shared).query)["run"]) <= {run.id for run in runs.list_runs()}
    tab.wait_for_timeout(3000)
    assert seen <= set(legend(tab))
    assert {run.model for run in runs.list_runs()} >= WITH_EPOCHS
    assert all(run.state.is_finished() for run in runs.list_runs())
    assert not warnings
    with chromium() as browser:
        fresh = browser.new_page(viewport={"width": 1440, "height": 1200})
        fresh.goto(shared)
        wait_until(fresh, lambda: len(legend(fresh)) >= len(shared_legend), 30, "the shared view")
        assert legend(fresh) == shared_legend
        assert charts(fresh) == shared_charts


def test_stop_resume_compare_and_filter(app: str, tab: Any) -> None:
    settings = {"epochs": 4000, "patience": 4000}
    started = launch.train(training_requests.build_requests(["multvae", "multdae"], "demo", settings=settings))
    ids = [run.id for run in started]
    tab.add_init_script(COUNT_SHIFTS)
    tab.goto(f"{app}/curves?run={ids[0]}&run={ids[1]}&show=ndcg@100&show=kl")
    wait_until(tab, lambda: len(legend(tab)) == 2, 60, "the legend")
    wait_until(tab, lambda: all(run.epoch > 2 for run in runs.list_runs(ids=ids)), 60, "training")
    tab.evaluate("window.shifts.length = 0")
    tab.evaluate("document.querySelector('[data-testid=stMain]').scrollTop = 120")
    tab.wait_for_timeout(60_000)
    shifts = tab.evaluate("window.shifts")
    assert sum(value for value, *_ in shifts) < 0.02, shifts
    assert tab.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 120
    assert legend(tab) and charts(tab) == ["NDCG@100", "KL divergence"]

    launch.stop(ids[0])
    wait_until(tab, lambda: runs.find(ids[0]).state == "stopped", 30, "the stop")
    wait_until(
        tab, lambda: tab.locator("li.run").filter(has_text="stopped").count() == 1, 20, "the state in the sidebar"
    )
    assert len(legend(tab)) == 2
    reached = runs.find(ids[0]).epoch
    launch.resume(ids[0])
    wait_until(tab, lambda: runs.find(ids[0]).epoch > reached + 2, 60, "more epochs")
    numbers = [epoch for epoch, _ in curves.curves(ids[0]).series["ndcg@100"]]
    assert max(Counter(numbers).values()) == 1
    assert numbers == list(range(1, len(numbers) + 1))

    field = tab.get_by_placeholder("Filter")
    field.fill("model:multdae")
    wait_until(tab, lambda: tab.locator("li.run").count() == 1, 10, "the filter")
    assert len(legend(tab)) == 2, "a filter of the list hides no curve"
    wait_until(tab, lambda: "q=model" in tab.url, 10, "the filter in the address")
    for run_id in ids:
        launch.stop(run_id)
    launch.wait(ids, timeout=60)
    address = tab.url
    with chromium() as browser:
        fresh = browser.new_page(viewport={"width": 1440, "height": 1200})
        fresh.goto(address)
        wait_until(fresh, lambda: len(legend(fresh)) == 2, 30, "the view in a fresh browser")
        assert charts(fresh) == ["NDCG@100", "KL divergence"]
        assert fresh.locator("li.run").count() == 1
