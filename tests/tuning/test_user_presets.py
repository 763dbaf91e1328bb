"""Presets of the user's own, and the shipped preset `tuned`, which depends on the size of the data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recdash.cli.main import main
from recdash.errors import DataError, UsageError
from recdash.models import registry, tuned_presets, user_presets
from recdash.models.data_shape import DataShape
from recdash.models.user_presets import UserPreset
from recdash.services import compare, options, presets, training_requests
from recdash.services import runs as service
from recdash.training import fit
from tests.run_helpers import Runs
from tests.toy_data import toy_split

SHAPE = DataShape(4534, 3483, 435_180, (1.0, 5.0))
MINE = UserPreset("multvae", "mine", "auto", {"dropout": 0.3, "hidden": (50,)}, {"dataset": "toy", "trials": 12})


def test_a_preset_reads_as_it_was_written_and_is_used_everywhere() -> None:
    path = user_presets.write(MINE)
    assert user_presets.read("multvae", "mine") == MINE and json.loads(path.read_text())["provenance"]["trials"] == 12
    assert registry.presets_of("multvae")[-1] == "mine" and "mine" not in registry.presets_of("ease")
    config = registry.configure("multvae", SHAPE, "mine")
    assert (config.dropout, config.hidden) == (0.3, (50,))
    auto = registry.configure("multvae", SHAPE).to_dict()
    assert {**config.to_dict(), "dropout": auto["dropout"], "hidden": auto["hidden"]} == auto
    assert registry.configure("multvae", SHAPE, "mine", {"dropout": 0.6}).dropout == 0.6
    assert "mine" in next(one for one in options.models() if one.name == "multvae").presets


def test_a_preset_of_another_base() -> None:
    user_presets.write(replace(MINE, base="paper", settings={"dropout": 0.3}))
    paper = registry.configure("multvae", SHAPE, "paper").to_dict()
    assert registry.configure("multvae", SHAPE, "mine").to_dict() == {**paper, "dropout": 0.3}


def test_fit_takes_it_and_other_models_fall_back_to_auto() -> None:
    user_presets.write(MINE)
    record = fit("multvae", toy_split(), preset="mine", epochs=1).record
    assert (record["preset"], record["preset_used"]) == ("mine", "mine")
    with pytest.warns(UserWarning, match="ease has no preset 'mine': auto is used"):
        assert fit("ease", toy_split(), preset="mine").record["preset_used"] == "auto"


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".x", "x" * 61, "a b", "a\n"])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="not a name of a preset"):
        user_presets.write(replace(MINE, name=name))
    assert not user_presets.exists("multvae", name) and not user_presets.is_known(name)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"format": 7}', '{"format": 1, "model": "ease", "base": "auto", "settings": {}}', "\xff", "{}"],
)
def test_a_damaged_file_is_one_line_and_leaves_the_others(content: str) -> None:
    user_presets.write(MINE)
    user_presets.path_of("multvae", "broken").write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match="this preset is damaged") as error:
        registry.configure("multvae", SHAPE, "broken")
    assert "\n" not in str(error.value) and "broken.json" in str(error.value)
    problems = {one.name: one.problem for one in presets.presets("multvae", own_only=True)}
    assert problems["mine"] == "" and "damaged" in problems["broken"]
    assert presets.remove("broken") == ["multvae"] and user_presets.names_of("multvae") == ("mine",)


def test_a_changed_preset_is_another_request(toy: str) -> None:
    def request_hash() -> str:
        return training_requests.build_requests("multvae", toy, preset="mine")[0].request_hash

    user_presets.write(MINE)
    before = request_hash()
    user_presets.write(replace(MINE, settings={"dropout": 0.4}))
    assert request_hash() != before
    user_presets.write(replace(MINE, provenance={}))
    assert request_hash() == before


def test_the_commands_list_show_export_import_and_remove(
    toy: str, call, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    user_presets.write(MINE)
    assert json.loads(call("presets", "list", "--own", "--json")[0])["presets"][0]["settings"]["dropout"] == 0.3
    assert "mine" in call("presets", "list", "--model", "multvae")[0] and "auto" in call("presets")[0]
    shown = call("presets", "show", "mine")[0]
    assert "dropout 0.3" in shown and "trials: 12" in shown
    file = tmp_path / "mine.json"
    call("presets", "export", "mine", "--to", str(file))
    assert "Removed preset mine of multvae" in call("presets", "remove", "mine")[1]
    assert call("presets", "list", "--own")[0].startswith("No own preset")
    call("presets", "import", str(file), "--name", "again")
    assert user_presets.read("multvae", "again").settings == MINE.settings
    for words, found in (
        (["show", "nowhere"], "No model has a preset"),
        (["remove", "paper"], "is a shipped preset"),
        (["export", "paper", "--to", str(tmp_path / "x")], "shipped ones are part of recdash"),
        (["import", str(tmp_path / "nothing.json")], "is no preset"),
        (["import", str(file), "--name", "auto"], "cannot be an own preset"),
        (["save", "x"], "either --study STUDY or --run RUN"),
    ):
        capsys.readouterr()
        assert main(["presets", *words]) != 0
        assert found in (error := capsys.readouterr().err) and error.count("\n") == 1


def test_the_settings_of_a_run_become_a_preset(runs: Runs, call) -> None:
    run_id = runs.finished("multvae", settings={"dropout": 0.2})
    call("presets", "save", "of-run", "--run", run_id)
    saved = user_presets.read("multvae", "of-run")
    assert saved.settings == {"dropout": 0.2} and saved.provenance["run"] == run_id and "trials" not in saved.provenance
    with pytest.raises(UsageError, match="name of a shipped preset"):
        presets.save_from_run(run_id, "paper")


def test_compare_takes_a_preset_by_name(here: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    user_presets.write(UserPreset("ease", "mine", "auto", {"l2": 12.0}, {"trials": 5}))
    assert main(["compare", "--dataset", "toy", "--models", "ease,popularity", "--preset", "mine"]) == 0
    assert "popularity: no preset 'mine', using auto." in capsys.readouterr().err
    found = {run.model: run for run in service.list_runs()}
    assert (found["ease"].config["l2"], found["ease"].trials) == (12.0, 5)
    assert (found["popularity"].details["preset_used"], found["popularity"].trials) == ("auto", None)
    assert compare.find_runs(compare.requests("toy", "ease", preset="mine")).missing == ()


@pytest.fixture
def tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    """EASE with settings found on data of two sizes."""
    own = registry._preset_file
    entries = [
        {"data": "a", "shapes": [[6040, 3706, 1_000_209], [4534, 3483, 435_180]], "settings": {"l2": 111.0},
         "provenance": {"trials": 8}},
        {"data": "b", "shapes": [[943, 1682, 100_000], [700, 1300, 40_000]], "settings": {"l2": 222.0}},
    ]  # fmt: skip

    def with_tuned(name: str) -> Mapping[str, Any]:
        return {**own(name), "tuned": entries} if name == "ease" else own(name)

    monkeypatch.setattr(registry, "_preset_file", with_tuned)


@pytest.mark.parametrize(
    ("shape", "l2"),
    [
        (DataShape(6040, 3706, 1_000_209), 111.0),  # the whole dataset, which forms and plans read
        (DataShape(4534, 3460, 436_000), 111.0),  # the training part of another split seed
        (DataShape(943, 1682, 100_000), 222.0),
        (DataShape(4534, 3483, 500_000), 500.0),  # 15% more interactions: other data, so `auto`
        (DataShape(50, 50, 500), 500.0),
    ],
)
def test_tuned_is_chosen_by_the_size_of_the_data(tuned: None, shape: DataShape, l2: float) -> None:
    assert registry.configure("ease", shape, "tuned").to_dict()["l2"] == l2
    assert registry.preset_used("ease", "tuned", shape) == ("auto" if l2 == 500 else "tuned")
    assert registry.preset_provenance("ease", "tuned", shape).get("trials") == (8 if l2 == 111 else None)
    assert (registry.preset_digest("ease", "tuned", shape) == "") == (l2 == 500)


def test_fit_says_that_tuned_is_auto_for_data_of_another_size(tuned: None) -> None:
    with pytest.warns(UserWarning, match="ease has no preset 'tuned': auto is used"):
        assert fit("ease", toy_split(), preset="tuned").config.l2 == 500


@pytest.mark.parametrize("name", registry.names())
def test_every_shipped_entry_of_tuned_has_its_origin_and_valid_settings(name: str) -> None:
    for entry in tuned_presets.parse(registry._preset_file(name).get("tuned")):
        needed = {"dataset_fingerprint", "protocol", "split_seed", "trials", "metric", "validation", "versions"}
        assert needed <= set(entry.provenance) and entry.data and entry.shapes
        for users, items, interactions in entry.shapes:
            shape = DataShape(users, items, interactions, (1.0, 5.0))
            assert registry.tuned_for(name, shape) == entry
            registry.configure(name, shape, "tuned")
