"""The Recommend page: which lists answer, and that none of an earlier choice stays."""

from __future__ import annotations

import torch
from streamlit.testing.v1 import AppTest

from recdash.services import launch, training_requests
from recdash.services import runs as run_service
from tests.pages.conftest import (
    Open,
    Runs,
    labels,
    page_text,
)

NOTHING_CHOSEN = "No model is selected. Select at least one under Models."


def suggestions(tab: AppTest) -> list[str]:
    """The keys of all suggestions on the page."""
    return [button.key for button in tab.button if (button.key or "").startswith("like.")]


def clear(tab: AppTest) -> AppTest:
    tab.multiselect(key="url.list").set_value([]).run()
    assert not tab.exception and not tab.error, page_text(tab)
    return tab


def test_after_clearing_all_lists_none_stays_and_the_page_says_what_to_do(open_page: Open, runs: Runs) -> None:
    runs.answering(), runs.answering("ease", seed=1)
    tab = open_page("recommend", dataset="toy", pick=["1", "4"])
    assert len(suggestions(tab)) == 20 and NOTHING_CHOSEN not in page_text(tab)
    clear(tab)
    assert suggestions(tab) == []
    assert NOTHING_CHOSEN in page_text(tab) and "How the lists differ" not in page_text(tab)


def test_the_answer_from_before_any_training_does_not_come_back(open_page: Open, runs: Runs) -> None:
    tab = open_page("recommend", dataset="toy", pick=["1", "4"])
    assert suggestions(tab)[0].startswith("like.instant.")
    runs.answering()
    clear(tab.run())
    assert suggestions(tab) == [] and "fitted on demand" not in page_text(tab)


def test_a_choice_made_again_is_answered_again(open_page: Open, runs: Runs) -> None:
    first, second = runs.answering(), runs.answering("ease", seed=1)
    tab = clear(open_page("recommend", dataset="toy", pick=["1", "4"]))
    tab.multiselect(key="url.list").set_value([second]).run()
    assert len(suggestions(tab)) == 10 and all(f".{second}." in key for key in suggestions(tab))
    assert NOTHING_CHOSEN not in page_text(tab) and first not in "".join(suggestions(tab))


def test_without_picks_a_cleared_choice_does_not_claim_that_nothing_is_trained(open_page: Open, runs: Runs) -> None:
    runs.answering()
    tab = open_page("recommend", dataset="toy")
    assert "side by side" in page_text(tab)
    clear(tab)
    assert NOTHING_CHOSEN in page_text(tab) and "Nothing is trained" not in page_text(tab)


def test_when_the_last_run_is_deleted_one_model_is_fitted_at_once_again(open_page: Open, runs: Runs) -> None:
    run_id = runs.answering()
    tab = open_page("recommend", dataset="toy", pick=["1", "4"])
    run_service.delete(run_id)
    tab.run()
    assert not tab.exception and suggestions(tab)[0].startswith("like.instant.")


def test_by_default_the_run_of_the_usual_protocol_answers(open_page: Open, runs: Runs) -> None:
    usual = runs.answering(epochs=2, seed=1)
    runs.answering(epochs=5, seed=2, protocol="strong-temporal", split="beef")
    tab = open_page("recommend", dataset="toy", pick=["1", "4"])
    assert tab.multiselect(key="url.list").value == [usual]
    assert "strong, split seed 98765" in page_text(tab)


def test_a_model_that_reads_no_picks_gives_no_reasons(open_page: Open, here: list[str]) -> None:
    launch.train(training_requests.build_requests("random, popularity", "toy"))
    tab = open_page("recommend", dataset="toy", pick=["1", "4", "7"])
    assert len(suggestions(tab)) == 20 and "Start" not in labels(tab)
    assert "because of" not in page_text(tab)


def test_the_device_is_asked_for_only_where_there_is_a_choice(open_page: Open, runs: Runs, monkeypatch) -> None:
    from recdash.runs import gpu_placement

    runs.answering("ease")
    assert [box.label for box in open_page("recommend", dataset="toy").selectbox] == ["Dataset"]
    monkeypatch.setattr(gpu_placement, "gpu_count", lambda: 2)
    monkeypatch.setattr("recdash.devices.choose", lambda device: torch.device("cpu"))
    tab = open_page("recommend", dataset="toy", device="cuda:1", pick=["1", "4"])
    assert tab.selectbox(key="url.device").options == ["cpu", "cuda:0", "cuda:1"]
    assert tab.selectbox(key="url.device").value == "cuda:1"
    assert not tab.exception and len(suggestions(tab)) == 10
