"""Calls with odd arrays: splits of one's own, scores and predictions."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.random import Generator
from scipy import sparse

import recdash
from recdash.data.catalogue import Catalogue
from recdash.data.histories import Histories
from recdash.errors import short_repr
from recdash.splits import Split
from tests.fuzz.cases import Case
from tests.fuzz.odd_arrays import (
    FORMS,
    ITEMS,
    REFUSED,
    Column,
    cells_of,
    dense,
    no_column,
    odd_column,
    pick,
    plain_column,
    random_cells,
    with_last,
)

USERS, TESTED = 14, 5
N_RATINGS = 40


def matrices_case(rng: Generator) -> Case:
    """`Split.from_matrices` with one of its matrices, or its names, in an odd form."""
    train, liked = random_cells(rng, USERS), random_cells(rng, TESTED)
    held_out = frozenset(cell for cell in liked if sum(cell) % 3 == 0) | {(0, 0)}
    parts: dict[str, Any] = {"train": train, "fold_in": liked - held_out, "held_out": held_out}
    names, titles, either = pick(rng, item_names(rng))
    odd = pick(rng, [*parts])
    form = pick(rng, FORMS)(parts[odd], USERS if odd == "train" else TESTED, rng)
    given = {
        name: sparse.csr_array(dense(cells, USERS if name == "train" else TESTED)) for name, cells in parts.items()
    }
    given[odd], parts[odd] = form.matrix, form.cells
    wrong = REFUSED in (form.cells, titles) or not parts["held_out"] or not parts["train"]
    truth: Any = REFUSED
    if not wrong and not parts["held_out"] & parts["fold_in"]:
        truth = (*parts.values(), USERS, tuple(titles))

    def call() -> Any:
        split = Split.from_matrices(given["train"], test=(given["fold_in"], given["held_out"]), items=names)
        found = (cells_of(part.matrix().toarray()) for part in (split.train, split.test.fold_in, split.test.held_out))
        return (*found, len(split.train), tuple(item.title for item in split.catalogue.items))

    return Case(f"from_matrices, {odd}: {form.what}; items {short_repr(names)}", call, truth, form.either or either)


def item_names(rng: Generator) -> list[tuple[Any, Any, bool]]:
    """Names of the items as they might be given, the titles that they stand for or REFUSED, and whether either."""
    names = [f"Film {number} (1995)" for number in range(ITEMS)]
    plain = [(None, [str(number) for number in range(ITEMS)], False)] * 20
    same = [names, tuple(names), np.array(names), pd.Index(names), pd.Series(names), Catalogue.bare(names), iter(names)]
    numbers: Any = [np.arange(ITEMS), list(range(ITEMS)), pd.Series(range(ITEMS))]
    wrong = [
        names[:-1],
        [*names[:-1], names[0]],
        "films",
        5,
        [*names[:-1], None],
        [*names[:-1], ["a"]],
        [*names[:-1], "a\nb"],
        [*names[:-1], np.nan],
        np.array([names]),
        set(names),
        dict.fromkeys(names),
        Catalogue(()),
        b"films",
        pd.DataFrame(),
        [*names[:-1], ""],
        [*names, "one more"],
    ]
    return [
        *plain,
        *((given, names, False) for given in same),
        *((given, [str(number) for number in range(ITEMS)], False) for given in numbers),
        *((given, REFUSED, False) for given in wrong),
    ]


def ratings_case(rng: Generator) -> Case:
    """`Split.from_ratings` with one column, or the triple itself, in an odd form."""
    places = rng.permutation(USERS * ITEMS)[: 2 * N_RATINGS]
    users, items, stars = places // ITEMS, places % ITEMS, rng.integers(1, 6, 2 * N_RATINGS)
    half = slice(0, N_RATINGS), slice(N_RATINGS, None)
    train, test = ([column[part] for column in (users, items, stars)] for part in half)
    axis = int(rng.integers(3))
    form, truth_column = odd_column(train[axis], axis, rng)
    given: list[Any] = list(train)
    given[axis] = form.given
    truth: Any = REFUSED
    if not isinstance(truth_column, str):
        told = [*train[:axis], truth_column, *train[axis + 1 :]]
        truth = ratings_truth(told, test)
    wrap, part = pick(rng, (("tuple", tuple(given)), ("list", given), ("iterator", iter(given))))
    if rng.random() < 0.3:
        wrap, part, truth = odd_triple(train, test, rng)
        form = Column("", None, None)

    def call() -> Any:
        split = Split.from_ratings(part, test=tuple(test))
        values: Any = split.train.values
        rows = frozenset(zip(split.train.row_of.tolist(), split.train.items.tolist(), values.tolist(), strict=True))
        return rows, len(split.test), len(split.train), split.n_items

    return Case(f"from_ratings, {wrap}, column {axis}: {form.what}", call, truth, form.either)


def ratings_truth(train: list[Any], test: list[Any]) -> Any:
    """What the split of plain columns has to hold, or REFUSED where a pair comes twice."""
    triples = list(zip(*(np.asarray(column).tolist() for column in train), strict=True))
    tested = list(zip(*(column.tolist() for column in test[:2]), strict=True))
    pairs = [(user, item) for user, item, _ in triples] + tested
    if len(set(pairs)) < len(pairs):
        return REFUSED
    return frozenset(triples), len(tested), 1 + max(user for user, _ in pairs), 1 + max(item for _, item in pairs)


def odd_triple(train: list[Any], test: list[Any], rng: Generator) -> tuple[str, Any, Any]:
    """A whole triple in an odd form, and the answer it has to give."""
    truth = ratings_truth(train, test)
    table = np.stack(train, 1)
    same: dict[str, Any] = {
        "DataFrame": pd.DataFrame(table, columns=["stars", "user", "item"]),
        "rows of an array": table.T.copy(),
        "list of three tuples": list(zip(*table.tolist(), strict=True)),
        "zip": zip(*table.tolist(), strict=True),
        "rows of a tensor": torch.from_numpy(table.T.copy()),
        "DataFrame of floats": pd.DataFrame(table.astype(float)),
    }
    wrong: dict[str, Any] = {
        "None": None,
        "number": 3,
        "text": "abc",
        "table": table,
        "rows": [tuple(row) for row in table.tolist()],
        "two": tuple(train[:2]),
        "four": (*train, train[0]),
        "dict": dict(zip("uir", train, strict=True)),
        "empty": tuple(column[:0] for column in train),
        "3 x 3": table[:3],
        "3 x 3 tuples": [(1, 2, 3), (0, 1, 2), (4, 5, 1)],
        "sparse": sparse.csc_array(table.T),
        "Series": pd.Series(train),
        "twice": tuple(np.append(c, c[0]) for c in train),
        "two-column DataFrame": pd.DataFrame(table[:, :2]),
        "a test pair": tuple(np.append(a, b[0]) for a, b in zip(train, test, strict=True)),
    }
    what = pick(rng, [*same, *wrong])
    return what, (same | wrong)[what], truth if what in same else REFUSED


@cache
def trained() -> dict[str, Any]:
    """Small models by name, the split of those that rank, and that of the one that predicts."""
    rng = np.random.default_rng(1)
    liked = random_cells(rng, TESTED)
    held_out = frozenset(cell for cell in liked if sum(cell) % 3 == 0) | {(0, 0)}
    pair = sparse.csr_array(dense(liked - held_out, TESTED)), sparse.csr_array(dense(held_out, TESTED))
    names = [f"Film {number}" for number in range(ITEMS)]
    ranking = Split.from_matrices(sparse.csr_array(dense(random_cells(rng, USERS), USERS)), pair, pair, items=names)
    places = rng.permutation(USERS * ITEMS)[:60]
    triple = places // ITEMS, places % ITEMS, rng.integers(1, 6, 60)
    rating = Split.from_ratings([c[:50] for c in triple], test=[c[50:] for c in triple])
    tiny = {"epochs": 1, "latent": 3, "hidden": (), "device": "cpu"}
    models = {name: recdash.fit(name, ranking, device="cpu") for name in ("popularity", "ease")}
    models |= {"multvae": recdash.fit("multvae", ranking, **tiny), "bias": recdash.fit("bias", rating, device="cpu")}
    return models | {"ranking": ranking, "rating": rating}


def score_case(rng: Generator) -> Case:
    """`score` of a matrix in an odd form; the truth is the score of a plain one."""
    name = pick(rng, ("popularity", "ease", "multvae", "bias"))
    model = trained()[name]
    form = pick(rng, FORMS)(random_cells(rng, TESTED), TESTED, rng)
    truth: Any = form.cells
    if not isinstance(form.cells, str):
        truth = model.score(sparse.csr_array(dense(form.cells, TESTED)))
    return Case(f"{name}.score: {form.what}", lambda: model.score(form.matrix), truth, form.either)


def histories_case(rng: Generator) -> Case:
    """`score` of Histories that were put together by hand."""
    model = trained()[pick(rng, ("popularity", "ease", "multvae", "bias"))]
    rows = [rng.permutation(ITEMS)[: rng.integers(1, 5)].tolist() for _ in range(3)]
    plain = Histories.from_rows(rows, ITEMS)
    stars = rng.integers(1, 6, plain.n_entries).astype(np.float32)
    parts: dict[str, Any] = {
        "indptr": plain.indptr,
        "items": plain.items,
        "values": pick(rng, (None, stars)),
        "n_items": ITEMS,
    }
    truth: Any = model.score(Histories(**parts))
    odd = pick(rng, parts)
    if odd in ("indptr", "items") and rng.random() < 0.5:
        parts[odd] = plain_column(parts[odd].astype(np.int64), rng).given
        return Case(f"score, histories with other {odd}", lambda: model.score(Histories(**parts)), truth, either=True)
    before = parts[odd]
    wrong: dict[str, list[Any]] = {
        "indptr": [
            None,
            [],
            [0, 1],
            plain.indptr + 1,
            plain.indptr[::-1].copy(),
            plain.indptr * 2,
            "abc",
            -plain.indptr,
        ],
        "items": [
            None,
            plain.items[:-1],
            plain.items - 1 - plain.items.min(),
            plain.items + ITEMS,
            plain.items * 2**20 + 9,
            "a",
        ],
        "values": [stars[:-1], stars * np.nan, "a", np.append(stars, 1), stars + 0j, [[1, 2]]],
        "n_items": [None, -1, 0, 1.5, "a", ITEMS + 1, 2**40],
    }
    parts[odd] = pick(rng, wrong[odd])
    return Case(
        f"score, histories with {odd} {short_repr(before)} -> {short_repr(parts[odd])}",
        lambda: model.score(Histories(**parts)),
        REFUSED,
    )


def predict_case(rng: Generator) -> Case:
    """`predict` for columns in an odd form; the truth is one prediction after the other."""
    model = trained()["bias"]
    columns = [rng.integers(0, most, 7) for most in (USERS, ITEMS)]
    axis = int(rng.integers(2))
    kind, given = rng.random(), list(columns)
    if kind < 0.45:
        form = plain_column(columns[axis], rng)
    elif kind < 0.7:
        form = no_column(columns[axis], rng)
    else:
        far = (
            (-1, np.int64),
            (2**31 + 1, np.int64),
            (2**40, float),
            (2**63 + 3, np.uint64),
            (1e300, float),
            (USERS + ITEMS, int),
        )
        last, dtype = pick(rng, far)
        numbers = [*columns[axis].tolist()[:-1], 10**6]
        form = Column(f"ends in {last}", with_last(columns[axis], last, dtype), np.array(numbers))
    given[axis] = form.given
    truth: Any = form.numbers
    if not isinstance(truth, str):
        told = [*columns[:axis], truth, *columns[axis + 1 :]]
        truth = np.array([model.predict([user], [item])[0] for user, item in zip(*told, strict=True)])
    return Case(f"predict, column {axis}: {form.what}", lambda: model.predict(*given), truth, form.either)
