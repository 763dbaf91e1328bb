"""Means over seeds: by hand, with the two kinds of spread apart."""

from __future__ import annotations

from statistics import stdev

import pytest

from recdash.analysis import groups, seeds
from recdash.errors import UsageError
from recdash.reporting import seed_tables
from recdash.services import compare, results
from tests.analysis.test_groups import record


def rows_of(*runs: tuple[int, int, float]) -> list[groups.Group]:
    """Finished runs of one model with (split seed, training seed, NDCG)."""
    made = []
    for number, (split, seed, value) in enumerate(runs):
        fields = {"model": "multvae", "dataset": "d", "protocol": "strong", "dataset_fingerprint": "d1"}
        run = record(number, **fields, split_seed=split, seed=seed, split_fingerprint=f"s{split}")
        made.append(type(run)(**{**vars(run), "metrics": {"ndcg@100": value}}))
    return groups.group_runs(made)


def test_spread_over_splits_and_over_trainings_by_hand() -> None:
    found = seeds.seed_tables(rows_of((1, 0, 0.40), (1, 1, 0.42), (2, 0, 0.50), (2, 1, 0.54)))
    (row,) = found[0].rows
    spread = row.metrics["ndcg@100"]
    assert spread.mean == pytest.approx((0.41 + 0.52) / 2)
    assert spread.over_splits == pytest.approx(stdev([0.41, 0.52]))
    assert spread.over_trainings == pytest.approx(((0.0002 + 0.0008) / 2) ** 0.5)  # pooled variances of two splits
    assert (row.split_seeds, row.seeds, row.trainings) == ((1, 2), (0, 1), 4)


def test_a_single_seed_has_no_standard_deviation() -> None:
    (over_splits,) = seeds.seed_tables(rows_of((1, 1, 0.4), (2, 2, 0.5), (3, 3, 0.6)))[0].rows
    assert over_splits.metrics["ndcg@100"].over_trainings is None
    assert over_splits.metrics["ndcg@100"].over_splits == pytest.approx(0.1)
    (over_trainings,) = seeds.seed_tables(rows_of((1, 1, 0.4), (1, 2, 0.5)))[0].rows
    assert over_trainings.metrics["ndcg@100"].over_splits is None
    assert over_trainings.metrics["ndcg@100"].over_trainings == pytest.approx(0.005**0.5)


def test_nothing_repeated_is_no_table_and_a_training_done_twice_counts_once() -> None:
    assert seeds.seed_tables(rows_of((1, 0, 0.4))) == []
    assert seeds.seed_tables(rows_of((1, 0, 0.4), (1, 0, 0.4))) == []
    (row,) = seeds.seed_tables(rows_of((1, 0, 0.4), (1, 0, 0.4), (2, 0, 0.6)))[0].rows
    assert row.trainings == 2 and row.metrics["ndcg@100"].mean == pytest.approx(0.5)


def test_compare_repeats_splits_and_trainings_apart(waiting) -> None:
    wanted = compare.requests("toy", ["ease"], seeds=[1, 2], training_seeds=[7, 8])
    assert [(request.seed, request.split_seed) for request in wanted] == [(7, 1), (8, 1), (7, 2), (8, 2)]
    wanted = compare.requests("toy", ["ease"], training_seeds=[7, 8], split_seed=5)
    assert [(request.seed, request.split_seed) for request in wanted] == [(7, 5), (8, 5)]
    with pytest.raises(UsageError, match="No seeds"):
        compare.requests("toy", ["ease"], training_seeds=[])


def test_real_runs_over_two_splits_share_one_table_of_means(here, small) -> None:
    compare.start(compare.requests("toy", ["ease", "multvae"], seeds=[1, 2], training_seeds=[0, 1], settings=small))
    compare.start(compare.requests("toy", ["popularity"], split_seed=1))
    (table,) = seeds.seed_tables(results.groups())
    assert [row.model for row in table.rows] == ["ease", "multvae"] or [row.model for row in table.rows] == [
        "multvae",
        "ease",
    ]
    of = {row.model: row for row in table.rows}
    assert of["ease"].metrics["ndcg@100"].over_trainings == 0, "a closed form has no training noise"
    assert of["multvae"].metrics["ndcg@100"].over_trainings > 0
    assert table.label == "toy, strong, mean over split seeds 1, 2"
    plain = seed_tables.render([table], "table")
    assert "/ ± 0.0000" in plain and "over training seeds within a split" in plain
    assert "Recall@20 (min)" in seed_tables.render([table], "md", ["recall@20"])
    assert r"$\pm$" in seed_tables.render([table], "latex")
