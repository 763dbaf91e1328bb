"""A user's file becomes a dataset in a real browser, in a few clicks."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.browser.test_first_visit import go_to, settle

pytestmark = pytest.mark.browser
MOST_CLICKS = 4


class Clicks:
    """Clicks on what has a role and a name, and counts them."""

    def __init__(self, tab: Any) -> None:
        self.tab, self.number = tab, 0

    def on(self, role: str, name: str) -> None:
        """Click once, and wait for the page."""
        self.number += 1
        self.tab.get_by_role(role, name=name, exact=True).click()
        settle(self.tab)

    def upload(self, path: Path) -> None:
        """Choose a file in the dialog that one click opens."""
        self.number += 1
        with self.tab.expect_file_chooser() as chooser:
            self.tab.get_by_test_id("stFileUploader").first.get_by_test_id("stBaseButton-secondary").click()
        chooser.value.set_files(path)


@pytest.fixture
def unusual(tmp_path: Path) -> Path:
    """A file of 300 interactions of 30 users and 20 items whose item column is called like no other."""
    pairs = random.Random(7).sample([(user, item) for user in range(30) for item in range(20)], 300)
    rows = "".join(f"u{user},Film {item},{(user + item) % 5 + 1},2024-03-{item + 1:02}\n" for user, item in pairs)
    path = tmp_path / "my films.csv"
    path.write_text(f"user,what,stars,date\n{rows}", encoding="utf-8")
    return path


def counts(tab: Any) -> dict[str, str]:
    """What the metrics on the page say."""
    found = tab.get_by_test_id("stMetric").filter(visible=True)
    return dict(text.split("\n")[:: len(text.split("\n")) - 1] for text in found.all_inner_texts())


@pytest.mark.slow
def test_a_new_user_imports_a_file_with_an_unusual_column_in_under_five_clicks(
    app: str, tab: Any, unusual: Path
) -> None:
    tab.goto(app)
    tab.get_by_role("button", name="Train all models on the demo").wait_for()
    go_to(tab, "Data")
    clicks = Clicks(tab)
    clicks.on("tab", "Import")
    clicks.upload(unusual)
    tab.get_by_text("no item column recognised").wait_for()
    clicks.on("button", '"what" is the item')
    tab.get_by_role("button", name="Import", exact=True).wait_for()
    seen = counts(tab)
    assert (seen["Users"], seen["Items"], seen["Interactions"]) == ("30", "20", "300")
    assert tab.get_by_text("Ratings on a scale of 1 to 5").is_visible()
    clicks.on("button", "Import")
    assert clicks.number <= MOST_CLICKS

    tab.wait_for_url("**/data?*dataset=my-films*")
    tab.get_by_text("Long tail").wait_for()
    settle(tab)
    assert tab.get_by_role("tab", name="Summary", exact=True).get_attribute("aria-selected") == "true"
    seen = counts(tab)
    assert (seen["Users"], seen["Items"], seen["Ratings"]) == ("30", "20", "300")
    assert tab.get_by_text("imported: 30 users, 20 items, 300 interactions").count() == 1
