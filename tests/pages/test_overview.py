"""The Overview page: the demo's progress with its link to the live curves, and links to the pages of runs."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from streamlit.testing.v1 import AppTest

from recdash.runs.states import State
from tests.pages.conftest import Open, Runs, page_text


def links(tab: AppTest) -> dict[str, dict[str, list[str]]]:
    """The URL parameters of each link to another page, by label."""
    found: Any = tab.get("page_link")
    return {link.proto.label: parse_qs(link.proto.query_string) for link in found}


def batch(runs: Runs) -> dict[str, str]:
    """Runs of the demo that were queued together."""
    request = {"dataset": "demo", "preset": "fast"}
    names = ("multvae", "recvae", "multdae", "ease")
    return {name: runs.running(name, name=f"{name} on demo", **request) for name in names}


def test_the_progress_of_the_demo_links_to_the_curves_of_the_batch(open_page: Open, runs: Runs) -> None:
    ids = batch(runs)
    tab = open_page("overview")
    assert not tab.exception, tab.exception
    assert "**Training all models on the demo** :gray[0 of 4 done]" in page_text(tab)  # also in a new session
    assert links(tab)["Watch live"] == {"batch": [ids["multvae"]]}


def test_the_link_stays_after_the_batch(open_page: Open, runs: Runs) -> None:
    ids = batch(runs)
    tab = open_page("overview")
    for run_id in ids.values():
        runs.store.end_run(run_id, runs.me, State.FINISHED, metrics={"ndcg@100": 0.3})
    tab.run()
    assert links(tab)["See the curves"] == {"batch": [ids["multvae"]]}


def test_runs_of_the_demo_without_a_batch_have_no_progress_card(open_page: Open, runs: Runs) -> None:
    runs.running("multvae", dataset="demo", preset="fast")
    tab = open_page("overview")
    assert "Training all models" not in page_text(tab)


def test_names_of_the_latest_runs_are_shown_as_written(open_page: Open, runs: Runs) -> None:
    run_id = runs.finished(name="*a* [b](c)")
    tab = open_page("overview")
    assert links(tab)["\\*a\\* \\[b\\]\\(c\\)"] == {"id": [run_id]}
