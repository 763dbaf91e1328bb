"""The Results page in a real browser: sort, filter, baseline, seeds; the address opened elsewhere shows the same."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest

from recdash.services import compare
from tests.browser.conftest import serving
from tests.browser.test_recommend import serious_faults
from tests.run_helpers import SMALL, here, toy

__all__ = ["here", "toy"]
pytestmark = [pytest.mark.browser, pytest.mark.slow]
MAX_HEIGHT = 1800  # pixels, 1440 wide


@pytest.fixture
def app_with_results(here: list[str]) -> Iterator[str]:
    """The app on a store with three models, one of them with two training seeds; gives its address."""
    compare.start(compare.requests("toy", ["popularity", "ease"]))
    compare.start(compare.requests("toy", ["multdae"], training_seeds=[0, 1], settings=SMALL))
    with serving({**os.environ, "RECDASH_MAX_RUNS": "1"}) as server:
        yield server.url


def settle(tab: Any) -> None:
    tab.wait_for_timeout(300)
    tab.wait_for_function("() => !document.querySelector('[data-test-script-state=running]')", timeout=30_000)


def column(tab: Any, title: str) -> list[str]:
    """Texts of a column of the table, by its heading."""
    headings = [text.split("\n")[0].strip() for text in tab.locator("thead th").all_inner_texts()]
    place = headings.index(title) + 1
    return [text.strip() for text in tab.locator(f"tbody tr > :nth-child({place})").all_inner_texts()]


def view(tab: Any) -> list[str]:
    """Texts of the rows, without the age of the run, which grows."""
    rows = [row.replace("\n", " ") for row in tab.locator("table tr").all_inner_texts()]
    return [row.rsplit("\t", 1)[0] for row in rows]


def until_equal(tab: Any, read: Any, expected: Any) -> None:
    for _ in range(100):
        if read() == expected:
            return
        tab.wait_for_timeout(100)
    assert read() == expected


def is_sorted(cells: list[str], falling: bool) -> bool:
    """Whether the numbers at the start of cells fall or rise; False while the table is being drawn."""
    try:
        values = [float(text.split()[0]) for text in cells]
    except (ValueError, IndexError):
        return False
    return len(values) > 1 and values == sorted(values, reverse=falling)


def test_sort_filter_baseline_and_seeds_survive_in_the_address(app_with_results: str, tab: Any) -> None:
    messages: list[str] = []
    tab.on("console", lambda message: messages.append(message.text))
    tab.goto(f"{app_with_results}/results")
    tab.get_by_role("region", name=re.compile("Results on toy")).wait_for()
    settle(tab)
    assert column(tab, "Model")[0].split()[0] in ("EASE", "Mult-DAE")

    for clicks in (1, 2):
        tab.get_by_role("columnheader").get_by_role("button", name=re.compile(r"Recall@20")).click()
        tab.wait_for_url(re.compile("sort=recall%4020" + ("&|$" if clicks == 1 else "%3Areverse")))
        settle(tab)
        best_first = clicks == 1
        until_equal(tab, lambda best_first=best_first: is_sorted(column(tab, "Recall@20 (min)"), best_first), True)

    tab.get_by_role("combobox", name=re.compile("Baseline")).click()
    tab.get_by_role("option", name=re.compile("Popularity")).click()
    tab.get_by_text("from Popularity").wait_for()
    tab.get_by_role("button", name=re.compile("Show the 2 seeds")).click()
    tab.get_by_role("link", name="seed 1").wait_for()
    tab.get_by_role("checkbox", name="Select EASE").check()
    tab.get_by_role("checkbox", name="Select seed 1").check()
    tab.get_by_text("2 runs selected").wait_for()
    tab.get_by_text("Differences in settings").wait_for()
    settle(tab)
    assert serious_faults(tab) == []
    tab.get_by_role("button", name="Clear").click()
    tab.get_by_text("2 runs selected").wait_for(state="detached")
    settle(tab)
    height = tab.evaluate("() => document.querySelector('[data-testid=stMainBlockContainer]').scrollHeight")
    assert height <= MAX_HEIGHT

    tab.get_by_role("checkbox", name="Select EASE").check()
    tab.wait_for_url(re.compile("select=ease"))
    settle(tab)
    address = tab.url
    other = tab.context.browser.new_context(viewport={"width": 1440, "height": 1200}, color_scheme="dark").new_page()
    other.goto(address)
    other.get_by_text("from Popularity").wait_for()
    other.get_by_role("button", name=re.compile("Show the 2 seeds")).click()
    until_equal(other, lambda: view(other), view(tab))
    assert other.url == address
    assert serious_faults(other) == []

    search = tab.get_by_placeholder(re.compile("Filter"))
    search.fill("model:ease")
    until_equal(tab, lambda: len(column(tab, "Model")), 1)
    search.fill("")
    until_equal(tab, lambda: len(column(tab, "Model")), 5)

    tab.get_by_test_id("stMainBlockContainer").get_by_role("link", name="EASE", exact=True).click()
    tab.get_by_role("heading", name="EASE on toy").wait_for()
    tab.wait_for_url(re.compile(r"/run\?id=ease-"))
    settle(tab)
    assert serious_faults(tab) == []
    assert not [text for text in messages if "Infinite extent" in text]
