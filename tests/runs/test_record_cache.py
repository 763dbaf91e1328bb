"""Records that were parsed once are reused, and never when they could differ."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from recdash.runs import queue, record_cache, record_rows, run_marks
from recdash.runs.process_id import ProcessId, this_host
from recdash.runs.run_records import Request
from recdash.runs.states import State
from recdash.runs.store import Store


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the rows that were parsed for a list."""
    ids: list[str] = []
    monkeypatch.setattr(record_cache, "record_of", lambda row: ids.append(row["id"]) or record_rows.record_of(row))
    return ids


def fill(store: Store, request_of: Callable[..., Request], n: int) -> list[str]:
    ids = [run.id for run in queue.enqueue(store, [request_of(seed=seed) for seed in range(n)])]
    for run_id in ids:
        queue.stop(store, run_id)
    return ids


def test_unchanged_runs_are_parsed_once(store: Store, request_of, parsed: list[str]) -> None:
    ids = fill(store, request_of, 30)
    parsed.clear()
    first = store.runs()
    assert len(parsed) == 30 and store.runs() == first and len(parsed) == 30
    queue.rename(Store(store.database._url.render_as_string()), ids[3], "renamed by another process")
    second = store.runs()
    assert parsed[30:] == [ids[3]]
    assert [run.id for run in second] == [run.id for run in first]
    assert {run.name for run in second} - {run.name for run in first} == {"renamed by another process"}
    queue.delete(store, ids[5])
    run_marks.move_to_trash(store, [ids[6]])
    assert {run.id for run in store.runs()} == {*ids} - {ids[5], ids[6]}
    assert [run.id for run in store.runs(trashed=True)] == [ids[6]]
    assert store.runs(states=[State.QUEUED]) == [] and len(store.runs(model="popularity")) == 28


def test_a_run_whose_process_was_killed_is_noticed_without_a_write(store: Store, request_of) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        ids = fill(store, request_of, 3)
        (run,) = queue.enqueue(store, [request_of(seed=9)])
        queue.claim(store, run.id, ProcessId.of(process.pid), 1)
        before, version = {one.id: one.state for one in store.runs()}, store.version_key()
        assert before == {**dict.fromkeys(ids, State.STOPPED), run.id: State.RUNNING}
    finally:
        process.kill()
        process.wait()
    assert {one.id: one.state for one in store.runs()}[run.id] is State.INTERRUPTED
    assert store.version_key() != version, "pages redraw"
    queue.mark_interrupted(store)
    (lost,) = [one for one in store.runs() if one.id == run.id]
    assert lost.state is State.INTERRUPTED and lost.pid == process.pid and lost.host == this_host()


def test_a_heartbeat_is_seen_although_it_is_no_new_version(store: Store, request_of) -> None:
    (run,) = queue.enqueue(store, [request_of()])
    me = ProcessId.mine()
    queue.claim(store, run.id, me, 1)
    before = store.runs()[0].heartbeat
    time.sleep(0.01)
    store.record_heartbeat(run.id, me)
    after = store.runs()[0].heartbeat
    assert before is not None and after is not None and after > before


def test_a_store_that_was_replaced_is_read_anew(store: Store, request_of, tmp_path) -> None:
    ids = fill(store, request_of, 2)
    store.runs()
    file, copy = store.database.file, tmp_path / "copy.db"
    assert file is not None
    store.close()
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("UPDATE runs SET name = 'of the copy'")  # with the same version
        target.commit()
    copy.replace(file)
    assert {run.name for run in store.runs()} == {"of the copy"} and {run.id for run in store.runs()} == {*ids}


def test_the_cache_is_bounded(store: Store, request_of, monkeypatch: pytest.MonkeyPatch, parsed: list[str]) -> None:
    monkeypatch.setattr(record_cache, "MAX_RECORDS", 10)
    monkeypatch.setattr(record_cache, "_MAX_SINGLE", 3)
    ids = fill(store, request_of, 25)
    parsed.clear()
    for _ in range(3):
        assert {run.id for run in store.runs()} == {*ids}
        assert len(store._records._records) <= 10
    assert len(parsed) == 25 + 15 + 15, "the newest ten are kept"
    store.runs(model="popularity")
    assert len(store._records._records) <= 10
