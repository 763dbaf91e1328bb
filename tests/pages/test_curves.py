"""The Curves page: which runs it shows by default, what it says about the others, and what its address holds."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from recdash.runs import queue
from recdash.runs.states import State
from recdash.ui.components import component
from tests.pages.conftest import Open, Runs, labels, page_text

Drawn = dict[str, Any]


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """What the page handed to its components, by key."""
    drawn: Drawn = {}
    monkeypatch.setattr(component, "mount", lambda name, key, data, *_, **__: drawn.update({key: data}))
    return drawn


def lines(board: Drawn) -> set[str]:
    """The ids of the drawn runs."""
    return {line["id"] for part in ("ended", "active") for line in board[f"board.curves.{part}"]["lines"]}


def panels(board: Drawn) -> list[str]:
    """The titles of the charts."""
    return [panel["title"] for facet in board["board.curves.layout"]["facets"] for panel in facet["panels"]]


def address(tab: AppTest, name: str) -> list[str]:
    """All values of a parameter in the address."""
    value = tab.query_params[name]
    return value if isinstance(value, list) else [value]


def test_by_default_the_vaes_of_the_batch_are_shown_before_they_start(
    open_page: Open, runs: Runs, board: Drawn
) -> None:
    first = [runs.queued(model) for model in ("multvae", "recvae", "multdae")]
    started = runs.running("deeprec", protocol="ratings-90")
    waiting = runs.queued("autorec", protocol="ratings-90")
    tab = open_page("curves")
    assert not tab.exception
    assert lines(board) == {*first, started}
    assert {"KL divergence", "Beta", "NDCG@100"} <= set(panels(board))
    queue.claim(runs.store, waiting, runs.me, 1)
    tab.run()
    assert lines(board) == {*first, started, waiting}


def test_a_link_to_a_batch_replaces_an_earlier_selection_and_grows(open_page: Open, runs: Runs, board: Drawn) -> None:
    old = runs.finished("multdae", name="old")
    tab = open_page("curves", run=[old])
    assert lines(board) == {old}
    batch = [runs.queued(model, seed=7) for model in ("multvae", "cdae")]
    tab.switch_page("pages/overview.py").run()
    tab.query_params.clear()
    tab.query_params["batch"] = batch[0]
    tab.switch_page("pages/curves.py").run()
    assert batch[0] in lines(board) and batch[1] not in lines(board)
    queue.claim(runs.store, batch[1], runs.me, 1)
    tab.run()
    assert set(batch) <= lines(board)
    assert "run" not in tab.query_params


def test_models_that_are_solved_in_one_step_are_left_out_with_a_reason(
    open_page: Open, runs: Runs, board: Drawn
) -> None:
    ids = [runs.queued("ease", epochs=None), runs.running("multvae")]
    tab = open_page("curves", run=ids)
    assert lines(board) == {ids[1]}
    assert any("solved in one step: EASE" in str(caption.value) for caption in tab.caption)
    assert not tab.warning


def test_runs_stay_when_they_end(open_page: Open, runs: Runs, board: Drawn) -> None:
    ids = {runs.running("multvae"), runs.running("recvae", seed=1), runs.running("multdae", seed=2)}
    tab = open_page("curves")
    for run_id in sorted(ids):
        runs.store.end_run(run_id, runs.me, State.FINISHED, metrics={"ndcg@100": 0.3}, runtime_s=1.0)
        tab.run()
        assert lines(board) == ids
    assert "run" not in tab.query_params, "only a click writes to the address"
    assert "show" not in tab.query_params


def test_share_writes_ids_to_the_address(open_page: Open, runs: Runs, board: Drawn) -> None:
    run_id = runs.running()
    tab = open_page("curves")
    tab.button(key="share").click().run()
    assert address(tab, "run") == [run_id]
    assert set(address(tab, "show")) == {"reconstruction", "kl", "ndcg@100", "beta"}
    again = open_page("curves", run=[run_id], show=["kl"])
    assert lines(board) == {run_id}
    assert panels(board) == ["KL divergence"]
    assert not again.warning


def test_a_value_that_no_run_has_recorded_yet_stays_in_the_address(open_page: Open, runs: Runs, board: Drawn) -> None:
    run_id = runs.queued()
    tab = open_page("curves", run=[run_id], show=["kl", "beta", "refeeding_loss"])
    assert address(tab, "show") == ["kl", "beta", "refeeding_loss"]
    assert set(panels(board)) == {"KL divergence", "Beta"}


def test_an_unknown_run_is_named(open_page: Open, runs: Runs, board: Drawn) -> None:
    run_id = runs.finished()
    tab = open_page("curves", run=[run_id, "gone-12345678"])
    (warning,) = tab.warning
    assert "gone\\-12345678" in warning.value
    assert lines(board) == {run_id}


def test_a_run_that_died_before_its_first_epoch_says_so(open_page: Open, runs: Runs, board: Drawn) -> None:
    run_id = runs.queued()
    queue.claim(runs.store, run_id, runs.me, 1)
    queue.end_dead_run(runs.store, run_id, runs.me.pid, State.INTERRUPTED, "The process was killed.")
    tab = open_page("curves", run=[run_id])
    text = page_text(tab)
    assert "interrupted" in text
    assert "The process was killed" in text
    assert "before its first epoch" in text
    assert "Waiting" not in text
    assert "Resume" in labels(tab)


def test_runs_on_other_data_get_charts_of_their_own_or_a_warning(open_page: Open, runs: Runs, board: Drawn) -> None:
    ids = [runs.finished(), runs.finished(protocol="weak", seed=3, split="beef")]
    tab = open_page("curves", run=ids, show=["kl"])
    assert panels(board) == ["KL divergence", "KL divergence"]
    assert not any("mix" in str(caption.value) for caption in tab.caption)
    mixed = open_page("curves", run=ids, show=["kl"], split="False")
    assert panels(board) == ["KL divergence"]
    assert any("not comparable" in str(caption.value) for caption in mixed.caption)
    mixed.button(key="separate").click().run()
    assert panels(board) == ["KL divergence", "KL divergence"]


def test_links_of_earlier_versions_keep_their_axis(open_page: Open, runs: Runs, board: Drawn) -> None:
    open_page("curves", run=[runs.finished()], x="seconds")
    assert board["board.curves.layout"]["options"]["x"] == "relative"


def test_c9_a_click_on_a_line_pins_the_run() -> None:
    def page() -> None:
        from recdash.ui import curves_page as page_module
        from recdash.ui import url_state

        url_state.value_list("pin")
        page_module._on_board_action({"kind": "pick", "id": "a", "runs": ["a", "b"], "picked": True})
        page_module._on_board_action({"kind": "pick", "id": "a", "runs": ["a"], "picked": False})

    tab = AppTest.from_function(page).run()
    assert address(tab, "pin") == ["b"]
