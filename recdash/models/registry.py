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
from recdash.models.data_shape import DataShape

if TYPE_CHECKING:
    import torch

    from recdash.models.base import Model
    from recdash.settings import Config

_CLASSES = {
    "random": "random:Random",
    "popularity": "popularity:Popularity",
    "itemknn": "itemknn:ItemKNN",
    "ease": "ease:EASE",
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
    """Return the presets of a model."""
    model_class(name)
    return tuple(preset for preset in PRESETS if preset == "auto" or preset in _preset_file(name))


def preset_used(name: str, preset: str) -> str:
    """Return the preset that a model uses: `auto` in place of `tuned` for models that were not tuned.

    Raises UsageError for any other preset that the model does not have.
    """
    own = presets_of(name)
    if preset not in own and preset != "tuned":
        raise unknown_name(f"preset of {name}", preset, dict.fromkeys([*own, "tuned"]))
    return preset if preset in own else "auto"


def configure(name: str, shape: DataShape, preset: str = "auto", settings: Mapping[str, Any] | None = None) -> Config:
    """Return the settings of a model: those of the preset, overridden by the settings given by name.

    `auto` depends on the shape of the data alone. The file of any other preset lists its differences from `auto` or
    from the defaults. `tuned` is `auto` for models without one (see `preset_used`).

    Args:
        name: Model name.
        shape: Size of the training data.
        preset: Name of the preset.
        settings: Settings by name.

    Raises:
        UsageError: An unknown preset or setting, or a value out of bounds.
    """
    config_class: Any = model_class(name).config_class
    used = preset_used(name, preset)
    changes = dict(_preset_file(name).get(used, {}))
    from_auto = used == "auto" or changes.pop("base", "defaults") == "auto"
    given = {**changes, **(settings or {})}
    base = config_class.auto(shape, **given) if from_auto else config_class()
    merged: Config = config_class.from_dict({**base.to_dict(), **given})
    return merged


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
def _preset_file(name: str) -> dict[str, dict[str, Any]]:
    path = package_files("recdash.models").joinpath("presets", f"{name}.json")
    presets: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return presets
