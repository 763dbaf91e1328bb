"""Metrics whose cutoff is near the size of the catalogue are not offered, and say why."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from recdash.analysis.metric_cutoff import cutoff_problem, informative


def group(task: str = "ranking", **facts: Any) -> Any:
    return SimpleNamespace(task=task, facts=facts)


@pytest.mark.parametrize(
    ("metric", "items", "words"),
    [
        ("recall@100", 120, "83% of the 120 items"),
        ("recall@100", 80, "every item"),
        ("precision@50", 100, "50% of the 100 items"),
        ("coverage@100", 200, "50%"),
        ("recall@100", 201, ""),
        ("ndcg@100", 120, ""),  # the order of the list still counts
        ("map@100", 120, ""),
        ("recall@100", None, ""),
        ("rmse", 10, ""),
    ],
)
def test_a_list_of_half_the_catalogue_says_little(metric: str, items: int | None, words: str) -> None:
    problem = cutoff_problem(metric, items)
    assert words in problem and bool(words) == bool(problem)


def test_only_metrics_that_separate_models_are_offered() -> None:
    names = ["rmse", "ndcg@100", "recall@20", "recall@100", "coverage@100"]
    assert informative(names, group(items=120)) == ["ndcg@100", "recall@20"]
    assert informative(names, group(items=3000)) == names[1:], "errors of ratings never join a table of rankings"
    assert informative(names, group()) == names[1:]
    assert informative(names, group("rating", items=120)) == ["rmse"]
