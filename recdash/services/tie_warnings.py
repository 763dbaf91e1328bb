"""What ties in time mean for trainings: said before they start, and of runs that an earlier version trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash.errors import RecdashError
from recdash.runs.run_records import Request, RunRecord

if TYPE_CHECKING:
    from recdash.data.dataset_registry import Entry

_ONCE_BY_ITEM = ("strong-temporal", "strong-global-time")  # `published-svae` never ordered ties by item


def ahead(requests: Sequence[Request]) -> list[str]:
    """Return what these trainings will have to warn of, each sentence once; empty for data with few ties."""
    from recdash.services import launch
    from recdash.splits.split_options import SplitOptions

    said = (
        _of_one(request, launch.data_entry(request.dataset, SplitOptions.from_dict(request.options)))
        for request in requests
    )
    return [sentence for sentence in dict.fromkeys(said) if sentence]


def with_rule(runs: Iterable[RunRecord]) -> list[RunRecord]:
    """Return the runs, with the rule by which an earlier version ordered ties where that did not record it.

    Such runs have facts of a temporal split without a word on ties, though the data, as far as it is still here, has
    some.
    """
    shares: dict[tuple[str, str], float] = {}
    return [_with_rule(run, shares) for run in runs]


def _of_one(request: Request, entry: Entry) -> str:
    from recdash.models import registry
    from recdash.splits import PROTOCOLS, event_order

    if PROTOCOLS[request.protocol].reads_order:
        asked = request.options.get("ties")
        facts: dict[str, Any] = {"tied_share": entry.tied_share, **({"ties": asked} if asked else {})}
        said = event_order.warning(facts)
    elif registry.model_class(request.model).needs_order:
        said = event_order.warning_of_sequences(entry.tied_share)
    else:
        return ""
    return f"{Path(entry.name).name}: {said}" if said else ""


def _with_rule(run: RunRecord, shares: dict[tuple[str, str], float]) -> RunRecord:
    facts, data = run.details.get("split"), (run.dataset, run.dataset_fingerprint)
    if not facts or run.protocol not in _ONCE_BY_ITEM or "ties" in facts:
        return run
    if data not in shares:
        try:
            shares[data] = _tied_share(*data)
        except RecdashError:  # data that is gone, of which nothing can be said
            shares[data] = 0.0
    if not shares[data]:
        return run
    from recdash.splits.event_order import BY_ITEM

    return replace(run, details={**run.details, "split": {**facts, "tied_share": shares[data], "ties": BY_ITEM}})


@lru_cache(maxsize=64)
def _tied_share(dataset: str, fingerprint: str) -> float:
    """Share of the tied interactions of a data set; 0 where its content is not what it was."""
    from recdash.services import launch

    entry = launch.data_entry(dataset)
    return entry.tied_share if entry.fingerprint == fingerprint else 0.0
