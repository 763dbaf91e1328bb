"""recdash runs list with tags and archive, tag, archive, trash, restore, prune, move and clone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recdash.cli import main as cli
from recdash.cli.run_housekeeping import parse_age
from recdash.runs.run_folder import RunFolder
from recdash.runs.states import State
from recdash.services import curve_import
from recdash.services import runs as service


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert cli.main(list(words)) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    return err


def test_tags_and_archive_are_edited_and_listed(call, runs, waiting) -> None:
    first, second = runs.finished(name="first"), runs.finished(name="second", seed=1)
    _, err = call("runs", "tag", first[:16], "second", "--add", "paper,draft")
    assert err == f"{first} has the tags draft, paper.\n{second} has the tags draft, paper.\n"
    document = json.loads(call("runs", "tag", first, "--remove", "draft", "--json")[0])
    assert document["runs"][0]["tags"] == ["paper"]
    call("runs", "archive", second)
    out, _ = call("runs", "list")
    assert first in out and second not in out and "paper" in out
    listed = {
        words: [run["id"] for run in json.loads(call("runs", "list", "--json", *words)[0])["runs"]]
        for words in (("--archived",), ("--tag", "paper"), ("--tag", "draft", "--archived"), ("--trash",), ())
    }
    assert list(listed.values()) == [[second], [first], [second], [], [first]]
    assert "archived" in call("runs", "show", second)[0]
    call("runs", "unarchive", second)
    assert {run.id for run in service.list_runs()} == {first, second}
    out, err = call("runs", "list", "--tag", "nothing")
    assert (out, err) == ("", "No run fits. To list all: recdash runs list\n")


def test_trash_restore_and_the_way_to_undo(call, runs, waiting, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = runs.finished(name="precious")
    _, err = call("runs", "trash", run_id)
    assert "To undo: recdash runs restore" in err and call("runs", "list")[0] == ""
    assert run_id in call("runs", "list", "--trash")[0]
    wanted = f"recdash: Run {run_id} is in the trash. Restore it: recdash runs restore {run_id}\n"
    assert refused(capsys, "runs", "show", "precious") == wanted
    assert call("runs", "restore", "precious")[1] == f"{run_id} is restored.\n"
    assert run_id in call("runs", "list")[0]


def test_prune_lists_first_and_deletes_only_with_yes(call, runs, waiting) -> None:
    failed, kept = runs.failed("no", seed=1), runs.finished(seed=2)
    RunFolder(failed).make()
    (RunFolder(failed).path / "log.txt").write_bytes(b"x" * 2048)
    out, err = call("runs", "prune", "--state", "failed,interrupted,stopped")
    assert failed in out and kept not in out and "2.0 KiB" in out
    assert err == "1 in all, 2.0 KiB. Nothing is deleted yet: add --yes to delete.\n"
    found = json.loads(call("runs", "prune", "--state", "failed", "--json")[0])
    assert (found["deleted"], found["bytes"], [item["run"] for item in found["items"]]) == (False, 2048, [failed])
    assert len(service.list_runs()) == 2
    assert call("runs", "prune", "--state", "failed", "--older-than", "30d")[1] == "Nothing to delete.\n"
    assert "Deleted: 1 in all, 2.0 KiB" in call("runs", "prune", "--state", "failed", "--yes")[1]
    assert [run.id for run in service.list_runs()] == [kept]


def test_of_several_runs_all_are_deleted_or_none(call, runs, waiting, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, active = runs.finished(), runs.finished(seed=1), runs.running(seed=2)
    assert "Unknown run: 'nobody'" in refused(capsys, "runs", "delete", first, "nobody")
    assert "is running" in refused(capsys, "runs", "delete", first, active, second)
    assert "nothing to resume" in refused(capsys, "runs", "resume", runs.stopped(seed=3), first, "--detach")
    assert {run.state for run in service.list_runs() if run.seed == 3} == {State.STOPPED}
    assert len(service.list_runs()) == 4
    assert json.loads(call("runs", "delete", second, first, second, "--json")[0]) == {"deleted": [second, first]}
    assert len(service.list_runs()) == 2


def test_an_invalid_rule_is_named_as_the_user_wrote_it(runs, waiting, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = "recdash: --keep-best = -1 is not a whole number from 0. For example: 0.\n"
    assert refused(capsys, "runs", "prune", "--keep-best", "-1") == wanted


def test_imported_curves_cannot_be_trained_again(
    runs, waiting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.csv").write_text("epoch,ndcg@100\n1,0.1\n2,0.2\n")
    (run_id,) = curve_import.import_paths([tmp_path / "mine.csv"])[0].run_ids
    trained = runs.finished("ease")
    wanted = f"Run {run_id} cannot be trained again: it has only curves imported from CSV, no settings."
    for words in (("retry", trained, run_id), ("clone", run_id)):
        assert wanted in refused(capsys, "runs", *words, "--detach")
    assert len(service.list_runs()) == 2, "none of them was queued"


def test_a_diverged_run_is_repeated_with_a_hint(call, runs, waiting) -> None:
    run_id = runs.failed("multvae diverged: loss is nan in epoch 3, update 7.", settings={"learning_rate": 0.5})
    err = call("runs", "retry", run_id, "--detach")[1]
    assert f"recdash runs clone {run_id} --set learning_rate=0.05" in err


def test_the_queue_is_reordered(call, runs, waiting) -> None:
    one, two, three = (runs.queued(seed=seed) for seed in range(3))
    assert call("runs", "move", three, "--first")[1] == f"Queue: {three} {one} {two}\n"
    assert json.loads(call("runs", "move", one, "--last", "--json")[0]) == {"queue": [three, two, one]}
    assert call("runs", "move", one, "--before", two)[1] == f"Queue: {three} {one} {two}\n"


def test_a_clone_trains_with_the_changes(call, runs, here) -> None:
    def trained(*words: str) -> dict[str, Any]:
        out, _ = call(*words, "--json")
        (run,) = json.loads(out.splitlines()[-1])["runs"]  # behind the log of the worker, which is this process
        return dict(run)

    first = trained("train", "ease", "--dataset", "toy", "--set", "l2=5")
    clone = trained("runs", "clone", first["id"], "--set", "l2=50", "--split-seed", "3")
    assert (clone["state"], clone["settings"], clone["split_seed"]) == ("finished", {"l2": 50.0}, 3)
    assert clone["name"] == "EASE on toy (l2 50, split seed 3)" and clone["id"] != first["id"]
    assert service.find(first["id"]).state is State.FINISHED


def test_usage_errors_are_one_line(runs, waiting, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = runs.finished()
    for words, message in (
        ("tag RUN", "nothing to do"),
        (f"tag RUN --add {'x' * 41}", "is not a tag"),
        ("archive nobody", "Unknown run"),
        ("restore nobody", "Unknown run"),
        ("prune", "Name at least one rule"),
        ("prune --older-than soon", "is not an age. Use hours, days or weeks: 12h, 30d, 2w"),
        ("prune --state running", "Unknown state of an ended run"),
        ("move RUN", "one of the arguments --first --last --before is required"),
        ("move RUN --first", "is finished. Only queued runs can be moved"),
        ("clone RUN --set beta_kap=1", "Did you mean 'beta_cap'"),
        ("clone RUN --preset nope", "nope"),
    ):
        assert message in refused(capsys, "runs", *words.replace("RUN", run_id).split())
    assert [run.id for run in service.list_runs()] == [run_id]


def test_ages_are_hours_days_and_weeks() -> None:
    assert [parse_age(text) for text in ("12h", "30d", "2w", "1.5 d")] == [43200, 2592000, 1209600, 129600]
