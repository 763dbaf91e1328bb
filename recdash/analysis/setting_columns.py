"""Settings in which the runs of a table differ, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recdash.settings import format_setting

if TYPE_CHECKING:
    from recdash.runs.run_records import RunRecord


def settings_of(run: RunRecord) -> dict[str, Any]:
    """Return all settings of a run: preset, split options, and the settings as the model used them.

    The training seed is left out, because runs that differ in it only are repetitions.
    """
    used: Mapping[str, Any] = run.config or run.settings
    return {"preset": run.preset, **dict(used), **{f"split {name}": value for name, value in run.options.items()}}


def differing_settings(runs: Sequence[RunRecord]) -> tuple[list[str], list[str]]:
    """Return the settings in which runs differ.

    Returns:
        Settings that differ between runs of one model, those of most runs first; and settings that differ between
        models only. Both lists are in the order of declaration for equal numbers of runs.
    """
    values: dict[str, dict[str, dict[str, int]]] = {}  # setting: model: text of the value: runs
    for run in runs:
        for name, value in settings_of(run).items():
            of_model = values.setdefault(name, {}).setdefault(run.model, {})
            text = format_setting(value)
            of_model[text] = of_model.get(text, 0) + 1
    within: dict[str, int] = {}
    between = []
    for name, by_model in values.items():
        affected = sum(sum(counts.values()) for counts in by_model.values() if len(counts) > 1)
        if affected:
            within[name] = affected
        elif len({text for counts in by_model.values() for text in counts}) > 1:
            between.append(name)
    return sorted(within, key=lambda name: -within[name]), between
