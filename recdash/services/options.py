"""What there is to choose from when a training is asked for: protocols, models, presets and settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recdash.models import registry
from recdash.services import datasets, launch

if TYPE_CHECKING:
    from recdash.settings import Setting
    from recdash.splits.protocols import Protocol


@dataclass(frozen=True)
class ModelChoice:
    """A model, for somebody who has to choose one. presets: those that it has, `auto` first."""

    name: str
    title: str
    source: str
    task: str
    needs_order: bool
    about: str
    presets: tuple[str, ...]


def protocols() -> list[Protocol]:
    """Return every protocol, the default of each task first."""
    from recdash.splits import PROTOCOLS

    return list(PROTOCOLS.values())


def models(task: str | None = None) -> list[ModelChoice]:
    """Return the models of a task, or all, yardsticks first."""
    found = [_choice(name) for name in registry.names()]
    return [one for one in found if task is None or one.task == task]


def settings(model: str, dataset: str, preset: str = "auto") -> list[tuple[Setting, Any]]:
    """Return each setting of a model with the value that a preset gives it on this data."""
    from recdash.settings import settings_of

    config = launch.configured(model, datasets.entry(dataset), preset, {})
    return [(declared, getattr(config, declared.name)) for declared in settings_of(type(config))]


def _choice(name: str) -> ModelChoice:
    found = registry.model_class(name)
    about = (found.__doc__ or "").strip().split("\n")[0]
    return ModelChoice(name, found.title, found.source, found.task, found.needs_order, about, registry.presets_of(name))
