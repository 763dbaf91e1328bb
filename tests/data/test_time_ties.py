"""Events of one user at one time: how many there are, and that no order of theirs comes from ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.data.dataset import Dataset
from recdash.data.time_ties import (
    file_order,
    random_keys,
    tied,
    tied_share,
)
from recdash.errors import DataError, UsageError

Rows = list[tuple[str, str, int]]


def data_of(rows: Rows) -> Dataset:
    """A data set of (user, item, time) rows in the order of their file."""
    users, items, times = (np.array(column) for column in zip(*rows, strict=True))
    return Dataset.build("rows", users=users, items=items, ratings=None, times=times, source="a test")


def days(users: int = 6, per_day: int = 8, *, newest_first: bool = False, sorted_ids: bool = False) -> Rows:
    """Each user has two days with `per_day` events at one time each, in the order of a file."""
    rng, rows = np.random.default_rng(5), []
    for user in range(users):
        drawn = rng.permutation(200)[: 2 * per_day].reshape(2, per_day)
        for day in (1, 0) if newest_first else (0, 1):
            items = np.sort(drawn[day]) if sorted_ids else drawn[day]
            rows += [(f"u{user}", str(item), 10**9 + 86_400 * day) for item in items]
    return rows


def history(data: Dataset, user: str, **rule: object) -> list[str]:
    """The item ids of a user in the order in which the data have them."""
    row = data.in_time_order(**rule).row(data.user_ids.index(user))  # type: ignore[arg-type]
    return [data.catalogue[item].id for item in row.tolist()]


def test_in_a_file_in_the_order_of_time_the_position_of_tied_events_decides() -> None:
    rows = days()
    data = data_of(rows)
    assert data.tie_rule() == "file"
    for user in data.user_ids:
        assert history(data, user) == [item for name, item, _ in rows if name == user]


def test_in_a_file_with_the_newest_first_tied_events_are_read_backwards() -> None:
    rows = days(newest_first=True)
    data = data_of(rows)
    assert data.tie_rule() == "file"
    for user in data.user_ids:
        assert history(data, user) == [item for name, item, _ in reversed(rows) if name == user]


def test_a_file_in_no_order_of_time_says_nothing_about_ties() -> None:
    rows = days()
    shuffled = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))]
    assert data_of(shuffled).tie_rule() == "random"


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_file_that_sorts_tied_events_by_item_says_nothing_either(newest_first: bool) -> None:
    data = data_of(days(sorted_ids=True, newest_first=newest_first))
    assert data.tie_rule() == "random"
    per_day = [history(data, user)[:8] for user in data.user_ids]
    assert all(ids != sorted(ids, key=int) for ids in per_day), "no day comes in the order of ids"


def test_sorting_by_item_is_noticed_for_words_and_downwards_too() -> None:
    words = [(user, f"film {item}", time) for user, item, time in days()]
    up = sorted(words, key=lambda row: (row[0], row[2], row[1]))
    down = sorted(sorted(words, key=lambda row: row[1], reverse=True), key=lambda row: (row[0], row[2]))
    assert data_of(words).tie_rule() == "file"
    assert data_of(up).tie_rule() == data_of(down).tie_rule() == "random"


def test_too_few_ties_to_tell_count_as_in_the_order_of_the_file() -> None:
    data = data_of([("a", "1", 5), ("a", "2", 5), ("a", "3", 6), ("b", "1", 5), ("b", "2", 7)])
    assert data.tie_rule() == "file"
    assert history(data, "a") == ["1", "2", "3"]


def test_without_ties_there_is_no_rule_to_choose_and_item_ids_change_nothing() -> None:
    data = data_of([("a", "3", 5), ("a", "1", 9), ("a", "2", 7), ("b", "1", 5)])
    assert (data.tied_share, data.tie_rule()) == (0.0, "file")
    assert history(data, "a") == history(data, "a", ties="random", seed=3) == ["3", "2", "1"]


def test_chance_is_taken_when_it_is_asked_for_and_depends_on_the_seed() -> None:
    data = data_of(days())
    orders = [history(data, "u0", ties="random", seed=seed) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert all(set(order[:8]) == set(history(data, "u0")[:8]) for order in orders), "days stay in their order"
    assert orders[0] != history(data, "u0")


def test_the_order_by_chance_of_a_user_does_not_depend_on_other_users_or_items() -> None:
    rows = days(sorted_ids=True)
    more = [("a new one", str(item), 10**9) for item in range(300, 340)] + rows + [("u99", "5", 10**9)]
    few, many = data_of(rows), data_of(more)
    assert few.user_ids != many.user_ids and few.n_items < many.n_items
    for user in few.user_ids:
        assert history(few, user, ties="random", seed=7) == history(many, user, ties="random", seed=7)


def test_the_number_of_an_event_follows_from_seed_user_and_item_alone() -> None:
    users, items = np.array([0, 0, 1], np.int32), np.array([0, 1, 1], np.int32)
    found = random_keys(users, items, ["a", "b"], ["x", "y"], 3)
    turned = random_keys(users[::-1], 1 - items[::-1], ["a", "b"], ["y", "x"], 3)
    assert found.tolist() == turned[::-1].tolist()
    assert len({*found.tolist(), *random_keys(users, items, ["a", "b"], ["x", "y"], 4).tolist()}) == 6


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), max_size=40),
    st.sampled_from([1, 3, 2**61]),
)
def test_tied_events_are_those_whose_user_and_time_come_again(pairs: list[tuple[int, int]], fine: int) -> None:
    users = np.array([user for user, _ in pairs], np.int32)
    times = np.array([time for _, time in pairs], np.int64) * (fine // 6 if fine > 3 else fine)
    expected = [pairs.count(pair) > 1 for pair in pairs]
    assert tied(users, times).tolist() == expected
    assert tied_share(users, times) == pytest.approx(np.mean(expected) if len(expected) > 1 else 0.0)


def test_a_file_sorted_by_nothing_has_no_direction() -> None:
    users, items = np.zeros(3, np.int32), np.arange(3, dtype=np.int32)
    names = ["0", "1", "2"]
    assert file_order(users, items, np.array([1, 2, 2]), names) == 1
    assert file_order(users, items, np.array([2, 2, 1]), names) == -1
    assert file_order(users, items, np.array([2, 1, 2]), names) == 0
    assert file_order(users, items, np.array([2, 2, 2]), names) == 0, "nothing but one tie"


def test_ties_by_item_index_remain_the_order_that_random_folds_are_drawn_from() -> None:
    data = data_of(days())
    row = data.in_time_order_ties_by_item.row(0)
    assert row[:8].tolist() == sorted(row[:8].tolist())


class TestAdjusted:
    """`Dataset.adjusted`: another scale, and ratings that mean "not rated"."""

    rows = (
        ("7", "30", 0.0, 5),
        ("7", "10", 4.0, 6),
        ("x", "99", 0.0, 7),
        ("12", "10", 5.0, 8),
        ("12", "9", 1.0, 8),
    )

    def build(self, rows: Sequence[tuple[str, str, float, int]]) -> Dataset:
        users, items, ratings, times = (np.array(column) for column in zip(*rows, strict=True))
        return Dataset.build("rows", users=users, items=items, ratings=ratings, times=times, source="a test")

    def test_ignored_ratings_are_as_if_they_had_never_been_in_the_file(self) -> None:
        left = self.build(self.rows).adjusted(ignore_ratings=(0,))
        without = self.build([row for row in self.rows if row[2] != 0])
        assert left.fingerprint == without.fingerprint
        assert left.user_ids == without.user_ids == ("7", "12"), "the last id that is no number is gone"
        assert (left.catalogue, left.scale, left.time_kind) == (without.catalogue, without.scale, without.time_kind)
        assert left.notes == ("2 interactions with ignored ratings (0) are left out",)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["1", "2", "10", "b"]),
                st.sampled_from(["3", "20", "100", "z"]),
                st.sampled_from([0.0, 1.0, 2.5, 5.0]),
                st.integers(10**8, 10**8 + 9),
            ),
            min_size=1,
            max_size=12,
            unique_by=lambda row: row[:2],
        )
    )
    def test_that_holds_for_any_rows(self, rows: list[tuple[str, str, float, int]]) -> None:
        kept = [row for row in rows if row[2] not in (0.0, 2.5)]
        data = self.build(rows)
        if not kept:
            with pytest.raises(DataError, match="all ratings are ignored"):
                data.adjusted(ignore_ratings=(2.5, 0))
            return
        left, without = data.adjusted(ignore_ratings=(2.5, 0)), self.build(kept)
        assert left.fingerprint == without.fingerprint
        assert (left.user_ids, left.catalogue) == (without.user_ids, without.catalogue)

    def test_a_scale_is_taken_and_a_rating_outside_it_is_refused(self) -> None:
        data = self.build(self.rows)
        assert data.adjusted((0, 10)).scale == (0, 10)
        assert data.adjusted((0, 10)).fingerprint == data.fingerprint
        assert data.adjusted((0.0, 5.0)) is data.adjusted() is data
        with pytest.raises(DataError, match=r"rows: 2 ratings are outside the scale 1 to 5, the first is 0\. Give"):
            data.adjusted((1, 5))
        assert data.adjusted((1, 5), (0,)).scale == (1, 5), "what is ignored is gone first"

    def test_counts_that_get_a_scale_are_ratings(self) -> None:
        counts = replace(self.build(self.rows), feedback="counts", scale=None)
        assert counts.adjusted((0, 5)).feedback == "ratings"

    def test_without_ratings_there_is_no_scale(self) -> None:
        data = data_of(days())
        with pytest.raises(UsageError, match=r"scale: .* has no ratings"):
            data.adjusted((1, 5))
        with pytest.raises(UsageError, match=r"ignore_ratings: .* has no ratings"):
            data.adjusted(ignore_ratings=(0,))
