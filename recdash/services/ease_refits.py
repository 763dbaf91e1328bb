"""EASE with another ridge penalty, solved again on the training data of a run."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from recdash import devices
from recdash.errors import UsageError
from recdash.models import registry
from recdash.models.ease import EASE
from recdash.runs.run_records import RunRecord
from recdash.services import loaded_models
from recdash.services.loaded_models import LoadedModel
from recdash.services.run_splits import SplitSource
from recdash.settings import real_number

if TYPE_CHECKING:
    from recdash.data.histories import Histories
    from recdash.models.base import Model


def refit_ease(run: RunRecord, l2: float) -> Model:
    """Return a run's EASE with another ridge penalty; it takes seconds on MovieLens-1M, so call it in a thread.

    Results are cached with the loaded models (`recdash.services.loaded_models`); callers must not change them.

    Args:
        run: A run of EASE.
        l2: The penalty.

    Raises:
        UsageError: The run is of another model, or the penalty is out of range.
        DataError: The dataset has changed since the run.
        TrainingError: The matrices do not fit into memory, or the penalty is too small for the precision.
    """
    if run.model != "ease":
        raise UsageError(f"Run {run.id} is of {run.model}, but only EASE has a ridge penalty. Choose a run of ease.")
    trained = loaded_models.load_model(run)
    config = replace(trained.config, l2=real_number("l2", l2))  # checks the range
    if config == trained.config:
        return trained
    return loaded_models.cached(("ease", run.id, run.split_fingerprint, config.l2), lambda: _solve(run, l2)).model


def _solve(run: RunRecord, l2: float) -> LoadedModel:
    trained = loaded_models.load_model(run)
    model = registry.build("ease", replace(trained.config, l2=float(l2)), trained.shape)
    if not isinstance(model, EASE):
        raise TypeError("the registry's ease is no EASE")
    with devices.wrap_out_of_memory(model.device):
        model.solve(_training_rows(SplitSource.of_run(run)))
    model.catalogue, model.popularity = trained.catalogue, trained.popularity
    model.record = dict(trained.record)
    return LoadedModel(model)


@lru_cache(maxsize=1)
def _training_rows(source: SplitSource) -> Histories:
    return source.make().train
