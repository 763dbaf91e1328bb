"""The plan of a start: measured times, memory, disk space, and refusals with a way out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from recdash import devices, paths
from recdash.errors import SplitError, UsageError
from recdash.models import registry
from recdash.models.data_shape import DataShape
from recdash.runs.run_records import Request, RunRecord
from recdash.runs.states import State
from recdash.runs.store import Store
from recdash.services import housekeeping, launch, training_cost, training_plan, training_requests
from tests.run_helpers import Runs
from tests.toy_data import toy_dataset

MACHINE = {"system": "x", "processor": "y", "cores": 2}


@pytest.fixture(autouse=True)
def this_machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("slow") is None:  # that test measures the machine as it is
        monkeypatch.setattr(devices, "machine_info", lambda: dict(MACHINE))


def measured(
    store: Store, runs: Runs, *, epochs: int = 5, planned: int = 100, seconds: float = 1.0, **more: Any
) -> str:
    """A finished run of Mult-VAE on this machine that took `seconds` an epoch, a quarter of it for validation."""
    request = training_requests.build_requests(["multvae"], "toy", settings=more.pop("settings", {}))[0]
    run_id = runs.running("multvae", epochs, **{name: getattr(request, name) for name in (
        "dataset_fingerprint", "protocol", "settings", "name")})  # fmt: skip
    config = registry.configure("multvae", DataShape(200, 45, 3000, (1.0, 5.0)), "auto", request.settings).to_dict()
    details = {"users": 200, "items": 45, "interactions": 3000, "machine": more.pop("machine", MACHINE)}
    store.update_run(run_id, runs.me, config=config, epochs=planned, details=details)
    store.add_epoch(run_id, runs.me, epoch=epochs, update=1, seconds=epochs * seconds, values={"loss": 1.0})
    store.end_run(
        run_id, runs.me, State.FINISHED, runtime_s=0.75 * epochs * seconds,
        details={"epochs_run": epochs, "n_validations": epochs, "validation_seconds": 0.25 * epochs * seconds,
                 "peak_memory_bytes": 400 << 20},
    )  # fmt: skip
    return run_id


def plan_of(*models: str, **options: Any) -> training_plan.TrainingPlan:
    return training_plan.plan(training_requests.build_requests(models, "toy", **options))


def test_a_model_that_never_ran_here_has_no_invented_time(toy: str) -> None:
    plan = plan_of("multvae")
    assert plan.seconds is None and plan.not_measured == ("multvae",)
    assert "time unknown" in plan.time_text() and "Mult-VAE not measured on this machine yet" in plan.time_text()
    assert plan.memory_bytes > 200 << 20 and not plan.runs[0].memory_is_measured  # libraries and arrays


def test_the_time_is_that_of_earlier_epochs(toy: str, store: Store, runs: Runs) -> None:
    measured(store, runs, epochs=100, seconds=2.0)
    plan = plan_of("multvae", epochs=10)
    assert plan.seconds == pytest.approx(20, rel=0.1)
    assert plan.runs[0].epochs == plan.runs[0].most_epochs == 10
    assert plan.runs[0].basis == "1 earlier run" and plan.runs[0].memory_is_measured
    assert plan.memory_bytes == pytest.approx(400 << 20, rel=0.02)


def test_early_stopping_of_earlier_runs_shortens_the_expectation_not_the_limit(
    toy: str, store: Store, runs: Runs
) -> None:
    measured(store, runs, epochs=20, planned=70, seconds=1.0)
    plan = plan_of("multvae", epochs=60)
    assert plan.runs[0].epochs == 20
    assert plan.seconds == pytest.approx(20, rel=0.1) and plan.at_most_seconds == pytest.approx(60, rel=0.1)
    assert "at most" in plan.time_text()


def test_wider_layers_take_longer_and_more_memory(toy: str, store: Store, runs: Runs) -> None:
    measured(store, runs, epochs=100)
    usual, wide = plan_of("multvae", epochs=50), plan_of("multvae", epochs=50, settings={"latent": 20_000})
    assert wide.seconds > 2 * usual.seconds and wide.memory_bytes > usual.memory_bytes
    assert wide.disk_bytes > 10 * usual.disk_bytes and wide.runs[0].basis.endswith("scaled by size")


def test_runs_of_other_machines_and_imported_ones_do_not_count(toy: str, store: Store, runs: Runs) -> None:
    measured(store, runs, machine={"system": "other"})
    assert plan_of("multvae").seconds is None


def test_runs_share_the_places_of_the_queue(
    toy: str, store: Store, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(store, runs, epochs=100)
    requests = [
        replace(request, seed=seed)
        for seed in range(3)
        for request in training_requests.build_requests(["multvae"], toy, epochs=10)
    ]
    times = {}
    for at_once in (1, 2):
        monkeypatch.setenv("RECDASH_MAX_RUNS", str(at_once))
        times[at_once] = training_plan.plan(requests).seconds
    assert times[1] == pytest.approx(30, rel=0.1) and times[2] == pytest.approx(20, rel=0.1)


def test_waiting_runs_are_counted(toy: str, runs: Runs) -> None:
    runs.queued()
    assert plan_of("ease").ahead == 1 and "after 1 run in the queue" in plan_of("ease").time_text()


def save_small(n_users: int) -> None:
    data = toy_dataset()
    chosen = data.users < n_users
    parts: dict[str, Any] = {"users": data.users[chosen], "items": data.items[chosen], "ratings": data.ratings[chosen]}
    parts["times"] = None if data.times is None else data.times[chosen]
    replace(data, **parts, user_ids=data.user_ids[:n_users]).save(paths.data_dir() / "sets" / "few")


def test_too_few_users_are_refused_before_the_start_with_a_way_out(toy: str) -> None:
    save_small(60)
    plan = training_plan.plan(training_requests.build_requests(["ease", "popularity"], "few"))
    (problem,) = plan.problems  # once, for both models
    assert problem.certain and "users have at least 5 positives" in problem.text and "Lower" in problem.text
    with pytest.raises(SplitError, match="needs 100"):
        training_plan.refuse(plan, force=True)


def test_memory_that_does_not_suffice_is_refused(toy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "available_bytes", lambda device: 100 << 20)
    (problem,) = plan_of("multvae").problems
    assert not problem.certain and "Mult-VAE needs about" in problem.text and "Lower batch_size" in problem.text
    (closed,) = plan_of("ease").problems
    assert "Drop rare items" in closed.text
    with pytest.raises(UsageError, match="--force"):
        training_plan.refuse(plan_of("ease"))
    training_plan.refuse(plan_of("ease"), force=True)


def test_several_runs_that_fit_one_by_one_only_say_how_many_may_train(
    toy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECDASH_MAX_RUNS", "4")
    largest = max(plan_of(model).memory_bytes for model in ("ease", "popularity", "multvae"))
    monkeypatch.setattr(devices, "available_bytes", lambda device: largest + (1 << 20))
    (problem,) = plan_of("ease", "popularity", "multvae").problems
    assert "3 runs at once" in problem.text and "RECDASH_MAX_RUNS=1" in problem.text


def test_a_full_disk_is_refused(toy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = training_plan.shutil.disk_usage(paths.data_dir())
    monkeypatch.setattr(training_plan.shutil, "disk_usage", lambda folder: usage._replace(free=1 << 30))
    (problem,) = plan_of("multvae").problems
    assert not problem.certain and "of disk space" in problem.text and "RECDASH_CHECKPOINT_DIR" in problem.text


def test_the_plan_is_one_json_document(toy: str, store: Store, runs: Runs) -> None:
    measured(store, runs)
    document = json.loads(json.dumps(plan_of("multvae", "ease").to_dict()))
    assert document["n_runs"] == 2 and document["not_measured"] == ["ease"]
    assert {"model", "seconds", "memory_bytes", "disk_bytes", "basis"} <= set(document["runs"][0])


def test_sizes_need_no_memory_and_know_the_parameters() -> None:
    huge = DataShape(10**7, 10**6, 10**9)
    config = registry.configure("multvae", huge)
    found = training_cost.sizes("multvae", config, huge)
    widths = 10**6 * 600 + 600 + 600 * 400 + 400 + 200 * 600 + 600 + 600 * 10**6 + 10**6
    assert found.parameters == widths and found.working_bytes > 4 * 5 * widths
    ease = training_cost.sizes("ease", registry.configure("ease", huge), huge)
    assert 4 * 10**12 <= ease.working_bytes < 4.1 * 10**12  # one matrix of items x items in float32


@pytest.mark.parametrize("model", registry.names())
def test_every_model_has_sizes_that_grow_with_the_data(model: str) -> None:
    small, large = DataShape(1000, 500, 20_000, (1.0, 5.0)), DataShape(8000, 2000, 400_000, (1.0, 5.0))
    config = registry.configure(model, small)
    first, second = (training_cost.sizes(model, config, shape) for shape in (small, large))
    assert second.work > first.work and second.stored_bytes > first.stored_bytes
    assert second.working_bytes + second.data_bytes > first.working_bytes + first.data_bytes


def train(requests: list[Request]) -> list[RunRecord]:
    """Train to the end."""
    ended = launch.wait([run.id for run in launch.train(requests)], timeout=300)
    assert {run.state for run in ended} == {State.FINISHED}
    return ended


@pytest.mark.slow
def test_estimates_for_the_demo_are_within_a_factor_of_two(toy: str) -> None:
    models = ["multvae", "multdae"]
    # Twice the epochs and wider layers; measured before and after, as the machine may have got other work meanwhile
    requests = training_requests.build_requests(models, "demo", epochs=10, seed=1, settings={"latent": 300})
    before = train(training_requests.build_requests(models, "demo", epochs=5))
    plans = [training_plan.plan(requests)]
    ended = train(requests)
    housekeeping.trash([run.id for run in (*before, *ended)])
    train(training_requests.build_requests(models, "demo", epochs=5))
    plans.append(training_plan.plan(requests))
    assert all(plan.not_measured == () for plan in plans)
    for place, run in enumerate(ended):
        took, estimates = run.finished - run.started, [plan.runs[place].seconds for plan in plans]
        assert min(estimates) / 2 < took < 2 * max(estimates), run.model
        one = plans[0].runs[place]
        assert 0.5 < one.memory_bytes / run.details["peak_memory_bytes"] < 2, run.model
        assert 0.4 < one.disk_bytes / housekeeping.disk_bytes(run.id)[run.id] < 2.5, run.model
