"""Rows of the results table: seeds fold into their setting, settings into their model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.analysis.groups import ResultRow, group_runs
from recdash.analysis.row_folding import FOLDINGS, fold_rows
from tests.analysis.test_groups import record


def rows(*runs: dict[str, Any]) -> list[ResultRow]:
    usual = {"model": "multvae", "dataset": "d", "protocol": "strong", "split_seed": 1, "split_fingerprint": "a"}
    records = []
    for number, fields in enumerate(runs):
        one = record(number, **{**usual, "dataset_fingerprint": "d1", "seed": fields["seed"]})
        values = {key: value for key, value in fields.items() if key not in ("seed", "ndcg")}
        object.__setattr__(one, "metrics", {"ndcg@100": fields["ndcg"]})
        for key, value in values.items():
            object.__setattr__(one, key, value)
        records.append(one)
    (group,) = group_runs(records)
    return list(group.rows)


def test_seeds_of_one_setting_are_one_row_with_mean_and_deviation() -> None:
    wide, narrow = {"latent": 200}, {"latent": 50}
    found = fold_rows(
        rows(
            {"seed": 0, "ndcg": 0.30, "config": wide},
            {"seed": 1, "ndcg": 0.32, "config": wide},
            {"seed": 0, "ndcg": 0.31, "config": narrow},
        ),
        "setting",
    )
    assert [[row.run.seed for row in fold.rows] for fold in found] == [[0, 1], [0]]
    assert found[0].mean("ndcg@100") == pytest.approx(0.31)
    assert found[0].deviation("ndcg@100") == pytest.approx(0.01 * 2**0.5)  # n - 1
    assert found[1].deviation("ndcg@100") is None
    assert found[0].mean("rmse") is None


def test_a_seed_that_was_trained_twice_counts_once_by_its_newest_run() -> None:
    found = fold_rows(rows({"seed": 0, "ndcg": 0.30}, {"seed": 0, "ndcg": 0.34}, {"seed": 1, "ndcg": 0.36}), "setting")
    assert len(found) == 1 and len(found[0].rows) == 3
    assert found[0].mean("ndcg@100") == pytest.approx(0.35)


def test_the_row_of_a_model_is_the_run_with_the_best_validation_not_the_best_test_value() -> None:
    lucky = {"seed": 0, "ndcg": 0.40, "config": {"latent": 1}, "best_value": 0.30}
    chosen = {"seed": 0, "ndcg": 0.35, "config": {"latent": 2}, "best_value": 0.33}
    (fold,) = fold_rows(rows(lucky, chosen), "model")
    assert fold.mean("ndcg@100") == 0.35 and fold.first.run.config == {"latent": 2}


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "seed": st.integers(0, 2),
                "ndcg": st.floats(0, 1),
                "config": st.sampled_from([{}, {"latent": 1}, {"latent": 2}]),
                "best_value": st.sampled_from([None, 0.1, 0.2]),
            }
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(FOLDINGS),
)
def test_no_run_is_lost_or_shown_twice(runs: list[dict[str, Any]], by: str) -> None:
    given_rows = rows(*runs)
    found = fold_rows(given_rows, by)
    ids = [run_id for fold in found for run_id in fold.run_ids]
    assert sorted(ids) == sorted(row.run.id for row in given_rows)
    for fold in found:
        assert {row.run.seed for row in fold.averaged} <= {row.run.seed for row in fold.rows}
        assert len({repr(row.run.config) for row in fold.rows}) == 1 or by == "model"
        values = [row.metrics["ndcg@100"].mean for row in fold.rows]
        assert min(values) - 1e-12 <= (fold.mean("ndcg@100") or 0.0) <= max(values) + 1e-12
