"""Odd arguments of `fit`, `evaluate`, `recommend` and `make_split`: a right answer, or one line that names them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import recdash
from recdash.errors import RecdashError, short_repr
from recdash.models.base import Model
from recdash.splits import Split
from tests.toy_data import toy_dataset, toy_split

SMALL: dict[str, Any] = {"epochs": 1, "latent": 3, "hidden": (), "device": "cpu"}


@cache
def split_of(protocol: str = "strong") -> Split:
    return toy_split(protocol)


@cache
def trained(name: str = "popularity") -> Model:
    return recdash.fit(name, split_of(), device="cpu")


def refusal_of(call: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(RecdashError) as caught:
        call(*arguments, **named)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 400
    return str(caught.value)


class TestFit:
    @pytest.mark.parametrize("name", [None, 3, ["ease"], {"ease"}, b"ease", np.array(["ease", "bias"]), ""])
    def test_a_model_is_a_known_name(self, name: Any) -> None:
        assert "Unknown model" in refusal_of(recdash.fit, name, split_of())

    @pytest.mark.parametrize("split", [None, (1, 2), "strong", toy_dataset()])
    def test_a_split_is_one(self, split: Any) -> None:
        assert refusal_of(recdash.fit, "popularity", split).startswith("split: expected a split, found")

    @pytest.mark.parametrize("preset", [None, 3, ["auto"], np.array(["auto", "fast"]), pd.DataFrame({"a": [1, 2]})])
    def test_a_preset_is_a_known_name(self, preset: Any) -> None:
        told = refusal_of(recdash.fit, "popularity", split_of(), preset=preset)
        assert told.startswith("Unknown preset of popularity") and "Known: auto" in told

    @pytest.mark.parametrize("device", [None, 3, 1.5, ["cpu"], b"cpu", torch.float32])
    def test_a_device_is_a_name(self, device: Any) -> None:
        assert refusal_of(recdash.fit, "popularity", split_of(), device=device).startswith("Unknown device")

    def test_a_device_of_pytorch_is_fine(self) -> None:
        assert recdash.fit("popularity", split_of(), device=torch.device("cpu")).device.type == "cpu"  # type: ignore[arg-type]

    @pytest.mark.parametrize("threads", [0, -1, "2", True, 1.0, [1], 10**9, np.bool_(True)])
    def test_threads_are_a_whole_number_from_one(self, threads: Any) -> None:
        assert refusal_of(recdash.fit, "popularity", split_of(), threads=threads).startswith("threads = ")

    @pytest.mark.parametrize("hook", ["on_epoch", "should_stop", "on_checkpoint", "on_best", "on_weights"])
    def test_hooks_can_be_called(self, hook: str) -> None:
        for given in (3, "print", [], True):
            assert f"{hook} = {given!r} is not callable" in refusal_of(
                recdash.fit, "popularity", split_of(), **{hook: given}
            )

    @pytest.mark.parametrize("state", [3, "state", {}])
    def test_what_is_resumed_is_a_state(self, state: Any) -> None:
        assert "TrainingState" in refusal_of(recdash.fit, "multvae", split_of(), resume=state, **SMALL)

    def test_a_number_too_long_to_be_written_out_is_refused(self) -> None:
        assert "seed = a int is not a whole number" in refusal_of(recdash.fit, "popularity", split_of(), seed=10**5000)


class TestSettings:
    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("hidden", 600),
            ("hidden", "600"),
            ("hidden", None),
            ("hidden", [4.5]),
            ("hidden", [[4]]),
            ("latent", "3"),
            ("latent", True),
            ("latent", np.arange(100)),
            ("latent", 10**400),
            ("dropout", np.nan),
            ("dropout", 10**400),
            ("dropout", pd.NA),
            ("dropout", pd.DataFrame({"a": [1, 2]})),
            ("precision", 32),
            ("precision", ["float32"]),
        ],
        ids=short_repr,
    )
    def test_a_value_of_another_type_is_refused_by_its_name(self, setting: str, value: Any) -> None:
        told = refusal_of(recdash.fit, "multvae", split_of(), **SMALL | {setting: value})
        assert told.startswith(f"MultVAEConfig.{setting} = ")

    @pytest.mark.parametrize("value", [np.array(["user", "item"]), pd.DataFrame({"a": [1, 2]}), None, 3])
    def test_a_value_is_checked_before_a_preset_looks_at_it(self, value: Any) -> None:
        split = recdash.make_split(toy_dataset(), "ratings-90")
        assert refusal_of(recdash.fit, "autorec", split, variant=value).startswith("AutoRecConfig.variant = ")

    def test_arrays_and_numbers_of_numpy_are_fine(self) -> None:
        given = SMALL | {"hidden": np.array([6, 4]), "latent": np.array(3), "dropout": np.float32(0.5)}
        config = recdash.fit("multvae", split_of(), **given).config
        assert (config.hidden, config.latent, config.dropout) == ((6, 4), 3, 0.5)


class TestEvaluate:
    @pytest.mark.parametrize("model", [None, "ease", 3, Model])
    def test_a_model_is_one(self, model: Any) -> None:
        assert refusal_of(recdash.evaluate, model, split_of()).startswith("model: expected a trained model")

    @pytest.mark.parametrize("split", [None, (1, 2), "strong"])
    def test_a_split_is_one(self, split: Any) -> None:
        assert refusal_of(recdash.evaluate, trained(), split).startswith("split: expected a split")

    @pytest.mark.parametrize("on", [None, 3, ["test"], {}, np.array(["test", "test"]), "train"])
    def test_a_part_is_a_known_name(self, on: Any) -> None:
        assert "This split has no part" in refusal_of(recdash.evaluate, trained(), split_of(), on)

    @pytest.mark.parametrize("names", [3, [None], [("ndcg", 10)], [b"ndcg@10"], ["ndcg"]])
    def test_metrics_are_names(self, names: Any) -> None:
        refusal_of(recdash.evaluate, trained(), split_of(), metric_names=names)
        rating = recdash.make_split(toy_dataset(), "ratings-90")
        refusal_of(recdash.evaluate, recdash.fit("bias", rating), rating, metric_names=names)

    def test_a_split_of_other_items_is_refused(self) -> None:
        other = recdash.make_split(toy_dataset(items=40), "strong", held_out_users=20)
        assert "The model was trained on 45 items, the split has 40" in refusal_of(recdash.evaluate, trained(), other)

    def test_a_model_of_other_users_is_refused_where_the_test_users_were_trained_on(self) -> None:
        known = split_of("weak")
        assert "trained on 200 users, the split has 240" in refusal_of(recdash.evaluate, trained(), known)


class TestRecommend:
    @pytest.mark.parametrize("picks", [None, 5.5, b"abc", np.array(3), torch.tensor(1), object()])
    def test_picks_are_a_list(self, picks: Any) -> None:
        assert "Expected a list of titles" in refusal_of(trained().recommend, picks)

    @pytest.mark.parametrize("k", [-1, 2.0, "4", None, True, np.array(4), 10**30, np.nan])
    def test_the_length_is_a_whole_number(self, k: Any) -> None:
        assert refusal_of(trained().recommend, ["Film 3"], k).startswith("k = ")

    def test_names_and_lengths_of_numpy_and_pandas_are_fine(self) -> None:
        plain = trained().recommend(["Film 3", "Film 6"], 4)
        for given in (np.array(["Film 3", "Film 6"]), pd.Series(["Film 3", "Film 6"])):
            assert trained().recommend(given, np.int8(4)) == plain  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("protocol", None),
        ("protocol", ["strong"]),
        ("protocol", {}),
        ("seed", "1"),
        ("seed", 2**32),
        ("held_out_users", 0),
        ("held_out_users", -1),
        ("held_out_users", 10.0),
        ("held_out_users", True),
        ("positive_from", "4"),
        ("positive_from", np.nan),
        ("positive_from", 10**400),
        ("positive_from", 1j),
        ("min_positives", 10**30),
    ],
    ids=short_repr,
)
def test_make_split_names_the_argument_that_it_refuses(argument: str, value: Any) -> None:
    told = refusal_of(recdash.make_split, toy_dataset(), **{argument: value})
    assert told.startswith((f"{argument} = ", f"Unknown {argument}"))
