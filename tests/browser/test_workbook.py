"""The annealing workbook in a real browser: move the cap, train, and see the KL divergence per dimension answer."""

from __future__ import annotations

import re
from typing import Any

import pytest

from recdash.services import launch, runs, training_requests
from tests.browser.test_first_visit import settle, wait_until
from tests.browser.test_recommend import serious_faults

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SECONDS = 90  # for a try of 10 epochs on a busy machine


def chart(tab: Any, start: str) -> Any:
    """The first chart whose text for readers who do not see it starts so."""
    return tab.locator(f'[data-testid=stVegaLiteChart][aria-label^="{start}"]').first


def spectrum(tab: Any, number: int) -> float:
    """The largest KL divergence of a dimension that the card of a try says."""
    card = tab.locator(f".st-key-workbook-try{number}")
    text = chart(card, "KL per dimension").get_attribute("aria-label")
    return float(re.search(r": (\S+) to", text).group(1))  # type: ignore[union-attr]


def cards(tab: Any) -> Any:
    """The cards of tries that have an answer."""
    return tab.get_by_text(re.compile(r"of 16 active"))


def train(tab: Any, number: int) -> None:
    """Click "Train" and wait for the answer of a try."""
    button = tab.get_by_role("button", name="Train", exact=True)
    button.click()
    tab.locator(f".st-key-workbook-try{number}").wait_for()
    # A try shows what it has so far; the button is disabled until it has ended.
    wait_until(
        tab, lambda: button.is_enabled() and cards(tab).count() == number, SECONDS, f"the answer of try {number}"
    )


def test_the_cap_moves_the_schedule_and_a_try_answers(app: str, tab: Any) -> None:
    requests = training_requests.build_requests("multvae", "demo", settings={"epochs": 4, "latent": 16})
    (run,) = launch.wait([launch.train(requests)[0].id], timeout=SECONDS)
    assert run.state == "finished", run.error
    tab.goto(f"{app}/curves?run={run.id}&section=vae&wb_epochs=10&wb_latent=16")
    for alt in ("Loss by epoch as reconstruction", "Beta by epochs done", "Heat map of the KL", "Active latent"):
        chart(tab, alt).wait_for()
    chart(tab, "Planned beta by epochs done: up to 0.2 ").wait_for()
    settle(tab)
    train(tab, 1)
    light = spectrum(tab, 1)

    cap = tab.get_by_role("slider", name="Cap of beta")
    cap.focus()
    for _ in range(12):  # from 0.2 to 3; a key during a rerun may be lost
        if cap.get_attribute("aria-valuetext") != "3":
            tab.keyboard.press("ArrowRight")
            settle(tab)
    chart(tab, "Planned beta by epochs done: up to 3 ").wait_for()
    tab.wait_for_url(re.compile(r"wb_cap=3\.0"))
    train(tab, 2)
    assert spectrum(tab, 2) < light, "a heavier KL divergence left as much in the latent code"
    tab.get_by_text("With a cap of 3 instead of 0.2").wait_for()
    assert len(re.findall("wb_try=", tab.url)) == 2
    assert serious_faults(tab) == []

    shared = tab.url
    tab.goto(app)
    tab.goto(shared)  # as somebody else would open it
    wait_until(tab, lambda: cards(tab).count() == 2, 30, "the tries of a shared address")
    assert [one.id for one in runs.list_runs()] == [run.id], "tries are not archived"
