"""Recommendations for somebody's picks, from every trained model of a data set side by side."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from recdash import devices
from recdash.analysis.groups import comparability_key, model_title
from recdash.data import dataset_registry
from recdash.data.dataset import Dataset
from recdash.data.items import Item
from recdash.data.picks import Pick, resolve_all
from recdash.data.title_search import search
from recdash.errors import CheckpointError, DataError, UsageError, unknown
from recdash.evaluation.criterion import criterion_of
from recdash.json_values import json_safe
from recdash.models import registry
from recdash.recommend import ranked_list, untrained
from recdash.recommend.ranked_list import Reason, Suggestion
from recdash.runs import gpu_placement
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State
from recdash.services import datasets, launch, tie_warnings
from recdash.services.store_access import open_store
from recdash.settings import as_names

if TYPE_CHECKING:
    import torch

    from recdash.models.base import Model

__all__ = [
    "Answer",
    "Reason",
    "Suggestion",
    "Suggestions",
    "best_runs",
    "devices_here",
    "find_items",
    "popular_items",
    "recommend",
    "trained_runs",
]

_COUNTED: WeakKeyDictionary[Dataset, NDArray[np.int64]] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class Suggestions:
    """One model's list.

    run: None for the EASE that was fitted on the spot.  unknown: picks that are not among the model's items.
    reasons_are: "contribution" (exact parts of the score, EASE) or "score drop" (score lost without the pick).
    note: what the reader has to know, for example that the model knows none of the picks; often empty.
    """

    model: str
    title: str
    run: RunRecord | None
    items: tuple[Suggestion, ...]
    unknown: tuple[Item, ...] = ()
    reasons_are: str = ""
    note: str = ""

    @property
    def key(self) -> str:
        """What tells this list from the others: the run's id, or "instant"."""
        return self.run.id if self.run is not None else "instant"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """All lists for the same picks. generated: the tastes behind the data are made up, which must be said."""

    dataset: str
    picks: tuple[Item, ...]
    lists: tuple[Suggestions, ...]
    generated: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the command line's document: {"picks": [...], "recommendations": {model: [...]}, ...}.

        Of several runs of one model the first keeps the model's name as its key, the others are named by run id.
        """
        named: dict[str, Suggestions] = {}
        for one in self.lists:
            named[one.key if one.model in named else one.model] = one
        plain = {
            "dataset": self.dataset,
            "generated": self.generated,
            "picks": [_item(pick) for pick in self.picks],
            "recommendations": {name: [_suggestion(place) for place in one.items] for name, one in named.items()},
            "models": {name: _about(one) for name, one in named.items()},
        }
        return dict(json_safe(plain))


def trained_runs(dataset: str) -> list[RunRecord]:
    """Return all finished runs of a data set whose checkpoints are there, by model, the best run of each model first.

    Validation figures of different protocols, splits or contents of the data set say nothing about each other. So a
    model's runs on the present content come first, then those of its default protocol, then those that are comparable
    with its newest run; among comparable ones the best on validation is first, the newest among equals.
    """
    runs = tie_warnings.with_rule(open_store().runs(dataset=datasets.name_in_runs(dataset), states=[State.FINISHED]))
    there = [run for run in runs if run.model in registry.names() and RunFolder(run.id).has_model()]
    present, order, newest = _present_fingerprint(dataset, there), registry.names(), _newest_comparable(there)

    def place(run: RunRecord) -> tuple[int, bool, bool, float, tuple[str, ...], tuple[bool, float], float]:
        group, outdated = comparability_key(run), run.dataset_fingerprint != present
        unusual = run.protocol != launch.default_protocol(run.model)
        latest = -newest[run.model, group]
        return order.index(run.model), outdated, unusual, latest, group, _by_validation(run), -run.created

    return sorted(there, key=place)


def best_runs(dataset: str, models: str | Sequence[str] | None = None) -> list[RunRecord]:
    """Return the first of `trained_runs` of each trained model, or of those named (a list, or separated by commas).

    Raises UsageError for a model that does not exist, or that has no finished run on this data.
    """
    best: dict[str, RunRecord] = {}
    for run in trained_runs(dataset):
        best.setdefault(run.model, run)
    named = list(best) if models is None else as_names(models)
    for model in named:
        if model not in registry.names():
            raise unknown("model", model, registry.names())
        if model not in best:
            have = ", ".join(best) or "none yet"
            raise UsageError(
                f"{model} is not trained on {dataset} (trained: {have}). "
                f"Train it: recdash train {model} --dataset {dataset}"
            )
    return [best[model] for model in dict.fromkeys(named)]


def find_items(dataset: str, text: str, limit: int = 20) -> list[Item]:
    """Return items whose titles fit the text, small typing errors forgiven, popular ones first among equals."""
    loaded = datasets.load(dataset)
    return [loaded.catalogue[hit.item] for hit in search(loaded.catalogue, text, limit, _popularity(loaded))]


def popular_items(dataset: str, limit: int = 30) -> list[Item]:
    """Return the most popular items, for somebody who has picked nothing yet."""
    loaded = datasets.load(dataset)
    counts = _popularity(loaded)
    return [loaded.catalogue[int(index)] for index in np.lexsort((np.arange(len(counts)), -counts))[:limit]]


def recommend(
    dataset: str,
    picks: Sequence[Pick],
    *,
    models: str | Sequence[str] | None = None,
    run_ids: str | Sequence[str] | None = None,
    k: int = 10,
    explain: bool = True,
    device: str = "cpu",
) -> Answer:
    """Return one list per model: the best run of each trained model, of those named, or exactly the named runs.

    models, run_ids: lists, or names separated by commas; what "best" means is said at `trained_runs`.
    picks: titles, ids or items of the data set, understood as `recdash.data.picks.resolve` says; one that fits no
    item, or several about equally well, raises UsageError with the nearest ones.
    device: where trained models answer; one for which a GPU has no room answers on the CPU, and its note says so.
    While nothing is trained on the data set, EASE is fitted on the spot on all its positives, and the note says so.
    """
    if not 1 <= k <= 1000:
        raise UsageError(f"k = {k} is outside [1, 1000]. It is the length of the list, for example 10.")
    dataset = dataset_registry.name_of(dataset)
    loaded = datasets.load(dataset)
    chosen = tuple(loaded.catalogue[index] for index in resolve_all(loaded.catalogue, picks, _popularity(loaded)))
    runs = _wanted(dataset, models) if run_ids is None else _named(dataset, as_names(run_ids))
    if runs:
        where = devices.choose(device)
        lists = tuple(_answer_of(run, chosen, k, explain, where) for run in runs)
    else:
        lists = (_at_once(dataset, loaded.fingerprint, chosen, k, explain),)
    return Answer(dataset=dataset, picks=chosen, lists=lists, generated=loaded.generated)


def load_model(run: RunRecord, device: str = "cpu") -> Model:
    """Return the trained model of a run, ready to score; the last few stay in memory and must not be changed."""
    return _load(run, devices.choose(device)).model


def devices_here() -> list[str]:
    """Return where trained models can answer on this machine: the CPU, and its GPUs."""
    return ["cpu", *(f"cuda:{number}" for number in range(gpu_placement.count()))]


def _load(run: RunRecord, device: torch.device) -> _Loaded:
    manifest = RunFolder(run.id).best / "checkpoint.json"
    try:
        return _loaded(str(manifest.parent), manifest.stat().st_mtime_ns, str(device))
    except OSError as error:
        raise CheckpointError(f"Run {run.id} has no weights any more ({manifest.parent}). Train it again.") from error


def _wanted(dataset: str, models: str | Sequence[str] | None) -> list[RunRecord]:
    named = None if models is None else as_names(models)
    if named == []:
        raise UsageError("No model was named. Name at least one, or none at all for every trained model.")
    if named == ["ease"] and not trained_runs(dataset):
        return []
    return best_runs(dataset, named)


def _named(dataset: str, run_ids: Sequence[str]) -> list[RunRecord]:
    if not run_ids:
        raise UsageError("No run was named. Name at least one, or none at all for the best run of each model.")
    found = [open_store().run(run_id) for run_id in run_ids]
    for run in found:
        if datasets.name_in_runs(run.dataset) != dataset:
            raise UsageError(f"Run {run.id} was trained on {run.dataset}, not on {dataset}. Name that data set.")
        if not RunFolder(run.id).has_model():
            raise UsageError(f"Run {run.id} is {run.state.value} and has no weights yet. Choose a finished run.")
    return found


def _answer_of(run: RunRecord, picks: Sequence[Item], k: int, explain: bool, device: torch.device) -> Suggestions:
    title = model_title(run)
    try:
        loaded = _load(run, device)
        try:
            ranked, said = ranked_list.rank(loaded.model, picks, k, explain=explain), loaded.note
        except RuntimeError as error:  # room for the weights, but not for the scores
            if device.type == "cpu" or not devices.is_out_of_memory(error):
                raise
            on_cpu = _load(run, devices.choose("cpu")).model
            ranked, said = ranked_list.rank(on_cpu, picks, k, explain=explain), registry.stays_on_cpu(error, device)
    except CheckpointError as error:
        return Suggestions(model=run.model, title=title, run=run, items=(), note=str(error))
    unfinished = "" if run.state is State.FINISHED else f"this run is {run.state.value}"
    return _suggestions(ranked, picks, run.model, title, run, "; ".join(filter(None, (unfinished, said))))


def _at_once(dataset: str, fingerprint: str, picks: Sequence[Item], k: int, explain: bool) -> Suggestions:
    model, note = _instant(dataset, fingerprint)
    return _suggestions(ranked_list.rank(model, picks, k, explain=explain), picks, model.name, model.title, None, note)


def _suggestions(
    ranked: ranked_list.RankedList, picks: Sequence[Item], model: str, title: str, run: RunRecord | None, note: str
) -> Suggestions:
    notes = [note] if note else []
    if not picks and not ranked.items:
        notes.append("needs at least one pick")
    elif ranked.unknown and len(ranked.unknown) == len(picks):
        notes.append("knows none of these picks; they were too rare among its training users")
    elif ranked.unknown:
        notes.append(f"does not know {', '.join(item.label for item in ranked.unknown)}")
    return Suggestions(
        model=model,
        title=title,
        run=run,
        items=ranked.items,
        unknown=ranked.unknown,
        reasons_are=ranked.reasons_are,
        note="; ".join(notes),
    )


def _present_fingerprint(dataset: str, runs: Sequence[RunRecord]) -> str:
    """Return the fingerprint of what the data set holds now, looked up only where the runs differ; "" if it is gone."""
    recorded = {run.dataset_fingerprint for run in runs}
    if len(recorded) == 1:
        return recorded.pop()
    with suppress(UsageError, DataError):
        return launch.data_entry(dataset).fingerprint
    return ""


def _newest_comparable(runs: Sequence[RunRecord]) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return when the newest run was made, for each model and each group of comparable runs."""
    newest: dict[tuple[str, tuple[str, ...]], float] = {}
    for run in runs:
        key = run.model, comparability_key(run)
        newest[key] = max(run.created, newest.get(key, run.created))
    return newest


def _by_validation(run: RunRecord) -> tuple[bool, float]:
    """Order comparable runs: the best on validation first, those without a value last."""
    criterion = criterion_of(run.validation)
    if run.best_value is None or criterion is None:
        return True, 0.0
    return False, -criterion.sign * run.best_value


def _popularity(dataset: Dataset) -> NDArray[np.int64]:
    """Interactions with each item, (items,); counted once, for a page searches while somebody types."""
    if dataset not in _COUNTED:
        _COUNTED[dataset] = np.bincount(dataset.items, minlength=dataset.n_items)
    return _COUNTED[dataset]


def _item(item: Item) -> dict[str, Any]:
    return {"id": item.id, "title": item.title, "year": item.year}


def _suggestion(place: Suggestion) -> dict[str, Any]:
    because = [{"id": reason.pick.id, "title": reason.pick.title, "share": reason.share} for reason in place.reasons]
    return {"rank": place.rank, **_item(place.item), "score": place.score, "because": because}


def _about(one: Suggestions) -> dict[str, Any]:
    return {
        "model": one.model,
        "run": one.run.id if one.run else None,
        "protocol": one.run.protocol if one.run else None,
        "split_seed": one.run.split_seed if one.run else None,
        "validation": one.run.best_value if one.run else None,
        "unstable_epoch": one.run.unstable_epoch if one.run else None,
        "still_improving": one.run.still_improving if one.run else None,
        "unknown_picks": [_item(item) for item in one.unknown],
        "because_is": one.reasons_are,
        "note": one.note,
    }


class _Loaded(NamedTuple):
    """A model, and what has to be said about where it lies."""

    model: Model
    note: str


@lru_cache(maxsize=8)
def _loaded(folder: str, _written: int, device: str) -> _Loaded:
    model = registry.load(folder)
    return _Loaded(model, registry.move(model, devices.choose(device)))


@lru_cache(maxsize=2)
def _instant(dataset: str, _fingerprint: str) -> untrained.Instant:
    return untrained.fit_at_once(dataset_registry.load_dataset(dataset))
