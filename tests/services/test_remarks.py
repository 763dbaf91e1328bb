"""Remarks on unstable and still improving runs appear in every service."""

from __future__ import annotations

import csv
import io
import json

import pytest

from recdash.reporting import render
from recdash.runs.states import State
from recdash.services import curves, recommend, report, results
from recdash.services import runs as service
from tests.run_helpers import Runs

UNSTABLE, IMPROVING = "unstable: Mult-VAE since epoch 3", "still improving when it ended: Mult-VAE"


@pytest.fixture
def unstable(runs: Runs) -> str:
    """A run that exploded in its third epoch of five, beside one that did not."""
    runs.finished("ease", 0.2, epochs=1)
    return runs.answering(unstable=3, best=2)


def test_a_record_has_its_unstable_epoch_and_still_improving(runs: Runs, unstable: str) -> None:
    found = service.find(unstable)
    assert (found.unstable_epoch, found.still_improving) == (3, False)
    assert found.remarks == [found.warning] == ["unstable since epoch 3"]
    calm = service.find(runs.finished(seed=1))
    assert (calm.unstable_epoch, calm.still_improving, calm.warning) == (None, True, "")
    assert calm.remarks == ["still improving when it ended"]
    plain = json.loads(json.dumps(found.to_dict()))
    assert (plain["unstable_epoch"], plain["still_improving"]) == (3, False)


@pytest.mark.parametrize("state", [State.RUNNING, State.FAILED, State.INTERRUPTED])
def test_only_a_training_that_ended_in_order_can_be_cut_short(runs: Runs, state: State) -> None:
    run_id = runs.running()
    if state is not State.RUNNING:
        runs.store.end_run(run_id, runs.me, state)
    assert service.find(run_id).state is state and not service.find(run_id).still_improving


def test_one_epoch_or_an_earlier_best_one_is_not_still_improving(runs: Runs) -> None:
    assert not service.find(runs.finished("ease", epochs=1)).still_improving
    assert not service.find(runs.finished(best=4)).still_improving
    assert service.find(runs.stopped()).still_improving


def test_a_run_that_trains_now_is_unstable_from_the_epoch_on(runs: Runs) -> None:
    assert service.find(runs.running(unstable=2)).unstable_epoch == 2


def test_rows_of_results_have_both_fields(unstable: str) -> None:
    rows = {row.run.id: row.to_dict() for group in results.groups() for row in group.rows}
    assert (rows[unstable]["unstable_epoch"], rows[unstable]["still_improving"]) == (3, False)
    assert {row["unstable_epoch"] for run_id, row in rows.items() if run_id != unstable} == {None}


@pytest.mark.parametrize("form", ["table", "md", "latex"])
def test_tables_have_remarks_in_a_note(runs: Runs, unstable: str, form: str) -> None:
    assert UNSTABLE in results.export(results.groups(), form)
    assert "still improving" not in results.export(results.groups(), form)


def test_several_runs_share_one_note(runs: Runs) -> None:
    runs.finished(unstable=2, seed=1), runs.finished(unstable=4, seed=2)
    said = results.export(results.groups(), "table")
    assert "unstable: Mult-VAE, seed 2 since epoch 4, Mult-VAE, seed 1 since epoch 2" in said
    assert "still improving when it ended: Mult-VAE, seed 2, Mult-VAE, seed 1" in said


def test_a_stable_run_without_remarks_has_no_note(runs: Runs) -> None:
    runs.finished(best=3)
    said = results.export(results.groups(), "table")
    assert "unstable" not in said and "improving" not in said


def test_csv_has_both_as_columns(runs: Runs, unstable: str) -> None:
    rows = {row["model"]: row for row in csv.DictReader(io.StringIO(results.export(results.groups(), "csv")))}
    assert (rows["multvae"]["unstable_epoch"], rows["multvae"]["still_improving"]) == ("3", "False")
    assert rows["ease"]["unstable_epoch"] == ""


@pytest.mark.parametrize("form", ["html", "md", "latex"])
def test_reports_have_remarks_under_the_table(runs: Runs, unstable: str, form: str) -> None:
    runs.finished("multdae", seed=4)
    said = render.render(report.create(), form)
    assert UNSTABLE in said and "still improving when it ended: Mult-DAE" in said


@pytest.mark.parametrize("recorded", [True, False])
def test_curves_have_the_unstable_epoch_of_runs_that_did_not_record_it(runs: Runs, recorded: bool) -> None:
    run_id = runs.finished(unstable=3, recorded=recorded)
    assert service.find(run_id).unstable_epoch == (3 if recorded else None)
    found = curves.curves(run_id)
    assert found.run.unstable_epoch == 3
    assert (found.to_dict()["unstable_epoch"], found.to_dict()["still_improving"]) == (3, True)


def test_curves_of_a_stable_run_change_nothing_of_its_record(runs: Runs) -> None:
    run_id = runs.finished()
    assert curves.curves(run_id).run == service.find(run_id)


def test_recommendations_have_the_remarks(unstable: str) -> None:
    (about,) = recommend.recommend("toy", ["7"]).to_dict()["models"].values()
    assert (about["unstable_epoch"], about["still_improving"]) == (3, False)
