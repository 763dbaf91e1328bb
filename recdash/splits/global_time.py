"""Split by one date: models are trained on users who ended before it and tested on users active after it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recdash.data.dataset import Dataset
from recdash.data.histories import Histories
from recdash.data.time_ties import TieRule
from recdash.errors import SplitError
from recdash.splits.event_order import time_ordered
from recdash.splits.split import EvaluationPart, Split
from recdash.splits.strong import (
    HELD_OUT_SHARE,
    MIN_SCORED_HISTORY,
    n_held_out_users,
    positive_threshold,
    select_positives,
    split_by_user,
)


def split_global_time(
    dataset: Dataset,
    *,
    protocol: str,
    seed: int,
    held_out_users: int | None,
    positive_from: float | None,
    min_positives: int,
    ties: TieRule = "file",
) -> Split:
    """Split users by the date of their last positive: the latest for testing, those before them for validation.

    A held-out part starts at the date of the earliest last positive among its users. Of each held-out history, events
    of the last fifth that are not before this date are held out; everything else is fold-in. No training user has a
    positive after the start of the validation part.

    Args:
        dataset: Data to split.
        protocol: Name recorded in the split.
        seed: Seed of the order of events at the same time (`ties`); nothing else is random.
        held_out_users: Users per held-out part; default: see `n_held_out_users`.
        positive_from: Lowest rating that counts as a positive; default: that of the dataset.
        min_positives: Fewest positives of an eligible user.
        ties: Rule that orders events of one user at the same time.

    Raises:
        SplitError: The dataset has no dates or too few users.
    """
    if dataset.times is None or dataset.time_kind != "dates":
        found = "no time column" if dataset.times is None else "an order but no dates"
        raise SplitError(f"{dataset.name} has {found}, but this protocol splits by date. Use protocol 'strong'.")
    threshold = positive_threshold(dataset, positive_from)
    histories = time_ordered(dataset, ties, seed)
    positives = select_positives(histories, threshold)
    when = dataset.times[np.lexsort((dataset.times, dataset.users))]
    if threshold is not None and histories.values is not None:
        when = when[histories.values >= threshold]
    eligible = np.flatnonzero(positives.counts >= max(1, min_positives))
    size = n_held_out_users(dataset, len(eligible), held_out_users, min_positives)
    last = when[positives.indptr[1:][eligible] - 1]
    by_date = np.lexsort((eligible, last))
    users, last = eligible[by_date], last[by_date]
    starts = {"validation_from": int(last[-2 * size]), "test_from": int(last[-size])}

    start_of = np.full(len(positives), np.iinfo(np.int64).max)  # (users,) start of the part of each held-out user
    start_of[users[-2 * size : -size]], start_of[users[-size:]] = starts["validation_from"], starts["test_from"]
    known = np.isin(positives.items, positives.take(users[: -2 * size]).items)
    late = np.bincount(positives.row_of[known & (when >= start_of[positives.row_of])], minlength=len(positives))
    late_of = {dataset.user_ids[user]: int(late[user]) for user in users[-2 * size :].tolist()}

    def hold_out(histories: Histories, user_ids: tuple[str, ...]) -> EvaluationPart:
        held_out = np.zeros(histories.n_entries, np.bool_)
        for user_id, start, count in zip(user_ids, histories.indptr, histories.counts, strict=False):
            if count >= MIN_SCORED_HISTORY:
                held_out[start + count - min(int(HELD_OUT_SHARE * count), late_of[user_id]) : start + count] = True
        return EvaluationPart(histories.select(~held_out), histories.select(held_out), user_ids)

    split = split_by_user(
        dataset,
        histories,
        users,
        protocol=protocol,
        seed=seed,
        size=size,
        threshold=threshold,
        hold_out=hold_out,
        ties=dataset.tie_rule(ties),
    )
    return replace(split, facts={**split.facts, **{name: start // dataset.ticks for name, start in starts.items()}})
