"""Published values as data: `figures.json` in this folder, read once and validated."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from recdash.errors import DataError

EVALUATED_ON = ("test", "validation", "training users")
MARK = "published, not rerun"
TITLES = {
    "autorec": "AutoRec",
    "biased-mf": "Biased MF",
    "bpr": "BPR",
    "caser": "Caser",
    "cdae": "CDAE",
    "dae": "DAE",
    "deeprec": "DeepRec",
    "ease": "EASE",
    "elsa": "ELSA",
    "flvae": "FLVAE",
    "fpmc": "FPMC",
    "h-vamp": "H+Vamp",
    "higher-order-ease": "Higher-order EASE",
    "i-rbm": "I-RBM",
    "llorma": "LLORMA",
    "multdae": "Mult-DAE",
    "multvae": "Mult-VAE",
    "ncf": "NCF",
    "popularity": "Popularity",
    "ract": "RaCT",
    "recvae": "RecVAE",
    "rrn": "RRN",
    "rvae": "RVAE",
    "sansa": "SANSA",
    "slim": "SLIM",
    "sparse_ease": "Sparse EASE",
    "svae": "SVAE",
    "u-rbm": "U-RBM",
    "vasp": "VASP",
    "wmf": "WMF",
}
_REQUIRED = {"model", "dataset", "protocol", "source", "values"}
_OPTIONAL = {"split", "variant", "on", "note", "second_hand", "as_published"}


@dataclass(frozen=True)
class SplitInfo:
    """The split on which a value was measured.

    Values of two splits never share a table, even under one protocol: EASE has NDCG@100 .420, .422 and .425 on three
    splits of MovieLens-20M.

    Args:
        title: short name.
        about: one sentence about the split.
    """

    title: str
    about: str


@dataclass(frozen=True)
class PublishedValue:
    """One published number.

    Args:
        model: recdash's name of the model, or the name of a model that recdash does not have.
        variant: variant of the model; "" for none.
        dataset: recdash's name of the dataset.
        protocol: recdash's name of the protocol, or one that `protocols` explains.
        split: a name that `splits` explains.
        metric: recdash's name of the metric.
        value: the number; metrics are fractions, RMSE is in stars.
        source: title of the source.
        url: link to the source.
        on: the users it was measured on, one of `EVALUATED_ON`.
        second_hand: whether it was quoted from another publication than its own.
        as_published: whether its evaluation has mistakes, named in `note`; then it compares only with such numbers.
        note: remark.
    """

    model: str
    variant: str
    dataset: str
    protocol: str
    split: str
    metric: str
    value: float
    source: str
    url: str
    on: str = "test"
    second_hand: bool = False
    as_published: bool = False
    note: str = ""

    @property
    def title(self) -> str:
        """The model's title, with its variant."""
        name = TITLES.get(self.model, self.model)
        return f"{name} ({self.variant})" if self.variant else name


def published_values(
    *,
    model: str | None = None,
    dataset: str | None = None,
    protocol: str | None = None,
    split: str | None = None,
    metric: str | None = None,
    on: str | None = None,
    as_published: bool | None = None,
) -> tuple[PublishedValue, ...]:
    """Return the published values that match all given values, in the order of the file."""
    given = {"model": model, "dataset": dataset, "protocol": protocol, "split": split, "metric": metric, "on": on}
    wanted = {name: value for name, value in given.items() if value is not None}
    return tuple(
        entry
        for entry in _all_values()
        if all(getattr(entry, name) == value for name, value in wanted.items())
        and (as_published is None or entry.as_published is as_published)
    )


def comparable(dataset: str, protocol: str) -> dict[str, tuple[PublishedValue, ...]]:
    """Return the values to show next to our results, by split: each split needs a table of its own.

    They have the same dataset and protocol, were measured on test users, and have no known mistake. Our split and
    version of the data may still differ, so mark them with `MARK`. Splits come in the order of `splits`.
    """
    found = published_values(dataset=dataset, protocol=protocol, on="test", as_published=False)
    by_split = {name: tuple(entry for entry in found if entry.split == name) for name in splits()}
    return {name: members for name, members in by_split.items() if members}


def protocols() -> dict[str, str]:
    """Return descriptions of the protocols that are not recdash's own."""
    return dict(_content()["protocols"])


def splits() -> dict[str, SplitInfo]:
    """Return all splits by name."""
    return {name: SplitInfo(**fields) for name, fields in _content()["splits"].items()}


@cache
def _all_values() -> tuple[PublishedValue, ...]:
    return tuple(entry for row in _content()["figures"] for entry in _read(row, _content()["sources"], splits()))


@cache
def _content() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files("recdash.published").joinpath("figures.json").read_text(encoding="utf-8"))
    return found


def _read(
    row: Mapping[str, Any], sources: Mapping[str, Mapping[str, str]], known_splits: Collection[str]
) -> list[PublishedValue]:
    """Convert one row into one value per metric; its split is that of the row, else that of its source.

    Raises:
        DataError: if the row lacks a field, or has an unknown field, source or split.
    """
    if missing := _REQUIRED - set(row):
        raise DataError(f"figures.json: {row} lacks {', '.join(sorted(missing))}. Fix the row.")
    if unknown := set(row) - _REQUIRED - _OPTIONAL:
        raise DataError(f"figures.json: {row} has the unknown fields {', '.join(sorted(unknown))}. Fix the row.")
    if row["source"] not in sources or row.get("on", "test") not in EVALUATED_ON:
        raise DataError(f"figures.json: {row} has an unknown source or an unknown `on`. Fix the row.")
    source = sources[row["source"]]
    split = row.get("split", source.get("split"))
    if split not in known_splits:
        raise DataError(f"figures.json: {row} has the unknown split {split!r}. Use a name from the section `splits`.")
    return [
        PublishedValue(
            model=row["model"],
            variant=row.get("variant", ""),
            dataset=row["dataset"],
            protocol=row["protocol"],
            split=split,
            metric=metric,
            value=float(value),
            source=source["title"],
            url=source["url"],
            on=row.get("on", "test"),
            second_hand=bool(row.get("second_hand", False)),
            as_published=bool(row.get("as_published", False)),
            note=row.get("note", ""),
        )
        for metric, value in row["values"].items()
    ]
