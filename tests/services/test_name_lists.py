"""Wherever a list of names is taken, one text is such a list too, separated by commas: never a list of its letters."""

from __future__ import annotations

import pytest

from recdash import evaluate
from recdash.analysis import seeds, versus_best
from recdash.errors import UsageError
from recdash.reporting import seed_tables
from recdash.services import compare, curves, launch, recommend, report, results, trained_runs, training_requests
from recdash.services import runs as service
from recdash.settings import name_list
from recdash.training import fit
from tests.run_helpers import Runs
from tests.toy_data import toy_split

PICKS = ["Film 4 (1954)", "7", "film 13"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("ease", ["ease"]),
        ("ease, multvae,", ["ease", "multvae"]),
        ("", []),
        (["ease"], ["ease"]),
        (("a", "b"), ["a", "b"]),
        ({"a": 1}, ["a"]),
    ],
)
def test_a_text_is_a_list_separated_by_commas(given: str | list[str], meant: list[str]) -> None:
    assert name_list(given) == meant


def test_models_of_a_comparison(waiting: list[str]) -> None:
    def models(given: str | list[str]) -> list[str]:
        return [request.model for request in compare.requests("toy", given)]

    assert models("ease") == ["ease"]
    assert models("ease,popularity") == models(["ease", "popularity"]) == ["ease", "popularity"]
    assert models("all") == models("ease,all") == models(["all"])
    with pytest.raises(UsageError, match="Unknown model: 'multvea'"):
        compare.requests("toy", "multvea")
    with pytest.raises(UsageError, match="Name at least one model"):
        compare.requests("toy", "")


def test_models_of_a_plan(waiting: list[str]) -> None:
    assert [request.model for request in training_requests.build_requests("ease, popularity", "toy")] == [
        "ease",
        "popularity",
    ]


def test_models_and_runs_that_recommend(runs: Runs) -> None:
    first, second = runs.answering("ease"), runs.answering("popularity")
    assert [run.id for run in trained_runs.best_runs("toy", "popularity, ease")] == [second, first]
    assert [one.model for one in recommend.recommend("toy", PICKS, models="ease").lists] == ["ease"]
    found = recommend.recommend("toy", PICKS, run_ids=f"{second},{first}")
    assert [one.key for one in found.lists] == [second, first]
    assert [one.key for one in recommend.recommend("toy", PICKS, run_ids=second).lists] == [second]


def test_one_title_is_one_pick_commas_and_all(runs: Runs) -> None:
    runs.answering()
    assert [pick.id for pick in recommend.recommend("toy", "Film 4 (1954)").picks] == ["4"]
    with pytest.raises(UsageError, match="No item matches 'Film 4, Film 7'"):
        recommend.recommend("toy", "Film 4, Film 7")


def test_runs_of_tables_curves_reports_and_lists(runs: Runs) -> None:
    first, second = runs.finished("ease"), runs.finished("popularity", 0.2)
    for given, meant in ((first, {first}), (f"{first}, {second}", {first, second})):
        assert {row.run.id for group in results.groups(run_ids=given) for row in group.rows} == meant
        assert {one.run.id for one in curves.curves_of(given)} == meant
        assert {row.run for row in curves.epochs_after(given, 0)} == meant
        assert {run.id for run in service.list_runs(ids=given)} == meant
        assert {run.id for run in launch.wait(given)} == meant
        made = report.create(run_ids=given)
        assert {row.run.id for section in made.sections for row in section.group.rows} == meant


def test_columns_of_tables_and_verdicts(runs: Runs) -> None:
    runs.finished("ease"), runs.finished("popularity", 0.2, seed=1)
    found = results.groups()
    assert results.export(found, "csv", "ndcg@100") == results.export(found, "csv", ["ndcg@100"])
    assert "recall@20,recall@20 low" in results.export(found, "csv", "ndcg@100, recall@20")
    with pytest.raises(UsageError, match="Unknown metric: 'ndgc@100'"):
        results.export(found, "table", "ndgc@100")
    assert versus_best.compare_with_best_by_metric(found[0], "ndcg@100") == versus_best.compare_with_best_by_metric(
        found[0], ["ndcg@100"]
    )


def test_columns_of_tables_over_seeds(runs: Runs) -> None:
    runs.finished("ease", seed=1), runs.finished("ease", 0.31, seed=2)
    (table,) = seeds.seed_tables(results.groups())
    assert seed_tables.available_metrics(table, "ndcg@100,recall@20") == ["ndcg@100", "recall@20"]
    assert "NDCG@100" in seed_tables.render([table], "md", "ndcg@100")


@pytest.mark.parametrize("given", ["ndcg@100", "ndcg@100, recall@20"])
def test_metrics_of_an_evaluation(given: str) -> None:
    split = toy_split()
    model = fit("popularity", split)
    assert list(evaluate(model, split, metric_names=given).mean) == name_list(given)


def test_metrics_of_an_evaluation_of_ratings() -> None:
    split = toy_split("ratings-90")
    assert list(evaluate(fit("bias", split), split, metric_names="rmse").mean) == ["rmse"]
