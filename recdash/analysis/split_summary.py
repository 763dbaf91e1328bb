"""One-line summary of a split, shown below a results table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recdash.splits import event_order
from recdash.splits.split_options import describe_options

if TYPE_CHECKING:
    from recdash.analysis.groups import Group

# Facts of a split: label and meaning.
SPLIT_FACTS = {
    "positive_from": ("Positive from", "Lowest rating that counts as positive; lower ratings are ignored."),
    "eligible_users": (
        "Eligible users",
        "Users with enough positives: five, unless another minimum was set at import. Others are excluded.",
    ),
    "items": (
        "Items",
        "For ranking: items with at least one training positive; only these can be recommended.",
    ),
    "train_ratings": ("Training ratings", "Ratings that models are trained on."),
    "validation_ratings": ("Validation ratings", "Ratings for early stopping and model selection."),
    "test_ratings": ("Test ratings", "Ratings to predict in the final evaluation."),
    "train_positives": ("Training positives", "Positives of the training users."),
    "test_targets": ("Test positives", "Positives of the test users that a model should rank high."),
    "removed_held_out_entries": ("Excluded positives", "Held-out positives whose item has no training positive."),
    "unscored_test_users": (
        "Unscored test users",
        "Users with histories too short to hold items out; excluded from the means.",
    ),
}
_OTHER_LABELS = {
    "train_users": "Training users",
    "validation_targets": "Validation positives",
    "tied_share": "Share of tied events",
    "ties": "Order of tied events",
    "movable_test_targets": "Held-out items that depend on the order of tied events",
    "cut_at": "Split date (seconds since 1970)",
    "removed_unseen": "Excluded ratings of unseen users or items",
}
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
            "every row is a positive"
            if isinstance(threshold, str)
            else f"ratings of {threshold:g} or more are positives"
        )
    if options := describe_options(group.options):
        parts.append(f"split options: {options}")
    return ". ".join(sentence for sentence in (", ".join(parts), tie_warning(group)) if sentence)


def fact_label(name: str) -> str:
    """Return the label of a fact of a split."""
    if name in SPLIT_FACTS:
        return SPLIT_FACTS[name][0]
    return _OTHER_LABELS.get(name, name.replace("_", " ").capitalize())


def tie_warning(group: Group) -> str:
    """Return the effect of tied timestamps on the figures of a group; empty if there are few ties."""
    return event_order.tie_warning(group.facts)
