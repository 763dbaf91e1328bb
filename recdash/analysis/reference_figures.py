"""Published figures for the dataset and protocol of a results table, one table per split; not rerun, and marked so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash.evaluation.selection_metric import higher_is_better
from recdash.published import figures

if TYPE_CHECKING:
    from recdash.analysis.groups import Group

MARK = figures.MARK
HEADING = f"{MARK[0].upper()}{MARK[1:]}"
NOTE = f"{MARK}: measured on other splits and versions of the data than the runs above"


@dataclass(frozen=True, kw_only=True)
class ReferenceRow:
    """The published values of one model in one source.

    Args:
        title: title of the model.
        model: name of the model.
        values: published values by metric.
        source: title of the source.
        url: link to the source.
        second_hand: whether they were quoted from another publication than their own.
        note: remark.
    """

    title: str
    model: str
    values: Mapping[str, float]
    source: str
    url: str
    second_hand: bool
    note: str

    @property
    def status(self) -> str:
        """The mark to show with the values."""
        return f"{MARK}, second-hand" if self.second_hand else MARK

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**{name: getattr(self, name) for name in self.__dataclass_fields__}, "status": self.status}


@dataclass(frozen=True, kw_only=True)
class ReferenceTable:
    """The published rows of one split.

    Args:
        split: name of the split.
        title: title of the split.
        about: one sentence about the split.
        rows: the rows, best first.
    """

    split: str
    title: str
    about: str
    rows: tuple[ReferenceRow, ...]

    @property
    def heading(self) -> str:
        """The heading of the table: the mark, and the split."""
        return f"{HEADING}: {self.title}"

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that have a value."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row.values))

    def columns(self, metrics: Sequence[str]) -> list[str]:
        """Return the given metrics that have a value, in the given order."""
        return [name for name in metrics if name in self.metrics]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the rows as plain values, each with its split."""
        split = {"split": self.split, "split_title": self.title, "split_about": self.about}
        return [{**row.to_dict(), **split} for row in self.rows]


def for_group(group: Group, metrics: Sequence[str] | None = None) -> list[ReferenceTable]:
    """Return the published tables to show next to a group of runs, one per split.

    Values that are known to be mistaken are shown by `recdash reproduce` only.

    Args:
        group: the runs.
        metrics: metrics to return; rows without any of them are left out.

    Returns:
        Tables whose rows are sorted by the group's primary metric, best first.
    """
    found = []
    splits = figures.splits()
    for split, members in figures.comparable(Path(group.dataset).name, group.protocol).items():
        wanted = [entry for entry in members if metrics is None or entry.metric in metrics]
        if wanted:
            rows = tuple(_best_first(_rows(wanted), group.primary))
            found.append(ReferenceTable(split=split, title=splits[split].title, about=splits[split].about, rows=rows))
    return found


def _rows(members: Sequence[figures.PublishedValue]) -> list[ReferenceRow]:
    """Group values into one row per model and source."""
    rows: dict[tuple[str, str, bool, str], list[figures.PublishedValue]] = {}
    for entry in members:
        rows.setdefault((entry.title, entry.source, entry.second_hand, entry.note), []).append(entry)
    return [_row(row) for row in rows.values()]


def _best_first(rows: Sequence[ReferenceRow], primary: str) -> list[ReferenceRow]:
    sign = -1 if higher_is_better(primary) else 1
    return sorted(rows, key=lambda row: sign * row.values[primary] if primary in row.values else float("inf"))


def _row(members: Sequence[figures.PublishedValue]) -> ReferenceRow:
    first = members[0]
    return ReferenceRow(
        title=first.title,
        model=first.model,
        values={entry.metric: entry.value for entry in members},
        source=first.source,
        url=first.url,
        second_hand=first.second_hand,
        note=first.note,
    )
