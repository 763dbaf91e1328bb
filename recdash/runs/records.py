"""What the store hands out: frozen records of runs, epochs and events, and what it takes in: a request."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from recdash.runs.states import State

IMPROVING = "still improving when it ended"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One training that somebody asks for, already checked: nothing in it is looked up again before it runs.

    settings: only those given by name, over the preset.  dataset_fingerprint: of the data as it was when asked.
    options: of the split, those that differ from the usual (`recdash.splits.options`).
    """

    model: str
    dataset: str
    protocol: str = "strong"
    preset: str = "auto"
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    split_seed: int = 98765
    device: str = "auto"
    name: str = ""
    dataset_fingerprint: str = ""
    epochs: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def twin(self) -> str:
        """Equal for requests that would train the same thing: names and devices do not count."""
        parts = [self.model, self.dataset_fingerprint or self.dataset, self.protocol, self.preset, dict(self.settings)]
        options = [dict(self.options)] if self.options else []  # without any, the text of versions that knew none
        text = json.dumps([*parts, self.seed, self.split_seed, *options], sort_keys=True)
        return blake2b(text.encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Everything the store knows about one run, at the moment of reading.

    epoch: last epoch done.  epochs: the largest number there can be; None for closed forms and before the start.
    metrics, intervals: on the test users, empty before the end.  validation: values at the best epoch so far.
    config: all settings as the model used them; settings: only those that were given by name.
    created, started, finished, heartbeat: seconds since 1970.  elapsed_s: wall time of training and validation up to
    the last epoch, resumed parts included.  runtime_s: training alone, known at the end.
    options: of the split, those that differ from the usual.
    version: grows with every change of this run except heartbeats; use it in cache keys.
    details: everything else that was recorded (precision, sizes, looks, evaluation time, ...).  `split` are the facts
    of the split; `unordered_ties` is the share of tied interactions where a model reads an order and the protocol none.
    """

    id: str
    name: str
    model: str
    dataset: str
    protocol: str
    state: State
    preset: str
    settings: Mapping[str, Any]
    seed: int
    split_seed: int
    device: str
    epoch: int = 0
    epochs: int | None = None
    best_epoch: int | None = None
    best_value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    validation: Mapping[str, float] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    dataset_fingerprint: str = ""
    split_fingerprint: str = ""
    threads: int | None = None
    created: float = 0.0
    started: float | None = None
    finished: float | None = None
    elapsed_s: float | None = None
    runtime_s: float | None = None
    error: str = ""
    note: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    stopping: bool = False
    attempts: int = 0
    host: str = ""
    pid: int | None = None
    heartbeat: float | None = None
    twin: str = ""
    version: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def unstable_epoch(self) -> int | None:
        """The first epoch whose loss exploded without becoming NaN (`recdash.evaluation.stability`), or None."""
        found: int | None = self.details.get("unstable_epoch")
        return found

    @property
    def still_improving(self) -> bool:
        """Whether a training of several epochs ended with its best one: more epochs might have given a better model."""
        ended = self.state in (State.FINISHED, State.STOPPED)
        return ended and self.epoch > 1 and self.best_epoch == self.epoch

    @property
    def warning(self) -> str:
        """What makes the figures of this run doubtful: "unstable since epoch 7", or nothing."""
        return "" if self.unstable_epoch is None else f"unstable since epoch {self.unstable_epoch}"

    @property
    def remarks(self) -> list[str]:
        """What a reader of this run's figures has to know, in a few words each; often empty."""
        improving = IMPROVING if self.still_improving else ""
        return [said for said in (self.warning, improving, self.about_ties[0]) if said]

    @property
    def warnings(self) -> list[str]:
        """What makes the figures of this run doubtful, or depend on chance, each in full; often empty."""
        return [said for said in (self.warning, self.about_ties[1]) if said]

    @property
    def about_ties(self) -> tuple[str, str]:
        """What ties in time mean for this run, in a few words and in full; both empty where there are few."""
        facts, unordered = self.details.get("split", {}), self.details.get("unordered_ties", 0)
        if not unordered and "ties" not in facts:
            return "", ""
        from recdash.splits import order  # numpy and scipy are loaded for the few runs that need it

        if unordered:
            return order.remark_of_sequences(unordered), order.warning_of_sequences(unordered)
        return order.remark(facts), order.warning(facts)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON values: times in ISO 8601, numbers that are none as null."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain |= {"unstable_epoch": self.unstable_epoch, "still_improving": self.still_improving}
        plain |= {"remarks": self.remarks, "warnings": self.warnings}
        plain["state"] = self.state.value
        for name in ("created", "started", "finished", "heartbeat"):
            plain[name] = iso(plain[name])
        return dict(json_safe(plain))


@dataclass(frozen=True)
class EpochRow:
    """One epoch of one run; `seq` grows over the whole store, so "what is newer" is one comparison."""

    run: str
    epoch: int
    seq: int
    update: int
    seconds: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class Event:
    """Something that happened to a run, in words."""

    run: str
    seq: int
    time: float
    kind: str
    text: str


def iso(time: float | None) -> str | None:
    """Return seconds since 1970 as ISO 8601 in UTC."""
    return (
        None
        if time is None
        else datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def json_safe(value: Any) -> Any:
    """Return the value with mappings as dicts, tuples as lists, and NaN or infinities as None."""
    if isinstance(value, Mapping):
        return {str(key): json_safe(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_safe(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
