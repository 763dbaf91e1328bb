"""A store, checkpoints and a dataset that version 0.2 wrote still open, resume and compare.

tests/golden/version-0.2 has one finished run of each model, a stopped Mult-VAE run and a killed RecVAE run, all on a
dataset of 160 users and 40 items.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import inspect, select

import recdash
from recdash import paths
from recdash.cli.main import main
from recdash.data.dataset import Dataset
from recdash.models import registry
from recdash.runs import database, schema
from recdash.runs.run_folder import RunFolder, run_folders
from recdash.runs.run_records import Request, RunRecord
from recdash.runs.states import State
from recdash.runs.store import Store
from recdash.services import doctor, latent_kl, launch, results, store_access
from recdash.services import runs as service
from recdash.splits import RatingSplit
from recdash.training import TrainingState, fit

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "version-0.2"
STOPPED, KILLED = "multvae-619b8afc", "recvae-ba596633"
OLD_RUNS = "SELECT id, twin, wish, wished, born, details FROM runs"
FINISHED = (
    "popularity-826433b3", "random-c70a54d7", "itemknn-668b3f3c", "ease-cfc6311d", "cdae-18a81009", "multdae-46680368",
    "multvae-b2136319", "recvae-36a63bbe", "svae-3fe0e031", "bias-e9f7ff68", "autorec-34ec6b57", "deeprec-038d6c1b",
)  # fmt: skip


@pytest.fixture
def store_file(here: list[str]) -> Iterator[Path]:
    """The store of version 0.2, with its checkpoints and dataset at the default locations."""
    file = paths.data_dir() / "recdash.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript((GOLDEN / "runs.sql").read_text(encoding="utf-8"))
    (paths.data_dir() / "sets" / "small").mkdir(parents=True)
    shutil.copy(GOLDEN / "dataset.npz", paths.data_dir() / "sets" / "small")
    with zipfile.ZipFile(GOLDEN / "checkpoints.zip") as archive:
        archive.extractall(paths.checkpoint_dir())
    yield file
    store_access._store.cache_clear()


def old_rows(file: Path) -> dict[str, dict[str, Any]]:
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        return {row["id"]: dict(row) for row in connection.execute(OLD_RUNS)}


def split_of(run: RunRecord) -> Any:
    data = Dataset.load(paths.data_dir() / "sets" / "small")
    return recdash.make_split(data, run.protocol, seed=run.split_seed)


def reproducible(values: Mapping[str, float]) -> dict[str, float]:
    """The values of an epoch that do not depend on the speed of the machine."""
    return {name: value for name, value in values.items() if name != "examples/s"}


def trained_without_a_stop(run: RunRecord, epochs: list[dict[str, float]]) -> Any:
    """Train the settings of a run in one go, and collect the values of each epoch."""
    return fit(
        run.model,
        split_of(run),
        seed=run.seed,
        threads=run.threads,
        on_epoch=lambda record: epochs.append(reproducible(record.values)),
        **run.settings,
    )


def test_the_store_migrates_to_schema_4_and_loses_nothing(store_file: Path) -> None:
    with closing(sqlite3.connect(store_file)) as connection:
        connection.execute("UPDATE runs SET wish = 'stop', wished = 17.5 WHERE id = ?", (KILLED,))
        connection.commit()
    old, store = old_rows(store_file), Store(paths.store_url())
    with store.database.read() as connection:
        rows = {row["id"]: row for row in connection.execute(select(schema.runs)).mappings()}
        names = {column["name"] for column in inspect(connection).get_columns("runs")}
        indexes = {index["name"] for index in inspect(connection).get_indexes("runs")}
        assert schema.version_of(connection) == schema.VERSION == 4
    assert names == {column.name for column in schema.runs.columns}
    assert "runs_by_request_hash" in indexes and "runs_by_twin" not in indexes
    assert rows.keys() == old.keys() == {*FINISHED, STOPPED, KILLED}
    for run_id, row in rows.items():
        before = old[run_id]
        assert row["stop_requested"] == (run_id == KILLED)
        assert (row["request_hash"], row["process_start"]) == (before["twin"], before["born"])
        assert row["stop_requested_at"] == before["wished"]
    counts = {run.id: len(store.epochs([run.id])) for run in store.runs()}
    assert (counts[STOPPED], counts[KILLED], counts["cdae-18a81009"]) == (82, 84, 3)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript((GOLDEN / "runs.sql").read_text(encoding="utf-8"))
        assert sum(counts.values()) == connection.execute("SELECT count(*) FROM epochs").fetchone()[0]


def test_a_store_without_write_permission_is_read_and_left_unchanged(
    store_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store_file.read_bytes()
    monkeypatch.setattr(database, "_can_write", lambda path: False)
    assert {run.id for run in Store(paths.store_url()).runs()} == {*FINISHED, STOPPED, KILLED}
    assert store_file.read_bytes() == before


def test_records_have_the_present_names_and_json_the_old_ones_too(store_file: Path) -> None:
    old = old_rows(store_file)
    store = Store(paths.store_url())
    for run_id in FINISHED:
        run, details = store.run(run_id), json.loads(old[run_id]["details"])
        assert run.details.get("n_validations") == details.get("looks") and "looks" not in run.details
        assert run.request_hash == run.to_dict()["twin"] == run.to_dict()["request_hash"] == old[run_id]["twin"]
    assert store.run("multvae-b2136319").details["n_validations"] == 3
    killed, stopped = store.run(KILLED), store.run(STOPPED)
    assert (killed.state, killed.epoch, stopped.state, stopped.epoch) == (State.INTERRUPTED, 84, State.STOPPED, 82)


def test_requests_find_the_runs_of_version_0_2(store_file: Path) -> None:
    store = Store(paths.store_url())
    for run in store.runs():
        names = ("model", "dataset", "protocol", "preset", "settings", "seed", "split_seed", "dataset_fingerprint")
        request = Request(**{name: getattr(run, name) for name in names}, options=run.options)
        assert [found.id for found in store.runs(request_hashes=[request.request_hash])] == [run.id]


@pytest.mark.parametrize("run_id", FINISHED)
def test_every_checkpoint_loads_and_gives_the_recorded_results(run_id: str, store_file: Path) -> None:
    run = Store(paths.store_url()).run(run_id)
    model, split = recdash.load_model(RunFolder(run_id).best), split_of(run)
    assert model.name == run.model and model.record["split_fingerprint"] == split.fingerprint == run.split_fingerprint
    report = recdash.evaluate(model, split, on="test")
    assert report.mean == pytest.approx(dict(run.metrics), abs=1e-5)
    if isinstance(split, RatingSplit):
        predicted = model.predict([0, 1, 2], [3, 4, 5])
        assert predicted.dtype == np.float32 and bool(((predicted >= 1) & (predicted <= 5)).all())
        return
    catalogue = Dataset.load(paths.data_dir() / "sets" / "small").catalogue
    picks = [catalogue.items[0].id, catalogue.items[7].id]
    top = model.recommend(picks, k=5)
    assert len({row[0] for row in top}) == 5 and not {row[0] for row in top} & set(picks)


def test_training_states_have_the_present_names(store_file: Path) -> None:
    for run_id, epoch, best in ((STOPPED, 82, 29), (KILLED, 75, 75)):
        state = TrainingState.load(RunFolder(run_id).last)
        written = json.loads((RunFolder(run_id).last / "checkpoint.json").read_text(encoding="utf-8"))["best"]
        assert (state.position.epoch, state.best.epoch) == (epoch, best)
        assert state.best.n_validations == written["looks"] > 0
        assert state.best.validations_without_improvement == written["stale"]


@pytest.mark.parametrize(
    "run_id", [pytest.param(STOPPED, id="stopped", marks=pytest.mark.slow), pytest.param(KILLED, id="killed")]
)
def test_a_resumed_run_ends_as_a_training_that_never_stopped(
    run_id: str, store_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = service.find(run_id)
    launch.resume(run_id)
    run = service.find(run_id)
    assert (run.state, run.attempts, run.error) == (State.FINISHED, 2, "")
    assert f"from epoch {82 if run_id == STOPPED else 75} on" in capsys.readouterr().out
    store = store_access.open_store()
    resumed = {row.epoch: reproducible(row.values) for row in store.epochs([run_id])}
    straight: list[dict[str, float]] = []
    model = trained_without_a_stop(run, straight)
    assert sorted(resumed) == list(range(1, run.epoch + 1))
    assert len(straight) == run.epoch > before.epoch
    assert run.best_value == pytest.approx(model.record["best_value"], abs=1e-3)
    assert run.best_epoch == model.record["best_epoch"]
    if all(straight[epoch - 1] == resumed[epoch] for epoch in (1, 10, 40)):  # the golden file's processor rounds alike
        assert [resumed[epoch] for epoch in range(1, run.epoch + 1)] == straight, "bit for bit"
        weights = registry.load(RunFolder(run_id).best).tensors()
        assert all(bool((weights[name] == tensor).all()) for name, tensor in model.tensors().items())


def test_run_records_of_version_0_2_rebuild_a_lost_store(store_file: Path) -> None:
    before = {run.id: run for run in Store(paths.store_url()).runs()}
    store_access._store.cache_clear()
    for path in paths.data_dir().glob("recdash.db*"):
        path.unlink()
    assert len(run_folders()) == len(before)
    assert "14" in doctor.rebuild_store()
    after = {run.id: run for run in service.list_runs()}
    assert after.keys() == before.keys()
    for run_id, run in after.items():
        old = before[run_id]
        same = ("model", "metrics", "intervals", "settings", "seed", "request_hash", "best_epoch", "threads", "state")
        # The killed run could not record in its folder what it recorded in the store after the start.
        for name in same if run_id != KILLED else ("model", "settings", "seed", "request_hash", "threads", "state"):
            assert getattr(run, name) == getattr(old, name), (run_id, name)
        assert run.details.get("n_validations") == old.details.get("n_validations")
        assert run.epoch == old.epoch
    launch.resume(STOPPED)
    assert service.find(STOPPED).state is State.FINISHED


def test_results_and_curves_show_runs_of_version_0_2(store_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    groups = results.groups(dataset="small")
    assert {row.run.id for group in groups for row in group.rows} == set(FINISHED)
    assert {group.protocol for group in groups} == {"strong", "strong-temporal", "ratings-90"}
    assert "latent" in str(service.find("multvae-b2136319").config)
    kl = latent_kl.history(service.find("multvae-b2136319")).kl
    assert kl is not None and kl.values.shape[1] == 8
    assert main(["results", "--dataset", "small", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {result["run"] for result in shown["results"]} == set(FINISHED)
    assert main(["curves", STOPPED, "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["series"]["loss"]) == 82


def test_compare_trains_only_what_version_0_2_did_not(store_file: Path, here: list[str], capsys: Any) -> None:
    command = ["compare", "--dataset", "small", "--models", "popularity,random,itemknn", "--json"]
    assert main(command) == 0
    shown = {result["run"] for result in json.loads(capsys.readouterr().out)["results"]}
    assert here == [] and shown >= set(FINISHED[:3])
    assert main([*command, "--seed", "5"]) == 0
    assert len(here) == 3
    capsys.readouterr()


def test_old_runs_recommend_side_by_side(store_file: Path, capsys: Any) -> None:
    title = Dataset.load(paths.data_dir() / "sets" / "small").catalogue.items[0].title
    assert main(["recommend", "--pick", title, "--dataset", "small", "--model", "multvae", "--json", "-k", "3"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["recommendations"].values()
    assert len(found) == 3
