"""Titles and descriptions of metrics; a recall always names its divisor."""

from __future__ import annotations

from collections.abc import Sequence

METRICS = {
    "ndcg": (
        "NDCG",
        "Ranking quality of the top {k}: each hit counts 1 / log2(rank + 1), and the sum is divided by the best "
        "possible sum. 1 is perfect.",
    ),
    "recall": ("Recall", "Held-out items in the top {k}, divided by the smaller of {k} and their number."),
    "recall_all": ("Recall", "Held-out items in the top {k}, divided by the number of all held-out items."),
    "precision": ("Precision", "Share of the top {k} that are held-out items."),
    "map": ("MAP", "Mean over the hits in the top {k} of the precision at each hit."),
    "mrr": ("MRR", "1 / rank of the first hit in the top {k}; 0 without a hit."),
    "hitrate": ("Hit rate", "Share of users with at least one hit in the top {k}."),
    "coverage": (
        "Coverage",
        "Share of the catalogue that appears in at least one user's top {k}. Neither high nor low is better.",
    ),
    "novelty": (
        "Novelty",
        "Mean self-information of the top {k}: -log2 of the share of training users with that item, in bits.",
    ),
    "gini": (
        "Gini",
        "Inequality of use of the catalogue by the top {k} lists: 0 if all items appear equally often, 1 if one item "
        "only.",
    ),
    "popularity_percentile": (
        "Popularity percentile",
        "Mean share of the catalogue that is less popular than the items in the top {k}; near 1 if only the most "
        "popular items are recommended.",
    ),
    "rmse": ("RMSE", "Root mean squared error of the predicted ratings, in rating units. Lower is better."),
    "mae": ("MAE", "Mean absolute error of the predicted ratings, in rating units. Lower is better."),
    "macro_rmse": ("Macro RMSE", "Mean of per-user RMSEs. Lower is better."),
    "rmse_q1": ("RMSE, fewest ratings", "RMSE for the quarter of the users with the fewest training ratings."),
    "rmse_q2": ("RMSE, second quarter", "RMSE for the second quarter of the users by training ratings."),
    "rmse_q3": ("RMSE, third quarter", "RMSE for the third quarter of the users by training ratings."),
    "rmse_q4": ("RMSE, most ratings", "RMSE for the quarter of the users with the most training ratings."),
}
NOT_SIGNIFICANT_MARK = "≈"
NOT_SIGNIFICANT_LEGEND = (
    f"{NOT_SIGNIFICANT_MARK} not significantly different from the best (paired bootstrap over test users, 95%, "
    "Holm's correction)"
)
COMPARISON_METHOD = (
    "Runs are compared with the best run user by user: paired bootstrap over the test users, 95%, with Holm's "
    "correction for multiple comparisons."
)
_POOLED = ("rmse", "mae", "rmse_q1", "rmse_q2", "rmse_q3", "rmse_q4")
DIVISORS = {"recall": "min", "recall_all": "all"}
_DIVISOR_NOTES = {
    "min": "recall (min) divides the hits by the smaller of k and the number of held-out items",
    "all": "recall (all) divides the hits by the number of held-out items",
}


def title(name: str) -> str:
    """Return the title of a metric: "ndcg@100" is "NDCG@100", "recall@20" is "Recall@20 (min)"."""
    kind, _, k = name.partition("@")
    base = METRICS[kind][0] if kind in METRICS else kind
    divisor = f" ({DIVISORS[kind]})" if kind in DIVISORS else ""
    return f"{base}@{k}{divisor}" if k else f"{base}{divisor}"


def description(name: str) -> str:
    """Return the meaning of a metric in one or two sentences; empty for an unknown metric."""
    kind, _, k = name.partition("@")
    return METRICS[kind][1].format(k=k) if kind in METRICS else ""


def averaging(name: str) -> str:
    """Return what a metric is averaged over: all test ratings for pooled errors, else test users."""
    return "over all test ratings" if name.partition("@")[0] in _POOLED else "mean over test users"


def divisor_notes(names: Sequence[str]) -> str:
    """Return the divisor of each kind of recall among the metrics; empty without a recall."""
    used = dict.fromkeys(DIVISORS[kind] for kind in (name.partition("@")[0] for name in names) if kind in DIVISORS)
    return "; ".join(_DIVISOR_NOTES[divisor] for divisor in used)
