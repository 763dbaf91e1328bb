"""Asking for trainings, waiting for them, and telling them what to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash.errors import SplitError, UsageError, unknown
from recdash.models import registry
from recdash.runs import queue, supervisor
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import Request, RunRecord
from recdash.runs.states import State
from recdash.services.store_access import open_store, refuse_when_read_only
from recdash.settings import DEFAULT_SPLIT_SEED, HIGHEST_SEED, as_names, whole_number

if TYPE_CHECKING:
    from recdash.data.dataset_registry import Entry
    from recdash.settings import Config
    from recdash.splits.split_options import SplitOptions

DEFAULT_PROTOCOL = {"ranking": "strong", "rating": "ratings-90"}


def check(request: Request) -> Request:
    """Return the request with everything looked up (fingerprint, normalised settings, planned epochs, a name).

    Raises UsageError or DataError for whatever would make the training fail before its first update: unknown model,
    preset, setting, protocol or data set, values out of bounds, options that do not suit the protocol or the data, a
    device that is not here, a read-only installation.
    """
    from recdash.splits.split_options import SplitOptions

    refuse_when_read_only("trained")
    model_class = registry.model_class(request.model)
    _check_protocol(request.model, request.protocol)
    for what, seed in (("seed", request.seed), ("split seed", request.split_seed)):
        whole_number(what, seed, 0, HIGHEST_SEED)
    options = SplitOptions.from_dict(request.options)
    found = data_entry(request.dataset, options)
    request = _on_own_split(request, found)
    options.check(request.protocol)
    entry = _adjusted(found, options)
    config = configured(request.model, entry, request.preset, request.settings)
    plain = config.to_dict()
    _check_device(request.device)
    _check_data(request.model, request.protocol, entry)
    settings = {name: plain[name] for name in request.settings}
    seeds = f", seed {request.seed}" if request.seed else ""
    return replace(
        request,
        dataset=entry.name,
        dataset_fingerprint=entry.fingerprint,
        settings=settings,
        options=options.to_dict(),
        epochs=plain.get("epochs", 1),
        name=request.name or f"{model_class.title} on {Path(entry.name).name}{seeds}",
    )


def plan(
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
    """Return one checked request per model; models as a list, or separated by commas.

    protocol: None means each model's own default (`strong` for ranking, `ratings-90` for ratings).
    options: of the split.  Where the models have different protocols each takes what suits it, and what suits none of
    them is an error.
    settings: values, or text to be parsed; with several models each takes those that it has, and a name that none
    of them has is an error.  epochs: for the models that have epochs.
    """
    chosen = list(dict.fromkeys(as_names(models)))
    if not chosen:
        raise UsageError(f"Name at least one model. Known: {', '.join(registry.names())}.")
    shares = _shares(chosen, settings or {}, epochs)
    protocol = protocol_of(protocol, dataset, options)
    protocols = {model: protocol or default_protocol(model) for model in chosen}
    fitting = _fitting(options, protocols.values())
    return [
        check(
            Request(
                model=model,
                dataset=dataset,
                protocol=protocols[model],
                preset=preset,
                settings=shares[model],
                seed=seed,
                split_seed=split_seed,
                device=device,
                options=fitting[protocols[model]],
            )
        )
        for model in chosen
    ]


def train(requests: Sequence[Request], *, key: str | None = None) -> list[RunRecord]:
    """Queue the requests and make sure that somebody works on them; returns one run per request, in order.

    key: any text that names this press of a button; a second call with the same key gives the runs of the first.
    A request equal to one that is queued or running right now gives that run, so two tabs never train the same twice.
    """
    checked = [check(request) for request in requests]
    store = open_store()
    queued = queue.enqueue(store, checked, key)
    supervisor.ensure(store)
    return queued


def wait(
    run_ids: str | Sequence[str],
    on_progress: Callable[[list[RunRecord]], None] | None = None,
    *,
    every: float = 0.25,
    timeout: float | None = None,
) -> list[RunRecord]:
    """Return the runs once none of them is active any more; `on_progress` sees them at every look.

    With `timeout` seconds the runs come back as they are by then.
    """
    store = open_store()
    place = {run_id: number for number, run_id in enumerate(as_names(run_ids))}
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        found = sorted(store.runs(ids=list(place)), key=lambda run: place[run.id])
        if on_progress is not None:
            on_progress(found)
        if not any(run.state.is_active() for run in found) or (deadline is not None and time.monotonic() > deadline):
            return found
        if any(run.state is State.QUEUED for run in found):
            supervisor.ensure(store)
        time.sleep(every)


def keep_going() -> None:
    """Start a supervisor when runs are queued and none lives; pages call this now and then. Cheap otherwise."""
    from recdash import paths

    store = open_store()
    if not paths.read_only() and store.runs(states=[State.QUEUED]):
        supervisor.ensure(store)


def stop(run_id: str) -> RunRecord:
    """Ask a run to keep a checkpoint and stop; a queued one stops at once. Stopping twice is no error."""
    refuse_when_read_only("stopped")
    return queue.stop(open_store(), run_id)


def resume(run_id: str) -> RunRecord:
    """Queue a stopped, interrupted or failed run to go on from its last checkpoint."""
    from recdash.splits.split_options import SplitOptions

    refuse_when_read_only("trained")
    store = open_store()
    run = store.run(run_id)
    data_entry(run.dataset, SplitOptions.from_dict(run.options))
    record = queue.resume(store, run_id)
    supervisor.ensure(store)
    return record


def retry(run_id: str) -> RunRecord:
    """Queue the same request afresh, as a new run; the old record stays."""
    return train([request_of(open_store().run(run_id))])[0]


def delete(run_id: str) -> None:
    """Remove a run, its epochs and its folder; refused while it is running."""
    refuse_when_read_only("deleted")
    queue.delete(open_store(), run_id)
    RunFolder(run_id).remove()


def rename(run_id: str, name: str) -> RunRecord:
    """Give a run another name; its folder and id stay."""
    refuse_when_read_only("renamed")
    return queue.rename(open_store(), run_id, name)


def annotate(run_id: str, note: str) -> RunRecord:
    """Replace the note of a run."""
    refuse_when_read_only("noted")
    return queue.annotate(open_store(), run_id, note)


def request_of(run: RunRecord) -> Request:
    """Return the request that would train a run once more, on the data as it is now."""
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
    """Return the protocol under which a model trains when none is named."""
    return DEFAULT_PROTOCOL[registry.model_class(model).task]


def protocol_of(protocol: str | None, dataset: str, options: SplitOptions | None = None) -> str | None:
    """Return the protocol that is meant on a data set: that of its own split, where it came with one.

    None, for the default of each model, stays None elsewhere.  Raises SplitError where data and protocol do not fit.
    """
    from recdash.splits import user_defined

    entry = data_entry(dataset, options)
    if protocol is None:
        return None if entry.own_split is None else user_defined.NAMES[entry.own_split]
    return user_defined.named(protocol, entry.name, entry.own_split)


def data_entry(dataset: str, options: SplitOptions | None = None) -> Entry:
    """Return a data set that is ready to train on, by name or by path; raises UsageError or DataError otherwise.

    options: a path is read as they say.
    """
    from recdash.data import dataset_registry
    from recdash.splits.split_options import SplitOptions

    name = dataset_registry.name_of(dataset)
    for entry in dataset_registry.available():
        if entry.name == name and entry.ready and entry.fingerprint:
            return entry
    loaded = (options or SplitOptions()).load(name)
    return dataset_registry.Entry(
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


def configured(model: str, entry: Entry, preset: str, settings: Mapping[str, Any]) -> Config:
    """Return all settings as they would be used; the size of the whole data set stands in for the training part."""
    from recdash.models.data_shape import DataShape

    shape = DataShape(entry.users or 1, entry.items or 1, entry.interactions or 1, entry.scale)
    return registry.configure(model, shape, preset, parsed(model, settings))


def parsed(model: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of a model as values; those that are text are read by their declared kind."""
    config_class = registry.model_class(model).config_class
    texts = {name: value for name, value in settings.items() if isinstance(value, str)}
    return {**settings, **config_class.parse(texts)}


def _shares(models: Iterable[str], settings: Mapping[str, Any], epochs: int | None) -> dict[str, dict[str, Any]]:
    from recdash.settings import settings_of

    has = {model: [s.name for s in settings_of(registry.model_class(model).config_class)] for model in models}
    known = list(dict.fromkeys(name for names in has.values() for name in names))
    for name in settings:
        if name not in known:
            raise unknown(f"setting of {', '.join(has)} called", name, known)
    if epochs is not None:
        settings = {**settings, "epochs": epochs}
    return {model: {name: value for name, value in settings.items() if name in names} for model, names in has.items()}


def _fitting(options: SplitOptions | None, protocols: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return by protocol the options that it takes; several protocols share them out."""
    given = {} if options is None else options.to_dict()
    different = dict.fromkeys(protocols)
    if options is None or len(different) < 2:  # `check` refuses what does not suit the one there is
        return dict.fromkeys(different, given)
    fitting = {name: options.suited(name).to_dict() for name in different}
    if len(set().union(*fitting.values())) < len(given):
        options.check(next(iter(different)))
    return fitting


@lru_cache(maxsize=32)
def _adjusted(entry: Entry, options: SplitOptions) -> Entry:
    """Return what a data set is with another scale, or without some ratings; its name and fingerprint stay.

    Raises what `SplitOptions.applied` raises.
    """
    unsure = options.positive_from is not None and entry.scale is None  # whether there are ratings at all
    if options.scale is None and not options.ignore_ratings and not unsure:
        return entry
    data = options.applied(options.load(entry.name))
    return replace(
        entry,
        users=data.n_users,
        items=data.n_items,
        interactions=len(data),
        scale=data.scale,
        tied_share=data.tied_share,
    )


def _on_own_split(request: Request, entry: Entry) -> Request:
    """Return the request with the protocol that is meant; where the data came divided, no seed makes another split."""
    from recdash.splits import user_defined

    protocol = user_defined.named(request.protocol, entry.name, entry.own_split)
    seed = request.split_seed if entry.own_split is None else DEFAULT_SPLIT_SEED
    return replace(request, protocol=protocol, split_seed=seed)


def _check_protocol(model: str, protocol: str) -> None:
    from recdash.splits import PROTOCOLS, user_defined

    if protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)
    if protocol in user_defined.NAMES.values():
        return  # the data say which of these it is, and `lacks` what does not fit them
    if PROTOCOLS[protocol].task == "rating" and registry.model_class(model).task != "rating":
        usual = [known for name, known in PROTOCOLS.items() if user_defined.fits(name, None)]
        fitting = ", ".join(known.name for known in usual if known.task == "ranking")
        raise UsageError(f"{model} ranks and predicts no ratings, as {protocol} asks for. Choose one of: {fitting}.")


def _check_device(device: str) -> None:
    from recdash import devices, paths

    asked = paths.default_device() if device == "auto" else device
    if asked not in ("auto", "cpu"):
        devices.choose(device)


def lacks(model: str, entry: Entry) -> str | None:
    """Return what the data lack for this model, as one line with the way to mend it; None when they lack nothing."""
    model_class = registry.model_class(model)
    if entry.own_split == "rating" and model_class.task != "rating":
        return (
            f"{model} ranks; {entry.name} came with a split of ratings to predict. Use a model that predicts ratings."
        )
    if model_class.needs_order and entry.time_kind is None:
        return f"{model} reads the order of histories; {entry.name} has none. Use data with times, or another model."
    if model_class.task == "rating" and entry.scale is None:
        return f"{model} learns from ratings; {entry.name} has none. Use data with stars, or another model."
    return None


def _check_data(model: str, protocol: str, entry: Entry) -> None:
    """Refuse data that lacks what the model or the protocol reads; the split would refuse it too, but later."""
    lacking = lacks(model, entry)
    if lacking:
        raise SplitError(lacking)
    if protocol in ("strong-temporal", "published-svae") and entry.time_kind is None:
        raise SplitError(f"{entry.name} has no time column, so no last fifth of a history. Use protocol 'strong'.")
    if protocol in ("strong-global-time", "ratings-temporal") and entry.time_kind != "dates":
        raise SplitError(f"{entry.name} has no dates, so none to cut at. Use a protocol without a date.")
