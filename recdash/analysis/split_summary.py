"""What was split how, in one line under a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recdash.splits import event_order
from recdash.splits.split_options import options_in_words

if TYPE_CHECKING:
    from recdash.analysis.groups import Group

_COUNTED = (
    ("train_users", "training users"),
    ("test_users", "test users"),
    ("users", "users"),
    ("items", "items"),
    ("train_positives", "training positives"),
    ("train_ratings", "training ratings"),
    ("test_ratings", "test ratings"),
)


def in_words(group: Group) -> str:
    """Return users, items and entries of the parts, what counts as liked, and what ties in time mean.

    Empty where no run recorded it.
    """
    told = group.facts
    counted = [(key, word) for key, word in _COUNTED if key in told and (key != "users" or "train_users" not in told)]
    parts = [f"{told[key]:,.0f} {word}" for key, word in counted]
    if "positive_from" in told:
        least = told["positive_from"]
        parts.append(
            "every row counts as liked" if isinstance(least, str) else f"liked means a rating of {least:g} or more"
        )
    if asked := options_in_words(group.options):
        parts.append(f"as asked: {asked}")
    return ". ".join(said for said in (", ".join(parts), about_ties(group)) if said)


def about_ties(group: Group) -> str:
    """Return what ties in time mean for the figures of a group; empty where there are few."""
    return event_order.warning(group.facts)
