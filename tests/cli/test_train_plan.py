"""recdash train --dry-run, --sweep and --force."""

from __future__ import annotations

import json

import pytest

from recdash import devices
from recdash.cli.main import main
from recdash.runs.store import Store


def test_a_dry_run_prints_the_plan_and_starts_nothing(
    toy: str, store: Store, waiting: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "multvae", "ease", "--dataset", toy, "--sweep", "latent=8,16", "--dry-run"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "Mult-VAE on toy, latent 8" in printed and "3 runs, " in printed and "Memory: " in printed
    assert main([*command, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["n_runs"] == 3 and [run["settings"] for run in plan["runs"]] == [{"latent": 8}, {"latent": 16}, {}]
    assert not store.runs() and not waiting


def test_a_sweep_queues_tagged_runs(
    toy: str, store: Store, waiting: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "multvae", "--dataset", toy, "--sweep", "latent=8..16 step 8", "--sweep", "beta_cap=0.1,0.2"]
    assert main([*command, "--epochs", "2", "--detach"]) == 0
    runs = store.runs()
    assert len(runs) == 4 and {run.epochs for run in runs} == {2}
    ((tag,),) = {run.tags for run in runs}
    assert tag in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sweep", "why"),
    [
        ("latent=8,x", "whole number"),
        ("latent", "NAME=VALUES"),
        ("l2=1,2", "Known: "),
        ("latent=1..300", "at most 200"),
    ],
)
def test_a_wrong_sweep_is_a_usage_error(
    toy: str, store: Store, capsys: pytest.CaptureFixture[str], sweep: str, why: str
) -> None:
    assert main(["train", "multvae", "--dataset", toy, "--sweep", sweep, "--detach"]) == 2
    assert why in capsys.readouterr().err and not store.runs()


def test_what_will_not_fit_is_refused_unless_forced(
    toy: str, store: Store, waiting: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(devices, "available_bytes", lambda device: 1 << 20)
    command = ["train", "multvae", "--dataset", toy, "--detach"]
    assert main([*command, "--dry-run"]) == 2
    assert "needs about" in capsys.readouterr().err
    assert main(command) == 2 and not store.runs()
    assert "--force" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0 and len(store.runs()) == 1


def test_data_that_cannot_be_split_are_refused_before_a_run_is_queued(
    toy: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.services.test_training_plan import save_small

    save_small(60)
    assert main(["train", "ease", "--dataset", "few", "--force"]) != 0
    assert "needs 100" in capsys.readouterr().err and not store.runs()
