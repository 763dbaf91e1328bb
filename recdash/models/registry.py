"""Which models there are; each is imported when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash.errors import CheckpointError, UsageError, unknown

if TYPE_CHECKING:
    from recdash.models.base import Model
    from recdash.models.shape import Shape
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


def configure(name: str, shape: Shape, preset: str = "auto", settings: Mapping[str, Any] | None = None) -> Config:
    """Return a model's settings: the preset's, with those given by name put over them.

    `auto` depends on the shape of the data alone; the other presets say in their file what they change, either in
    `auto` or in the defaults.  Raises UsageError for unknown presets, unknown settings and values out of bounds.
    """
    config_class: Any = model_class(name).config_class
    if preset not in presets_of(name):
        raise unknown(f"preset of {name}", preset, presets_of(name))
    changes = dict(_preset_file(name).get(preset, {}))
    from_auto = preset == "auto" or changes.pop("base", "defaults") == "auto"
    given = {**changes, **(settings or {})}
    base = config_class.auto(shape, **given) if from_auto else config_class()
    merged: Config = config_class.from_dict({**base.to_dict(), **given})
    return merged


def build(name: str, config: Config, shape: Shape) -> Model:
    """Return an untrained model."""
    return model_class(name)(config, shape)


def load(folder: str | Path) -> Model:
    """Read a model that `save` wrote; raises CheckpointError when it is damaged or from a newer version."""
    from recdash.data.catalogue import Catalogue
    from recdash.models import files
    from recdash.models.shape import Shape

    tensors, facts = files.read(Path(folder))
    try:
        users, items, interactions, scale = facts["shape"]
        shape = Shape(users, items, interactions, tuple(scale) if scale else None)
        config = model_class(facts["model"]).config_class.from_dict(facts["config"])
        model = build(facts["model"], config, shape)
        model.load_tensors(tensors)
        model.record = facts["record"]
        model.catalogue = Catalogue.from_json(files.read_text(Path(folder), "catalogue.json"))
    except (KeyError, TypeError, ValueError, RuntimeError, UsageError) as error:
        raise CheckpointError(
            f"{folder}: this checkpoint does not fit this version of recdash ({error}). Train again."
        ) from error
    if hasattr(model, "eval"):
        model.eval()
    return model


@cache
def _preset_file(name: str) -> dict[str, dict[str, Any]]:
    path = package_files("recdash.models").joinpath("presets", f"{name}.json")
    found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found
