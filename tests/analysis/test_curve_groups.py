"""Which curves share a chart."""

from __future__ import annotations

from typing import Any

import pytest

from recdash import fit, make_split
from recdash.analysis.curve_groups import curve_groups, data_labels, usual_values
from recdash.models import registry
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State
from tests.toy_data import toy_dataset, toy_split


def record(run_id: str, model: str, **fields: Any) -> RunRecord:
    defaults: dict[str, Any] = {"dataset": "demo", "protocol": "strong", "split_seed": 1, "settings": {}, "seed": 0}
    defaults |= {"preset": "auto", "device": "cpu", "state": State.FINISHED, "name": run_id}
    return RunRecord(id=run_id, model=model, **{**defaults, **fields})


def test_losses_of_different_objectives_never_share_a_chart() -> None:
    runs = [
        record("a", "autorec", protocol="ratings-90"),
        record("d", "deeprec", protocol="ratings-90"),
        record("v", "multvae"),
        record("w", "recvae"),
        record("c", "cdae"),
        record("s", "cdae", config={"likelihood": "square"}),
    ]
    for separate in (True, False):
        groups = curve_groups(runs, ["loss"], {run.id: {"loss"} for run in runs}, separate_data=separate)
        assert sorted(group.run_ids for group in groups) == [("a",), ("c",), ("d",), ("s",), ("v", "w")]


def test_every_model_with_a_loss_names_its_objective() -> None:
    for name in registry.names():
        model = registry.model_class(name)
        if hasattr(model, "losses"):
            assert model.objective, name


def test_charts_of_further_objectives_come_last() -> None:
    runs = [record("c", "cdae"), record("v", "multvae"), record("w", "recvae")]
    recorded = {run.id: {"reconstruction", "ndcg@100"} for run in runs}
    groups = curve_groups(runs, ["reconstruction", "ndcg@100"], recorded)
    assert [group.run_ids for group in groups] == [("v", "w"), ("c", "v", "w"), ("c",)]


@pytest.mark.parametrize("model", registry.names())
def test_usual_values_are_those_that_a_training_records(model: str) -> None:
    if "epochs" not in registry.model_class(model).config_class.__dataclass_fields__:
        return
    is_ranking = registry.model_class(model).task == "ranking"
    split = toy_split() if is_ranking else make_split(toy_dataset(), "ratings-90")
    recorded: set[str] = set()
    fit(model, split, epochs=1, on_epoch=lambda epoch: recorded.update(epoch.values))
    assert set(usual_values(model)) <= recorded
    assert recorded - set(usual_values(model)) <= {"penalty", "decoder_reconstruction", "refeeding_loss"}


def test_data_sets_and_protocols_have_charts_of_their_own_unless_asked() -> None:
    runs = [record("a", "multvae"), record("b", "multvae", dataset="ml-1m"), record("c", "multvae", protocol="weak")]
    recorded = {run.id: {"ndcg@100"} for run in runs}
    assert [group.run_ids for group in curve_groups(runs, ["ndcg@100"], recorded)] == [("a",), ("b",), ("c",)]
    (together,) = curve_groups(runs, ["ndcg@100"], recorded, separate_data=False)
    assert together.run_ids == ("a", "b", "c")
    assert together.data == "all data"


def test_labels_name_what_differs() -> None:
    seeds = [record("a", "ease"), record("b", "ease", split_seed=2)]
    assert data_labels(seeds) == {"a": "demo, split seed 1", "b": "demo, split seed 2"}
    versions = [
        record("a", "ease", dataset_fingerprint="123456789"),
        record("b", "ease", dataset_fingerprint="abcdefg"),
    ]
    assert data_labels(versions) == {"a": "demo (123456)", "b": "demo (abcdef)"}
    assert data_labels([record("a", "ease")]) == {"a": "demo, strong"}


def test_a_run_without_epochs_waits_in_the_charts_of_its_data() -> None:
    runs = [record("a", "multvae"), record("new", "recvae"), record("far", "multvae", dataset="ml-1m")]
    groups = curve_groups(runs, ["loss", "kl"], {"a": {"loss", "kl"}})
    assert [(group.value, group.data, group.run_ids) for group in groups] == [
        ("loss", "demo", ("a", "new")),
        ("kl", "demo", ("a", "new")),
        ("loss", "ml-1m", ("far",)),
        ("kl", "ml-1m", ("far",)),
    ]


def test_imported_curves_join_every_chart_of_their_metrics_and_no_loss_of_ours() -> None:
    runs = [
        record("a", "multvae"),
        record("b", "multvae", dataset="ml-1m"),
        record("x", "external", dataset="external"),
    ]
    recorded = {run.id: {"ndcg@100", "loss"} for run in runs} | {"x": {"ndcg@100", "loss", "other"}}
    groups = curve_groups(runs, ["ndcg@100", "loss", "other"], recorded)
    assert [(group.value, group.run_ids) for group in groups] == [
        ("ndcg@100", ("a", "x")),
        ("loss", ("a",)),
        ("ndcg@100", ("b", "x")),
        ("loss", ("b",)),
        ("loss", ("x",)),
        ("other", ("x",)),
    ]
