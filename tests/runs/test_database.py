"""Stores that are damaged, locked, write-protected, replaced or of another kind; and how a lost store is rebuilt."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest

from recdash import paths
from recdash.errors import StoreError, UsageError
from recdash.runs import database, queue, rebuild_store
from recdash.runs.process_id import ProcessId
from recdash.runs.run_folder import RunFolder
from recdash.runs.states import State
from recdash.runs.store import Store


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "runs.db"


def open_at(file: Path) -> Store:
    return Store(f"sqlite:///{file}")


def test_the_folder_of_a_new_store_is_made(file: Path) -> None:
    assert open_at(file).runs() == []
    assert file.is_file()


@pytest.mark.parametrize(
    "content", [b"these are not the bytes of a database" * 200, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_file_that_is_not_a_database_is_reported_as_damaged(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(StoreError, match=r"runs\.db is damaged .*recdash doctor --fix"):
        open_at(file).runs()
    assert file.read_bytes() == content, "what was there is left as it was"


def test_a_long_lock_is_a_message_and_not_a_traceback(file: Path, monkeypatch, request_of) -> None:
    open_at(file).runs()
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    store, holder = open_at(file), sqlite3.connect(file)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="locked by another program"):
        queue.enqueue(store, [request_of()])
    holder.rollback()
    holder.close()
    assert len(queue.enqueue(store, [request_of()])) == 1


def test_a_short_lock_is_waited_for(file: Path, request_of) -> None:
    store = open_at(file)
    store.runs()
    holder = sqlite3.connect(file, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    threading.Timer(0.5, holder.rollback).start()
    assert len(queue.enqueue(store, [request_of()])) == 1
    holder.close()


def test_a_store_deleted_while_open_is_created_again(file: Path, request_of) -> None:
    store = open_at(file)
    queue.enqueue(store, [request_of()])
    for path in file.parent.iterdir():
        path.unlink()
    assert store.runs() == []
    assert len(queue.enqueue(store, [request_of()])) == 1
    assert len(open_at(file).runs()) == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("no url at all", "not a database URL"),
        ("mysql://h/d", "not supported"),
        ("postgresql+nodriver://h/d", "driver"),
        ("sqlite:////proc/nowhere/runs.db", "RECDASH_STORE"),
    ],
)
def test_an_invalid_url_is_explained(url: str, words: str) -> None:
    with pytest.raises(StoreError, match=words) as caught:
        Store(url).runs()
    assert "\n" not in str(caught.value)


def test_a_password_is_never_part_of_a_message() -> None:
    with pytest.raises(StoreError) as caught:
        Store("postgresql://user:secret@127.0.0.1:1/db").runs()
    assert "secret" not in str(caught.value)


def test_a_store_without_write_permission_can_be_read(file: Path, monkeypatch, request_of) -> None:
    full = open_at(file)
    queue.enqueue(full, [request_of()])
    full.close()
    monkeypatch.setattr(database, "_can_write", lambda path: False)
    store = open_at(file)
    assert [run.model for run in store.runs()] == ["popularity"]
    with pytest.raises(StoreError, match="cannot be written"):
        queue.enqueue(store, [request_of()])


def test_without_write_permission_a_missing_store_is_empty(file: Path, monkeypatch) -> None:
    monkeypatch.setattr(database, "_can_write", lambda path: False)
    assert open_at(file).runs() == []
    assert not file.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission_is_noticed(file: Path) -> None:
    open_at(file).runs()
    file.parent.chmod(0o500)
    try:
        assert not open_at(file).database.writable
    finally:
        file.parent.chmod(0o700)


def finished_run(store: Store, request_of, **words) -> str:
    me = ProcessId.mine()
    (run,) = queue.enqueue(store, [request_of(**words)])
    queue.claim(store, run.id, me, 1)
    folder = RunFolder(run.id)
    folder.make()
    for epoch in (1, 2):
        row = {"epoch": epoch, "update": epoch, "seconds": epoch / 2, "values": {"loss": 1 / epoch}}
        store.add_epoch(run.id, me, **row)
        folder.add_epoch(row, {})
    store.end_run(run.id, me, State.FINISHED, metrics={"ndcg@100": 0.5}, intervals={"ndcg@100": (0.4, 0.6)})
    folder.write_record(store.run(run.id).to_dict())
    return run.id


def test_a_damaged_store_is_renamed_and_rebuilt_from_the_run_folders(store: Store, request_of) -> None:
    finished = finished_run(store, request_of, seed=1, settings={"l2": 2.0})
    (queued,) = queue.enqueue(store, [request_of()])
    running = queue.claim(store, queued.id, ProcessId.mine(), 1)
    RunFolder(running.id).make()
    RunFolder(running.id).write_record(running.to_dict())
    before, epochs = store.run(finished), store.epochs([finished])
    store.close()
    store.database.file.write_bytes(b"damaged" * 1000)
    for ending in ("-wal", "-shm"):
        store.database.file.with_name(store.database.file.name + ending).unlink(missing_ok=True)

    report = rebuild_store.rebuild(paths.store_url())
    assert "Runs rebuilt from their folders: 2" in report
    after = store.run(finished)
    for name in ("state", "settings", "seed", "metrics", "intervals", "name", "request_hash", "epoch", "elapsed_s"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.finished == pytest.approx(before.finished, abs=0.01)
    assert [(row.epoch, row.values) for row in store.epochs([finished])] == [(row.epoch, row.values) for row in epochs]
    assert store.run(running.id).state is State.INTERRUPTED, "what was running can be resumed"
    assert len(list(store.database.file.parent.glob("*.damaged-*"))) == 1


def test_a_deleted_store_is_rebuilt_once(store: Store, request_of) -> None:
    run_id = finished_run(store, request_of)
    store.database.file.unlink()
    assert "folders: 1" in rebuild_store.rebuild(paths.store_url())
    assert store.run(run_id).metrics == {"ndcg@100": 0.5}
    with pytest.raises(UsageError, match="nothing to fix"):
        rebuild_store.rebuild(paths.store_url())


def test_a_damaged_record_does_not_prevent_rebuilding_the_other_runs(store: Store, request_of) -> None:
    run_id = finished_run(store, request_of)
    other = RunFolder("ease-0000000a")
    other.make()
    (other.path / "run.json").write_text("{")
    copied = RunFolder("ease-0000000b")
    copied.make()
    copied.write_record(RunFolder(run_id).read_record())
    store.database.file.unlink()
    report = rebuild_store.rebuild(paths.store_url())
    assert "folders: 1" in report and "ease-0000000a" in report and "ease-0000000b" in report


def test_a_truncated_epoch_is_skipped(store: Store, request_of) -> None:
    run_id = finished_run(store, request_of)
    with (RunFolder(run_id).path / "epochs.jsonl").open("a") as lines:
        lines.write('{"epoch": 3, "upd')
    assert [row["epoch"] for row in RunFolder(run_id).read_epochs()] == [1, 2]


def test_per_user_results_are_never_unpickled(store: Store, request_of) -> None:
    import numpy as np

    folder = RunFolder(finished_run(store, request_of))
    np.savez(folder.path / "per_user.npz", evil=np.array([object()], dtype=object))
    with pytest.raises(Exception, match="cannot be read"):
        folder.read_per_user()
