"""`recdash tune`, and that nothing but a search imports Optuna."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from recdash.cli.main import main
from recdash.models import user_presets
from recdash.services import tuning
from recdash.services.store_access import open_store

ROOT = Path(__file__).resolve().parents[2]
EASE = ["tune", "ease", "--dataset", "toy", "--space", "l2=log:1..1000", "--sampler", "random"]


def document(out: str):
    """The JSON document; before it stands what workers in the test process print."""
    return json.loads(out.splitlines()[-1])


def test_a_search_prints_its_space_its_cost_and_the_winner(here: list[str], call) -> None:
    out, err = call(*EASE, "--trials", "3", "--save-preset", "mine")
    assert "ease-toy (random): " in err and "l2=log:1..1000" in err and "Cost: 3 trials" in err
    assert "best of 3 trials on validation" in out and "on the test part, read once" in out
    assert "Saved preset mine of ease" in err and user_presets.read("ease", "mine").provenance["trials"] == 3
    (study,) = document(call(*EASE, "--trials", "4", "--json")[0])["studies"]
    assert (study["n_tried"], len(study["trials_listed"]), study["state"]) == (4, 4, "complete")
    assert study["best"]["run"] in here and study["test"]["ndcg@100"] > 0


def test_list_show_and_remove(here: list[str], call) -> None:
    assert call("tune", "--list")[0].startswith("No study yet")
    call(*EASE, "--trials", "2")
    assert "ease-toy" in call("tune", "--list")[0]
    assert json.loads(call("tune", "--list", "--json")[0])["studies"][0]["model"] == "ease"
    assert "2 trials" in call("tune", "--show", "ease-toy")[0]
    call("tune", "--remove", "ease-toy")
    assert tuning.studies() == [] and len(open_store().runs()) == 2


def test_a_dry_run_starts_nothing(waiting: list[str], call) -> None:
    out, _ = call(*EASE, "--trials", "3", "--dry-run", "--json")
    assert json.loads(out)["plan"]["trials"] == 3 and tuning.studies() == [] and open_store().runs() == []


def test_all_models_get_the_same_number_of_trials(waiting: list[str], call) -> None:
    out, _ = call("tune", "--models", "all", "--dataset", "toy", "--trials", "4", "--dry-run", "--json")
    studies = {one["model"]: one for one in json.loads(out)["studies"]}
    assert {"ease", "multvae", "bias", "autorec", "popularity"} <= set(studies)
    assert {one["trials"] for one in studies.values()} == {4}
    assert studies["bias"]["protocol"] == "ratings-90" and studies["ease"]["protocol"] == "strong"


def test_a_grid_and_a_file_of_values_need_no_optuna(here: list[str], call, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)  # importing it fails
    out, _ = call("tune", "ease", "--dataset", "toy", "--sampler", "grid", "--space", "l2=choice:10,100", "--json")
    (study,) = document(out)["studies"]
    assert [trial["params"] for trial in study["trials_listed"]] == [{"l2": 500.0}, {"l2": 10.0}, {"l2": 100.0}]
    file = tmp_path / "hyper.test"
    file.write_text("l2 choice [20,200]\n")
    words = ["--space-file", str(file), "--sampler", "random", "--study", "of-file", "--json"]
    (study,) = document(call("tune", "ease", "--dataset", "toy", *words)[0])["studies"]
    assert study["space"] == {"l2": "choice:20.0,200.0"} and study["n_tried"] == 3


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["ease"], "--dataset is missing"),
        (["--dataset", "toy"], "name at least one model"),
        (["easy", "--dataset", "toy"], "Unknown model"),
        (["ease", "--dataset", "toy", "--trials", "0"], "whole number from 1 to 1000"),
        (["ease", "--dataset", "toy", "--trials", "x"], "not a whole number"),
        (["ease", "--dataset", "toy", "--minutes", "0"], "is no time"),
        (["ease", "--dataset", "toy", "--workers", "0"], "--workers 0"),
        (["ease", "--dataset", "toy", "--space", "l2"], "not NAME=VALUES"),
        (["ease", "--dataset", "toy", "--space", "l3=1..2"], "Unknown EASEConfig setting"),
        (["ease", "--dataset", "toy", "--space", "l2=5..1"], "does not end above its start"),
        (["ease", "--dataset", "toy", "--space", "l2=1..5", "--set", "l2=3"], "both set and searched"),
        (["ease", "--dataset", "toy", "--sampler", "magic"], "Unknown sampler"),
        (["ease", "--dataset", "toy", "--pruning", "magic"], "Unknown pruning rule"),
        (["ease", "--dataset", "toy", "--study", "../x"], "not a name of a study"),
        (["ease", "--dataset", "toy", "--preset", "magic"], "Unknown preset"),
        (["--show", "nowhere"], "Unknown study"),
        (["--stop", "nowhere"], "Unknown study"),
        (["--remove", "nowhere"], "Unknown study"),
    ],
)
def test_a_usage_error_is_one_line(toy: str, capsys: pytest.CaptureFixture[str], words: list[str], found: str) -> None:
    assert main(["tune", *words]) == 2
    error = capsys.readouterr().err
    assert found in error and error.count("\n") == 1, error


def test_optuna_is_imported_by_one_module_and_that_one_on_demand() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "recdash").rglob("*.py")}
    assert [name for name, text in texts.items() if re.search(r"^\s*(import|from) optuna", text, re.M)] == ["tpe.py"]
    at_the_top = r"^(import recdash\.tuning\.tpe|from recdash\.tuning(\.tpe)? import .*)"
    assert [
        name for name, text in texts.items() if any("tpe" in found[0] for found in re.finditer(at_the_top, text, re.M))
    ] == []


@pytest.mark.slow
def test_the_app_and_the_help_import_no_optuna() -> None:
    program = """
import importlib, pkgutil, sys
sys.modules["optuna"] = None
import recdash
from recdash.cli import main
for package in ("cli", "services", "ui", "runs"):
    root = importlib.import_module(f"recdash.{package}")
    for found in pkgutil.walk_packages(root.__path__, f"recdash.{package}."):
        importlib.import_module(found.name)
assert main.main(["--help"]) == 0 and main.main(["tune", "--help"]) == 0
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
