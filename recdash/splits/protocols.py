"""Evaluation protocols by name, and `make_split`."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

from recdash.data.dataset import Dataset
from recdash.data.time_ties import TIE_RULES, TieRule
from recdash.errors import (
    DataWarning,
    UsageError,
    short_repr,
)
from recdash.settings import DEFAULT_SPLIT_SEED, HIGHEST_SEED, known_name, real_number, whole_number
from recdash.splits import published_splits, user_defined
from recdash.splits.event_order import tie_warning
from recdash.splits.global_time import split_global_time
from recdash.splits.rating_split import RatingSplit, split_ratings
from recdash.splits.split import Split
from recdash.splits.strong import positive_threshold, split_strong
from recdash.splits.weak import split_weak

DEFAULT_MIN_POSITIVES = 5


@dataclass(frozen=True)
class Protocol:
    """A named way to split and score. Only results of one protocol are compared in a table.

    Attributes:
        name: Name for the command line and records.
        title: Short title for pages and tables.
        task: "ranking" or "rating".
        help: Description for the user.
        known_users: Whether test users are also training users (weak generalisation).
        reads_order: Whether the time order determines the fold-in and held-out items, so that ties in time matter.
    """

    name: str
    title: str
    task: Literal["ranking", "rating"]
    help: str
    known_users: bool = False
    reads_order: bool = False

    @property
    def uses_threshold(self) -> bool:
        """Whether `positive_from` applies; not for rating protocols and published tables, which have their own rule."""
        return self.task == "ranking" and not self.name.startswith("published-")

    @property
    def samples_users(self) -> bool:
        """Whether `min_positives` applies; not for user-defined splits, which fix the users."""
        return self.uses_threshold and self.name not in user_defined.PROTOCOL_OF_TASK.values()


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "strong",
            "Unseen users, random hold-out",
            "ranking",
            "Entire users are held out. A model reads a random four fifths of the positives of each "
            "and must rank the remaining items high.",
        ),
        Protocol(
            "strong-temporal",
            "Unseen users, temporal hold-out",
            "ranking",
            "Entire users are held out. A model reads the first four fifths of each history in time "
            "and must rank the last fifth high.",
            reads_order=True,
        ),
        Protocol(
            "strong-global-time",
            "Unseen users after a date",
            "ranking",
            "Split at one date. Models are trained on users whose histories end before it. For users active after it, "
            "they read the history up to the date and must rank the later items high. Needs dates.",
            reads_order=True,
        ),
        Protocol(
            "ratings-90",
            "Ratings, 90/10",
            "rating",
            "A random tenth of all ratings is held out for testing, and a tenth of the rest for validation.",
        ),
        Protocol(
            "ratings-80",
            "Ratings, 80/10/10",
            "rating",
            "A random tenth of all ratings is held out for testing, another tenth for validation.",
        ),
        Protocol(
            "ratings-temporal",
            "Ratings after a date",
            "rating",
            "The last tenth of all ratings by date is held out, half for validation and half for testing. Needs dates.",
        ),
        Protocol(
            "weak",
            "Known users, unseen items",
            "ranking",
            "A random fifth of the positives of each user is held out. Models are trained on the rest of the same "
            "users' histories, so metrics are higher than for unseen users.",
            known_users=True,
        ),
        Protocol(
            "published-implicit",
            "Published table: CDAE, Mult-VAE, EASE",
            "ranking",
            "Data and split of a published table, with a correct evaluation: every rating is a positive, even one "
            "star, and a random fifth of each user's ratings is held out.",
            known_users=True,
        ),
        Protocol(
            "published-svae",
            "Published table: SVAE",
            "ranking",
            "Data and split of a published table, with a correct evaluation: entire users with 5 to 1,000 positives "
            "are held out, and the last fifth of each history must be ranked high.",
            reads_order=True,
        ),
        Protocol(
            "published-vae20m",
            "Published table: MovieLens-20M",
            "ranking",
            "Data and split of a published table, with a correct evaluation: as for unseen users, random hold-out, but "
            "with other users held out.",
        ),
        Protocol(
            "published-autorec",
            "Published table: AutoRec",
            "rating",
            "Data and split of a published table, with a correct evaluation: a random quarter of all ratings is held "
            "out for testing, and a tenth of the rest for validation.",
        ),
        Protocol(
            "published-deeprec",
            "Published table: DeepRec",
            "rating",
            "Data and split of a published table, with a correct evaluation: a tenth of each user's ratings is held "
            "out for testing, and a tenth of the rest for validation.",
        ),
        Protocol(
            user_defined.PROTOCOL_OF_TASK["ranking"],
            "User-defined split",
            "ranking",
            "The imported files define the training data, the fold-in and the held-out items. It is the only protocol "
            "for datasets imported as a split.",
            reads_order=True,
        ),
        Protocol(
            user_defined.PROTOCOL_OF_TASK["rating"],
            "User-defined split of ratings",
            "rating",
            "The imported files define the training ratings and the held-out ratings. It is the only protocol for "
            "datasets imported as a split of ratings.",
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
    """Split a dataset by a named protocol.

    Protocols of published tables have their own data filter, and the default seed stands for the seed of the table
    (`recdash.splits.published_splits.SEEDS`).

    Args:
        dataset: Dataset to split.
        protocol: Name of the protocol, such as "strong", "weak" or "ratings-90" (`recdash.splits.PROTOCOLS`).
        seed: Seed of everything that is random in the split.
        held_out_users: Users in each of validation and test. Default: 750 (ml-1m), 5,000 (ml-10m), 10,000 (ml-20m and
            larger); for other data 12.5% of the eligible users, at least 20 and at most 10,000.
        positive_from: Lowest rating that counts as a positive. Default: three quarters of the way up the scale.
        min_positives: Fewest positives of a user. Default: 5.
        ties: Rule that orders events of one user at the same time, if the protocol reads the order: "file" (their
            position in the file, if the file is sorted by time; else random) or "random" (a hash of seed, user and
            item). Default: the rule of the dataset.

    Returns:
        A `Split` for ranking protocols, a `RatingSplit` for rating protocols.

    Raises:
        UsageError: A name is unknown or a number is out of range.
        SplitError: The data cannot be split this way, for example because there are too few users or no dates.

    Warns:
        DataWarning: Many events are tied in time and the protocol reads their order.
    """
    if not isinstance(dataset, Dataset):
        raise UsageError(
            f"dataset: expected a Dataset, found {short_repr(dataset)}. Give the result of recdash.load_dataset."
        )
    known_name("protocol", protocol, PROTOCOLS)
    protocol = user_defined.resolve_protocol(protocol, dataset.name, dataset.own_split)
    seed = whole_number("seed", seed, 0, HIGHEST_SEED)
    if min_positives is None:
        min_positives = dataset.min_positives or DEFAULT_MIN_POSITIVES
    min_positives = whole_number("min_positives", min_positives, 1)
    rule = dataset.ties if ties is None else ties
    known_name("tie rule", rule, TIE_RULES)
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
        min_positives=min_positives,
        ties=rule,
    )
    if message := tie_warning(split.facts):
        warnings.warn(f"{dataset.name}, {protocol}: {message}", DataWarning, stacklevel=2)
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
        return user_defined.user_defined_split(dataset, protocol=protocol, positive_from=positive_from, ties=ties)
    if protocol.startswith("published-"):
        return _published(dataset, protocol, seed, held_out_users, ties)
    if protocol == "weak":
        threshold = positive_threshold(dataset, positive_from)
        return split_weak(dataset, protocol=protocol, seed=seed, threshold=threshold, min_positives=min_positives)
    if PROTOCOLS[protocol].task == "rating":
        return split_ratings(dataset, protocol, seed)
    if protocol == "strong-global-time":
        return split_global_time(
            dataset,
            protocol=protocol,
            seed=seed,
            held_out_users=held_out_users,
            positive_from=positive_from,
            min_positives=min_positives,
            ties=ties,
        )
    return split_strong(
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
        return published_splits.split_implicit(dataset, seed=seed)
    if protocol == "published-autorec":
        return published_splits.split_autorec(dataset, seed=seed)
    if protocol == "published-deeprec":
        return published_splits.split_deeprec(dataset, seed=seed)
    if protocol == "published-vae20m":
        return published_splits.split_vae20m(dataset, seed=seed, held_out_users=held_out_users)
    return published_splits.split_svae(dataset, seed=seed, held_out_users=held_out_users, ties=ties)
