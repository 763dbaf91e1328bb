"""The request of a run with changes: train again, but with another setting, seed or protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from recdash.errors import unknown_name
from recdash.models import registry
from recdash.runs.queue import NAME_LENGTH
from recdash.runs.run_records import Request, RunRecord
from recdash.services.preset_values import preset_values
from recdash.services.training_requests import checked_request, default_protocol, request_of
from recdash.settings import DEFAULT_SPLIT_SEED, format_setting, settings_of


def changed_request(
    run: RunRecord,
    *,
    settings: Mapping[str, Any],
    reset: Sequence[str] = (),
    preset: str | None = None,
    protocol: str | None = None,
    seed: int | None = None,
    split_seed: int | None = None,
    device: str | None = None,
    name: str = "",
) -> Request:
    """Return the checked request of a run with changes; None leaves a value unchanged.

    Args:
        run: The run.
        settings: Settings to change, by name; text is parsed.
        reset: Names of settings that go back to the preset's values.
        preset: Another preset.
        protocol: Another protocol; it takes the split options that it supports.
        seed: Training seed.
        split_seed: Seed of the split.
        device: Device to train on.
        name: Name of the new run; by default made from the old one and what differs.

    Raises:
        UsageError, SplitError or DataError: see `training_requests.checked_request`.
    """
    before = request_of(run)
    known = [declared.name for declared in settings_of(registry.model_class(run.model).config_class)]
    for one in (*settings, *reset):
        if one not in known:
            raise unknown_name(f"setting of {run.model}", one, known)
    given = {"preset": preset, "protocol": protocol, "seed": seed, "split_seed": split_seed, "device": device}
    changes: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    changes["settings"] = {one: value for one, value in {**run.settings, **settings}.items() if one not in reset}
    if protocol is not None:
        changes["options"] = _options_under(run, protocol)
    request = checked_request(replace(before, name="", **changes))
    return replace(request, name=name.strip()[:NAME_LENGTH] or _name_after(before, request))


def calmer_settings(run: RunRecord) -> dict[str, Any]:
    """Return what to change in the settings of a diverged run: a tenth of its learning rate. Empty for other runs."""
    used = {**preset_values(run), **run.config, **run.settings} if run.diverged else {}
    rate = used.get("learning_rate")
    return {} if rate is None else {"learning_rate": float(f"{float(rate) / 10:.3g}")}


def _options_under(run: RunRecord, protocol: str) -> dict[str, Any]:
    from recdash.splits import PROTOCOLS  # lazy: scipy
    from recdash.splits.split_options import SplitOptions  # lazy: pandas

    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    return SplitOptions.from_dict(run.options).supported_by(protocol).to_dict()


def _name_after(before: Request, request: Request) -> str:
    """Return the name of a changed request, short enough for a run.

    A default name, which tells model, dataset and seed, gets everything that differs from the defaults. A name that the
    user gave gets everything that changed.
    """
    was_default = before.name.startswith(f"{registry.model_class(request.model).title} on {Path(request.dataset).name}")
    if was_default:
        base, settings = request.name, dict(request.settings)
        reference = {"preset": "auto", "protocol": default_protocol(request.model), "split_seed": DEFAULT_SPLIT_SEED}
    else:
        base = before.name
        settings = {one: value for one, value in request.settings.items() if before.settings.get(one, "") != value}
        reference = {field: getattr(before, field) for field in ("preset", "protocol", "seed", "split_seed")}
    facts = [f"{one} {format_setting(value)}" for one, value in settings.items()]
    facts += [
        f"{field.replace('_', ' ')} {getattr(request, field)}"
        for field, value in reference.items()
        if getattr(request, field) != value
    ]
    if not was_default:
        facts += [f"{one} of the preset" for one in before.settings if one not in request.settings]
    name = f"{base} ({', '.join(facts)})" if facts else base
    return name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"
