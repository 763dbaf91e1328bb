"""Comparison reports: the finished runs that fit, gathered into one document."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from recdash import __version__
from recdash.analysis import groups, seeds
from recdash.analysis.curves import Curves
from recdash.analysis.groups import Group
from recdash.errors import UsageError
from recdash.reporting.content import ComparisonReport, Section
from recdash.services import curves, results


def make(
    *, dataset: str | None = None, protocol: str | None = None, run_ids: str | Sequence[str] | None = None
) -> ComparisonReport:
    """Gather a report of the finished runs that fit; raises UsageError when there is none."""
    found = results.groups(dataset=dataset, protocol=protocol, run_ids=run_ids)
    if not found:
        raise UsageError("No finished run fits, so there is nothing to report. See `recdash runs list`.")
    return of_groups(found)


def of_groups(found: Sequence[Group]) -> ComparisonReport:
    """Gather a report of groups that are there already."""
    return ComparisonReport(
        made=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0"),
        version=__version__,
        sections=tuple(Section(group, _curves(group)) for group in found),
        over_seeds=tuple(seeds.tables(found)),
        apart=tuple(groups.why_not_comparable(found)),
    )


def _curves(group: Group) -> tuple[Curves, ...]:
    ids = [row.run.id for row in group.rows if (row.run.epochs or 1) > 1]
    return tuple(curves.curves_of(ids)) if ids else ()
