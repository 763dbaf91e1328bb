"""Which models there are; each is imported when it is asked for."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash.errors import CheckpointError, unknown

if TYPE_CHECKING:
    import torch

    from recdash.models.base import Model
    from recdash.models.data_shape import DataShape
    from recdash.settings import Config

_WHERE = {
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
    """Return the names of all models, yardsticks first."""
    return tuple(_WHERE)


@cache
def model_class(name: str) -> type[Model]:
    """Return the class of a model; raises UsageError, listing the known names, for any other name."""
    if name not in _WHERE:
        raise unknown("model", name, _WHERE)
    module, attribute = _WHERE[name].split(":")
    found: type[Model] = getattr(import_module(f"recdash.models.{module}"), attribute)
    return found


def presets_of(name: str) -> tuple[str, ...]:
    """Return the presets a model has."""
    model_class(name)
    return tuple(preset for preset in PRESETS if preset == "auto" or preset in _preset_file(name))


def preset_used(name: str, preset: str) -> str:
    """Return the preset whose settings a model takes: `auto` for `tuned`, where nobody has searched for any.

    Raises UsageError, listing those that the model has, for any other preset that it does not have.
    """
    own = presets_of(name)
    if preset not in own and preset != "tuned":
        raise unknown(f"preset of {name}", preset, own)
    return preset if preset in own else "auto"


def configure(name: str, shape: DataShape, preset: str = "auto", settings: Mapping[str, Any] | None = None) -> Config:
    """Return a model's settings: the preset's, with those given by name put over them.

    `auto` depends on the shape of the data alone; the other presets say in their file what they change, either in
    `auto` or in the defaults; `tuned` is `auto` for a model without one (see `preset_used`).  Raises UsageError for
    unknown presets, unknown settings and values out of bounds.
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
    """Read a model that `save` wrote.

    device: where it is to compute; a GPU without free memory leaves it on the CPU, with a warning.  Raises
    CheckpointError when the model is damaged or from a newer version, UsageError for a device that is not here.
    """
    from recdash import devices

    chosen = devices.choose(device)
    model = _read(folder)
    said = move(model, chosen)
    if said:
        warnings.warn(said, stacklevel=2)
    return model


def move(model: Model, device: torch.device) -> str:
    """Move a model to a device; where that has no room it stays on the CPU, and one line that says so is returned."""
    import torch

    from recdash import devices

    movable: Any = model  # every model has `to`, those of PyTorch its own
    try:
        movable.to(device)
    except (MemoryError, RuntimeError) as error:
        if not devices.is_out_of_memory(error):
            raise
        movable.to(torch.device("cpu"))
        return stays_on_cpu(error, device)
    return ""


def stays_on_cpu(error: BaseException, device: torch.device) -> str:
    """Return in one line why a model computes on the CPU although another device was asked for."""
    from recdash import devices

    return f"{devices.out_of_memory(error, device)} It computes on the CPU instead."


def _read(folder: str | Path) -> Model:
    import numpy as np

    from recdash.atomic_files import reading_back
    from recdash.data.catalogue import Catalogue
    from recdash.models import checkpoint_io
    from recdash.models.base import POPULARITY_FILE
    from recdash.models.data_shape import DataShape

    home, foreign = Path(folder), "this checkpoint does not fit this version of recdash"
    tensors, facts = checkpoint_io.read(home)
    catalogue = checkpoint_io.read_text(home, facts, "catalogue.json")
    with reading_back(home, CheckpointError, "Train again.", foreign):
        users, items, interactions, scale = facts["shape"]
        shape = DataShape(users, items, interactions, tuple(scale) if scale else None)
        config = model_class(facts["model"]).config_class.from_dict(facts["config"])
        model = build(facts["model"], config, shape)
        model.load_tensors(tensors)
        model.record = dict(facts["record"])
        model.catalogue = Catalogue.from_json(catalogue)
        if len(model.catalogue) not in (0, shape.items):
            raise ValueError("a catalogue of other items")
        if POPULARITY_FILE in facts.get("extra", {}):
            model.popularity = np.array(json.loads(checkpoint_io.read_text(home, facts, POPULARITY_FILE)), np.int64)
            if model.popularity.shape != (shape.items,):
                raise ValueError("the popularity of other items")
    if hasattr(model, "eval"):
        model.eval()
    return model


@cache
def _preset_file(name: str) -> dict[str, dict[str, Any]]:
    path = package_files("recdash.models").joinpath("presets", f"{name}.json")
    found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found
