"""Small Mult-VAE trainings with different annealing schedules, for the workbook of the Curves page."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from recdash import environment
from recdash.errors import RecdashError
from recdash.runs.run_records import Request, RunRecord
from recdash.runs.states import State
from recdash.services import datasets, housekeeping, launch, runs, training_requests
from recdash.services.store_access import open_store
from recdash.settings import DEFAULT_SPLIT_SEED
from recdash.splits.split_options import SplitOptions

if TYPE_CHECKING:
    from recdash.models.base import GradientConfig

TAG = "workbook"
MODEL, PROTOCOL, DEMO = "multvae", "strong", "demo"
MAX_INTERACTIONS = 250_000  # of a dataset on which a try takes seconds


@dataclass(frozen=True)
class Schedule:
    """What a try varies; the names are those of Mult-VAE's settings."""

    beta_cap: float = 0.2
    reach_cap_at: float = 0.5
    epochs: int = 20
    latent: int = 64


@dataclass(frozen=True)
class TryData:
    """The split on which tries train.

    Attributes:
        dataset: Name of the dataset.
        protocol: Name of the protocol.
        split_seed: Seed of the split.
        options: Options of the split.
        refused: Why the dataset of the chosen run is not used; "" if it is.
    """

    dataset: str = DEMO
    protocol: str = PROTOCOL
    split_seed: int = DEFAULT_SPLIT_SEED
    options: SplitOptions = field(default_factory=SplitOptions)
    refused: str = ""


def data_for(run: RunRecord | None) -> TryData:
    """Return the split of a run if a try on it takes seconds, else the demo's."""
    if run is None:
        return TryData()
    interactions = run.details.get("interactions") or 0
    if interactions > MAX_INTERACTIONS:
        return TryData(refused=f"{run.dataset} is too large to train on in seconds")
    try:
        entry = datasets.entry(run.dataset)
    except RecdashError:
        return TryData(refused=f"{run.dataset} is not installed any more")
    if run.dataset_fingerprint and entry.fingerprint != run.dataset_fingerprint:
        return TryData(refused=f"{run.dataset} has changed since the run")
    return TryData(run.dataset, run.protocol, run.split_seed, SplitOptions.from_dict(run.options))


def request(schedule: Schedule, data: TryData) -> Request:
    """Return the checked request of a try: preset `auto` and the schedule, without early stopping.

    Raises:
        UsageError: A value is out of bounds, or the installation is read-only.
        SplitError: The data do not suit the protocol.
    """
    settings = {**asdict(schedule), "patience": schedule.epochs}  # the whole schedule is trained
    (built,) = training_requests.build_requests(
        MODEL,
        data.dataset,
        protocol=data.protocol,
        settings=settings,
        split_seed=data.split_seed,
        options=data.options,
    )
    return replace(built, name=f"Workbook: beta to {schedule.beta_cap:g} after {schedule.reach_cap_at:.0%}")


def config_of(schedule: Schedule, data: TryData) -> tuple[GradientConfig, int]:
    """Return the configuration of a try and about how many updates an epoch has, for drawing its plan."""
    entry = datasets.entry(data.dataset)
    config = training_requests.resolve_config(MODEL, entry, "auto", asdict(schedule))
    return config, max(1, -(-(entry.users or 1) // config.batch_size))  # type: ignore[return-value,attr-defined]


def train(wanted: Request, key: str | None = None) -> RunRecord:
    """Return the finished run of an equal request, or queue the request.

    Args:
        wanted: A request of `request`.
        key: Text that identifies one click, as for `launch.train`.
    """
    for run in open_store().runs(model=wanted.model, states=[State.FINISHED]):
        if run.request_hash == wanted.request_hash and run.trashed is None:
            return run
    (queued,) = launch.train([wanted], key=key)
    return housekeeping.tag([queued.id], add=[TAG])[0]


def tries(ids: Sequence[str]) -> list[RunRecord]:
    """Return the runs with these ids, in this order; deleted ones are left out."""
    found = {run.id: run for run in runs.list_runs(ids=list(ids))} if ids else {}
    return [found[run_id] for run_id in ids if run_id in found]


def archive_ended() -> None:
    """Archive the tries that have ended, so that they do not fill the lists of runs; does nothing if read-only."""
    ended = [run.id for run in runs.list_runs(active=False, tags=[TAG])]
    if ended and not environment.read_only():
        with suppress(RecdashError):
            housekeeping.archive(ended)
