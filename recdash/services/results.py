"""Results of finished runs, in groups of comparable runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from recdash.analysis.groups import Group, ResultRow, group_runs, metric_names
from recdash.errors import UsageError, unknown_name
from recdash.reporting import tables
from recdash.runs.run_folder import RunFolder
from recdash.runs.states import State
from recdash.services import tie_warnings
from recdash.services.datasets import name_in_runs
from recdash.services.store_access import open_store
from recdash.settings import name_list


def groups(
    *, dataset: str | None = None, protocol: str | None = None, run_ids: str | Sequence[str] | None = None
) -> list[Group]:
    """Return finished runs in groups of comparable runs, the group with the newest run first.

    Args:
        dataset: Name or path; by default all datasets.
        protocol: Name of a protocol; by default all protocols.
        run_ids: Only these runs, a list or separated by commas; by default all that are not archived.

    Raises:
        UsageError: The dataset is unknown and has no runs.
    """
    ids = None if run_ids is None else name_list(run_ids)
    runs = open_store().runs(dataset=name_in_runs(dataset), ids=ids, states=[State.FINISHED])
    listed = (run for run in runs if (run.archived is None or ids is not None) and not run.is_untested_trial)
    return group_runs(tie_warnings.add_tie_rules(run for run in listed if protocol is None or run.protocol == protocol))


def per_user(run_id: str) -> dict[str, Any]:
    """Return per-user results of a finished run.

    Returns:
        {metric: (test users,) float array, NaN for a user that is not scored}, and "top": (test users, 100) item
        indices, -1 after the end of a shorter list.
    """
    return _per_user(run_id, str(RunFolder(run_id).path))


def best(*, task: str = "ranking", dataset: str | None = None) -> ResultRow | None:
    """Return the best row of the newest group of a task."""
    for group in groups(dataset=dataset):
        if group.task == task and group.rows:
            return group.rows[0]
    return None


def export(comparable_groups: Sequence[Group], file_format: str, metrics: str | Sequence[str] | None = None) -> str:
    """Return groups as text; in CSV, cells that a spreadsheet would take for formulas are escaped.

    Args:
        comparable_groups: The groups.
        file_format: "table", "csv", "md" or "latex".
        metrics: Metric columns, a list or separated by commas; by default those of the task, in CSV all.

    Raises:
        UsageError: The format or a metric is unknown.
    """
    if file_format not in tables.FORMATS:
        raise unknown_name("format", file_format, tables.FORMATS)
    known, columns = metric_names(comparable_groups), name_list(metrics or ())
    for name in columns:
        if name not in known:
            raise unknown_name("metric", name, known)
    return tables.render(comparable_groups, file_format, columns or None)


@lru_cache(maxsize=16)
def _per_user(run_id: str, _folder: str) -> dict[str, Any]:
    run = open_store().run(run_id)
    if run.state is not State.FINISHED:
        raise UsageError(
            f"Run {run_id} is not finished, so it has no per-user results yet. Wait until it has finished."
        )
    if run.is_untested_trial:
        raise UsageError(f"Run {run_id} is a trial of a search: only the best one is evaluated on the test part.")
    return dict(RunFolder(run_id).read_per_user())
