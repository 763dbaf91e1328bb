"""Progress of runs and of reproduced cells: lines in a log, bars on a terminal."""

from __future__ import annotations

import pytest

from recdash.cli import progress
from recdash.cli.progress import Progress, ProgressBars, ProgressLines


def at(epoch: int, status: str = "running", *, key: str = "a", note: str | None = None, done: bool = False) -> Progress:
    return Progress(key, f"Model {key}", f"{key} {status}", epoch, 3, note, done)


def test_a_log_has_one_line_for_each_change_of_status(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ProgressLines()
    for one in (at(0, "queued"), at(0, "queued"), at(1), at(0, key="b"), at(2), at(3, "finished")):
        lines.show(one)
    lines.close()
    out, err = capsys.readouterr()
    assert out == "" and err.splitlines() == ["a queued", "a running", "b running", "a finished"]


def test_bars_show_epochs_and_the_note(capsys: pytest.CaptureFixture[str]) -> None:
    bars = ProgressBars()
    bars.show(at(0, note="queued"))
    bars.show(at(2, note="running, best 0.4182"))
    bars.close()
    out, err = capsys.readouterr()
    assert out == "" and "Model a" in err and "2/3 epochs, running, best 0.4182" in err


def test_a_bar_without_a_note_shows_the_time_and_ends_with_its_task(capsys: pytest.CaptureFixture[str]) -> None:
    bars = ProgressBars()
    bars.show(at(1))
    bars.show(at(3, done=True))
    bars.show(at(3, key="never shown", done=True))
    assert bars._bars == {}
    assert "1/3 epochs [00:00<" in capsys.readouterr().err


@pytest.mark.parametrize(("is_terminal", "kind"), [(True, ProgressBars), (False, ProgressLines)])
def test_bars_are_for_terminals(is_terminal: bool, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: is_terminal)
    assert isinstance(progress.progress_display(), kind)
