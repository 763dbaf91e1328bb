"""Recommendations for a list of picked items, from several trained models side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from recdash import devices
from recdash.analysis.run_labels import model_title
from recdash.data import dataset_registry
from recdash.data.dataset import Dataset
from recdash.data.items import Item
from recdash.data.picks import Pick, resolve_all
from recdash.data.title_search import search
from recdash.errors import CheckpointError, UsageError
from recdash.json_values import json_safe
from recdash.models import registry
from recdash.recommend import ease_fallback, ranked_list
from recdash.recommend.ranked_list import RankedItem, Reason
from recdash.runs import gpu_placement
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State
from recdash.services import datasets
from recdash.services.store_access import open_store
from recdash.services.trained_runs import best_runs, trained_runs
from recdash.settings import name_list

if TYPE_CHECKING:
    import torch

    from recdash.models.base import Model

__all__ = [
    "RankedItem",
    "Reason",
    "RecommendationList",
    "Recommendations",
    "available_devices",
    "find_items",
    "popular_items",
    "recommend",
]

NO_PICK_NOTE = "needs at least one pick"
_POPULARITY: WeakKeyDictionary[Dataset, NDArray[np.int64]] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class RecommendationList:
    """Recommendations of one model.

    Attributes:
        model: Name of the model.
        title: Title of the model.
        run: The run; None for the EASE that is fitted when nothing is trained.
        items: The recommended items, best first.
        unknown: Picks that are not among the model's items.
        reason_kind: Meaning of the reasons: "contribution" (exact parts of the score, EASE) or "score drop" (decrease
            of the score without the pick).
        note: Notes for the reader, for example that the model knows none of the picks; often empty.
    """

    model: str
    title: str
    run: RunRecord | None
    items: tuple[RankedItem, ...]
    unknown: tuple[Item, ...] = ()
    reason_kind: str = ""
    note: str = ""

    @property
    def key(self) -> str:
        """Unique key of the list: the run's id, or "instant" without a run."""
        return self.run.id if self.run is not None else "instant"


@dataclass(frozen=True, kw_only=True)
class Recommendations:
    """Recommendations of all models for the same picks; `generated` marks data with synthetic preferences."""

    dataset: str
    picks: tuple[Item, ...]
    lists: tuple[RecommendationList, ...]
    generated: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of `recdash recommend`.

        Of several runs of one model the first has the model's name as its key, the others have their run id.
        """
        by_key: dict[str, RecommendationList] = {}
        for one in self.lists:
            by_key[one.key if one.model in by_key else one.model] = one
        plain = {
            "dataset": self.dataset,
            "generated": self.generated,
            "picks": [_item_dict(pick) for pick in self.picks],
            "recommendations": {name: [_ranked_dict(ranked) for ranked in one.items] for name, one in by_key.items()},
            "models": {name: _list_dict(one) for name, one in by_key.items()},
        }
        return dict(json_safe(plain))


def find_items(dataset: str, text: str, limit: int = 20) -> list[Item]:
    """Return items whose titles match a text, small typing errors included; of equal matches popular items first."""
    loaded = datasets.load(dataset)
    return [loaded.catalogue[hit.item] for hit in search(loaded.catalogue, text, limit, _popularity(loaded))]


def popular_items(dataset: str, limit: int = 30) -> list[Item]:
    """Return the most popular items."""
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
) -> Recommendations:
    """Return recommendations of the best run of each trained model, or of chosen models or runs.

    If no model is trained on the dataset, EASE is fitted on all its positives; the note of the list says so.

    Args:
        dataset: Name of a dataset, or path of a file.
        picks: Titles, ids or items of the dataset (see `recdash.data.picks.resolve`).
        models: Only these models, a list or names separated by commas. The best run of a model is the first of
            `recdash.services.trained_runs.trained_runs`.
        run_ids: Exactly these runs, a list or ids separated by commas.
        k: Length of each list, from 1 to 1000.
        explain: Whether to compute reasons.
        device: Device of the models. A model that does not fit into GPU memory runs on the CPU; its note says so.

    Raises:
        UsageError: `k` is out of bounds, a model or run is unknown, not trained or of another dataset, or a pick
            matches no item or several items equally well (the message lists the closest).
    """
    if not 1 <= k <= 1000:
        raise UsageError(f"k = {k} is outside [1, 1000]. It is the length of the list, for example 10.")
    dataset = dataset_registry.name_of(dataset)
    loaded = datasets.load(dataset)
    items = tuple(loaded.catalogue[index] for index in resolve_all(loaded.catalogue, picks, _popularity(loaded)))
    runs = _runs_of_models(dataset, models) if run_ids is None else _runs_by_id(dataset, name_list(run_ids))
    if runs:
        chosen_device = devices.choose(device)
        lists = tuple(_recommend_with_run(run, items, k, explain, chosen_device) for run in runs)
    else:
        lists = (_recommend_untrained(dataset, loaded.fingerprint, items, k, explain),)
    return Recommendations(dataset=dataset, picks=items, lists=lists, generated=loaded.generated)


def load_model(run: RunRecord, device: str = "cpu") -> Model:
    """Return the trained model of a run. Models are cached and shared, so callers must not change them."""
    return _load(run, devices.choose(device)).model


def available_devices() -> list[str]:
    """Return the devices on which trained models can run: the CPU and each GPU."""
    return ["cpu", *(f"cuda:{number}" for number in range(gpu_placement.gpu_count()))]


def _load(run: RunRecord, device: torch.device) -> _LoadedModel:
    manifest = RunFolder(run.id).best / "checkpoint.json"
    try:
        return _load_checkpoint(str(manifest.parent), manifest.stat().st_mtime_ns, str(device))
    except OSError as error:
        raise CheckpointError(
            f"The weights of run {run.id} are missing ({manifest.parent}). Train it again."
        ) from error


def _runs_of_models(dataset: str, models: str | Sequence[str] | None) -> list[RunRecord]:
    names = None if models is None else name_list(models)
    if names == []:
        raise UsageError("The list of models is empty. Name at least one, or leave it out for every trained model.")
    if names == ["ease"] and not trained_runs(dataset):
        return []
    return best_runs(dataset, names)


def _runs_by_id(dataset: str, run_ids: Sequence[str]) -> list[RunRecord]:
    if not run_ids:
        raise UsageError(
            "The list of runs is empty. Name at least one, or leave it out for the best run of each model."
        )
    runs = [open_store().run(run_id) for run_id in run_ids]
    for run in runs:
        if datasets.name_in_runs(run.dataset) != dataset:
            raise UsageError(f"Run {run.id} was trained on {run.dataset}, not on {dataset}. Name that dataset.")
        if not RunFolder(run.id).has_model():
            raise UsageError(f"Run {run.id} is {run.state.value} and has no weights yet. Choose a finished run.")
    return runs


def _recommend_with_run(
    run: RunRecord, picks: Sequence[Item], k: int, explain: bool, device: torch.device
) -> RecommendationList:
    title = model_title(run)
    try:
        loaded = _load(run, device)
        try:
            ranked, device_note = ranked_list.rank(loaded.model, picks, k, explain=explain), loaded.note
        except RuntimeError as error:  # the weights fit into GPU memory, but the scores do not
            if device.type == "cpu" or not devices.is_out_of_memory(error):
                raise
            on_cpu = _load(run, devices.choose("cpu")).model
            ranked = ranked_list.rank(on_cpu, picks, k, explain=explain)
            device_note = registry.cpu_fallback_message(error, device)
    except CheckpointError as error:
        return RecommendationList(model=run.model, title=title, run=run, items=(), note=str(error))
    state_note = "" if run.state is State.FINISHED else f"this run is {run.state.value}"
    note = "; ".join(filter(None, (state_note, device_note)))
    return _recommendation_list(ranked, picks, run.model, title, run, note)


def _recommend_untrained(
    dataset: str, fingerprint: str, picks: Sequence[Item], k: int, explain: bool
) -> RecommendationList:
    model, note = _untrained_ease(dataset, fingerprint)
    ranked = ranked_list.rank(model, picks, k, explain=explain)
    return _recommendation_list(ranked, picks, model.name, model.title, None, note)


def _recommendation_list(
    ranked: ranked_list.RankedList, picks: Sequence[Item], model: str, title: str, run: RunRecord | None, note: str
) -> RecommendationList:
    notes = [note] if note else []
    if not picks and not ranked.items:
        notes.append(NO_PICK_NOTE)
    elif ranked.unknown and len(ranked.unknown) == len(picks):
        notes.append("knows none of these picks; they were too rare among its training users")
    elif ranked.unknown:
        notes.append(f"does not know {', '.join(item.label for item in ranked.unknown)}")
    return RecommendationList(
        model=model,
        title=title,
        run=run,
        items=ranked.items,
        unknown=ranked.unknown,
        reason_kind=ranked.reason_kind,
        note="; ".join(notes),
    )


def _popularity(dataset: Dataset) -> NDArray[np.int64]:
    """Return the interactions of each item, (items,); cached, since a page searches at every key press."""
    if dataset not in _POPULARITY:
        _POPULARITY[dataset] = np.bincount(dataset.items, minlength=dataset.n_items)
    return _POPULARITY[dataset]


def _item_dict(item: Item) -> dict[str, Any]:
    return {"id": item.id, "title": item.title, "year": item.year}


def _ranked_dict(ranked: RankedItem) -> dict[str, Any]:
    because = [{"id": reason.pick.id, "title": reason.pick.title, "share": reason.share} for reason in ranked.reasons]
    return {"rank": ranked.rank, **_item_dict(ranked.item), "score": ranked.score, "because": because}


def _list_dict(recommendation_list: RecommendationList) -> dict[str, Any]:
    return {
        "model": recommendation_list.model,
        "run": recommendation_list.run.id if recommendation_list.run else None,
        "protocol": recommendation_list.run.protocol if recommendation_list.run else None,
        "split_seed": recommendation_list.run.split_seed if recommendation_list.run else None,
        "validation": recommendation_list.run.best_value if recommendation_list.run else None,
        "unstable_epoch": recommendation_list.run.unstable_epoch if recommendation_list.run else None,
        "still_improving": recommendation_list.run.still_improving if recommendation_list.run else None,
        "unknown_picks": [_item_dict(item) for item in recommendation_list.unknown],
        "because_is": recommendation_list.reason_kind,
        "note": recommendation_list.note,
    }


class _LoadedModel(NamedTuple):
    """A model, with a note if it could not be moved to the requested device."""

    model: Model
    note: str


@lru_cache(maxsize=8)
def _load_checkpoint(folder: str, _modified_ns: int, device: str) -> _LoadedModel:
    model = registry.load(folder)
    return _LoadedModel(model, registry.move(model, devices.choose(device)))


@lru_cache(maxsize=2)
def _untrained_ease(dataset: str, _fingerprint: str) -> ease_fallback.FallbackModel:
    return ease_fallback.fit_ease(dataset_registry.load_dataset(dataset))
