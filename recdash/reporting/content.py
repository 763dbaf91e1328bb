"""A comparison as one file to pass on: tables with intervals, pictures, settings, data, versions, seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash.analysis import (
    groups,
    reference_figures,
    slices,
    versus_best,
)
from recdash.analysis.metric_info import title
from recdash.reporting import tables
from recdash.splits import split_options

if TYPE_CHECKING:
    from recdash.analysis.curves import Curves
    from recdash.analysis.groups import Group, ResultRow
    from recdash.analysis.seeds import SeedTable

_ABOUT = (
    "model", "preset", "seed", "best epoch", "epochs run", "validations", "device", "precision", "threads",
    "trained",
)  # fmt: skip


@dataclass(frozen=True)
class Section:
    """One table of the report, and all that belongs to it; rows of different splits are never in one section.

    curves: of the runs that have more than one epoch.
    """

    group: Group
    curves: tuple[Curves, ...]

    @cached_property
    def metrics(self) -> list[str]:
        """The columns."""
        return tables.usual(self.group)

    @cached_property
    def names(self) -> dict[str, str]:
        """What each run is called, by id."""
        return groups.run_labels(self.group.rows)

    @cached_property
    def verdict(self) -> versus_best.BestComparison | None:
        """Who cannot be told from the best by the primary metric."""
        return versus_best.compare_with_best(self.group, self.group.primary)

    @cached_property
    def views(self) -> list[slices.SliceView]:
        """Quality for parts of the users and of the items, those that some run kept."""
        found = [slices.view(self.group, by) for by in ("activity", "popularity")]
        return [view for view in found if view.cells]

    @cached_property
    def published(self) -> list[reference_figures.ReferenceTable]:
        """What others have published for this data and protocol, one table per split."""
        return reference_figures.beside(self.group)

    def sentence(self) -> str:
        """Return who is best and who cannot be told from it, in one sentence; empty for a run alone."""
        found = self.verdict
        if found is None or not found.standings:
            return ""
        ties = [name for run_id, name in self.names.items() if found.tied(run_id) and not found.is_best(run_id)]
        others = f"{', '.join(ties)} cannot be told from it" if ties else "no other run comes close enough to be chance"
        return f"{self.names[found.best]} is best by {title(found.metric)}; {others}."

    def settings(self) -> list[list[str]]:
        """Return a table of words: how each run was trained, and each setting, one column a run."""
        told = [_told(row) for row in self.group.rows]
        lines = list(dict.fromkeys(name for one in told for name in one))
        head = ["", *(self.names[row.run.id] for row in self.group.rows)]
        return [head, *([name, *(one.get(name, "-") for one in told)] for name in lines)]

    def facts(self) -> list[tuple[str, str]]:
        """Return what the data and the split are, down to their fingerprints."""
        group = self.group
        told = [(str(name).replace("_", " "), _plain(value)) for name, value in group.facts.items()]
        return [
            ("data set", Path(group.dataset).name),
            ("data fingerprint", group.dataset_fingerprint or "unknown"),
            ("protocol", group.protocol),
            ("split seed", str(group.split_seed)),
            ("split fingerprint", group.split_fingerprint or "unknown"),
            ("split options", split_options.options_in_words(group.options) or "the usual ones"),
            *told,
        ]

    def versions(self) -> list[str]:
        """Return the versions and machines behind the runs, each once."""
        found = []
        for row in self.group.rows:
            versions = ", ".join(f"{name} {version}" for name, version in row.run.versions.items())
            machine: Mapping[str, Any] = row.run.details.get("machine") or {}
            where = ", ".join(str(machine[name]) for name in ("processor", "system") if name in machine)
            found.append("; ".join(filter(None, (versions, where, f"{machine['cores']} cores" if machine else ""))))
        return [said for said in dict.fromkeys(found) if said]


@dataclass(frozen=True)
class ComparisonReport:
    """Everything that a report shows. apart: why its tables are not one, in words."""

    made: str
    version: str
    sections: tuple[Section, ...]
    over_seeds: tuple[SeedTable, ...]
    apart: tuple[str, ...]

    @property
    def title(self) -> str:
        """A heading that names the data."""
        data = dict.fromkeys(Path(section.group.dataset).name for section in self.sections)
        return f"Recommenders on {', '.join(data)}"


def _told(row: ResultRow) -> dict[str, str]:
    run = row.run
    trained = datetime.fromtimestamp(run.finished, UTC).strftime("%Y-%m-%d") if run.finished else "-"
    values = (
        run.model, run.preset, run.seed, run.best_epoch, row.epochs_run, run.details.get("n_validations"),
        run.details.get("device", run.device), run.details.get("precision"), run.threads, trained,
    )  # fmt: skip
    about = dict(zip(_ABOUT, map(_plain, values), strict=True))
    cost = {"parameters": _plain(run.details.get("parameters"))}
    if (peak := run.details.get("peak_memory_bytes")) is not None:
        cost["memory while training"] = f"{peak / 2**20:,.0f} MiB"
    if (card := run.details.get("card_memory_bytes")) is not None:
        cost["memory of the card"] = f"{card / 2**20:,.0f} MiB"
    if (seconds := run.details.get("seconds_per_list")) is not None:
        cost["time per list"] = f"{seconds * 1e3:.1f} ms"
    return about | cost | {name: _plain(value) for name, value in run.config.items()} | {"run": run.id}


def _plain(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, (list, tuple)):
        return "-".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
