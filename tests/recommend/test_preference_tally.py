"""A blind comparison shows every pair equally often, counts votes for the right model, and gives Wilson's interval."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.errors import UsageError
from recdash.recommend.preference_tally import BlindPair, PreferenceTally, wilson_interval

NAMES = ("ease", "multvae", "recvae")


def vote_on(tally: PreferenceTally, winner: str, left: str, right: str) -> PreferenceTally:
    return tally.record(BlindPair(left, right), "left" if winner == left else "right")


def test_votes_count_for_the_model_whatever_side_it_was_on() -> None:
    tally = PreferenceTally()
    tally = vote_on(tally, "ease", "ease", "multvae")
    tally = vote_on(tally, "ease", "multvae", "ease")
    tally = vote_on(tally, "multvae", "ease", "multvae")
    tally = tally.record(BlindPair("multvae", "ease"), "tie")
    (pair,) = tally.pairs()
    assert (pair.first, pair.second, pair.wins, pair.losses, pair.ties, pair.n_votes) == ("ease", "multvae", 2, 1, 1, 4)
    assert pair.share == pytest.approx(2 / 3) and pair.preferred == ""


def test_hand_computed_wilson_interval() -> None:
    """7 of 10 at z = 1.959964: centre (0.7 + 0.19207) / 1.38415 = 0.64449, half width 0.24764."""
    low, high = wilson_interval(7, 10)
    assert (low, high) == (pytest.approx(0.39678, abs=1e-4), pytest.approx(0.89221, abs=1e-4))
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert wilson_interval(0, 5)[0] == 0.0 and wilson_interval(5, 5)[1] == 1.0


@given(trials=st.integers(1, 500), data=st.data())
def test_the_interval_contains_the_share_and_mirrors(trials: int, data: st.DataObject) -> None:
    wins = data.draw(st.integers(0, trials))
    low, high = wilson_interval(wins, trials)
    assert 0 <= low <= wins / trials <= high <= 1
    other_low, other_high = wilson_interval(trials - wins, trials)
    assert (other_low, other_high) == (pytest.approx(1 - high, abs=1e-9), pytest.approx(1 - low, abs=1e-9))


def test_a_clear_preference_is_named() -> None:
    tally = PreferenceTally()
    for _ in range(9):
        tally = vote_on(tally, "recvae", "ease", "recvae")
    assert tally.pairs()[0].preferred == "recvae"


def test_ties_alone_decide_nothing() -> None:
    (pair,) = PreferenceTally().record(BlindPair("a", "b"), "tie").pairs()
    assert math.isnan(pair.share) and (pair.low, pair.high) == (0.0, 1.0)


def test_every_pair_is_shown_equally_often_and_on_both_sides() -> None:
    tally, shown, lefts = PreferenceTally(), Counter[frozenset[str]](), Counter[str]()
    for _ in range(60):
        pair = tally.next_pair(NAMES, seed=3)
        assert pair == tally.next_pair(NAMES[::-1], seed=3), "a page that is drawn again shows the same pair"
        shown[frozenset(pair)] += 1
        lefts[pair.left] += 1
        tally = tally.record(pair, "left")
    assert set(shown.values()) == {20} and len(shown) == len(list(combinations(NAMES, 2)))
    assert all(8 <= count <= 32 for count in lefts.values()), lefts


def test_another_seed_gives_another_order() -> None:
    def first(seed: int) -> BlindPair:
        return PreferenceTally().next_pair(NAMES, seed)

    assert len({first(seed) for seed in range(40)}) == 6


def test_a_pair_needs_two_models() -> None:
    with pytest.raises(UsageError, match="two lists"):
        PreferenceTally().next_pair(["ease", "ease"], 0)


def test_votes_survive_json_and_a_vote_can_be_undone() -> None:
    tally = PreferenceTally().record(BlindPair("a", "<b>é"), "right").record(BlindPair("a", "c"), "tie")
    assert PreferenceTally.from_json(tally.to_json()) == tally
    assert len(tally.undo().votes) == 1 and PreferenceTally().undo() == PreferenceTally()


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '[["a"]]', '[["a", "a", "left"]]', '[["a", "b", "both"]]', '[["a", "b", 1]]', "[" * 9999]
)
def test_other_texts_are_no_votes(text: str) -> None:
    with pytest.raises(UsageError) as error:
        PreferenceTally.from_json(text)
    assert "\n" not in str(error.value)
