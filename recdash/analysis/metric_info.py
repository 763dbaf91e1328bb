"""What a metric is called and what it means; recall always names what it is divided by."""

from __future__ import annotations

METRICS = {
    "ndcg": (
        "NDCG",
        "How high the held-out items stand in the top {k}: a hit counts 1 / log2(rank + 1), divided by the best "
        "possible sum. 1 is perfect.",
    ),
    "recall": ("Recall", "Held-out items found in the top {k}, divided by the smaller of {k} and their number."),
    "recall_all": ("Recall", "Held-out items found in the top {k}, divided by all of them."),
    "precision": ("Precision", "Share of the top {k} that are held-out items."),
    "map": ("MAP", "Mean over the hits in the top {k} of the precision at each hit."),
    "mrr": ("MRR", "1 / rank of the first hit in the top {k}, 0 without one."),
    "hitrate": ("Hit rate", "Share of users with at least one hit in the top {k}."),
    "coverage": (
        "Coverage",
        "Share of the catalogue that appears in anybody's top {k}. Neither good nor bad by itself.",
    ),
    "novelty": (
        "Novelty",
        "Mean surprise of the top {k}: -log2 of the share of training users who know an item, in bits.",
    ),
    "gini": ("Gini", "How unevenly the top {k} lists use the catalogue: 0 all items equally, 1 one item only."),
    "popularity_percentile": ("Popularity", "Mean popularity rank of the top {k}, 1 for the most popular item."),
    "rmse": ("RMSE", "Root of the mean squared error of predicted ratings, in stars. Lower is better."),
    "mae": ("MAE", "Mean absolute error of predicted ratings, in stars. Lower is better."),
    "macro_rmse": ("RMSE per user", "RMSE of each user, then the mean over users. Lower is better."),
    "rmse_q1": ("RMSE, fewest ratings", "RMSE over the quarter of the users with the fewest training ratings."),
    "rmse_q2": ("RMSE, second quarter", "RMSE over the second quarter of the users by training ratings."),
    "rmse_q3": ("RMSE, third quarter", "RMSE over the third quarter of the users by training ratings."),
    "rmse_q4": ("RMSE, most ratings", "RMSE over the quarter of the users with the most training ratings."),
}
MARK = "≈"
LEGEND = f"{MARK} cannot be told from the best (paired bootstrap over test users, 95 %, Holm's correction)"
HOW = (
    "Runs are compared user by user: a paired bootstrap over test users, 95 %, with Holm's correction because many are "
    "compared with the best."
)
DIVISORS = {"recall": "min", "recall_all": "all"}
DIVISORS_IN_WORDS = {
    "min": "recall (min) divides the hits by the smaller of k and the number of held-out items",
    "all": "recall (all) divides the hits by the number of held-out items",
}
_LOWER_IS_BETTER = {"rmse", "mae", "macro_rmse", "rmse_q1", "rmse_q2", "rmse_q3", "rmse_q4"}
_NEITHER = {"coverage", "novelty", "gini", "popularity_percentile"}


def title(name: str) -> str:
    """Return the title of a metric: "ndcg@100" is "NDCG@100", "recall@20" is "Recall@20 (min)"."""
    kind, _, k = name.partition("@")
    said = METRICS[kind][0] if kind in METRICS else kind
    divisor = f" ({DIVISORS[kind]})" if kind in DIVISORS else ""
    return f"{said}@{k}{divisor}" if k else f"{said}{divisor}"


def meaning(name: str) -> str:
    """Return what a metric means, in one or two sentences."""
    kind, _, k = name.partition("@")
    return METRICS[kind][1].format(k=k) if kind in METRICS else ""


def higher_is_better(name: str) -> bool | None:
    """Return the direction of a metric; None for those that are neither good nor bad (coverage, novelty, Gini)."""
    kind = name.split("@")[0]
    return None if kind in _NEITHER else kind not in _LOWER_IS_BETTER


def divisors(names: list[str]) -> str:
    """Return what the recalls among these metrics are divided by, in words; empty where there is none."""
    there = dict.fromkeys(DIVISORS[kind] for kind in (name.partition("@")[0] for name in names) if kind in DIVISORS)
    return "; ".join(DIVISORS_IN_WORDS[divisor] for divisor in there)
