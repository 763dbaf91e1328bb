"""Temporal splits follow time, and where time says nothing no id does; what that leaves open is said."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recdash.data.dataset import Dataset
from recdash.data.dataset_registry import load_dataset
from recdash.errors import DataWarning, SplitError
from recdash.evaluation import evaluate
from recdash.splits import Split, make_split
from recdash.splits.event_order import (
    ITEM_ORDER,
    sequence_tie_warning,
    tie_note,
    tie_warning,
)
from recdash.splits.strong import split_strong
from recdash.training import fit
from tests.toy_data import toy_dataset

DAY = 86_400
OF_EARLIER_VERSIONS = {  # fingerprints that version 0.1 gave MovieLens-100K with seed 98765
    "strong": "7aa46149abfefbf5",
    "weak": "bdaf0ad51167d990",
    "ratings-90": "90ff5dd8ba566d54",
    "ratings-80": "58495a5c950f4867",
    "ratings-temporal": "10f91fb3fc3c7119",
    "published-implicit": "aa2ac5db719f42aa",
    "published-vae20m": "2f293fa931d57197",
    "published-svae": "2264fbdfbf7fd8b8",
    "published-autorec": "62cdb4d2a855a67a",
    "published-deeprec": "47acf89c80c96397",
}
TEMPORAL_BY_ITEM = "c2647774639d9b18"  # strong-temporal of version 0.1 there, ties by item id


def days_of(seed: int, users: int = 200, days: int = 2, *, relabelled: bool = False, order: str = "none") -> Dataset:
    """Users with 20 items each, drawn by popularity. Times are days that tell nothing else.

    Low ids are popular, unless they are relabelled.  order: of the file, "none" or "by item" within each day.
    """
    items = 60
    rng = np.random.default_rng(seed)
    weight = 1 / (1 + np.arange(items))
    drawn = np.concatenate([rng.choice(items, 20, replace=False, p=weight / weight.sum()) for _ in range(users)])
    drawn = rng.permutation(items)[drawn] if relabelled else drawn
    whose, when = np.repeat(np.arange(users), 20), rng.integers(0, days, users * 20)
    place = rng.permutation(len(drawn)) if order == "none" else np.lexsort((drawn, when, whose))
    return Dataset.build(
        "days",
        users=whose[place],
        items=drawn[place],
        ratings=None,
        times=10**9 // DAY * DAY + when[place] * DAY,
        source="a test",
    )


def temporal(data: Dataset, seed: int = 1, **words: object) -> Split:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return make_split(data, "strong-temporal", seed=seed, held_out_users=60, **words)  # type: ignore[arg-type]


def by_item(data: Dataset) -> Dataset:
    """The same events, ordered as versions before 0.2 did: ties by item id."""
    assert data.times is not None
    return replace(data, times=data.times * data.n_items + data.items)


def popularity_gap(data: Dataset, split: Split) -> float:
    """By how many standard errors the held-out items of the test users are more popular than those of the fold-in."""
    popular = np.log(np.bincount(data.items, minlength=data.n_items))
    of_item = {item.id: popular[place] for place, item in enumerate(data.catalogue.items)}
    values = np.array([of_item[item.id] for item in split.catalogue.items])
    gaps = [
        values[split.test.held_out.row(row)].mean() - values[split.test.fold_in.row(row)].mean()
        for row in range(len(split.test))
    ]
    return float(np.mean(gaps) / (np.std(gaps) / np.sqrt(len(gaps))))


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), relabelled=st.booleans(), order=st.sampled_from(["none", "by item"]))
def test_where_days_are_all_that_is_known_held_out_items_are_no_less_popular(
    seed: int, relabelled: bool, order: str
) -> None:
    data = days_of(seed, relabelled=relabelled, order=order)
    split = temporal(data, seed)
    assert split.facts["ties"] == "random"
    assert abs(popularity_gap(data, split)) < 4.5
    if not relabelled:  # low ids are the popular ones here, as they are in many data sets
        assert popularity_gap(data, temporal(by_item(data), seed)) < -6, "the rule of earlier versions fails this"


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), days=st.integers(2, 30), rule=st.sampled_from(["file", "random"]))
def test_nothing_held_out_happened_before_anything_that_is_read(seed: int, days: int, rule: str) -> None:
    data = days_of(seed, users=130, days=days)
    assert data.times is not None
    split = temporal(data, seed, ties=rule)
    when = {(data.user_ids[u], data.catalogue[i].id): t for u, i, t in zip(data.users, data.items, data.times)}  # noqa: B905
    for row, user in enumerate(split.test.user_ids):
        read, found = (
            [when[user, split.catalogue[item].id] for item in part.row(row)]
            for part in (split.test.fold_in, split.test.held_out)
        )
        assert read == sorted(read) and found == sorted(found) and read[-1] <= found[0]


def test_users_who_are_added_change_the_order_of_no_other_user() -> None:
    few = days_of(3)
    users = np.concatenate([np.repeat(np.arange(1000, 1009), 20), few.users])
    items = np.concatenate([np.tile(np.arange(80, 100), 9), few.items])
    times = np.concatenate([np.full(180, 10**9), few.times])
    many = Dataset.build("days", users=users, items=items, ratings=None, times=times, source="more users")

    def order(data: Dataset, user: str) -> list[str]:
        return [data.catalogue[item].id for item in data.in_time_order("random", 5).row(data.user_ids.index(user))]

    named = {name: str(few.catalogue.index_of[name]) for name in few.catalogue.index_of}
    assert all(name == index for name, index in named.items()), "ids and indices are the same here"
    for user in few.user_ids[:40]:
        assert order(few, user) == order(many, user)


@pytest.mark.parametrize("protocol", OF_EARLIER_VERSIONS)
def test_what_reads_no_order_is_split_as_in_earlier_versions_bit_for_bit(protocol: str, test_data: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        split = make_split(load_dataset(test_data / "ml-100k"), protocol, seed=98765)
    assert split.fingerprint == OF_EARLIER_VERSIONS[protocol]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("protocol", "fingerprint"), [("strong-temporal", "32e298a3f7b68b25"), ("published-svae", "c1b1c3d0b353546c")]
)
def test_temporal_splits_of_data_without_ties_are_those_of_earlier_versions(
    protocol: str, fingerprint: str, test_data: Path
) -> None:
    data = load_dataset(test_data / "ml-1m")
    assert data.tied_share == 0
    split = make_split(data, protocol, seed=98765)
    assert split.fingerprint == fingerprint and "ties" not in split.facts


def test_temporal_splits_of_data_with_ties_are_not_and_say_by_which_rule(test_data: Path) -> None:
    data = load_dataset(test_data / "ml-100k")
    with pytest.warns(DataWarning, match="76% of the interactions have the same time"):
        split = make_split(data, "strong-temporal", seed=98765)
    assert split.facts["ties"] == "random" and split.fingerprint != TEMPORAL_BY_ITEM
    assert temporal(by_item(data), 98765).facts.get("ties") is None


def test_the_rule_changes_the_fingerprint_where_there_are_ties_only() -> None:
    tied, exact = days_of(1), toy_dataset()
    assert temporal(tied).fingerprint != temporal(tied, seed=2).fingerprint
    assert temporal(exact).fingerprint == temporal(exact, ties="random").fingerprint


def test_only_the_order_of_ties_follows_from_their_own_seed() -> None:
    data = days_of(1)

    def split(tie_seed: int | None) -> Split:
        usual = {"held_out_users": 60, "positive_from": None, "min_positives": 5}
        return split_strong(data, protocol="strong-temporal", temporal=True, seed=1, tie_seed=tie_seed, **usual)  # type: ignore[arg-type]

    usual, same, other = split(None), split(1), split(2)
    assert usual.fingerprint == same.fingerprint != other.fingerprint
    assert usual.test.user_ids == other.test.user_ids and usual.user_ids == other.user_ids
    assert usual.test.held_out.counts.tolist() == other.test.held_out.counts.tolist()


def test_held_out_entries_that_another_order_would_move_are_counted() -> None:
    """Ten events in five days of two: of the last fifth both are of day 4, where nothing is read; of nine events the
    last one shares its day with the one before.
    """
    users, items, times = [], [], []
    for user in range(200):
        for place in range(10 if user % 2 else 9):
            users.append(user)
            items.append((user + 7 * place) % 40)
            times.append(10**9 // DAY * DAY + place // 2 * DAY + (user % 2 == 0 and place == 8) * -DAY)
    data = Dataset.build(
        "hand", users=np.array(users), items=np.array(items), ratings=None, times=np.array(times), source="a test"
    )
    split = temporal(data)
    odd = sum(int(user) % 2 for user in split.test.user_ids)
    assert split.facts["test_targets"] == 2 * odd + (60 - odd)
    assert split.facts["movable_test_targets"] == 60 - odd, "those of users with nine events"
    assert split.facts["tied_share"] == 1.0


@pytest.mark.parametrize("protocol", ["strong-temporal", "strong-global-time", "published-svae"])
def test_data_whose_histories_are_nearly_all_one_tie_are_refused(protocol: str) -> None:
    with pytest.raises(SplitError, match=r"days: in 100% of the histories all events have the same time.*'strong'"):
        make_split(days_of(0, days=1), protocol, held_out_users=60)
    assert make_split(days_of(0, days=1), "strong", held_out_users=60).facts.get("ties") is None


FACTS = {"tied_share": 0.757, "ties": "random", "movable_test_targets": 89, "test_targets": 1346}
TIED = "76% of the interactions have the same time as another one of the same user"


class TestWords:
    """What is said about ties."""

    def test_chance_comes_with_how_much_it_moves_and_what_to_do(self) -> None:
        assert tie_warning(FACTS) == (
            f"{TIED}; they are ordered at random by the split seed. "
            "Another order could change up to 89 of 1,346 held-out items. Compare several split seeds."
        )
        assert tie_note(FACTS) == "76% of the interactions tied in time"

    def test_the_order_of_a_file_comes_without_seeds_which_change_nothing(self) -> None:
        said = tie_warning({**FACTS, "ties": "file"})
        assert said.startswith(f"{TIED}; they are kept in file order. ")
        assert said.endswith("held-out items.")

    def test_before_there_is_a_split_the_rule_is_left_open(self) -> None:
        assert tie_warning({"tied_share": 0.757}) == (
            f"{TIED}; they are kept in file order if the file is sorted by time, "
            "else ordered at random by the split seed."
        )

    def test_few_ties_are_not_worth_a_word(self) -> None:
        assert tie_warning({**FACTS, "tied_share": 0.009}) == tie_note({"tied_share": 0.009}) == tie_warning({}) == ""
        assert sequence_tie_warning(0.009) == ""

    def test_only_all_of_them_are_a_hundred_per_cent(self) -> None:
        assert tie_warning({"tied_share": 0.9999}).startswith("99% of")
        assert tie_warning({"tied_share": 1.0}).startswith("100% of")

    def test_a_model_that_reads_the_order_is_warned_of_in_fewer_words(self) -> None:
        said = sequence_tie_warning(0.757)
        assert said == f"{TIED}; sequence models read them in item id order."
        assert len(said) < len(tie_warning(FACTS))

    def test_the_rule_of_earlier_versions_is_named_however_few_ties_there_are(self) -> None:
        old = {"tied_share": 0.002, "ties": ITEM_ORDER}
        assert tie_note(old) == "ties in time were ordered by item id, as in versions before 0.2"
        assert tie_note(old) in tie_warning(old)


@pytest.mark.slow
def test_with_times_cut_to_days_ease_is_ahead_of_svae_and_the_order_of_ties_changes_neither(test_data: Path) -> None:
    exact = load_dataset(test_data / "ml-100k")
    assert exact.times is not None
    data = replace(exact, times=exact.times // DAY * DAY)
    with pytest.warns(DataWarning, match="99% of the interactions have the same time"):
        split = make_split(data, "strong-temporal", positive_from=4)
    reports = {name: evaluate(fit(name, split, **words), split) for name, words in TRAINED.items()}
    ease, svae = (reports[name].mean["ndcg@100"] for name in ("ease", "svae"))
    assert ease == pytest.approx(0.429, abs=0.01) and svae == pytest.approx(0.380, abs=0.02)
    assert ease > svae + 0.02
    low, high = reports["ease"].interval["ndcg@100"]
    for tie_seed in (1, 2):
        usual = {"held_out_users": None, "positive_from": 4, "min_positives": 5, "tie_seed": tie_seed}
        other = split_strong(data, protocol="strong-temporal", temporal=True, seed=98765, **usual)  # type: ignore[arg-type]
        assert abs(evaluate(fit("ease", other), other).mean["ndcg@100"] - ease) < (high - low) / 2


TRAINED: dict[str, dict[str, int]] = {"ease": {}, "svae": {"epochs": 10}}
