"""Panels of learning curves: read what is new, smooth, thin out, and draw without flicker."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.reporting.formatting import escape, setting
from recdash.runs.run_records import STILL_IMPROVING
from recdash.ui import glossary
from recdash.ui.charts import basic, run_colours

if TYPE_CHECKING:
    import pandas as pd

    from recdash.services.runs import RunRecord

ORDER = (
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
USUAL = (
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
MOST_POINTS = 800  # per line; a thinner one keeps the extremes of every stretch
_NEVER_LOG = ("beta", "ndcg", "recall", "active_units")
_NEVER_SMOOTH = ("beta", "lr", "active_units")  # they have no noise


@dataclass(frozen=True)
class Look:
    """How curves are drawn."""

    x: str = "epoch"
    smoothing: float = 0.0
    log: bool = False
    height: int = 240


@dataclass
class Feed:
    """The epochs of some runs as far as they were read; `seq` tells what to ask for next."""

    run_ids: tuple[str, ...]
    seq: int = 0
    epochs: dict[str, dict[int, tuple[float, Mapping[str, float]]]] = field(default_factory=dict)
    tables: dict[str, tuple[Any, pd.DataFrame]] = field(default_factory=dict)

    def read(self) -> None:
        """Add what was written since the last look; an epoch that comes twice counts as it came last."""
        from recdash.services import curves

        for row in curves.newer(self.run_ids, self.seq):
            self.epochs.setdefault(row.run, {})[row.epoch] = (row.seconds, row.values)
            self.seq = max(self.seq, row.seq)

    def names(self) -> list[str]:
        """Return every value that any epoch has, in the customary order."""
        found = {name for rows in self.epochs.values() for _, values in rows.values() for name in values}
        return sorted(found, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))

    def values(self, run_id: str) -> list[tuple[int, Mapping[str, float]]]:
        """Return (epoch, values) of a run in order."""
        return [(epoch, values) for epoch, (_, values) in sorted(self.epochs.get(run_id, {}).items())]

    def points(self, run_id: str, name: str) -> list[tuple[int, float, float]]:
        """Return (epoch, seconds, value) in order; a value that is no number is NaN."""
        rows = sorted(self.epochs.get(run_id, {}).items())
        return [(epoch, seconds, float(values[name])) for epoch, (seconds, values) in rows if name in values]


def feed(place: str, run_ids: Sequence[str]) -> Feed:
    """Return this session's feed of these runs, read up to now."""
    kept = st.session_state.get(f"_feed.{place}")
    if kept is None or kept.run_ids != tuple(run_ids):
        kept = st.session_state[f"_feed.{place}"] = Feed(tuple(run_ids))
    found: Feed = kept
    found.read()
    return found


def judged(place: str, runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs of a feed with the epoch in which they became unstable, also where the record has none."""
    from recdash.analysis import curves

    read = feed(place, [run.id for run in runs])
    return [curves.with_stability(run, read.values(run.id)) for run in runs]


def draw(place: str, runs: Sequence[RunRecord], names: Iterable[str], look: Look, columns: int = 2) -> None:
    """Draw one chart per value, every run in it, in a grid that keeps its place."""
    read = feed(place, [run.id for run in runs])
    lines = basic.lines_of(labels(runs), [run.id for run in runs])
    there = read.names()
    with st.grid(columns, min_column_width=320, gap=("small", "medium")):
        for name in names:
            if name in there or not there:
                with st.container(key=f"{place}.{name}", gap="xsmall"):
                    _panel(place, read, runs, name, look, lines)


def _panel(
    place: str, read: Feed, runs: Sequence[RunRecord], name: str, look: Look, lines: tuple[basic.RunLine, ...]
) -> None:
    title, unit, meaning = glossary.curve(name)
    st.markdown(f"**{title}** :gray[:small[{unit}]]", help=meaning or None)
    style = basic.CurveStyle(
        title=title,
        x=look.x,
        log=look.log and not name.startswith(_NEVER_LOG),
        smooth=look.smoothing > 0,
        height=look.height,
        number=".3~f" if "@" in name else ",.4~r",
    )
    said = f"{title} of {len(runs)} runs against {'epoch' if look.x == 'epoch' else 'seconds of training'}"
    table, spec = _table(read, runs, name, look), basic.curve(style, lines)
    st.vega_lite_chart(table, spec, key=f"{place}.{name}.chart", width="stretch", alt=said)
    gaps = sum(not math.isfinite(value) for run in runs for _, _, value in read.points(run.id, name))
    if gaps:
        st.caption(f":orange[:material/warning:] {gaps} values are not finite and leave gaps.")


def _table(read: Feed, runs: Sequence[RunRecord], name: str, look: Look) -> pd.DataFrame:
    """Return the rows of one chart; built anew only when they would differ."""
    key = (read.seq, look.smoothing, look.log, labels(runs), [run.best_epoch for run in runs])
    if name not in read.tables or read.tables[name][0] != key:
        read.tables[name] = key, build_table(read, runs, name, look)
    return read.tables[name][1]


def build_table(read: Feed, runs: Sequence[RunRecord], name: str, look: Look) -> pd.DataFrame:
    """Return columns label, epoch, seconds, value (smoothed), raw and best for one chart."""
    import pandas as pd

    shown, rows = labels(runs), []
    for run in runs:
        points = read.points(run.id, name)
        weight = 0.0 if name in _NEVER_SMOOTH else look.smoothing
        smooth = smoothed([value for _, _, value in points], weight)
        lines = [(epoch, seconds, even, raw) for (epoch, seconds, raw), even in zip(points, smooth, strict=True)]
        for epoch, seconds, even, raw in thinned(lines):
            gone = look.log and not (even > 0 and raw > 0)
            value, true = (None, None) if gone else (_finite(even), _finite(raw))
            rows.append((shown[run.id], epoch, seconds, value, true, epoch == run.best_epoch))
    return pd.DataFrame(rows, columns=["label", "epoch", "seconds", "value", "raw", "best"])


def labels(runs: Sequence[RunRecord], titles: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what each run is called in a picture: a short name and, where names are alike, whatever tells them apart.

    titles: of the models by run id, to stand for names that nobody changed.
    """
    short = {run.id: _short(run, (titles or {}).get(run.id)) for run in runs}
    found = {}
    for run in runs:
        alike = [other for other in runs if short[other.id] == short[run.id] and other.id != run.id]
        tells = next((tell for tell in _TELLS if all(tell(other) != tell(run) for other in alike)), None)
        found[run.id] = short[run.id] if not alike else f"{short[run.id]}{tells(run) if tells else f' · {run.id[-4:]}'}"
    return found


def _own_settings(run: RunRecord) -> str:
    """Return the first settings that a run was given by name."""
    own = [f"{name} {setting(value)}" for name, value in run.settings.items()]
    return f", {', '.join(own[:2])}" if own else ", as preset"


_TELLS: tuple[Callable[[RunRecord], str], ...] = (
    lambda run: f", {run.preset}",
    lambda run: f", seed {run.seed}",
    _own_settings,
    lambda run: f", {run.protocol}",
    lambda run: f", {run.dataset}",
    lambda run: f"{_own_settings(run)}, seed {run.seed}",
)


def _short(run: RunRecord, title: str | None) -> str:
    """Return the name of a run, without the data set that a name has by itself when there is a title."""
    if title is None:
        return run.name
    plain = run.name.removesuffix(f", seed {run.seed}").removesuffix(f" on {run.dataset}")
    return title if plain == title else run.name


def legend(runs: Sequence[RunRecord]) -> None:
    """Say which colour is which run, above all the charts at once."""
    shown = labels(runs)
    dashes = run_colours.dashes([run.id for run in runs])
    with st.container(horizontal=True, gap="medium"):
        for run in runs:
            dot = run_colours.dot(run.id)
            badges = glossary.warning_badge(run) if run.state == "finished" else glossary.badges(run)
            line = " :gray[:small[dashed]]" if dashes[run.id] else ""
            st.markdown(
                f"{dot} {escape(shown[run.id])}{line} {badges}{_best_epoch(run)}",
                help=glossary.UNSTABLE if run.warning else None,
                width="content",
            )


def _best_epoch(run: RunRecord) -> str:
    if not run.best_epoch or (run.epochs or 0) <= 1:
        return ""
    return f" :gray[:small[best epoch {run.best_epoch}{f', {STILL_IMPROVING}' if run.still_improving else ''}]]"


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """Return an exponential moving average, corrected for its start; gaps stay gaps and a constant stays constant."""
    if weight <= 0:
        return list(values)
    mean, mass, found = 0.0, 0.0, []
    for value in values:
        if not math.isfinite(value):
            found.append(value)
            continue
        mean, mass = weight * mean + (1 - weight) * value, weight * mass + (1 - weight)
        found.append(mean / mass)
    return found


def thinned(
    lines: list[tuple[int, float, float, float]], most: int = MOST_POINTS
) -> list[tuple[int, float, float, float]]:
    """Return at most about `most` points: of every stretch its first, its lowest, its highest and its last."""
    if len(lines) <= most:
        return lines
    size = math.ceil(len(lines) / (most / 4))
    kept: dict[int, tuple[int, float, float, float]] = {}
    for start in range(0, len(lines), size):
        part = lines[start : start + size]
        finite = [point for point in part if math.isfinite(point[3])]
        ends = [min(finite, key=lambda p: p[3]), max(finite, key=lambda p: p[3])] if finite else []
        for point in (part[0], *ends, part[-1]):
            kept[point[0]] = point
    return [kept[epoch] for epoch in sorted(kept)]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
