"""Content of a comparison report, independent of its format: tables, curves, settings, data, versions, seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash.analysis import reference_figures, slices, split_summary, versus_best
from recdash.analysis.metric_info import title
from recdash.analysis.run_labels import run_labels
from recdash.reporting import tables
from recdash.reporting.formatting import listed
from recdash.splits.split_options import describe_options

if TYPE_CHECKING:
    from recdash.analysis.curves import Curves
    from recdash.analysis.groups import Group
    from recdash.analysis.seeds import SeedTable
    from recdash.runs.run_records import RunRecord


@dataclass(frozen=True)
class Section:
    """Part of a report about one group of comparable runs.

    Attributes:
        group: The group.
        curves: Learning curves of its runs with more than one epoch.
    """

    group: Group
    curves: tuple[Curves, ...]

    @cached_property
    def metrics(self) -> list[str]:
        """Metric columns of the table."""
        return tables.default_metrics(self.group)

    @cached_property
    def labels(self) -> dict[str, str]:
        """Label of each run, by run id."""
        return run_labels([row.run for row in self.group.rows])

    @cached_property
    def comparison(self) -> versus_best.BestComparison | None:
        """Comparison of all runs with the best one by the primary metric."""
        return versus_best.compare_with_best(self.group, self.group.primary)

    @cached_property
    def slice_views(self) -> list[slices.SliceView]:
        """Quality by user activity and by item popularity, if at least one run stored the data for it."""
        views = [slices.slice_view(self.group, by) for by in ("activity", "popularity")]
        return [view for view in views if view.cells]

    @cached_property
    def references(self) -> list[reference_figures.ReferenceTable]:
        """Published results for this dataset and protocol, one table per split."""
        return reference_figures.for_group(self.group)

    def summary(self) -> str:
        """Return the best run and the runs not significantly different from it; empty for a single run."""
        comparison = self.comparison
        if comparison is None or not comparison.differences:
            return ""
        not_different = [
            label
            for run_id, label in self.labels.items()
            if comparison.not_different_from_best(run_id) and not comparison.is_best(run_id)
        ]
        verb = "is" if len(not_different) == 1 else "are"
        others = f"{listed(not_different)} {verb} not" if not_different else "all others are"
        best = f"{self.labels[comparison.best]} is best by {title(comparison.metric)}"
        return f"{best}; {others} significantly different."

    def slice_title(self, view: slices.SliceView) -> str:
        """Return the heading of a table of slices."""
        activity = "number of training ratings" if self.group.task == "rating" else "number of fold-in items"
        by = activity if view.by == "activity" else "number of training users of the item"
        return f"{title(view.metric)} by {by}"

    def slice_note(self, view: slices.SliceView) -> str:
        """Return the note under a table of slices."""
        return f"Number of {'users' if view.by == 'activity' else 'items'} in parentheses."

    def settings_rows(self) -> list[list[str]]:
        """Return a table of training details and settings, one column per run, the heading first."""
        details = [_run_details(row.run, row.epochs_run) for row in self.group.rows]
        names = list(dict.fromkeys(name for of_run in details for name in of_run))
        heading = ["", *(self.labels[row.run.id] for row in self.group.rows)]
        return [heading, *([name, *(of_run.get(name, "-") for of_run in details)] for name in names)]

    def facts(self) -> list[tuple[str, str]]:
        """Return names and values that identify the data and the split, fingerprints included."""
        group = self.group
        return [
            ("Dataset", Path(group.dataset).name),
            ("Data fingerprint", group.dataset_fingerprint or "unknown"),
            ("Protocol", group.protocol),
            ("Split seed", str(group.split_seed)),
            ("Split fingerprint", group.split_fingerprint or "unknown"),
            ("Split options", describe_options(group.options) or "default"),
            *((split_summary.fact_label(name), _format_value(value)) for name, value in group.facts.items()),
        ]

    def versions(self) -> list[str]:
        """Return library versions and machine of the runs, one line per combination."""
        lines = []
        for row in self.group.rows:
            versions = ", ".join(f"{name} {version}" for name, version in row.run.versions.items())
            machine: Mapping[str, Any] = row.run.details.get("machine") or {}
            system = ", ".join(str(machine[name]) for name in ("processor", "system") if name in machine)
            cores = f"{machine['cores']} cores" if machine else ""
            lines.append("; ".join(filter(None, (versions, system, cores))))
        return [line for line in dict.fromkeys(lines) if line]


@dataclass(frozen=True)
class ComparisonReport:
    """Content of a whole report.

    Attributes:
        created: Date and time, as text.
        version: Version of recdash.
        sections: One section per group of comparable runs.
        seed_tables: Tables of means over seeds.
        not_comparable: Reasons why the sections cannot share one table; empty for a single section.
    """

    created: str
    version: str
    sections: tuple[Section, ...]
    seed_tables: tuple[SeedTable, ...]
    not_comparable: tuple[str, ...]

    @property
    def title(self) -> str:
        """Heading of the report, with the names of its datasets."""
        datasets = dict.fromkeys(Path(section.group.dataset).name for section in self.sections)
        return f"Recommenders on {', '.join(datasets)}"

    @property
    def comparability_note(self) -> str:
        """Warning that the tables are not comparable, with the reasons; empty for a single table."""
        if not self.not_comparable:
            return ""
        return f"The {len(self.sections)} tables are not comparable. {' '.join(self.not_comparable)}"


def _run_details(run: RunRecord, epochs_run: int | None) -> dict[str, str]:
    finished = datetime.fromtimestamp(run.finished, UTC).strftime("%Y-%m-%d") if run.finished else "-"
    values: dict[str, object] = {
        "model": run.model,
        "preset": run.preset,
        "seed": run.seed,
        "best epoch": run.best_epoch,
        "epochs run": epochs_run,
        "validations": run.details.get("n_validations"),
        "device": run.details.get("device", run.device),
        "precision": run.details.get("precision"),
        "threads": run.threads,
        "finished": finished,
        "parameters": run.details.get("parameters"),
    }
    if (memory := run.details.get("peak_memory_bytes")) is not None:
        values["peak memory"] = f"{memory / 2**20:,.0f} MiB"
    if (memory := run.details.get("card_memory_bytes")) is not None:
        values["peak GPU memory"] = f"{memory / 2**20:,.0f} MiB"
    if (seconds := run.details.get("seconds_per_list")) is not None:
        values["time per list"] = f"{seconds * 1e3:.1f} ms"
    return {name: _format_value(value) for name, value in {**values, **run.config, "run": run.id}.items()}


def _format_value(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, (list, tuple)):
        return "-".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
