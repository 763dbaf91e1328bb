"""Presets: `tuned` is taken for every model and says when it is `auto`; any other that a model lacks is refused."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import pytest

from recdash.errors import UsageError
from recdash.models import registry
from recdash.models.data_shape import DataShape
from recdash.training import fit
from tests.toy_data import toy_split

SHAPE = DataShape(500, 80, 9000, (1.0, 5.0))


@pytest.fixture
def tuned_ease(monkeypatch: pytest.MonkeyPatch) -> None:
    """EASE as if somebody had searched for its settings."""
    own = registry._preset_file

    def with_tuned(name: str) -> Mapping[str, dict[str, Any]]:
        return {**own(name), "tuned": {"l2": 123.0}} if name == "ease" else own(name)

    monkeypatch.setattr(registry, "_preset_file", with_tuned)


@pytest.mark.parametrize("name", registry.names())
def test_a_model_without_a_tuned_preset_does_not_offer_one_and_takes_auto(name: str) -> None:
    if "tuned" in registry.presets_of(name):
        pytest.skip("somebody has searched for its settings")
    assert registry.preset_used(name, "tuned") == "auto"
    assert registry.configure(name, SHAPE, "tuned") == registry.configure(name, SHAPE, "auto")


def test_a_tuned_preset_that_is_there_is_offered_and_used(tuned_ease: None) -> None:
    assert "tuned" in registry.presets_of("ease") and "tuned" not in registry.presets_of("multvae")
    assert registry.preset_used("ease", "tuned") == "tuned"
    assert registry.configure("ease", SHAPE, "tuned").to_dict()["l2"] == 123.0


def test_settings_given_by_name_win_over_the_preset_that_stands_in() -> None:
    assert registry.configure("ease", SHAPE, "tuned", {"l2": 9.0}).to_dict()["l2"] == 9.0


@pytest.mark.parametrize("preset", ["best", "tuned ", ""])
def test_any_other_preset_is_refused(preset: str) -> None:
    with pytest.raises(UsageError, match="Unknown preset of ease"):
        registry.configure("ease", SHAPE, preset)


def test_fit_says_which_preset_it_used() -> None:
    with pytest.warns(UserWarning, match="ease has no preset 'tuned': auto is used"):
        record = fit("ease", toy_split(), preset="tuned").record
    assert (record["preset"], record["preset_used"]) == ("tuned", "auto")


def test_fit_says_nothing_about_a_preset_that_is_there(tuned_ease: None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for preset in ("auto", "tuned"):
            record = fit("ease", toy_split(), preset=preset).record
            assert (record["preset"], record["preset_used"]) == (preset, preset)
