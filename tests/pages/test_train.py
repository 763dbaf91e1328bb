"""Train: choosing, starting once and only once, settings, and what can be done to runs."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from recdash.models import registry
from recdash.runs import queue
from recdash.runs.resource_sampler import ResourceSampler
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State
from recdash.runs.store import Store, write_run
from recdash.services import launch, options, training_plan
from recdash.settings import DEFAULT_SPLIT_SEED
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
    assert "Start 2 runs: EASE, Mult-VAE" in labels(tab)
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
    tab.segmented_control(key="url.view").set_value("new").run()
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
    tab.segmented_control(key="url.view").set_value("new").run()
    tab.button(key=next(b.key for b in tab.button if b.label == "Reset to preset")).click().run()
    assert "preset 0" not in page_text(tab)


def test_the_form_shows_what_the_preset_is_for_the_training_part(
    open_page: Open, waiting: list[str], store: Store
) -> None:
    key = "set/toy/auto/multvae/batch_size"
    shapes = {
        protocol: training_plan.training_shape("toy", protocol, split_seed=DEFAULT_SPLIT_SEED)
        for protocol in ("strong", "weak")
    }
    auto = {name: registry.configure("multvae", shape).to_dict()["batch_size"] for name, shape in shapes.items()}
    whole = options.settings("multvae", "toy")
    assert auto["strong"] not in (auto["weak"], {one.name: value for one, value in whole}["batch_size"])
    tab = open_settings(open_page("train", dataset="toy", model=["multvae"]))
    assert tab.number_input(key=key).value == auto["strong"]
    tab.selectbox(key="url.protocol").set_value("weak").run()
    assert tab.number_input(key=key).value == auto["weak"] and "batch" not in page_text(tab), (
        "a field left alone follows"
    )
    tab.number_input(key=key).set_value(7).run()
    tab.selectbox(key="url.protocol").set_value("strong").run()
    assert tab.number_input(key=key).value == 7, "a changed one stays"


def test_an_emptied_number_means_the_preset_again(open_page: Open, waiting: list[str], store: Store) -> None:
    tab = open_settings(open_page("train", dataset="toy", model=["multvae"]))
    tab.number_input(key="set/toy/auto/multvae/latent").set_value(30).run()
    assert "latent = **30**" in page_text(tab)
    tab.number_input(key="set/toy/auto/multvae/latent").set_value(None).run()
    assert "latent" not in page_text(tab) and not tab.error
    start(tab)
    assert store.runs()[0].settings == {}


def test_a_setting_out_of_bounds_is_refused_with_an_error(open_page: Open, waiting: list[str], store: Store) -> None:
    tab = open_settings(open_page("train", dataset="toy", model=["multvae"]))
    tab.text_input(key="set/toy/auto/multvae/hidden").set_value("a lot").run()
    assert "hidden" in tab.error[0].value and "Example" in tab.error[0].value
    assert tab.button(key="start").disabled


def test_the_data_says_that_it_is_generated_where_it_is(open_page: Open) -> None:
    assert "ratings are generated" in page_text(open_page("train"))
    assert "ratings are generated" not in page_text(open_page("train", dataset="toy"))


def test_labels_of_settings_are_plain_text(open_page: Open) -> None:
    tab = open_settings(open_page("train", dataset="toy", model=["multvae"]))
    found = [field.label for field in (*tab.number_input, *tab.text_input, *tab.selectbox)]
    assert "batch size (users)" in found
    assert not [label for label in found if ":gray" in label or "\\" in label or "`" in label]


def test_a_run_is_removed_from_the_queue_resumed_and_deleted_and_that_undone(
    open_page: Open, runs: Runs, store: Store, waiting: list[str]
) -> None:
    run_id = runs.queued()
    tab = open_page("train", view="queue")
    tab.button(key=f"Remove.{run_id}").click().run()
    assert store.run(run_id).state is State.STOPPED
    assert "Just ended" in [header.value for header in tab.header]  # it stays in sight
    tab.button(key=f"Resume.{run_id}").click().run()
    assert store.run(run_id).state is State.QUEUED
    queue.stop(store, run_id)
    tab = open_page("train", view="earlier")
    tab.button(key=f"Delete.{run_id}").click().run()
    assert not store.runs() and "1 run deleted" in page_text(tab)
    tab.button(key="undo_trash").click().run()
    assert [run.id for run in store.runs()] == [run_id] and not tab.exception
    tab.button(key=f"Delete.{run_id}").click().run()
    tab.button(key="empty_trash").click().run()
    assert not store.runs(trashed=True) and not store.runs()


def test_the_queue_is_reordered(open_page: Open, runs: Runs, waiting: list[str]) -> None:
    first, second, third = (runs.queued(seed=seed) for seed in range(3))
    tab = open_page("train", view="queue")
    assert tab.button(key=f"Up.{first}").disabled and tab.button(key=f"Down.{third}").disabled
    tab.button(key=f"Down.{first}").click().run()
    assert [run.id for run in launch.queued()] == [second, first, third]
    tab.button(key=f"First.{third}").click().run()
    assert [run.id for run in launch.queued()] == [third, second, first]
    tab.button(key=f"Up.{first}").click().run()
    assert [run.id for run in launch.queued()] == [third, first, second]


def test_all_runs_or_only_the_queue_are_stopped_with_one_confirmation(
    open_page: Open, runs: Runs, store: Store, waiting: list[str]
) -> None:
    running = runs.running(seed=9)
    queued = [runs.queued(seed=seed) for seed in range(2)]
    tab = open_page("train", view="queue")
    tab.button(key="clear_queue").click().run()
    assert {store.run(run_id).state for run_id in queued} == {State.STOPPED}
    assert not store.run(running).stopping
    tab.button(key="stop_all").click().run()
    assert store.run(running).stopping


def test_a_run_is_trained_again_with_changes(open_page: Open, runs: Runs, store: Store, waiting: list[str]) -> None:
    run_id = runs.finished(settings={"latent": 30, "hidden": [60], "beta_cap": 1}, seed=4, preset="fast")
    tab = open_page("train", **{"from": run_id})
    assert tab.selectbox(key="url.dataset").value == "toy"
    assert tab.segmented_control(key="url.preset").value == "fast"
    assert tab.text_input(key="url.seeds").value == "4"
    text = page_text(tab).replace("\\", "")
    assert "Settings from **Mult-VAE on toy**" in text and "latent = **30**" in text and "hidden = **60**" in text
    open_settings(tab).number_input(key="set/toy/fast/multvae/latent").set_value(31).run()
    assert not tab.exception and not tab.warning
    start(tab)
    new = store.runs()[0]
    assert (new.settings, new.seed, new.preset) == ({"latent": 31, "hidden": [60], "beta_cap": 1.0}, 4, "fast")


def test_the_button_copy_fills_the_form_whatever_it_had_before(open_page: Open, runs: Runs) -> None:
    run_id = runs.finished("ease", settings={"l2": 7})
    tab = open_page("train", dataset="demo", model=["multvae"], seeds="3", view="earlier")
    tab.button(key=f"Clone.{run_id}").click().run()
    assert run_id in tab.query_params["from"] and "view" not in tab.query_params
    assert tab.selectbox(key="url.dataset").value == "toy"
    assert tab.button_group(key="url.model").value == ["ease"] and "l2 = **7**" in page_text(tab)
    tab.button(key="clear_from").click().run()
    assert "from" not in tab.query_params and "l2" not in page_text(tab)


def test_an_unknown_run_in_the_url_is_reported_and_the_form_works(open_page: Open) -> None:
    tab = open_page("train", **{"from": "multvae-00000000"})
    assert "multvae\\-00000000" in tab.warning[0].value and tab.selectbox(key="url.dataset").value == "demo"


def test_a_sweep_queues_tagged_runs(open_page: Open, waiting: list[str], store: Store) -> None:
    tab = open_page("train", dataset="toy", model=["multvae"], sweep="latent", **{"sweep.latent": "8, 16..24 step 8"})
    assert "Start 3 runs: Mult-VAE" in labels(tab) and "3 runs per seed" in page_text(tab)
    start(tab)
    found = store.runs()
    assert sorted(run.settings["latent"] for run in found) == [8, 16, 24]
    (tags,) = {run.tags for run in found}
    assert len(tags) == 1 and tags[0].startswith("sweep-latent-")
    assert {run.name for run in found} >= {"Mult-VAE on toy, latent 8"}


@pytest.mark.parametrize(
    ("values", "why"), [("8, x", "whole number"), ("1..200 step 1, 201, 202", "at most 200"), ("9..3", "starts above")]
)
def test_a_sweep_that_cannot_be_started_is_explained(open_page: Open, values: str, why: str) -> None:
    tab = open_page("train", dataset="toy", model=["multvae"], sweep="latent", **{"sweep.latent": values})
    assert why in tab.error[0].value.replace("\\", "") and tab.button(key="start").disabled


def test_the_plan_is_shown_and_refuses_data_that_cannot_be_split(open_page: Open) -> None:
    from tests.services.test_training_plan import save_small

    assert "time unknown" in page_text(open_page("train", dataset="toy", model=["ease"]))
    save_small(60)
    tab = open_page("train", dataset="few", model=["ease"])
    assert "needs 100" in tab.error[0].value and tab.button(key="start").disabled


def test_missing_memory_is_a_warning_that_can_be_overruled(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    from recdash import devices

    monkeypatch.setattr(devices, "available_bytes", lambda device: 1 << 20)
    tab = open_page("train", dataset="toy", model=["multvae"])
    assert "needs about" in tab.warning[0].value and tab.button(key="start").disabled
    tab.checkbox(key="start_anyway").check().run()
    assert not tab.button(key="start").disabled


def test_many_models_are_counted_in_the_label(open_page: Open) -> None:
    models = ["popularity", "ease", "multdae", "multvae", "recvae"]
    assert "Start 5 runs: Popularity, EASE, Mult-DAE and 2 more" in labels(
        open_page("train", dataset="toy", model=models)
    )


def test_several_earlier_runs_are_tagged_archived_and_deleted_at_once(
    open_page: Open, runs: Runs, store: Store
) -> None:
    ids = [runs.finished(seed=seed) for seed in range(3)]
    tab = open_page("train", view="earlier")
    tab.checkbox(key=f"pick.{ids[0]}").check().run()
    assert "**1 selected** of 3 runs" in page_text(tab)
    tab.button(key="pick_all").click().run()
    tab.text_input(key="bulk_tag").set_value("<b>old</b>").run()
    tab.button(key="tag_add").click().run()
    assert {run.tags for run in store.runs()} == {("<b>old</b>",)}
    assert "tag \\<b\\>old\\<\\/b\\>" in page_text(tab)
    tab.button(key="bulk_Archive").click().run()
    assert all(run.archived for run in store.runs()) and "No run matches" in page_text(tab)
    tab.toggle(key="url.archived").set_value(True).run()
    assert f"pick.{ids[0]}" in [box.key for box in tab.checkbox] and "True" in tab.query_params["archived"]
    tab.button(key="pick_all").click().run() if "pick_all" in [b.key for b in tab.button] else None
    tab.button(key="bulk_delete").click().run()
    assert not store.runs() and "3 runs deleted" in page_text(tab)
    tab.button(key="undo_trash").click().run()
    assert len(store.runs()) == 3 and not tab.exception


def test_earlier_runs_are_filtered_by_a_query_in_the_url(open_page: Open, runs: Runs) -> None:
    kept, other = runs.finished(seed=1), runs.finished("ease", seed=2)
    tab = open_page("train", view="earlier", q="model:multvae")
    keys = [box.key for box in tab.checkbox]
    assert f"pick.{kept}" in keys and f"pick.{other}" not in keys
    assert open_page("train", view="earlier", q="(model:").error


def test_a_killed_run_says_what_happened_and_can_be_resumed(open_page: Open, runs: Runs) -> None:
    run_id = runs.interrupted()
    tab = open_page("train", view="earlier")
    assert "before its first epoch" in tab.warning[0].value and "ended unexpectedly" in tab.warning[0].value
    assert tab.button(key=f"Resume.{run_id}")
    assert "on its way" not in page_text(tab) and "Waiting for the first epoch" not in page_text(tab)


def test_a_run_that_dies_while_it_is_watched_stays_with_its_cause(
    open_page: Open, runs: Runs, store: Store, waiting: list[str]
) -> None:
    run_id = runs.running(epochs=0)
    tab = open_page("train", view="queue")
    store.end_run(run_id, runs.me, State.INTERRUPTED, "The process was killed by signal 9.")
    tab.run()
    text = page_text(tab).replace("\\", "")
    assert "killed by signal 9" in tab.warning[0].value and "Waiting for the first epoch" not in text
    assert tab.button(key=f"Resume.{run_id}")


def test_the_use_of_processor_and_memory_is_shown_with_its_maximum(open_page: Open, runs: Runs) -> None:
    run_id = runs.running()
    folder = RunFolder(run_id)
    folder.make()
    sampler = ResourceSampler(folder.resources)
    sampler.sample()
    tab = open_page("train", view="queue")
    (use,) = [caption.value for caption in tab.caption if caption.value.startswith("CPU ")]
    assert "max" in use and "memory" in use and "iB" in use


def test_the_error_of_a_failed_run_is_one_line_and_its_log_a_click_away(open_page: Open, runs: Runs) -> None:
    run_id = runs.failed("The disk is full. Free some space and resume the run.")
    RunFolder(run_id).make()
    RunFolder(run_id).log.write_text("reading toy\nOSError: no space\n")
    tab = open_page("train", view="earlier")
    assert "The disk is full" in tab.error[0].value
    assert not tab.code
    tab.session_state[f"more.{run_id}"] = True
    tab.run()
    assert "OSError: no space" in tab.code[0].value


def test_a_run_is_renamed_whatever_its_name_looks_like(open_page: Open, runs: Runs, store: Store) -> None:
    run_id = runs.finished()
    tab = open_page("train", view="earlier")
    tab.session_state[f"more.{run_id}"] = True
    tab.run()
    tab.text_input(key=f"name.{run_id}").set_value("<b>x</b> M*A*S*H $1 $2")
    tab.text_input(key=f"note.{run_id}").set_value("=cmd()")
    next(b for b in tab.form_submit_button if b.label == "Save").click().run()
    assert store.run(run_id).name == "<b>x</b> M*A*S*H $1 $2"
    assert "\\<b\\>x\\<\\/b\\> M\\*A\\*S\\*H \\$1 \\$2" in page_text(tab)


def test_progress_says_how_far_and_how_long(open_page: Open, runs: Runs) -> None:
    runs.running(epochs=3)
    tab = open_page("train", view="queue")
    assert tab.progress[0].value == 60
    assert tab.progress[0].text.startswith("Epoch 3 of at most 5, at most ")
    assert "Learning curves" in [header.value for header in tab.header]


@pytest.mark.slow
def test_only_presets_that_all_chosen_models_have_are_offered(open_page: Open) -> None:
    def offered(*models: str) -> list[str]:
        tab = open_page("train", dataset="toy", model=list(models), preset="tuned")
        return tab.segmented_control(key="url.preset").options

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


def test_a_run_whose_dataset_is_gone_says_so_in_the_form(open_page: Open, runs: Runs, store: Store) -> None:
    run_id = runs.finished()
    with store.database.write() as connection:
        write_run(connection, run_id, dataset="/somewhere/gone.csv")
    tab = open_page("train", **{"from": run_id})
    assert not tab.exception and not tab.error
    assert "is not installed" in page_text(tab) and "gone" in page_text(tab)
