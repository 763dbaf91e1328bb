"""Settings that the preset of a run stands for, on the data it was trained on."""

from __future__ import annotations

from typing import Any

from recdash.errors import RecdashError
from recdash.models import registry
from recdash.models.data_shape import DataShape
from recdash.runs.run_records import RunRecord


def preset_values(run: RunRecord) -> dict[str, Any]:
    """Return the settings of a run's preset by name; empty for a run that did not record the size of its data."""
    sizes = [run.details.get(name) for name in ("users", "items", "interactions")]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        return {}
    try:
        return dict(registry.configure(run.model, DataShape(*sizes), run.preset).to_dict())  # type: ignore[arg-type]
    except RecdashError:  # a model or preset of another version
        return {}
