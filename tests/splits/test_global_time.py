"""One cut in time: what a model learns from lies before it, what it must find after it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import recdash
from recdash.data.dataset import Dataset
from recdash.errors import SplitError
from recdash.splits import Split, make_split
from tests.toy_data import toy_dataset


def times_of(dataset: Dataset) -> dict[tuple[str, str], int]:
    assert dataset.times is not None
    items = [item.id for item in dataset.catalogue.items]
    return {
        (dataset.user_ids[user], items[item]): int(when)
        for user, item, when in zip(dataset.users, dataset.items, dataset.times, strict=True)
    }


def moments(split: Split, when: dict[tuple[str, str], int], rows: object, users: tuple[str, ...]) -> list[list[int]]:
    items = [item.id for item in split.catalogue.items]
    return [[when[user, items[item]] for item in rows.row(row)] for row, user in enumerate(users)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["toy", "ml-100k"])
def test_nothing_after_the_date_is_learned_from_and_all_targets_come_after_it(name: str, request: object) -> None:
    if name == "toy":
        dataset = toy_dataset()
    else:
        folder: Path = request.getfixturevalue("test_data")  # type: ignore[attr-defined]
        dataset = recdash.load_dataset(folder / name)
    split = make_split(dataset, "strong-global-time", held_out_users=25)
    assert isinstance(split, Split)
    assert split.validation is not None
    when = times_of(dataset)
    first, second = int(split.facts["validation_from"]), int(split.facts["test_from"])
    assert first <= second
    learned = moments(split, when, split.train, split.user_ids)
    assert max(max(row) for row in learned if row) <= first
    for part, cut in ((split.validation, first), (split.test, second)):
        assert len(part) == 25
        read, wanted = (moments(split, when, rows, part.user_ids) for rows in (part.fold_in, part.held_out))
        for before, after in zip(read, wanted, strict=True):
            assert len(after) <= 0.2 * (len(before) + len(after))
            if after:
                assert min(after) >= cut
                assert max(before) <= min(after)
    assert not set(split.user_ids) & {*split.validation.user_ids, *split.test.user_ids}
    assert int((split.test.held_out.counts > 0).sum()) >= 20


def test_the_seed_changes_nothing() -> None:
    first, second = (make_split(toy_dataset(), "strong-global-time", seed=seed) for seed in (1, 2))
    assert first.fingerprint == second.fingerprint


def test_data_without_dates_is_refused_with_a_reason() -> None:
    with pytest.raises(SplitError, match="no time column"):
        make_split(toy_dataset(times=False), "strong-global-time")
    dataset = toy_dataset()
    assert dataset.times is not None
    counted = Dataset.build(
        "counted",
        users=dataset.users,
        items=dataset.items,
        ratings=dataset.ratings,
        times=np.arange(len(dataset.users)),
        scale=(1.0, 5.0),
        source="toy",
    )
    with pytest.raises(SplitError, match="no dates"):
        make_split(counted, "strong-global-time")
