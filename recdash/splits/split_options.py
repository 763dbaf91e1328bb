"""What somebody can say about a split besides its protocol and seed: the scale, what counts as liked, ties in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from recdash.data import dataset_registry
from recdash.data.dataset import Dataset
from recdash.data.readers.read_options import numbers_of, scale_of
from recdash.data.time_ties import RULES, TieRule
from recdash.errors import RecdashError, UsageError, unknown
from recdash.settings import DEFAULT_SPLIT_SEED, known_name, real_number, whole_number
from recdash.splits.protocols import PROTOCOLS, Protocol, make_split
from recdash.splits.rating_split import RatingSplit
from recdash.splits.split import Split


@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """Options of a split; every default leaves the choice to the data set and to `make_split`.

    scale: lowest and highest possible rating, also as text "1..5".  positive_from: lowest rating that counts as liked.
    min_positives: likes that a user needs.  ignore_ratings: ratings that mean "not rated", whose interactions are left
    out, also as text "0,99".  ties: what orders events of one user at the same time, see `make_split`.
    Raises UsageError for a value that is none of these.
    """

    scale: tuple[float, float] | None = None
    positive_from: float | None = None
    min_positives: int | None = None
    ignore_ratings: tuple[float, ...] = ()
    ties: TieRule | None = None

    def __post_init__(self) -> None:
        read: dict[str, Any] = {"ignore_ratings": tuple(sorted(numbers_of(self.ignore_ratings)))}
        if self.scale is not None:
            read["scale"] = scale_of(self.scale)
        if self.positive_from is not None:
            read["positive_from"] = real_number("positive_from", self.positive_from)
        if self.min_positives is not None:
            read["min_positives"] = whole_number("min_positives", self.min_positives, 1)
        if self.ties is not None:
            known_name("tie rule", self.ties, RULES)
        for name, value in read.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from what `to_dict` gave; an unknown name is an error that lists the known ones."""
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise unknown("option of a split called", name, known)
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return what differs from the defaults, as values that JSON holds; empty for the usual split."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, (value, usual) in values.items()
            if value != usual
        }

    def describe(self) -> str:
        """Say in words what differs from the usual split; empty for the usual one."""
        said = []
        if self.scale is not None:
            said.append(f"ratings from {self.scale[0]:g} to {self.scale[1]:g}")
        if self.positive_from is not None:
            said.append(f"liked from {self.positive_from:g}")
        if self.min_positives is not None:
            said.append(f"users with at least {self.min_positives:,} likes")
        if self.ignore_ratings:
            said.append(f"ratings of {_listed(self.ignore_ratings)} left out")
        if self.ties is not None:
            said.append("ties in time by chance" if self.ties == "random" else "ties in time in the order of the file")
        return ", ".join(said)

    def check(self, protocol: str) -> None:
        """Raise UsageError, in one line, for an option that the protocol does not read."""
        known = PROTOCOLS[known_name("protocol", protocol, PROTOCOLS)]
        unread = [name for name in self.to_dict() if name not in _read_by(known)]
        if "ties" in unread:
            orders = _listed([one.name for one in PROTOCOLS.values() if one.reads_order])
            raise UsageError(f"ties: protocol {protocol} reads no order in time. Leave ties out, or use {orders}.")
        if unread:
            raise UsageError(f"{unread[0]}: protocol {protocol} {_why(known)}. Leave it out, or use protocol 'strong'.")

    def suited(self, protocol: str) -> Self:
        """Return these options without what the protocol does not read."""
        read = _read_by(PROTOCOLS[known_name("protocol", protocol, PROTOCOLS)])
        return type(self).from_dict({name: value for name, value in self.to_dict().items() if name in read})

    def load(self, name: str) -> Dataset:
        """Load a data set by name or path; a path is read as these options say, so that nothing has to be asked."""
        said: dict[str, Any] = {"scale": self.scale, "ignore_ratings": self.ignore_ratings or None}
        given = {word: value for word, value in said.items() if value is not None}
        is_path = Path(name).is_absolute()  # as `library.name_of` gives paths
        return dataset_registry.load_dataset(name, **given) if is_path else dataset_registry.load_dataset(name)

    def applied(self, dataset: Dataset) -> Dataset:
        """Return the data that are split, see `Dataset.adjusted`; raises UsageError for a threshold without ratings."""
        if self.positive_from is not None and dataset.ratings is None:
            raise UsageError(f"{dataset.name} has no ratings, so every row counts as liked. Leave positive_from out.")
        return dataset.adjusted(self.scale, self.ignore_ratings)

    def make(
        self,
        dataset: Dataset,
        protocol: str = "strong",
        *,
        seed: int = DEFAULT_SPLIT_SEED,
        held_out_users: int | None = None,
    ) -> Split | RatingSplit:
        """Split a data set with these options; raises what `check`, `applied` and `make_split` raise."""
        self.check(protocol)
        return make_split(
            self.applied(dataset),
            protocol,
            seed=seed,
            held_out_users=held_out_users,
            positive_from=self.positive_from,
            min_positives=self.min_positives,
            ties=self.ties,
        )


def _read_by(protocol: Protocol) -> set[str]:
    """Names of the options that change anything under a protocol."""
    read = {"scale", "ignore_ratings"}
    if protocol.takes_threshold:
        read.add("positive_from")
    if protocol.draws_users:
        read.add("min_positives")
    return read | {"ties"} if protocol.reads_order else read


def _why(protocol: Protocol) -> str:
    """Why a protocol does not read what counts as liked, or how much of it a user needs."""
    if protocol.task == "rating":
        return "predicts ratings, liked or not"
    return "takes the parts as they came" if protocol.takes_threshold else "has the filter of its public table"


def _listed(values: Iterable[object]) -> str:
    *first, last = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    return f"{', '.join(first)} or {last}" if first else last


def options_in_words(options: Mapping[str, Any]) -> str:
    """Return what was asked of a split besides its protocol; empty for the usual one."""
    try:
        return SplitOptions.from_dict(options).describe() if options else ""
    except RecdashError:  # written by another version, or by hand
        return ", ".join(f"{name} {value}" for name, value in options.items())
