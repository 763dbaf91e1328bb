"""What a search is asked for: the settings that can be searched, and checked studies from plain arguments."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash.errors import UsageError
from recdash.models import registry
from recdash.runs.run_records import Request
from recdash.services import training_plan, training_requests, tuning_driver, tuning_studies
from recdash.services.tuning_studies import MAX_TRIALS, StudySpec
from recdash.settings import DEFAULT_SPLIT_SEED, settings_of
from recdash.tuning import samplers, search_space
from recdash.tuning.pruning import Pruning

if TYPE_CHECKING:
    from recdash.splits.split_options import SplitOptions

DEFAULT_TRIALS = 20


@dataclass(frozen=True)
class SearchedSetting:
    """One setting of a model and what a search may try of it.

    Attributes:
        name: Name of the setting.
        text: Values tried by default (`recdash.tuning.search_space`); "" for a setting that is not searched by default.
        preset_value: Its value in the preset, which the first trial has.
        help: Meaning of the setting.
    """

    name: str
    text: str
    preset_value: Any
    help: str


def searched_settings(
    model: str,
    dataset: str,
    *,
    preset: str = "auto",
    protocol: str | None = None,
    split_seed: int = DEFAULT_SPLIT_SEED,
    options: SplitOptions | None = None,
) -> list[SearchedSetting]:
    """Return the settings of a model that can be searched, those searched by default first.

    With a protocol, the values of the preset are those on the training part, as the first trial has them.

    Raises:
        UsageError: The model, the preset or the dataset is unknown.
    """
    config_class = registry.model_class(model).config_class
    declared = search_space.declared_space(config_class)
    entry = training_requests.data_entry(dataset, options)
    shape = None
    if protocol is not None:
        given = {} if options is None else options.to_dict()
        shape = training_plan.training_shape(dataset, protocol, split_seed=split_seed, options=given)
    config = training_requests.resolve_config(model, entry, preset, {}, shape)
    rows = [
        SearchedSetting(one.name, declared.get(one.name, ""), getattr(config, one.name), one.help)
        for one in settings_of(config_class)
    ]
    return sorted(rows, key=lambda row: row.text == "")


def default_study_name(model: str, dataset: str, protocol: str, split_seed: int = DEFAULT_SPLIT_SEED) -> str:
    """Return the name of a study that is given none, such as "recvae-ml-100k"."""
    parts = [model, Path(dataset).stem]
    parts += [protocol] if protocol != training_requests.default_protocol(model) else []
    parts += [f"split{split_seed}"] if split_seed != DEFAULT_SPLIT_SEED else []
    plain = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "-" for letter in "-".join(parts)
    )
    return plain[:40]


def prepare(
    models: str | Sequence[str],
    dataset: str,
    *,
    trials: int | None = DEFAULT_TRIALS,
    protocol: str | None = None,
    preset: str = "auto",
    settings: Mapping[str, Any] | None = None,
    space: Mapping[str, str] | None = None,
    replace_space: bool = False,
    sampler: str | None = None,
    pruning: Pruning | None = None,
    study: str | None = None,
    epochs: int | None = None,
    seed: int = 0,
    split_seed: int = DEFAULT_SPLIT_SEED,
    device: str = "auto",
    options: SplitOptions | None = None,
) -> list[StudySpec]:
    """Return the studies of a search, one per model, checked but not stored; a study of the same name goes on.

    Args:
        models: Models, a list or names separated by commas.
        dataset: Name of a dataset, or path of a file.
        trials: Trials that each study is to have in all, those of earlier sittings included; None for no limit but the
            time (`MAX_TRIALS`).
        protocol: Protocol; by default that of each model.
        preset: Preset of the first trial, from which every other one starts.
        settings: Settings by name that are not searched; text is parsed.
        space: Values to search by setting, as text, over the declared ones; "off" leaves a setting at the preset's.
            With several models, each takes the settings it has.
        replace_space: Whether only the settings of `space` are searched.
        sampler: "tpe", "random" or "grid"; by default "tpe", or "random" without Optuna. A grid searches the
            settings of `space` alone.
        pruning: Which trials end early; by default the median rule.
        study: Name of the study, or with several models its beginning; by default made from model and dataset.
        epochs: Largest number of epochs of the models that have epochs.
        seed, split_seed, device, options: As for `training_requests.build_requests`.

    Raises:
        UsageError: An argument is invalid, or a study of this name searches something else.
        SplitError: The data do not suit a model or the protocol.
        DataError: The dataset cannot be read.
    """
    count = MAX_TRIALS if trials is None else trials
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_TRIALS:
        raise UsageError(f"trials = {trials!r} is not a whole number from 1 to {MAX_TRIALS}. For example: 20.")
    requests = training_requests.build_requests(
        models, dataset, protocol=protocol, preset=preset, settings=settings, epochs=epochs, seed=seed,
        split_seed=split_seed, device=device, options=options,
    )  # fmt: skip
    _check_known(requests, space or {})
    chosen = sampler or samplers.default_sampler()
    specs = []
    for request in requests:
        name = default_study_name(request.model, request.dataset, request.protocol, split_seed)
        if study is not None:
            name = study if len(requests) == 1 else f"{study}-{request.model}"
        fresh = StudySpec(
            name=tuning_studies.checked_name(name), model=request.model, dataset=request.dataset,
            dataset_fingerprint=request.dataset_fingerprint, protocol=request.protocol, split_seed=request.split_seed,
            seed=seed, options=request.options, device=device, preset=preset, settings=request.settings,
            sampler=chosen, pruning=pruning or Pruning(), trials=count, created=time.time(),
        )  # fmt: skip
        fresh = _with_space(fresh, space or {}, only=replace_space or chosen == "grid")
        specs.append(_continued(fresh, explicit_space=bool(space), explicit_sampler=sampler is not None,
                                explicit_pruning=pruning is not None))  # fmt: skip
    for spec in specs:
        samplers.check_sampler(spec.sampler, spec.dimensions)
    return specs


def _check_known(requests: Sequence[Request], space: Mapping[str, str]) -> None:
    """Raise UsageError for a searched setting that no model has."""
    known = {one.name: one for request in requests for one in settings_of(_config_class(request.model))}
    for name in space:
        if name not in known:
            search_space.parse_space(_config_class(requests[0].model), {name: space[name]})  # raises


def _config_class(model: str) -> Any:
    return registry.model_class(model).config_class


def _with_space(spec: StudySpec, given: Mapping[str, str], *, only: bool) -> StudySpec:
    """Return the study with the declared space and what was given; the declared part includes the preset's values."""
    config_class = _config_class(spec.model)
    own = {one.name for one in settings_of(config_class)}
    mine = {name: text for name, text in given.items() if name in own}
    declared = {} if only else search_space.declared_space(config_class)
    declared = {name: text for name, text in declared.items() if name not in mine and name not in spec.settings}
    for name in mine:
        if name in spec.settings and mine[name].lower() != search_space.OFF:
            raise UsageError(f"{name} is both set and searched. Leave out --set {name} or --space {name}.")
    base = tuning_driver.widened(replace(spec, space=declared)).space
    parsed = search_space.space_texts(search_space.parse_space(config_class, mine))
    return replace(spec, space={**base, **parsed})


def _continued(fresh: StudySpec, *, explicit_space: bool, explicit_sampler: bool, explicit_pruning: bool) -> StudySpec:
    """Return the stored study of this name with the new number of trials; raises UsageError where it differs."""
    if not tuning_studies.exists(fresh.name):
        return fresh
    stored = tuning_studies.read(fresh.name)
    if not tuning_studies.trials_of(stored) and tuning_studies.driver_of(stored.name) is None:
        return fresh  # nothing depends on it yet
    compared = ["model", "dataset_fingerprint", "protocol", "split_seed", "seed", "options", "preset", "settings"]
    compared += ["space"] if explicit_space else []
    compared += ["sampler"] if explicit_sampler else []
    compared += ["pruning"] if explicit_pruning else []
    for name in compared:
        old, new = getattr(stored, name), getattr(fresh, name)
        if search_space.comparable(old) != search_space.comparable(new):
            raise UsageError(
                f"Study {fresh.name} has another {name.replace('_', ' ')} ({search_space.comparable(old)}). "
                "Repeat its command to continue it, or start another study with --study NAME."
            )
    return replace(stored, trials=fresh.trials, device=fresh.device)
