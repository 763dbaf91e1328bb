"""Every file, damaged in every way, given to every reader: the reader answers or raises a one-line error."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from recdash import paths
from recdash.analysis import slices, versus_best
from recdash.errors import RecdashError, StoreError
from recdash.reporting import render
from recdash.runs import queue, worker
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import Request
from recdash.runs.states import State
from recdash.runs.store import Store
from recdash.services import curves, datasets, doctor, latent_kl, recommend, report, results, runs, store_access
from tests.file_damage import ways
from tests.run_helpers import SMALL
from tests.toy_data import toy_dataset

Reader = Callable[[str], object]


def _report(form: str) -> Reader:
    return lambda run_id: render.render(report.create(dataset="toy"), form)


READERS: dict[str, Reader] = {
    "per_user": results.per_user,
    "results": lambda run_id: [results.export(results.groups(dataset="toy"), form) for form in ("table", "csv")],
    "curves": curves.curves,
    "latent": lambda run_id: latent_kl.history(runs.find(run_id)),
    "recommend": lambda run_id: recommend.recommend("toy", ["Film 4", "7"], run_ids=[run_id], explain=True).to_dict(),
    "recommend by model": lambda run_id: recommend.recommend("toy", ["Film 4"], models=["multvae"]).to_dict(),
    "list_runs": lambda run_id: [run.to_dict() for run in runs.list_runs(dataset="toy")],
    "events": runs.events,
    "log": runs.log,
    "has_supervisor": lambda run_id: runs.has_supervisor(),
    "report": _report("html"),
    "report in Markdown": _report("md"),
    "slices": lambda run_id: [
        slices.slice_view(group, by) for group in results.groups() for by in ("activity", "popularity")
    ],
    "significance": lambda run_id: [versus_best.compare_with_best(group, group.primary) for group in results.groups()],
    "data": lambda run_id: datasets.describe("toy"),
    "datasets": lambda run_id: datasets.entries(),
    "doctor": lambda run_id: doctor.checks(),
}
NEED_THE_STORE = set(READERS) - {"data", "datasets", "doctor", "log"}
# Which readers may refuse when a file is damaged; all others must answer.
FILES: dict[str, set[str]] = {
    "run/run.json": set(),
    "run/epochs.jsonl": set(),
    "run/per_user.npz": {"per_user"},
    "run/facts.npz": set(),
    "run/log.txt": set(),
    "run/arrays/000002.npz": set(),
    "run/best/checkpoint.json": {"recommend", "recommend by model"},
    "run/best/catalogue.json": set(),
    "run/best/weights": set(),
    "rating/per_user.npz": set(),
    "rating/facts.npz": set(),
    "data/recdash.db": NEED_THE_STORE,
    "data/recdash.db.supervisor": set(),
    "data/sets/toy/dataset.npz": NEED_THE_STORE | {"data"},
}
EVERYDAY = ("a third", "null", "objects")  # the other ways are tried with the slow tests
CASES = [
    pytest.param(file, way, id=f"{file}: {way}", marks=() if way in EVERYDAY else pytest.mark.slow)
    for file in FILES
    for way in ways(file)
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, demo_cache: Path) -> tuple[Path, dict[str, str]]:
    """Folders with the toy data and runs that were trained on it, and their ids by what `FILES` calls them."""
    home = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECDASH_DATA_DIR", str(home / "data"))
        patch.setenv("RECDASH_CHECKPOINT_DIR", str(home / "checkpoints"))
        toy_dataset().save(home / "data" / "sets" / "toy")
        (home / "data" / "cache").symlink_to(demo_cache)
        store = Store(paths.store_url())
        asked = [
            Request(model="multvae", dataset="toy", settings=SMALL),
            Request(model="bias", dataset="toy", protocol="ratings-90"),
            Request(model="popularity", dataset="toy"),
        ]
        ids = dict(zip(("run", "rating", "other"), (run.id for run in queue.enqueue(store, asked)), strict=True))
        for run_id in ids.values():
            worker.main([run_id, "--threads", "1"])
        assert {run.state for run in store.runs()} == {State.FINISHED}
        store.close()
        with closing(sqlite3.connect(home / "data" / "recdash.db")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # all that is known lies in the file itself
        (home / "checkpoints" / ids["run"] / "log.txt").write_text("trained\n")
        (home / "data" / "recdash.db.supervisor").write_text('{"host": "elsewhere", "pid": 7, "born": 1.5}')
    return home, ids


@pytest.fixture
def ids(finished: tuple[Path, dict[str, str]]) -> Iterator[dict[str, str]]:
    """The ids of finished runs in this test's own folders, which nothing remembers."""
    home, found = finished
    shutil.copytree(home / "data", paths.data_dir(), symlinks=True)
    shutil.copytree(home / "checkpoints", paths.checkpoint_dir())
    yield found
    for cached in (store_access._store, slices._slices_of, versus_best._compare, datasets._loaded):
        cached.cache_clear()


def damage(file: str, way: str, ids: dict[str, str]) -> None:
    """Damage one of `FILES`."""
    home, _, name = file.partition("/")
    folder = paths.data_dir() if home == "data" else RunFolder(ids[home]).path
    path = next((folder / "best").glob("weights*")) if name == "best/weights" else folder / name
    assert path.is_file()
    ways(file)[way](path)


def answers(reader: Reader, run_id: str) -> bool:
    """Call a reader: whether it answers. A refusal has to fit on one line, and anything else fails the test."""
    try:
        reader(run_id)
    except RecdashError as error:
        assert str(error).strip() and "\n" not in str(error) and len(str(error)) < 1000
        return False
    return True


def test_every_reader_answers_while_nothing_is_damaged(ids: dict[str, str]) -> None:
    assert [name for name, reader in READERS.items() if not answers(reader, ids["run"])] == []


@pytest.mark.parametrize(("file", "way"), CASES)
def test_a_damaged_file_gives_an_answer_or_a_one_line_error(file: str, way: str, ids: dict[str, str]) -> None:
    damage(file, way, ids)
    refused = {name for name, reader in READERS.items() if not answers(reader, ids["run"])}
    assert refused <= FILES[file]
    assert all("\n" not in check.detail for check in doctor.checks())


@pytest.mark.parametrize(("file", "way"), [case for case in CASES if str(case.values[0]).startswith("run/")])
def test_a_lost_store_is_rebuilt_whatever_is_damaged(file: str, way: str, ids: dict[str, str]) -> None:
    damage(file, way, ids)
    for path in paths.data_dir().glob("recdash.db*"):
        path.unlink()
    done = doctor.rebuild_store()
    there = {run.id for run in runs.list_runs()}
    assert there >= {ids["rating"], ids["other"]}
    if file == "run/run.json":
        assert ids["run"] in there or ids["run"] in done or way == "a folder"
        return
    assert ids["run"] in there
    epochs = [row.epoch for row in store_access.open_store().epochs([ids["run"]])]
    assert epochs == [1, 2, 3] or file == "run/epochs.jsonl"


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=() if way in EVERYDAY else pytest.mark.slow) for way in ways(".db")]
)
def test_a_damaged_store_is_complete_after_a_rebuild(way: str, ids: dict[str, str]) -> None:
    damage("data/recdash.db", way, ids)
    if way == "a folder":
        with pytest.raises(StoreError, match="is a folder"):
            doctor.rebuild_store()
        return
    if answers(READERS["list_runs"], ids["run"]) and len(runs.list_runs()) == len(ids):
        return  # what was damaged holds no run
    doctor.rebuild_store()
    assert {run.id for run in runs.list_runs()} == set(ids.values())
    assert [name for name, reader in READERS.items() if not answers(reader, ids["run"])] == []
