"""The Tune tab in a real browser: a search is started, watched, and opened by its address in a fresh browser."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.test_first_visit import settle, wait_until
from tests.browser.test_train_page import faults, hidden_right_of_screen

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_search_is_started_watched_and_opened_by_its_address(app: str, tab: Any) -> None:
    tab.goto(f"{app}/train?view=tune&model=ease&trials=3&sampler=random")
    start = tab.get_by_role("button", name="Start 3 trials of EASE")
    start.wait_for()
    tab.get_by_role("textbox", name="Values of l2", exact=True).wait_for()
    tab.get_by_role("checkbox", name="l2", exact=True).wait_for(state="attached")
    settle(tab)
    assert faults(tab) == []
    start.click()
    tab.wait_for_url(re.compile("study=ease-demo"))
    tab.get_by_role("heading", name="Study ease-demo").wait_for()
    tab.get_by_text(re.compile("best of 3 trials; the test part was read once")).wait_for(timeout=60_000)
    assert tab.get_by_role("row").filter(has_text="Trial 0").count() == 1
    settle(tab)
    assert faults(tab) == []
    received: list[int] = []
    tab.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(len(frame))))
    tab.goto(f"{tab.url}&plot=parallel")  # another socket, whose frames are counted
    tab.get_by_text("Settings and validation NDCG@100 of 3 trials").wait_for()
    settle(tab)
    before = sum(received)
    tab.wait_for_timeout(2500)
    assert before > 0 and sum(received) == before, "a study at rest is not asked about"

    fresh = tab.context.browser.new_context(viewport={"width": 390, "height": 844}).new_page()
    fresh.goto(tab.url)
    fresh.get_by_text("Settings and validation NDCG@100 of 3 trials").wait_for()
    settle(fresh)
    assert hidden_right_of_screen(fresh) == 0
    assert faults(fresh) == []
    fresh.get_by_role("link", name=re.compile("^Trial 0")).click()
    fresh.wait_for_url(re.compile(r"run\?id=ease-"))
    wait_until(fresh, lambda: fresh.get_by_role("link", name="Study ease-demo").count() == 1, 20, "the run's page")
