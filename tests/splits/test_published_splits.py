"""The splits of the published tables, rule by rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recdash.data.dataset_registry import load_dataset
from recdash.errors import SplitError
from recdash.splits import RatingSplit, Split, make_split, published_splits
from tests.toy_data import toy_dataset


def places(split: RatingSplit) -> list[set[tuple[int, int]]]:
    assert split.validation is not None
    rows = [(split.train.row_of, split.train.items)]
    rows += [(part.users, part.items) for part in (split.validation, split.test)]
    return [set(zip(users.tolist(), items.tolist(), strict=True)) for users, items in rows]


@pytest.mark.parametrize("protocol", ["published-autorec", "published-deeprec"])
def test_every_rating_is_in_one_part(protocol: str) -> None:
    data = toy_dataset()
    split = make_split(data, protocol, seed=3)
    assert isinstance(split, RatingSplit)
    parts = places(split)
    assert len(set.union(*parts)) == sum(len(part) for part in parts) == len(data)
    assert split.fingerprint == make_split(data, protocol, seed=3).fingerprint
    assert split.fingerprint != make_split(data, protocol, seed=4).fingerprint


def test_autorec_trains_on_three_quarters_less_a_tenth_of_them() -> None:
    data = toy_dataset()
    split = published_splits.split_autorec(data, seed=3)
    assert split.validation is not None
    n = int(0.75 * len(data))
    assert len(split.test) == len(data) - n
    assert len(split.validation) == int(0.1 * n)


def test_deeprec_takes_a_tenth_of_every_user() -> None:
    data = toy_dataset()
    split = published_splits.split_deeprec(data, seed=3)
    assert split.validation is not None
    counts = np.bincount(data.users)
    tested = np.bincount(split.test.users, minlength=len(counts))
    assert np.all(np.abs(tested - 0.1 * counts) < 1)
    assert tested.sum() == -(-len(data) // 10)
    left = counts - tested
    assert np.all(np.abs(np.bincount(split.validation.users, minlength=len(counts)) - 0.1 * left) < 1)


def test_svae_holds_out_the_last_fifth_rounded_up_of_unseen_users() -> None:
    split = published_splits.split_svae(toy_dataset(), seed=3, held_out_users=20)
    assert split.validation is not None
    n = split.test.fold_in.counts + split.test.held_out.counts
    assert split.test.held_out.counts.tolist() == [k - int(0.8 * k) if k >= 5 else 0 for k in n]
    groups = [set(split.user_ids), set(split.validation.user_ids), set(split.test.user_ids)]
    assert len(set.union(*groups)) == sum(len(group) for group in groups)
    data = toy_dataset()
    for row, user in enumerate(split.test.user_ids):
        history = [data.catalogue[i].id for i in data.histories.row(data.user_ids.index(user))]
        split_again = [split.catalogue[i].id for i in (*split.test.fold_in.row(row), *split.test.held_out.row(row))]
        assert split_again == [item for item in history if item in split_again]


def test_svae_drops_users_with_very_many_positives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_splits, "MAX_POSITIVES", 14)
    data = toy_dataset()
    split = published_splits.split_svae(data, seed=3, held_out_users=20)
    assert data.ratings is not None
    counts = np.bincount(data.users[data.ratings >= 4], minlength=data.n_users)
    assert split.facts["eligible_users"] == int(((counts >= 5) & (counts <= 14)).sum()) < data.n_users


def test_svae_needs_an_order() -> None:
    with pytest.raises(SplitError, match="no time column"):
        make_split(toy_dataset(times=False), "published-svae")


def test_the_large_table_holds_out_other_users_than_strong() -> None:
    ours, theirs = (
        make_split(toy_dataset(), name, seed=3, held_out_users=20) for name in ("strong", "published-vae20m")
    )
    assert isinstance(ours, Split) and isinstance(theirs, Split) and theirs.validation is not None
    assert set(ours.test.user_ids) != set(theirs.test.user_ids)
    assert not set(theirs.test.user_ids) & {*theirs.user_ids, *theirs.validation.user_ids}
    n = theirs.test.fold_in.counts + theirs.test.held_out.counts
    assert theirs.test.held_out.counts.tolist() == [int(0.2 * k) for k in n]


@pytest.mark.parametrize(("protocol", "seed"), sorted(published_splits.SEEDS.items()))
def test_the_default_seed_stands_for_that_of_the_table(protocol: str, seed: int) -> None:
    assert make_split(toy_dataset(), protocol).seed == seed
    assert make_split(toy_dataset(), protocol, seed=5).seed == 5


@pytest.mark.parametrize("protocol", ["published-autorec", "published-deeprec"])
def test_data_without_stars_is_refused(protocol: str) -> None:
    with pytest.raises(SplitError, match="no ratings"):
        make_split(toy_dataset(ratings=False), protocol)


def test_ml_1m_gives_the_published_counts(test_data: Path) -> None:
    data = load_dataset(test_data / "ml-1m")
    split = published_splits.split_svae(data, seed=12345)
    assert (len(split.train), len(split.test), split.n_items) == (4531, 750, 3472)
    ratings = make_split(data, "published-deeprec")
    assert isinstance(ratings, RatingSplit) and ratings.validation is not None
    assert (len(ratings.test), len(ratings.validation)) == (100_021, 90_019)
