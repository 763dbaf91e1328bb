"""Registry of the models; each is imported on first use."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash.atomic_files import wrap_read_errors
from recdash.errors import CheckpointError, unknown_name
from recdash.models import tuned_presets, user_presets
from recdash.models.data_shape import DataShape

if TYPE_CHECKING:
    import torch

    from recdash.models.base import Model
    from recdash.settings import Config

_CLASSES = {
    "random": "random:Random",
    "popularity": "popularity:Popularity",
    "itemknn": "itemknn:ItemKNN",
    "rp3beta": "rp3beta:RP3beta",
    "ials": "ials:IALS",
    "ease": "ease:EASE",
    "sparse_ease": "sparse_ease:SparseEASE",
    "elsa": "elsa:ELSA",
    "cdae": "cdae:CDAE",
    "multdae": "multdae:MultDAE",
    "multvae": "multvae:MultVAE",
    "recvae": "recvae:RecVAE",
    "svae": "svae:SVAE",
    "bias": "bias:Bias",
    "autorec": "autorec:AutoRec",
    "deeprec": "deeprec:DeepRec",
}
PRESETS = ("auto", "paper", "published", "tuned", "fast")


def names() -> tuple[str, ...]:
    """Return the names of all models, baselines first."""
    return tuple(_CLASSES)


@cache
def model_class(name: str) -> type[Model]:
    """Return the class of a model; raises UsageError for an unknown name."""
    if name not in _CLASSES:
        raise unknown_name("model", name, _CLASSES)
    module, attribute = _CLASSES[name].split(":")
    loaded: type[Model] = getattr(import_module(f"recdash.models.{module}"), attribute)
    return loaded


def presets_of(name: str) -> tuple[str, ...]:
    """Return the presets of a model: the shipped ones, then the user's own."""
    model_class(name)
    shipped = tuple(preset for preset in PRESETS if preset == "auto" or preset in _preset_file(name))
    return shipped + tuple(own for own in user_presets.names_of(name) if own not in PRESETS)


def preset_used(name: str, preset: str, shape: DataShape | None = None) -> str:
    """Return the preset that a model uses for a requested one.

    It is `auto` in place of `tuned` for a model, or for data of a size, that nobody searched settings for, and in
    place of a preset that the user has for other models only.

    Args:
        name: Model name.
        preset: Name of the preset.
        shape: Size of the data; None for data of any size.

    Raises:
        UsageError: No model has this preset.
    """
    own = presets_of(name)
    if preset == "tuned" and shape is not None:
        return "auto" if tuned_for(name, shape) is None else preset
    if preset in own:
        return preset
    if preset != "tuned" and (preset in PRESETS or not user_presets.is_known(preset)):
        raise unknown_name(f"preset of {name}", preset, dict.fromkeys([*own, "tuned"]))
    return "auto"


def configure(name: str, shape: DataShape, preset: str = "auto", settings: Mapping[str, Any] | None = None) -> Config:
    """Return the settings of a model: those of the preset, overridden by the settings given by name.

    `auto` depends on the shape of the data alone. The file of any other preset lists its differences from `auto` or
    from the defaults. `preset_used` says which preset stands in for one that the model does not have.

    Args:
        name: Model name.
        shape: Size of the training data.
        preset: Name of the preset.
        settings: Settings by name.

    Raises:
        UsageError: An unknown preset or setting, or a value out of bounds.
        DataError: The file of a preset of the user's own is damaged.
    """
    config_class: Any = model_class(name).config_class
    used = preset_used(name, preset, shape)
    if used not in PRESETS:
        own = user_presets.read(name, used)
        return configure(name, shape, own.base, {**own.settings, **(settings or {})})
    tuned = tuned_for(name, shape) if used == "tuned" else None
    changes = dict(tuned.settings) if tuned else dict(_preset_file(name).get(used, {}))
    from_auto = used in ("auto", "tuned") or changes.pop("base", "defaults") == "auto"
    given = {**changes, **(settings or {})}
    base = config_class.auto(shape, **given) if from_auto else config_class()
    merged: Config = config_class.from_dict({**base.to_dict(), **given})
    return merged


def shipped_changes(name: str, preset: str) -> dict[str, Any]:
    """Return what a shipped preset changes, with its "base"; empty for `auto` and `tuned`, which depend on the data."""
    return {} if preset in ("auto", "tuned") else dict(_preset_file(name).get(preset, {}))


def tuned_for(name: str, shape: DataShape) -> tuned_presets.TunedPreset | None:
    """Return what was found by search for a model on data of this size, or None."""
    return tuned_presets.nearest(tuned_presets.parse(_preset_file(name).get("tuned")), shape)


def preset_provenance(name: str, preset: str, shape: DataShape) -> Mapping[str, Any]:
    """Return where the settings of a preset come from: those found by search record their number of `trials`."""
    used = preset_used(name, preset, shape)
    if used not in PRESETS:
        return user_presets.read(name, used).provenance
    tuned = tuned_for(name, shape) if used == "tuned" else None
    return tuned.provenance if tuned else {}


def preset_digest(name: str, preset: str, shape: DataShape) -> str:
    """Return a hash of the content of a preset that may change under its name; "" for any other."""
    used = preset_used(name, preset, shape)
    if used not in PRESETS:
        return user_presets.read(name, used).digest
    tuned = tuned_for(name, shape) if used == "tuned" else None
    return tuned.digest if tuned else ""


def build(name: str, config: Config, shape: DataShape) -> Model:
    """Return an untrained model."""
    return model_class(name)(config, shape)


def load(folder: str | Path, device: str = "cpu") -> Model:
    """Load a model that `save` wrote.

    Args:
        folder: Folder of the model.
        device: Device to compute on; if a GPU has no free memory, the model stays on the CPU, with a warning.

    Raises:
        CheckpointError: The model is missing, damaged or from a newer version.
        UsageError: The device is unknown or not available.
    """
    from recdash import devices  # lazy: torch

    chosen = devices.choose(device)
    model = _read(folder)
    warning = move(model, chosen)
    if warning:
        warnings.warn(warning, stacklevel=2)
    return model


def move(model: Model, device: torch.device) -> str:
    """Move a model to a device; if memory runs out there, leave it on the CPU and return a warning, else ""."""
    import torch  # lazy: torch

    from recdash import devices  # lazy: torch

    movable: Any = model  # every model has `to`, those of PyTorch its own
    try:
        movable.to(device)
    except (MemoryError, RuntimeError) as error:
        if not devices.is_out_of_memory(error):
            raise
        movable.to(torch.device("cpu"))
        return cpu_fallback_message(error, device)
    return ""


def cpu_fallback_message(error: BaseException, device: torch.device) -> str:
    """Return the warning for a model that runs on the CPU because another device is out of memory."""
    from recdash import devices  # lazy: torch

    return f"{devices.out_of_memory_message(error, device)} It computes on the CPU instead."


def _read(folder: str | Path) -> Model:
    import numpy as np  # lazy: numpy

    from recdash.data.catalogue import Catalogue  # lazy: numpy
    from recdash.models import checkpoint_io  # lazy: torch
    from recdash.models.base import POPULARITY_FILE  # lazy: torch

    path, problem = Path(folder), "this checkpoint does not fit this version of recdash"
    tensors, manifest = checkpoint_io.read(path)
    catalogue = checkpoint_io.read_text(path, manifest, "catalogue.json")
    with wrap_read_errors(path, CheckpointError, "Train again.", problem):
        users, items, interactions, scale = manifest["shape"]
        shape = DataShape(users, items, interactions, tuple(scale) if scale else None)
        config = model_class(manifest["model"]).config_class.from_dict(manifest["config"])
        model = build(manifest["model"], config, shape)
        model.load_tensors(tensors)
        model.record = dict(manifest["record"])
        model.catalogue = Catalogue.from_json(catalogue)
        if len(model.catalogue) not in (0, shape.items):
            raise ValueError("the catalogue has another number of items")
        if POPULARITY_FILE in manifest.get("extra", {}):
            model.popularity = np.array(json.loads(checkpoint_io.read_text(path, manifest, POPULARITY_FILE)), np.int64)
            if model.popularity.shape != (shape.items,):
                raise ValueError("the popularity has another number of items")
    if hasattr(model, "eval"):
        model.eval()
    return model


@cache
def _preset_file(name: str) -> dict[str, Any]:
    path = package_files("recdash.models").joinpath("presets", f"{name}.json")
    presets: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return presets
