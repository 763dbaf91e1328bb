"""Calls with one odd argument: `recommend`, `fit`, `evaluate` and `make_split`."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.random import Generator
from scipy import sparse

import recdash
from recdash.data.dataset import Dataset
from recdash.errors import short_repr
from recdash.splits import PROTOCOLS, RatingSplit, Split
from tests.fuzz.array_calls import trained
from tests.fuzz.cases import Case
from tests.fuzz.odd_arrays import ITEMS, REFUSED, dense, pick, random_cells
from tests.toy_data import toy_dataset


def recommend_case(rng: Generator) -> Case:
    """`recommend` for picks and lengths of lists in odd forms."""
    model = trained()[pick(rng, ("popularity", "ease"))]
    films = ["Film 3", "Film 6"]
    same = [
        films,
        tuple(films),
        np.array(films),
        pd.Series(films),
        iter(films),
        ["film 3", "FILM 6"],
        dict.fromkeys(films),
    ]
    wrong = [
        None,
        5.5,
        ["no such film at all"],
        [None],
        [3.5],
        b"abc",
        np.array(3),
        torch.tensor(1),
        999,
        [["Film 3"]],
        object,
    ]
    lengths = [(4, 4), (np.int64(4), 4), (np.uint8(4), 4), (0, 0), (10**9, ITEMS - 2)]
    no_lengths = [-1, 2.0, "4", None, True, np.array(4), [4], 10**30, np.float64(4), np.nan]
    picks, (k, length) = pick(rng, same), pick(rng, lengths)
    truth: Any = [r.id for r in model.recommend(films, ITEMS)][:length]
    if (kind := rng.random()) < 0.3:
        picks, truth = pick(rng, wrong), REFUSED
    elif kind < 0.6:
        k, truth = pick(rng, no_lengths), REFUSED
    return Case(
        f"recommend({short_repr(picks)}, k={short_repr(k)})", lambda: [r.id for r in model.recommend(picks, k)], truth
    )


BAD: dict[str, list[Any]] = {
    "seed": [None, -1, 2**32, 1.0, "1", True, np.float64(1), [1], np.array([1, 2]), 10**5000, np.nan],
    "device": [3, None, "abacus", "", ["cpu"], 1.5, object(), "cuda:99", b"cpu", torch.float32],
    "threads": [0, -1, "2", True, 1.0, [1], 10**9, np.bool_(True)],
    "preset": [None, 3, "best", ["auto"], np.array(["auto", "fast"]), "", b"auto"],
    "on_epoch": [3, "print", [], True],
    "should_stop": [3, "print", [], True],
    "on_checkpoint": [3, "a"],
    "on_best": [3, "a"],
    "on_weights": [3, "a"],
    "resume": [3, "state", {}, True],
}
GOOD: dict[str, list[Any]] = {
    "seed": [np.int64(0), np.uint8(0)],
    "device": ["cpu", torch.device("cpu")],
    "threads": [None, 1, np.int32(1)],
    "preset": ["auto", np.str_("auto")],
    "on_epoch": [None, lambda record: None],
    "should_stop": [None, lambda: False],
    "on_checkpoint": [None],
    "on_best": [None],
    "on_weights": [None],
    "resume": [None],
}
SETTINGS: dict[str, tuple[list[tuple[Any, Any]], list[Any]]] = {
    "hidden": (
        [([4], (4,)), (np.array([4]), (4,)), ((np.int64(4),), (4,))],
        [600, "600", None, 4.5, [4.5], ["4"], [[4]], [0], {4}],
    ),
    "latent": (
        [(np.int64(3), 3), (np.array(3), 3)],
        [3.0, "3", True, None, -1, [3], np.array([3, 4]), np.nan, 10**400],
    ),
    "dropout": ([(np.float32(0.25), 0.25), (0, 0)], ["0.5", None, 1.5, np.nan, True, np.inf, [0.5], 1j, pd.NA]),
    "precision": ([(np.str_("float32"), "float32")], [32, None, "double", ["float32"], np.array(["float32"])]),
    "anneal_updates": ([(None, None), (np.int16(7), 7)], ["none", 0, 1.5, pd.DataFrame({"a": [1, 2]})]),
}


def fit_case(rng: Generator) -> Case:
    """`fit` with one odd argument; the truth is the scores of the model fitted plainly."""
    made = trained()
    name = pick(rng, ("popularity", "ease", "bias"))
    split = made["rating" if name == "bias" else "ranking"]
    plain = made[name]
    fold_in = sparse.csr_array(dense(random_cells(rng, 3), 3))
    truth: Any = plain.score(fold_in)
    given: dict[str, Any] = {"device": "cpu"}
    if (kind := rng.random()) < 0.35:
        odd = pick(rng, BAD)
        given[odd], truth = pick(rng, BAD[odd]), REFUSED
    elif kind < 0.7:
        odd = pick(rng, GOOD)
        given[odd] = pick(rng, GOOD[odd])
    elif kind < 0.85:
        odd, truth = "name", REFUSED
        name = pick(rng, (None, 3, ["ease"], {"ease"}, "eas", "", b"ease", np.array(["ease", "bias"]), "svae", "eaze"))
    else:
        odd, truth = "split", REFUSED
        split = pick(
            rng, (None, (1, 2), "strong", split.train, object(), made["ranking" if name == "bias" else "rating"])
        )
    what = f"fit({short_repr(name)}, {odd}={short_repr(given.get(odd))}) on {type(split).__name__}"
    return Case(what, lambda: recdash.fit(name, split, **given).score(fold_in), truth)


def setting_case(rng: Generator) -> Case:
    """A setting of Mult-VAE with an odd value; the truth is the value that the config then has."""
    odd = pick(rng, SETTINGS)
    good, bad = SETTINGS[odd]
    given, truth = pick(rng, good) if rng.random() < 0.3 else (pick(rng, bad), REFUSED)
    settings: dict[str, Any] = {"epochs": 1, "latent": 3, "hidden": (), "device": "cpu", odd: given}
    split = trained()["ranking"]
    what = f"fit('multvae', {odd}={short_repr(given)})"
    return Case(what, lambda: getattr(recdash.fit("multvae", split, **settings).config, odd), truth)


def evaluate_case(rng: Generator) -> Case:
    """`evaluate` with one odd argument; the truth is the figure of a plain call."""
    made = trained()
    arguments: dict[str, Any] = {
        "model": made["ease"],
        "split": made["ranking"],
        "on": "test",
        "metric_names": ["ndcg@10"],
    }
    truth: Any = recdash.evaluate(**arguments).mean
    good: dict[str, list[Any]] = {
        "metric_names": ["ndcg@10", ("ndcg@10",), iter(["ndcg@10"]), np.array(["ndcg@10"]), pd.Series(["ndcg@10"])],
        "on": ["validation", np.str_("test")],
    }
    narrow = made["ranking"].train.matrix()[:, :4]
    eye = sparse.eye_array(4, format="csr")
    other = Split.from_matrices(narrow, test=(eye[:1], eye[1:2]))
    bad: dict[str, list[Any]] = {
        "model": [None, "ease", 3, object(), made["rating"], type(made["ease"]), eye],
        "split": [None, "strong", (1, 2), made["ranking"].train, made["rating"], other, object()],
        "on": [None, "train", 3, ["test"], {}, np.array(["test", "test"]), ""],
        "metric_names": [3, [None], ["ndcg"], ["ndcg@0"], ["ndcg@ten"], [("ndcg", 10)], "n", ["nope@10"], [b"ndcg@10"]],
    }
    options = good if rng.random() < 0.4 else bad
    odd = pick(rng, options)
    arguments[odd] = pick(rng, options[odd])
    what = f"evaluate with {odd}={short_repr(arguments[odd])}"
    return Case(what, lambda: recdash.evaluate(**arguments).mean, truth if options is good else REFUSED)


@cache
def toy() -> Dataset:
    return toy_dataset(120, 40)


def split_case(rng: Generator) -> Case:
    """`make_split` with one odd argument; the truth is the fingerprint of a plain call."""
    arguments: dict[str, Any] = {
        "protocol": "strong",
        "seed": 3,
        "held_out_users": 10,
        "positive_from": 4,
        "min_positives": 5,
    }
    truth: Any = recdash.make_split(toy(), **arguments).fingerprint
    good: dict[str, list[Any]] = {
        "seed": [np.int64(3), np.uint32(3)],
        "held_out_users": [np.int16(10)],
        "min_positives": [np.uint8(5)],
        "positive_from": [4.0, np.float32(4), np.int64(4), None],
        "protocol": [np.str_("strong")],
    }
    bad: dict[str, list[Any]] = {
        "seed": BAD["seed"],
        "held_out_users": [0, -1, 10.0, "10", True, 10**6, [10], np.nan],
        "min_positives": [0, -1, 5.0, "5", True, 10**6, 10**30],
        "positive_from": ["4", np.nan, np.inf, 10**400, True, [4], 6, 1j, np.array([4, 5])],
        "protocol": [None, "weakest", 3, ["strong"], {}, "", b"strong", np.array(["strong", "weak"])],
        "dataset": [None, "toy", 3, trained()["ranking"], toy().histories, object(), [toy()]],
    }
    options = good if rng.random() < 0.35 else bad
    odd = pick(rng, options)
    arguments[odd] = pick(rng, options[odd])
    what = f"make_split with {odd}={short_repr(arguments[odd])}"
    dataset = arguments.pop("dataset", toy())
    return Case(
        what, lambda: recdash.make_split(dataset, **arguments).fingerprint, truth if options is good else REFUSED
    )


def small_data_case(rng: Generator) -> Case:
    """Any protocol on data at the edge of what it can be asked of: parts to measure on, or an error."""
    users, each = int(pick(rng, (1, 3, 100, 130))), int(pick(rng, (1, 2, 4, 5, 6)))
    rows = np.repeat(np.arange(users), each)
    columns = np.concatenate([rng.permutation(8)[:each] for _ in range(users)])
    stars = rng.integers(1, 6, len(rows)) if rng.random() < 0.6 else np.full(len(rows), 5)
    times = rng.integers(10**9, 10**9 + 1000, len(rows)) if rng.random() < 0.7 else None
    dataset = Dataset.build(
        "few", users=rows, items=columns, ratings=stars, times=times, source="test", scale=(1.0, 5.0)
    )
    protocol = pick(rng, PROTOCOLS)
    least = int(rng.integers(1, 6))

    def has_parts(split: Any) -> bool:
        sizes = [
            len(part) if isinstance(split, RatingSplit) else part.held_out.n_entries
            for part in (split.validation, split.test)
        ]
        return min(sizes) > 0 and split.train.n_entries > 0

    what = f"make_split({protocol!r}) of {users} users with {each} each"
    return Case(what, lambda: recdash.make_split(dataset, protocol, min_positives=least), has_parts, either=True)
