"""Sweeps: lists and ranges as text, and the grid of runs that they make."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.errors import RecdashError, UsageError
from recdash.models import registry
from recdash.runs.run_records import Request
from recdash.services import sweeps
from recdash.settings import Setting, settings_of


def declared(name: str, model: str = "multvae") -> Setting:
    return next(one for one in settings_of(registry.model_class(model).config_class) if one.name == name)


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("latent", "64, 128, 256", (64, 128, 256)),
        ("latent", "64;128;64", (64, 128)),  # repetitions count once
        ("latent", "64, 100..300 step 100", (64, 100, 200, 300)),
        ("latent", "2..5", (2, 3, 4, 5)),
        ("latent", "1..1000 log 4", (1, 10, 100, 1000)),
        ("latent", "1..4 log 9", (1, 2, 3, 4)),  # whole numbers, once each
        ("beta_cap", "0.1..0.5 step 0.1", (0.1, 0.2, 0.3, 0.4, 0.5)),  # decimals: no 0.30000000000000004
        ("beta_cap", "0..1 step 0.4", (0.0, 0.4, 0.8)),
        ("learning_rate", "1e-4..1e-2 log 5", (1e-4, 0.0003162, 1e-3, 0.003162, 1e-2)),
        ("learning_rate", "1E-3", (1e-3,)),
        ("hidden", "none, 600, 600-200", ((), (600,), (600, 200))),
        ("initial", "xavier, uniform", ("xavier", "uniform")),
        ("anneal_updates", "off, 1000", (None, 1000)),
    ],
)
def test_a_list_or_range_gives_these_values(name: str, text: str, values: tuple[object, ...]) -> None:
    assert sweeps.parse_values(declared(name), text) == values


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("latent", "", "no values"),
        ("latent", "64, a lot", "whole number"),
        ("latent", "0, 64", "outside"),
        ("latent", "8..2", "starts above its end"),
        ("latent", "2..8 step 0.5", "step of 0.5"),
        ("latent", "2..8 step 0", "step of 0"),
        ("latent", "1..20000", "at most 200"),
        ("latent", "2..8 by 2", "not a range"),
        ("beta_cap", "0..1", "no step"),
        ("beta_cap", "0..1 log 3", "above 0"),
        ("beta_cap", "0.1..1 log 1", "at least 2"),
        ("beta_cap", "0..11 step 1", "outside"),
        ("beta_cap", "1e999..1e9999 log 3", "out of range"),
        ("initial", "1..3", "no number"),
        ("initial", "xavier, normal", "none of"),
    ],
)
def test_what_is_no_list_is_refused_in_one_line(name: str, text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as found:
        sweeps.parse_values(declared(name), text)
    assert "\n" not in str(found.value) and name in str(found.value)


@given(st.text(alphabet="0123456789.,-+eE steplog;", max_size=30), st.sampled_from(["latent", "beta_cap", "hidden"]))
def test_any_text_gives_valid_values_or_a_one_line_error(text: str, name: str) -> None:
    setting = declared(name)
    try:
        values = sweeps.parse_values(setting, text)
    except RecdashError as error:
        assert "\n" not in str(error)
    else:
        assert values and all(setting.problem(value) is None for value in values)
        assert len(set(values)) == len(values)


@given(st.integers(2, 40), st.floats(1e-6, 1.0), st.floats(1.5, 1e4))
def test_a_log_range_has_its_ends_and_equal_ratios(n_values: int, low: float, ratio: float) -> None:
    high = min(low * ratio, 9.99)
    values = sweeps.parse_values(declared("learning_rate"), f"{low!r}..{high!r} log {n_values}")
    assert values[0] == low and values[-1] == high
    if len(values) == n_values:  # four digits may make neighbours equal
        expected = (high / low) ** (1 / (n_values - 1))
        ratios = [after / before for before, after in itertools.pairwise(values)]
        assert all(math.isclose(found, expected, rel_tol=2e-3) for found in ratios)


def test_the_grid_has_every_combination_and_each_model_takes_the_settings_it_has() -> None:
    grid = sweeps.parse(["multvae", "ease"], {"latent": "8, 16", "beta_cap": "0.1, 0.2, 0.3", "l2": "1, 10"})
    of_vae = sweeps.combinations("multvae", grid)
    assert len(of_vae) == 6 and of_vae[1] == {"latent": 8, "beta_cap": 0.2}
    assert sweeps.combinations("ease", grid) == [{"l2": 1.0}, {"l2": 10.0}]
    assert sweeps.combinations("popularity", grid) == [{}]  # trained once
    assert sweeps.count(["multvae", "ease", "popularity"], grid, seeds=3) == 3 * (6 + 2 + 1)


def test_a_setting_that_no_model_has_is_refused() -> None:
    with pytest.raises(UsageError, match=r"latnet.*Did you mean 'latent'"):
        sweeps.parse(["multvae"], {"latnet": "8"})


def test_options_of_the_command_line_are_read() -> None:
    assert sweeps.parse_options(["multvae"], ["latent=8,16", " beta_cap = 0.1"]) == {
        "latent": (8, 16),
        "beta_cap": (0.1,),
    }
    for wrong, why in ((["latent"], "not NAME=VALUES"), (["latent=8", "latent=9"], "given twice")):
        with pytest.raises(UsageError, match=why):
            sweeps.parse_options(["multvae"], wrong)


def test_two_hundred_runs_are_the_most() -> None:
    sweeps.check_count(sweeps.MAX_RUNS)
    with pytest.raises(UsageError, match=r"has 1,000 runs; at most 200 .* Give fewer"):
        sweeps.check_count(1000)


def test_the_requests_of_a_sweep_are_checked_named_and_all_different(toy: str) -> None:
    from recdash.services import training_requests

    bases = training_requests.build_requests(["multvae", "ease"], toy, settings={"beta_cap": 0.3})
    found = sweeps.of_requests(bases, {"latent": (8, 16)}, [1, 2])
    assert len(found) == 6 and len({one.request_hash for one in found}) == 6
    vae = [one for one in found if one.model == "multvae"]
    assert [dict(one.settings) for one in vae[:2]] == [{"beta_cap": 0.3, "latent": 8}, {"beta_cap": 0.3, "latent": 16}]
    assert vae[0].name == "Mult-VAE on toy, seed 1, latent 8"
    assert {one.name for one in found if one.model == "ease"} == {"EASE on toy, seed 1", "EASE on toy, seed 2"}


def test_each_setting_of_a_sweep_is_checked_once_for_all_seeds(toy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from recdash.services import training_requests

    bases = training_requests.build_requests(["multvae", "ease"], toy)
    checked = [
        training_requests.checked_request(replace(base, seed=seed, name="")) for seed in (0, 3) for base in bases
    ]
    calls: list[Request] = []
    check = training_requests.checked_request

    def counted(request: Request) -> Request:
        calls.append(request)
        return check(request)

    monkeypatch.setattr(training_requests, "checked_request", counted)
    assert sweeps.of_requests(bases, {}, [0, 3]) == checked and not calls
    assert len(sweeps.of_requests(bases, {"latent": (8, 16)}, [0, 3])) == 6
    assert [call.settings for call in calls] == [{"latent": 8}, {"latent": 16}]
    with pytest.raises(UsageError, match="seed"):
        sweeps.of_requests(bases, {}, [-1])


def test_a_name_never_exceeds_the_limit() -> None:
    long = sweeps.named(Request(model="multvae", dataset="x", name="n" * 110), {"learning_rate": 0.001})
    assert len(long.name) <= 120


def test_tags_of_sweeps_are_short_and_differ_by_token() -> None:
    assert sweeps.tag_of({"beta_cap": (1,), "latent": (1,)}, "3f9cab") == "sweep-beta-cap-latent-3f9c"
    assert sweeps.tag_of(dict.fromkeys("abcd", (1,)), "ffff00") == "sweep-4-settings-ffff"
