"""Published figures as data: `figures.json` beside this file, read once and checked."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from recdash.errors import DataError

PARTS = ("test", "validation", "training users")
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
    "svae": "SVAE",
    "u-rbm": "U-RBM",
    "vasp": "VASP",
    "wmf": "WMF",
}
_REQUIRED = {"model", "dataset", "protocol", "source", "values"}
_OPTIONAL = {"split", "variant", "on", "note", "second_hand", "as_published"}


@dataclass(frozen=True)
class SplitInfo:
    """Which users and items a figure was measured on. title: a short name.  about: whose split it is, in one sentence.

    Figures of two splits never share a table, even under one protocol: EASE has NDCG@100 .420, .422 and .425 on three
    splits of MovieLens-20M.
    """

    title: str
    about: str


@dataclass(frozen=True)
class Figure:
    """One published number.

    model: recdash's name, or that of a model which recdash does not have.  dataset, metric: recdash's names; metrics
    are fractions, RMSE is in stars.  protocol: recdash's name, or one that `protocols()` explains.  split: a name that
    `splits()` explains.  on: whose figure it is.  second_hand: read in somebody else's table.  as_published: the
    evaluation has mistakes that `note` names, so that the number compares with nothing but other numbers of its kind.
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
        """The model's name for people, with its variant."""
        name = TITLES.get(self.model, self.model)
        return f"{name} ({self.variant})" if self.variant else name


def figures(
    *,
    model: str | None = None,
    dataset: str | None = None,
    protocol: str | None = None,
    split: str | None = None,
    metric: str | None = None,
    on: str | None = None,
    as_published: bool | None = None,
) -> tuple[Figure, ...]:
    """Return the published figures in the order of the file, those that fit every word that is given."""
    given = {"model": model, "dataset": dataset, "protocol": protocol, "split": split, "metric": metric, "on": on}
    wanted = {name: value for name, value in given.items() if value is not None}
    return tuple(
        figure
        for figure in _everything()
        if all(getattr(figure, name) == value for name, value in wanted.items())
        and (as_published is None or figure.as_published is as_published)
    )


def comparable(dataset: str, protocol: str) -> dict[str, tuple[Figure, ...]]:
    """Return the figures that may stand under a table of ours, by their split: each split needs a table of its own.

    They have the same data, the same protocol, test users and no known mistake. Splits come in the order of `splits()`.
    Our own split and version of the data may still differ, so each is to be marked with `MARK`.
    """
    found = figures(dataset=dataset, protocol=protocol, on="test", as_published=False)
    by_split = {name: tuple(figure for figure in found if figure.split == name) for name in splits()}
    return {name: members for name, members in by_split.items() if members}


def protocols() -> dict[str, str]:
    """Return what each protocol means that is not one of recdash's own."""
    return dict(_file()["protocols"])


def splits() -> dict[str, SplitInfo]:
    """Return every split that some figure belongs to, by name."""
    return {name: SplitInfo(**told) for name, told in _file()["splits"].items()}


@cache
def _everything() -> tuple[Figure, ...]:
    return tuple(figure for row in _file()["figures"] for figure in _read(row, _file()["sources"], splits()))


@cache
def _file() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files("recdash.published").joinpath("figures.json").read_text(encoding="utf-8"))
    return found


def _read(
    row: Mapping[str, Any], sources: Mapping[str, Mapping[str, str]], known_splits: Collection[str]
) -> list[Figure]:
    """Turn one row, which may hold several metrics, into figures; raises DataError for whatever it does not know.

    The split is the row's own, else that of its source.
    """
    if missing := _REQUIRED - set(row):
        raise DataError(f"figures.json: {row} lacks {', '.join(sorted(missing))}. Fix the row.")
    if strange := set(row) - _REQUIRED - _OPTIONAL:
        raise DataError(f"figures.json: {row} has the unknown fields {', '.join(sorted(strange))}. Fix the row.")
    if row["source"] not in sources or row.get("on", "test") not in PARTS:
        raise DataError(f"figures.json: {row} names an unknown source or part. Fix the row.")
    source = sources[row["source"]]
    split = row.get("split", source.get("split"))
    if split not in known_splits:
        raise DataError(f"figures.json: {row} is of the unknown split {split!r}. Name one of the section `splits`.")
    return [
        Figure(
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
