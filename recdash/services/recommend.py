"""Recommendations for a taste, from several trained models side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from recdash import devices
from recdash.analysis.run_labels import model_title
from recdash.data import dataset_registry
from recdash.data.dataset import Dataset
from recdash.data.items import Item
from recdash.data.picks import Pick, resolve_all
from recdash.data.title_search import search
from recdash.errors import CheckpointError, TrainingError, UsageError
from recdash.models import registry
from recdash.recommend import ease_fallback, ranked_list
from recdash.recommend.item_filter import ItemFilter
from recdash.recommend.ranked_list import ListOptions, RankedItem, Reason
from recdash.recommend.taste import Taste, TasteEntry
from recdash.runs import gpu_placement
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State
from recdash.services import datasets, loaded_models
from recdash.services.dataset_popularity import popularity_of
from recdash.services.loaded_models import LoadedModel, load_model
from recdash.services.recommendation_lists import RecommendationList, Recommendations
from recdash.services.similar_items import SimilarItems, similar_to
from recdash.services.taste_starts import empty_taste, example_user, starter_items, surprise
from recdash.services.trained_runs import best_runs, runs_by_id, trained_runs
from recdash.settings import name_list

if TYPE_CHECKING:
    import torch

    from recdash.models.base import Model

__all__ = [
    "ListOptions",
    "RankedItem",
    "Reason",
    "RecommendationList",
    "Recommendations",
    "available_devices",
    "empty_taste",
    "example_user",
    "find_items",
    "list_of_model",
    "load_model",
    "popular_items",
    "recommend",
    "similar_items",
    "starter_items",
    "surprise",
]

NO_PICK_NOTE = "needs at least one pick"
NO_PERMITTED_NOTE, NO_ITEM_LEFT_NOTE = "no item passes the filters", "no item is left to recommend"
TOO_MANY_ENTRIES_NOTE = f"no reasons for more than {ranked_list.MAX_LEFT_OUT} entries"


def find_items(dataset: str, text: str, limit: int = 20) -> list[Item]:
    """Return items whose titles match a text, small typing errors included; of equal matches popular items first."""
    loaded = datasets.load(dataset)
    return [loaded.catalogue[hit.item] for hit in search(loaded.catalogue, text, limit, popularity_of(loaded).counts)]


def popular_items(dataset: str, limit: int = 30) -> list[Item]:
    """Return the most popular items."""
    loaded = datasets.load(dataset)
    return [loaded.catalogue[int(index)] for index in (-popularity_of(loaded).counts).argsort(kind="stable")[:limit]]


def recommend(
    dataset: str,
    picks: Sequence[Pick] = (),
    *,
    models: str | Sequence[str] | None = None,
    run_ids: str | Sequence[str] | None = None,
    k: int | None = None,
    explain: bool | None = None,
    device: str = "cpu",
    taste: Taste | None = None,
    options: ListOptions | None = None,
    epochs: Mapping[str, int] | None = None,
) -> Recommendations:
    """Return recommendations of the best run of each trained model, or of chosen models or runs.

    If no model is trained on the dataset, EASE is fitted on all its positives; the note of the list says so.

    Args:
        dataset: Name of a dataset, or path of a file.
        picks: Liked titles, ids or items of the dataset (see `recdash.data.picks.resolve`).
        models: Only these models, a list or names separated by commas. The best run of a model is the first of
            `recdash.services.trained_runs.trained_runs`.
        run_ids: Exactly these runs, a list or ids separated by commas.
        k: Length of each list, from 1 to 1000; overrides that of the options, 10 by default.
        explain: Whether to compute reasons; overrides the options, by default yes.
        device: Device of the models. A model that does not fit into GPU memory runs on the CPU; its note says so.
        taste: Liked, disliked and rated items, in place of picks.
        options: Filters, adventure, temperature and reasons.
        epochs: For a run id, the epoch whose snapshot answers in place of the run's saved model.

    Raises:
        UsageError: `k` or an option is out of bounds, a model or run is unknown, not trained or of another dataset, or
            a pick matches no item or several items equally well (the message lists the closest).
    """
    options = _with_overrides(options or ListOptions(), k, explain)
    dataset = dataset_registry.name_of(dataset)
    loaded = datasets.load(dataset)
    taste = _resolved(loaded, picks, taste)
    runs = _runs_of_models(dataset, models) if run_ids is None else runs_by_id(dataset, run_ids)
    if runs:
        chosen_device, epochs = devices.choose(device), epochs or {}
        lists = tuple(
            _recommend_with_run(run, loaded, taste, options, chosen_device, epochs.get(run.id)) for run in runs
        )
    else:
        lists = (_recommend_untrained(loaded, taste, options),)
    return Recommendations(dataset=dataset, picks=taste.liked, lists=lists, generated=loaded.generated, taste=taste)


def similar_items(dataset: str, run_id: str | None, item: Item, k: int = 10, device: str = "cpu") -> SimilarItems:
    """Return items similar to one, see `recdash.services.similar_items.similar_to`.

    Args:
        dataset: Name of a dataset, or path of a file.
        run_id: A run on this dataset; None for the best run of EASE, or EASE fitted on demand.
        item: The item.
        k: Maximum number of similar items, from 1 to 1000.
        device: Device of the model.

    Raises:
        UsageError: `k` is out of range, or the run is unknown, not trained or of another dataset.
        CheckpointError: The weights are missing or damaged.
    """
    dataset = dataset_registry.name_of(dataset)
    if run_id is None:
        runs = [run for run in trained_runs(dataset) if run.model == "ease"]
    else:
        runs = runs_by_id(dataset, [run_id])
    if not runs:
        return similar_to(untrained_ease(datasets.load(dataset)).model, item, k)
    return similar_to(loaded_models.load(runs[0], devices.choose(device)).model, item, k)


def available_devices() -> list[str]:
    """Return the devices on which trained models can run: the CPU and each GPU."""
    return ["cpu", *(f"cuda:{number}" for number in range(gpu_placement.gpu_count()))]


def untrained_ease(dataset: Dataset) -> LoadedModel:
    """Return the EASE that answers before anything is trained, fitted on first use."""
    key = ("untrained ease", dataset.name, dataset.fingerprint)
    return loaded_models.cached(key, lambda: LoadedModel(*ease_fallback.fit_ease(dataset)))


def list_of_model(
    model: Model, dataset: Dataset, taste: Taste, options: ListOptions, run: RunRecord | None = None, note: str = ""
) -> RecommendationList:
    """Return the list of a loaded model, such as EASE with another penalty (`recdash.services.ease_refits`).

    Raises:
        UsageError: An option is out of range.
        TrainingError: A score is NaN or infinite.
    """
    ranked = ranked_list.rank(model, taste, options=options, popularity=popularity_of(dataset))
    return RecommendationList(
        model=model.name if run is None else run.model,
        title=model.title if run is None else model_title(run),
        run=run,
        items=ranked.items,
        unknown=ranked.unknown,
        reason_kind=ranked.reason_kind,
        note="; ".join([*filter(None, [note]), *_notes(model, ranked, taste, options)]),
        scale=ranked.scale,
        reads=taste.describe_reading(model),
        n_permitted=ranked.n_permitted,
    )


def _notes(model: Model, ranked: ranked_list.RankedList, taste: Taste, options: ListOptions) -> list[str]:
    notes = []
    wanted = taste.items if model.task == "rating" else taste.liked
    if not wanted and not ranked.items and not model.accepts_empty_history:
        notes.append(NO_PICK_NOTE)
    elif ranked.unknown and len(ranked.unknown) == len(wanted):
        notes.append("knows none of these picks; they were too rare among its training users")
    elif ranked.unknown:
        notes.append(f"does not know {', '.join(item.label for item in ranked.unknown)}")
    if not ranked.items and not ranked.n_permitted and (ranked.n_read or model.accepts_empty_history):
        notes.append(NO_ITEM_LEFT_NOTE if options.filter == ItemFilter() else NO_PERMITTED_NOTE)
    has_reasons = ranked.reason_kind or not options.reasons or not model.uses_history
    if ranked.items and not has_reasons and ranked.n_read > ranked_list.MAX_LEFT_OUT:
        notes.append(TOO_MANY_ENTRIES_NOTE)
    return notes


def _with_overrides(options: ListOptions, k: int | None, explain: bool | None) -> ListOptions:
    if k is not None:
        ranked_list.check_length(k)
    options = options if k is None else replace(options, k=k)
    return options if explain is None else replace(options, reasons=explain)


def _resolved(dataset: Dataset, picks: Sequence[Pick], taste: Taste | None) -> Taste:
    """Return the taste, or the one of the picks."""
    indices = resolve_all(dataset.catalogue, picks, popularity_of(dataset).counts)
    if taste is None:
        start = empty_taste(dataset)
        return replace(start, entries=tuple(TasteEntry(dataset.catalogue[index]) for index in indices))
    if indices:
        raise UsageError("picks and taste exclude each other. Add the picks to the taste as likes.")
    return taste


def _runs_of_models(dataset: str, models: str | Sequence[str] | None) -> list[RunRecord]:
    names = None if models is None else name_list(models)
    if names == []:
        raise UsageError("The list of models is empty. Name at least one, or leave it out for every trained model.")
    if names == ["ease"] and not trained_runs(dataset):
        return []
    return best_runs(dataset, names)


def _recommend_with_run(
    run: RunRecord, dataset: Dataset, taste: Taste, options: ListOptions, device: torch.device, epoch: int | None
) -> RecommendationList:
    state_note = "" if run.state is State.FINISHED else f"this run is {run.state.value}"
    try:
        loaded = loaded_models.load(run, device, epoch)
        try:
            found = list_of_model(loaded.model, dataset, taste, options, run, _joined(state_note, loaded.note))
        except RuntimeError as error:  # the weights fit into GPU memory, but the scores do not
            if device.type == "cpu" or not devices.is_out_of_memory(error):
                raise
            on_cpu = loaded_models.load(run, devices.choose("cpu"), epoch).model
            note = _joined(state_note, registry.cpu_fallback_message(error, device))
            found = list_of_model(on_cpu, dataset, taste, options, run, note)
    except (CheckpointError, TrainingError) as error:
        found = RecommendationList(model=run.model, title=model_title(run), run=run, items=(), note=str(error))
    return replace(found, epoch=epoch)


def _recommend_untrained(dataset: Dataset, taste: Taste, options: ListOptions) -> RecommendationList:
    loaded = untrained_ease(dataset)
    return list_of_model(loaded.model, dataset, taste, options, note=loaded.note)


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))
