"""The tab's title: active runs, what the page shows, the page's name."""

from __future__ import annotations

from typing import Any

import pytest
import streamlit as st

from recdash.ui import page_title
from tests.pages.conftest import Open, Runs


@pytest.fixture
def titles(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All titles sent to the browser, in order."""
    sent: list[str] = []
    known = st.set_page_config

    def note(**config: Any) -> None:
        sent.append(config.get("page_title", ""))
        known(**config)

    monkeypatch.setattr(page_title.st, "set_page_config", note)
    return sent


def test_the_title_says_what_is_shown(open_page: Open, runs: Runs, titles: list[str]) -> None:
    open_page("data")
    assert titles[-1] == "demo · Data · recdash"
    open_page("published", table="vae20m")
    assert titles[-1] == "Two models on MovieLens-20M · Published · recdash"
    runs.running()
    open_page("overview")
    assert titles[-1] == "(1 running) Overview · recdash"
    open_page("train", dataset="toy", model=["ease", "multvae"])
    assert titles[-1] == "(1 running) EASE, Mult-VAE on toy · Train · recdash"
    open_page("train", view="queue")
    assert titles[-1] == "(1 running) Queue · Train · recdash"


def test_a_title_is_kept_while_a_page_reruns_and_dropped_when_it_is_no_longer_right(titles: list[str]) -> None:
    page_title.enter("Curves")
    page_title.set_text("Mult-VAE,\n RecVAE")
    page_title.leave()
    page_title.enter("Curves")
    page_title.write()
    assert titles[-1] == "Mult-VAE, RecVAE · Curves · recdash"
    page_title.leave()
    assert titles[-1] == "Curves · recdash"
    page_title.enter("Curves")
    page_title.set_text("RecVAE")
    page_title.enter("Data")
    page_title.write()
    assert titles[-1] == "Data · recdash"
