"""Published figures for the data and protocol of a table, one table per split: never computed here, always marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash.analysis.metric_info import higher_is_better
from recdash.published import figures

if TYPE_CHECKING:
    from recdash.analysis.groups import Group

MARK = figures.MARK
HEADING = f"{MARK[0].upper()}{MARK[1:]}"
NOTE = f"{MARK}: on other splits and versions of the data than the runs above"


@dataclass(frozen=True, kw_only=True)
class ReferenceRow:
    """What one source says of one model. second_hand: it was read in somebody else's table."""

    title: str
    model: str
    values: Mapping[str, float]
    source: str
    url: str
    second_hand: bool
    note: str

    @property
    def status(self) -> str:
        """The mark that stands beside the figures."""
        return f"{MARK}, second-hand" if self.second_hand else MARK

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**{name: getattr(self, name) for name in self.__dataclass_fields__}, "status": self.status}


@dataclass(frozen=True, kw_only=True)
class ReferenceTable:
    """The published rows of one split. title: the split's name for people.  about: whose split it is, one sentence."""

    split: str
    title: str
    about: str
    rows: tuple[ReferenceRow, ...]

    @property
    def heading(self) -> str:
        """What stands above the table: that nothing was rerun, and the split."""
        return f"{HEADING}: {self.title}"

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of which the table has a figure."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row.values))

    def columns(self, metrics: Sequence[str]) -> list[str]:
        """Return those of the metrics of which the table has a figure, in the order given."""
        return [name for name in metrics if name in self.metrics]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the rows as plain values, each with its split."""
        split = {"split": self.split, "split_title": self.title, "split_about": self.about}
        return [{**row.to_dict(), **split} for row in self.rows]


def beside(group: Group, metrics: Sequence[str] | None = None) -> list[ReferenceTable]:
    """Return the published tables for a table of ours, one per split, the rows best by its primary metric first.

    metrics: only figures of these; rows without any are left out.  Figures that came about by a mistake stand only in
    `recdash reproduce`.
    """
    found = []
    told = figures.splits()
    for split, members in figures.comparable(Path(group.dataset).name, group.protocol).items():
        wanted = [figure for figure in members if metrics is None or figure.metric in metrics]
        if wanted:
            rows = tuple(_best_first(_rows(wanted), group.primary))
            found.append(ReferenceTable(split=split, title=told[split].title, about=told[split].about, rows=rows))
    return found


def _rows(members: Sequence[figures.Figure]) -> list[ReferenceRow]:
    """Put the figures that one source gives of one model into one row."""
    rows: dict[tuple[str, str, bool, str], list[figures.Figure]] = {}
    for figure in members:
        rows.setdefault((figure.title, figure.source, figure.second_hand, figure.note), []).append(figure)
    return [_row(row) for row in rows.values()]


def _best_first(rows: Sequence[ReferenceRow], primary: str) -> list[ReferenceRow]:
    sign = -1 if higher_is_better(primary) else 1
    return sorted(rows, key=lambda row: sign * row.values[primary] if primary in row.values else float("inf"))


def _row(members: Sequence[figures.Figure]) -> ReferenceRow:
    first = members[0]
    return ReferenceRow(
        title=first.title,
        model=first.model,
        values={figure.metric: figure.value for figure in members},
        source=first.source,
        url=first.url,
        second_hand=first.second_hand,
        note=first.note,
    )
