"""Comparison of models on one dataset: existing runs are reused, missing ones are trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recdash.errors import UsageError, unknown_name
from recdash.models import registry
from recdash.runs.run_records import Request, RunRecord
from recdash.runs.states import State
from recdash.services import launch, training_requests
from recdash.services.store_access import open_store
from recdash.settings import DEFAULT_SPLIT_SEED, name_list

if TYPE_CHECKING:
    from recdash.data.dataset_registry import DatasetEntry
    from recdash.splits.split_options import SplitOptions


@dataclass(frozen=True)
class Comparison:
    """Requests of a comparison with their existing runs.

    Attributes:
        requests: The requests.
        runs: The run of each request, or None. A finished run is preferred, then a queued or running one, then one
            that can be resumed.
    """

    requests: tuple[Request, ...]
    runs: tuple[RunRecord | None, ...]

    @property
    def missing(self) -> tuple[Request, ...]:
        """Requests without a run."""
        return tuple(request for request, run in zip(self.requests, self.runs, strict=True) if run is None)


def models_for(protocol: str | None = None) -> list[str]:
    """Return all models for the task of a protocol; without a protocol, all models."""
    from recdash.splits import PROTOCOLS  # lazy: scipy

    if protocol is not None and protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    tasks = {PROTOCOLS[protocol].task} if protocol else {known.task for known in PROTOCOLS.values()}
    return [name for name in registry.names() if registry.model_class(name).task in tasks]


def excluded_models(protocol: str | None, dataset: str, options: SplitOptions | None = None) -> dict[str, str]:
    """Return the models that cannot be trained on a dataset, each with the reason."""
    entry = training_requests.data_entry(dataset, options)
    reasons = {
        name: training_requests.unsuitable_data(name, entry) or _other_task(name, entry)
        for name in models_for(protocol)
    }
    return {name: reason for name, reason in reasons.items() if reason is not None}


def requests(
    dataset: str,
    models: str | Sequence[str] = "all",
    *,
    protocol: str | None = None,
    seeds: Sequence[int] | None = None,
    training_seeds: Sequence[int] | None = None,
    seed: int = 0,
    split_seed: int = DEFAULT_SPLIT_SEED,
    preset: str = "auto",
    epochs: int | None = None,
    settings: Mapping[str, Any] | None = None,
    device: str = "auto",
    options: SplitOptions | None = None,
) -> list[Request]:
    """Return the checked requests of a comparison.

    Arguments that are not listed here are those of `recdash.services.training_requests.build_requests`.

    Args:
        models: A list, or names separated by commas; "all" means every model that suits the data.
        seeds: Split seeds; split and training are repeated with each of them.
        training_seeds: Training seeds; the training is repeated with each of them on every split. Without them each
            split has one run, with the split seed if `seeds` are given.
        seed: Training seed, without `seeds` and `training_seeds`.
        split_seed: Split seed, without `seeds`.
    """
    chosen, protocol = name_list(models), training_requests.resolve_protocol(protocol, dataset, options)
    if "all" in chosen:
        excluded = excluded_models(protocol, dataset, options)
        chosen = [name for name in models_for(protocol) if name not in excluded]
    for given in (seeds, training_seeds):
        if given is not None and not given:
            raise UsageError("No seeds were given. Give whole numbers, for example --seeds 1,2,3.")
    splits = [split_seed] if seeds is None else list(dict.fromkeys(seeds))
    default = {split: [seed if seeds is None else split] for split in splits}
    pairs = [
        (training_seed, split) for split in splits for training_seed in dict.fromkeys(training_seeds or default[split])
    ]
    return [
        request
        for training_seed, split in pairs
        for request in training_requests.build_requests(
            chosen,
            dataset,
            protocol=protocol,
            preset=preset,
            settings=settings,
            epochs=epochs,
            seed=training_seed,
            split_seed=split,
            device=device,
            options=options,
        )
    ]


def find_runs(requests: Sequence[Request]) -> Comparison:
    """Find an existing run for each request: same model, data, protocol, split, settings and seeds."""
    hashes = [request.request_hash for request in requests]
    runs: dict[str, list[RunRecord]] = {}
    for run in open_store().runs(request_hashes=list(dict.fromkeys(hashes))):
        runs.setdefault(run.request_hash, []).append(run)
    return Comparison(tuple(requests), tuple(_best_of(runs.get(digest, [])) for digest in hashes))


def start(requests: Sequence[Request], *, key: str | None = None) -> list[RunRecord]:
    """Train missing requests and resume unfinished runs; returns one run per request, in order."""
    comparison = find_runs(requests)
    new_runs = iter(launch.train(comparison.missing, key=key) if comparison.missing else [])
    runs = []
    for run in comparison.runs:
        if run is None:
            runs.append(next(new_runs))
        else:
            runs.append(launch.resume(run.id) if run.state.can_resume() else run)
    return runs


def _other_task(model: str, entry: DatasetEntry) -> str | None:
    """Return why "all" models exclude a rating model on a dataset with its own ranking split."""
    if entry.own_split != "ranking" or registry.model_class(model).task != "rating":
        return None
    return f"{model} predicts ratings; {entry.name} has a split for ranking. Name the model explicitly to rank with it."


def _best_of(runs: Sequence[RunRecord]) -> RunRecord | None:
    for candidates in (
        [run for run in runs if run.state is State.FINISHED],
        [run for run in runs if run.state.is_active()],
        [run for run in runs if run.state in (State.STOPPED, State.INTERRUPTED)],
    ):
        if candidates:
            return candidates[0]
    return None
