"""Protocols by name: what a figure in a table means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from recdash.data.dataset import Dataset
from recdash.errors import unknown
from recdash.splits.ratings import RatingSplit, split_ratings
from recdash.splits.split import Split
from recdash.splits.strong import strong


@dataclass(frozen=True)
class Protocol:
    """A named way to split and score; rows of one table share it."""

    name: str
    title: str
    task: Literal["ranking", "rating"]
    help: str


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "strong",
            "Unseen users, random fold",
            "ranking",
            "Whole users are held out. A model reads a random four fifths of what each of them liked "
            "and must rank the rest high.",
        ),
        Protocol(
            "strong-temporal",
            "Unseen users, last fifth",
            "ranking",
            "Whole users are held out. A model reads the first four fifths of each history in time "
            "and must rank the last fifth high.",
        ),
        Protocol(
            "ratings-90",
            "Ratings, 90/10",
            "rating",
            "A random tenth of all ratings is held out; of the rest a tenth is set aside for choosing settings.",
        ),
        Protocol(
            "ratings-80",
            "Ratings, 80/10/10",
            "rating",
            "A random tenth of all ratings is for testing, another for choosing settings.",
        ),
        Protocol(
            "ratings-temporal",
            "Ratings after a date",
            "rating",
            "The last tenth of all ratings by date is held out, half of it for choosing settings. Needs dates.",
        ),
    )
}


def make_split(
    dataset: Dataset,
    protocol: str = "strong",
    *,
    seed: int = 98765,
    held_out_users: int | None = None,
    positive_from: float | None = None,
    min_positives: int = 5,
) -> Split | RatingSplit:
    """Split a data set by a named protocol.

    held_out_users: users in each of validation and test, by default 750 (ml-1m), 5,000 (ml-10m), 10,000 (ml-20m and
    larger), otherwise 12.5 % of the eligible ones, at least 20, at most 10,000.  positive_from: lowest rating that
    counts as liked, by default three quarters up the scale.  Raises UsageError for an unknown protocol, SplitError
    when the data cannot be split so.
    """
    if protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)
    if PROTOCOLS[protocol].task == "rating":
        return split_ratings(dataset, protocol, seed)
    return strong(
        dataset,
        protocol=protocol,
        temporal=protocol == "strong-temporal",
        seed=seed,
        held_out_users=held_out_users,
        positive_from=positive_from,
        min_positives=min_positives,
    )
