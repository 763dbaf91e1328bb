"""Presets of the user's own, one file per model and name in the data folder: presets/MODEL/NAME.json.

A preset is a shipped preset (its base) and settings that differ from it, with a record of where they come from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from recdash import paths
from recdash.atomic_files import wrap_read_errors, write_json
from recdash.errors import DataError, UsageError, short_repr
from recdash.json_values import json_object

FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_FIX = "Remove it with `recdash presets remove`, or save it again."


@dataclass(frozen=True)
class UserPreset:
    """A preset of the user's own.

    Attributes:
        model: Name of the model.
        name: Name of the preset.
        base: The shipped preset from which it differs.
        settings: The settings that differ, by name.
        provenance: Where they come from: dataset, fingerprint, protocol, split seed, number of trials, validation
            figure, versions and so on.
    """

    model: str
    name: str
    base: str = "auto"
    settings: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Hash of the base and the settings, which determine what a training with this preset does."""
        text = json.dumps([self.base, dict(self.settings)], sort_keys=True)
        return blake2b(text.encode(), digest_size=8).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return the preset as JSON values."""
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in self.settings.items()}
        return {"format": FORMAT, **asdict(self), "settings": plain}


def checked_name(name: str) -> str:
    """Return the name of a preset; raises UsageError unless it can be one."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(
            f"{short_repr(name)} is not a name of a preset. Use 1 to 60 letters, digits, dots, dashes or underscores."
        )
    return name


def names_of(model: str) -> tuple[str, ...]:
    """Return the names of the user's presets of a model, in alphabetical order, without reading them."""
    folder = _folder() / model
    found = [path.stem for path in folder.glob("*.json")] if folder.is_dir() else []
    return tuple(sorted(name for name in found if _NAME.fullmatch(name)))


def exists(model: str, name: str) -> bool:
    """Return whether the user has a preset of this name for a model."""
    return bool(_NAME.fullmatch(name)) and path_of(model, name).is_file()


def is_known(name: str) -> bool:
    """Return whether the user has a preset of this name for any model."""
    return bool(_NAME.fullmatch(name)) and any(_folder().glob(f"*/{name}.json"))


def path_of(model: str, name: str) -> Path:
    """Return the file of a preset."""
    return _folder() / model / f"{checked_name(name)}.json"


def read(model: str, name: str) -> UserPreset:
    """Return a preset; raises UsageError if there is none, DataError if its file is damaged."""
    path = path_of(model, name)
    if not path.is_file():
        raise UsageError(f"{model} has no preset {name!r}. See `recdash presets list`.")
    with wrap_read_errors(path, DataError, _FIX, "this preset is damaged"):
        return parse(json_object(path.read_text(encoding="utf-8")), model, name)


def parse(values: Mapping[str, Any], model: str, name: str) -> UserPreset:
    """Return a preset from its JSON values; raises ValueError for values that are none."""
    if values.get("format") != FORMAT:
        raise ValueError(f"format {short_repr(values.get('format'))}, expected {FORMAT}")
    settings, provenance, base = values.get("settings"), values.get("provenance", {}), values.get("base")
    if not isinstance(settings, dict) or not isinstance(provenance, dict) or not isinstance(base, str):
        raise ValueError("no base, settings or provenance")
    if values.get("model") != model:
        raise ValueError(f"a preset of {short_repr(values.get('model'))}")
    lists = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    return UserPreset(model, name, base, lists, provenance)


def write(preset: UserPreset) -> Path:
    """Store a preset in one step, in place of one of the same name; raises DataError if that fails."""
    path = path_of(preset.model, preset.name)
    try:
        write_json(path, preset.to_dict())
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror}). Set RECDASH_DATA_DIR to another folder."
        ) from error
    return path


def remove(model: str, name: str) -> None:
    """Delete a preset, damaged or not; raises UsageError if there is none."""
    if not exists(model, name):
        raise UsageError(f"{model} has no preset {name!r}. See `recdash presets list`.")
    path_of(model, name).unlink(missing_ok=True)


def _folder() -> Path:
    return paths.data_dir() / "presets"
