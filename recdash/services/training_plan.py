"""The plan of a start: number of runs, time, memory and disk space, and reasons why it would fail."""

from __future__ import annotations

import heapq
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash import environment, paths
from recdash.errors import SplitError, UsageError
from recdash.models import registry
from recdash.models.data_shape import DataShape
from recdash.reporting.formatting import byte_size, duration, listed, plural
from recdash.runs import process_env
from recdash.runs.run_records import Request
from recdash.runs.snapshots import MIN_FREE_BYTES
from recdash.services import datasets, run_estimate, training_cost, training_requests
from recdash.services.store_access import open_store

if TYPE_CHECKING:
    from recdash.data.dataset_registry import DatasetEntry
    from recdash.runs.run_records import RunRecord
    from recdash.services.run_estimate import Measured
    from recdash.splits.split_options import SplitOptions

LARGEST_CHECKED = 3_000_000  # interactions; the split of more takes seconds, so only the dataset's sizes are used
_FEWEST_USERS = 100  # of every protocol that splits by users


@dataclass(frozen=True)
class Problem:
    """A reason not to start.

    Attributes:
        text: What was found and what to do, on one line.
        certain: Whether a run would fail for certain. Otherwise it depends on what else uses the machine.
    """

    text: str
    certain: bool


@dataclass(frozen=True, kw_only=True)
class PlannedRun(run_estimate.Estimate):
    """One run of a plan; `disk_bytes` is what it keeps when it is finished, `epochs` the expected number of epochs."""

    request: Request
    disk_bytes: int
    state_bytes: int


@dataclass(frozen=True)
class TrainingPlan:
    """What a start would do.

    Attributes:
        runs: The runs, in the order of the queue.
        at_once: How many train at once (RECDASH_MAX_RUNS).
        seconds: Expected time until all are finished, once the first starts; None if none of the models was measured.
        at_most_seconds: The same if early stopping ends none of them.
        not_measured: Models without a measured run on this machine; the times leave them out.
        ahead: Queued and running runs before them.
        memory_bytes: Peak memory of those that train at once, the largest together.
        memory_free: Available memory; None if unknown.
        disk_bytes: Disk space that is needed at most.
        disk_free: Free disk space.
        problems: Reasons not to start.
    """

    runs: tuple[PlannedRun, ...]
    at_once: int
    seconds: float | None
    at_most_seconds: float | None
    not_measured: tuple[str, ...]
    ahead: int
    memory_bytes: int
    memory_free: int | None
    disk_bytes: int
    disk_free: int
    problems: tuple[Problem, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("runs", "problems")}
        listed_runs = [
            {
                "model": one.request.model,
                "name": one.request.name,
                "dataset": one.request.dataset,
                "protocol": one.request.protocol,
                "settings": dict(one.request.settings),
                "seed": one.request.seed,
                **{name: getattr(one, name) for name in one.__dataclass_fields__ if name != "request"},
            }
            for one in self.runs
        ]
        return {
            "n_runs": len(self.runs),
            **plain,
            "not_measured": list(self.not_measured),
            "runs": listed_runs,
            "problems": [asdict(problem) for problem in self.problems],
        }

    def sentences(self) -> list[str]:
        """Return the plan in short sentences: runs and time, memory, disk space."""
        return [self.time_text(), self.memory_text(), self.disk_text()]

    def time_text(self) -> str:
        """Return runs and time, such as "3 runs, 2 at once, about 40 s (at most 1 min 5 s)"."""
        parts = [plural(len(self.runs), "run")]
        if len(self.runs) > 1:
            parts.append(f"{min(self.at_once, len(self.runs))} at once")
        if self.seconds is None:
            parts.append("time unknown")
        else:
            longer = self.at_most_seconds is not None and self.at_most_seconds > 1.2 * self.seconds
            most = f" (at most {duration(self.at_most_seconds)})" if longer else ""
            parts.append(f"about {duration(self.seconds)}{most}")
        text = ", ".join(parts)
        if self.not_measured:
            titles = [registry.model_class(model).title for model in self.not_measured]
            left_out = "" if self.seconds is None else " and not included"
            text += f"; {listed(titles)} not measured on this machine yet{left_out}"
        return text + (f"; after {plural(self.ahead, 'run')} in the queue" if self.ahead else "")

    def memory_text(self) -> str:
        """Return the peak memory and what is free."""
        free = "" if self.memory_free is None else f" of {byte_size(self.memory_free)} free"
        return f"Memory: {byte_size(self.memory_bytes)}{free}"

    def disk_text(self) -> str:
        """Return the disk space and what is free."""
        return f"Disk: {byte_size(self.disk_bytes)} of {byte_size(self.disk_free)} free"


def plan(requests: Sequence[Request]) -> TrainingPlan:
    """Return the plan of a start.

    Args:
        requests: Checked requests (`recdash.services.training_requests`).

    Raises:
        UsageError: A dataset is no longer there.
        DataError: A dataset cannot be read.
    """
    from recdash import devices  # lazy: torch

    every_run = open_store().runs()
    earlier = run_estimate.measured(every_run, devices.machine_info())
    problems: list[Problem] = []
    planned = []
    for request in requests:
        shape, problem = _shape(request, every_run)
        if problem and problem not in [one.text for one in problems]:
            problems.append(Problem(problem, True))
        planned.append(_planned(request, shape, earlier))
    at_once = environment.max_runs()
    disk_free = shutil.disk_usage(_existing(paths.checkpoint_dir())).free
    memory_free = _available_bytes()
    memory = sum(sorted((one.memory_bytes for one in planned), reverse=True)[:at_once])
    states = sum(sorted((one.state_bytes for one in planned), reverse=True)[:at_once])
    disk = sum(one.disk_bytes for one in planned) + states
    problems += _memory_problems(planned, memory, memory_free, at_once)
    problems += _disk_problems(disk, disk_free)
    known = [one for one in planned if one.seconds is not None]
    return TrainingPlan(
        runs=tuple(planned),
        at_once=at_once,
        seconds=_total([one.seconds for one in known], at_once),
        at_most_seconds=_total([one.at_most_seconds for one in known], at_once),
        not_measured=tuple(dict.fromkeys(one.request.model for one in planned if one.seconds is None)),
        ahead=sum(run.state.is_active() for run in every_run),
        memory_bytes=memory,
        memory_free=memory_free,
        disk_bytes=disk,
        disk_free=disk_free,
        problems=tuple(problems),
    )


def training_shape(
    dataset: str, protocol: str, *, split_seed: int, options: Mapping[str, Any] | None = None
) -> DataShape | None:
    """Return the size of the training part of a split, which presets read; None where it is not known before training.

    It is known from earlier runs, and of up to `LARGEST_CHECKED` interactions by making the split once.

    Args:
        dataset: Name of a dataset, or path of a file.
        protocol: Name of the protocol.
        split_seed: Seed of the split.
        options: Split options (`SplitOptions.to_dict`).

    Raises:
        UsageError: The dataset is unknown or not downloaded.
        DataError: The dataset cannot be read.
    """
    from recdash.splits.split_options import SplitOptions  # lazy: pandas

    entry = training_requests.data_entry(dataset, SplitOptions.from_dict(options or {}))
    request = Request(
        model="", dataset=entry.name, dataset_fingerprint=entry.fingerprint, protocol=protocol, split_seed=split_seed,
        options=options or {},
    )  # fmt: skip
    shape, problem = _shape(request, open_store().runs())
    whole = shape.interactions == entry.interactions and shape.users == entry.users
    return None if problem or whole else shape


def refuse(plan: TrainingPlan, *, force: bool = False) -> None:
    """Raise an error with the first reason not to start, if there is one.

    Args:
        plan: The plan.
        force: Whether to start where memory or disk space will probably not suffice.

    Raises:
        SplitError: A run would fail for certain.
        UsageError: Memory or disk space will probably not suffice.
    """
    refuse_problems(plan.problems, force=force)


def refuse_problems(problems: Sequence[Problem], *, force: bool = False) -> None:
    """Raise an error with the first reason not to start, see `refuse`."""
    for problem in sorted(problems, key=lambda one: not one.certain):
        if problem.certain:
            raise SplitError(problem.text)
        if not force:
            raise UsageError(f"{problem.text} Or start anyway with --force.")


def _planned(request: Request, shape: DataShape, earlier: Sequence[Measured]) -> PlannedRun:
    config = registry.configure(request.model, shape, request.preset, request.settings)
    sizes = training_cost.sizes(request.model, config, shape)
    found = run_estimate.estimate(request, config, shape, earlier, process_env.threads_per_run())
    return PlannedRun(
        request=request, disk_bytes=sizes.stored_bytes, state_bytes=sizes.state_bytes,
        **vars(found),
    )  # fmt: skip


def _shape(request: Request, every_run: Sequence[RunRecord]) -> tuple[DataShape, str]:
    """Return the size of the training part, and why the data cannot be split; the size is then that of the dataset."""
    from recdash.splits.split_options import SplitOptions  # lazy: pandas

    for run in every_run:
        known = run.dataset_fingerprint == request.dataset_fingerprint and run.protocol == request.protocol
        if known and run.options == request.options and run.split_fingerprint and "interactions" in run.details:
            return run_estimate.shape_of(run), ""
    options = SplitOptions.from_dict(request.options)
    entry = training_requests.data_entry(request.dataset, options)
    whole = DataShape(entry.users or 1, entry.items or 1, entry.interactions or 1, entry.scale)
    if whole.interactions > LARGEST_CHECKED:
        return whole, _too_few_users(entry)
    answer = _split_shape(request.dataset, request.dataset_fingerprint, request.protocol, request.split_seed, options)
    return (whole, answer) if isinstance(answer, str) else (answer, "")


def _too_few_users(entry: DatasetEntry) -> str:
    if entry.own_split is not None or (entry.users or 0) >= _FEWEST_USERS:
        return ""
    return f"{entry.name} has {entry.users} users; a split by users needs {_FEWEST_USERS}. Use more data."


@lru_cache(maxsize=64)
def _split_shape(
    dataset: str, fingerprint: str, protocol: str, split_seed: int, options: SplitOptions
) -> DataShape | str:
    """Return the size of the training part of a split, or why the data cannot be split."""
    data = options.load(dataset) if Path(dataset).is_absolute() else datasets.load(dataset)
    try:
        return options.make(data, protocol, seed=split_seed).shape
    except SplitError as error:
        return str(error)


def _available_bytes() -> int | None:
    import torch  # lazy: torch

    from recdash import devices  # lazy: torch

    return devices.available_bytes(torch.device("cpu"))


def _memory_problems(planned: Sequence[PlannedRun], together: int, free: int | None, at_once: int) -> list[Problem]:
    largest = max(planned, key=lambda one: one.memory_bytes, default=None)
    if free is None or largest is None or together <= free:
        return []
    title = registry.model_class(largest.request.model).title
    if largest.memory_bytes > free:
        closed = largest.state_bytes == 0
        advice = "Drop rare items or choose another model" if closed else "Lower batch_size or the layer widths"
        text = f"{title} needs about {byte_size(largest.memory_bytes)} of memory, {byte_size(free)} are free. {advice}."
        return [Problem(text, False)]
    n_fitting = max(1, free // largest.memory_bytes)
    return [
        Problem(
            f"{min(at_once, len(planned))} runs at once need about {byte_size(together)} of memory, {byte_size(free)} "
            f"are free. Set RECDASH_MAX_RUNS={n_fitting} and start again, or choose fewer models.",
            False,
        )
    ]


def _disk_problems(needed: int, free: int) -> list[Problem]:
    if needed + MIN_FREE_BYTES <= free:
        return []
    return [
        Problem(
            f"The runs need {byte_size(needed)} of disk space in {paths.checkpoint_dir()}, {byte_size(free)} are free "
            f"and {byte_size(MIN_FREE_BYTES)} should stay free. Delete runs (recdash runs prune), or set "
            "RECDASH_CHECKPOINT_DIR to another disk.",
            False,
        )
    ]


def _total(seconds: Sequence[float | None], at_once: int) -> float | None:
    """Return when the last run ends if a free place takes the next run of the queue; None without runs."""
    places = [0.0] * max(1, at_once)
    for one in seconds:
        heapq.heapreplace(places, places[0] + (one or 0.0))
    return max(places) if seconds else None


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
