"""Tags, archive, trash and restore of many runs at once, pruning by rules, and the order of the queue."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from recdash import paths
from recdash.errors import UsageError
from recdash.runs import run_marks, staged_folder
from recdash.runs.run_folder import RunFolder
from recdash.runs.states import State
from recdash.runs.store import Store, write_run
from recdash.services import curves, doctor, housekeeping, launch, results, store_access, trained_runs
from recdash.services import runs as service
from tests.run_helpers import Runs


def with_files(runs: Runs, run_id: str, *, state_bytes: int = 0) -> str:
    """Write the folder of a run as its worker would; returns the id."""
    folder = RunFolder(run_id)
    folder.make()
    folder.write_record(runs.store.run(run_id).to_dict())
    for row in runs.store.epochs([run_id]):
        folder.add_epoch(
            {"epoch": row.epoch, "update": row.update, "seconds": row.seconds, "values": dict(row.values),
             "recorded": row.recorded},
            {},
        )  # fmt: skip
    if state_bytes:
        folder.last.mkdir()
        (folder.last / "weights").write_bytes(b"x" * state_bytes)
    return run_id


def ended_days_ago(runs: Runs, run_id: str, days: float) -> None:
    with runs.store.database.write() as connection:
        write_run(connection, run_id, finished=time.time() - days * 86400)


def listed() -> set[str]:
    return {run.id for run in service.list_runs()}


def test_many_runs_are_tagged_at_once_and_found_by_their_tags(runs: Runs) -> None:
    first, second, training = runs.finished(), runs.stopped(seed=1), runs.running(seed=2)
    housekeeping.tag([first, second, training], add="paper, big data")
    changed = housekeeping.tag([second, first], add=["draft"], remove=["paper", "never there"])
    assert [run.id for run in changed] == [second, first], "in the order of the ids"
    assert changed[0].tags == ("big data", "draft") and service.find(training).tags == ("big data", "paper")
    assert {run.id for run in service.list_runs(tags="big data,draft")} == {first, second}
    assert service.find(first).to_dict()["tags"] == ["big data", "draft"]


def test_a_text_that_is_no_tag_is_refused_and_nothing_is_changed(runs: Runs) -> None:
    run_id = runs.finished()
    for tag in ("", "  ", "a,b", "x" * 41, "two\nlines", "\x00"):
        with pytest.raises(UsageError, match="is not a tag"):
            run_marks.edit_tags(runs.store, [run_id], ["good", tag], [])
    assert service.find(run_id).tags == ()


def test_a_run_has_at_most_twenty_tags(runs: Runs) -> None:
    run_id = runs.finished()
    housekeeping.tag(run_id, add=[f"t{number}" for number in range(20)])
    with pytest.raises(UsageError, match="would have 21 tags, the limit is 20"):
        housekeeping.tag(run_id, add="one more")
    assert len(housekeeping.tag(run_id, add="one more", remove="t0")[0].tags) == 20


def test_an_archived_run_leaves_the_lists_and_stays_complete(runs: Runs) -> None:
    kept, old = runs.answering(), runs.answering(seed=1)
    (archived,) = housekeeping.archive(old)
    assert archived.archived == pytest.approx(time.time(), abs=60)
    assert listed() == {kept} and {run.id for run in service.list_runs(archived=True)} == {old}
    assert {run.id for run in service.list_runs(archived=None)} == {kept, old}
    assert [run.id for run in service.list_runs(ids=[old])] == [old], "a link to it still works"
    assert [row.run.id for group in results.groups() for row in group.rows] == [kept]
    assert [row.run.id for group in results.groups(run_ids=[old]) for row in group.rows] == [old]
    assert [run.id for run in trained_runs.trained_runs("toy")] == [kept]
    assert len(curves.curves(old).seconds) == 5
    (back,) = housekeeping.unarchive([old])
    assert back.archived is None and listed() == {kept, old}


@pytest.mark.parametrize("act", [housekeeping.archive, housekeeping.trash])
def test_queued_and_running_runs_are_refused_and_then_nothing_is_done(runs: Runs, act) -> None:
    done, training, waiting = runs.finished(), runs.running(seed=1), runs.queued(seed=2)
    for active, state in ((training, "running"), (waiting, "queued")):
        with pytest.raises(UsageError, match=f"Run {active} is {state} and cannot be .* Stop it first") as caught:
            act([done, active])
        assert "\n" not in str(caught.value)
    assert listed() == {done, training, waiting}
    lost = runs.interrupted(seed=3)
    act([lost])  # stored as running, but its process is gone
    assert lost not in listed()


def test_the_trash_says_what_it_frees_and_gives_everything_back(runs: Runs) -> None:
    run_id = with_files(runs, runs.finished(name="precious"), state_bytes=5000)
    before, epochs = service.find(run_id), runs.store.epochs([run_id])
    size = housekeeping.disk_bytes([run_id])[run_id]
    assert size > 5000
    freed = housekeeping.trash([run_id])
    assert (freed.runs, freed.bytes) == ((run_id,), pytest.approx(size, abs=100))
    assert listed() == set() and [run.id for run in housekeeping.in_trash()] == [run_id]
    for reference in (run_id, "precious"):
        with pytest.raises(UsageError) as caught:
            service.find(reference)
        assert str(caught.value) == f"Run {run_id} is in the trash. Restore it: recdash runs restore {run_id}"
    with pytest.raises(UsageError, match="is in the trash"):
        runs.store.run(run_id)
    for act in (launch.resume, lambda gone: service.rename(gone, "x"), housekeeping.archive, launch.retry):
        with pytest.raises(UsageError, match="is in the trash"):
            act(run_id)
    (back,) = housekeeping.restore([run_id])
    assert (back.name, back.metrics, back.trashed) == (before.name, before.metrics, None)
    assert runs.store.epochs([run_id]) == epochs and listed() == {run_id}
    assert [event.kind for event in service.events(run_id)][-2:] == ["moved to the trash", "restored"]


def test_the_trash_is_emptied_after_a_day_or_on_request(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new, kept = (with_files(runs, runs.finished(seed=seed)) for seed in range(3))
    housekeeping.trash([old, new])
    assert housekeeping.purge_trash().runs == ()
    with runs.store.database.write() as connection:
        write_run(connection, old, trashed=time.time() - 25 * 3600)
    monkeypatch.setattr(launch, "_purged", {})
    launch.ensure_supervisor()  # what every page calls
    assert not RunFolder(old).path.exists() and RunFolder(new).path.exists()
    with pytest.raises(UsageError, match="Unknown run"):
        housekeeping.restore([old])
    size = housekeeping.disk_bytes([new])[new]
    freed = housekeeping.purge_trash(older_than_s=0)
    assert (freed.runs, freed.bytes) == ((new,), size)
    assert runs.store.runs(trashed=None)[0].id == kept and runs.store.epochs([new]) == []


def test_a_run_restored_by_somebody_else_is_not_purged(runs: Runs) -> None:
    run_id = with_files(runs, runs.finished())
    housekeeping.trash(run_id)
    housekeeping.restore(run_id)
    assert not run_marks.delete_ended(runs.store, run_id, in_trash=True)
    assert RunFolder(run_id).path.exists() and listed() == {run_id}


def test_a_read_only_installation_changes_nothing(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = runs.finished()
    monkeypatch.setenv("RECDASH_READ_ONLY", "1")
    for act in (
        lambda: housekeeping.tag(run_id, add="x"),
        lambda: housekeeping.archive(run_id),
        lambda: housekeeping.trash(run_id),
        lambda: housekeeping.restore(run_id),
        lambda: housekeeping.purge_trash(older_than_s=0),
        lambda: housekeeping.prune(states="finished", dry_run=False),
        lambda: launch.move(run_id),
    ):
        with pytest.raises(UsageError, match="RECDASH_READ_ONLY"):
            act()
    assert housekeeping.prune(states="finished").items, "a dry run is allowed"


def test_a_lost_store_is_rebuilt_with_names_tags_archive_and_trash(runs: Runs) -> None:
    tagged, archived, trashed = (with_files(runs, runs.finished(seed=seed)) for seed in range(3))
    housekeeping.tag(tagged, add="paper,x")
    service.rename(tagged, "the best")
    service.annotate(tagged, "a note")
    housekeeping.archive(archived)
    housekeeping.trash(trashed)
    before = {run.id: run for run in runs.store.runs(trashed=None)}
    epochs = {run_id: runs.store.epochs([run_id]) for run_id in before}
    store_access._store.cache_clear()
    for path in paths.data_dir().glob("recdash.db*"):
        path.unlink()
    doctor.rebuild_store()
    store = Store(paths.store_url())
    after = {run.id: run for run in store.runs(trashed=None)}
    assert after.keys() == before.keys() and {run.id for run in store.runs()} == {tagged, archived}
    for run_id, run in after.items():
        same = ("name", "note", "tags", "source")
        assert [getattr(run, name) for name in same] == [getattr(before[run_id], name) for name in same]
        for name in ("archived", "trashed"):
            stored = getattr(before[run_id], name)
            assert getattr(run, name) == (None if stored is None else pytest.approx(stored, abs=0.002))
        assert [row.recorded for row in store.epochs([run_id])] == [row.recorded for row in epochs[run_id]]
    with pytest.raises(UsageError, match="is not damaged"):
        doctor.rebuild_store()  # the run in the trash is not taken for a lost one


def test_prune_lists_and_deletes_what_all_rules_select(runs: Runs) -> None:
    old_failed = with_files(runs, runs.failed("no", seed=1), state_bytes=3000)
    new_failed, finished, training = runs.failed("no", seed=2), runs.finished(seed=3), runs.running(seed=4)
    lost, waiting = runs.interrupted(seed=5), runs.queued(seed=6)
    ended_days_ago(runs, old_failed, 40)
    everything = listed()
    rules = {"states": "failed,interrupted,stopped", "older_than_s": 30 * 86400.0}
    dry = housekeeping.prune(**rules)
    (item,) = dry.items
    assert (item.what, item.run, item.state, item.reason) == ("run", old_failed, "failed", "failed 40 days ago")
    assert not dry.deleted and dry.bytes == item.bytes > 3000 and listed() == everything
    done = housekeeping.prune(**rules, dry_run=False)
    assert done.deleted and done.items == dry.items
    assert listed() == everything - {old_failed} and not RunFolder(old_failed).path.exists()
    assert housekeeping.prune(**rules).items == ()
    housekeeping.prune(older_than_s=0, dry_run=False)
    assert listed() == {training, waiting}, f"active runs always stay; {new_failed}, {finished}, {lost} have ended"


def test_prune_keeps_the_best_of_each_model_among_comparable_runs(runs: Runs) -> None:
    by_best = [runs.finished(seed=seed, best=seed) for seed in (1, 3, 2)]  # best values 0.21, 0.23, 0.22
    other_model, other_split = runs.finished("multdae", best=1), runs.finished(seed=9, best=1, split="beef")
    failed = runs.failed("no", seed=7)
    found = housekeeping.prune(retain_best=1, dry_run=False)
    assert {item.run for item in found.items} == {by_best[0], by_best[2]}
    assert listed() == {by_best[1], other_model, other_split, failed}
    assert {item.run for item in housekeeping.prune(retain_best=0).items} == {by_best[1], other_model, other_split}


def test_prune_deletes_archived_runs_and_the_trash(runs: Runs) -> None:
    kept, archived, trashed = (runs.finished(seed=seed) for seed in range(3))
    housekeeping.archive(archived)
    housekeeping.trash(trashed)
    assert [item.run for item in housekeeping.prune(archived=True).items] == [archived]
    assert housekeeping.prune(trash=True, older_than_s=3600).items == ()
    both = housekeeping.prune(archived=True, trash=True, dry_run=False)
    assert [(item.run, item.what) for item in both.items] == [(archived, "run"), (trashed, "run in the trash")]
    assert [run.id for run in runs.store.runs(trashed=None)] == [kept]


def test_prune_can_delete_training_states_alone(runs: Runs) -> None:
    stopped = with_files(runs, runs.stopped(seed=1), state_bytes=4000)
    without, training = with_files(runs, runs.stopped(seed=2)), with_files(runs, runs.running(seed=3), state_bytes=10)
    (item,) = housekeeping.prune(training_states=True, dry_run=False).items
    assert (item.what, item.run, item.bytes) == ("training states", stopped, 4000)
    assert listed() == {stopped, without, training}
    assert not RunFolder(stopped).last.exists() and RunFolder(training).last.exists()
    assert len(RunFolder(stopped).read_epochs()) == 3


def test_prune_removes_what_an_interrupted_deletion_left(runs: Runs) -> None:
    run_id = with_files(runs, runs.finished())
    leftover = paths.checkpoint_dir() / ".multvae-0badcafe.deleted"
    (leftover / "best").mkdir(parents=True)
    (leftover / "best" / "weights").write_bytes(b"x" * 700)
    (item,) = housekeeping.prune(states="failed", dry_run=False).items
    assert (item.what, item.run, item.bytes) == ("leftover of a deletion", "multvae-0badcafe", 700)
    assert not leftover.exists() and RunFolder(run_id).path.exists()


def test_prune_removes_what_an_interrupted_import_left_but_none_that_may_go_on(runs: Runs) -> None:
    runs.finished()
    old, new = (paths.checkpoint_dir() / f"{staged_folder.STAGING_PREFIX}{name}" for name in ("old", "new"))
    old.mkdir(parents=True)
    new.mkdir()
    os.utime(old, (0, 0))
    (item,) = housekeeping.prune(states="failed", dry_run=False).items
    assert item.what == "leftover of an import" and new.exists() and not old.exists()


def test_a_run_that_enters_the_trash_while_it_is_emptied_is_no_error(runs: Runs, monkeypatch) -> None:
    first, late = runs.finished(), runs.finished(seed=1)
    housekeeping.trash([first])
    purge = run_marks.purge

    def after_another(store: Store, older_than_s: float) -> list[str]:
        run_marks.move_to_trash(store, [late])
        return purge(store, older_than_s)

    monkeypatch.setattr(run_marks, "purge", after_another)
    assert sorted(housekeeping.purge_trash(older_than_s=0).runs) == sorted([first, late])


def test_rules_that_are_none_are_refused(runs: Runs) -> None:
    for rules, words in (
        ({}, "Name at least one rule"),
        ({"states": "running"}, "Unknown state of an ended run"),
        ({"retain_best": -1}, "retain_best = -1"),
        ({"older_than_s": -5.0}, "is negative"),
    ):
        with pytest.raises(UsageError, match=words) as caught:
            housekeeping.prune(**rules, dry_run=False)
        assert "\n" not in str(caught.value)


def test_a_run_that_was_resumed_meanwhile_is_not_pruned(runs: Runs, waiting: list[str]) -> None:
    run_id = with_files(runs, runs.stopped(), state_bytes=10)
    launch.resume(run_id)
    assert not run_marks.delete_ended(runs.store, run_id)
    assert not run_marks.delete_training_states(runs.store, run_id)
    assert service.find(run_id).state is State.QUEUED and RunFolder(run_id).last.exists()


def test_sizes_follow_no_links(runs: Runs, tmp_path: Path) -> None:
    big = tmp_path / "elsewhere"
    big.mkdir()
    (big / "file").write_bytes(b"x" * 10_000)
    run_id = runs.finished()
    RunFolder(run_id).make()
    (RunFolder(run_id).path / "link").symlink_to(big)
    (RunFolder(run_id).path / "log.txt").write_bytes(b"x" * 123)
    assert housekeeping.disk_bytes([run_id, "multvae-00000000"]) == {run_id: 123, "multvae-00000000": 0}


def test_the_queue_can_be_reordered(runs: Runs) -> None:
    store = Store(paths.store_url())  # another process, such as the supervisor
    one, two, three, four = (runs.queued(seed=seed) for seed in range(4))
    assert [run.id for run in launch.move(three, before=one)] == [three, one, two, four]
    assert [run.id for run in launch.move(three)] == [one, two, four, three]
    assert [run.id for run in launch.move(two, before=two)] == [one, two, four, three]
    from recdash.runs import queue

    assert [run.id for run in queue.queued_runs(store)] == [run.id for run in launch.queued()]
    for _ in range(10):  # positions do not run out of digits
        launch.move(four, before=one)
        launch.move(one, before=four)
    assert [run.id for run in launch.queued()] == [one, four, two, three]
    last = runs.queued(seed=9)
    assert launch.queued()[-1].id == last, "new runs go to the end"


def test_a_resumed_run_goes_to_the_end_of_the_queue(runs: Runs, waiting: list[str]) -> None:
    first, second = runs.queued(seed=1), runs.queued(seed=2)
    launch.move(second, before=first)
    launch.stop(second)
    launch.resume(second)
    assert [run.id for run in launch.queued()] == [first, second]


def test_only_queued_runs_can_be_moved(runs: Runs) -> None:
    waiting, training = runs.queued(seed=1), runs.running(seed=2)
    for moved, before in ((training, waiting), (waiting, training)):
        with pytest.raises(UsageError, match=f"Run {training} is running. Only queued runs can be moved"):
            launch.move(moved, before)
    with pytest.raises(UsageError, match="Unknown run"):
        launch.move("nothing", waiting)
