"""Options of a split besides protocol and seed: rating scale, positives, ignored ratings, ties in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from recdash.data import dataset_registry
from recdash.data.dataset import Dataset
from recdash.data.readers.read_options import parse_numbers, parse_scale
from recdash.data.time_ties import TIE_RULES, TieRule
from recdash.errors import (
    RecdashError,
    UsageError,
    unknown_name,
)
from recdash.settings import DEFAULT_SPLIT_SEED, known_name, real_number, whole_number
from recdash.splits.protocols import PROTOCOLS, Protocol, make_split
from recdash.splits.rating_split import RatingSplit
from recdash.splits.split import Split


@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """Options of a split; None and () leave the choice to the dataset and to `make_split`.

    Attributes:
        scale: Lowest and highest possible rating, also as text "1..5".
        positive_from: Lowest rating that counts as a positive.
        min_positives: Fewest positives of a user.
        ignore_ratings: Ratings that mean "not rated", whose interactions are left out; also as text "0,99".
        ties: Rule that orders events of one user at the same time, see `make_split`.

    Raises:
        UsageError: A value is invalid.
    """

    scale: tuple[float, float] | None = None
    positive_from: float | None = None
    min_positives: int | None = None
    ignore_ratings: tuple[float, ...] = ()
    ties: TieRule | None = None

    def __post_init__(self) -> None:
        read: dict[str, Any] = {"ignore_ratings": tuple(sorted(parse_numbers(self.ignore_ratings)))}
        if self.scale is not None:
            read["scale"] = parse_scale(self.scale)
        if self.positive_from is not None:
            read["positive_from"] = real_number("positive_from", self.positive_from)
        if self.min_positives is not None:
            read["min_positives"] = whole_number("min_positives", self.min_positives, 1)
        if self.ties is not None:
            known_name("tie rule", self.ties, TIE_RULES)
        for name, value in read.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from `to_dict`. Raises UsageError, listing the known names, for an unknown one."""
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise unknown_name("split option", name, known)
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the options that differ from the defaults, as JSON values; empty for the default split."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, (value, default) in values.items()
            if value != default
        }

    def describe(self) -> str:
        """Describe the options that differ from the defaults; empty for the default split."""
        parts = []
        if self.scale is not None:
            parts.append(f"scale {self.scale[0]:g} to {self.scale[1]:g}")
        if self.positive_from is not None:
            parts.append(f"positives from {self.positive_from:g}")
        if self.min_positives is not None:
            parts.append(f"users with at least {self.min_positives:,} positives")
        if self.ignore_ratings:
            parts.append(f"ratings of {_join_with_or(self.ignore_ratings)} ignored")
        if self.ties is not None:
            parts.append("ties in random order" if self.ties == "random" else "ties in file order")
        return ", ".join(parts)

    def check(self, protocol: str) -> None:
        """Raise UsageError for an option that the protocol does not use."""
        properties = PROTOCOLS[known_name("protocol", protocol, PROTOCOLS)]
        unsupported = [name for name in self.to_dict() if name not in _supported_options(properties)]
        if "ties" in unsupported:
            ordered = _join_with_or([one.name for one in PROTOCOLS.values() if one.reads_order])
            raise UsageError(
                f"ties: protocol {protocol} does not use the time order. Leave ties out, or use {ordered}."
            )
        if unsupported:
            raise UsageError(
                f"{unsupported[0]}: protocol {protocol} {_why_unsupported(properties)}. Leave it out, or use 'strong'."
            )

    def supported_by(self, protocol: str) -> Self:
        """Return these options without those that the protocol does not use."""
        supported = _supported_options(PROTOCOLS[known_name("protocol", protocol, PROTOCOLS)])
        return type(self).from_dict({name: value for name, value in self.to_dict().items() if name in supported})

    def load(self, name: str) -> Dataset:
        """Load a dataset by name or path; a path is read with these options, which may resolve an ambiguity."""
        options: dict[str, Any] = {"scale": self.scale, "ignore_ratings": self.ignore_ratings or None}
        given = {option: value for option, value in options.items() if value is not None}
        is_path = Path(name).is_absolute()  # `dataset_registry.name_of` returns absolute paths
        return dataset_registry.load_dataset(name, **given) if is_path else dataset_registry.load_dataset(name)

    def apply_to(self, dataset: Dataset) -> Dataset:
        """Return the dataset with these options, see `Dataset.adjusted`.

        Raises UsageError if `positive_from` is given for a dataset without ratings.
        """
        if self.positive_from is not None and dataset.ratings is None:
            raise UsageError(
                f"positive_from: {dataset.name} has no ratings, so every row is a positive. Leave positive_from out."
            )
        return dataset.adjusted(self.scale, self.ignore_ratings)

    def make(
        self,
        dataset: Dataset,
        protocol: str = "strong",
        *,
        seed: int = DEFAULT_SPLIT_SEED,
        held_out_users: int | None = None,
    ) -> Split | RatingSplit:
        """Split a dataset with these options, see `check`, `apply_to` and `make_split`."""
        self.check(protocol)
        return make_split(
            self.apply_to(dataset),
            protocol,
            seed=seed,
            held_out_users=held_out_users,
            positive_from=self.positive_from,
            min_positives=self.min_positives,
            ties=self.ties,
        )


def _supported_options(protocol: Protocol) -> set[str]:
    """Return the names of the options that have an effect under a protocol."""
    names = {"scale", "ignore_ratings"}
    if protocol.uses_threshold:
        names.add("positive_from")
    if protocol.samples_users:
        names.add("min_positives")
    return names | {"ties"} if protocol.reads_order else names


def _why_unsupported(protocol: Protocol) -> str:
    """Return why a protocol does not use `positive_from` or `min_positives`."""
    if protocol.task == "rating":
        return "predicts all ratings"
    return "uses the imported parts unchanged" if protocol.uses_threshold else "uses the filter of its published table"


def _join_with_or(values: Iterable[object]) -> str:
    *first, last = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    return f"{', '.join(first)} or {last}" if first else last


def describe_options(options: Mapping[str, Any]) -> str:
    """Describe recorded split options; empty for the default split."""
    try:
        return SplitOptions.from_dict(options).describe() if options else ""
    except RecdashError:  # recorded by another version, or by hand
        return ", ".join(f"{name} {value}" for name, value in options.items())
