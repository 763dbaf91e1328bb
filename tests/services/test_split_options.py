"""Split options of a request are part of its record, its tables and its next training."""

from __future__ import annotations

import json

import numpy as np
import pytest

from recdash import paths
from recdash.analysis import groups, seeds
from recdash.analysis.run_labels import run_labels
from recdash.cli.main import main
from recdash.data.dataset import Dataset
from recdash.errors import DataError, SplitError, UsageError
from recdash.reporting import render
from recdash.runs.run_records import Request
from recdash.runs.states import State
from recdash.services import compare, datasets, launch, report, results, tie_warnings, training_requests
from recdash.services import runs as service
from recdash.splits.split_options import SplitOptions
from tests.splits.test_event_order import days_of

LIKED_3 = SplitOptions(positive_from=3)


@pytest.fixture
def days(here: list[str]) -> str:
    """The name of a data set in which every event is tied; no ratings."""
    days_of(1).save(paths.data_dir() / "sets" / "days")
    return "days"


@pytest.fixture
def stars(here: list[str]) -> str:
    """The name of a data set with ratings of 0 for "not rated" in one row of eleven."""
    rng, rows = np.random.default_rng(2), []
    for user in range(120):
        rows += [(user, item, rating) for item, rating in zip(rng.permutation(40)[:11], [0, *[4, 5] * 5], strict=True)]
    users, items, ratings = (np.array(column) for column in zip(*rows, strict=True))
    data = Dataset.build("stars", users=users, items=items, ratings=ratings.astype(float), times=None, source="a test")
    data.save(paths.data_dir() / "sets" / "stars")
    return "stars"


def test_requests_without_options_are_those_of_earlier_versions_and_others_are_not() -> None:
    usual = {"model": "ease", "dataset": "toy", "dataset_fingerprint": "f00d", "settings": {"l2": 2.0}, "seed": 3}
    plain = Request(**usual)
    assert plain.request_hash == Request(**usual, options={}).request_hash == "f814a56124ce9bab1a5f2573"
    assert plain.request_hash != Request(**usual, options={"positive_from": 3}).request_hash


def test_a_run_is_trained_with_its_options_and_keeps_them(here: list[str]) -> None:
    (run,) = launch.train(training_requests.build_requests("popularity", "toy", options=LIKED_3))
    done = service.find(run.id)
    assert done.state is State.FINISHED and done.options == {"positive_from": 3.0}
    assert done.details["split"]["positive_from"] == 3.0
    assert done.split_fingerprint == LIKED_3.make(_toy(), "strong").fingerprint
    assert json.loads(json.dumps(done.to_dict()))["options"] == {"positive_from": 3.0}
    again = service.find(launch.retry(done.id).id)
    assert again.options == done.options and again.split_fingerprint == done.split_fingerprint


def test_a_stopped_run_goes_on_with_its_options(waiting: list[str]) -> None:
    (run,) = launch.train(training_requests.build_requests("popularity", "toy", options=LIKED_3))
    launch.stop(run.id)
    assert launch.resume(run.id).options == {"positive_from": 3.0}


def test_comparing_finds_only_runs_with_the_same_options(here: list[str]) -> None:
    compare.start(compare.requests("toy", "popularity"))
    other = compare.requests("toy", "popularity", options=LIKED_3)
    assert compare.find_runs(other).runs == (None,)
    compare.start(other)
    (found,) = compare.find_runs(other).runs
    assert found is not None and found.options == {"positive_from": 3.0}
    (plain,) = compare.find_runs(compare.requests("toy", "popularity")).runs
    assert plain is not None and plain.options == {}


def test_options_that_change_the_split_give_separate_tables_with_a_reason(here: list[str]) -> None:
    for options in (None, LIKED_3, SplitOptions(positive_from=4)):
        launch.train(training_requests.build_requests("popularity", "toy", options=options))
    found = results.groups()
    assert sorted(len(group.rows) for group in found) == [1, 2], "4 is what counts as liked anyway"
    (apart,) = (group for group in found if len(group.rows) == 1)
    assert "The runs use different split options: positives from 4, positives from 3." in groups.why_not_comparable(
        found
    )
    said = results.export([apart], "table")
    assert "ratings of 3 or more are positives, split options: positives from 3" in said
    assert ["positives from 3" in text for text in _reports(found)] == [True, True, True]
    assert [row.to_dict()["options"] for row in apart.rows] == [{"positive_from": 3.0}]
    assert len(set(run_labels([row.run for row in next(g for g in found if len(g.rows) == 2).rows]).values())) == 2


def test_means_over_seeds_are_of_one_choice_of_options(here: list[str]) -> None:
    launch.train(training_requests.build_requests("popularity", "toy", split_seed=1))
    launch.train(training_requests.build_requests("popularity", "toy", split_seed=2, options=LIKED_3))
    assert seeds.seed_tables(results.groups()) == []
    launch.train(training_requests.build_requests("popularity", "toy", split_seed=3, options=LIKED_3))
    (table,) = seeds.seed_tables(results.groups())
    assert table.split_seeds == (2, 3)


def test_models_of_several_protocols_share_the_options_out(here: list[str]) -> None:
    asked = SplitOptions(positive_from=3, scale=(0, 5))
    ranking, rating = training_requests.build_requests("ease,bias", "toy", options=asked)
    assert (ranking.protocol, ranking.options) == ("strong", {"positive_from": 3.0, "scale": [0.0, 5.0]})
    assert (rating.protocol, rating.options) == ("ratings-90", {"scale": [0.0, 5.0]})
    with pytest.raises(UsageError, match="ties: protocol strong does not use the time order"):
        training_requests.build_requests("ease,bias", "toy", options=SplitOptions(ties="random"))


@pytest.mark.parametrize(
    ("options", "protocol", "error", "said"),
    [
        (LIKED_3, "ratings-90", UsageError, "positive_from: protocol ratings-90 predicts all ratings"),
        (LIKED_3, "published-svae", UsageError, "uses the filter of its published table"),
        (SplitOptions(ties="random"), "strong", UsageError, "strong-temporal"),
        (SplitOptions(scale=(1, 4)), "strong", DataError, "ratings are outside the scale 1 to 4, the first is 5"),
        (SplitOptions(ignore_ratings=(1, 2, 3, 4, 5)), "strong", DataError, "all ratings are ignored"),
    ],
)
def test_what_would_fail_later_is_refused_before_anything_is_queued(
    waiting: list[str], options: SplitOptions, protocol: str, error: type[Exception], said: str
) -> None:
    model = "bias" if protocol == "ratings-90" else "ease"
    with pytest.raises(error, match=said) as caught:
        training_requests.build_requests(model, "toy", protocol=protocol, options=options)
    assert "\n" not in str(caught.value) and not service.list_runs()


def test_a_scale_or_a_threshold_for_data_without_ratings_is_refused(days: str) -> None:
    with pytest.raises(UsageError, match="scale: days has no ratings"):
        training_requests.build_requests("ease", days, options=SplitOptions(scale=(1, 5)))
    with pytest.raises(UsageError, match="every row is a positive"):
        training_requests.build_requests("ease", days, options=LIKED_3)
    with pytest.raises(SplitError, match="learns from ratings"):
        training_requests.build_requests("bias", days)


def test_ratings_that_mean_not_rated_are_left_out_of_training(stars: str) -> None:
    (run,) = launch.train(
        training_requests.build_requests("bias", stars, options=SplitOptions(ignore_ratings=(0,), scale=(1, 5)))
    )
    done = service.find(run.id)
    assert done.state is State.FINISHED, done.error
    facts = done.details["split"]
    assert facts["train_ratings"] + facts["validation_ratings"] + facts["test_ratings"] == 120 * 10
    assert done.dataset_fingerprint == training_requests.data_entry(stars).fingerprint, "of the data as they are kept"


def test_the_facts_of_a_protocol_follow_the_options(here: list[str]) -> None:
    assert datasets.split_facts("toy", "strong", options=LIKED_3)["positive_from"] == 3.0


def test_the_command_line_takes_them_and_runs_show_prints_them(stars: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--scale", "1..5", "--positive-from", "5", "--min-positives", "2", "--ignore-rating", "0"]
    assert main(["train", "popularity", "--dataset", stars, *words, "--ignore-rating", "9,8", "--json"]) == 0
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    expected = {"scale": [1.0, 5.0], "positive_from": 5.0, "min_positives": 2, "ignore_ratings": [0.0, 8.0, 9.0]}
    assert document["runs"][0]["options"] == document["results"][0]["options"] == expected
    assert main(["runs", "show", document["runs"][0]["id"]]) == 0
    assert "positive_from 5, min_positives 2, ignore_ratings [0, 8, 9]" in capsys.readouterr().out
    assert main(["compare", "--models", "popularity", "--dataset", stars, *words, "--ignore-rating", "9,8"]) == 0
    assert "Already trained" in capsys.readouterr().err
    assert main(["results", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["splits"][0]["options"] == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scale", "5..1"], "5 is not below 1"),
        (["--ignore-rating", "none"], "is not a number"),
        (["--min-positives", "0"], "min_positives = 0"),
        (["--ties", "id"], "--ties"),
        (["--ties", "random"], "protocol strong does not use the time order"),
    ],
)
def test_usage_errors_are_one_line_and_exit_status_2(
    here: list[str], capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["train", "popularity", "--dataset", "toy", *words]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


class TestTies:
    """What is said of ties, before a training and wherever its figures are."""

    tied = "100% of the interactions have the same time as another one of the same user"

    def test_before_a_training_starts(self, days: str, capsys: pytest.CaptureFixture[str]) -> None:
        temporal = training_requests.build_requests("popularity", days, protocol="strong-temporal")
        (said,) = tie_warnings.warnings_for(temporal)
        assert said.startswith(f"days: {self.tied}; they are kept in file order if")
        asked = training_requests.build_requests(
            "ease", days, protocol="strong-temporal", options=SplitOptions(ties="random")
        )
        assert tie_warnings.warnings_for(asked) == [f"days: {self.tied}; they are ordered at random by the split seed."]
        assert tie_warnings.warnings_for(training_requests.build_requests("popularity,ease", days)) == []
        assert main(["train", "popularity", "--dataset", days, "--protocol", "strong-temporal", "--detach"]) == 0
        assert said in capsys.readouterr().err
        assert main(["compare", "--models", "popularity", "--dataset", days, "--protocol", "strong-temporal"]) == 0
        assert said in capsys.readouterr().err

    def test_of_a_model_that_reads_the_order_under_any_protocol(self, days: str) -> None:
        wanted = training_requests.build_requests(
            "svae", days, settings={"epochs": 1, "embedding": 8, "recurrent": 8, "hidden_width": 8, "latent": 4}
        )
        said = f"{self.tied}; sequence models read them in item id order."
        assert tie_warnings.warnings_for(wanted) == [f"days: {said}"]
        (run,) = launch.train(wanted)
        done = service.find(run.id)
        assert done.state is State.FINISHED, done.error
        assert done.warnings == [said] and done.remarks == [
            "100% of the interactions tied in time, read in item id order"
        ]
        launch.train(training_requests.build_requests("popularity", days))
        assert "100% of the interactions tied in time, read in item id order: SVAE" in results.export(
            results.groups(), "table"
        )

    def test_in_tables_documents_and_reports(self, days: str, capsys: pytest.CaptureFixture[str]) -> None:
        launch.train(training_requests.build_requests("popularity", days, protocol="strong-temporal"))
        (group,) = results.groups()
        (run,) = (row.run for row in group.rows)
        assert run.remarks == ["100% of the interactions tied in time"]
        (full,) = run.warnings
        assert full.startswith(f"{self.tied}; they are ordered at random by the split seed.") and full.endswith(
            "split seeds."
        )
        for form in ("table", "md", "latex"):
            assert results.export([group], form).count(full) == 1
        assert all(full in text for text in _reports([group]))
        capsys.readouterr()
        assert main(["results"]) == 0
        assert f"{group.label}: {full}" in capsys.readouterr().err
        assert main(["results", "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["splits"][0]["warning"] == full == document["results"][0]["warnings"][0]
        assert main(["runs", "list", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["runs"][0]["warnings"] == [full]

    def test_nothing_where_there_are_none(self, here: list[str]) -> None:
        wanted = training_requests.build_requests("popularity", "toy", protocol="strong-temporal")
        assert tie_warnings.warnings_for(wanted) == []
        (run,) = launch.train(wanted)
        assert service.find(run.id).warnings == service.find(run.id).remarks == []


def _toy() -> Dataset:
    return Dataset.load(paths.data_dir() / "sets" / "toy")


def _reports(found: list[groups.Group]) -> list[str]:
    return [render.render(report.from_groups(found), form) for form in ("html", "md", "latex")]
