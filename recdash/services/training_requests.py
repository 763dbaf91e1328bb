"""Training requests: defaults filled in and everything checked before a run is queued."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash import environment
from recdash.errors import SplitError, UsageError, unknown_name
from recdash.models import registry
from recdash.models.data_shape import DataShape
from recdash.runs.run_records import Request, RunRecord
from recdash.services.store_access import refuse_when_read_only
from recdash.settings import DEFAULT_SPLIT_SEED, HIGHEST_SEED, name_list, settings_of, whole_number

if TYPE_CHECKING:
    from recdash.data.dataset_registry import DatasetEntry
    from recdash.settings import Config
    from recdash.splits.split_options import SplitOptions

DEFAULT_PROTOCOL = {"ranking": "strong", "rating": "ratings-90"}


def build_requests(
    models: str | Sequence[str],
    dataset: str,
    *,
    protocol: str | None = None,
    preset: str = "auto",
    settings: Mapping[str, Any] | None = None,
    epochs: int | None = None,
    seed: int = 0,
    split_seed: int = DEFAULT_SPLIT_SEED,
    device: str = "auto",
    options: SplitOptions | None = None,
) -> list[Request]:
    """Return one checked request per model.

    Args:
        models: A list, or names separated by commas.
        dataset: Name of a dataset, or path of a file.
        protocol: Protocol of all models; by default `strong` for ranking models and `ratings-90` for rating models.
        preset: Preset of all models.
        settings: Values by name; text is parsed. With several models, each takes the settings it has.
        epochs: Number of epochs of the models that have epochs.
        seed: Training seed.
        split_seed: Seed of the split.
        device: Device to train on.
        options: Split options. With several protocols, each takes the options it supports.

    Raises:
        UsageError: No model is named, or no model has one of the settings, or `checked_request` refuses a request.
        SplitError: The data do not suit a model or a protocol.
        DataError: The dataset cannot be read.
    """
    chosen = list(dict.fromkeys(name_list(models)))
    if not chosen:
        raise UsageError(f"Name at least one model. Known: {', '.join(registry.names())}.")
    settings_by_model = _settings_by_model(chosen, settings or {}, epochs)
    protocol = resolve_protocol(protocol, dataset, options)
    protocols = {model: protocol or default_protocol(model) for model in chosen}
    options_by_protocol = _options_by_protocol(options, protocols.values())
    return [
        checked_request(
            Request(
                model=model,
                dataset=dataset,
                protocol=protocols[model],
                preset=preset,
                settings=settings_by_model[model],
                seed=seed,
                split_seed=split_seed,
                device=device,
                options=options_by_protocol[protocols[model]],
            )
        )
        for model in chosen
    ]


def checked_request(request: Request) -> Request:
    """Return the request with data fingerprint, parsed settings, number of epochs and a name.

    Raises:
        UsageError: Unknown model, preset, setting or protocol; a value out of bounds; an unavailable device; or a
            read-only installation.
        SplitError: The options do not suit the protocol, or the data do not suit the model or the protocol.
        DataError: The dataset cannot be read.
    """
    from recdash.splits.split_options import SplitOptions  # lazy: pandas

    refuse_when_read_only("trained")
    registry.model_class(request.model)  # raises for an unknown model
    _check_protocol(request.model, request.protocol)
    for what, seed in (("seed", request.seed), ("split seed", request.split_seed)):
        _check_seed(what, seed)
    options = SplitOptions.from_dict(request.options)
    original = data_entry(request.dataset, options)
    request = _with_own_split(request, original)
    options.check(request.protocol)
    entry = _with_options(original, options)
    values = resolve_config(request.model, entry, request.preset, request.settings).to_dict()
    _check_device(request.device)
    _check_data(request.model, request.protocol, entry)
    return replace(
        request,
        dataset=entry.name,
        dataset_fingerprint=entry.fingerprint,
        settings={name: values[name] for name in request.settings},
        options=options.to_dict(),
        epochs=values.get("epochs", 1),
        preset_digest=registry.preset_digest(request.model, request.preset, shape_of(entry)),
        name=request.name or _default_name(request.model, entry.name, request.seed),
    )


def with_seed(request: Request, seed: int) -> Request:
    """Return a checked request with another training seed and its default name.

    Raises:
        UsageError: The seed is out of bounds.
    """
    _check_seed("seed", seed)
    return replace(request, seed=seed, name=_default_name(request.model, request.dataset, seed))


def request_of(run: RunRecord) -> Request:
    """Return the request that trains a run again, on the current content of its dataset.

    Raises UsageError for a run that holds only curves of another program.
    """
    if run.model not in registry.names():
        source = f"imported from {run.source}" if run.source else f"of the unknown model {run.model}"
        raise UsageError(
            f"Run {run.id} cannot be trained again: it has only curves {source}, no settings. Use `recdash train`."
        )
    return Request(
        model=run.model,
        dataset=run.dataset,
        protocol=run.protocol,
        preset=run.preset,
        settings=run.settings,
        seed=run.seed,
        split_seed=run.split_seed,
        device=run.device,
        name=run.name,
        options=run.options,
    )


def default_protocol(model: str) -> str:
    """Return the default protocol of a model."""
    return DEFAULT_PROTOCOL[registry.model_class(model).task]


def resolve_protocol(protocol: str | None, dataset: str, options: SplitOptions | None = None) -> str | None:
    """Return the protocol to use on a dataset: its own split's, if it was imported with one.

    On any other dataset None stays None, for the default of each model. Raises SplitError if data and protocol do not
    fit.
    """
    from recdash.splits import user_defined  # lazy: scipy

    entry = data_entry(dataset, options)
    if protocol is None:
        return None if entry.own_split is None else user_defined.PROTOCOL_OF_TASK[entry.own_split]
    return user_defined.resolve_protocol(protocol, entry.name, entry.own_split)


def data_entry(dataset: str, options: SplitOptions | None = None) -> DatasetEntry:
    """Return a dataset that is ready to train on.

    Args:
        dataset: Its name, or the path of a file.
        options: How to read a file.

    Raises:
        UsageError: The dataset is unknown, or not downloaded.
        DataError: The file cannot be read.
    """
    from recdash.data import dataset_registry  # lazy: pandas
    from recdash.splits.split_options import SplitOptions  # lazy: pandas

    name = dataset_registry.name_of(dataset)
    entry = dataset_registry.installed_entry(name)
    if entry is not None and entry.ready and entry.fingerprint:
        return entry
    loaded = (options or SplitOptions()).load(name)
    return dataset_registry.DatasetEntry(
        name=name,
        ready=True,
        users=loaded.n_users,
        items=loaded.n_items,
        interactions=len(loaded),
        source=loaded.source,
        generated=loaded.generated,
        notes=loaded.notes,
        fingerprint=loaded.fingerprint,
        time_kind=loaded.time_kind,
        scale=loaded.scale,
        tied_share=loaded.tied_share,
    )


def resolve_config(
    model: str, entry: DatasetEntry, preset: str, settings: Mapping[str, Any], shape: DataShape | None = None
) -> Config:
    """Return the full configuration of a model on a dataset; the preset reads `shape`, by default that of all data."""
    return registry.configure(model, shape or shape_of(entry), preset, parse_settings(model, settings))


def shape_of(entry: DatasetEntry) -> DataShape:
    """Return the size of a whole dataset."""
    return DataShape(entry.users or 1, entry.items or 1, entry.interactions or 1, entry.scale)


def preset_used(request: Request) -> str:
    """Return the preset that a checked request uses on its data, see `registry.preset_used`."""
    from recdash.splits.split_options import SplitOptions  # lazy: pandas

    entry = data_entry(request.dataset, SplitOptions.from_dict(request.options))
    return registry.preset_used(request.model, request.preset, shape_of(entry))


def parse_settings(model: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a model as values; text is parsed by the type of the setting."""
    config_class = registry.model_class(model).config_class
    texts = {name: value for name, value in settings.items() if isinstance(value, str)}
    return {**settings, **config_class.parse(texts)}


def unsuitable_data(model: str, entry: DatasetEntry) -> str | None:
    """Return why a model cannot learn from a dataset and what to do, in one line; None if it can."""
    model_class = registry.model_class(model)
    if entry.own_split == "rating" and model_class.task != "rating":
        return f"{model} ranks items; {entry.name} has a split for rating prediction. Use a rating model."
    if model_class.needs_order and entry.time_kind is None:
        return f"{model} reads the order of histories; {entry.name} has none. Use data with times, or another model."
    if model_class.task == "rating" and entry.scale is None:
        return f"{model} learns from ratings; {entry.name} has none. Use data with ratings, or another model."
    return None


def _check_seed(what: str, seed: int) -> None:
    whole_number(what, seed, 0, HIGHEST_SEED)


def _default_name(model: str, dataset: str, seed: int) -> str:
    return f"{registry.model_class(model).title} on {Path(dataset).name}{f', seed {seed}' if seed else ''}"


def _settings_by_model(
    models: Iterable[str], settings: Mapping[str, Any], epochs: int | None
) -> dict[str, dict[str, Any]]:
    names = {model: [s.name for s in settings_of(registry.model_class(model).config_class)] for model in models}
    known = list(dict.fromkeys(name for of_model in names.values() for name in of_model))
    for name in settings:
        if name not in known:
            raise unknown_name(f"setting of {', '.join(names)}", name, known)
    if epochs is not None:
        settings = {**settings, "epochs": epochs}
    return {
        model: {name: value for name, value in settings.items() if name in of_model}
        for model, of_model in names.items()
    }


def _options_by_protocol(options: SplitOptions | None, protocols: Iterable[str]) -> dict[str, dict[str, Any]]:
    given = {} if options is None else options.to_dict()
    distinct = dict.fromkeys(protocols)
    if (
        options is None or len(distinct) < 2
    ):  # `SplitOptions.check` refuses options that a single protocol does not support
        return dict.fromkeys(distinct, given)
    supported = {name: options.supported_by(name).to_dict() for name in distinct}
    if len(set().union(*supported.values())) < len(given):
        options.check(next(iter(distinct)))  # raises, since no protocol supports one of the options
    return supported


@lru_cache(maxsize=32)
def _with_options(entry: DatasetEntry, options: SplitOptions) -> DatasetEntry:
    """Return the entry as the options change its data (scale, ignored ratings); name and fingerprint stay."""
    may_lack_ratings = options.positive_from is not None and entry.scale is None
    if options.scale is None and not options.ignore_ratings and not may_lack_ratings:
        return entry
    data = options.apply_to(options.load(entry.name))
    return replace(
        entry,
        users=data.n_users,
        items=data.n_items,
        interactions=len(data),
        scale=data.scale,
        tied_share=data.tied_share,
    )


def _with_own_split(request: Request, entry: DatasetEntry) -> Request:
    """Return the request with its final protocol; on a dataset with its own split the split seed has no effect."""
    from recdash.splits import user_defined  # lazy: scipy

    protocol = user_defined.resolve_protocol(request.protocol, entry.name, entry.own_split)
    seed = request.split_seed if entry.own_split is None else DEFAULT_SPLIT_SEED
    return replace(request, protocol=protocol, split_seed=seed)


def _check_protocol(model: str, protocol: str) -> None:
    from recdash.splits import PROTOCOLS, user_defined  # lazy: scipy

    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    if protocol in user_defined.PROTOCOL_OF_TASK.values():
        return  # depends on the data: see `resolve_protocol` and `unsuitable_data`
    if PROTOCOLS[protocol].task == "rating" and registry.model_class(model).task != "rating":
        available = [known for name, known in PROTOCOLS.items() if user_defined.is_available(name, None)]
        ranking = ", ".join(known.name for known in available if known.task == "ranking")
        raise UsageError(f"{model} ranks items and cannot predict ratings under {protocol}. Choose one of: {ranking}.")


def _check_device(device: str) -> None:
    requested = environment.default_device() if device == "auto" else device
    if requested not in ("auto", "cpu"):
        from recdash import devices  # lazy: torch

        devices.choose(device)


def _check_data(model: str, protocol: str, entry: DatasetEntry) -> None:
    """Refuse unsuitable data now; otherwise the training would fail later, when it builds the split."""
    problem = unsuitable_data(model, entry)
    if problem:
        raise SplitError(problem)
    if protocol in ("strong-temporal", "published-svae") and entry.time_kind is None:
        raise SplitError(f"{entry.name} has no times, which {protocol} needs. Use protocol 'strong'.")
    if protocol in ("strong-global-time", "ratings-temporal") and entry.time_kind != "dates":
        raise SplitError(f"{entry.name} has no dates, which {protocol} needs. Use protocol 'strong' or 'ratings-90'.")
