"""Splits that people bring as matrices or as ratings, and parts that nothing can be measured on."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import recdash
from recdash.data.catalogue import Catalogue
from recdash.data.dataset import Dataset
from recdash.errors import DataError, RecdashError, SplitError
from recdash.splits import PROTOCOLS, RatingSplit, Split, make_split, published_splits
from tests.toy_data import toy_dataset, toy_split

TRAIN = np.array([[1, 1, 0, 1], [0, 1, 1, 0]])
FOLD_IN, HELD_OUT = np.array([[1, 0, 0, 0], [0, 1, 0, 0]]), np.array([[0, 0, 1, 0], [0, 0, 0, 0]])
NOTHING = np.zeros((2, 4))
COLUMNS = np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([5.0, 3.0, 1.0])
TESTED = np.array([1]), np.array([0]), np.array([4.0])


def from_matrices(**changes: Any) -> Split:
    return Split.from_matrices(**{"train": TRAIN, "test": (FOLD_IN, HELD_OUT)} | changes)


def from_ratings(train: Any = COLUMNS, test: Any = TESTED, **more: Any) -> RatingSplit:
    return Split.from_ratings(train, test=test, **more)


def refusal_of(call: Callable[[], Any]) -> str:
    """The one line with which a call is refused, at no noticeable cost of time and memory."""
    tracemalloc.start()
    started = time.perf_counter()
    try:
        with pytest.raises(RecdashError) as caught:
            call()
        assert tracemalloc.get_traced_memory()[1] < 10**8
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - started < 2
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


class TestMatrices:
    def test_five_entries_in_a_hundred_million_columns_are_refused(self) -> None:
        wide = sparse.csr_array((np.ones(5), [0, 9, 99, 999, 10**8 - 1], [0, 5]), shape=(1, 10**8))
        told = refusal_of(lambda: Split.from_matrices(wide, test=(wide, wide)))
        assert "train: 100,000,000 items for 5 entries; the maximum is 1,000,000, or 2 per entry" in told
        assert "Number the items from 0 without gaps" in told

    def test_more_columns_than_int32_can_number_are_refused(self) -> None:
        wide = sparse.coo_array(([1.0], ([0], [2**31 + 3])), shape=(1, 2**31 + 4))
        assert "2,147,483,652 items" in refusal_of(lambda: Split.from_matrices(wide, test=(wide, wide)))

    @pytest.mark.parametrize(
        "pair", [sparse.csr_matrix(FOLD_IN), FOLD_IN.view(np.matrix), (FOLD_IN,), (FOLD_IN,) * 3, "ab", {}]
    )
    def test_a_part_is_a_pair_and_not_one_matrix_of_two_rows(self, pair: Any) -> None:
        assert "expected two matrices (fold_in, held_out)" in refusal_of(lambda: from_matrices(test=pair))

    def test_a_data_frame_of_users_and_items_is_a_matrix(self) -> None:
        frame = pd.DataFrame(TRAIN, index=["ann", "bob"], columns=["a", "b", "c", "d"])
        assert from_matrices(train=frame).fingerprint == from_matrices().fingerprint

    @pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Index, pd.Series])
    def test_names_of_the_columns_are_found_again_by_recommend(self, kind: Callable[[Any], Any]) -> None:
        names = ["Heat (1995)", "Toy Story (1995)", "Fargo", "Casino"]
        model = recdash.fit("popularity", from_matrices(items=kind(names)), device="cpu")
        assert [found.id for found in model.recommend(["Toy Story (1995)"], k=1)] == ["Heat (1995)"]
        assert model.recommend(["toy story 1995"], k=1)[0].title == "Heat (1995)"

    @pytest.mark.parametrize(
        ("names", "told"),
        [
            (["a", "b", "c"], "3 names for 4 columns"),
            (["a", "b", "c", "a"], "Give unique names"),
            (Catalogue(()), "0 names for 4 columns"),
            (Catalogue.bare("abca"), "Give unique names"),
            ("abcd", "expected a list of names"),
        ],
    )
    def test_names_that_do_not_fit_are_refused(self, names: Any, told: str) -> None:
        assert told in refusal_of(lambda: from_matrices(items=names))

    def test_a_number_outside_the_shape_is_told_with_the_name_of_the_matrix(self) -> None:
        broken = sparse.csr_array(HELD_OUT)
        broken.indices += 2
        told = refusal_of(lambda: from_matrices(test=(FOLD_IN, broken)))
        assert told.startswith("test held_out: row 0 has an entry in column 4, outside the columns 0 to 3")


class TestRatings:
    @pytest.mark.parametrize(
        "wrap",
        [
            tuple,
            list,
            iter,
            lambda columns: np.stack(columns),
            lambda columns: [tuple(column) for column in columns],
            lambda columns: [column.tolist() for column in columns],
            lambda columns: tuple(torch.tensor(column) for column in columns),
            lambda columns: tuple(column[:, None] for column in columns),
            lambda columns: tuple(column.astype(object) for column in columns),
            lambda columns: tuple(pd.Series(column, index=column[::-1]) for column in columns),
            lambda columns: pd.DataFrame(np.stack(columns, 1), columns=["stars", "user", "item"]),
        ],
    )
    def test_three_columns_are_taken_by_position_from_any_type(self, wrap: Callable[[Any], Any]) -> None:
        columns = tuple(np.append(column, more) for column, more in zip(COLUMNS, (3, 2, 2.0), strict=True))
        assert from_ratings(wrap(columns)).fingerprint == from_ratings(columns).fingerprint

    @pytest.mark.parametrize("given", [np.stack(COLUMNS, 1), [tuple(row) for row in np.stack(COLUMNS, 1).tolist()]])
    def test_three_rows_are_not_read_as_three_columns(self, given: Any) -> None:
        assert "ambiguous (columns or rows)" in refusal_of(lambda: from_ratings(given))

    def test_rows_are_refused_with_the_way_to_turn_them(self) -> None:
        assert "zip(*rows)" in refusal_of(lambda: from_ratings([(0, 0, 5.0), (0, 1, 3.0)]))

    @pytest.mark.parametrize("far", [2 * 10**9, 2**31 + 1, 2**32, 2**40, 2**62])
    @pytest.mark.parametrize("axis", [0, 1])
    def test_numbers_that_are_ids_are_refused_and_merge_nobody(self, axis: int, far: int) -> None:
        columns = list(COLUMNS)
        columns[axis] = np.array([0, 0, far]) if axis == 0 else np.array([0, 1, far])
        told = refusal_of(lambda: from_ratings(columns))
        assert f"{far + 1:,} {('users', 'items')[axis]} for 4 entries" in told
        assert "from 0 without gaps" in told
        test = [np.array([2]), np.array([2]), np.array([4.0])]
        test[axis] = np.array([far])
        refusal_of(lambda: from_ratings(test=test))

    @pytest.mark.parametrize("dtype", [np.uint64, np.float64, object])
    def test_numbers_beyond_int64_are_refused_too(self, dtype: Any) -> None:
        refusal_of(lambda: from_ratings((np.array([0, 0, 2**63 + 1], dtype), *COLUMNS[1:])))

    def test_gaps_are_fine_while_they_are_small(self) -> None:
        split = from_ratings((np.array([0, 0, 30_000]), np.array([0, 1, 20_000]), COLUMNS[2]))
        assert (len(split.train), split.n_items, split.train.row(30_000).tolist()) == (30_001, 20_001, [20_000])

    @pytest.mark.parametrize(
        ("axis", "column"),
        [
            (axis, column)
            for axis, of_both in ((0, []), (1, []), (2, [[1e300, 1, 1], [np.inf, 1, 1], [np.nan, 1, 1]]))
            for column in [
                [1j, 0, 1],
                ["a", "b", "c"],
                [True, False, True],
                [None, 0, 1],
                np.array([1, 2, 3], "datetime64[D]"),
                np.ma.masked_array([0, 1, 2], [True, False, False]),
                np.ones((3, 2)),
                np.ones((1, 3)),
                [[1], [1, 2], [3]],
                "abc",
                None,
                sparse.csr_array(np.eye(3)),
                *of_both,
            ]
        ],
    )
    def test_what_is_no_column_of_numbers_is_refused(self, axis: int, column: Any) -> None:
        columns: list[Any] = list(COLUMNS)
        columns[axis] = column
        told = refusal_of(lambda: from_ratings(tuple(columns)))
        assert told.startswith(f"train: {('users', 'items', 'ratings')[axis]}")

    @pytest.mark.parametrize("given", [None, 5, "abc", {}, np.zeros(4), pd.Series([1, 2, 3]), sparse.eye_array(3)])
    def test_what_is_no_triple_is_refused(self, given: Any) -> None:
        refusal_of(lambda: from_ratings(given))


class TestPartsThatNothingCanBeMeasuredOn:
    @pytest.mark.parametrize("name", ["validation", "test"])
    @pytest.mark.parametrize("pair", [(FOLD_IN, NOTHING), (np.zeros((0, 4)), np.zeros((0, 4)))])
    def test_matrices_without_users_or_without_anything_held_out_are_refused(self, name: str, pair: Any) -> None:
        told = refusal_of(lambda: from_matrices(**{name: pair}))
        assert told.startswith(f"{name}: no held-out items of its {len(pair[0])} users")

    @pytest.mark.parametrize("name", ["validation", "test"])
    def test_ratings_without_any_are_refused(self, name: str) -> None:
        told = refusal_of(lambda: from_ratings(**{name: ([], [], [])}))
        assert told.startswith(f"{name}: no ratings")

    def test_one_user_of_two_without_held_out_items_is_fine(self) -> None:
        report = recdash.evaluate(recdash.fit("popularity", from_matrices(), device="cpu"), from_matrices())
        assert report.n_scored == 1
        assert np.isfinite(report.mean["ndcg@10"])

    @pytest.mark.parametrize("protocol", ["weak", "published-implicit"])
    def test_weak_protocols_refuse_data_with_nothing_to_set_aside_for_validation(self, protocol: str) -> None:
        few = liked_by(120, 6)
        with pytest.raises(SplitError, match="validation: no held-out items of its 120 users"):
            make_split(few, protocol)
        assert published_splits.split_implicit(few, seed=1, validation=False).test.held_out.n_entries == 240

    @pytest.mark.parametrize("protocol", ["strong", "strong-temporal"])
    def test_strong_protocols_refuse_histories_that_are_all_too_short(self, protocol: str) -> None:
        with pytest.raises(SplitError, match="no held-out items of"):
            make_split(liked_by(120, 4), protocol, min_positives=2)

    @pytest.mark.parametrize("protocol", [p.name for p in PROTOCOLS.values() if p.task == "rating"])
    def test_rating_protocols_refuse_a_handful_of_ratings(self, protocol: str) -> None:
        with pytest.raises(SplitError):
            make_split(liked_by(1, 2), protocol)

    def test_a_split_put_together_by_hand_is_held_to_the_same(self) -> None:
        split = toy_split()
        with pytest.raises(SplitError, match="test: no held-out items of"):
            replace(split, test=replace(split.test, held_out=split.test.held_out.slice(0, 0)))


def liked_by(users: int, each: int) -> Dataset:
    """Users who each like so many of eight items, at different times."""
    rng = np.random.default_rng(0)
    items = np.concatenate([rng.permutation(8)[:each] for _ in range(users)])
    rows, times = np.repeat(np.arange(users), each), 10**9 + np.arange(users * each)
    stars = np.full(len(rows), 5.0)
    return Dataset.build("few", users=rows, items=items, ratings=stars, times=times, source="test", scale=(1.0, 5.0))


class TestPredict:
    model: Any = staticmethod(lambda: recdash.fit("bias", from_ratings(), device="cpu"))

    @pytest.mark.parametrize(
        "given",
        [(1, 0), ([1.0], [0]), (np.array([[1]]), pd.Series([0])), (torch.tensor([1]), np.array([0], np.uint64))],
    )
    def test_numbers_of_any_type_give_the_same_prediction(self, given: Any) -> None:
        assert self.model().predict(*given) == pytest.approx(self.model().predict([1], [0]))

    @pytest.mark.parametrize("far", [2**31 + 1, 2**32, 2**40, float(2**63), np.uint64(2**63 + 1)])
    def test_a_number_far_outside_is_unseen_and_nobody_else(self, far: Any) -> None:
        assert self.model().predict([far], [0]).tolist() == self.model().predict([99], [0]).tolist()

    @pytest.mark.parametrize("users", [None, ["a"], [0.5], [np.nan], [True], [[1, 2]], [1j], [None], {}, "a"])
    def test_what_is_no_whole_number_is_refused(self, users: Any) -> None:
        assert "predict: users: expected whole numbers" in refusal_of(lambda: self.model().predict(users, [0]))

    def test_no_pairs_give_no_predictions(self) -> None:
        assert self.model().predict([], []).shape == (0,)


@pytest.mark.parametrize("bad", [None, "matrix", 5, [[1, 0]], np.full((1, 4), np.nan)])
def test_score_refuses_what_it_cannot_read(bad: Any) -> None:
    model = recdash.fit("ease", from_matrices(), device="cpu")
    refusal_of(lambda: model.score(bad))


def test_score_refuses_an_index_outside_the_items() -> None:
    model = recdash.fit("ease", from_matrices(), device="cpu")
    broken = sparse.csr_matrix(FOLD_IN)
    broken.indices[0] = 4
    with pytest.raises(DataError, match="row 0 has an entry in column 4"):
        model.score(broken)


def test_make_split_needs_a_data_set() -> None:
    for given in (None, "ml-1m", toy_split(), toy_dataset().histories):
        assert "dataset: expected a Dataset" in refusal_of(lambda given=given: make_split(given))
