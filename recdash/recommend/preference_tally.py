"""Blind comparison of two lists: which pair to show, the votes, and the share of votes with its Wilson interval."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, NamedTuple, Self, get_args

import numpy as np

from recdash.errors import UsageError, short_repr

Choice = Literal["left", "right", "tie"]
Z_95 = 1.959964  # standard normal quantile of a two-sided 95% interval
MAX_VOTES = 10_000


class BlindPair(NamedTuple):
    """Two lists to compare, by name, without showing which is which."""

    left: str
    right: str


class Vote(NamedTuple):
    """A vote on a blind pair."""

    left: str
    right: str
    choice: Choice


@dataclass(frozen=True)
class PairTally:
    """Votes on one pair of models, in the order of their names.

    Attributes:
        first: Name of one model.
        second: Name of the other model.
        wins: Votes for the first.
        losses: Votes for the second.
        ties: Votes for neither.
        share: Share of the first among the votes that are no ties; NaN without such votes.
        low: Lower end of its 95% Wilson interval; 0 without votes.
        high: Upper end; 1 without votes.
    """

    first: str
    second: str
    wins: int
    losses: int
    ties: int
    share: float
    low: float
    high: float

    @property
    def n_votes(self) -> int:
        """All votes, ties included."""
        return self.wins + self.losses + self.ties

    @property
    def preferred(self) -> str:
        """Name of the model whose interval excludes 1/2 in its favour; "" while the votes decide nothing."""
        return self.first if self.low > 0.5 else self.second if self.high < 0.5 else ""


@dataclass(frozen=True)
class PreferenceTally:
    """All votes of a visitor, in order. Every change returns a new tally."""

    votes: tuple[Vote, ...] = ()

    def next_pair(self, names: Sequence[str], seed: int) -> BlindPair:
        """Return the next pair to show: one of the pairs with the fewest votes, in random order of left and right.

        The pair depends on the seed and the votes alone, so a page that is drawn again shows the same one.

        Args:
            names: Names of the lists, at least two different ones.
            seed: Seed of the order; not negative.

        Raises:
            UsageError: There are fewer than two names.
        """
        distinct = sorted(set(names))
        if len(distinct) < 2:
            raise UsageError("A blind comparison needs two lists. Choose at least two models.")
        counts = dict.fromkeys(combinations(distinct, 2), 0)
        for vote in self.votes:
            pair = _sorted_pair(vote)
            if pair in counts:
                counts[pair] += 1
        fewest = [pair for pair, count in counts.items() if count == min(counts.values())]
        rng = np.random.default_rng([seed, len(self.votes)])
        chosen = fewest[int(rng.integers(len(fewest)))]
        left, right = chosen if rng.integers(2) else chosen[::-1]
        return BlindPair(left, right)

    def record(self, pair: BlindPair, choice: Choice) -> Self:
        """Return the tally with one more vote; the oldest of more than 10,000 votes is dropped."""
        return type(self)((*self.votes, _vote([*pair, choice]))[-MAX_VOTES:])

    def undo(self) -> Self:
        """Return the tally without its last vote."""
        return type(self)(self.votes[:-1])

    def pairs(self) -> tuple[PairTally, ...]:
        """Return the tally of every pair that was voted on, by name."""
        counts: dict[tuple[str, str], list[int]] = {}
        for vote in self.votes:
            pair = _sorted_pair(vote)
            winner = {"left": vote.left, "right": vote.right, "tie": ""}[vote.choice]
            place = 2 if winner == "" else pair.index(winner)
            counts.setdefault(pair, [0, 0, 0])[place] += 1
        return tuple(_pair_tally(first, second, *counts[first, second]) for first, second in sorted(counts))

    def to_json(self) -> str:
        """Encode the votes as JSON: a list of [left, right, choice]."""
        return json.dumps([list(vote) for vote in self.votes], ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Decode `to_json`. Raises UsageError for any other text."""
        try:
            rows = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UsageError("The votes are not JSON. Start a new tally.") from error
        if not isinstance(rows, list) or len(rows) > MAX_VOTES:
            raise UsageError(f"Votes: expected a list of at most {MAX_VOTES:,} votes. Start a new tally.")
        return cls(tuple(_vote(row) for row in rows))


def wilson_interval(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """Return the Wilson score interval of a share (Wilson, JASA 1927); (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    share, scale = successes / trials, 1 + z**2 / trials
    centre = (share + z**2 / (2 * trials)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    # The ends are exactly 0 and 1 there; rounding would miss them.
    return 0.0 if successes == 0 else centre - half, 1.0 if successes == trials else centre + half


def _pair_tally(first: str, second: str, wins: int, losses: int, ties: int) -> PairTally:
    decided = wins + losses
    low, high = wilson_interval(wins, decided)
    return PairTally(first, second, wins, losses, ties, wins / decided if decided else math.nan, low, high)


def _sorted_pair(vote: Vote) -> tuple[str, str]:
    first, second = sorted((vote.left, vote.right))
    return first, second


def _vote(row: Any) -> Vote:
    """Return a checked vote. Raises UsageError."""
    valid = isinstance(row, list) and len(row) == 3 and all(isinstance(part, str) for part in row)
    if not valid or row[0] == row[1] or row[2] not in get_args(Choice):
        raise UsageError(
            f"{short_repr(row)} is no vote. Expected two different models and one of {', '.join(get_args(Choice))}."
        )
    return Vote(*row)
