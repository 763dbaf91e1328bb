"""Runs and titles are found by a few letters, with typing errors; the best match is first."""

from __future__ import annotations

import pytest

from recdash.services import quick_find
from tests.run_helpers import Runs


@pytest.mark.parametrize(
    ("text", "names", "at_least"),
    [
        ("mult vae", "Mult-VAE on demo", 100 - 3),
        ("Mult-VAE on", "Mult-VAE on demo multvae", 100),
        ("vae", "multvae", 90),
        ("recvea", "RecVAE on demo recvae", 60),
        ("godfater", "The Godfather (1972)", 60),
        ("recvae", "a run of RecVAE on demo", 100 - 3),
        ("trian", "Train", 60),
    ],
)
def test_a_word_its_start_and_a_typing_error_are_similar(text: str, names: str, at_least: float) -> None:
    assert quick_find.similarity(text, names) >= at_least


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("zzzzz", "Mult-VAE on demo"),
        ("recvae", "Mult-VAE on demo multvae"),
        ("xq", "RecVAE"),
        ("", "RecVAE"),
        ("!", "a"),
    ],
)
def test_other_words_are_not_similar(text: str, names: str) -> None:
    assert quick_find.similarity(text, names) < quick_find.MIN_SCORE


def test_every_word_has_to_fit() -> None:
    assert quick_find.similarity("recvae ml-20m", "RecVAE on demo") < quick_find.MIN_SCORE


def test_typing_errors_are_guessed_only_if_nothing_fits_as_it_is() -> None:
    exact, part, guess, poor = (quick_find.FoundItem("demo", None, score) for score in (100.0, 90.0, 80.0, 50.0))
    assert quick_find.without_guesses([guess, part, poor, exact]) == [exact, part]
    assert quick_find.without_guesses([poor, guess]) == [guess]


def test_runs_are_found_by_name_model_and_id(runs: Runs) -> None:
    vae, ease = runs.finished("multvae"), runs.finished("ease")
    assert [found.run.id for found in quick_find.find_runs("ease")] == [ease]
    assert quick_find.find_runs("mult-vae")[0].run.id == vae
    assert quick_find.find_runs(vae[-6:])[0].run.id == vae
    assert quick_find.find_runs("nothing like this") == []


def test_without_a_text_active_runs_are_first(runs: Runs) -> None:
    active, ended = runs.running(seed=1), runs.finished("ease")
    assert [found.run.id for found in quick_find.find_runs("")] == [active, ended]


@pytest.mark.slow
def test_titles_are_found_in_several_datasets_once(toy: str) -> None:
    quick_find.load_titles(["demo", toy])
    found = quick_find.find_items("godfater", ["demo", toy])
    assert found[0].item.label == "The Godfather (1972)" and found[0].dataset == "demo"
    twice = quick_find.find_items("godfather", ["demo", "demo"])
    assert len({one.item.label for one in twice}) == len(twice)
    assert "demo" in quick_find.searched_datasets()
