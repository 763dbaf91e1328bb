"""Unstable runs, and runs that ended while still improving, are marked wherever a command shows them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recdash.cli.main import main
from tests.run_helpers import Runs


def test_runs_list_shows_remarks_next_to_the_state(call: Any, runs: Runs) -> None:
    runs.finished(unstable=3, best=2), runs.finished("ease", epochs=1)
    lines = call("runs", "list")[0].splitlines()
    assert [("finished, unstable since epoch 3" in line) for line in lines if "finished" in line] == [False, True]
    found = json.loads(call("runs", "list", "--json")[0])["runs"]
    assert [run["unstable_epoch"] for run in found] == [None, 3]


@pytest.mark.parametrize("recorded", [True, False])
def test_runs_show_prints_both_remarks_also_for_older_runs(call: Any, runs: Runs, recorded: bool) -> None:
    run_id = runs.finished(unstable=3, recorded=recorded)
    assert "unstable since epoch 3; still improving when it ended" in call("runs", "show", run_id)[0]
    found = json.loads(call("runs", "show", run_id, "--json")[0])
    assert (found["unstable_epoch"], found["still_improving"]) == (3, True)


def test_runs_show_prints_no_remark_for_a_normal_run(call: Any, runs: Runs) -> None:
    assert "remarks" not in call("runs", "show", runs.finished(best=3))[0]


@pytest.mark.parametrize("form", ["table", "md", "latex"])
def test_results_print_remarks_below_the_table(call: Any, runs: Runs, form: str) -> None:
    runs.finished(unstable=3)
    out = call("results", "--format", form)[0]
    assert "unstable: Mult-VAE since epoch 3" in out and "still improving when it ended: Mult-VAE" in out


def test_json_of_results_and_curves_has_both_fields(call: Any, runs: Runs) -> None:
    run_id = runs.finished(unstable=3)
    (row,) = json.loads(call("results", "--json")[0])["results"]
    learned = json.loads(call("curves", run_id, "--json")[0])
    for found in (row, learned):
        assert (found["unstable_epoch"], found["still_improving"]) == (3, True)


def test_curves_print_remarks_next_to_the_table(call: Any, runs: Runs) -> None:
    run_id = runs.finished(unstable=3, recorded=False)
    out, err = call("curves", run_id)
    assert f"{run_id} is finished, unstable since epoch 3, still improving when it ended." in err
    assert "unstable" not in out


def test_compare_prints_remarks_and_has_both_fields(call: Any, here: list[str]) -> None:
    words = ("compare", "--dataset", "toy", "--models", "multdae", "--epochs", "2", "--json")
    (run,) = json.loads(call(*words)[0].splitlines()[-1])["runs"]
    assert run["unstable_epoch"] is None and run["still_improving"] is (run["best_epoch"] == 2)


def test_recommend_names_run_protocol_split_and_remarks_of_each_list(call: Any, runs: Runs) -> None:
    run_id = runs.answering(unstable=3, protocol="weak", split_seed=7)
    err = call("recommend", "--model", "multvae", "--dataset", "toy", "--pick", "7")[1]
    assert f"Mult-VAE: run {run_id}, protocol weak, split seed 7, NDCG@100 0.2500 on validation, unstable since" in err
    assert "still improving when it ended" in err


def test_metrics_of_results_are_columns_and_a_wrong_one_is_named(
    call: Any, runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.finished("ease", epochs=1)
    assert "precision@100" in call("results", "--metrics", "ndcg@100, precision@100")[0]
    assert main(["results", "--metrics", "ndgc@100"]) == 2
    assert "Unknown metric: 'ndgc@100'" in capsys.readouterr().err
