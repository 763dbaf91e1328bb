"""Weak generalisation: the same users everywhere, no entry in two parts (`weak`, `published-implicit`)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from recdash.data.dataset_registry import load_dataset
from recdash.data.histories import Histories
from recdash.errors import SplitError
from recdash.evaluation import evaluate
from recdash.models.batch import Batch
from recdash.models.popularity import Popularity, PopularityConfig
from recdash.splits import PROTOCOLS, Split, make_split, published_splits
from recdash.training import fit
from tests.toy_data import toy_dataset

KNOWN = [p.name for p in PROTOCOLS.values() if p.known_users]


def entries(histories: Histories) -> set[tuple[int, int]]:
    return set(zip(histories.row_of.tolist(), histories.items.tolist(), strict=True))


def toy_weak(protocol: str = "weak", seed: int = 1) -> Split:
    found = make_split(toy_dataset(), protocol, seed=seed)
    assert isinstance(found, Split) and found.validation is not None
    return found


@pytest.mark.parametrize("protocol", KNOWN)
def test_no_entry_stands_in_two_parts_and_none_is_lost(protocol: str) -> None:
    data, split = toy_dataset(), toy_weak(protocol)
    assert split.validation is not None
    parts = [entries(part) for part in (split.train, split.validation.held_out, split.test.held_out)]
    assert len(set.union(*parts)) == sum(len(part) for part in parts)
    assert data.ratings is not None
    liked = int((data.ratings >= 4).sum()) if protocol == "weak" else len(data)
    assert sum(len(part) for part in parts) == liked


@pytest.mark.parametrize("protocol", KNOWN)
def test_a_test_row_reads_training_and_validation_and_a_validation_row_training_alone(protocol: str) -> None:
    split = toy_weak(protocol)
    assert split.validation is not None
    assert entries(split.test.fold_in) == entries(split.train) | entries(split.validation.held_out)
    assert entries(split.validation.fold_in) == entries(split.train)
    for part in (split.validation, split.test):
        assert part.user_ids == split.user_ids
        assert part.train_rows is not None and part.train_rows.dtype == np.int64
        assert part.train_rows.tolist() == list(range(len(split.train)))


def test_a_fifth_rounded_up_is_for_testing_and_a_tenth_of_the_rest_for_validation() -> None:
    split = toy_weak("published-implicit")
    assert split.validation is not None
    n = split.test.fold_in.counts + split.test.held_out.counts
    assert split.test.held_out.counts.tolist() == [count - int(0.8 * count) for count in n]
    assert split.validation.held_out.counts.tolist() == [int(0.1 * int(0.8 * count)) for count in n]


def test_rows_keep_the_order_of_time() -> None:
    data, split = toy_dataset(), toy_weak("published-implicit")
    ids = {item.id: place for place, item in enumerate(data.catalogue.items)}
    for row, user in enumerate(split.user_ids[:20]):
        history = data.histories.row(data.user_ids.index(user)).tolist()
        listed = [ids[split.catalogue[i].id] for i in split.test.fold_in.row(row)]
        assert listed == [item for item in history if item in listed]


def test_no_rating_that_is_held_out_is_among_the_ratings_to_learn_from() -> None:
    split = toy_weak("weak")
    assert split.ratings is not None and split.validation is not None
    out = entries(split.validation.held_out) | entries(split.test.held_out)
    assert not entries(split.ratings) & out
    assert entries(split.train) < entries(split.ratings)


def test_another_seed_holds_other_entries_out_and_the_same_seed_the_same() -> None:
    first, again, other = toy_weak(seed=1), toy_weak(seed=1), toy_weak(seed=2)
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_nothing_set_aside_leaves_the_test_part_as_it_is() -> None:
    whole, split = (
        published_splits.split_implicit(toy_dataset(), seed=1, validation=False),
        toy_weak("published-implicit"),
    )
    assert whole.validation is None
    assert entries(whole.test.held_out) == entries(split.test.held_out)
    assert entries(whole.train) == entries(split.test.fold_in)


def test_too_few_users_are_refused_with_the_reason() -> None:
    with pytest.raises(SplitError, match="99 users have at least 5 positives"):
        make_split(toy_dataset(users=99), "weak")


class Spy(Popularity):
    """Remembers which training rows it was told of."""

    asked: ClassVar[list[Tensor | None]] = []

    def score_batch(self, batch: Batch) -> Tensor:
        self.asked.append(batch.users)
        return super().score_batch(batch)


@pytest.mark.parametrize(("protocol", "known"), [("weak", True), ("strong", False)])
def test_a_model_is_told_the_training_rows_of_known_users_and_of_no_others(protocol: str, known: bool) -> None:
    split = make_split(toy_dataset(), protocol, seed=1)
    assert isinstance(split, Split)
    model = Spy(PopularityConfig(), split.shape).solve(split.train)
    Spy.asked.clear()
    evaluate(model, split, metric_names=["ndcg@10"])
    assert len(Spy.asked) > 0
    if known:
        told = torch.cat([users for users in Spy.asked if users is not None])
        assert told.tolist() == list(range(240))
    else:
        assert Spy.asked == [None] * len(Spy.asked)


@pytest.mark.parametrize("protocol", KNOWN)
def test_a_model_trains_and_no_list_names_what_its_reader_has_seen(protocol: str) -> None:
    split = toy_weak(protocol)
    model = fit("multdae", split, epochs=2, hidden=(8,), batch_size=40)
    report = evaluate(model, split)
    assert report.n_scored == len(split.test)
    for row in range(len(report.top)):
        assert not set(report.top[row].tolist()) & set(split.test.fold_in.row(row).tolist())


def test_ml_1m_gives_the_sizes_of_the_public_table(test_data: Path) -> None:
    split = make_split(load_dataset(test_data / "ml-1m"), "published-implicit")
    assert isinstance(split, Split)
    assert (split.seed, len(split.train), split.n_items) == (1994, 6040, 3706)
    assert split.test.fold_in.n_entries + split.test.held_out.n_entries == 1_000_209
