"""Text output of commands for people: labels instead of field names, and notes that name the option to add."""

from __future__ import annotations

import re
from typing import Any

from recdash.services import launch, training_requests


def test_data_show_prints_labels_and_formatted_values(call: Any, demo_cache: Any) -> None:
    out = call("data", "show", "demo")[0]
    values = dict(re.split(r" {2,}", line, maxsplit=1) for line in out.splitlines())
    assert values["Users"] == "3,000" and values["Generated"] == "yes"
    assert re.fullmatch(r"[\d.]+ to [\d.]+", values["Rating scale"])
    assert re.fullmatch(r"\d+\.\d%", values["Interactions of the top 10% of items"])
    assert values["First event"] < values["Last event"]
    assert "_" not in "".join(values)


def test_runs_show_prints_no_internal_fields(call: Any, here: Any) -> None:
    (run,) = launch.train(training_requests.build_requests(["popularity"], "toy"))
    names = {line.split(" ")[0] for line in call("runs", "show", run.id)[0].splitlines()}
    assert {"id", "model", "metrics", "versions"} <= names
    assert not names & {"twin", "request_hash", "heartbeat", "version", "intervals"}


def test_a_list_that_needs_a_pick_names_the_option(call: Any, here: Any) -> None:
    launch.train(training_requests.build_requests(["ease"], "toy"))
    out, err = call("recommend", "--dataset", "toy", "--model", "ease")
    assert "add at least one --pick TITLE" in out and "needs at least one pick" not in out + err


def test_a_score_drop_is_named_in_full(call: Any, here: Any) -> None:
    call("train", "multvae", "--dataset", "toy", "--epochs", "1")
    out = call("recommend", "--dataset", "toy", "--model", "multvae", "--pick", "7", "--pick", "8", "--why")[0]
    assert "score drop without the pick: " in out
