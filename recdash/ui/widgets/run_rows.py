"""What the runs sidebar draws, as JSON values: groups and rows, and what changed in active runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recdash.analysis import run_groups
from recdash.analysis.metric_info import title
from recdash.analysis.run_labels import run_labels
from recdash.evaluation.selection_metric import SELECTION_METRICS, selection_metric_of
from recdash.reporting.dash_patterns import dashes
from recdash.runs.run_colours import colour_of
from recdash.runs.states import State
from recdash.ui.widgets.run_selection import Selection

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord

ROWS = 60  # sent at first, and with each request for more


@dataclass
class ListState:
    """How this session lists runs, apart from what is in the URL.

    Attributes:
        order: Key of `run_groups.ORDERS`.
        folded: Keys of the folded groups.
        rows: Most rows sent.
        archived: Whether archived runs are listed.
        done: Number of the last action that was applied.
        message: Text on the last bulk action; empty for none.
        undo: Calls of `recdash.services.housekeeping` that take it back.
    """

    order: str = "newest"
    folded: set[str] = field(default_factory=set)
    rows: int = ROWS
    archived: bool = False
    done: float = 0
    message: str = ""
    undo: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


def view(records: Sequence[RunRecord], selection: Selection, group: str, state: ListState) -> dict[str, Any]:
    """Return everything that the list shows.

    Args:
        records: The runs on offer.
        selection: What is selected of them.
        group: How they are grouped.
        state: How they are listed.
    """
    by_id = {run.id: run for run in records}
    labels = run_labels(records, one_dataset=len({run.dataset for run in records}) < 2)
    listed = [by_id[run_id] for run_id in dict.fromkeys([*selection.pinned, *selection.matching])]
    pinned = [run for run in listed if run.id in selection.pinned]
    others = run_groups.order_runs([run for run in listed if run.id not in selection.pinned], state.order, labels)
    shown, patterns = set(selection.visible), dashes(selection.visible)
    entries: list[dict[str, Any]] = []
    n_rows = n_unfolded = 0
    groups = run_groups.group_runs(others, group, labels)
    if pinned:
        groups = [run_groups.RunGroup("pinned", "Pinned" if group else "", tuple(pinned)), *groups]
    for one in groups:
        is_open = not one.title or one.key not in state.folded
        if one.title:  # also where the rows are not sent yet, so that groups can be folded and toggled
            count, n_shown = len(one.runs), sum(run.id in shown for run in one.runs)
            entries.append({"group": one.key, "title": one.title, "count": count, "shown": n_shown, "open": is_open})
        if is_open:
            sent = one.runs[: max(0, state.rows - n_rows)]
            entries += [
                _row(run, labels[run.id], run.id in shown, run.id in selection.pinned, patterns) for run in sent
            ]
            n_rows, n_unfolded = n_rows + len(sent), n_unfolded + len(one.runs)
    metrics = {metric.name for run in records if (metric := selection_metric_of(run.validation))}
    return {
        "entries": entries,
        "value": " or ".join(
            f"validation {title(one.name)}" for one in SELECTION_METRICS.values() if one.name in metrics
        ),
        "total": len(records),
        "matching": len(selection.matching),
        "shown": len(shown),
        "unlisted": len(shown - {run.id for run in listed}),
        "more": n_unfolded - n_rows,
        "error": selection.error,
        "group": group,
        "groups": [*run_groups.KINDS.items(), *((name, name) for name in run_groups.differing_settings(records))],
        "order": state.order,
        "orders": list(run_groups.ORDERS.items()),
        "archived": state.archived,
        "nArchived": sum(run.archived is not None for run in records),
        "message": state.message,
        "canUndo": bool(state.undo),
        "done": state.done,
    }


def members(records: Sequence[RunRecord], selection: Selection, group: str, key: str) -> list[str]:
    """Return the ids of the listed runs of a group."""
    if key == "pinned":
        return list(selection.pinned)
    matching = set(selection.matching) - set(selection.pinned)
    labels = {run.id: run.name for run in records}
    found = run_groups.group_runs((run for run in records if run.id in matching), group, labels)
    return [run.id for one in found if one.key == key for run in one.runs]


def live_part(run: RunRecord) -> dict[str, Any]:
    """Return what changes in a row while its run is active."""
    metric = selection_metric_of(run.validation)
    return {
        "state": run.state.value,
        "metric": title(metric.name) if metric else "",
        "text": _state_text(run),
        "warning": run.warning,
        "value": "" if run.best_value is None else f"{run.best_value:.4f}",
        "version": run.version,
    }


def _row(
    run: RunRecord, label: str, shown: bool, pinned: bool, patterns: Mapping[str, tuple[int, ...]]
) -> dict[str, Any]:
    return {
        "id": run.id,
        "name": label,
        "colour": colour_of(run.id),
        "dash": list(patterns.get(run.id, ())),
        "shown": shown,
        "pinned": pinned,
        "tags": list(run.tags),
        "archived": run.archived is not None,
        **live_part(run),
    }


def _state_text(run: RunRecord) -> str:
    """Return the state as text; nothing for a finished run, which is the usual case."""
    if run.state is State.FINISHED:
        return ""
    epochs = f"epoch {run.epoch}/{run.epochs}" if run.epochs and run.state is not State.QUEUED else ""
    name = "stopping" if run.stopping and run.state is State.RUNNING else run.state.value
    return f"{name}, {epochs}" if epochs else name
