"""Runs in one table or chart have different labels, as short as possible."""

from __future__ import annotations

from typing import Any

from recdash.analysis.run_labels import model_title, run_labels
from tests.analysis.test_groups import record


def run(number: int = 0, **fields: Any) -> Any:
    usual: dict[str, Any] = {"model": "ease", "dataset": "toy", "protocol": "strong", "split_seed": 1, "seed": 0}
    made = record(number, **{**usual, **{key: value for key, value in fields.items() if key in usual}})
    changes = {"name": "EASE on toy", **{key: value for key, value in fields.items() if key not in usual}}
    return type(made)(**{**vars(made), **changes})


def labels(*runs: Any, **how: bool) -> list[str]:
    return list(run_labels(runs, **how).values())


def test_a_single_run_is_labelled_by_its_model() -> None:
    assert labels(run()) == ["EASE"]
    assert labels(run(name="EASE on toy, seed 4", seed=4)) == ["EASE"]
    assert labels(run(dataset="/somewhere/toy")) == ["EASE"]


def test_a_renamed_run_is_labelled_by_its_name() -> None:
    assert labels(run(name="mine")) == ["mine"]


def test_several_datasets_keep_the_whole_name() -> None:
    assert labels(run(), run(1, dataset="demo", name="EASE on demo"), one_dataset=False) == [
        "EASE on toy",
        "EASE on demo",
    ]


def test_equal_labels_are_extended_by_the_first_difference() -> None:
    assert labels(run(), run(1, preset="fast")) == ["EASE, auto", "EASE, fast"]
    assert labels(run(), run(1, seed=4)) == ["EASE, seed 0", "EASE, seed 4"]
    assert labels(run(), run(1, settings={"l2": 9.0})) == ["EASE, preset settings", "EASE, l2 9"]
    assert labels(run(), run(1, protocol="weak")) == ["EASE, strong", "EASE, weak"]
    assert labels(run(), run(1, options={"positive_from": 3.0}))[0] == "EASE, default split"
    assert labels(run(), run(1)) == ["EASE · 0000", "EASE · 0001"]


def test_the_recorded_title_of_a_model_is_used() -> None:
    assert model_title(run()) == "EASE"
    assert model_title(run(details={"title": "EASE (old)"})) == "EASE (old)"


def test_a_row_for_all_seeds_of_a_setting_is_labelled_without_a_seed() -> None:
    same = run(seed=0), run(1, seed=1, settings={"penalty": 5.0})
    assert labels(*same, name_seeds=False) == ["EASE, preset settings", "EASE, penalty 5"]


def test_the_values_of_a_sweep_follow_the_model_without_the_dataset() -> None:
    swept = run(name="EASE on toy, penalty 5"), run(1, seed=1, name="EASE on toy, seed 1, penalty 5")
    assert labels(*swept) == ["EASE, penalty 5, seed 0", "EASE, penalty 5, seed 1"]
    assert labels(swept[1]) == ["EASE, penalty 5"]
