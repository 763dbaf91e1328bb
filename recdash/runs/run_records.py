"""Frozen records of runs, epochs and events as the store returns them, and the request that queues a run."""

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
_RENAMED_DETAILS = {"looks": "n_validations"}
STILL_IMPROVING = "still improving when it ended"


@dataclass(frozen=True, kw_only=True)
class Request:
    """A validated request for one training.

    Attributes:
        settings: Settings given by name; they override the preset.
        dataset_fingerprint: Fingerprint of the dataset at the time of the request.
        epochs: Largest number of epochs; None for closed forms.
        options: Options of the split that differ from the defaults (`recdash.splits.split_options`).
        trial: For a trial of a search: its `study`, `number`, `params` and `pruning`. It never reads the test part.
        preset_digest: Hash of the content of a preset that can change, such as one of the user's own.
        tags: Tags of the new run.
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
    trial: Mapping[str, Any] = field(default_factory=dict)
    preset_digest: str = ""
    tags: tuple[str, ...] = ()

    @property
    def request_hash(self) -> str:
        """Hash of everything that determines the result. Name, tags and device do not count."""
        parts = [self.model, self.dataset_fingerprint or self.dataset, self.protocol, self.preset, dict(self.settings)]
        options: list[Any] = [dict(self.options)] if self.options else []  # hashes of earlier versions stay valid
        options += [self.preset_digest] if self.preset_digest else []
        options += [["trial", self.trial["study"], self.trial["number"]]] if self.trial else []
        text = json.dumps([*parts, self.seed, self.split_seed, *options], sort_keys=True)
        return blake2b(text.encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run as stored at the time of reading. Times are in seconds since 1970.

    Attributes:
        settings: Settings given by name.
        config: All settings as the model used them.
        epoch: Last completed epoch.
        epochs: Largest number of epochs; None for closed forms and before the start.
        metrics: Test metrics by name; empty until the run is finished.
        intervals: Confidence intervals of the test metrics.
        validation: Validation metrics at the best epoch so far.
        elapsed_s: Wall time in seconds of training and validation up to the last epoch, including earlier attempts.
        runtime_s: Training time in seconds, without validation; None before the run ends.
        options: Options of the split that differ from the defaults.
        tags: Short labels that the user gave, sorted.
        archived: When the run was archived; None for a run that lists show.
        trashed: When the run was moved to the trash; None for any other run.
        source: Where an imported run comes from; "" for a run trained here.
        version: Grows with every change except heartbeats; use it in cache keys.
        details: Everything else that was recorded: precision, sizes, validations, evaluation time and so on. `split`
            holds the facts of the split. `unordered_ties` is the share of tied interactions, for a model that reads an
            order under a protocol that defines none. `trial` is the request of a trial of a search, `pruned_at` the
            epoch at which it was pruned, `trials` the number of trials from which the settings were chosen.
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
    tags: tuple[str, ...] = ()
    archived: float | None = None
    trashed: float | None = None
    source: str = ""

    @property
    def trial(self) -> Mapping[str, Any]:
        """Study, number and settings of a trial of a search (`Request.trial`); empty for any other run."""
        found = self.details.get("trial")
        return found if isinstance(found, Mapping) else {}

    @property
    def is_untested_trial(self) -> bool:
        """Whether this is a trial of a search that was never evaluated on the test part."""
        return bool(self.trial) and not self.metrics

    @property
    def trials(self) -> int | None:
        """Number of trials from which the settings of this run were chosen; None where no search chose them."""
        found = self.details.get("trials")
        return found if isinstance(found, int) else None

    @property
    def unstable_epoch(self) -> int | None:
        """First epoch whose loss exploded without becoming NaN (`recdash.evaluation.stability`), or None."""
        found: int | None = self.details.get("unstable_epoch")
        return found

    @property
    def diverged(self) -> bool:
        """Whether a loss became NaN or infinite, as it would again with the same seed and settings."""
        return self.state is State.FAILED and self.error.startswith(f"{self.model} diverged:")

    @property
    def still_improving(self) -> bool:
        """Whether the last epoch was the best: more epochs might give a better model."""
        ended = self.state in (State.FINISHED, State.STOPPED) and not self.details.get("pruned_at")
        return ended and self.epoch > 1 and self.best_epoch == self.epoch

    @property
    def warning(self) -> str:
        """A reason to doubt the metrics of this run, such as "unstable since epoch 7", or an empty text."""
        return "" if self.unstable_epoch is None else f"unstable since epoch {self.unstable_epoch}"

    @property
    def remarks(self) -> list[str]:
        """Short remarks on the metrics of this run; often empty."""
        improving = STILL_IMPROVING if self.still_improving else ""
        return [text for text in (self.warning, improving, self.trials_note, self.tie_notes[0]) if text]

    @property
    def trials_note(self) -> str:
        """From how many trials the settings were chosen, as a short remark; "" where no search chose them."""
        return "" if self.trials is None else f"best of {self.trials} trials"

    @property
    def warnings(self) -> list[str]:
        """Full sentences on why the metrics of this run are doubtful or depend on chance; often empty."""
        return [text for text in (self.warning, self.tie_notes[1]) if text]

    @property
    def tie_notes(self) -> tuple[str, str]:
        """The effect of tied times on this run, as a short remark and as a sentence; both empty where ties are few."""
        facts, unordered = self.details.get("split", {}), self.details.get("unordered_ties", 0)
        if not unordered and "ties" not in facts:
            return "", ""
        from recdash.splits import event_order  # lazy: scipy, for the few runs that need it

        if unordered:
            return event_order.sequence_tie_note(unordered), event_order.sequence_tie_warning(unordered)
        return event_order.tie_note(facts), event_order.tie_warning(facts)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON values: times in ISO 8601, NaN and infinite numbers as null."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain |= {"unstable_epoch": self.unstable_epoch, "still_improving": self.still_improving, "trials": self.trials}
        # Fields are added, never renamed: these had other names until version 0.2.
        plain["twin"] = self.request_hash
        if "n_validations" in self.details:
            plain["details"] = {**self.details, "looks": self.details["n_validations"]}
        plain |= {"remarks": self.remarks, "warnings": self.warnings}
        plain["state"] = self.state.value
        for name in ("created", "started", "finished", "heartbeat", "archived", "trashed"):
            plain[name] = iso(plain[name])
        return dict(json_safe(plain))


@dataclass(frozen=True)
class EpochRow:
    """One epoch of one run; see `Store.add_epoch`.

    Attributes:
        seq: Grows over the whole store.
        seconds: Wall time of the training so far.
        recorded: When the epoch was stored, in seconds since 1970; None for epochs of versions up to 0.3.
    """

    run: str
    epoch: int
    seq: int
    update: int
    seconds: float
    values: Mapping[str, float]
    recorded: float | None = None


@dataclass(frozen=True)
class Event:
    """Something that happened to a run, for example `kind` "stopped" with an explanation in `text`."""

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


def rename_old_details(details: Mapping[str, Any]) -> dict[str, Any]:
    """Rename entries of `details` that an older version wrote."""
    return {_RENAMED_DETAILS.get(name, name): value for name, value in details.items()}
