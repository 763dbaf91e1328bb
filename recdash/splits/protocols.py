"""Protocols by name: what a figure in a table means."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

from recdash.data.dataset import Dataset
from recdash.data.time_ties import RULES, TieRule
from recdash.errors import DataWarning, UsageError, shown
from recdash.settings import DEFAULT_SPLIT_SEED, HIGHEST_SEED, known_name, real_number, whole_number
from recdash.splits import published_splits, user_defined
from recdash.splits.event_order import warning
from recdash.splits.global_time import global_time
from recdash.splits.rating_split import RatingSplit, split_ratings
from recdash.splits.split import Split
from recdash.splits.strong import positive_threshold, strong
from recdash.splits.weak import weak

FEWEST_POSITIVES = 5


@dataclass(frozen=True)
class Protocol:
    """A named way to split and score; rows of one table share it.

    known_users: whether users are trained on and tested, with other items (weak generalisation).
    reads_order: whether the order in time decides what is held out or read, so that ties in time matter.
    """

    name: str
    title: str
    task: Literal["ranking", "rating"]
    help: str
    known_users: bool = False
    reads_order: bool = False

    @property
    def takes_threshold(self) -> bool:
        """Whether it can be said what counts as liked; rating protocols have no likes, public tables their own rule."""
        return self.task == "ranking" and not self.name.startswith("published-")

    @property
    def draws_users(self) -> bool:
        """Whether it chooses among the users by how much they like; a split that came with the data does not."""
        return self.takes_threshold and self.name not in user_defined.NAMES.values()


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
            reads_order=True,
        ),
        Protocol(
            "strong-global-time",
            "Unseen users after a date",
            "ranking",
            "One cut in time. Models learn from users who ended before a date; of users active after it they read the "
            "history so far and must rank high what came after the date. Needs dates.",
            reads_order=True,
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
        Protocol(
            "weak",
            "Known users, unseen items",
            "ranking",
            "A random fifth of what each user liked is held out. Models have been trained on the rest of the same "
            "users' histories, so the figures are higher than for unseen users.",
            known_users=True,
        ),
        Protocol(
            "published-implicit",
            "Public table: CDAE, Mult-VAE, EASE",
            "ranking",
            "Data and split of a public table, evaluated properly: every rating counts as liked, even one star, and a "
            "random fifth of each user's is held out.",
            known_users=True,
        ),
        Protocol(
            "published-svae",
            "Public table: SVAE",
            "ranking",
            "Data and split of a public table, evaluated properly: whole users with 5 to 1,000 likes are held out, and "
            "the last fifth of each history must be ranked high.",
            reads_order=True,
        ),
        Protocol(
            "published-vae20m",
            "Public table: MovieLens-20M",
            "ranking",
            "Data and split of a public table, evaluated properly: like unseen users, random fold, with other users "
            "held out.",
        ),
        Protocol(
            "published-autorec",
            "Public table: AutoRec",
            "rating",
            "Data and split of a public table, evaluated properly: a random quarter of all ratings is held out; of the "
            "rest a tenth is set aside for choosing settings.",
        ),
        Protocol(
            "published-deeprec",
            "Public table: DeepRec",
            "rating",
            "Data and split of a public table, evaluated properly: a tenth of each user's ratings is held out, then "
            "another tenth of the rest for choosing settings.",
        ),
        Protocol(
            user_defined.NAMES["ranking"],
            "The data's own split",
            "ranking",
            "The files that the data set was imported from say what is learned from, what is read and what is held "
            "out. For data sets that were imported as a split; no other protocol is for them.",
            reads_order=True,
        ),
        Protocol(
            user_defined.NAMES["rating"],
            "The data's own split of ratings",
            "rating",
            "The files that the data set was imported from say what is learned from and which ratings are held out. "
            "For data sets that were imported as a split; no other protocol is for them.",
        ),
    )
}


def make_split(
    dataset: Dataset,
    protocol: str = "strong",
    *,
    seed: int = DEFAULT_SPLIT_SEED,
    held_out_users: int | None = None,
    positive_from: float | None = None,
    min_positives: int | None = None,
    ties: TieRule | None = None,
) -> Split | RatingSplit:
    """Split a data set by a named protocol.

    held_out_users: users in each of validation and test, by default 750 (ml-1m), 5,000 (ml-10m), 10,000 (ml-20m and
    larger), otherwise 12.5 % of the eligible ones, at least 20, at most 10,000.  positive_from: lowest rating that
    counts as liked, by default three quarters up the scale.  min_positives: positives that a user needs, by default 5.
    ties: what orders events of one user at the same time where the protocol reads an order: "file", their position in
    a file that is in the order of time (elsewhere chance), or "random", a hash of seed, user and item.

    A protocol of a public table has its own filter and takes the default seed for that of the table (see
    `published.SEEDS`).  Warns (DataWarning) where many events are tied in time and the protocol reads their order.
    Raises UsageError for an unknown name or a wrong number, SplitError when the data cannot be split so.
    """
    if not isinstance(dataset, Dataset):
        raise UsageError(
            f"dataset: expected a Dataset, found {shown(dataset)}. Give what recdash.load_dataset returns."
        )
    known_name("protocol", protocol, PROTOCOLS)
    protocol = user_defined.named(protocol, dataset.name, dataset.own_split)
    seed = whole_number("seed", seed, 0, HIGHEST_SEED)
    least = min_positives if min_positives is not None else dataset.min_positives or FEWEST_POSITIVES
    least = whole_number("min_positives", least, 1)
    rule = dataset.ties if ties is None else ties
    known_name("tie rule", rule, RULES)
    if held_out_users is not None:
        held_out_users = whole_number("held_out_users", held_out_users, 0)
    if positive_from is not None:
        positive_from = real_number("positive_from", positive_from)
    split = _split(
        dataset,
        protocol,
        seed=seed,
        held_out_users=held_out_users,
        positive_from=positive_from,
        min_positives=least,
        ties=rule,
    )
    if said := warning(split.facts):
        warnings.warn(f"{dataset.name}, {protocol}: {said}", DataWarning, stacklevel=2)
    return split


def _split(
    dataset: Dataset,
    protocol: str,
    *,
    seed: int,
    held_out_users: int | None,
    positive_from: float | None,
    min_positives: int,
    ties: TieRule,
) -> Split | RatingSplit:
    if dataset.own_split is not None:
        return user_defined.own(dataset, protocol=protocol, positive_from=positive_from, ties=ties)
    if protocol.startswith("published-"):
        return _published(dataset, protocol, seed, held_out_users, ties)
    if protocol == "weak":
        threshold = positive_threshold(dataset, positive_from)
        return weak(dataset, protocol=protocol, seed=seed, threshold=threshold, min_positives=min_positives)
    if PROTOCOLS[protocol].task == "rating":
        return split_ratings(dataset, protocol, seed)
    if protocol == "strong-global-time":
        return global_time(
            dataset,
            protocol=protocol,
            seed=seed,
            held_out_users=held_out_users,
            positive_from=positive_from,
            min_positives=min_positives,
            ties=ties,
        )
    return strong(
        dataset,
        protocol=protocol,
        temporal=protocol == "strong-temporal",
        seed=seed,
        held_out_users=held_out_users,
        positive_from=positive_from,
        min_positives=min_positives,
        ties=ties,
    )


def _published(
    dataset: Dataset, protocol: str, seed: int, held_out_users: int | None, ties: TieRule
) -> Split | RatingSplit:
    if seed == DEFAULT_SPLIT_SEED:
        seed = published_splits.SEEDS.get(protocol, seed)
    if protocol == "published-implicit":
        return published_splits.implicit(dataset, seed=seed)
    if protocol == "published-autorec":
        return published_splits.autorec(dataset, seed=seed)
    if protocol == "published-deeprec":
        return published_splits.deeprec(dataset, seed=seed)
    if protocol == "published-vae20m":
        return published_splits.vae20m(dataset, seed=seed, held_out_users=held_out_users)
    return published_splits.svae(dataset, seed=seed, held_out_users=held_out_users, ties=ties)
