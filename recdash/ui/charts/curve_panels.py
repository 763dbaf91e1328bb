"""Grids of learning curves: read new epochs, smooth, downsample, and draw without flicker."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.analysis import curves
from recdash.analysis.run_labels import run_labels
from recdash.reporting import dash_patterns
from recdash.reporting.formatting import escape, plural
from recdash.runs.run_records import STILL_IMPROVING
from recdash.ui import glossary
from recdash.ui.charts import learning_curves, primitives, theme_colours

if TYPE_CHECKING:
    import pandas as pd

    from recdash.services.runs import RunRecord

VALUE_ORDER = (
    "reconstruction",
    "kl",
    "weighted_kl",
    "ndcg@100",
    "beta",
    "train_rmse",
    "refeeding_loss",
    "penalty",
    "decoder_reconstruction",
    "active_units",
    "loss",
    "recall@20",
    "recall@50",
    "rmse",
    "mae",
    "lr",
    "examples/s",
)
DEFAULT_VALUES = (
    "reconstruction",
    "kl",
    "ndcg@100",
    "beta",
    "loss",
    "recall@20",
    "train_rmse",
    "rmse",
    "penalty",
    "refeeding_loss",
)
MAX_POINTS = 800  # per line; downsampling keeps the minimum and maximum of every stretch
_NEVER_LOG = ("beta", "ndcg", "recall", "active_units")
_NEVER_SMOOTH = ("beta", "lr", "active_units")  # schedules and counts, without noise


@dataclass(frozen=True)
class CurveOptions:
    """How curves are drawn.

    Args:
        x: Horizontal axis, "epoch" or "seconds".
        smoothing: Weight of the past in the moving average, from 0 (none) to below 1.
        log: Whether losses have a logarithmic axis.
        height: Height of each chart in pixels.
    """

    x: str = "epoch"
    smoothing: float = 0.0
    log: bool = False
    height: int = 240


@dataclass
class EpochReader:
    """Reads the epochs of some runs incrementally.

    Args:
        run_ids: Ids of the runs.
        seq: Sequence number of the last epoch read; the next query returns later ones only.
        epochs: Seconds and values by run and epoch.
        tables: Chart data by value name, each with the key it was built for.
    """

    run_ids: tuple[str, ...]
    seq: int = 0
    epochs: dict[str, dict[int, tuple[float, Mapping[str, float]]]] = field(default_factory=dict)
    tables: dict[str, tuple[Any, pd.DataFrame]] = field(default_factory=dict)

    def read(self) -> None:
        """Read the epochs written since the last call. A repeated epoch (after a resume) replaces the earlier one."""
        from recdash.services import curves as epoch_records  # lazy: sqlalchemy

        for row in epoch_records.epochs_after(self.run_ids, self.seq):
            self.epochs.setdefault(row.run, {})[row.epoch] = (row.seconds, row.values)
            self.seq = max(self.seq, row.seq)

    def names(self) -> list[str]:
        """Return the names of all values of any epoch, in display order."""
        names = {name for rows in self.epochs.values() for _, values in rows.values() for name in values}
        rank = {name: index for index, name in enumerate(VALUE_ORDER)}
        return sorted(names, key=lambda name: (rank.get(name, len(rank)), name))

    def values(self, run_id: str) -> list[tuple[int, Mapping[str, float]]]:
        """Return (epoch, values) of a run in epoch order."""
        return [(epoch, values) for epoch, (_, values) in sorted(self.epochs.get(run_id, {}).items())]

    def points(self, run_id: str, name: str) -> list[tuple[int, float, float]]:
        """Return (epoch, seconds, value) of a run in epoch order; the value may be NaN or infinite."""
        rows = sorted(self.epochs.get(run_id, {}).items())
        return [(epoch, seconds, float(values[name])) for epoch, (seconds, values) in rows if name in values]


def epoch_reader(page: str, run_ids: Sequence[str]) -> EpochReader:
    """Return this session's reader of these runs on a page, with all epochs up to now."""
    key = f"_epoch_reader.{page}"
    reader: EpochReader | None = st.session_state.get(key)
    if reader is None or reader.run_ids != tuple(run_ids):
        reader = st.session_state[key] = EpochReader(tuple(run_ids))
    reader.read()
    return reader


def with_stability(page: str, runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs with the epoch in which they became unstable, computed where their records lack it."""
    reader = epoch_reader(page, [run.id for run in runs])
    return [curves.with_stability(run, reader.values(run.id)) for run in runs]


def draw(page: str, runs: Sequence[RunRecord], names: Iterable[str], style: CurveOptions, columns: int = 2) -> None:
    """Draw one chart per value with one line per run. Stable widget keys prevent flicker between reruns."""
    reader = epoch_reader(page, [run.id for run in runs])
    lines = primitives.run_lines(run_labels(runs, one_dataset=False), [run.id for run in runs])
    available = reader.names()
    with st.grid(columns, min_column_width=320, gap=("small", "medium")):
        for name in names:
            if name in available or not available:
                with st.container(key=f"{page}.{name}", gap="xsmall"):
                    _panel(page, reader, runs, name, style, lines)


def _panel(
    page: str,
    reader: EpochReader,
    runs: Sequence[RunRecord],
    name: str,
    style: CurveOptions,
    lines: tuple[primitives.RunLine, ...],
) -> None:
    title, unit, meaning = glossary.curve(name)
    st.markdown(f"**{title}** :gray[:small[{unit}]]", help=meaning or None)
    chart = learning_curves.CurveStyle(
        title=title,
        x=style.x,
        log=style.log and not name.startswith(_NEVER_LOG),
        smooth=style.smoothing > 0,
        height=style.height,
        number=".3~f" if "@" in name else ",.4~r",
    )
    alt = f"{title} of {plural(len(runs), 'run')} by {'epoch' if style.x == 'epoch' else 'seconds of training'}"
    table, spec = _cached_table(reader, runs, name, style), learning_curves.vega_spec(chart, lines)
    st.vega_lite_chart(table, spec, key=f"{page}.{name}.chart", width="stretch", alt=alt)
    gaps = sum(not math.isfinite(value) for run in runs for _, _, value in reader.points(run.id, name))
    if gaps:
        st.caption(f":orange[:material/warning:] {plural(gaps, 'value is', 'values are')} not finite and not drawn.")


def _cached_table(reader: EpochReader, runs: Sequence[RunRecord], name: str, style: CurveOptions) -> pd.DataFrame:
    """Return the data of one chart, rebuilt only when it would differ."""
    best = [run.best_epoch for run in runs]
    key = (reader.seq, style.smoothing, style.log, run_labels(runs, one_dataset=False), best)
    if name not in reader.tables or reader.tables[name][0] != key:
        reader.tables[name] = key, build_table(reader, runs, name, style)
    return reader.tables[name][1]


def build_table(reader: EpochReader, runs: Sequence[RunRecord], name: str, style: CurveOptions) -> pd.DataFrame:
    """Return columns label, epoch, seconds, value (smoothed), raw and best for one chart."""
    import pandas as pd  # lazy: pandas

    labels, rows = run_labels(runs, one_dataset=False), []
    for run in runs:
        points = reader.points(run.id, name)
        weight = 0.0 if name in _NEVER_SMOOTH else style.smoothing
        averages = smoothed([value for _, _, value in points], weight)
        line = [(epoch, seconds, mean, raw) for (epoch, seconds, raw), mean in zip(points, averages, strict=True)]
        for epoch, seconds, mean, raw in downsampled(line):
            hidden = style.log and not (mean > 0 and raw > 0)  # a logarithmic axis has no place for it
            value, exact = (None, None) if hidden else (_finite(mean), _finite(raw))
            rows.append((labels[run.id], epoch, seconds, value, exact, epoch == run.best_epoch))
    return pd.DataFrame(rows, columns=["label", "epoch", "seconds", "value", "raw", "best"])


def legend(runs: Sequence[RunRecord]) -> None:
    """Show the colour, state and best epoch of each run, once above all charts."""
    labels = run_labels(runs, one_dataset=False)
    dashes = dash_patterns.dashes([run.id for run in runs])
    with st.container(horizontal=True, gap="medium"):
        for run in runs:
            dot = theme_colours.dot(run.id)
            badges = glossary.warning_badge(run) if run.state == "finished" else glossary.badges(run)
            line = " :gray[:small[dashed]]" if dashes[run.id] else ""
            st.markdown(
                f"{dot} {escape(labels[run.id])}{line} {badges}{_best_epoch(run)}",
                help=glossary.UNSTABLE if run.warning else None,
                width="content",
            )


def _best_epoch(run: RunRecord) -> str:
    if not run.best_epoch or (run.epochs or 0) <= 1:
        return ""
    return f" :gray[:small[best epoch {run.best_epoch}{f', {STILL_IMPROVING}' if run.still_improving else ''}]]"


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """Return the bias-corrected exponential moving average; values that are not finite stay in place."""
    if weight <= 0:
        return list(values)
    mean, mass, averages = 0.0, 0.0, []
    for value in values:
        if not math.isfinite(value):
            averages.append(value)
            continue
        mean, mass = weight * mean + (1 - weight) * value, weight * mass + (1 - weight)
        averages.append(mean / mass)
    return averages


def downsampled(
    lines: list[tuple[int, float, float, float]], most: int = MAX_POINTS
) -> list[tuple[int, float, float, float]]:
    """Return about `most` points at most: the first, lowest, highest and last of every stretch."""
    if len(lines) <= most:
        return lines
    size = math.ceil(len(lines) / (most / 4))
    selected: dict[int, tuple[int, float, float, float]] = {}
    for start in range(0, len(lines), size):
        part = lines[start : start + size]
        finite = [point for point in part if math.isfinite(point[3])]
        ends = [min(finite, key=lambda p: p[3]), max(finite, key=lambda p: p[3])] if finite else []
        for point in (part[0], *ends, part[-1]):
            selected[point[0]] = point
    return [selected[epoch] for epoch in sorted(selected)]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
