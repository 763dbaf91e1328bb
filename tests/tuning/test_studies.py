"""Studies: trials are ordinary runs that are never lost and never read the test part; the winner reads it once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recdash.analysis import seeds
from recdash.errors import SplitError, StoreError, UsageError
from recdash.models import registry, user_presets
from recdash.reporting import seed_tables
from recdash.runs import queue, worker
from recdash.runs import store as run_store
from recdash.runs.run_folder import RunFolder
from recdash.runs.states import State
from recdash.services import launch, results, trained_runs, tuning, tuning_driver, tuning_studies, tuning_winner
from recdash.services.store_access import open_store
from recdash.splits import RatingSplit, Split
from recdash.splits.sealed_part import SealedPart
from recdash.tuning.pruning import Pruning
from tests.run_helpers import Runs

SPACE = {"l2": "log:1..1000", "dropout": "off", "relax": "off"}


def prepared(n_trials: int = 3, model: str = "ease", **options):
    usual = {"space": SPACE if model == "ease" else None, "sampler": "random"}
    return tuning.create(tuning.prepare(model, "toy", trials=n_trials, **{**usual, **options}))


def drive(*specs, **options):
    driver = tuning_driver.Driver([spec.name for spec in specs], **options)
    driver.run()
    return [tuning.study(spec.name) for spec in specs]


def test_a_study_trains_its_trials_and_evaluates_the_winner_alone(here: list[str]) -> None:
    (found,) = drive(*prepared(4))
    assert [trial.number for trial in found.trials] == [0, 1, 2, 3] and found.state == "complete"
    assert found.trials[0].params == {"l2": 500.0} and found.trials[0].run.settings == {}  # the preset comes first
    assert len({trial.params["l2"] for trial in found.trials}) == 4
    best = max(found.trials, key=lambda trial: trial.value)
    assert found.best.number == best.number and found.winner.id == best.run.id
    for trial in found.trials:
        assert trial.run.state is State.FINISHED and trial.run.tags == tuple(
            sorted((found.spec.name, f"trial {trial.number}"))
        )
        is_winner = trial.number == best.number
        assert bool(trial.run.metrics) == is_winner and trial.run.trials == (4 if is_winner else None)
        assert (RunFolder(trial.run.id).path / "per_user.npz").exists() == is_winner
        assert trial.value == trial.run.best_value == trial.run.validation["ndcg@100"]


def test_the_first_trial_has_the_values_of_the_preset_on_the_training_part(here: list[str]) -> None:
    space = {"batch_size": "8..200", "learning_rate": "log:1e-4..1e-2"}
    names = {"space": space, "replace_space": True, "settings": {"hidden": (), "latent": 4, "epochs": 1}}
    (found,) = drive(*prepared(1, "multvae", **names))
    (trial,) = found.trials
    assert set(trial.params) == {"batch_size", "learning_rate"}
    assert all(trial.run.config[name] == value for name, value in trial.params.items())
    rows = tuning.searched_settings("multvae", "toy", protocol="strong")
    assert {row.name: row.preset_value for row in rows}["batch_size"] == trial.params["batch_size"]


@pytest.fixture
def sealed_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Splits of trials whose test part raises on any access, and a list of the protocols of those that were made."""
    sealed: list[str] = []
    for kind in (Split, RatingSplit):
        own = kind.without_test

        def without_test(split, own=own):
            sealed.append(split.protocol)
            found = own(split)
            assert isinstance(found.test, SealedPart)
            return found

        monkeypatch.setattr(kind, "without_test", without_test)
    return sealed


@pytest.mark.parametrize(
    ("model", "protocol", "settings"),
    [
        ("ease", "strong", {}),
        ("multvae", "strong", {"epochs": 2, "hidden": (), "batch_size": 40}),
        ("multvae", "strong-temporal", {"epochs": 2, "hidden": (), "batch_size": 40}),
        ("itemknn", "weak", {}),
        ("bias", "ratings-90", {}),
        ("autorec", "ratings-90", {"epochs": 2, "latent": 8}),
    ],
)
def test_no_trial_reads_the_test_part(
    here: list[str], sealed_reads: list[str], monkeypatch: pytest.MonkeyPatch, model: str, protocol: str, settings
) -> None:
    monkeypatch.setattr(tuning_winner, "evaluate", lambda spec: None)
    (found,) = drive(*prepared(2, model, protocol=protocol, settings=settings))
    assert [trial.state for trial in found.trials] == ["complete", "complete"], found.trials[0].run.error
    assert sealed_reads == [protocol, protocol] and found.winner is None
    assert all(not trial.run.metrics and not trial.run.intervals for trial in found.trials)


@pytest.mark.parametrize("use", [lambda part: part.fold_in, len, list, lambda part: part.held_out.indptr])
def test_a_sealed_part_raises_whatever_is_read(use) -> None:
    with pytest.raises(SplitError, match="validation data alone"):
        use(SealedPart())


def test_a_sealed_split_has_the_fingerprint_of_the_whole(toy: str) -> None:
    from tests.toy_data import toy_split

    split = toy_split()
    assert toy_split().without_test().fingerprint == split.fingerprint
    assert split.test.fold_in is not None, "the split itself is left unchanged"
    with pytest.raises(SplitError):
        split.without_test().part("test").fold_in  # noqa: B018


def test_the_winner_is_evaluated_from_its_checkpoint_and_only_once(
    here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    own = tuning_winner.evaluate_on_test
    monkeypatch.setattr(tuning_winner, "evaluate_on_test", lambda *given: calls.append("test") or own(*given))
    (found,) = drive(*prepared(3))
    assert calls == ["test"] and here == [trial.run.id for trial in found.trials]
    (again,) = drive(*prepared(3))
    assert calls == ["test"] and again.winner.metrics == found.winner.metrics and len(here) == 3
    model = registry.load(RunFolder(found.winner.id).best)
    assert model.config.l2 == pytest.approx(found.best.params["l2"])


def test_a_study_that_goes_on_counts_all_its_trials(here: list[str]) -> None:
    (first,) = drive(*prepared(2))
    (found,) = drive(*prepared(5))
    assert [trial.run.id for trial in found.trials[:2]] == [trial.run.id for trial in first.trials]
    assert found.winner.trials == found.n_tried == 5
    assert found.winner.remarks == ["best of 5 trials"] and found.winner.to_dict()["trials"] == 5


def test_the_number_of_trials_stands_in_every_form_of_the_results(here: list[str]) -> None:
    (found,) = drive(*prepared(3))
    groups = results.groups(dataset="toy")
    assert [row.run.id for group in groups for row in group.rows] == [found.winner.id], "untested trials are not listed"
    for form in ("table", "md", "latex"):
        assert "best of 3 trials" in results.export(groups, form)
    assert results.export(groups, "csv").splitlines()[1].endswith(",3")
    assert groups[0].rows[0].to_dict()["trials"] == 3
    assert [run.id for run in trained_runs.trained_runs("toy")] == [found.winner.id]
    other = next(trial.run for trial in found.trials if trial.run.id != found.winner.id)
    with pytest.raises(UsageError, match="only the best one is evaluated"):
        results.per_user(other.id)


def test_a_trial_is_never_the_answer_to_an_ordinary_request(here: list[str]) -> None:
    (found,) = drive(*prepared(1))
    (run,) = launch.train([replace(tuning_driver.trial_request(found.spec, 0, {}), trial={}, tags=())])
    assert run.id != found.trials[0].run.id and open_store().run(run.id).metrics
    again = launch.retry(found.trials[0].run.id)
    assert not again.trial and open_store().run(again.id).metrics, "a trial that is repeated by hand is an ordinary run"


def test_a_trial_whose_worker_died_is_resumed_and_not_counted(waiting: list[str], runs: Runs) -> None:
    (spec,) = prepared(3)
    dead = runs.interrupted(model="ease", trial={"study": spec.name, "number": 0, "params": {"l2": 500.0}})
    assert tuning.study(spec.name).n_tried == 0 and tuning.study(spec.name).trials[0].state == "stopped"
    (progress,) = tuning_driver.Driver([spec.name], workers=2).step()
    assert [(trial.number, trial.state) for trial in progress.trials] == [(0, "queued"), (1, "queued")]
    assert progress.trials[0].run.id == dead


def test_a_trial_whose_worker_dies_again_and_again_has_failed(waiting: list[str], runs: Runs) -> None:
    (spec,) = prepared(3)
    dead = runs.interrupted(model="ease", trial={"study": spec.name, "number": 0, "params": {"l2": 500.0}})
    with open_store().database.write() as connection:
        run_store.write_run(connection, dead, attempts=tuning_studies.MAX_ATTEMPTS)
    found = tuning.study(spec.name)
    assert found.trials[0].state == "failed" and found.n_tried == 1


def test_a_driver_killed_between_two_trials_loses_none(waiting: list[str]) -> None:
    """Every step starts from the store, so that a second process continues with the next number."""
    (spec,) = prepared(4)
    tuning_driver.Driver([spec.name], workers=2).step()
    tuning_driver.Driver([spec.name], workers=2).step()  # another process while both wait
    assert [trial.number for trial in tuning.study(spec.name).trials] == [0, 1]
    for run in queue.queued_runs(open_store()):
        worker.main([run.id, "--threads", "1"])
    tuning_driver.Driver([spec.name], workers=2).step()
    found = tuning.study(spec.name)
    assert [(trial.number, trial.state) for trial in found.trials] == [
        (0, "complete"), (1, "complete"), (2, "queued"), (3, "queued"),
    ]  # fmt: skip
    assert len({trial.params["l2"] for trial in found.trials}) == 4


def test_a_stop_request_stops_the_trials_and_the_next_drive_continues_them(
    waiting: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (spec,) = prepared(2)
    driver = tuning_driver.Driver([spec.name], workers=2)

    def stop_during_the_first_step(progress) -> None:
        assert tuning.study(spec.name).is_driven
        tuning.stop(spec.name)

    driver.run(stop_during_the_first_step)
    found = tuning.study(spec.name)
    assert driver.interrupted and [trial.state for trial in found.trials] == ["stopped", "stopped"]
    assert found.state == "stopped" and found.n_tried == 0 and not found.is_driven
    (progress,) = tuning_driver.Driver([spec.name], workers=2).step()
    assert [trial.state for trial in progress.trials] == ["queued", "queued"]


def test_ctrl_c_stops_cleanly(waiting: list[str]) -> None:
    (spec,) = prepared(2)
    driver = tuning_driver.Driver([spec.name])

    def interrupt(progress) -> None:
        raise KeyboardInterrupt

    driver.run(interrupt)
    assert driver.interrupted and not queue.queued_runs(open_store())


def test_several_models_get_trials_in_turn(waiting: list[str]) -> None:
    specs = prepared(3, "ease,itemknn,popularity", space=None)
    progress = tuning_driver.Driver([spec.name for spec in specs], workers=7).step()
    assert [[trial.number for trial in one.trials] for one in progress] == [[0, 1, 2], [0, 1, 2], [0]]
    assert progress[2].is_exhausted and tuning_studies.read("popularity-toy").trials == 1, "it has nothing to search"


def test_settings_that_a_model_refuses_count_as_a_failed_trial(
    here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tuning_driver.trial_request

    def refuse_second(spec, number, params):
        if number == 1:
            raise UsageError("these two do not go together")
        return own(spec, number, params)

    monkeypatch.setattr(tuning_driver, "trial_request", refuse_second)
    (found,) = drive(*prepared(3))
    assert [trial.state for trial in found.trials] == ["complete", "failed", "complete"]
    assert found.trials[1].error == "these two do not go together" and found.n_tried == 3


def test_a_worse_trial_is_pruned_and_stays_a_run_with_its_curve(here: list[str]) -> None:
    settings = {"epochs": 8, "hidden": (), "latent": 8, "batch_size": 40, "patience": 8, "averaging": 0.0}
    space = {"learning_rate": "choice:0.0000001,0.01,0.02", "beta_cap": "off", "dropout": "off"}
    specs = prepared(
        3, "multvae", settings=settings, space={**space, "hidden": "off", "latent": "off"}, sampler="grid",
        preset="auto", pruning=Pruning("median", after=0.2, fewest=1),
    )  # fmt: skip
    (found,) = drive(*specs)
    pruned = [trial for trial in found.trials if trial.state == "pruned"]
    assert [trial.params["learning_rate"] for trial in pruned] == [1e-7]
    assert pruned[0].run.details["pruned_at"] == pruned[0].epoch < 8 and pruned[0].run.state is State.FINISHED
    assert len(open_store().epochs([pruned[0].run.id])) == pruned[0].epoch
    assert not pruned[0].run.still_improving and found.best.number not in [trial.number for trial in pruned]


def test_a_study_of_this_name_that_searches_something_else_is_refused(here: list[str]) -> None:
    drive(*prepared(1, study="mine"))
    for changed, what in (
        ({"space": {**SPACE, "l2": "log:1..2000"}}, "space"),
        ({"sampler": "grid"}, "sampler"),
        ({"protocol": "strong-temporal"}, "protocol"),
        ({"settings": {"precision": "float32"}}, "settings"),
        ({"split_seed": 3}, "split seed"),
        ({"pruning": Pruning("none")}, "pruning"),
    ):
        with pytest.raises(UsageError, match=f"another {what}") as error:
            prepared(2, **{"study": "mine", **changed})
        assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="another model"):
        prepared(2, "itemknn", study="mine", space=None)


@pytest.mark.parametrize("name", ["../up", "a b", "", "x" * 41, ".hidden", "a/b"])
def test_a_name_that_is_no_file_name_is_refused(toy: str, name: str) -> None:
    with pytest.raises(UsageError, match="not a name of a study"):
        prepared(1, study=name)


def test_a_damaged_study_is_one_line_and_hides_no_other(toy: str) -> None:
    (spec,) = prepared(1, study="good")
    for content in ("{", "[]", "{}", '{"format": 99}', spec_text(spec).replace('"ease"', '"magic"')):
        tuning_studies.path_of("bad").write_text(content)
        with pytest.raises(StoreError, match="this study is damaged") as error:
            tuning.study("bad")
        assert "\n" not in str(error.value)
        assert [one.spec.name for one in tuning.studies()] == ["good"]
    with pytest.raises(UsageError, match="Unknown study"):
        tuning.study("nowhere")


def spec_text(spec) -> str:
    return tuning_studies.path_of(spec.name).read_text()


def test_a_stored_study_reads_as_it_was_written(toy: str) -> None:
    (spec,) = prepared(2, "multvae", space={"hidden": "choice:none,600-200"}, settings={"epochs": 3})
    found = tuning_studies.read(spec.name)
    assert found == spec and found.dimensions == spec.dimensions


def test_what_a_search_costs_is_known_once_a_trial_was_measured(here: list[str]) -> None:
    specs = prepared(4)
    assert (tuning.plan(specs).seconds, tuning.plan(specs).trials) == (None, 4)
    assert "time unknown" in tuning.plan(specs).text
    drive(*prepared(2))
    cost = tuning.plan(prepared(6))
    assert cost.trials == 4 and cost.seconds is not None and cost.text.startswith("4 trials, about")


def test_a_read_only_installation_searches_nothing(toy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (spec,) = prepared(1)
    monkeypatch.setenv("RECDASH_READ_ONLY", "1")
    for call in (lambda: tuning.start([spec.name]), lambda: tuning.create([spec]), lambda: tuning.stop(spec.name)):
        with pytest.raises(UsageError, match="RECDASH_READ_ONLY"):
            call()
    assert tuning.studies()[0].spec.name == spec.name


def test_the_winner_becomes_a_preset_with_its_origin(here: list[str]) -> None:
    (found,) = drive(*prepared(3))
    saved = tuning.save_preset(found.spec.name)
    assert saved.name == "ease-toy-tuned" and user_presets.read("ease", saved.name) == saved
    assert saved.settings == found.best.run.settings and saved.provenance["trials"] == 3
    assert saved.provenance["dataset_fingerprint"] == found.spec.dataset_fingerprint
    assert saved.provenance["validation"]["ndcg@100"] == found.best.value
    (run,) = launch.train(tuning_requests(saved.name))
    trained = open_store().run(run.id)
    assert trained.config["l2"] == found.best.run.config["l2"] and trained.trials == 3
    assert trained.metrics == pytest.approx(dict(found.winner.metrics)), "the same model, trained again"


def tuning_requests(preset: str):
    from recdash.services import training_requests

    return training_requests.build_requests("ease", "toy", preset=preset)


def test_a_table_over_seeds_tells_the_number_of_trials(runs: Runs) -> None:
    found = [runs.finished("ease", ndcg=0.3, split_seed=seed, split=f"{seed}") for seed in (1, 2)]
    with open_store().database.write() as connection:
        for run_id in found:
            details = {**open_store().run(run_id).details, "trials": 12}
            run_store.write_run(connection, run_id, details=details)
    (table,) = seeds.seed_tables(results.groups(dataset="toy"))
    assert table.rows[0].trials == 12 and "auto (best of 12 trials)" in seed_tables.render([table], "table")


def test_trials_of_a_killed_driver_can_be_stopped(waiting: list[str]) -> None:
    (spec,) = prepared(2)
    tuning_driver.Driver([spec.name], workers=2).step()
    tuning.stop(spec.name)
    assert [trial.state for trial in tuning.study(spec.name).trials] == ["stopped", "stopped"]
