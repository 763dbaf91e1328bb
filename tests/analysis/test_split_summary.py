"""The line under a table describes the parts of its split, what counts as liked, the options, and ties."""

from __future__ import annotations

from typing import Any

from recdash.analysis import split_summary
from recdash.analysis.groups import Group


def group(options: dict[str, Any] | None = None, **facts: Any) -> Group:
    return Group(
        dataset="toy", protocol="strong", task="ranking", split_seed=1, split_fingerprint="s", facts=facts, rows=(),
        options=options or {},
    )  # fmt: skip


def test_nothing_recorded_is_nothing_shown() -> None:
    assert split_summary.describe(group()) == ""


def test_parts_are_counted_and_all_users_only_without_training_users() -> None:
    assert (
        split_summary.describe(group(train_users=2233, users=3000, items=1297)) == "2,233 training users, 1,297 items"
    )
    assert split_summary.describe(group(users=3000, items=1297)) == "3,000 users, 1,297 items"


def test_the_threshold_of_a_positive_is_a_rating_or_every_row() -> None:
    assert split_summary.describe(group(positive_from=4.0)) == "ratings of 4 or more are positives"
    assert split_summary.describe(group(positive_from="every row")) == "every row is a positive"


def test_split_options_and_ties_are_named() -> None:
    said = split_summary.describe(group({"positive_from": 3.0}, items=10, tied_share=0.5, ties="file"))
    assert said.startswith("10 items, split options: positives from 3. 50%")
    assert split_summary.tie_warning(group(tied_share=0.5, ties="file")) in said
    assert split_summary.tie_warning(group(tied_share=0.001)) == ""
