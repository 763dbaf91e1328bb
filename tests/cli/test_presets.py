"""`--preset tuned` on the command line."""

from __future__ import annotations

import pytest

from recdash.cli.main import main
from recdash.services import compare
from recdash.services import runs as service


@pytest.mark.parametrize("words", [["train", "ease", "popularity"], ["compare", "--models", "ease,popularity"]])
def test_tuned_falls_back_to_auto_and_reports_it(
    words: list[str], here: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--dataset", "toy", "--preset", "tuned"]) == 0
    assert "ease, popularity: no preset 'tuned', using auto.\n" in capsys.readouterr().err
    for run in service.list_runs():
        assert (run.preset, run.details["preset_used"]) == ("tuned", "auto")


def test_an_existing_preset_is_not_reported(here: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "popularity", "--dataset", "toy"]) == 0
    assert "no preset" not in capsys.readouterr().err
    assert service.list_runs()[0].details["preset_used"] == "auto"


def test_a_run_with_tuned_is_found_again(here: list[str]) -> None:
    compare.start(compare.requests("toy", "ease", preset="tuned"))
    assert compare.find_runs(compare.requests("toy", "ease", preset="tuned")).missing == ()
