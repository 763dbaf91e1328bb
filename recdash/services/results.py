"""The table of results: finished runs, grouped so that only comparable ones stand side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from recdash.analysis.groups import Group, ResultRow, group_runs, metric_names
from recdash.errors import UsageError, unknown
from recdash.runs.run_folder import RunFolder
from recdash.runs.states import State
from recdash.services import tie_warnings
from recdash.services.datasets import name_in_runs
from recdash.services.store_access import open_store
from recdash.settings import as_names


def groups(
    *, dataset: str | None = None, protocol: str | None = None, run_ids: str | Sequence[str] | None = None
) -> list[Group]:
    """Return the finished runs as comparable groups, the group with the newest run first.

    dataset: by name or path.  run_ids: only these, a list or separated by commas.  Raises UsageError when no data set
    is called like that.
    """
    ids = None if run_ids is None else as_names(run_ids)
    runs = open_store().runs(dataset=name_in_runs(dataset), ids=ids, states=[State.FINISHED])
    return group_runs(tie_warnings.with_rule(run for run in runs if protocol is None or run.protocol == protocol))


def per_user(run_id: str) -> dict[str, Any]:
    """Return {metric: (test users,) float array, NaN if unscored} and "top": (test users, 100) item indices or -1."""
    return _per_user(run_id, str(RunFolder(run_id).path))


def best(*, task: str = "ranking", dataset: str | None = None) -> ResultRow | None:
    """Return the row with the best primary metric of the newest group of a task."""
    for group in groups(dataset=dataset):
        if group.task == task and group.rows:
            return group.rows[0]
    return None


def export(found: Sequence[Group], form: str, metrics: str | Sequence[str] | None = None) -> str:
    """Return the groups as "csv", "md", "latex" or "table" text; cells that look like formulas are made harmless.

    metrics: the columns, a list or separated by commas; by default the usual ones.
    """
    from recdash.reporting import tables

    if form not in tables.FORMS:
        raise unknown("format", form, tables.FORMS)
    known, columns = metric_names(found), as_names(metrics or ())
    for name in columns:
        if name not in known:
            raise unknown("metric", name, known)
    return tables.text(found, form, columns or None)


@lru_cache(maxsize=16)
def _per_user(run_id: str, _folder: str) -> dict[str, Any]:
    if open_store().run(run_id).state is not State.FINISHED:
        raise UsageError(f"Run {run_id} is not finished; per-user results are kept at its end.")
    return dict(RunFolder(run_id).read_per_user())
