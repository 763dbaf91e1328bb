"""Requests are checked before they are queued, queued once, and can be taken back."""

from __future__ import annotations

import json

import pytest

from recdash.errors import RecdashError, UsageError
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import Request
from recdash.runs.states import State
from recdash.services import compare, launch, runs, store_access, training_requests


def nothing_was_queued() -> bool:
    return store_access.open_store().runs() == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"models": ["multvea"]}, "Did you mean 'multvae'"),
        ({"models": []}, "Name at least one model"),
        ({"preset": "best"}, "Unknown preset of multvae: 'best'"),
        ({"settings": {"dropuot": "0.3"}}, "Did you mean 'dropout'"),
        ({"settings": {"dropout": "1.3"}}, "dropout = 1.3 is outside"),
        ({"settings": {"dropout": "much"}}, "dropout = 'much' is not a number"),
        ({"settings": {"latent": 2.5}}, "latent = 2.5 is not a whole number"),
        ({"epochs": 0}, "epochs = 0 is outside"),
        ({"protocol": "weird"}, "Unknown protocol: 'weird'"),
        ({"device": "gpu"}, "Unknown device: 'gpu'"),
        ({"device": "cuda:99"}, "no device 'cuda:99'"),
        ({"dataset": "ml-7"}, "Unknown dataset: 'ml-7'"),
        ({"dataset": "ml-1m"}, "recdash data get ml-1m"),
        ({"seed": -1}, "seed = -1"),
        ({"split_seed": 2**32}, "split seed = 4294967296"),
    ],
)
def test_an_invalid_request_is_refused_before_it_is_queued(waiting, words, said) -> None:
    with pytest.raises(RecdashError) as caught:
        launch.train(training_requests.build_requests(**{"models": ["multvae"], "dataset": "toy", **words}))
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert nothing_was_queued() and not waiting


def test_with_several_models_each_takes_its_own_settings(waiting) -> None:
    plan = training_requests.build_requests(
        ["popularity", "ease", "multvae"], "toy", settings={"l2": "7", "latent": "16"}, epochs=4
    )
    assert [dict(request.settings) for request in plan] == [{}, {"l2": 7.0}, {"latent": 16, "epochs": 4}]
    assert [request.epochs for request in plan] == [1, 1, 4]
    with pytest.raises(UsageError, match="Known: l2"):
        training_requests.build_requests(["popularity", "ease"], "toy", settings={"latent": "16"})


def test_equal_settings_in_another_notation_are_equal_requests(waiting) -> None:
    (text,) = training_requests.build_requests(["multvae"], "toy", settings={"dropout": "0.50", "hidden": "600"})
    (value,) = training_requests.build_requests(["multvae"], "toy", settings={"hidden": (600,), "dropout": 0.5})
    assert text.request_hash == value.request_hash
    assert (
        text.request_hash
        != training_requests.build_requests(["multvae"], "toy", settings={"hidden": (600,)})[0].request_hash
    )


def test_a_request_has_a_data_fingerprint_and_a_readable_name(waiting) -> None:
    (request,) = training_requests.build_requests(["multvae"], "toy", seed=4)
    assert request.name == "Mult-VAE on toy, seed 4"
    assert len(request.dataset_fingerprint) == 16


def test_a_csv_can_be_trained_on_by_its_path(here, tmp_path, monkeypatch) -> None:
    rows = [f"u{user},i{item}" for user in range(150) for item in range(user % 7, user % 7 + 12)]
    (tmp_path / "likes.csv").write_text("\n".join(["user,item", *rows]))
    monkeypatch.chdir(tmp_path)
    (run,) = launch.train(training_requests.build_requests(["popularity"], "likes.csv"))
    assert runs.find(run.id).state is State.FINISHED
    assert run.dataset == str(tmp_path / "likes.csv"), "it is found again from any folder"


def test_all_models_means_all_that_the_data_can_serve(waiting, tmp_path, monkeypatch) -> None:
    rows = [f"u{user},i{item}" for user in range(150) for item in range(user % 7, user % 7 + 12)]
    (tmp_path / "likes.csv").write_text("\n".join(["user,item", *rows]))
    monkeypatch.chdir(tmp_path)
    chosen = {request.model for request in compare.requests("likes.csv", "all")}
    assert {"ease", "multvae", "popularity"} <= chosen
    assert not chosen & {"svae", "autorec", "deeprec", "bias"}
    said = compare.excluded_models(None, "likes.csv")
    assert "order" in said["svae"]
    assert "ratings" in said["autorec"]
    assert compare.excluded_models(None, "toy") == {}


def test_a_read_only_installation_refuses_every_change(here, monkeypatch) -> None:
    (run,) = launch.train(training_requests.build_requests(["popularity"], "toy"))
    monkeypatch.setenv("RECDASH_READ_ONLY", "1")
    for change in (
        lambda: launch.train([Request(model="ease", dataset="toy")]),
        lambda: training_requests.build_requests(["ease"], "toy"),
        lambda: launch.stop(run.id),
        lambda: launch.resume(run.id),
        lambda: launch.retry(run.id),
        lambda: runs.delete(run.id),
        lambda: runs.rename(run.id, "x"),
        lambda: runs.annotate(run.id, "x"),
    ):
        with pytest.raises(UsageError, match="RECDASH_READ_ONLY"):
            change()
    assert [one.id for one in runs.list_runs()] == [run.id]


def test_train_and_wait_give_one_run_per_request_in_order(here, small) -> None:
    queued = launch.train(training_requests.build_requests(["multvae", "popularity"], "toy", settings=small))
    seen = []
    done = launch.wait([run.id for run in queued], seen.append)
    assert [run.model for run in done] == ["multvae", "popularity"]
    assert {run.state for run in done} == {State.FINISHED} and len(seen) >= 1


def test_waiting_gives_up_after_its_time(waiting) -> None:
    (run,) = launch.train(training_requests.build_requests(["popularity"], "toy"))
    assert launch.wait([run.id], poll_seconds=0.01, timeout=0.05)[0].state is State.QUEUED


def test_waiting_for_queued_runs_starts_a_supervisor(waiting) -> None:
    (run,) = launch.train(training_requests.build_requests(["popularity"], "toy"))
    waiting.clear()
    launch.wait([run.id], poll_seconds=0.01, timeout=0.03)
    assert waiting


def test_the_same_press_of_a_button_counts_once(waiting) -> None:
    first = launch.train(training_requests.build_requests(["ease", "popularity"], "toy"), key="token")
    second = launch.train(training_requests.build_requests(["ease", "popularity"], "toy"), key="token")
    assert [run.id for run in first] == [run.id for run in second]


def test_retrying_starts_a_second_run_and_keeps_the_first(here, small) -> None:
    (run,) = launch.train(training_requests.build_requests(["multvae"], "toy", settings=small, seed=2))
    again = launch.retry(run.id)
    first, second = runs.find(run.id), runs.find(again.id)
    assert first.id != second.id and first.request_hash == second.request_hash and first.metrics == second.metrics


def test_deleting_removes_the_folder_too(here) -> None:
    (run,) = launch.train(training_requests.build_requests(["popularity"], "toy"))
    folder = RunFolder(run.id).path
    assert folder.is_dir()
    runs.delete(run.id)
    assert not folder.exists() and runs.list_runs() == []


def test_a_stopped_run_in_the_queue_resumes(here, waiting, monkeypatch) -> None:
    (run,) = launch.train(training_requests.build_requests(["popularity"], "toy"))
    assert launch.stop(run.id).state is State.STOPPED
    assert launch.resume(run.id).state is State.QUEUED


def test_a_run_is_found_by_id_start_of_id_or_name(waiting) -> None:
    first, second = launch.train(training_requests.build_requests(["ease", "popularity"], "toy"))
    assert runs.find(first.id).id == runs.find(first.id[:7]).id == runs.find("EASE on toy").id == first.id
    runs.rename(second.id, "EASE on toy")
    with pytest.raises(UsageError, match="several runs"):
        runs.find("EASE on toy")
    for reference in ("", "nobody", "../../etc/passwd"):
        with pytest.raises(UsageError, match="Unknown run"):
            runs.find(reference)


def test_the_cache_key_moves_when_a_run_reads_differently(here) -> None:
    before = runs.version()
    assert runs.version() == before
    (run,) = launch.train(training_requests.build_requests(["popularity"], "toy"))
    after = runs.version()
    assert after != before
    runs.annotate(run.id, "a note")
    assert runs.version() != after


def test_records_are_json_whatever_is_in_them(here, small) -> None:
    (run,) = launch.train(training_requests.build_requests(["multvae"], "toy", settings=small))
    found = json.loads(json.dumps(runs.find(run.id).to_dict(), allow_nan=False))
    for name in ("id", "name", "model", "dataset", "protocol", "state", "epoch", "epochs", "best_epoch", "metrics"):
        assert name in found
    assert found["state"] == "finished" and found["settings"]["hidden"] == []
    assert found["created"].endswith("Z")


def test_the_log_of_a_run_without_a_log_is_empty(waiting) -> None:
    (run,) = launch.train(training_requests.build_requests(["popularity"], "toy"))
    assert runs.log(run.id) == ""


def test_a_default_device_that_is_not_here_is_refused_before_anything_is_queued(waiting, store, monkeypatch) -> None:
    monkeypatch.setenv("RECDASH_DEVICE", "gpu")
    with pytest.raises(UsageError, match=r"Unknown device: 'gpu' \(RECDASH_DEVICE\)"):
        launch.train(training_requests.build_requests(["ease"], "toy"))
    assert not store.runs()
    assert training_requests.build_requests(["ease"], "toy", device="cpu")
