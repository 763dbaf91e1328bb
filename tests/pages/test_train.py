"""Train: choosing, starting once and only once, settings, and what can be done to runs."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from recdash.models import registry
from recdash.runs import queue
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State
from recdash.runs.store import Store
from tests.pages.conftest import (
    Open,
    Runs,
    labels,
    page_text,
)


def start(tab: AppTest) -> AppTest:
    tab.button(key="start").click().run()
    assert not tab.exception and not tab.error, page_text(tab)
    return tab


def names(found: list[RunRecord]) -> set[str]:
    return {run.model for run in found}


def test_pressing_start_queues_one_run_per_model(open_page: Open, waiting: list[str], store: Store) -> None:
    tab = open_page("train", dataset="toy", model=["ease", "multvae"])
    assert "Start 2 runs" in labels(tab)
    start(tab)
    assert names(store.runs()) == {"ease", "multvae"}
    assert {run.state for run in store.runs()} == {State.QUEUED}
    assert waiting  # a supervisor was started


def test_two_tabs_that_press_start_train_once(open_page: Open, waiting: list[str], store: Store) -> None:
    tabs = [open_page("train", dataset="toy", model=["multvae"]) for _ in range(2)]
    for tab in tabs:
        start(tab)
    assert len(store.runs()) == 1


def test_what_is_trained_already_is_not_trained_again_unless_asked(
    open_page: Open, waiting: list[str], store: Store
) -> None:
    tab = start(open_page("train", dataset="toy", model=["multvae"]))
    assert "1 of 1 run already exists" in page_text(tab)
    assert tab.button(key="start").disabled
    tab.checkbox(key="again").check().run()
    assert not tab.button(key="start").disabled


def test_seeds_give_one_run_each(open_page: Open, waiting: list[str], store: Store) -> None:
    start(open_page("train", dataset="toy", model=["ease"], seeds="1-3"))
    assert sorted(run.seed for run in store.runs()) == [1, 2, 3]


def test_wrong_seeds_are_explained_and_nothing_can_be_started(open_page: Open, waiting: list[str]) -> None:
    tab = open_page("train", dataset="toy", model=["ease"], seeds="many")
    assert "not whole numbers" in tab.error[0].value
    assert tab.button(key="start").disabled


def open_settings(tab: AppTest) -> AppTest:
    tab.session_state["settings_open"] = True
    return tab.run()


def test_the_form_has_every_setting_with_its_bounds_and_help(open_page: Open) -> None:
    tab = open_settings(open_page("train", dataset="toy", model=["multvae"]))
    assert not tab.exception
    dropout = tab.number_input(key="set/toy/auto/multvae/dropout")
    assert (dropout.min, dropout.max, dropout.value) == (0, 0.99, 0.5)
    assert "dropout probability of an input item" in dropout.help
    assert tab.number_input(key="set/toy/auto/multvae/anneal_updates").value is None
    assert tab.text_input(key="set/toy/auto/multvae/hidden").value == "none"
    assert tab.selectbox(key="set/toy/auto/multvae/precision").options == ["auto", "float32", "bfloat16"]


def test_a_changed_setting_is_shown_sent_and_can_be_reset(open_page: Open, waiting: list[str], store: Store) -> None:
    tab = open_settings(open_page("train", dataset="toy", model=["multvae"]))
    tab.number_input(key="set/toy/auto/multvae/beta_cap").set_value(0.7).run()
    tab.text_input(key="set/toy/auto/multvae/hidden").set_value("60-30").run()
    assert "beta\\_cap = **0\\.7** :gray[(preset 0\\.2)]" in page_text(tab)
    start(tab)
    assert store.runs()[0].settings == {"beta_cap": 0.7, "hidden": [60, 30]}
    tab.button(key=next(b.key for b in tab.button if b.label == "Reset to preset")).click().run()
    assert "beta\\_cap" not in page_text(tab).split("Running and queued")[0].split("Log")[
        0
    ] or "preset 0" not in page_text(tab)


def test_a_setting_out_of_bounds_is_refused_with_an_error(open_page: Open, waiting: list[str], store: Store) -> None:
    tab = open_settings(open_page("train", dataset="toy", model=["multvae"]))
    tab.text_input(key="set/toy/auto/multvae/hidden").set_value("a lot").run()
    assert "hidden" in tab.error[0].value and "Example" in tab.error[0].value
    assert tab.button(key="start").disabled


def test_the_data_says_that_it_is_generated_where_it_is(open_page: Open) -> None:
    assert "ratings are generated" in page_text(open_page("train"))
    assert "ratings are generated" not in page_text(open_page("train", dataset="toy"))


def test_a_run_is_stopped_resumed_retried_and_deleted(
    open_page: Open, runs: Runs, store: Store, waiting: list[str]
) -> None:
    run_id = runs.queued()
    tab = open_page("train")
    tab.button(key=f"Stop.{run_id}").click().run()
    assert store.run(run_id).state is State.STOPPED
    tab.button(key=f"Resume.{run_id}").click().run()
    assert store.run(run_id).state is State.QUEUED
    queue.stop(store, run_id)
    tab.run()
    tab.button(key=f"Delete run.{run_id}").click().run()
    assert not store.runs() and not tab.exception


def test_the_error_of_a_failed_run_is_one_line_and_its_log_a_click_away(open_page: Open, runs: Runs) -> None:
    from recdash.runs.run_folder import RunFolder

    run_id = runs.failed("The disk is full. Free some space and resume the run.")
    RunFolder(run_id).make()
    RunFolder(run_id).log.write_text("reading toy\nOSError: no space\n")
    tab = open_page("train")
    assert "The disk is full" in tab.error[0].value
    assert not tab.code
    tab.session_state[f"more.{run_id}"] = True
    tab.run()
    assert "OSError: no space" in tab.code[0].value


def test_a_run_is_renamed_whatever_its_name_looks_like(open_page: Open, runs: Runs, store: Store) -> None:
    run_id = runs.finished()
    tab = open_page("train")
    tab.session_state[f"more.{run_id}"] = True
    tab.run()
    tab.text_input(key=f"name.{run_id}").set_value("<b>x</b> M*A*S*H $1 $2")
    tab.text_input(key=f"note.{run_id}").set_value("=cmd()")
    next(b for b in tab.form_submit_button if b.label == "Save").click().run()
    assert store.run(run_id).name == "<b>x</b> M*A*S*H $1 $2"
    assert "\\<b\\>x\\<\\/b\\> M\\*A\\*S\\*H \\$1 \\$2" in page_text(tab)


def test_progress_says_how_far_and_how_long(open_page: Open, runs: Runs) -> None:
    runs.running(epochs=3)
    tab = open_page("train")
    assert tab.progress[0].value == 60
    assert tab.progress[0].text.startswith("Epoch 3 of at most 5, at most ")
    assert len(tab.get("vega_lite_chart")) == 3  # reconstruction, KL, NDCG


@pytest.mark.slow
def test_only_presets_that_all_chosen_models_have_are_offered(open_page: Open) -> None:
    def offered(*models: str) -> list[str]:
        return open_page("train", dataset="toy", model=list(models), preset="tuned").segmented_control[0].options

    for models in (["ease"], ["ease", "multvae"]):
        has = [set(registry.presets_of(model)) for model in models]
        assert set(offered(*models)) == set.intersection(*has) and "tuned" not in offered(*models)


@pytest.mark.slow
def test_split_options_are_offered_where_they_suit_and_sent(open_page: Open, waiting: list[str], store: Store) -> None:
    tab = open_page("train", dataset="toy", model=["ease"], positive_from="3", ignore_ratings="0, 99")
    assert [field.label for field in tab.text_input if field.label == "Positive from"]
    start(tab)
    assert store.runs()[0].options == {"positive_from": 3.0, "ignore_ratings": [0.0, 99.0]}
    assert "positives from 3, ratings of 0 or 99 ignored" in page_text(tab).replace("\\", "")
    rating = open_page("train", dataset="toy", protocol="ratings-90", model=["bias"])
    assert not [field for field in rating.text_input if field.label == "Positive from"]


def test_a_split_option_that_means_nothing_is_explained(open_page: Open, waiting: list[str]) -> None:
    tab = open_page("train", dataset="toy", model=["ease"], positive_from="four")
    assert "is not a number" in tab.error[0].value.replace("\\", "") and tab.button(key="start").disabled
    outside = open_page("train", dataset="toy", model=["ease"], scale="1..3")
    assert "outside the scale 1 to 3" in outside.error[0].value.replace("\\", "")


def test_ties_in_time_are_reported_before_a_training_starts(open_page: Open, waiting: list[str], store: Store) -> None:
    from recdash import paths
    from tests.splits.test_event_order import days_of

    days_of(1).save(paths.data_dir() / "sets" / "days")
    tab = open_page("train", dataset="days", protocol="strong-temporal", model=["ease"], ties="random")
    (warned,) = [element.value.replace("\\", "") for element in tab.warning]
    assert warned == (
        "days: 100% of the interactions have the same time as another one of the same user; "
        "they are ordered at random by the split seed."
    )
    start(tab)
    assert store.runs()[0].options == {"ties": "random"}
    assert not open_page("train", dataset="days", model=["ease"]).warning


def test_the_data_page_says_what_ties_do_to_a_protocol(open_page: Open) -> None:
    from recdash import paths
    from tests.splits.test_event_order import days_of

    days_of(1).save(paths.data_dir() / "sets" / "days")
    tab = open_page("data", dataset="days", protocol="strong-temporal", tab="Protocol")
    assert "Another order could change up to 100 of 100 held-out items" in page_text(tab).replace("\\", "")
