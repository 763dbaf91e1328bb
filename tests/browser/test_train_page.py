"""The Train page in a real browser: plan, sweep, queue, copy of a run, the page on a phone."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.test_first_visit import settle, wait_until
from tests.browser.test_recommend import serious_faults

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def faults(tab: Any) -> list[str]:
    """What axe finds in the page's own parts: Streamlit's toasts lack a name, and Vega's empty groups a text."""
    return [fault for fault in serious_faults(tab) if "stToast" not in fault and "role-mark" not in fault]


def queue_rows(tab: Any) -> list[str]:
    """The queued runs as listed, each with its name and latent width."""
    rows = tab.locator("[class*=st-key-queued-]").all_inner_texts()
    return [found[0] for row in rows if (found := re.search(r"Mult-VAE on demo, latent \d+", row))]


def hidden_right_of_screen(tab: Any) -> int:
    """How far the page scrolls sideways, in pixels."""
    return int(tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def test_a_sweep_is_planned_queued_reordered_and_copied(app: str, tab: Any) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.goto(f"{app}/train")
    start = tab.get_by_role("button", name=re.compile("^Start 2 runs"))
    start.wait_for()
    assert "EASE, Mult-VAE" in start.inner_text()  # on a phone too
    for model in ("EASE", "Mult-VAE"):
        pill = tab.get_by_role("button", name=model, exact=True)
        box = pill.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390, f"{model} is out of sight"
    assert hidden_right_of_screen(tab) == 0
    assert faults(tab) == []

    tab.set_viewport_size({"width": 1440, "height": 1000})
    tab.goto(f"{app}/train?model=multvae&sweep=latent&sweep.latent=20, 40, 60")
    start = tab.get_by_role("button", name="Start 3 runs: Mult-VAE")
    start.wait_for()
    tab.get_by_text("3 runs, ", exact=False).first.wait_for()  # the plan
    tab.get_by_text(re.compile("Memory: .* free")).wait_for()
    settle(tab)
    tab.get_by_text("Settings", exact=True).click()
    tab.get_by_role("spinbutton", name="batch size (users)", exact=True).wait_for()  # plain text for screen readers
    field = tab.get_by_role("spinbutton", name="epochs", exact=True)
    field.fill("100")
    field.press("Enter")
    settle(tab)
    assert faults(tab) == []
    start.click()
    tab.wait_for_url(re.compile("view=queue"))
    wait_until(tab, lambda: queue_rows(tab), 30, "the queue")
    tab.get_by_role("button", name="Copy").first.wait_for()
    if len(queue_rows(tab)) > 1:  # two train at once; until the supervisor is there, all three wait
        last = queue_rows(tab)[-1]
        row = tab.locator("[class*=st-key-queued-]").last
        if row.get_by_role("button", name="First").is_enabled():
            row.get_by_role("button", name="First").click()
            wait_until(tab, lambda: last not in queue_rows(tab) or queue_rows(tab)[0] == last, 20, "the new order")
    wait_until(tab, lambda: "running)" in tab.title(), 60, "a running run")
    assert tab.get_by_text("sweep-latent-").count() >= 2
    tab.get_by_text(re.compile(r"^CPU \d+% \(max \d+%\), memory ")).first.wait_for(timeout=60_000)

    tab.get_by_role("button", name="Stop all").click()
    tab.get_by_role("button", name="Stop all runs").click()
    wait_until(tab, lambda: "running)" not in tab.title(), 60, "the end of all runs")
    tab.get_by_role("heading", name="Just ended").wait_for()  # no run vanishes
    assert tab.get_by_role("button", name="Resume").count() == 3
    settle(tab)
    assert faults(tab) == []

    tab.get_by_role("button", name="Copy").first.click()
    tab.get_by_text("Settings from", exact=False).wait_for()
    tab.wait_for_url(re.compile(r"from=multvae-[0-9a-f]{8}"))
    shared = tab.url
    other = tab.context.browser.new_page()
    other.goto(shared)
    other.get_by_text("Settings from", exact=False).wait_for()
    other.get_by_text(re.compile(r"latent = \d0")).wait_for()  # the setting of that run

    tab.goto(f"{app}/train?view=earlier")
    tab.get_by_role("button", name="Select all").click()
    tab.get_by_text("3 selected").wait_for()
    settle(tab)
    assert faults(tab) == []
    tab.get_by_role("button", name=re.compile(r"^\S*\s*Delete \(frees")).click()
    tab.get_by_text("3 runs deleted").wait_for()
    tab.get_by_role("button", name="Undo").click()
    tab.get_by_text("of 3 runs").wait_for()
