"""What people do with the dashboard, in a real browser on the real app."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

pytestmark = pytest.mark.browser


def settle(tab: Any) -> None:
    """Wait until the app has drawn what was asked for."""
    tab.wait_for_timeout(150)
    tab.wait_for_function("() => !document.querySelector('[data-test-script-state=running]')", timeout=30_000)


def go_to(tab: Any, page: str) -> None:
    """Follow a link of the menu."""
    tab.get_by_test_id("stTopNavLink").get_by_text(page, exact=True).or_(
        tab.get_by_role("link", name=page, exact=True)
    ).first.click()
    tab.get_by_role("heading", name=page, exact=True).wait_for()
    settle(tab)


def choose_models(tab: Any, wanted: set[str]) -> None:
    """Switch the pills of the models so that exactly these are on."""
    for name in wanted:
        tab.get_by_role("button", name=name, exact=True).wait_for()
    settle(tab)
    pills = tab.get_by_test_id("stButtonGroup").filter(has_text="Models").get_by_role("button")
    names = [name for name in pills.all_inner_texts() if name]
    for name in names:
        pill = tab.get_by_role("button", name=name, exact=True)
        is_on = "true" in (pill.get_attribute("aria-pressed") or pill.get_attribute("aria-checked") or "")
        if is_on != (name in wanted):
            pill.click()
            settle(tab)


def set_epochs(tab: Any, model: str, epochs: int) -> None:
    """Change one number in the form of a model; the form must be open."""
    tab.get_by_role("tab", name=model, exact=True).click()
    field = tab.get_by_role("tabpanel").get_by_role("spinbutton", name="epochs", exact=True)
    field = field.locator("visible=true")
    field.fill(str(epochs))
    field.press("Enter")
    settle(tab)


def points_drawn(tab: Any, title: str) -> int:
    """How many points the longest line of a chart has."""
    script = """title => {
        const shown = [...(globalThis.recdashBoards ?? new Map()).values()].map(board => board.state)
            .filter(state => state?.root.isConnected);
        return Math.max(0, ...shown.flatMap(state => state.panels.filter(panel => panel.title.startsWith(title))
            .flatMap(panel => Object.values(state.decoded).flatMap(part =>
                [...(part.panels.get(panel.key)?.values() ?? [])].map(line => line.x.length)))));
    }"""
    return int(tab.evaluate(script, title))


def wait_until(tab: Any, true: Any, seconds: float, what: str) -> None:
    """Look again and again."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return
        tab.wait_for_timeout(200)
    raise AssertionError(f"{what} did not happen within {seconds:g} s")


@pytest.mark.slow
def test_a_new_user_trains_sees_the_curve_move_and_gets_recommendations(app: str, tab: Any) -> None:
    tab.goto(app)
    tab.get_by_role("button", name="Train all models on the demo").wait_for()
    go_to(tab, "Train")
    choose_models(tab, {"Mult-DAE", "Mult-VAE"})
    tab.get_by_text("fast", exact=True).click()
    tab.wait_for_url(re.compile("preset=fast"))
    settle(tab)
    tab.get_by_text("Settings", exact=True).click()
    set_epochs(tab, "Mult-DAE", 4)
    set_epochs(tab, "Mult-VAE", 60)
    tab.get_by_role("button", name="Start 2 runs").click()
    wait_until(tab, lambda: "running)" in tab.title(), 20, "the note in the tab's title")
    wait_until(tab, lambda: points_drawn(tab, "Reconstruction loss") >= 2, 60, "a first piece of the curve")
    first = points_drawn(tab, "Reconstruction loss")
    wait_until(tab, lambda: points_drawn(tab, "Reconstruction loss") > first, 30, "a longer curve")
    wait_until(tab, lambda: "running)" not in tab.title(), 120, "the end of both runs")

    go_to(tab, "Recommend")
    search = tab.get_by_role("combobox", name="Search movies")
    for query, title in (("matrix the", "The Matrix"), ("godfater", "The Godfather")):
        search.press_sequentially(query, delay=30)
        tab.get_by_role("option", name=re.compile(title)).first.wait_for()
        search.press("Enter")
    tab.wait_for_url(re.compile(r"pick=\d+&pick=\d+"))
    columns = tab.locator("section.column")
    for place, name in enumerate(("Mult-DAE", "Mult-VAE")):
        columns.nth(place).get_by_role("heading", name=name).wait_for()
        assert columns.nth(place).get_by_role("listitem").count() == 10
    assert tab.get_by_text("the ratings are generated").count() >= 1


@pytest.mark.slow
def test_two_runs_grow_side_by_side_one_is_stopped_and_resumed_and_the_view_can_be_shared(app: str, tab: Any) -> None:
    tab.goto(f"{app}/train?model=multdae&model=multvae&preset=fast")
    tab.get_by_role("button", name="Start 2 runs").wait_for()
    tab.get_by_text("Settings", exact=True).click()
    set_epochs(tab, "Mult-DAE", 5)
    set_epochs(tab, "Mult-VAE", 300)  # early stopping waits for beta, which takes 150
    tab.get_by_role("button", name="Start 2 runs").click()
    tab.get_by_role("button", name="Stop").first.wait_for()

    go_to(tab, "Curves")
    wait_until(tab, lambda: points_drawn(tab, "KL divergence") >= 2, 60, "a first piece of the KL curve")
    first = points_drawn(tab, "KL divergence")
    wait_until(tab, lambda: points_drawn(tab, "KL divergence") > first, 30, "a longer KL curve")

    go_to(tab, "Train")
    card = tab.locator("[class*=st-key-card-multvae]")
    card.get_by_role("button", name="Stop").click()
    card.get_by_text("stopped", exact=False).first.wait_for()
    card.get_by_role("button", name="Resume").click()
    card.get_by_role("button", name="Stop").wait_for()
    wait_until(tab, lambda: "running)" not in tab.title(), 120, "the end of both runs")

    go_to(tab, "Results")
    tab.get_by_text("is best by").first.wait_for()
    tab.goto(f"{app}/curves?x=seconds&smooth=0.5&show=kl&show=beta")
    tab.get_by_text("Differences in settings").wait_for()
    settle(tab)
    tab.get_by_text("Epoch", exact=True).first.click()
    settle(tab)
    view, drawn = tab.url, points_drawn(tab, "KL divergence")
    assert "x=" not in view and "smooth=0.5" in view
    other = tab.context.browser.new_page()
    other.goto(view)
    other.get_by_text("Differences in settings").wait_for()
    wait_until(other, lambda: points_drawn(other, "KL divergence") == drawn, 20, "the same picture in a new browser")
    assert other.url == view
    assert other.locator("figure").count() == 2
