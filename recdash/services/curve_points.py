"""Points of curves that other programs recorded, by run, metric and step; metrics get our names where certain."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from recdash.errors import DataError, quote, short_repr
from recdash.services.exchange_cells import LATEST_TIME, CellError, clean_text, parse_number

STEP_LIMIT = 2**31  # the column of the store has 32 bits
_MOST_POINTS, _MOST_RUNS, _MOST_METRICS = 5_000_000, 1_000, 2_000
_NAME_LENGTH = 120
_MILLISECONDS = 1e11  # a larger time is in milliseconds: in seconds it would be after the year 5000
_AT_K = re.compile(r"(ndcg|recall|precision|map|mrr|hitrate|coverage|novelty|gini)(?:@|_at_)(\d{1,5})")
_PLAIN = {name: name for name in ("loss", "reconstruction", "kl", "beta", "rmse", "mae")} | {
    "kl_divergence": "kl",
    "reconstruction_loss": "reconstruction",
}
_TRAINING, _VALIDATION = ("train", "training"), ("val", "valid", "validation", "eval")
_OF_TRAINING = {"loss", "reconstruction", "kl", "beta"}


@dataclass
class ExternalRun:
    """The curves of one run of another program.

    Attributes:
        name: Its name in the file.
        source: What recorded it, for example "TensorBoard CSV".
        points: Values by metric and step.
        times: Wall time of each step, in seconds since 1970, where known.
        seconds: Seconds since the start, where known.
        updates: Number of updates, where the steps are epochs.
    """

    name: str
    source: str
    points: dict[str, dict[int, float]] = field(default_factory=dict)
    times: dict[int, float] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    updates: dict[int, int] = field(default_factory=dict)


class PointCollector:
    """Collects the points of files, and counts what was left out."""

    def __init__(self) -> None:
        self.runs: dict[tuple[str, ...], ExternalRun] = {}
        self.skipped_cells = 0
        self.notes: list[str] = []
        self._n_points = 0
        self._replaced = 0

    def run(self, key: tuple[str, ...], name: str, source: str) -> ExternalRun:
        """Return the run of a key; the first call creates it."""
        if key not in self.runs:
            if len(self.runs) == _MOST_RUNS:
                raise DataError(f"More than {_MOST_RUNS:,} runs in these files. Import fewer files at once.")
            self.runs[key] = ExternalRun(name=printable(name) or source, source=source)
        return self.runs[key]

    def add(self, run: ExternalRun, metric: str, step: int, value: float) -> None:
        """Add a point. Of two at one step the later one counts, as when a resumed run repeats epochs."""
        if metric not in run.points and len(run.points) == _MOST_METRICS:
            raise DataError(f"{quote(run.name)} has more than {_MOST_METRICS:,} metrics. Choose fewer columns.")
        curve = run.points.setdefault(metric, {})
        if step in curve:
            self._replaced += 1
        else:
            self._n_points += 1
            if self._n_points > _MOST_POINTS:
                raise DataError(f"More than {_MOST_POINTS:,} points in these files. Import fewer files at once.")
        curve[step] = value

    @property
    def n_added(self) -> int:
        """Number of points that were added, those replaced later included."""
        return self._n_points + self._replaced

    def finish(self) -> list[ExternalRun]:
        """Return the runs that have points, with the names of their metrics made ours where certain."""
        if self._replaced:
            points = "1 point" if self._replaced == 1 else f"{self._replaced:,} points"
            self.notes.append(f"{points} replaced by later points of the same step.")
        found = [run for run in self.runs.values() if run.points]
        same_name = Counter(run.name for run in found)
        for key, run in self.runs.items():
            if same_name[run.name] > 1 and key[-1] != run.name:
                run.name += f" ({printable(key[-1])[:8]})"
        for run in found:
            run.points = _with_our_names(run.points)
        return found


def step_of(cell: Any, where: str) -> int | None:
    """Return a step or epoch; None for an empty cell; raises DataError for anything but a whole number from 0."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    fix = "Export the curve over steps or epochs."
    try:
        number = parse_number(cell)
    except CellError as error:
        raise DataError(f"{where}: the step is {error}, expected a whole number. {fix}") from None
    if not number.is_integer() or not 0 <= number < STEP_LIMIT:
        found = f"the step is {short_repr(cell)}, expected a whole number from 0 to {STEP_LIMIT - 1}"
        raise DataError(f"{where}: {found}. {fix}")
    return int(number)


def value_of(cell: Any) -> float | None:
    """Return a cell as a number; None for an empty one; raises CellError for anything else."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    return parse_number(cell)


def time_of(cell: Any) -> float | None:
    """Return a wall time in seconds since 1970 from seconds, milliseconds or ISO 8601; None if it is none of these."""
    if isinstance(cell, datetime):
        cell = (cell if cell.tzinfo else cell.replace(tzinfo=UTC)).timestamp()
    try:
        seconds = value_of(cell)
    except CellError:
        try:
            read = datetime.fromisoformat(str(cell).strip())
            seconds = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError, OSError):
            return None
    if seconds is None or not math.isfinite(seconds):
        return None
    seconds = seconds / 1000 if seconds > _MILLISECONDS else seconds
    return seconds if 0 <= seconds < LATEST_TIME else None


def printable(name: str) -> str:
    """Return a name from a file on one line, without characters that cannot be shown, and not too long."""
    text = "".join(sign if sign.isprintable() else " " for sign in clean_text(name))
    return " ".join(text.split())[:_NAME_LENGTH]


def our_name(metric: str) -> str:
    """Return our name of a metric if it is certain, else the name unchanged.

    "NDCG_at_100" and "val/ndcg@100" are `ndcg@100`, "train/loss" is `loss`; "val/loss" is not ours, since our loss is
    that of the training.
    """
    text = metric.strip().lower()
    prefix, separator, rest = text.rpartition("/")
    known = rest if separator else text
    name = _PLAIN.get(known)
    if found := _AT_K.fullmatch(known):
        name = f"{found[1]}@{int(found[2])}"
    if name is None:
        return metric
    allowed = _TRAINING if name in _OF_TRAINING else _VALIDATION
    return name if not separator or prefix in allowed else metric


def _with_our_names(points: Mapping[str, dict[int, float]]) -> dict[str, dict[int, float]]:
    """Rename metrics; where two would get one name, none of them is certain and both keep theirs.

    Characters that cannot be shown are left out of names, and equal ones get a number.
    """
    shown = {metric: printable(metric) or "value" for metric in points}
    names = {metric: our_name(name) for metric, name in shown.items()}
    meant = Counter(names.values())
    renamed: dict[str, dict[int, float]] = {}
    for metric, curve in points.items():
        name = names[metric] if meant[names[metric]] == 1 else shown[metric]
        number = 1
        while name in renamed:
            number += 1
            name = f"{shown[metric]} ({number})"
        renamed[name] = curve
    return renamed
