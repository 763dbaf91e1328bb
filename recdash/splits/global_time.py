"""One cut in time: nothing that happened after a date is learned from, and users active after it are held out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recdash.data.dataset import Dataset
from recdash.data.histories import Histories
from recdash.data.time_ties import TieRule
from recdash.errors import SplitError
from recdash.splits.event_order import in_order
from recdash.splits.split import HeldOut, Split
from recdash.splits.strong import FEWEST_TO_SCORE, TARGETS, by_users, held_out_size, liked, positive_threshold


def global_time(
    dataset: Dataset,
    *,
    protocol: str,
    seed: int,
    held_out_users: int | None,
    positive_from: float | None,
    min_positives: int,
    ties: TieRule = "file",
) -> Split:
    """Split users by the date of their last positive: the latest are for testing, those before them for validation.

    Each held-out part begins at the date at which the first of its users ended. A held-out history is read up to its
    last fifth; of that fifth, what came at that date or later has to be found and the rest is read too.  No training
    user has a positive after the first of the two dates.  Nothing is drawn but the order of events at the same time
    (`ties`), so the seed changes nothing else.
    Raises SplitError for data without dates, or with too few users.
    """
    if dataset.times is None or dataset.time_kind != "dates":
        what = "no time column" if dataset.times is None else "an order but no dates"
        raise SplitError(f"{dataset.name} has {what}, so there is no date to cut at. Use protocol 'strong'.")
    threshold = positive_threshold(dataset, positive_from)
    histories = in_order(dataset, ties, seed)
    positives = liked(histories, threshold)
    when = dataset.times[np.lexsort((dataset.times, dataset.users))]
    if threshold is not None and histories.values is not None:
        when = when[histories.values >= threshold]
    eligible = np.flatnonzero(positives.counts >= max(1, min_positives))
    size = held_out_size(dataset, len(eligible), held_out_users, min_positives)
    last = when[positives.indptr[1:][eligible] - 1]
    by_date = np.lexsort((eligible, last))
    users, last = eligible[by_date], last[by_date]
    cuts = {"validation_from": int(last[-2 * size]), "test_from": int(last[-size])}

    begins = np.full(len(positives), np.iinfo(np.int64).max)
    begins[users[-2 * size : -size]], begins[users[-size:]] = cuts["validation_from"], cuts["test_from"]
    known = np.isin(positives.items, positives.take(users[: -2 * size]).items)
    late = np.bincount(positives.row_of[known & (when >= begins[positives.row_of])], minlength=len(positives))
    late_of = {dataset.user_ids[user]: int(late[user]) for user in users[-2 * size :].tolist()}

    def fold(histories: Histories, user_ids: tuple[str, ...]) -> HeldOut:
        out = np.zeros(histories.n_entries, np.bool_)
        for user_id, start, count in zip(user_ids, histories.indptr, histories.counts, strict=False):
            if count >= FEWEST_TO_SCORE:
                out[start + count - min(int(TARGETS * count), late_of[user_id]) : start + count] = True
        return HeldOut(histories.keep(~out), histories.keep(out), user_ids)

    split = by_users(
        dataset,
        histories,
        users,
        protocol=protocol,
        seed=seed,
        size=size,
        threshold=threshold,
        fold=fold,
        ties=dataset.tie_rule(ties),
    )
    return replace(split, facts={**split.facts, **{name: cut // dataset.ticks for name, cut in cuts.items()}})
