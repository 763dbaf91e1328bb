"""Comparisons, tables and curves: only comparable runs share a table, and existing runs are not trained again."""

from __future__ import annotations

import csv
import io
import json
import math

import numpy as np
import pytest

from recdash.analysis import groups
from recdash.errors import UsageError
from recdash.evaluation import selection_metric
from recdash.runs import queue
from recdash.runs.process_id import ProcessId
from recdash.services import compare, curves, launch, results, runs, store_access, training_requests


def test_a_comparison_trains_only_what_is_missing(here, small) -> None:
    wanted = compare.requests("toy", ["popularity", "ease"])
    first = compare.start(wanted)
    assert len(here) == 2
    second = compare.start(compare.requests("toy", ["popularity", "multvae", "ease"], settings=small))
    assert [run.model for run in second] == ["popularity", "multvae", "ease"]
    assert {run.id for run in first} < {run.id for run in second} and len(here) == 3


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"split_seed": 1}, {"protocol": "strong-temporal"}, {"settings": {"l2": 3.0}}]
)
def test_a_run_with_anything_else_in_it_does_not_count(here, other) -> None:
    compare.start(compare.requests("toy", ["ease"]))
    assert len(compare.find_runs(compare.requests("toy", ["ease"], **other)).missing) == 1
    assert compare.find_runs(compare.requests("toy", ["ease"])).missing == ()


def test_data_that_changed_under_its_name_is_trained_on_again(here) -> None:
    from recdash import paths
    from tests.toy_data import toy_dataset

    compare.start(compare.requests("toy", ["ease"]))
    toy_dataset(seed=1).save(paths.data_dir() / "sets" / "toy")
    assert len(compare.find_runs(compare.requests("toy", ["ease"])).missing) == 1


def test_a_run_left_half_done_is_resumed_and_a_failed_one_started_anew(here, small, monkeypatch) -> None:
    wanted = compare.requests("toy", ["multvae"], settings=small)
    store, me = store_access.open_store(), ProcessId.mine()
    (half,) = queue.enqueue(store, wanted)
    queue.stop(store, half.id)
    assert [run.id for run in compare.start(wanted)] == [half.id]
    assert runs.find(half.id).state.is_finished()
    other = compare.requests("toy", ["multvae"], settings=small, seed=9)
    (failed,) = queue.enqueue(store, other)
    queue.claim(store, failed.id, me, 1)
    store.end_run(failed.id, me, type(failed.state).FAILED, "diverged")
    assert compare.start(other)[0].id != failed.id


def test_all_means_every_model_of_the_protocols_task() -> None:
    from recdash.models import registry

    ranking = [name for name in registry.names() if registry.model_class(name).task == "ranking"]
    assert compare.models_for("strong") == ranking
    with pytest.raises(UsageError, match="Unknown protocol"):
        compare.models_for("nothing")


def test_seeds_repeat_split_and_training(waiting) -> None:
    wanted = compare.requests("toy", ["ease", "popularity"], seeds=[1, 2, 1])
    assert [(request.model, request.seed, request.split_seed) for request in wanted] == [
        ("ease", 1, 1),
        ("popularity", 1, 1),
        ("ease", 2, 2),
        ("popularity", 2, 2),
    ]


def test_rows_of_one_split_share_a_table_best_first(here, small) -> None:
    compare.start(compare.requests("toy", ["popularity", "multvae", "ease"], settings=small))
    (group,) = results.groups()
    values = [row.metrics["ndcg@100"].mean for row in group.rows]
    assert len(values) == 3 and values == sorted(values, reverse=True)
    assert groups.why_not_comparable([group]) == []
    assert group.facts["test_users"] == 30


def test_different_splits_never_share_a_table_and_the_reason_is_given(here) -> None:
    compare.start(compare.requests("toy", ["ease", "popularity"]))
    compare.start(compare.requests("toy", ["ease"], split_seed=5))
    compare.start(compare.requests("toy", ["ease"], protocol="strong-temporal"))
    found = results.groups()
    assert len(found) == 3
    for group in found:
        assert len({row.run.split_fingerprint for row in group.rows}) == 1
    said = " ".join(groups.why_not_comparable(found))
    assert "split seeds" in said and "protocols" in said and "5" in said
    assert len(results.groups(protocol="strong")) == 2


def test_only_finished_runs_are_results(waiting) -> None:
    launch.train(training_requests.build_requests(["ease"], "toy"))
    assert results.groups() == [] and results.best() is None


def test_the_best_of_a_data_set_is_the_first_of_its_newest_table(here) -> None:
    compare.start(compare.requests("toy", ["popularity", "ease"]))
    best = results.best(dataset="toy")
    assert best is not None and best.run.model == "ease"
    assert results.best(dataset="demo") is None and results.best(task="rating") is None


def test_per_user_values_average_to_the_mean_of_the_table(here) -> None:
    (run,) = compare.start(compare.requests("toy", ["ease"]))
    kept = results.per_user(run.id)
    (group,) = results.groups()
    for name in ("ndcg@100", "recall@20", "precision@10"):
        assert np.nanmean(kept[name]) == pytest.approx(group.rows[0].metrics[name].mean, abs=1e-6)


@pytest.mark.parametrize(
    ("metric", "direction"),
    [("ndcg@100", True), ("recall_all@20", True), ("rmse", False), ("macro_rmse", False), ("coverage@100", None)],
)
def test_every_metric_has_its_direction(metric: str, direction: bool | None) -> None:
    assert selection_metric.higher_is_better(metric) is direction


def test_csv_holds_every_number_and_no_formula(here) -> None:
    (run,) = compare.start(compare.requests("toy", ["ease"]))
    runs.rename(run.id, "=cmd()|'calc'!A1")
    found = results.groups()
    (row,) = csv.DictReader(io.StringIO(results.export(found, "csv")))
    value = found[0].rows[0].metrics["ndcg@100"]
    assert float(row["ndcg@100"]) == value.mean and float(row["ndcg@100 low"]) == value.low
    assert row["name"].startswith("'=")


def test_markdown_and_latex_escape_what_they_would_take_for_themselves(here) -> None:
    compare.start(compare.requests("toy", ["ease"], settings={"l2": 3.0}))
    found = results.groups()
    (group,) = found
    latex = results.export(found, "latex")
    assert r"\begin{tabular}" in latex and r"$\pm$" in latex and latex.count(r"\\") == 1 + len(group.rows)
    markdown = results.export(found, "md").splitlines()
    assert len({line.count("|") for line in markdown if line.startswith("|")}) == 1


def test_a_table_can_have_chosen_columns_only(here) -> None:
    compare.start(compare.requests("toy", ["ease"]))
    found = results.groups()
    text = results.export(found, "table", ["mrr@10"])
    assert "mrr@10" in text and "ndcg@100" not in text
    with pytest.raises(UsageError, match="Unknown metric"):
        results.export(found, "table", ["ndgc@100"])
    with pytest.raises(UsageError, match="Unknown format"):
        results.export(found, "xml")


def test_curves_have_every_epoch_and_those_after_a_given_one(here, small) -> None:
    (run,) = compare.start(compare.requests("toy", ["multvae"], settings=small))
    found = curves.curves(run.id)
    assert [epoch for epoch, _ in found.series["loss"]] == [1, 2, 3]
    assert {"loss", "reconstruction", "kl", "beta", "ndcg@100"} <= set(found.series)
    assert curves.epochs_after([run.id], found.seq) == []
    assert [row.epoch for row in curves.epochs_after([run.id], found.seq - 1)] == [3]
    assert json.loads(curves.export(found, "json"))["series"]["loss"][0][0] == 1
    rows = list(csv.DictReader(io.StringIO(curves.export(found, "csv"))))
    assert len(rows) == 3 and float(rows[2]["loss"]) == found.series["loss"][2][1]


def test_a_value_that_is_no_number_is_a_gap_and_still_json(waiting) -> None:
    store, me = store_access.open_store(), ProcessId.mine()
    (run,) = launch.train(training_requests.build_requests(["ease"], "toy"))
    queue.claim(store, run.id, me, 1)
    store.add_epoch(run.id, me, epoch=1, update=1, seconds=1.0, values={"loss": math.nan})
    found = curves.curves(run.id)
    assert math.isnan(found.series["loss"][0][1])
    assert json.loads(curves.export(found, "json"))["series"] == {"loss": [[1, None]]}


def test_time_left_is_reckoned_from_the_epochs_so_far(waiting) -> None:
    store, me = store_access.open_store(), ProcessId.mine()
    (run,) = launch.train(training_requests.build_requests(["multvae"], "toy", epochs=10))
    queue.claim(store, run.id, me, 1)
    assert runs.remaining_s(runs.find(run.id)) is None
    store.add_epoch(run.id, me, epoch=2, update=1, seconds=8.0, values={})
    assert runs.remaining_s(runs.find(run.id)) == pytest.approx(32, abs=1)
