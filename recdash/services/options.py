"""Options of a run: protocols, models, presets and settings, with their descriptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recdash.models import registry
from recdash.services import datasets, training_requests
from recdash.settings import settings_of

if TYPE_CHECKING:
    from recdash.models.data_shape import DataShape
    from recdash.settings import Setting
    from recdash.splits.protocols import Protocol


@dataclass(frozen=True)
class ModelChoice:
    """Description of a model for a list of choices; `presets` starts with `auto`."""

    name: str
    title: str
    source: str
    task: str
    needs_order: bool
    about: str
    presets: tuple[str, ...]


def protocols() -> list[Protocol]:
    """Return every protocol, the default of each task first."""
    from recdash.splits import PROTOCOLS  # lazy: scipy

    return list(PROTOCOLS.values())


def models(task: str | None = None) -> list[ModelChoice]:
    """Return the models of a task, or all models; baselines come first."""
    choices = [_choice(name) for name in registry.names()]
    return [choice for choice in choices if task is None or choice.task == task]


def settings(
    model: str, dataset: str, preset: str = "auto", shape: DataShape | None = None
) -> list[tuple[Setting, Any]]:
    """Return each setting of a model with its value in a preset.

    Args:
        model: Name of the model.
        dataset: Name of the dataset.
        preset: Name of the preset.
        shape: Size of the training part, which a training reads; by default that of the whole dataset stands in.
    """
    if shape is None:
        config = training_requests.resolve_config(model, datasets.entry(dataset), preset, {})
    else:
        config = registry.configure(model, shape, preset)
    return [(declared, getattr(config, declared.name)) for declared in settings_of(type(config))]


def _choice(name: str) -> ModelChoice:
    model = registry.model_class(name)
    presets = registry.presets_of(name)
    return ModelChoice(name, model.title, model.source, model.task, model.needs_order, model.about, presets)
