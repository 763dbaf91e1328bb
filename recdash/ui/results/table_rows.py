"""Rows and columns of the results table as plain values: sorting, comparison with the baseline, texts of the cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recdash.analysis import baseline_difference, setting_columns
from recdash.analysis.baseline_difference import Verdict
from recdash.analysis.metric_info import averaging
from recdash.evaluation.selection_metric import higher_is_better
from recdash.reporting.formatting import ago, duration
from recdash.settings import format_setting
from recdash.ui import glossary
from recdash.ui.widgets import result_tables

if TYPE_CHECKING:
    from recdash.analysis.baseline_difference import BaselineDifference, Unit
    from recdash.analysis.groups import Group, ResultRow
    from recdash.analysis.row_folding import Fold
    from recdash.services.last_values import LastEpoch
    from recdash.ui.results.table_options import TableOptions

Cell = str | dict[str, Any] | None
MARKS = {
    Verdict.BETTER: ("", "better"),
    Verdict.WORSE: ("", "worse"),
    Verdict.SMALL: ("≪", "weak"),
    Verdict.NOT_SIGNIFICANT: ("≈", "weak"),
    Verdict.EQUAL: ("=", "weak"),
}


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        id: Name in the URL.
        title: Heading.
        kind: CSS class: "name", "number", "difference", "setting", "tags" or "remarks".
        value: Returns what a row is sorted by; None sorts last.
        cell: Returns the cell of a row and, for an opened row, of each of its runs.
        descending: Whether the largest value is the best, or else comes first.
        sub: Second line of the heading.
        help: Tooltip.
        marks_best: Whether the best value is bold.
    """

    id: str
    title: str
    kind: str
    value: Callable[[Fold], Any]
    cell: Callable[[Fold], Cell]
    descending: bool = False
    sub: str = ""
    help: str = ""
    marks_best: bool = False


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Differences of the shown rows from the baseline.

    Attributes:
        metric: The compared metric.
        name: Name of the baseline.
        key: Key of the baseline's row.
        differences: Difference by key of the row.
    """

    metric: str
    name: str
    key: str
    differences: Mapping[str, BaselineDifference]


def unit_of(fold: Fold) -> Unit:
    """Return ids and versions of the runs behind the mean of a row."""
    return tuple((row.run.id, row.run.version) for row in fold.averaged)


def best_fold(folds: Sequence[Fold], metric: str) -> Fold | None:
    """Return the best row by a metric; None if no row has it."""
    sign = -1 if higher_is_better(metric) is False else 1
    measured = [(value, fold) for fold in folds if (value := fold.mean(metric)) is not None]
    return max(measured, key=lambda pair: sign * pair[0])[1] if measured else None


def compare(folds: Sequence[Fold], baseline: Fold, metric: str, name: str) -> Comparison:
    """Compare rows with the baseline's row."""
    units = tuple((fold.key, unit_of(fold)) for fold in folds if fold.key != baseline.key)
    found = baseline_difference.compare_units(units, unit_of(baseline), metric)
    return Comparison(metric=metric, name=name, key=baseline.key, differences=found)


def sorted_folds(folds: Sequence[Fold], column: Column, reverse: bool) -> list[Fold]:
    """Return the rows sorted by a column, best first; rows without a value come last in either direction."""
    with_value = [(value, fold) for fold in folds if (value := column.value(fold)) is not None]
    without = [fold for fold in folds if column.value(fold) is None]
    ordered = sorted(with_value, key=lambda pair: pair[0], reverse=column.descending != reverse)
    return [fold for _, fold in ordered] + without


def direction_of(column: Column, reverse: bool) -> str:
    """Return whether the values of the sorted column rise or fall down the table, as `aria-sort` has it."""
    return "descending" if column.descending != reverse else "ascending"


def order_of(column: Column, reverse: bool) -> str:
    """Return the order of the rows as text: "best first" of a metric, else "ascending"."""
    if column.marks_best:
        return "worst first" if reverse else "best first"
    return direction_of(column, reverse)


def columns_of(
    group: Group,
    options: TableOptions,
    names: Mapping[str, str],
    last: Mapping[str, LastEpoch],
    baseline: ResultRow | None,
) -> list[Column]:
    """Return the columns of the table, except for the difference, which depends on the rows shown.

    Args:
        group: The runs.
        options: Options of the table.
        names: Name of each row by its key.
        last: Last validated epoch by run id; needed for values of the last epoch only.
        baseline: The run whose settings the highlighted ones differ from.
    """
    metrics: list[Column] = []
    for name in options.metrics:
        metrics.append(_last_column(name, last) if options.last else _test_column(name))
    if options.last:
        metrics.append(_best_validation_column(group, last))
    settings = [_setting_column(name, baseline) for name in options.settings]
    columns = [_name_column(names), *metrics, *settings, _time_column(), _epochs_column()]
    rows = group.rows
    if any(row.run.tags for row in rows):
        columns.append(Column("tags", "Tags", "tags", lambda fold: _tags(fold) or None, _tags_cell))
    if any(row.run.remarks for row in rows):
        columns.append(
            Column(
                "remarks", "Remarks", "remarks", lambda fold: _remarks(fold) or None, _remarks, help=glossary.UNSTABLE
            )
        )
    return [*columns, _finished_column()]


def difference_column(comparison: Comparison, threshold: float) -> Column:
    """Return the column of differences from the baseline, with 95% paired intervals and marks."""
    higher = higher_is_better(comparison.metric) is True

    def value(fold: Fold) -> float | None:
        if fold.key == comparison.key:
            return 0.0
        found = comparison.differences.get(fold.key)
        return None if found is None else found.difference

    def cell(fold: Fold) -> Cell:
        if fold.key == comparison.key:
            return {"t": "baseline", "m": ["weak"]}
        found = comparison.differences.get(fold.key)
        if found is None:
            return None
        verdict = found.verdict(higher_is_better=higher, threshold=threshold)
        mark, style = MARKS[verdict]
        relative = "" if found.relative is None else f" ({found.relative:+.1%})"
        about = f"{verdict.value}{relative}; 95% interval {found.low:+.4f} to {found.high:+.4f}, p = {found.p:.3f}"
        text = f"{mark} {_signed(found.difference)}".strip()
        return {"t": text, "d": f"[{_signed(found.low)}, {_signed(found.high)}]", "m": [style], "h": about}

    text = (
        f"{glossary.metric(comparison.metric)} of the row minus that of the baseline, user by user, with its 95% "
        f"bootstrap interval. ≈ not significant (Holm's correction over the rows shown); ≪ significant, but below "
        f"{threshold:.1%} of the baseline's value: too small to matter."
    )
    return Column("difference", "Difference", "difference", value, cell, higher, f"from {comparison.name}", text)


def last_mean(fold: Fold, metric: str, last: Mapping[str, LastEpoch]) -> float | None:
    """Return the mean over seeds of a validation metric after the last epoch; None unless every run has it."""
    found = [last[row.run.id].values.get(metric) for row in fold.averaged if row.run.id in last]
    values = [value for value in found if value is not None]
    return sum(values) / len(values) if len(values) == len(fold.averaged) else None


def _test_column(metric: str) -> Column:
    better, average = higher_is_better(metric), averaging(metric)
    text = (
        f"{glossary.metric_help(metric)} On the test part, {average}; {result_tables.direction_label(metric)}. One "
        "run: ± half the width of the 95% bootstrap interval over users. Several seeds: sd, the standard deviation "
        "over training seeds."
    )

    def cell(fold: Fold) -> Cell:
        mean, deviation = fold.mean(metric), fold.deviation(metric)
        if mean is None:
            return None
        value = fold.first.metrics[metric]
        spread = ""
        if deviation is not None:
            spread = f"sd {deviation:.4f}"
        elif value.low is not None and value.high is not None:
            spread = f"± {(value.high - value.low) / 2:.4f}"
        return {"t": f"{mean:.4f}", "d": spread}

    return Column(
        metric,
        glossary.metric(metric),
        "number",
        lambda fold: fold.mean(metric),
        cell,
        better is not False,
        "test",
        text,
        marks_best=better is not None,
    )


def _last_column(metric: str, last: Mapping[str, LastEpoch]) -> Column:
    better = higher_is_better(metric)
    text = (
        f"{glossary.metric_help(metric)} On the validation part, after the last epoch. Not comparable with test values."
    )

    def cell(fold: Fold) -> Cell:
        mean = last_mean(fold, metric, last)
        return None if mean is None else f"{mean:.4f}"

    return Column(
        metric,
        glossary.metric(metric),
        "number",
        lambda fold: last_mean(fold, metric, last),
        cell,
        better is not False,
        "validation, last epoch",
        text,
        marks_best=better is not None,
    )


def _best_validation_column(group: Group, last: Mapping[str, LastEpoch]) -> Column:
    metric = group.primary

    def value(fold: Fold) -> float | None:
        found = [row.run.best_value for row in fold.averaged]
        values = [one for one in found if one is not None]
        return sum(values) / len(values) if len(values) == len(found) else None

    def cell(fold: Fold) -> Cell:
        best, end = value(fold), last_mean(fold, metric, last)
        if best is None:
            return None
        return {"t": f"{best:.4f}", "d": "" if end is None else f"last {_signed(end - best)}"}

    return Column(
        "best_validation",
        glossary.metric(metric),
        "number",
        value,
        cell,
        group.selection_metric.higher_is_better,
        "validation, best epoch",
        "The best value on the validation part, whose weights are evaluated on the test part; and the last epoch minus "
        "it.",
        marks_best=True,
    )


def _setting_column(name: str, baseline: ResultRow | None) -> Column:
    """Return the column of a setting; values other than the baseline's are highlighted."""
    of_baseline = {} if baseline is None else setting_columns.settings_of(baseline.run)

    def value(fold: Fold) -> Any:
        found = setting_columns.settings_of(fold.first.run).get(name)
        if isinstance(found, bool) or not isinstance(found, int | float):
            return None if found is None else (1, 0.0, format_setting(found))
        return (0, float(found), "")

    def cell(fold: Fold) -> Cell:
        texts = dict.fromkeys(
            format_setting(found[name]) for row in fold.rows if name in (found := setting_columns.settings_of(row.run))
        )
        if not texts:
            return None
        text = next(iter(texts)) if len(texts) == 1 or fold.by == "model" else "varies"
        differs = name in of_baseline and text != format_setting(of_baseline[name])
        about = f"the baseline has {format_setting(of_baseline[name])}" if differs else ""
        return {"t": text, "m": ["changed"] if differs else [], "h": about}

    return Column(
        f"setting.{name}", name, "setting", value, cell, help="Highlighted where it differs from the baseline."
    )


def _name_column(names: Mapping[str, str]) -> Column:
    return Column("name", "Model", "name", lambda fold: names[fold.key].lower(), lambda fold: names[fold.key])


def _time_column() -> Column:
    def value(fold: Fold) -> float | None:
        times = [row.run.runtime_s for row in fold.averaged if row.run.runtime_s is not None]
        return sum(times) / len(times) if times else None

    text = "Training time on the machine that trained the run, without validation and test; the mean over seeds."
    return Column("time", "Training time", "number", value, lambda fold: duration(value(fold)), help=text)


def _epochs_column() -> Column:
    def cell(fold: Fold) -> Cell:
        run = fold.first.run
        if (run.epochs or 1) <= 1 or fold.first.epochs_run is None:
            return None
        return {"t": str(fold.first.epochs_run), "d": f"best {run.best_epoch}" if run.best_epoch else ""}

    def value(fold: Fold) -> int | None:
        return fold.first.epochs_run if (fold.first.run.epochs or 1) > 1 else None

    text = "Epochs trained, and the best one on the validation part, whose weights are used."
    return Column("epochs", "Epochs", "number", value, cell, help=text)


def _finished_column() -> Column:
    return Column(
        "finished",
        "Finished",
        "number",
        lambda fold: max(row.run.finished or row.run.created for row in fold.rows),
        lambda fold: ago(max(row.run.finished or row.run.created for row in fold.rows)),
        descending=True,
    )


def _tags(fold: Fold) -> list[str]:
    return sorted({tag for row in fold.rows for tag in row.run.tags})


def _tags_cell(fold: Fold) -> Cell:
    tags = _tags(fold)
    return {"tags": tags} if tags else ""


def _remarks(fold: Fold) -> str:
    return "; ".join(dict.fromkeys(remark for row in fold.rows for remark in row.run.remarks))


def _signed(value: float) -> str:
    return f"{'−' if value < 0 else '+'}{abs(value):.4f}"
