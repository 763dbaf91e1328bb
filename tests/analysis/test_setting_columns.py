"""Settings that differ: first those in which runs of one model differ."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from recdash.analysis.setting_columns import differing_settings, settings_of


def run(model: str, **config: Any) -> Any:
    return SimpleNamespace(model=model, preset="auto", config=config, settings={}, options={}, seed=0)


def test_settings_that_differ_within_a_model_come_before_those_between_models() -> None:
    runs = [
        run("multvae", latent=200, dropout=0.5, learning_rate=1e-3, hidden=[600]),
        run("multvae", latent=50, dropout=0.5, learning_rate=1e-3, hidden=[600]),
        run("multdae", latent=200, dropout=0.5, learning_rate=3e-3, hidden=[600]),
    ]
    assert differing_settings(runs) == (["latent"], ["learning_rate"])
    assert differing_settings(runs[:1]) == ([], [])


def test_the_setting_that_most_runs_vary_in_comes_first() -> None:
    runs = [run("a", x=1, y=1), run("a", x=2, y=1), run("b", y=1), run("b", y=2), run("b", y=3)]
    assert differing_settings(runs)[0] == ["y", "x"]


def test_split_options_and_the_preset_count_and_the_seed_does_not() -> None:
    one, two = run("a", x=1), run("a", x=1)
    two.options, two.seed, two.preset = {"positive_from": 4.0}, 5, "fast"
    assert settings_of(two) == {"preset": "fast", "x": 1, "split positive_from": 4.0}
    within, _ = differing_settings([one, two])
    assert within == ["preset"]
