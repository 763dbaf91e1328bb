"""Presets of all models: listed, shown, saved from a study or a run, exported and removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash.atomic_files import wrap_read_errors, write_json
from recdash.errors import DataError, UsageError
from recdash.json_values import json_object
from recdash.models import registry, user_presets
from recdash.models.data_shape import DataShape
from recdash.models.user_presets import UserPreset
from recdash.services import training_requests, tuning_studies
from recdash.services.store_access import open_store, refuse_when_read_only

if TYPE_CHECKING:
    from recdash.runs.run_records import RunRecord

SHIPPED_BASES = tuple(name for name in registry.PRESETS if name != "tuned")


@dataclass(frozen=True)
class PresetInfo:
    """One preset of one model, for lists.

    Attributes:
        model: Name of the model.
        name: Name of the preset.
        is_own: Whether it is the user's own, in contrast to a shipped one.
        settings: What it changes; for `auto` and `tuned`, which depend on the data, empty.
        provenance: Where the settings of an own preset come from.
        problem: Why its file cannot be read, or "".
    """

    model: str
    name: str
    is_own: bool
    settings: Mapping[str, Any]
    provenance: Mapping[str, Any]
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the preset as JSON values."""
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in self.settings.items()}
        return {**vars(self), "settings": plain, "provenance": dict(self.provenance)}


def default_name(study: str) -> str:
    """Return the name of the preset that is saved from a study without a name, such as "recvae-ml-100k-tuned"."""
    return f"{study}-tuned"


def presets(model: str | None = None, *, own_only: bool = False) -> list[PresetInfo]:
    """Return the presets of one model or of all; a damaged file is listed with its problem."""
    found = []
    for name in registry.names() if model is None else [model]:
        for preset in registry.presets_of(name):
            if preset not in registry.PRESETS or not own_only:
                found.append(info(name, preset))
    return found


def info(model: str, name: str) -> PresetInfo:
    """Return one preset; raises UsageError if the model has none of this name."""
    if name in registry.PRESETS and name in registry.presets_of(model):
        changes = registry.shipped_changes(model, name)
        return PresetInfo(model, name, False, changes, {})
    try:
        own = user_presets.read(model, name)
    except DataError as error:
        return PresetInfo(model, name, True, {}, {}, str(error))
    return PresetInfo(model, name, True, {"base": own.base, **own.settings}, own.provenance)


def models_with(name: str) -> list[str]:
    """Return the models that have a preset of this name; raises UsageError if none has."""
    found = [model for model in registry.names() if name in registry.presets_of(model)]
    if not found:
        raise UsageError(f"No model has a preset {name!r}. See `recdash presets list`.")
    return found


def save_from_study(study: str, name: str | None = None) -> UserPreset:
    """Save the settings of the best trial of a study as a preset, in place of an own one of the same name.

    Args:
        study: Name of the study.
        name: Name of the preset; by default that of `default_name`.

    Raises:
        UsageError: The study is unknown or has no complete trial, or the name cannot be one.
    """
    refuse_when_read_only("saved")
    spec = tuning_studies.read(study)
    trials = tuning_studies.trials_of(spec)
    best = tuning_studies.best_of(spec, trials)
    if best is None or best.run is None:
        raise UsageError(f"Study {study} has no complete trial yet. Continue it: recdash tune {spec.model} ...")
    of_preset = next((trial.value for trial in trials if trial.number == 0), None)
    searched = {"study": study, "trials": tuning_studies.count_tried(trials), "trial": best.number}
    return _save(best.run, name or default_name(study), {**searched, "first_trial_validation": of_preset})


def save_from_run(run_id: str, name: str) -> UserPreset:
    """Save the settings of a run as a preset.

    Raises:
        UsageError: The run is unknown, holds only curves of another program, or the name cannot be one.
    """
    refuse_when_read_only("saved")
    run = open_store().run(run_id)
    training_requests.request_of(run)  # raises for imported curves
    return _save(run, name, {} if run.trials is None else {"trials": run.trials})


def import_file(file: Path, name: str | None = None) -> UserPreset:
    """Save a preset that `export` wrote; `name` replaces its name.

    Raises:
        UsageError: The name cannot be one, or the model or a setting is unknown.
        DataError: The file cannot be read.
    """
    refuse_when_read_only("saved")
    with wrap_read_errors(file, DataError, "Export it again: recdash presets export NAME --to FILE.", "is no preset"):
        values = json_object(file.read_text(encoding="utf-8"))
        own = user_presets.parse(values, str(values.get("model")), str(name or values.get("name")))
    if user_presets.checked_name(own.name) in registry.PRESETS or own.base not in SHIPPED_BASES:
        raise UsageError(f"{file}: {own.name!r} cannot be an own preset. Give another name with --name.")
    registry.model_class(own.model).config_class.checked(own.settings)
    user_presets.write(own)
    return own


def remove(name: str, model: str | None = None) -> list[str]:
    """Delete an own preset of one model, or of every model that has it; returns the models.

    Raises:
        UsageError: There is none, or it is a shipped one.
    """
    refuse_when_read_only("removed")
    if name in registry.PRESETS:
        raise UsageError(f"{name} is a shipped preset and cannot be removed. Own presets: recdash presets list --own.")
    models = models_with(name) if model is None else [model]
    for one in models:
        user_presets.remove(one, name)
    return models


def export(name: str, file: Path, model: str | None = None) -> Path:
    """Write an own preset to a JSON file, which `import_file` reads.

    Raises:
        UsageError: There is none of this name, or several models have one and none is named.
        DataError: Its file is damaged, or the new file cannot be written.
    """
    models = [one for one in models_with(name) if user_presets.exists(one, name)] if model is None else [model]
    if len(models) != 1:
        reason = f"{', '.join(models)} have one: choose with --model" if models else "shipped ones are part of recdash"
        raise UsageError(f"Preset {name!r} cannot be exported: {reason}.")
    try:
        write_json(file, user_presets.read(models[0], name).to_dict())
    except OSError as error:
        raise DataError(f"{file}: cannot be written ({error.strerror}). Name another file.") from error
    return file


def _save(run: RunRecord, name: str, provenance: Mapping[str, Any]) -> UserPreset:
    if user_presets.checked_name(name) in registry.PRESETS:
        raise UsageError(f"{name} is the name of a shipped preset. Choose another one.")
    base, settings = run.preset, {key: _plain(value) for key, value in run.settings.items()}
    if base not in SHIPPED_BASES:
        settings, base = {**_settings_of_preset(run), **settings}, _base_of(run)
    own = UserPreset(run.model, name, base, settings, {**_provenance(run), **provenance})
    registry.model_class(run.model).config_class.checked(own.settings)  # of this version
    user_presets.write(own)
    return own


def _settings_of_preset(run: RunRecord) -> dict[str, Any]:
    """Return what a preset that is not a base itself changes: an own one, or `tuned`."""
    if run.preset == "tuned":
        tuned = registry.tuned_for(run.model, _shape(run))
        return dict(tuned.settings) if tuned else {}
    return dict(user_presets.read(run.model, run.preset).settings)


def _base_of(run: RunRecord) -> str:
    return "auto" if run.preset == "tuned" else user_presets.read(run.model, run.preset).base


def _shape(run: RunRecord) -> DataShape:
    users, items, interactions = (run.details.get(name) or 1 for name in ("users", "items", "interactions"))
    return DataShape(users, items, interactions)


def _provenance(run: RunRecord) -> dict[str, Any]:
    from recdash import __version__  # lazy: nothing else needs the version here

    return {
        "run": run.id,
        "dataset": run.dataset,
        "dataset_fingerprint": run.dataset_fingerprint,
        "protocol": run.protocol,
        "split_seed": run.split_seed,
        "seed": run.seed,
        "validation": dict(run.validation),
        "test": {name: run.metrics[name] for name in run.validation if name in run.metrics},
        "best_epoch": run.best_epoch,
        "versions": {"recdash": __version__, **run.versions},
        "saved": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
