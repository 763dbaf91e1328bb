"""The Tune tab: what a search is asked for, what it costs, and what a study shows; nothing is trained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from recdash.models import registry
from recdash.runs import queue
from recdash.runs.states import State
from recdash.services import presets, tuning, tuning_driver, tuning_studies
from recdash.services.tuning_studies import StudySpec
from recdash.tuning import samplers
from recdash.ui.tune import best_trial
from tests.pages.conftest import Open, Runs, labels, page_text, table_with
from tests.pages.recommend_helpers import act, drawn

pytestmark = pytest.mark.usefixtures("components")

SPACE = {"l2": "log:1..1000", "dropout": "0..0.6"}
TRIALS = [(500.0, 0.0, 0.30), (20.0, 0.1, 0.35), (900.0, 0.5, 0.28), (60.0, 0.2, 0.33)]


class Studies:
    """Writes studies whose trials are runs that a worker could have left."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs

    def begun(self, name: str = "ease-toy", model: str = "ease", **fields: Any) -> StudySpec:
        """A study without trials."""
        fields = {"space": SPACE, "sampler": "random", **fields}
        space, sampler = fields.pop("space"), fields.pop("sampler")
        specs = tuning.prepare([model], "toy", study=name, space=space, replace_space=True, sampler=sampler, **fields)
        return tuning.create(specs)[0]

    def trial(self, spec: StudySpec, number: int, params: dict[str, Any], value: float | None, state: str) -> str:
        """One trial: complete, pruned, failed or running, at some validation value."""
        store, me = self.runs.store, self.runs.me
        request = tuning_driver.trial_request(spec, number, params)
        run_id = queue.enqueue(store, [request])[0].id
        queue.claim(store, run_id, me, 1)
        if value is not None:
            quality = {spec.metric.name: value}
            store.add_epoch(
                run_id, me, epoch=1, update=1, seconds=0.4, values=quality, best_epoch=1, best_value=value,
                validation=quality,
            )  # fmt: skip
        if state == "failed":
            store.end_run(run_id, me, State.FAILED, "The loss diverged in epoch 1. Lower the learning rate.")
        elif state != "running":
            details = {"pruned_at": 1} if state == "pruned" else {}
            store.end_run(run_id, me, State.FINISHED, runtime_s=0.4, details=details)
        return run_id

    def ended(self, name: str = "ease-toy", n_copies: int = 1, **fields: Any) -> StudySpec:
        """A study whose trials have ended, the last two pruned and failed."""
        n_trials = len(TRIALS) * n_copies + 2
        spec = self.begun(name, trials=n_trials, **fields)
        for copy in range(n_copies):
            for place, (l2, dropout, value) in enumerate(TRIALS):
                params = {"l2": l2 + copy, "dropout": dropout}
                self.trial(spec, copy * len(TRIALS) + place, params, value - copy / 100, "complete")
        self.trial(spec, n_trials - 2, {"l2": 2.0, "dropout": 0.1}, 0.2, "pruned")
        self.trial(spec, n_trials - 1, {"l2": 3.0, "dropout": 0.2}, None, "failed")
        return spec


@pytest.fixture
def written(runs: Runs) -> Studies:
    """Write studies into the store of this test."""
    return Studies(runs)


@pytest.fixture
def started(toy: str, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], float | None]]:
    """No process is started; lists what each would work on, with its minutes."""
    calls: list[tuple[list[str], float | None]] = []
    monkeypatch.setattr(tuning, "start", lambda names, minutes=None: calls.append((list(names), minutes)))
    return calls


def tune(open_page: Open, **address: Any) -> AppTest:
    tab = open_page("train", view="tune", **{"dataset": "toy", **address})
    assert not tab.exception, tab.exception
    return tab


def text_of(tab: AppTest) -> str:
    """All text of a page, without the escapes of Markdown."""
    return page_text(tab).replace("\\", "")


def trials_of(tab: AppTest) -> dict[str, Any]:
    return drawn(tab, "trials.table")


def test_the_form_says_what_a_search_costs_and_starts_it_once(open_page: Open, started: list[Any]) -> None:
    tab = tune(open_page, model=["ease"], trials="7", sampler="random")
    assert "Start 7 trials of EASE" in labels(tab)
    assert "7 trials" in text_of(tab) and "validation part alone" in text_of(tab)
    tab.button(key="start_search").click().run()
    assert not tab.exception
    assert started == [(["ease-toy"], None)]
    assert tab.query_params["study"] in ("ease-toy", ["ease-toy"]), "the page shows the new study"
    spec = tuning_studies.read("ease-toy")
    assert (spec.trials, spec.sampler, spec.dataset) == (7, "random", "toy")
    assert "Study ease-toy" in text_of(tab)


def test_two_tabs_that_press_start_search_once(open_page: Open, started: list[Any]) -> None:
    tabs = [tune(open_page, model=["ease"], trials=text, sampler="random") for text in ("7", "9")]
    for tab in tabs:
        tab.button(key="start_search").click().run()
    assert tuning_studies.names() == ["ease-toy"] and tuning_studies.read("ease-toy").trials == 7


def test_all_models_get_a_study_each_and_the_same_number_of_trials(open_page: Open, started: list[Any]) -> None:
    tab = tune(open_page, model=["ease"], sampler="random")
    tab.button(key="tune_all").click().run()
    chosen = list(tab.query_params["model"])
    assert len(chosen) > 5 and "popularity" not in chosen, "a model without settings has nothing to search"
    tab.number_input(key="url.minutes").set_value(30).run()
    assert "No trial starts after 30 min" in text_of(tab)
    tab.button(key="start_search").click().run()
    specs = [tuning_studies.read(name) for name in tuning_studies.names()]
    assert {spec.model for spec in specs} == set(chosen) and {spec.trials for spec in specs} == {20}
    assert started[0][1] == 30 and "study" not in tab.query_params
    assert f"{len(chosen)} studies started" in "".join(toast.value for toast in tab.toast)


def test_the_search_space_is_edited_left_out_and_reset(open_page: Open, started: list[Any]) -> None:
    tab = tune(open_page, model=["ease"], sampler="random")
    field = "space/toy/auto/ease/l2"
    assert tab.text_input(key=field).value.startswith("log:") and "l2" in tab.checkbox(key=f"{field}/on").help
    tab.text_input(key=field).set_value("log:5..500").run()
    tab.checkbox(key="space/toy/auto/ease/dropout/on").uncheck().run()
    assert tab.text_input(key="space/toy/auto/ease/dropout").disabled
    assert "(l2, relax)" in text_of(tab)
    tab.button(key="start_search").click().run()
    space = tuning_studies.read("ease-toy").space
    assert space["l2"] == "log:5..500" and "dropout" not in space and "relax" in space
    tab.button(key="all_studies").click().run()
    tab.button(key="space_reset").click().run()
    assert tab.text_input(key=field).value != "log:5..500"
    assert tab.checkbox(key="space/toy/auto/ease/dropout/on").value


def test_wrong_values_are_explained_in_one_line_and_nothing_can_be_started(open_page: Open) -> None:
    tab = tune(open_page, model=["ease"], sampler="random")
    tab.text_input(key="space/toy/auto/ease/l2").set_value("many").run()
    assert "l2 = 'many' is not a number" in text_of(tab) and "\n" not in tab.error[0].value
    assert tab.button(key="start_search").disabled
    tab.text_input(key="space/toy/auto/ease/l2").set_value("log:1..10").run()
    tab.number_input(key="url.trials").set_value(None).run()
    assert "Neither trials nor minutes" in tab.error[0].value
    tab.number_input(key="url.minutes").set_value(10).run()
    assert not tab.error and "Start 10 min of trials of EASE" in labels(tab)


def test_a_grid_says_how_many_combinations_it_has(open_page: Open) -> None:
    tab = tune(open_page, model=["ease"], sampler="grid")
    tab.text_input(key="space/toy/auto/ease/l2").set_value("choice:10,100").run()
    tab.text_input(key="space/toy/auto/ease/dropout").set_value("choice:0,0.3,0.5").run()
    tab.checkbox(key="space/toy/auto/ease/relax/on").uncheck().run()
    assert "the grid has 6 combinations" in text_of(tab)


def test_without_optuna_the_form_says_how_to_add_it(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samplers, "has_optuna", lambda: False)
    tab = tune(open_page, model=["ease"])
    assert "pip install -r requirements-tune.txt" in text_of(tab)
    assert tab.selectbox(key="url.sampler").options == ["Random", "Grid"]
    assert not tab.button(key="start_search").disabled


def test_a_second_search_of_the_same_model_gets_a_name_of_its_own(
    open_page: Open, written: Studies, started: list[Any]
) -> None:
    written.ended()
    tab = tune(open_page, model=["ease"], sampler="random")
    assert "6 of 6 trials, best validation NDCG@100 0.3500 (+16.7% on preset auto)" in text_of(tab)
    tab.button(key="start_search").click().run()
    assert set(tuning_studies.names()) == {"ease-toy", "ease-toy-2"}
    assert len(tuning_studies.trials_of(tuning_studies.read("ease-toy"))) == 6, "the first one is untouched"


def test_a_study_shows_its_best_trial_and_reads_no_test_value(open_page: Open, written: Studies) -> None:
    written.ended()
    tab = tune(open_page, study="ease-toy")
    text = text_of(tab)
    assert "**Trial 1**: validation NDCG@100 **0.3500**" in text and "best of 6 trials" in text
    assert (
        "The test part is being read for this trial" in text
        and "Every figure of a trial is of the validation part" in text
    )
    numbers = {metric.label: (metric.value, metric.delta) for metric in tab.metric}
    assert numbers["Trials ended"][0] == "6 of 6"
    assert numbers["Best validation NDCG@100"] == ("0.3500", "+16.7% on preset auto")
    assert numbers["Preset auto"][0] == "0.3000"
    settings = table_with(tab, "Best trial").set_index("Setting")
    assert list(settings.loc["l2"]) == ["20", "500"]


def test_the_winner_shows_its_test_value_and_the_number_of_trials(
    open_page: Open, written: Studies, runs: Runs
) -> None:
    spec = written.ended()
    best = tuning.study(spec.name).best
    assert best is not None and best.run is not None
    runs.store.record_winner(best.run.id, trials=6, metrics={"ndcg@100": 0.341}, intervals={"ndcg@100": (0.33, 0.35)})
    tab = tune(open_page, study="ease-toy")
    assert "Test NDCG@100 **0.3410** :gray[95% interval 0.3300 to 0.3500], best of 6 trials" in text_of(tab)
    assert "best of 6 trials" in text_of(open_page("run", id=best.run.id))
    results = open_page("results")
    assert "best of 6 trials" in {row["count"] for row in drawn(results, "results.table")["rows"]}


def test_the_table_of_trials_is_sorted_and_says_why_a_trial_ended(open_page: Open, written: Studies) -> None:
    written.ended()
    found = trials_of(tune(open_page, study="ease-toy"))
    assert [row["name"] for row in found["rows"]][:4] == ["Trial 1", "Trial 3", "Trial 0", "Trial 2"], "best first"
    by_name = {row["name"]: row for row in found["rows"]}
    place = [column["id"] for column in found["columns"]].index("state") - 1
    assert by_name["Trial 4"]["cells"][place]["d"] == "after epoch 1"
    assert "diverged" in by_name["Trial 5"]["cells"][place]["d"]
    assert by_name["Trial 1"]["run"] and by_name["Trial 0"]["count"] == "preset"
    found = trials_of(tune(open_page, study="ease-toy", trial_sort="l2"))
    assert [row["name"] for row in found["rows"]][:2] == ["Trial 4", "Trial 5"]
    found = trials_of(tune(open_page, study="ease-toy", trial_sort="number:reverse"))
    assert found["rows"][0]["name"] == "Trial 5" and "descending" in found["label"]


def test_trials_are_selected_for_their_curves_and_a_heading_sorts(open_page: Open, written: Studies) -> None:
    written.ended()
    tab = tune(open_page, study="ease-toy")
    first = trials_of(tab)["rows"][0]
    act(tab, "trials.table", "select", runs=first["runs"], on=True)
    assert "1 trial selected" in text_of(tab) and trials_of(tab)["rows"][0]["selected"] == "all"
    act(tab, "trials.table", "sort", column="value")
    assert trials_of(tab)["rows"][0]["name"] == "Trial 4", "a second click on the sorted column: worst first"
    act(tab, "trials.table", "sort", column="number")
    assert [row["name"] for row in trials_of(tab)["rows"]][:2] == ["Trial 0", "Trial 1"]


@pytest.mark.parametrize(
    ("plot", "text"),
    [
        ("history", "Validation NDCG@100 by trial"),
        ("parallel", "Settings and validation NDCG@100 of 9 trials"),
        ("importance", "Importance of settings"),
        ("contour", "Validation NDCG@100 over"),
    ],
)
def test_each_chart_of_a_study_has_an_address(open_page: Open, written: Studies, plot: str, text: str) -> None:
    written.ended(n_copies=2)
    tab = tune(open_page, study="ease-toy", plot=plot)
    assert text in text_of(tab), text_of(tab)
    other = "parallel" if plot == "history" else "history"
    tab.segmented_control(key="url.plot").set_value(other).run()
    assert not tab.exception and tab.query_params.get("plot") in ((None,) if other == "history" else (other, [other]))


def test_charts_of_few_trials_say_what_is_needed(open_page: Open, written: Studies) -> None:
    spec = written.begun(trials=5)
    written.trial(spec, 0, {"l2": 500.0, "dropout": 0.0}, 0.3, "complete")
    for plot, text in (("parallel", "Two trials"), ("importance", "At least 8 trials"), ("contour", "Three trials")):
        assert text in text_of(tune(open_page, study="ease-toy", plot=plot))


def test_a_running_trial_is_listed_and_the_study_can_be_stopped(
    open_page: Open, written: Studies, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = written.begun(trials=5)
    written.trial(spec, 0, {"l2": 500.0, "dropout": 0.0}, 0.3, "running")
    stopped: list[str] = []
    monkeypatch.setattr(tuning, "stop", stopped.append)
    tab = tune(open_page, study="ease-toy")
    assert "running" in text_of(tab) and "l2 = 500" in text_of(tab)
    assert "_pulse.study.progress" in tab.session_state, "it refreshes while it is driven"
    tab.button(key="stop_study").click().run()
    assert stopped == ["ease-toy"]


def test_a_study_at_rest_has_no_timer_and_goes_on_with_more_trials(
    open_page: Open, written: Studies, started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    written.ended()
    monkeypatch.setattr(best_trial, "_TEST_SECONDS", 0.0)  # as if the last trial had ended long ago
    tab = tune(open_page, study="ease-toy")
    assert "_pulse.study.progress" not in tab.session_state
    tab.number_input(key="study_trials.ease-toy.6").set_value(8).run()
    tab.button(key="continue_study").click().run()
    assert started == [(["ease-toy"], None)] and tuning_studies.read("ease-toy").trials == 8
    assert "starting" in text_of(tab)


def test_the_winner_becomes_a_preset_that_the_form_offers(open_page: Open, written: Studies) -> None:
    written.ended()
    tab = tune(open_page, study="ease-toy")
    tab.text_input(key="preset_name.ease-toy").set_value("mine").run()
    tab.button(key="save_preset").click().run()
    assert not tab.exception and "mine" in registry.presets_of("ease")
    assert presets.info("ease", "mine").settings["l2"] == 20.0
    form = open_page("train", dataset="toy", model=["ease"], preset="mine")
    offered = form.segmented_control(key="url.preset")
    assert offered.value == "mine" and offered.options[0] == "auto" and "mine" in offered.options
    assert "best of 6 trials of study ease" in offered.help.replace("\\", "").lower()


def test_a_study_is_opened_from_the_list_and_its_winner_trained_with_other_seeds(
    open_page: Open, written: Studies, runs: Runs
) -> None:
    spec = written.ended()
    best = tuning.study(spec.name).best
    assert best is not None and best.run is not None
    tab = tune(open_page)
    tab.button(key="open.ease-toy").click().run()
    assert tab.query_params["study"] in ("ease-toy", ["ease-toy"])
    tab.button(key="other_seeds").click().run()
    assert not tab.exception and "Start 3 runs: EASE" in labels(tab)
    assert tab.query_params["from"] in (best.run.id, [best.run.id]) and "l2 = **20**" in text_of(tab)


def test_forgetting_a_study_leaves_its_runs(open_page: Open, written: Studies, runs: Runs) -> None:
    written.ended()
    tab = tune(open_page, study="ease-toy")
    tab.button(key="forget_study").click().run()
    assert tuning_studies.names() == [] and len(runs.store.runs()) == 6
    assert "study" not in tab.query_params


def test_an_unknown_study_is_one_line(open_page: Open) -> None:
    tab = tune(open_page, study="nothing")
    assert "Unknown study" in tab.warning[0].value and "All studies" in labels(tab)


def test_what_ended_the_last_process_is_shown(open_page: Open, written: Studies) -> None:
    spec = written.begun(trials=5)
    tuning_studies.path_of(spec.name, ".log").write_text("2026-11-28 01:00:00 toy has changed. Start another one.\n")
    assert "The last process ended with: toy has changed" in text_of(tune(open_page, study="ease-toy"))


def test_a_read_only_installation_shows_studies_and_starts_none(
    open_page: Open, written: Studies, monkeypatch: pytest.MonkeyPatch
) -> None:
    written.ended()
    monkeypatch.setenv("RECDASH_READ_ONLY", "1")
    assert {"Continue", "Save", "Forget this study"}.isdisjoint(labels(tune(open_page, study="ease-toy")))
    tab = tune(open_page, model=["ease"])
    assert "Searching is disabled" in "".join(info.value for info in tab.info)
    assert "start_search" not in {button.key for button in tab.button}


def test_ratings_are_searched_by_rmse_where_lower_is_better(open_page: Open, written: Studies) -> None:
    spec = written.begun("bias-toy", "bias", space={"item_damping": "log:0.1..50"}, trials=2)
    written.trial(spec, 0, {"item_damping": 5.0}, 0.9, "complete")
    written.trial(spec, 1, {"item_damping": 2.0}, 0.8, "complete")
    tab = tune(open_page, study="bias-toy")
    assert "**Trial 1**: validation RMSE **0.8000**" in text_of(tab)
    assert [row["name"] for row in trials_of(tab)["rows"]] == ["Trial 1", "Trial 0"]


def test_trials_are_listed_among_earlier_runs_only_when_asked_for(
    open_page: Open, written: Studies, runs: Runs
) -> None:
    written.ended()
    runs.finished()
    tab = open_page("train", view="earlier")
    assert "of 1 run" in text_of(tab)
    tab.toggle(key="url.with_trials").set_value(True).run()
    assert "of 7 runs" in text_of(tab)


def test_a_trial_run_says_that_the_test_part_is_not_read(open_page: Open, written: Studies) -> None:
    spec = written.begun(trials=2)
    run_id = written.trial(spec, 0, {"l2": 500.0, "dropout": 0.0}, 0.3, "complete")
    text = text_of(open_page("run", id=run_id, part="results"))
    assert "trial 0 of study" in text and "validation part alone" in text


def test_the_history_leaves_a_failed_attempt_at_its_edge(written: Studies) -> None:
    from recdash.ui.tune import trial_figures

    spec = written.ended(n_copies=2)
    found = tuning.study(spec.name)
    trials = [replace(trial, value=1e-6) if trial.number == 7 else trial for trial in found.trials if trial.value]
    table, n_clipped = trial_figures.history_table(found, trials)
    assert n_clipped == 1 and table["shown"].min() > 0.1
    assert list(table["best"])[:2] == [0.30, 0.35] and table["best"].iloc[-1] == 0.35
