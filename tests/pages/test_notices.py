"""Runs that end while a page is open are announced once; those that ended before are not."""

from __future__ import annotations

import time

import pytest
from streamlit.testing.v1 import AppTest

from recdash.runs.states import State
from recdash.services import curve_import
from recdash.services import runs as service
from tests.pages.conftest import Open, Runs
from tests.pages.recommend_helpers import drawn

pytestmark = pytest.mark.usefixtures("components")


def messages(tab: AppTest) -> list[dict[str, str]]:
    """What the component shows."""
    notice: dict[str, list[dict[str, str]]] | None = drawn(tab, "notice")["notice"]
    return notice["messages"] if notice else []


def test_a_run_that_ends_is_announced_once_with_its_best_value_and_a_link(open_page: Open, runs: Runs) -> None:
    runs.finished(seed=1)
    run_id = runs.running(seed=2, name="mine [x](y)")
    tab = open_page("overview")
    assert not messages(tab) and drawn(tab, "notice")["active"]
    runs.store.end_run(run_id, runs.me, State.FINISHED, metrics={"ndcg@100": 0.31234})
    tab.run()
    expected = {
        "title": "mine [x](y)", "text": "finished: NDCG@100 0.3123", "address": f"run?id={run_id}", "state": "finished",
    }  # fmt: skip
    assert messages(tab) == [expected]
    before = drawn(tab, "notice")["notice"]
    tab.run()
    assert drawn(tab, "notice") == {"active": False, "notice": before}  # the same number: nothing new


def test_a_run_that_starts_and_ends_between_two_looks_is_announced(open_page: Open, runs: Runs) -> None:
    tab = open_page("overview")
    runs.failed("loss is nan in epoch 3")
    tab.run()
    assert [one["text"] for one in messages(tab)] == ["failed"]


def test_imported_curves_are_not_announced(open_page: Open, runs: Runs) -> None:
    runs.running()
    tab = open_page("overview")
    curve_import.import_uploads([("a.csv", f"step,loss,timestamp\n1,3,{time.time() + 60}\n".encode())])
    tab.run()
    assert not messages(tab) and not tab.exception


def test_many_runs_that_end_together_are_counted(open_page: Open, runs: Runs) -> None:
    ids = [runs.running(seed=seed) for seed in range(5)]
    tab = open_page("overview")
    for number, run_id in enumerate(ids):
        runs.store.end_run(run_id, runs.me, State.FINISHED if number else State.STOPPED, metrics={})
    tab.run()
    assert [(one["title"], one["text"]) for one in messages(tab)] == [("5 runs ended", "1 stopped and 4 finished")]


def test_a_deleted_run_is_not_announced(open_page: Open, runs: Runs) -> None:
    run_id = runs.running()
    tab = open_page("overview")
    runs.store.end_run(run_id, runs.me, State.STOPPED)
    service.delete(run_id)
    tab.run()
    assert not messages(tab) and not tab.exception
