"""Runs of one setting that differ in their seed, as a band."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recdash.analysis.seed_bands import band, group_labels, seed_groups
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State


def run(run_id: str, seed: int = 0, **fields) -> RunRecord:
    plain = {"name": f"Mult-VAE on toy, seed {seed}", "model": "multvae", "dataset": "toy", "protocol": "strong"}
    plain |= {"state": State.FINISHED, "preset": "auto", "settings": {}, "split_seed": 1, "device": "cpu"}
    return RunRecord(id=run_id, seed=seed, **{**plain, **fields})


def test_runs_that_differ_in_the_seed_alone_form_a_group():
    runs = [run("a"), run("b", 1), run("c", 2, settings={"dropout": 0.1}), run("d", 3, dataset="demo")]
    runs += [run("e", 4, preset="paper"), run("f", 5, split_seed=2), run("g", 6, protocol="weak")]
    assert [[member.id for member in group] for group in seed_groups(runs)] == [["a", "b"]]


def test_of_a_repeated_training_the_newest_counts():
    runs = [run("old", created=1.0), run("new", created=2.0), run("b", 1)]
    assert [[member.id for member in group] for group in seed_groups(runs)] == [["new", "b"]]
    assert seed_groups(runs[:2]) == []


def test_a_group_is_named_with_its_number_of_seeds():
    groups = [(run("a"), run("b", 1)), (run("c", settings={"latent": 8}), run("d", 1), run("e", 2))]
    first, second = group_labels(groups)
    assert first.startswith("Mult-VAE on toy") and first.endswith("2 seeds") and "seed 0" not in first
    assert second.endswith("3 seeds") and first.split(",")[:-1] != second.split(",")[:-1]


def test_a_renamed_run_names_its_group():
    mine = replace(run("a"), name="my best idea")
    assert group_labels([(mine, run("b", 1))]) == ["my best idea, 2 seeds"]
    assert group_labels([(run("a"), run("b", 1))], one_dataset=True) == ["Mult-VAE, 2 seeds"]


def test_mean_and_range_by_hand_where_two_seeds_have_a_value():
    one = np.array([1.0, 2, 3]), np.array([10.0, 20, 30]), np.array([1.0, np.nan, 5])
    two = np.array([1.0, 2, 4]), np.array([20.0, 40, 60]), np.array([3.0, 4, 7])
    three = np.array([3.0]), np.array([60.0]), np.array([8.0])
    found = band([one, two, three])
    assert list(found.epoch) == [1, 3] and list(found.count) == [2, 2]  # epochs 2 and 4 have one value
    assert list(found.x) == [15, 45]
    assert list(found.mean) == [2, 6.5] and list(found.low) == [1, 5] and list(found.high) == [3, 8]


def test_deviation_is_that_of_a_sample():
    members = [(np.array([1.0]), np.array([1.0]), np.array([value])) for value in (1.0, 2.0, 6.0)]
    found = band(members, "deviation")
    assert found.mean[0] == pytest.approx(3) and found.high[0] - 3 == pytest.approx(np.std([1, 2, 6], ddof=1))


def test_equal_seeds_have_no_width_and_no_members_no_band():
    member = np.array([1.0, 2]), np.array([1.0, 2]), np.array([0.1, 0.3])
    found = band([member] * 7, "deviation")
    assert (found.mean == member[2]).all() and (found.low == found.high).all()
    assert len(band([]).epoch) == 0 and len(band([member]).epoch) == 0
