"""The contract of every run store. A new kind of store joins with one line in MAKERS."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from recdash.errors import StoreError, UsageError
from recdash.runs import queue, schema
from recdash.runs.process_id import ProcessId, this_host
from recdash.runs.run_colours import PALETTE, colour_of
from recdash.runs.run_records import Request
from recdash.runs.states import State
from recdash.runs.store import Store


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'contract' / 'runs.db'}"


def postgresql_url(folder: Path) -> str:
    """A PostgreSQL database that the test may empty."""
    url = os.environ["RECDASH_TEST_POSTGRESQL"]
    engine = create_engine(url)
    with engine.begin() as connection:
        for table in ("runs", "epochs", "events", "meta"):
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table}")
    engine.dispose()
    return url


MAKERS: dict[str, Callable[[Path], str]] = {"sqlite": sqlite_url}
if os.environ.get("RECDASH_TEST_POSTGRESQL"):
    MAKERS["postgresql"] = postgresql_url


@pytest.fixture(params=MAKERS)
def url(request, tmp_path: Path) -> str:
    return MAKERS[request.param](tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()


@pytest.fixture
def me() -> ProcessId:
    return ProcessId.mine()


def ask(model: str = "ease", **words) -> Request:
    return Request(**{"model": model, "dataset": "toy", **words})


def running(store: Store, me: ProcessId, **words) -> str:
    (run,) = queue.enqueue(store, [ask(**words)])
    queue.claim(store, run.id, me, 1)
    return run.id


def dead(host: str = "") -> ProcessId:
    """A process that lived on this host and is gone."""
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    return ProcessId(host or this_host(), process.pid, time.time())


def test_recent_runs_have_different_colours(store: Store) -> None:
    first = [run.id for run in queue.enqueue(store, [ask(seed=seed) for seed in range(12)])]
    assert sorted(map(colour_of, first)) == sorted(PALETTE[:12])  # hues before strengths
    later = [run.id for run in queue.enqueue(store, [ask(seed=seed) for seed in range(12, 24)])]
    assert sorted(map(colour_of, first + later)) == sorted(PALETTE)
    queue.stop(store, first[3])
    queue.delete(store, first[3])
    (again,) = queue.enqueue(store, [ask(seed=99)])
    assert colour_of(again.id) == colour_of(first[3])


def test_a_run_goes_from_queued_over_running_to_finished(store: Store, me: ProcessId) -> None:
    (run,) = queue.enqueue(store, [ask(settings={"l2": 3.0}, seed=7)])
    assert (run.state, run.settings, run.seed, run.attempts) == (State.QUEUED, {"l2": 3.0}, 7, 0)
    claimed = queue.claim(store, run.id, me, 2)
    assert claimed is not None
    assert (claimed.state, claimed.threads, claimed.attempts) == (State.RUNNING, 2, 1)
    assert claimed.started is not None and claimed.started >= run.created
    store.end_run(run.id, me, State.FINISHED, metrics={"ndcg@100": 0.4}, intervals={"ndcg@100": (0.3, 0.5)})
    done = store.run(run.id)
    assert (done.state, done.metrics, done.intervals) == (State.FINISHED, {"ndcg@100": 0.4}, {"ndcg@100": (0.3, 0.5)})
    assert [event.kind for event in store.events(run.id)] == ["queued", "started", "finished"]


def test_a_record_is_unchanged_after_reopening_the_store(url: str, me: ProcessId) -> None:
    first = Store(url)
    run_id = running(first, me)
    first.end_run(run_id, me, State.STOPPED, runtime_s=1.5)
    before = first.run(run_id)
    first.close()
    again = Store(url)
    assert again.run(run_id) == before
    again.close()


def test_nobody_else_can_claim_a_claimed_run(store: Store, me: ProcessId) -> None:
    run_id = running(store, me)
    assert queue.claim(store, run_id, me, 1) is None


def test_of_many_claimants_exactly_one_gets_the_run(url: str, store: Store, me: ProcessId) -> None:
    (run,) = queue.enqueue(store, [ask()])
    won, start = [], threading.Barrier(8)

    def try_it() -> None:
        own = Store(url)
        start.wait()
        won.append(queue.claim(own, run.id, me, 1) is not None)
        own.close()

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(won) == [False] * 7 + [True]
    assert store.run(run.id).attempts == 1


def test_the_longest_waiting_run_is_next(store: Store) -> None:
    first, second = queue.enqueue(store, [ask("ease"), ask("popularity")])
    (third,) = queue.enqueue(store, [ask("multvae")])
    assert [run.id for run in queue.queued_runs(store)] == [first.id, second.id, third.id]


def test_the_same_key_gives_the_same_runs(store: Store, me: ProcessId) -> None:
    wanted = [ask("ease"), ask("popularity")]
    first = queue.enqueue(store, wanted, key="click")
    for run in first:
        queue.claim(store, run.id, me, 1)
        store.end_run(run.id, me, State.FINISHED)
    assert [run.id for run in queue.enqueue(store, wanted, key="click")] == [run.id for run in first]
    assert [run.id for run in queue.enqueue(store, wanted, key="another")] != [run.id for run in first]


def test_equal_requests_share_a_run_while_it_is_active(store: Store, me: ProcessId) -> None:
    (first,) = queue.enqueue(store, [ask(name="a")])
    (second,) = queue.enqueue(store, [ask(name="b")])
    assert first.id == second.id
    (other,) = queue.enqueue(store, [ask(seed=1)])
    assert other.id != first.id
    queue.claim(store, first.id, me, 1)
    assert queue.enqueue(store, [ask()])[0].id == first.id
    store.end_run(first.id, me, State.FINISHED)
    assert queue.enqueue(store, [ask()])[0].id != first.id


def test_two_clicks_at_the_same_moment_make_one_run(url: str, store: Store) -> None:
    store.runs()
    ids, start = [], threading.Barrier(6)

    def click() -> None:
        own = Store(url)
        start.wait()
        ids.append(queue.enqueue(own, [ask()])[0].id)
        own.close()

    threads = [threading.Thread(target=click) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(set(ids)) == 1 and len(store.runs()) == 1


def test_a_dead_run_does_not_block_an_equal_request(store: Store) -> None:
    lost = running(store, dead())
    assert queue.enqueue(store, [ask()])[0].id != lost


def test_epochs_are_returned_in_order_and_newer_ones_on_request(store: Store, me: ProcessId) -> None:
    run_id = running(store, me)
    seqs = [
        store.add_epoch(run_id, me, epoch=epoch, update=epoch * 10, seconds=epoch / 2, values={"loss": 1 / epoch})
        for epoch in (1, 2, 3)
    ]
    assert seqs == sorted(set(seqs))
    assert [row.epoch for row in store.epochs([run_id])] == [1, 2, 3]
    (last,) = store.epochs([run_id], after=seqs[1])
    assert (last.epoch, last.update, last.seconds, last.values) == (3, 30, 1.5, {"loss": 1 / 3})
    assert store.epochs([run_id], after=seqs[2]) == []
    run = store.run(run_id)
    assert (run.epoch, run.elapsed_s) == (3, 1.5)


def test_writing_an_epoch_again_replaces_it_and_counts_as_new(store: Store, me: ProcessId) -> None:
    run_id = running(store, me)
    first = store.add_epoch(run_id, me, epoch=1, update=1, seconds=1, values={"loss": 2.0})
    second = store.add_epoch(run_id, me, epoch=1, update=1, seconds=1, values={"loss": 3.0})
    (row,) = store.epochs([run_id])
    assert second > first and row.values == {"loss": 3.0} and store.epochs([run_id], after=first) == [row]


def test_nan_and_infinity_are_preserved(store: Store, me: ProcessId) -> None:
    run_id = running(store, me)
    values = {"nan": math.nan, "inf": math.inf, "minus": -math.inf, "tiny": 5e-324}
    store.add_epoch(run_id, me, epoch=1, update=1, seconds=1, values=values)
    (row,) = store.epochs([run_id])
    assert math.isnan(row.values.pop("nan")) and row.values == {"inf": math.inf, "minus": -math.inf, "tiny": 5e-324}
    assert store.run(run_id).to_dict()["best_value"] is None


@pytest.mark.parametrize("write", ["update_run", "add_epoch", "end_run"])
def test_only_the_claiming_process_writes(store: Store, me: ProcessId, write: str) -> None:
    run_id = running(store, me)
    stranger = ProcessId(me.host, me.pid + 1, me.process_start)
    arguments = {
        "update_run": {"epochs": 3},
        "add_epoch": {"epoch": 1, "update": 1, "seconds": 1.0, "values": {}},
        "end_run": {"state": State.FAILED},
    }[write]
    with pytest.raises(StoreError, match="no longer belongs to this process"):
        getattr(store, write)(run_id, stranger, **arguments)
    assert store.run(run_id).state is State.RUNNING and store.epochs([run_id]) == []


def test_a_finished_run_is_never_altered_but_for_name_and_note(store: Store, me: ProcessId) -> None:
    run_id = running(store, me)
    store.add_epoch(run_id, me, epoch=1, update=1, seconds=1, values={"loss": 1.0})
    store.end_run(run_id, me, State.FINISHED, metrics={"ndcg@100": 0.4})
    before, epochs = store.run(run_id), store.epochs([run_id])
    for attempt in (
        lambda: store.update_run(run_id, me, epochs=9),
        lambda: store.add_epoch(run_id, me, epoch=1, update=1, seconds=1, values={"loss": 2.0}),
        lambda: store.end_run(run_id, me, State.FAILED, "no"),
        lambda: queue.resume(store, run_id),
    ):
        with pytest.raises((StoreError, UsageError)):
            attempt()
    queue.stop(store, run_id)
    store.record_heartbeat(run_id, me)
    queue.mark_interrupted(store)
    assert queue.claim(store, run_id, me, 1) is None
    assert not queue.end_dead_run(store, run_id, me.pid, State.FAILED, "no")
    assert store.run(run_id) == before and store.epochs([run_id]) == epochs
    queue.rename(store, run_id, "best one")
    queue.annotate(store, run_id, "keep")
    after = store.run(run_id)
    assert (after.name, after.note, after.metrics) == ("best one", "keep", before.metrics)


def test_a_run_whose_process_is_gone_reads_interrupted(store: Store) -> None:
    run_id = running(store, dead())
    run = store.run(run_id)
    assert run.state is State.INTERRUPTED and "Resume" in run.error
    assert store.runs(states=[State.RUNNING]) == []
    assert [one.id for one in store.runs(states=[State.INTERRUPTED])] == [run_id]


def test_a_process_id_given_to_another_process_does_not_count(store: Store, me: ProcessId) -> None:
    run_id = running(store, ProcessId(me.host, me.pid, me.process_start - 3600))
    assert store.run(run_id).state is State.INTERRUPTED


def test_on_another_host_ten_seconds_without_a_heartbeat_mean_interrupted(store: Store, monkeypatch) -> None:
    away = ProcessId("another-host", 4711, 1.0)
    run_id = running(store, away)
    assert store.run(run_id).state is State.RUNNING
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 9)
    assert store.run(run_id).state is State.RUNNING
    monkeypatch.setattr(time, "time", lambda: now + 12)
    assert store.run(run_id).state is State.INTERRUPTED
    store.record_heartbeat(run_id, away)
    assert store.run(run_id).state is State.RUNNING


def test_dead_runs_are_recorded_as_interrupted(store: Store, me: ProcessId) -> None:
    lost, living = running(store, dead()), running(store, me, seed=1)
    assert [run.id for run in queue.mark_interrupted(store)] == [lost]
    assert [event.kind for event in store.events(lost)][-1] == "interrupted"
    assert store.run(living).state is State.RUNNING
    assert queue.mark_interrupted(store) == []


def test_stopping_a_queued_run_ends_it_at_once(store: Store, me: ProcessId) -> None:
    (run,) = queue.enqueue(store, [ask()])
    assert queue.stop(store, run.id).state is State.STOPPED
    assert queue.claim(store, run.id, me, 1) is None


def test_stopping_a_running_run_is_a_request_to_its_worker(store: Store, me: ProcessId) -> None:
    run_id = running(store, me)
    assert not store.record_heartbeat(run_id, me) and not store.is_stop_requested(run_id)
    asked = queue.stop(store, run_id)
    assert asked.state is State.RUNNING and asked.stopping
    assert store.record_heartbeat(run_id, me) and store.is_stop_requested(run_id)
    assert queue.stop(store, run_id).stopping, "stopping twice is no error"
    store.end_run(run_id, me, State.STOPPED)
    assert not store.run(run_id).stopping


def test_a_worker_that_no_longer_owns_its_run_has_to_stop(store: Store, me: ProcessId) -> None:
    assert store.record_heartbeat(running(store, dead()), me)


@pytest.mark.parametrize("state", [State.FAILED, State.STOPPED, State.INTERRUPTED])
def test_a_run_that_did_not_finish_can_be_resumed_with_its_threads(store: Store, me: ProcessId, state: State) -> None:
    run_id = running(store, me)
    store.add_epoch(run_id, me, epoch=3, update=9, seconds=4.0, values={"loss": 1.0})
    store.end_run(run_id, me, state, "a reason")
    queued = queue.resume(store, run_id)
    assert (queued.state, queued.error, queued.finished, queued.epoch) == (State.QUEUED, "", None, 3)
    again = queue.claim(store, run_id, me, 16)
    assert again is not None and (again.attempts, again.threads) == (2, 1)
    assert len(store.epochs([run_id])) == 1


def test_a_dead_run_can_be_resumed_before_it_is_recorded_as_interrupted(store: Store, me: ProcessId) -> None:
    run_id = running(store, dead())
    assert queue.resume(store, run_id).state is State.QUEUED
    assert queue.claim(store, run_id, me, 1) is not None


def test_resuming_an_active_run_changes_nothing(store: Store, me: ProcessId) -> None:
    run_id = running(store, me)
    before = store.run(run_id)
    assert queue.resume(store, run_id) == before


def test_a_running_run_cannot_be_deleted_and_any_other_leaves_nothing(store: Store, me: ProcessId) -> None:
    run_id = running(store, me)
    store.add_epoch(run_id, me, epoch=1, update=1, seconds=1, values={})
    with pytest.raises(UsageError, match="Stop it first"):
        queue.delete(store, run_id)
    store.end_run(run_id, me, State.FINISHED)
    queue.delete(store, run_id)
    assert store.runs() == [] and store.epochs([run_id]) == [] and store.events(run_id) == []
    with pytest.raises(UsageError, match="Unknown run"):
        store.run(run_id)


def test_seqs_are_unique_even_after_a_deletion(store: Store, me: ProcessId) -> None:
    run_id = running(store, me)
    last = store.add_epoch(run_id, me, epoch=1, update=1, seconds=1, values={})
    store.end_run(run_id, me, State.FINISHED)
    queue.delete(store, run_id)
    other = running(store, me)
    assert store.add_epoch(other, me, epoch=1, update=1, seconds=1, values={}) > last


def test_every_write_but_a_heartbeat_moves_the_version(store: Store, me: ProcessId) -> None:
    seen = [store.version()]
    run_id = running(store, me)
    for change in (
        lambda: store.update_run(run_id, me, epochs=3),
        lambda: store.add_epoch(run_id, me, epoch=1, update=1, seconds=1, values={}),
        lambda: queue.stop(store, run_id),
        lambda: store.end_run(run_id, me, State.STOPPED),
        lambda: queue.rename(store, run_id, "x"),
        lambda: queue.delete(store, run_id),
    ):
        change()
        seen.append(store.version())
    assert seen == sorted(set(seen))
    run_id = running(store, me)
    before = store.version(), store.run(run_id).version
    store.record_heartbeat(run_id, me)
    assert (store.version(), store.run(run_id).version) == before


@pytest.mark.parametrize(
    "name", ["../../x", "<img src=x onerror=alert(1)>", "=cmd()", "'; DROP TABLE runs; --", "*b* $x$"]
)
def test_any_name_is_kept_as_text(store: Store, me: ProcessId, name: str) -> None:
    run_id = running(store, me)
    assert queue.rename(store, run_id, name).name == name
    assert len(store.runs()) == 1


@pytest.mark.parametrize("name", ["", "   ", "two\nlines", "x" * 121, "\x00"])
def test_names_that_do_not_fit_on_a_line_are_refused(store: Store, me: ProcessId, name: str) -> None:
    run_id = running(store, me)
    with pytest.raises(UsageError, match="1 to 120 printable characters"):
        queue.rename(store, run_id, name)


def test_a_reader_is_not_blocked_by_a_writer_and_sees_no_half_write(url: str, store: Store, me: ProcessId) -> None:
    run_id = running(store, me)
    reader = Store(url)
    with store.database.write() as connection:
        connection.execute(schema.runs.update().values(name="half"))
        started = time.monotonic()
        assert reader.run(run_id).name != "half"
        assert time.monotonic() - started < 1
    assert reader.run(run_id).name == "half"
    reader.close()


def test_a_write_that_fails_half_way_leaves_nothing(store: Store, me: ProcessId) -> None:
    run_id = running(store, me)
    with pytest.raises(RuntimeError), store.database.write() as connection:
        connection.execute(schema.runs.update().values(name="half"))
        raise RuntimeError
    assert store.run(run_id).name != "half"


@pytest.mark.slow
def test_eight_writers_lose_nothing_and_never_find_it_locked(url: str, store: Store, me: ProcessId) -> None:
    ids = [running(store, me, seed=seed) for seed in range(8)]
    failures: list[BaseException] = []

    def write(run_id: str) -> None:
        own = Store(url)
        try:
            for epoch in range(1, 41):
                own.add_epoch(run_id, me, epoch=epoch, update=epoch, seconds=epoch, values={"loss": float(epoch)})
        except BaseException as error:
            failures.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=write, args=(run_id,)) for run_id in ids]
    [thread.start() for thread in threads]
    seen, last = set(), 0
    while any(thread.is_alive() for thread in threads):
        for row in store.epochs(ids, after=last):
            seen.add((row.run, row.epoch))
            last = max(last, row.seq)
    [thread.join() for thread in threads]
    seen |= {(row.run, row.epoch) for row in store.epochs(ids, after=last)}
    assert not failures
    assert len(seen) == 8 * 40, "a reader who remembers the last seq misses nothing"


def test_many_first_visitors_migrate_once(url: str) -> None:
    failures: list[BaseException] = []
    start = threading.Barrier(8)

    def visit() -> None:
        try:
            start.wait()
            own = Store(url)
            assert own.runs() == []
            own.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=visit) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not failures


def test_the_migration_arrives_at_the_declared_tables(store: Store) -> None:
    from sqlalchemy import inspect

    with store.database.read() as connection:
        assert schema.version_of(connection) == schema.VERSION
        found = {name: [c["name"] for c in inspect(connection).get_columns(name)] for name in schema.META.tables}
    declared = {name: [column.name for column in table.columns] for name, table in schema.META.tables.items()}
    assert {name: sorted(columns) for name, columns in found.items()} == {
        name: sorted(columns) for name, columns in declared.items()
    }


def test_a_store_of_a_newer_version_is_refused_with_a_reason(url: str, store: Store) -> None:
    store.runs()
    with store.database.write() as connection:
        connection.execute(schema.meta.update().where(schema.meta.c.name == "schema").values(value=schema.VERSION + 1))
    with pytest.raises(StoreError, match="Update recdash"):
        Store(url).runs()
