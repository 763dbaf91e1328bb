"""What can be said about a split: read, kept, put in words, and refused where it would change nothing."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.errors import DataError, RecdashError, UsageError
from recdash.splits import PROTOCOLS, make_split
from recdash.splits.split_options import SplitOptions
from tests.toy_data import toy_dataset

NUMBERS = st.one_of(st.integers(-9, 9), st.floats(-9, 9).map(lambda value: round(value, 2)))
OPTIONS = st.builds(
    SplitOptions,
    scale=st.none() | st.tuples(st.integers(-9, 0), st.integers(1, 9)),
    positive_from=st.none() | NUMBERS,
    min_positives=st.none() | st.integers(1, 99),
    ignore_ratings=st.lists(NUMBERS, max_size=3).map(tuple),
    ties=st.sampled_from(["file", "random"]),
)


@given(OPTIONS)
def test_options_survive_json_and_keep_only_what_differs_from_the_usual(options: SplitOptions) -> None:
    kept = json.loads(json.dumps(options.to_dict()))
    assert SplitOptions.from_dict(kept) == options
    assert all(kept[name] != getattr(SplitOptions(), name) for name in kept)
    assert bool(kept) == bool(options.describe()) == (options != SplitOptions())


def test_text_is_read_as_the_command_line_has_it() -> None:
    words: Any = {"scale": "1..5", "ignore_ratings": "99, 0,0"}
    options = SplitOptions(**words)
    assert (options.scale, options.ignore_ratings) == ((1.0, 5.0), (0.0, 99.0))
    assert options.describe() == "scale 1 to 5, ratings of 0 or 99 ignored"


def test_everything_is_said_in_words() -> None:
    options = SplitOptions(positive_from=3.5, min_positives=1000, ties="random")
    assert options.describe() == "positives from 3.5, users with at least 1,000 positives, ties in random order"
    assert SplitOptions().describe() == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"scale": "5..1"}, "5 is not below 1"),
        ({"scale": "many"}, "scale: expected"),
        ({"scale": (1, float("nan"))}, "scale"),
        ({"positive_from": "four"}, "positive_from = 'four' is not a number"),
        ({"min_positives": 0}, "min_positives = 0 is not a whole number"),
        ({"ignore_ratings": "none"}, "ignore_ratings = 'none' is not a number"),
        ({"ties": "id"}, "Unknown tie rule: 'id'"),
        ({"tie": "file"}, "Unknown split option: 'tie'. Did you mean 'ties'"),
    ],
)
def test_what_means_nothing_is_refused_in_one_line(words: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        SplitOptions.from_dict(words)
    assert said in str(caught.value) and "\n" not in str(caught.value)


READ = {
    "strong": {"positive_from", "min_positives"},
    "weak": {"positive_from", "min_positives"},
    "strong-temporal": {"positive_from", "min_positives", "ties"},
    "strong-global-time": {"positive_from", "min_positives", "ties"},
    "published-svae": {"ties"},
    "own": {"positive_from", "ties"},
}
VALUES: dict[str, Any] = {"positive_from": 3, "min_positives": 2, "ties": "random", "scale": (0, 5)}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_option_that_a_protocol_does_not_read_is_refused_and_not_ignored(protocol: str) -> None:
    for name, value in VALUES.items():
        options = SplitOptions(**{name: value})
        if name == "scale" or name in READ.get(protocol, set()):
            options.check(protocol)
            assert options.supported_by(protocol) == options
            continue
        with pytest.raises(UsageError, match=f"^{name}: protocol {protocol} ") as caught:
            options.check(protocol)
        assert "\n" not in str(caught.value)
        assert options.supported_by(protocol) == SplitOptions()
        with pytest.raises(UsageError):
            options.make(toy_dataset(), protocol)


def test_what_the_data_would_do_anyway_gives_the_same_split() -> None:
    data = toy_dataset()
    plain = make_split(data, "strong", seed=3)
    same = SplitOptions(scale=(1, 5), positive_from=4, min_positives=5, ignore_ratings=(0,))
    assert same.make(data, seed=3).fingerprint == plain.fingerprint
    assert SplitOptions(positive_from=3).make(data, seed=3).fingerprint != plain.fingerprint
    later = SplitOptions(ties="random").make(data, "strong-temporal", seed=3)
    assert later.fingerprint == make_split(data, "strong-temporal", seed=3).fingerprint, "there are no ties here"


def test_options_do_what_they_say() -> None:
    data = toy_dataset()
    assert data.ratings is not None
    assert SplitOptions(scale=(-3, 5)).make(data).facts["positive_from"] == 3, "three quarters of the way up the scale"
    few = SplitOptions(ignore_ratings=(5,)).make(data)
    assert few.scale == (1.0, 4.0) and set(np.unique(few.train.values)) == {4.0}
    with pytest.raises(DataError, match="outside the scale 1 to 4"):
        SplitOptions(scale=(1, 4)).make(data)


def test_any_options_end_in_a_split_or_in_one_line() -> None:
    data = toy_dataset(users=130)

    @given(OPTIONS, st.sampled_from(sorted(PROTOCOLS)))
    def check(options: SplitOptions, protocol: str) -> None:
        try:
            options.make(data, protocol)
        except RecdashError as error:
            assert "\n" not in str(error)

    check()
