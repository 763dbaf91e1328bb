"""Warnings about ties in time: before a run starts, and for runs of earlier versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash.errors import RecdashError
from recdash.models import registry
from recdash.runs.run_records import Request, RunRecord
from recdash.services.training_requests import data_entry

if TYPE_CHECKING:
    from recdash.data.dataset_registry import DatasetEntry

_PROTOCOLS_WITH_ITEM_ORDER = ("strong-temporal", "strong-global-time")  # versions before 0.2; never `published-svae`


def warnings_for(requests: Sequence[Request]) -> list[str]:
    """Return warnings about ties for the requests, each once; empty for data with few ties."""
    from recdash.splits.split_options import SplitOptions  # lazy: pandas

    warnings = (
        _warning(request, data_entry(request.dataset, SplitOptions.from_dict(request.options))) for request in requests
    )
    return [sentence for sentence in dict.fromkeys(warnings) if sentence]


def add_tie_rules(runs: Iterable[RunRecord]) -> list[RunRecord]:
    """Return the runs; those of versions before 0.2 get the tie rule that they did not record.

    Such a run has a temporal split without a tie rule, although its dataset, if still available, has ties.
    """
    shares: dict[tuple[str, str], float] = {}
    return [_add_tie_rule(run, shares) for run in runs]


def _warning(request: Request, entry: DatasetEntry) -> str:
    from recdash.splits import PROTOCOLS, event_order  # lazy: scipy

    if PROTOCOLS[request.protocol].reads_order:
        rule = request.options.get("ties")
        facts: dict[str, Any] = {"tied_share": entry.tied_share, **({"ties": rule} if rule else {})}
        warning = event_order.tie_warning(facts)
    elif registry.model_class(request.model).needs_order:
        warning = event_order.sequence_tie_warning(entry.tied_share)
    else:
        return ""
    return f"{Path(entry.name).name}: {warning}" if warning else ""


def _add_tie_rule(run: RunRecord, shares: dict[tuple[str, str], float]) -> RunRecord:
    facts, data = run.details.get("split"), (run.dataset, run.dataset_fingerprint)
    if not facts or run.protocol not in _PROTOCOLS_WITH_ITEM_ORDER or "ties" in facts:
        return run
    if data not in shares:
        try:
            shares[data] = _tied_share(*data)
        except RecdashError:  # the data are gone
            shares[data] = 0.0
    if not shares[data]:
        return run
    from recdash.splits.event_order import ITEM_ORDER  # lazy: scipy

    return replace(run, details={**run.details, "split": {**facts, "tied_share": shares[data], "ties": ITEM_ORDER}})


@lru_cache(maxsize=64)
def _tied_share(dataset: str, fingerprint: str) -> float:
    """Return the share of tied interactions of a dataset; 0 if its content has changed."""

    entry = data_entry(dataset)
    return entry.tied_share if entry.fingerprint == fingerprint else 0.0
