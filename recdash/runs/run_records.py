"""What the store hands out: frozen records of runs, epochs and events, and what it takes in: a request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from recdash.json_values import json_safe
from recdash.runs.states import State
from recdash.settings import DEFAULT_SPLIT_SEED

# Entries of `details` as versions up to 0.2 recorded them.
_DETAILS_UNTIL_0_2 = {"looks": "n_validations"}
STILL_IMPROVING = "still improving when it ended"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One training that somebody asks for, already checked: nothing in it is looked up again before it runs.

    settings: only those given by name, over the preset.  dataset_fingerprint: of the data as it was when asked.
    options: of the split, those that differ from the usual (`recdash.splits.split_options`).
    """

    model: str
    dataset: str
    protocol: str = "strong"
    preset: str = "auto"
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    split_seed: int = DEFAULT_SPLIT_SEED
    device: str = "auto"
    name: str = ""
    dataset_fingerprint: str = ""
    epochs: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def request_hash(self) -> str:
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
    details: whatever else was recorded (precision, sizes, validations, evaluation time, ...). `split` are the facts of
    the split; `unordered_ties` is the share of tied interactions where a model reads an order and the protocol none.
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
    request_hash: str = ""
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
        improving = STILL_IMPROVING if self.still_improving else ""
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
        from recdash.splits import event_order  # numpy and scipy are loaded for the few runs that need it

        if unordered:
            return event_order.remark_of_sequences(unordered), event_order.warning_of_sequences(unordered)
        return event_order.remark(facts), event_order.warning(facts)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON values: times in ISO 8601, numbers that are none as null."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain |= {"unstable_epoch": self.unstable_epoch, "still_improving": self.still_improving}
        plain["twin"] = self.request_hash  # the name of this field until 0.2
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


def present_details(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return the details of a run with the names that they have today."""
    return {_DETAILS_UNTIL_0_2.get(name, name): value for name, value in details.items()}
