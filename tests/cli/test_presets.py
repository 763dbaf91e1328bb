"""`--preset tuned` on the command line."""

from __future__ import annotations

import pytest

from recdash.cli.main import main
from recdash.services import compare
from recdash.services import runs as service


@pytest.mark.parametrize("words", [["train", "ease", "popularity"], ["compare", "--models", "ease,popularity"]])
def test_tuned_trains_with_auto_and_says_so(
    words: list[str], here: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--dataset", "toy", "--preset", "tuned"]) == 0
    assert "No preset 'tuned' for ease, popularity: auto is used.\n" in capsys.readouterr().err
    for run in service.listing():
        assert (run.preset, run.details["preset_used"]) == ("tuned", "auto")


def test_nothing_is_said_where_the_preset_is_there(here: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "popularity", "--dataset", "toy"]) == 0
    assert "No preset" not in capsys.readouterr().err
    assert service.listing()[0].details["preset_used"] == "auto"


def test_what_is_trained_with_tuned_counts_when_it_is_asked_for_again(here: list[str]) -> None:
    compare.start(compare.requests("toy", "ease", preset="tuned"))
    assert compare.look(compare.requests("toy", "ease", preset="tuned")).missing == ()
