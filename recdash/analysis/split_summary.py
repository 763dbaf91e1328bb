"""One-line summary of a split, as it stands under a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recdash.splits import event_order
from recdash.splits.split_options import describe_options

if TYPE_CHECKING:
    from recdash.analysis.groups import Group

_COUNTS = (
    ("train_users", "training users"),
    ("test_users", "test users"),
    ("users", "users"),
    ("items", "items"),
    ("train_positives", "training positives"),
    ("train_ratings", "training ratings"),
    ("test_ratings", "test ratings"),
)


def describe(group: Group) -> str:
    """Return the size of the parts, the threshold of a positive, the split options and the tie warning of a group.

    Empty if no run recorded them.
    """
    facts = group.facts
    counts = [(key, noun) for key, noun in _COUNTS if key in facts and (key != "users" or "train_users" not in facts)]
    parts = [f"{facts[key]:,.0f} {noun}" for key, noun in counts]
    if "positive_from" in facts:
        threshold = facts["positive_from"]
        parts.append(
            "every row counts as liked"
            if isinstance(threshold, str)
            else f"liked means a rating of {threshold:g} or more"
        )
    if options := describe_options(group.options):
        parts.append(f"split options: {options}")
    return ". ".join(sentence for sentence in (", ".join(parts), tie_warning(group)) if sentence)


def tie_warning(group: Group) -> str:
    """Return the effect of tied timestamps on the figures of a group; empty if there are few ties."""
    return event_order.tie_warning(group.facts)
