"""Lists for every user of a dataset in one file: right lists, flat memory, and never half a file."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recdash import atomic_files, paths
from recdash.data.dataset import Dataset
from recdash.data.dataset_registry import load_dataset
from recdash.data.histories import Histories
from recdash.errors import CheckpointError, DataError, UsageError
from recdash.models.base import Model
from recdash.runs.run_folder import RunFolder
from recdash.services import all_users, compare, recommend
from recdash.services import runs as run_service
from recdash.splits import make_split
from recdash.splits.split_options import SplitOptions
from recdash.training import fit
from tests.run_helpers import Runs
from tests.toy_data import toy_dataset


def written(models: str | list[str], output: Path, k: int = 5, dataset: str = "toy") -> pd.DataFrame:
    all_users.write_all_users(all_users.runs_to_use(dataset, models), output, k=k)
    return (
        pd.read_parquet(output)
        if output.suffix == ".parquet"
        else pd.read_csv(output, dtype={"user": str, "item": str})
    )


def expected_list(model: Model, data: Dataset, user: int, threshold: float, k: int) -> tuple[list[str], list[float]]:
    """One user's list from the definition: score what the model reads, sort, skip all that the user has rated."""
    rows = np.flatnonzero(data.users == user)
    rows = rows[np.lexsort((data.items[rows], data.times[rows]))]
    ids = [data.catalogue[item].id for item in data.items[rows].tolist()]
    stars = data.ratings[rows]
    index_of = model.catalogue.index_of
    read = [(index_of[i], s) for i, s in zip(ids, stars, strict=True) if i in index_of]
    if model.task == "ranking":
        read = [(index, star) for index, star in read if star >= threshold]
    history = Histories.from_rows([[index for index, _ in read]], len(model.catalogue))
    values = np.array([star for _, star in read], np.float32) if model.task == "rating" else None
    scores = model.score(Histories(history.indptr, history.items, values, history.n_items))[0]
    order = np.lexsort((np.arange(len(scores)), -scores))
    listed = [index for index in order.tolist() if model.catalogue[index].id not in ids][:k]
    return [model.catalogue[index].id for index in listed], scores[listed].tolist()


@pytest.mark.parametrize("model", ["ease", "cdae", "svae", "autorec"])
def test_every_user_has_the_list_of_the_definition(here, tmp_path: Path, model: str) -> None:
    own = {"ease": {}, "cdae": {"epochs": 1, "latent": 4}, "svae": {"epochs": 1}, "autorec": {"epochs": 1}}[model]
    protocol = "ratings-90" if model == "autorec" else "strong"
    (run,) = compare.start(compare.requests("toy", [model], settings=own, protocol=protocol))
    found, data = written(model, tmp_path / "lists.parquet"), toy_dataset()
    assert list(found.columns) == list(all_users.COLUMNS)
    assert found["user"].drop_duplicates().tolist() == list(data.user_ids)
    assert set(found["run"]) == {run.id}
    trained = recommend.load_model(run_service.find(run.id))
    for user in range(0, data.n_users, 29):
        items, scores = expected_list(trained, data, user, 4.0, 5)
        rows = found[found["user"] == data.user_ids[user]]
        assert rows["rank"].tolist() == [1, 2, 3, 4, 5]
        assert rows["item"].tolist() == items
        np.testing.assert_allclose(rows["score"], scores, rtol=1e-4, atol=1e-4)


def test_positives_are_those_of_the_run(here, tmp_path: Path) -> None:
    options = SplitOptions(positive_from=3.0, ignore_ratings=(1.0,))
    (run,) = compare.start(compare.requests("toy", ["ease"], options=options))
    found, data = written("ease", tmp_path / "lists.parquet", k=45), toy_dataset()
    trained = recommend.load_model(run_service.find(run.id))
    items, scores = expected_list(trained, options.apply_to(data), 17, 3.0, 45)
    rows = found[found["user"] == data.user_ids[17]]
    assert rows["item"].tolist() == items
    np.testing.assert_allclose(rows["score"], scores, rtol=1e-4, atol=1e-5)


def test_nothing_that_a_user_has_rated_is_listed_and_short_lists_end(here, tmp_path: Path) -> None:
    compare.start(compare.requests("toy", ["ease"]))
    found, data = written("ease", tmp_path / "lists.parquet", k=1000), toy_dataset()
    pairs = set(zip(found["user"], found["item"], strict=True))
    rated = {
        (data.user_ids[user], data.catalogue[item].id)
        for user, item in zip(data.users.tolist(), data.items.tolist(), strict=True)
    }
    assert not pairs & rated and len(pairs) == len(found) == data.n_users * data.n_items - len(rated)


def test_several_runs_follow_each_other(here, tmp_path: Path) -> None:
    compare.start(compare.requests("toy", ["ease", "popularity"]))
    runs = all_users.runs_to_use("toy")
    calls: list[tuple[int, int]] = []
    lists = all_users.write_all_users(
        runs, tmp_path / "lists.csv", k=3, progress=lambda done, total: calls.append((done, total))
    )
    found = pd.read_csv(tmp_path / "lists.csv")
    assert [one.run.model for one in lists] == ["popularity", "ease"]
    assert found["run"].drop_duplicates().tolist() == [run.id for run in runs]
    assert [(one.users, one.users_without, one.rows) for one in lists] == [(240, 0, 720)] * 2 and len(found) == 1440
    assert calls[-1] == (480, 480) and [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_csv_and_parquet_say_the_same(here, tmp_path: Path) -> None:
    compare.start(compare.requests("toy", ["ease"]))
    parquet, csv = (written("ease", tmp_path / f"lists.{kind}") for kind in ("parquet", "csv"))
    assert parquet.drop(columns="score").equals(csv.drop(columns="score").astype({"rank": "int32"}))
    np.testing.assert_allclose(parquet["score"], csv["score"], rtol=1e-6)


def test_users_without_positives_have_no_list_of_a_model_that_needs_one(toy, here, tmp_path: Path) -> None:
    data, low = toy_dataset(), 240
    ratings = np.concatenate([data.ratings, np.ones(3, np.float32)])
    grown = Dataset.build(
        "toy",
        users=np.concatenate([data.users + 1, np.full(3, low + 1)]),
        items=np.concatenate([data.items + 1, [1, 2, 3]]),
        ratings=ratings,
        times=np.arange(len(ratings)),
        items_by_id={item.id: item for item in data.catalogue.items},
        scale=(1.0, 5.0),
        source="toy",
    )
    grown.save(paths.data_dir() / "sets" / "toy")
    runs = compare.start(compare.requests("toy", ["ease", "popularity"]))
    assert len(runs) == 2
    popularity, ease = all_users.write_all_users(all_users.runs_to_use("toy"), tmp_path / "lists.parquet", k=3)
    assert (ease.users, ease.users_without) == (240, 1)
    assert (popularity.users, popularity.users_without) == (241, 0)
    assert "241" not in set(pd.read_parquet(tmp_path / "lists.parquet", filters=[("run", "=", ease.run.id)])["user"])


def test_groups_of_rows_and_steps_of_users_change_nothing(here, tmp_path: Path, monkeypatch) -> None:
    import pyarrow.parquet as pq

    compare.start(compare.requests("toy", ["ease"]))
    whole = written("ease", tmp_path / "whole.parquet")
    monkeypatch.setattr(all_users, "_USERS_PER_STEP", 7)
    monkeypatch.setattr(all_users, "_ROWS_PER_GROUP", 100)
    assert written("ease", tmp_path / "parts.parquet").equals(whole)
    assert pq.ParquetFile(tmp_path / "parts.parquet").metadata.num_row_groups == 12  # 3 steps of 7 users are 105 rows


@pytest.mark.parametrize("name", ["lists.txt", "lists", "lists.parquet.gz"])
def test_other_endings_are_refused(runs: Runs, tmp_path: Path, name: str) -> None:
    runs.answering()
    with pytest.raises(UsageError, match=r"must be \.parquet or \.csv"):
        written("multvae", tmp_path / name)


@pytest.mark.parametrize("k", [0, -1, 1001])
def test_lists_have_a_sensible_length(runs: Runs, tmp_path: Path, k: int) -> None:
    runs.answering()
    with pytest.raises(UsageError, match="outside"):
        written("multvae", tmp_path / "lists.parquet", k)


def test_runs_must_exist_and_be_of_the_dataset(runs: Runs, here) -> None:
    with pytest.raises(UsageError, match="No model is trained on toy yet"):
        all_users.runs_to_use("toy")
    run_id = runs.answering()
    with pytest.raises(UsageError, match="trained on toy"):
        all_users.runs_to_use("demo", run_ids=[run_id])
    assert [run.id for run in all_users.runs_to_use("toy", run_ids=f"{run_id},{run_id}")] == [run_id]
    with pytest.raises(UsageError, match="has no weights yet"):
        all_users.runs_to_use("toy", run_ids=[runs.queued()])


def test_a_file_that_cannot_be_written_is_one_line(runs: Runs, tmp_path: Path) -> None:
    runs.answering()
    with pytest.raises(DataError, match=r"cannot be written \(No such file or directory\)"):
        written("multvae", tmp_path / "missing" / "lists.parquet")
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        written("multvae", tmp_path / "folder.parquet")


def interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def disk_full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(("fails", "error"), [(interrupted, KeyboardInterrupt), (disk_full, DataError)])
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_an_interruption_leaves_the_earlier_file_and_nothing_else(
    runs: Runs, tmp_path: Path, monkeypatch, fails: Any, error: type[BaseException], kind: str
) -> None:
    runs.answering()
    folder, output = tmp_path / "out", tmp_path / "out" / f"lists.{kind}"
    folder.mkdir()
    output.write_bytes(b"earlier")
    if fails is disk_full:
        monkeypatch.setattr(atomic_files.os, "fsync", disk_full)
        with pytest.raises(error, match="No space left on device"):
            written("multvae", output)
    else:
        with pytest.raises(error):
            all_users.write_all_users(all_users.runs_to_use("toy"), output, progress=interrupted)
    assert [path.name for path in folder.iterdir()] == [output.name] and output.read_bytes() == b"earlier"


def test_a_full_disk_in_the_middle_is_one_line(runs: Runs, tmp_path: Path) -> None:
    """A limit of the operating system on the size of a file stands for the disk."""
    runs.answering()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    chosen = all_users.runs_to_use("toy")
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limit[1]))
    try:
        with pytest.raises(DataError, match="cannot be written"):
            all_users.write_all_users(chosen, tmp_path / "lists.csv", k=40)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert not list(tmp_path.glob("*lists*")) and not list(tmp_path.glob(".*tmp"))


def test_damaged_weights_leave_no_file(runs: Runs, tmp_path: Path) -> None:
    run_id = runs.answering()
    (weights,) = RunFolder(run_id).best.glob("*.safetensors")
    weights.write_bytes(b"no tensors")
    with pytest.raises(CheckpointError):
        written("multvae", tmp_path / "lists.parquet")
    assert not list(tmp_path.glob("*.parquet*")) and not list(tmp_path.glob(".*"))


MEASURE = """
import sys, time
from pathlib import Path
from recdash.runs import peak_memory
from recdash.services import all_users, datasets

runs = all_users.runs_to_use(sys.argv[1])
datasets.load(sys.argv[1]).in_time_order_ties_by_item
peak_memory.reset_peak()
before, start = peak_memory.peak_bytes(), time.process_time()
(lists,) = all_users.write_all_users(runs, Path(sys.argv[2]))
print(lists.users, time.process_time() - start, (peak_memory.peak_bytes() - before) / 2**20)
"""


def repeated(data: Dataset, times: int) -> Dataset:
    """The same users several times, with new ids."""
    ids = np.array([int(item.id) for item in data.catalogue.items])
    shifts = np.repeat(np.arange(times) * data.n_users, len(data))
    return Dataset.build(
        "tiled",
        users=np.tile(data.users.astype(np.int64), times) + shifts + 1,
        items=np.tile(ids[data.items], times),
        ratings=np.tile(data.ratings, times),
        times=np.tile(data.times, times),
        items_by_id={item.id: item for item in data.catalogue.items},
        scale=data.scale,
        source="MovieLens-1M, repeated",
    )


@pytest.mark.slow
def test_all_users_of_movielens_in_seconds_and_five_times_as_many_in_the_same_memory(
    runs: Runs, test_data: Path, tmp_path: Path
) -> None:
    data = load_dataset(test_data / "ml-1m")
    model = fit("ease", make_split(data))
    found = {}
    for name, made in (("once", data), ("tiled", repeated(data, 5))):
        replace(made, name=name).save(paths.data_dir() / "sets" / name)
        model.save(RunFolder(runs.finished("ease", dataset=name)).best)
        words = [sys.executable, "-c", MEASURE, name, str(tmp_path / f"{name}.parquet")]
        users, seconds, megabytes = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
        found[name] = int(users), float(seconds), float(megabytes)
    assert found["once"][0] == 6038 and found["tiled"][0] == 5 * 6038
    assert found["once"][1] < 5, "seconds of processor time for 6,040 users, without the start of the process"
    assert found["tiled"][2] < found["once"][2] + 120, "all scores at once would be 336 MB more"
    once, tiled = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in found)
    assert tiled["item"].tolist() == once["item"].tolist() * 5
