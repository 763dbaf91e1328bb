"""The filter of the runs sidebar: what it leaves, its errors, its speed; and its regular expressions."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recdash.analysis import run_filter
from recdash.analysis.run_filter import Context, FilterError
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State

NOW = 1_800_000_000.0  # 15 January 2027
TITLES = {"recvae": "RecVAE", "multvae": "Mult-VAE", "ease": "EASE", "autorec": "AutoRec"}


def run(run_id: str, model: str = "multvae", **fields: Any) -> RunRecord:
    given = {
        "name": f"{TITLES[model]} on ml-1m", "dataset": "ml-1m", "protocol": "strong", "state": State.FINISHED,
        "preset": "auto", "settings": {}, "seed": 0, "split_seed": 1, "device": "cpu", "created": NOW - 86400.0,
        "details": {"title": TITLES[model]}, "split_fingerprint": "f00d",
    }  # fmt: skip
    return RunRecord(**{"id": run_id, "model": model, **given, **fields})


RUNS = [
    run("r-recvae", "recvae", metrics={"ndcg@100": 0.41, "recall@20": 0.3}, best_value=0.42, tags=("new", "my tag"),
        config={"latent": 200, "epochs": 50, "hidden": [600, 200], "gamma": 0.005, "anneal": None}, epochs=50, seed=1,
        runtime_s=1800.0),
    run("r-mult", metrics={"ndcg@100": 0.39}, best_value=0.4, tags=("old",), note="Learning rate too high",
        config={"latent": 600, "epochs": 100, "hidden": [], "tied": True}, epochs=100, seed=10, runtime_s=7200.0,
        created=NOW - 10 * 86400.0),
    run("r-ease", "ease", dataset="/data/My Books", split_fingerprint="beef", metrics={"ndcg@100": 0.4}),
    run("r-auto", "autorec", protocol="ratings-90", state=State.FAILED, name='Odd "name" (v2)',
        details={"unstable_epoch": 3}, split_fingerprint=""),
    run("r-live", "recvae", state=State.RUNNING, preset="fast", epoch=3, epochs=20, settings={"latent": 50},
        archived=NOW),
]  # fmt: skip
CONTEXT = Context(
    pinned=("r-ease",), shown=("r-mult",), now=NOW, groups={one.id: (one.split_fingerprint,) for one in RUNS}
)


def left(query: str) -> set[str]:
    """The matching runs, without "r-"."""
    found = run_filter.parse(query, run_filter.setting_names(RUNS))
    return {one.id[2:] for one in RUNS if found.matches(one, CONTEXT)}


ALL = {"recvae", "mult", "ease", "auto", "live"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ALL),
        ("recvae", {"recvae", "live"}),
        ("MULT-vae", {"mult"}),
        ("rate high", {"mult"}),
        ('"high rate"', set()),
        ('"my tag"', {"recvae"}),
        ("model:rec", {"recvae", "live"}),
        ("model:mult-v", {"mult"}),
        ('model:"rec"', set()),
        ("model=rec", set()),
        ("model=RecVAE", {"recvae", "live"}),
        ("model:ease,autorec", {"ease", "auto"}),
        ("data:my dataset:my", {"ease"}),
        ("dataset=ml-1m", ALL - {"ease"}),
        ("protocol:ratings", {"auto"}),
        ("state:active", {"live"}),
        ("state:failed,running", {"auto", "live"}),
        ('tag:"my tag"', {"recvae"}),
        ("tag:ne,ol", {"recvae", "mult"}),
        ("name:(", None),
        ('name:"(v2)"', {"auto"}),
        ("seed:1", {"recvae"}),
        ("seed=0,10", ALL - {"recvae"}),
        ("ndcg@100>0.39", {"recvae", "ease"}),
        ("ndcg@100 >= 0.39", {"recvae", "mult", "ease"}),
        ("ndcg@100:>=40%", {"recvae", "ease"}),
        ("-ndcg@100>0.39", {"mult", "auto", "live"}),
        ("ndcg@100!=0.4", ALL - {"ease"}),
        ("ndcg@100=0.4", {"ease"}),
        ("best<=0.4", {"mult"}),
        ("epochs<=50", {"recvae", "live"}),
        ("latent=200", {"recvae"}),
        ("latent:50,600", {"mult", "live"}),
        ("latent<300 -state:running", {"recvae"}),
        ("hidden=600-200", {"recvae"}),
        ("hidden:600", {"recvae"}),
        ("hidden=none", {"mult"}),
        ("anneal=off", {"recvae"}),
        ("tied:yes", {"mult"}),
        ("time<1h", {"recvae"}),
        ("time>=120min", {"mult"}),
        ("created<7d", ALL - {"mult"}),
        ("created>1w", {"mult"}),
        ("created>2027-01-10", ALL - {"mult"}),
        ("created:2027-01-14", ALL - {"mult"}),
        ("unstable:yes", {"auto"}),
        ("pinned:yes or shown:yes", {"ease", "mult"}),
        ("archived:no", ALL - {"live"}),
        ("group:r-mult", {"recvae", "mult", "live"}),
        ("-(ease or autorec) not live", {"recvae", "mult"}),
        ("model:ease or model:recvae best>0.3", {"ease", "recvae"}),
        ("(ease OR recvae) and best>0", {"recvae"}),
        ("--recvae", {"recvae", "live"}),
        ("name:/^mult.*1m$/", {"mult"}),
        (r"/v\d/", {"auto"}),
        ("not-a-model", set()),
        ("or-", set()),
    ],
)  # fmt: skip
def test_a_filter_leaves_the_runs_that_it_describes(query: str, expected: set[str] | None) -> None:
    if expected is None:
        with pytest.raises(FilterError):
            left(query)
    else:
        assert left(query) == expected


@pytest.mark.parametrize(
    ("query", "message", "position"),
    [
        ("recvae modle:ease", 'Unknown field "modle". Did you mean model?', 7),
        ("latnt>3", 'Unknown field "latnt". Did you mean latent?', 0),
        ("model:", 'A value is missing after "model:"', 6),
        ("epochs>many", 'epochs is compared with a number, found "many"', 7),
        ("model>3", "model is not a number. Use model:value", 0),
        ("time<3y", '"3y" is not a time. Write 30s, 5min, 2h, 7d or 1w', 5),
        ("archived:maybe", 'archived is yes or no, found "maybe"', 9),
        ("ease (recvae", "This parenthesis is not closed. Add )", 5),
        ("ease)", "Unexpected ). Remove it or open a parenthesis", 4),
        ('"ease', 'This quotation mark is not closed. Add "', 0),
        ("ease or", "Expected a condition. Add one or remove what precedes", 7),
        ("name:/a(/", "Invalid regular expression: missing )", 6),
        ("name:/a", "This regular expression is not closed. Add /", 5),
        ("latent:/2/", '"latent" is not a text field.', 0),
        ("> 3", "Unexpected >. Write a field before it, or quote it", 0),
        ("(" * 30, "Too many nested conditions. Simplify the filter", 20),
        ("a" * 501, "The filter is longer than 500 characters. Shorten it", 500),
    ],
)  # fmt: skip
def test_an_error_is_one_line_that_names_the_character(query: str, message: str, position: int) -> None:
    with pytest.raises(FilterError) as raised:
        left(query)
    text = str(raised.value)
    assert text.startswith(message) and text.endswith(f"(character {position + 1}).") and "\n" not in text
    assert raised.value.position == position


def test_archived_runs_are_left_out_unless_asked_for() -> None:
    ids = [one.id for one in run_filter.filter_runs("", RUNS)]
    assert ids == ["r-recvae", "r-mult", "r-ease", "r-auto"]
    assert [one.id for one in run_filter.filter_runs("archived:yes", RUNS)] == ["r-live"]
    assert len(run_filter.filter_runs("", RUNS, archived=True)) == 5
    assert [one.id for one in run_filter.filter_runs("pinned:yes", RUNS, pinned=["r-ease"])] == ["r-ease"]
    assert {one.id for one in run_filter.filter_runs("group:r-mult", RUNS)} == {"r-recvae", "r-mult"}


def test_every_example_of_the_help_is_a_valid_filter() -> None:
    for example, _ in run_filter.HELP:
        for part in example.split("  "):
            run_filter.parse(part, {"latent", "epochs"})


PIECES = st.sampled_from(
    ["(", ")", "-", "not ", "or ", " ", '"', "/", ":", "<", ">", "=", "!=", ",", "model", "name", "latent", "ndcg@100",
     "created", "time", "archived", "group", "7d", "0.3", "nan", "1e999", "x", "[", "*", "+", "\\", "{2,}", "\n", "\0"]
)  # fmt: skip
QUERIES = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map("".join))


@settings(max_examples=120, deadline=None)
@given(QUERIES)
def test_any_text_is_a_filter_or_a_declared_error(query: str) -> None:
    try:
        found = run_filter.parse(query)
    except FilterError as error:
        assert str(error).isprintable() and 0 <= error.position <= len(query)
    else:
        assert all(found.matches(one, CONTEXT) in (True, False) for one in RUNS)


@settings(max_examples=100, deadline=None)
@given(QUERIES)
def test_negation_is_the_complement(query: str) -> None:
    try:
        found, opposite = run_filter.parse(query), run_filter.parse(f"-({query})")
    except FilterError:
        return
    if query.strip():
        assert all(found.matches(one, CONTEXT) != opposite.matches(one, CONTEXT) for one in RUNS)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a?){50}" + "a{50}", ".*a.*b.*c.*d.*e", "((((a*)*)*)*)*b"])
def test_patterns_that_ruin_backtracking_answer_at_once(pattern: str) -> None:
    long = run("r-1", note="a" * 4000)
    started = time.perf_counter()
    run_filter.filter_runs(f"note:/{pattern}/", [long])
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("pattern", ["(", "a**", "[b-a]", "(?=a)", r"\1", "((a{900}){900}){900}"])
def test_invalid_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(FilterError, match="Invalid regular expression"):
        run_filter.parse(f"name:/{pattern}/")


def test_five_hundred_runs_are_filtered_in_milliseconds() -> None:
    many = [
        run(f"r-{number}", seed=number, config={"latent": number}, metrics={"ndcg@100": number / 1000})
        for number in range(500)
    ]
    best = 1.0
    for _ in range(5):
        started = time.perf_counter()
        found = run_filter.filter_runs("vae model:mult ndcg@100>0.4 -latent=450 name:/1m$/", many)
        best = min(best, time.perf_counter() - started)
    assert len(found) == 98 and best < 0.05, best
