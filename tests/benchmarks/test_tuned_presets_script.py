"""The script that searches for the shipped preset `tuned`: it continues where it stopped and writes what it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import recdash
from benchmarks import tuned_presets
from recdash.models import registry
from recdash.models.data_shape import DataShape
from recdash.models.tuned_presets import nearest, parse
from tests.toy_data import toy_dataset


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three trials on the toy data in place of the demo; results and presets in a folder of this test."""
    monkeypatch.setattr(recdash, "load_dataset", lambda name: toy_dataset())
    monkeypatch.setattr(tuned_presets, "N_TRIALS", {"demo": 3})
    monkeypatch.setattr(tuned_presets, "FOLDER", tmp_path / "tuning")
    monkeypatch.setattr(tuned_presets, "PRESETS", tmp_path)
    monkeypatch.setattr(tuned_presets, "conditions", lambda: {"versions": {"torch": "x"}, "when": "now"})
    (tmp_path / "ease.json").write_text('{"paper": {"l2": 500.0}}')
    return tmp_path


def rows(folder: Path, model: str = "ease") -> list[dict]:
    return [json.loads(line) for line in (folder / "tuning" / "demo" / f"{model}.jsonl").read_text().splitlines()]


def test_trials_are_stored_continued_and_written_into_the_presets(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    monkeypatch.setattr(tuned_presets, "N_TRIALS", {"demo": 2})
    tuned_presets.search_dataset("demo", ["ease", "popularity"], None)
    first = rows(small)
    assert [row["trial"] for row in first] == [0, 1] and first[0]["params"]["l2"] == 500.0
    monkeypatch.setattr(tuned_presets, "N_TRIALS", {"demo": 3})
    tuned_presets.write_presets(["demo"], ["ease"])
    assert "tuned" not in json.loads((small / "ease.json").read_text()), "only complete searches are shipped"
    tuned_presets.search_dataset("demo", ["ease", "popularity"], None)
    found = rows(small)
    assert found[:2] == first and len(found) == 3 and len(rows(small, "popularity")) == 1
    tuned_presets.write_presets(["demo"], ["ease", "popularity"])
    presets = json.loads((small / "ease.json").read_text())
    assert presets["paper"] == {"l2": 500.0}
    (entry,) = presets["tuned"]
    best = max(found, key=lambda row: row["value"])
    assert entry["settings"] == (best["params"] if best["trial"] else {})
    assert entry["provenance"]["trials"] == 3 and entry["provenance"]["validation"] == pytest.approx(
        best["value"], abs=1e-6
    )
    shape = DataShape(*best["shapes"][1])
    assert nearest(parse(presets["tuned"]), shape) is not None


def test_a_trial_that_the_deadline_stops_is_continued_to_the_same_result(small: Path, monkeypatch) -> None:
    settings = {"epochs": 4, "hidden": (), "latent": 8, "batch_size": 40, "averaging": 0.0}
    own = registry.configure
    monkeypatch.setattr(registry, "configure", lambda n, s, p="auto", g=None: own(n, s, p, {**settings, **(g or {})}))
    monkeypatch.setattr(tuned_presets, "N_TRIALS", {"demo": 1})
    tuned_presets.search_dataset("demo", ["multvae"], None)
    (whole,) = rows(small, "multvae")
    (small / "tuning" / "demo" / "multvae.jsonl").unlink()
    clock = iter(range(10_000))
    monkeypatch.setattr(tuned_presets.time, "monotonic", lambda: next(clock))
    sittings = 0
    while sittings < 60 and not (small / "tuning" / "demo" / "multvae.jsonl").exists():
        sittings += 1
        tuned_presets.search_dataset("demo", ["multvae"], next(clock) + 8.0)
    (parts,) = rows(small, "multvae")
    assert sittings > 1, "it took several sittings"
    assert parts["curve"] == whole["curve"] and parts["value"] == whole["value"]
