"""Comparing models on one data set: what is trained already counts, what is missing is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recdash.errors import UsageError, unknown
from recdash.models import registry
from recdash.runs.run_records import Request, RunRecord
from recdash.runs.states import State
from recdash.services import launch
from recdash.services.store_access import open_store
from recdash.settings import DEFAULT_SPLIT_SEED, as_names

if TYPE_CHECKING:
    from recdash.data.dataset_registry import Entry
    from recdash.splits.split_options import SplitOptions


@dataclass(frozen=True)
class Comparison:
    """What a comparison needs: for each request, in order, the run that answers it, or None.

    A finished run counts, then one that is queued or running, then one that stopped half-way and can go on.
    """

    requests: tuple[Request, ...]
    runs: tuple[RunRecord | None, ...]

    @property
    def missing(self) -> tuple[Request, ...]:
        """The requests for which nothing is there."""
        return tuple(request for request, run in zip(self.requests, self.runs, strict=True) if run is None)


def models_for(protocol: str | None = None) -> list[str]:
    """Return all models that suit a protocol's task; without a protocol, all that have a protocol to train under."""
    from recdash.splits import PROTOCOLS

    if protocol is not None and protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)
    tasks = {PROTOCOLS[protocol].task} if protocol else {known.task for known in PROTOCOLS.values()}
    return [name for name in registry.names() if registry.model_class(name).task in tasks]


def left_out(protocol: str | None, dataset: str, options: SplitOptions | None = None) -> dict[str, str]:
    """Return which of all models the data cannot serve, each with the reason: no order, or no ratings."""
    entry = launch.data_entry(dataset, options)
    reasons = {name: launch.lacks(name, entry) or _off_task(name, entry) for name in models_for(protocol)}
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

    models: a list, or names separated by commas; "all" are those that the data can serve.
    seeds: repeats split and training with each of them.  training_seeds: repeats the training with each of them, on
    every split; without it each split has one training, with the split's own seed where `seeds` are given.
    options: of the splits, see `launch.plan`.
    """
    chosen, protocol = as_names(models), launch.protocol_of(protocol, dataset, options)
    if "all" in chosen:
        without = left_out(protocol, dataset, options)
        chosen = [name for name in models_for(protocol) if name not in without]
    for given in (seeds, training_seeds):
        if given is not None and not given:
            raise UsageError("No seeds were given. Give whole numbers, for example --seeds 1,2,3.")
    splits = [split_seed] if seeds is None else list(dict.fromkeys(seeds))
    alone = {split: [seed if seeds is None else split] for split in splits}
    pairs = [(own, split) for split in splits for own in dict.fromkeys(training_seeds or alone[split])]
    return [
        request
        for own, split in pairs
        for request in launch.plan(
            chosen,
            dataset,
            protocol=protocol,
            preset=preset,
            settings=settings,
            epochs=epochs,
            seed=own,
            split_seed=split,
            device=device,
            options=options,
        )
    ]


def look(wanted: Sequence[Request]) -> Comparison:
    """Return which of these are there: same model, data, protocol, split seed and options, settings, seed."""
    store = open_store()
    return Comparison(
        tuple(wanted), tuple(_best_of(store.runs(request_hash=request.request_hash)) for request in wanted)
    )


def start(wanted: Sequence[Request], *, key: str | None = None) -> list[RunRecord]:
    """Train what is missing, resume what was left half done; returns one run per request, in order."""
    comparison = look(wanted)
    fresh = iter(launch.train(comparison.missing, key=key) if comparison.missing else [])
    found = []
    for run in comparison.runs:
        if run is None:
            found.append(next(fresh))
        else:
            found.append(launch.resume(run.id) if run.state.can_resume() else run)
    return found


def _off_task(model: str, entry: Entry) -> str | None:
    """Return why a rating model takes no part among all models where the data came with a split for ranking."""
    if entry.own_split != "ranking" or registry.model_class(model).task != "rating":
        return None
    return f"{model} predicts ratings; {entry.name} came with a split for ranking. Name the model to let it rank."


def _best_of(runs: Sequence[RunRecord]) -> RunRecord | None:
    for fits in (
        [run for run in runs if run.state is State.FINISHED],
        [run for run in runs if run.state.is_active()],
        [run for run in runs if run.state in (State.STOPPED, State.INTERRUPTED)],
    ):
        if fits:
            return fits[0]
    return None
