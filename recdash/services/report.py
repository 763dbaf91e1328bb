"""Comparison reports of finished runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from recdash import __version__
from recdash.analysis import seeds
from recdash.analysis.curves import Curves
from recdash.analysis.groups import Group, why_not_comparable
from recdash.errors import UsageError
from recdash.reporting.content import ComparisonReport, Section
from recdash.services import curves, results


def create(
    *, dataset: str | None = None, protocol: str | None = None, run_ids: str | Sequence[str] | None = None
) -> ComparisonReport:
    """Return a report on the matching finished runs; raises UsageError if there is none.

    Args:
        dataset: Name or path; by default all datasets.
        protocol: Name of a protocol; by default all protocols.
        run_ids: Only these runs, a list or separated by commas.
    """
    groups = results.groups(dataset=dataset, protocol=protocol, run_ids=run_ids)
    if not groups:
        raise UsageError("No finished run matches, so there is nothing to report. List the runs: recdash runs list")
    return from_groups(groups)


def from_groups(groups: Sequence[Group]) -> ComparisonReport:
    """Return a report on groups of comparable runs."""
    return ComparisonReport(
        created=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0"),
        version=__version__,
        sections=tuple(Section(group, _curves(group)) for group in groups),
        seed_tables=tuple(seeds.seed_tables(groups)),
        not_comparable=tuple(why_not_comparable(groups)),
    )


def _curves(group: Group) -> tuple[Curves, ...]:
    ids = [row.run.id for row in group.rows if (row.run.epochs or 1) > 1]
    return tuple(curves.curves_of(ids)) if ids else ()
