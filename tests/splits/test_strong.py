"""Strong generalisation, rule by rule (`strong`, `strong-temporal`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recdash.data.dataset_registry import load_dataset
from recdash.errors import DataError, SplitError, UsageError
from recdash.splits import PROTOCOLS, Split, make_split
from tests.toy_data import toy_dataset, toy_split

RANKING = [p.name for p in PROTOCOLS.values() if p.task == "ranking" and not p.known_users and p.name != "own"]


def test_ml_1m_gives_the_published_counts(test_data: Path) -> None:
    split = make_split(load_dataset(test_data / "ml-1m"), "strong", seed=98765, held_out_users=750)
    assert (len(split.train), split.n_items, split.train.n_entries) == (4534, 3483, 435_180)
    assert (len(split.validation or ()), len(split.test)) == (750, 750)


@pytest.mark.parametrize("protocol", RANKING)
def test_training_validation_and_test_users_are_disjoint(protocol: str) -> None:
    split = toy_split(protocol)
    assert split.validation is not None
    groups = [set(split.user_ids), set(split.validation.user_ids), set(split.test.user_ids)]
    assert len(set.union(*groups)) == sum(len(group) for group in groups) == 240


@pytest.mark.parametrize("protocol", RANKING)
def test_a_split_loses_nothing_but_items_the_training_users_do_not_have(protocol: str) -> None:
    data, split = toy_dataset(), toy_split(protocol)
    positives = data.histories.select(np.asarray(data.histories.values) >= 4)
    kept = {int(item.id) - 1 for item in split.catalogue.items}
    for row, user in enumerate(split.test.user_ids):
        expected = [i for i in positives.row(data.user_ids.index(user)).tolist() if i in kept]
        back = {int(split.catalogue[i].id) - 1 for i in (*split.test.fold_in.row(row), *split.test.held_out.row(row))}
        assert back == set(expected)
        assert not set(split.test.fold_in.row(row).tolist()) & set(split.test.held_out.row(row).tolist())


def test_a_fifth_rounded_down_is_held_out_and_short_histories_are_not_scored() -> None:
    split = toy_split()
    n = split.test.fold_in.counts + split.test.held_out.counts
    assert split.test.held_out.counts.tolist() == [int(0.2 * count) if count >= 5 else 0 for count in n]


def test_the_temporal_fold_holds_out_the_last_items_and_keeps_the_order() -> None:
    data, split = toy_dataset(), toy_split("strong-temporal")
    for row, user in enumerate(split.test.user_ids):
        history = data.histories.row(data.user_ids.index(user)).tolist()
        listed = [int(split.catalogue[i].id) - 1 for i in (*split.test.fold_in.row(row), *split.test.held_out.row(row))]
        assert listed == [item for item in history if item in listed]


def test_the_random_fold_in_stays_in_time_order() -> None:
    data, split = toy_dataset(), toy_split()
    for row, user in enumerate(split.test.user_ids):
        history = data.histories.row(data.user_ids.index(user)).tolist()
        fold_in = [int(split.catalogue[i].id) - 1 for i in split.test.fold_in.row(row)]
        assert fold_in == [item for item in history if item in fold_in]


def test_values_are_the_ratings_and_positives_are_four_and_five() -> None:
    split = toy_split()
    assert split.train.values is not None
    assert split.ratings is not None
    assert split.ratings.values is not None
    assert set(np.unique(split.train.values)) == {4.0, 5.0}
    assert split.ratings.n_entries > split.train.n_entries
    assert split.facts["positive_from"] == 4.0


def test_without_ratings_every_row_is_a_positive() -> None:
    data = toy_dataset(ratings=False)
    split = make_split(data, held_out_users=20)
    assert split.facts["positive_from"] == "every row"
    assert split.train.values is None


def test_the_fold_of_a_user_does_not_change_when_users_are_added() -> None:
    few, many = toy_dataset(users=240), toy_dataset(users=300)
    first, second = make_split(few, held_out_users=60), make_split(many, held_out_users=60)
    shared = set(first.test.user_ids) & set(second.test.user_ids)
    assert len(shared) > 3
    for user in shared:
        rows = first.test.user_ids.index(user), second.test.user_ids.index(user)
        assert first.test.held_out.row(rows[0]).tolist() == second.test.held_out.row(rows[1]).tolist()


def test_the_fingerprint_tells_splits_apart_and_equal_ones_together() -> None:
    assert toy_split(seed=1).fingerprint == toy_split(seed=1).fingerprint
    drawn = [protocol for protocol in RANKING if protocol != "strong-global-time"]  # that one draws nothing
    prints = {toy_split(p, s).fingerprint for p in drawn for s in (1, 2)}
    assert len(prints) == 2 * len(drawn)


def test_the_number_of_held_out_users_follows_the_rule() -> None:
    assert make_split(toy_dataset(users=240)).facts["test_users"] == 30
    assert make_split(toy_dataset(users=120)).facts["test_users"] == 20


def test_too_few_users_are_refused_with_their_number() -> None:
    with pytest.raises(SplitError, match=r"90 users have at least 5 positives"):
        make_split(toy_dataset(users=90))


def test_more_held_out_users_than_there_are_is_refused() -> None:
    with pytest.raises(SplitError, match="no training users remain"):
        make_split(toy_dataset(), held_out_users=130)


@pytest.mark.parametrize(
    ("word", "value"),
    [("held_out_users", 20.5), ("min_positives", 0), ("positive_from", "four"), ("positive_from", float("nan"))],
)
def test_what_is_no_number_is_refused(word: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"{word} = .* is not a (whole )?number"):
        make_split(toy_dataset(), **{word: value})


def test_the_temporal_fold_needs_times() -> None:
    with pytest.raises(SplitError, match="no time column"):
        make_split(toy_dataset(times=False), "strong-temporal")


def test_an_unknown_protocol_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="strong-temporal"):
        make_split(toy_dataset(), "weakest")


def test_the_scale_decides_what_is_positive() -> None:
    assert make_split(toy_dataset(), positive_from=5, held_out_users=20, min_positives=1).facts["positive_from"] == 5
    with pytest.raises(SplitError, match="0 users"):
        make_split(toy_dataset(), positive_from=6)


def csr(rows: list[list[int]]) -> sparse.csr_array:
    return sparse.csr_array(np.array(rows, np.float32))


class TestFromMatrices:
    train, fold_in, held_out = [[1, 1, 0, 1], [0, 1, 1, 0]], [[1, 0, 0, 0]], [[0, 0, 1, 0]]

    def test_the_rows_come_back(self) -> None:
        split = Split.from_matrices(csr(self.train), test=(csr(self.fold_in), csr(self.held_out)))
        assert [split.train.row(r).tolist() for r in range(2)] == [[0, 1, 3], [1, 2]]
        assert split.test.held_out.row(0).tolist() == [2]
        assert not split.train.ordered
        assert split.train.values is None

    def test_a_held_out_item_in_its_own_fold_in_is_refused(self) -> None:
        with pytest.raises(SplitError, match="1 held-out entries are also in the fold-in"):
            Split.from_matrices(csr(self.train), test=(csr(self.fold_in), csr([[1, 0, 1, 0]])))

    def test_other_shapes_are_refused(self) -> None:
        with pytest.raises(SplitError, match="3 items, but train has 4"):
            Split.from_matrices(csr(self.train), test=(csr([[1, 0, 0]]), csr([[0, 0, 1]])))
        with pytest.raises(SplitError, match="fold_in has 1 users, held_out 2"):
            Split.from_matrices(csr(self.train), test=(csr(self.fold_in), csr(self.train)))

    def test_what_is_no_pair_or_no_matrix_is_refused(self) -> None:
        with pytest.raises(SplitError, match="expected two matrices"):
            Split.from_matrices(csr(self.train), test=5)
        with pytest.raises(DataError, match="train"):
            Split.from_matrices("no matrix", test=(csr(self.fold_in), csr(self.held_out)))
        with pytest.raises(DataError, match="finite"):
            Split.from_matrices(np.array([[np.nan, 1.0]]), test=(csr([[1, 0]]), csr([[0, 1]])))
        with pytest.raises(SplitError, match="no positives"):
            Split.from_matrices(csr([[0, 0]]), test=(csr([[1, 0]]), csr([[0, 1]])))

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 10_000))
    def test_the_fingerprint_depends_on_every_entry(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        dense = (rng.random((5, 6)) < 0.6).astype(np.float32)
        dense[0, 0] = 1
        other = dense.copy()
        other[rng.integers(1, 5), rng.integers(0, 6)] += 1
        other = (other == 1).astype(np.float32)
        test = (csr([[1, 0, 0, 0, 0, 0]]), csr([[0, 1, 0, 0, 0, 0]]))
        first, second = (Split.from_matrices(m, test=test).fingerprint for m in (dense, other))
        assert (first == second) == bool((dense == other).all())
