"""Published figures for the data and protocol of a table, to stand beside it: never computed here, always marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash.published import figures
from recdash.services.metrics import higher_is_better

if TYPE_CHECKING:
    from recdash.services.results import Group

MARK = figures.MARK
NOTE = f"{MARK}: other split seeds, other versions of the data"


@dataclass(frozen=True, kw_only=True)
class PublishedRow:
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


def beside(group: Group, metrics: Sequence[str] | None = None) -> list[PublishedRow]:
    """Return the published rows for a table of ours, best by its primary metric first.

    metrics: only figures of these; rows without any are left out.  Figures that came about by a mistake stand only in
    `recdash reproduce`.
    """
    rows: dict[tuple[str, str, bool, str], dict[str, figures.Figure]] = {}
    for figure in figures.comparable(Path(group.dataset).name, group.protocol):
        if metrics is None or figure.metric in metrics:
            rows.setdefault((figure.title, figure.source, figure.second_hand, figure.note), {})[figure.metric] = figure
    found = [_row(list(members.values())) for members in rows.values()]
    sign = -1 if higher_is_better(group.primary) else 1
    return sorted(found, key=lambda row: sign * row.values.get(group.primary, sign * float("inf")))


def _row(members: Sequence[figures.Figure]) -> PublishedRow:
    first = members[0]
    return PublishedRow(
        title=first.title,
        model=first.model,
        values={figure.metric: figure.value for figure in members},
        source=first.source,
        url=first.url,
        second_hand=first.second_hand,
        note=first.note,
    )
