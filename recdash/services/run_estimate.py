"""Expected time and memory of one run, from earlier runs of its model on this machine."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recdash.models import registry
from recdash.models.data_shape import DataShape
from recdash.runs.states import State
from recdash.services import training_cost

if TYPE_CHECKING:
    from recdash.runs.run_records import Request, RunRecord
    from recdash.settings import Config

_REFERENCES = 3  # earlier runs whose median counts
_SIMILAR = 1.25  # ratio of the work of runs that count besides the nearest
_FEWEST_BYTES = 200 << 20  # of any worker
LIBRARIES_BYTES = 270 << 20  # of a worker before any run is measured: Python with PyTorch (Linux, PyTorch 2.11)


_MOST_CACHED = 5000  # runs whose measurements stay in memory


@dataclass(frozen=True)
class Measured:
    """An earlier run with what it took.

    Attributes:
        run: The run.
        sizes: Its sizes.
        epoch_seconds: Training time of one epoch.
        validation_seconds: Time of one validation.
        other_seconds: Start, reading, split and test; None if the run was interrupted or stopped in between.
    """

    run: RunRecord
    sizes: training_cost.Sizes
    epoch_seconds: float
    validation_seconds: float
    other_seconds: float | None


@dataclass(frozen=True)
class Estimate:
    """What a run is expected to take.

    Attributes:
        seconds: Expected time, from start to results; None if no run of the model was measured on this machine.
        at_most_seconds: The same if early stopping does not end the run; None likewise.
        epochs: Expected number of epochs; None likewise.
        most_epochs: Largest number of epochs.
        basis: What the time rests on, as a phrase.
        memory_bytes: Peak memory of its process.
        memory_is_measured: Whether the memory rests on an earlier run of the model.
        gpu_bytes: Peak memory on a GPU in earlier runs, scaled; None without one.
    """

    seconds: float | None
    at_most_seconds: float | None
    epochs: int | None
    most_epochs: int
    basis: str
    memory_bytes: int
    memory_is_measured: bool
    gpu_bytes: int | None


_cache: dict[tuple[str, int, str], Measured | None] = {}  # by id and version of the run


def measured(runs: Sequence[RunRecord], machine: dict[str, Any]) -> list[Measured]:
    """Return the runs that were measured on this machine, the newest first.

    Args:
        runs: Any runs.
        machine: Description of this machine (`recdash.devices.machine_info`).
    """
    if len(_cache) > _MOST_CACHED:
        _cache.clear()
    found = []
    for run in runs:
        key = (run.id, run.version, str(machine))
        if key not in _cache:
            _cache[key] = _measured(run, machine)
        found.append(_cache[key])
    return [one for one in found if one is not None]


def estimate(request: Request, config: Config, shape: DataShape, earlier: Sequence[Measured], threads: int) -> Estimate:
    """Return what a run is expected to take.

    A time is scaled from the nearest earlier runs of the model by the work of an epoch; memory is moved by the
    difference of the arrays.

    Args:
        request: The run.
        config: Its full settings.
        shape: Size of its training part.
        earlier: Measured runs of any model.
        threads: Threads that the run will have.
    """
    sizes = training_cost.sizes(request.model, config, shape)
    references = _nearest(request, sizes, [one for one in earlier if one.run.model == request.model], threads)
    epochs = getattr(config, "epochs", 1)
    memory, is_measured = _memory(sizes, references, earlier)
    gpu = _gpu_memory(sizes, references)
    if not references:
        return Estimate(None, None, None, epochs, "not measured on this machine yet", memory, is_measured, gpu)
    expected = min(epochs, _expected_epochs(request, config, references, epochs))
    seconds, at_most = (_seconds(sizes, config, shape, references, number) for number in (expected, epochs))
    return Estimate(seconds, at_most, expected, epochs, _basis(request, sizes, references), memory, is_measured, gpu)


def _measured(run: RunRecord, machine: dict[str, Any]) -> Measured | None:
    details = run.details
    where = details.get("machine", machine if run.state is State.RUNNING else None)
    epochs = details.get("epochs_run") or run.epoch
    if run.source or where != machine or not epochs or run.elapsed_s is None:
        return None
    try:
        shape = shape_of(run)
        sizes = training_cost.sizes(
            run.model, registry.model_class(run.model).config_class.from_dict(run.config), shape
        )
    except Exception:  # settings of another version: this run says nothing about the present model
        return None
    validations = details.get("n_validations") or epochs
    validation = details.get("validation_seconds", 0.0)
    training = run.runtime_s if run.runtime_s is not None and validation else run.elapsed_s - validation
    other = None
    if run.state is State.FINISHED and run.attempts == 1 and run.started and run.finished:
        other = max(0.0, run.finished - run.started - run.elapsed_s)
    return Measured(run, sizes, max(0.0, training) / epochs, validation / max(1, validations), other)


def shape_of(run: RunRecord) -> DataShape:
    """Return the size of the training part of a run; raises KeyError for a run that did not start."""
    details = run.details
    scale = details.get("split", {}).get("scale")
    return DataShape(details["users"], details["items"], details["interactions"], tuple(scale) if scale else None)


def _nearest(
    request: Request, sizes: training_cost.Sizes, candidates: Sequence[Measured], threads: int
) -> list[Measured]:
    """Return the runs to scale from: same threads and device first, then the nearest in work, then the newest."""

    def distance(one: Measured) -> float:
        return abs(math.log(sizes.work / one.sizes.work)) if one.sizes.work > 0 and sizes.work > 0 else 0.0

    def rank(one: Measured) -> tuple[bool, bool, float]:
        return one.run.device != request.device, one.run.threads != threads, distance(one)

    ranked = sorted(candidates, key=rank)
    if not ranked:
        return []
    first = rank(ranked[0])
    alike = [one for one in ranked if rank(one)[:2] == first[:2] and rank(one)[2] <= first[2] + math.log(_SIMILAR)]
    return sorted(alike, key=lambda one: -(one.run.finished or one.run.created))[:_REFERENCES]


def _seconds(
    sizes: training_cost.Sizes, config: Any, shape: DataShape, references: Sequence[Measured], epochs: int
) -> float:
    every = getattr(config, "validate_every", 1)
    found = []
    for one in references:
        before = shape_of(one.run)
        # Validation scores users against all items; the rest reads and writes the interactions.
        scored = (shape.users * shape.items) / max(1, before.users * before.items)
        read = max(1.0, shape.interactions / max(1, before.interactions))
        training = one.epoch_seconds * sizes.work / max(1.0, one.sizes.work)
        validation = one.validation_seconds * scored * math.ceil(epochs / every)
        found.append(training * epochs + validation + (one.other_seconds or 0.0) * read)
    return statistics.median(found)


def _expected_epochs(request: Request, config: Any, references: Sequence[Measured], epochs: int) -> int:
    """Return after how many epochs early stopping ended such runs; all epochs where it never did."""
    ended = [
        one.run.epoch
        for one in references
        if one.run.state is State.FINISHED
        and one.run.dataset_fingerprint == request.dataset_fingerprint
        and one.run.protocol == request.protocol
        and one.run.epochs
        and one.run.epoch < one.run.epochs
        and not one.run.details.get("pruned_at")
        and one.run.config.get("patience") == getattr(config, "patience", None)
    ]
    return round(statistics.median(ended)) if ended else epochs


def _memory(
    sizes: training_cost.Sizes, references: Sequence[Measured], earlier: Sequence[Measured]
) -> tuple[int, bool]:
    needed = sizes.working_bytes + sizes.data_bytes
    peaks = [
        peak + needed - one.sizes.working_bytes - one.sizes.data_bytes
        for one in references
        if (peak := one.run.details.get("peak_memory_bytes"))
    ]
    if peaks:
        return max(needed + _FEWEST_BYTES, int(statistics.median(peaks))), True
    rest = [
        peak - one.sizes.working_bytes - one.sizes.data_bytes
        for one in earlier
        if (peak := one.run.details.get("peak_memory_bytes"))
    ]
    return needed + max(LIBRARIES_BYTES, min(rest, default=0)), False


def _gpu_memory(sizes: training_cost.Sizes, references: Sequence[Measured]) -> int | None:
    peaks = [
        peak + sizes.working_bytes - one.sizes.working_bytes
        for one in references
        if (peak := one.run.details.get("card_memory_bytes"))
    ]
    return max(0, int(statistics.median(peaks))) if peaks else None


def _basis(request: Request, sizes: training_cost.Sizes, references: Sequence[Measured]) -> str:
    n_runs = "1 earlier run" if len(references) == 1 else f"{len(references)} earlier runs"
    others = {one.run.dataset for one in references if one.run.dataset_fingerprint != request.dataset_fingerprint}
    where = f" on {', '.join(sorted(others))}" if others else ""
    ratio = max(sizes.work / max(1.0, one.sizes.work) for one in references)
    return f"{n_runs}{where}" + (", scaled by size" if others or not 1 / _SIMILAR < ratio < _SIMILAR else "")
