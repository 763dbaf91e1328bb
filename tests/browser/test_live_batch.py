"""The one button, and Curves open during the whole batch: no run is lost, nothing moves, links keep their meaning."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from recdash.services import curves, launch, runs, training_requests
from tests.browser.test_first_visit import go_to, settle, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WITH_EPOCHS = {"autorec", "cdae", "deeprec", "elsa", "ials", "multdae", "multvae", "recvae", "svae"}
COUNT_SHIFTS = """
window.shifts = [];
const moved = node => node?.outerHTML ? node.outerHTML.replace(/(data-testid|class)=/g, '').slice(0, 70) : '';
new PerformanceObserver(list => {
  for (const entry of list.getEntries().filter(one => !one.hadRecentInput))
    window.shifts.push([entry.value, entry.startTime, entry.sources.map(source => moved(source.node))]);
}).observe({ type: 'layout-shift', buffered: true });
"""


def legend(tab: Any) -> list[str]:
    """The names in the legend of the charts."""
    return [text.strip() for text in tab.locator("ul.legend > li").all_inner_texts()]


def charts(tab: Any) -> list[str]:
    """The titles of the charts."""
    return [text.strip() for text in tab.locator("figure figcaption strong").all_inner_texts()]


def fresh_browser(tab: Any) -> Any:
    """A tab that shares nothing with the given one."""
    return tab.context.browser.new_context(viewport={"width": 1440, "height": 1200}).new_page()


def test_the_whole_batch_is_watched_without_losing_a_run(app: str, tab: Any) -> None:
    warnings: list[str] = []
    faults = ("nfinite extent", "Multiple different fragmentIds")  # the latter: a part that is not refreshed
    tab.on("console", lambda message: warnings.append(message.text) if any(map(message.text.count, faults)) else None)
    tab.add_init_script(COUNT_SHIFTS)
    tab.goto(app)
    tab.get_by_role("button", name="Train all models on the demo").click()
    tab.get_by_role("link", name="Watch live").first.click()
    tab.get_by_role("heading", name="Curves", exact=True).wait_for()
    tab.locator("ul.legend > li").first.wait_for()
    assert {"Mult-VAE", "RecVAE", "Mult-DAE"} <= {name.split(" on ")[0] for name in legend(tab)}
    assert {"KL divergence", "Beta"} <= set(charts(tab))
    tab.get_by_role("link", name="Overview", exact=True).first.click()
    tab.get_by_role("heading", name="Best models").wait_for()
    go_to(tab, "Curves")  # from the menu, without ids in the address: the batch by default
    settle(tab)
    seen, shared = set(legend(tab)), ""
    tab.wait_for_timeout(1500)
    tab.evaluate("window.shifts.length = 0")
    until = time.monotonic() + 240
    while any(run.state.is_active() for run in runs.list_runs()):
        assert time.monotonic() < until, "the batch did not end"
        now = set(legend(tab))
        assert seen <= now, f"lost {seen - now}"
        seen = now
        search = tab.get_by_role("button", name="Search").first.bounding_box()
        assert search["x"] + search["width"] <= 1440, "the header does not fit"
        if not shared and len(seen) >= 5:  # from here on the address holds these runs, and none is added
            tab.get_by_role("button", name="Share").click(delay=80)  # as a hand does
            settle(tab)
            shared, shared_legend, shared_charts = tab.url, legend(tab), charts(tab)
        tab.wait_for_timeout(500)
    assert set(parse_qs(urlsplit(shared).query)["run"]) <= {run.id for run in runs.list_runs()}
    tab.wait_for_timeout(3000)
    shifts = tab.evaluate("window.shifts")
    assert sum(value for value, *_ in shifts) < 0.03, "\n".join(map(str, shifts))  # a chart more, no more
    assert seen <= set(legend(tab))
    assert {run.model for run in runs.list_runs()} >= WITH_EPOCHS
    assert all(run.state.is_finished() for run in runs.list_runs())
    assert not warnings
    fresh = fresh_browser(tab)
    fresh.goto(f"{app}/curves")
    wait_until(fresh, lambda: len(legend(fresh)) == len(WITH_EPOCHS), 30, "the whole batch")
    fresh = fresh_browser(tab)
    fresh.goto(shared)
    wait_until(fresh, lambda: len(legend(fresh)) >= len(shared_legend), 30, "the shared view")
    assert legend(fresh) == shared_legend
    assert charts(fresh) == shared_charts


def test_stop_resume_compare_and_filter(app: str, tab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECDASH_MAX_RUNS", "2")
    settings = {"epochs": 4000, "patience": 4000}
    started = launch.train(training_requests.build_requests(["multvae", "multdae"], "demo", settings=settings))
    ids = [run.id for run in started]
    tab.add_init_script(COUNT_SHIFTS)
    tab.goto(f"{app}/curves?run={ids[0]}&run={ids[1]}&show=ndcg@100&show=kl")
    wait_until(tab, lambda: len(legend(tab)) == 2, 60, "the legend")
    wait_until(tab, lambda: all(run.epoch > 2 for run in runs.list_runs(ids=ids)), 60, "training")
    tab.get_by_text("KL per latent dimension, by epoch").wait_for()
    settle(tab)
    tab.evaluate("window.shifts.length = 0")
    tab.evaluate("document.querySelector('[data-testid=stMain]').scrollTop = 120")
    tab.wait_for_timeout(60_000)
    shifts = tab.evaluate("window.shifts")
    assert sum(value for value, *_ in shifts) < 0.02, "\n".join(map(str, shifts))
    assert tab.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 120
    assert charts(tab) == ["KL divergence", "NDCG@100"]

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
    fresh = fresh_browser(tab)
    fresh.goto(address)
    wait_until(fresh, lambda: len(legend(fresh)) == 2, 30, "the view in a fresh browser")
    assert charts(fresh) == ["KL divergence", "NDCG@100"]
    assert fresh.locator("li.run").count() == 1
