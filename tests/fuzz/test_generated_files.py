"""Thousands of files over every kind of dialect, encoding, header, time, scale and id: read exactly, or refused.

The generator knows the true interactions. An unambiguous file must be read; an ambiguous one
may be refused in one line; none may ever be read as something else.
"""

from __future__ import annotations

import csv as stdlib_csv
import io
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from recdash.data.dataset import Dataset
from recdash.data.readers import interactions
from recdash.errors import RecdashError

FILES = 3200
PARTS = 8
DELIMITERS = (",", ";", "\t", "|", "::", " ")
QUOTINGS = ("none", "minimal", "all", "stray")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252", "gbk")
HEADERS = ("usual", "none", "given")
TIMES = ("none", "seconds", "milliseconds", "microseconds", "fractions", "iso", "iso fractions", "offsets", "digits",
    "day first")  # fmt: skip
SCALES = {
    "none": (None, ()),
    "stars": ((1, 5), (1, 2, 3, 4, 5)),
    "upper stars": ((1, 5), (4, 5)),
    "half stars": ((0.5, 5), (0.5, 1, 2.5, 3.5, 4, 5)),
    "ten": ((1, 10), (1, 3, 6, 7, 8, 9, 10)),
    "from zero": ((0, 10), (0, 2, 5, 7, 8, 9, 10)),
    "percent": ((0, 100), (0, 20, 55, 60, 75, 80, 100)),
    "labels": ((0, 1), (0, 1)),
    "counts": (None, (1, 1, 1, 1, 2, 3, 8, 150)),
    "decimal comma": ((0.5, 5), (0.5, 1.5, 2.5, 3.5, 4.5)),
    "outlier": ((1, 5), (1, 2, 3, 4, 5)),
}
IDS = ("numbers", "floats", "zeros", "words", "spaced words", "accents", "han", "missing")
WORDS = {
    "words": ["ann", "bob", "cy-d", "d_e", "e.f", "Gil7", "8th", "x"],
    "spaced words": ["Heat", "La Haine", "M*A*S*H", "Jules et Jim", "8½ Weeks'", "Se7en 2", "A B", "Z"],
    "accents": ["Zoë", "René", "Müller", "Søren", "Ana", "Núria", "Åse", "Iñaki"],
    "han": ["小明", "小红", "大伟", "李雷", "韩梅", "王芳", "张三", "赵六"],
}
ROWS = 24
START = datetime(2011, 8, 24, 9, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Kind:
    """What a file is like; one choice for each of the lists above."""

    delimiter: str
    quoting: str
    encoding: str
    header: str
    time: str
    scale: str
    ids: str

    def possible(self) -> bool:
        """Whether anybody could write such a file."""
        if self.encoding == "gbk" and self.ids != "han":
            return False
        if self.encoding == "cp1252" and self.ids not in ("accents", "words"):
            return False
        if self.scale == "decimal comma" and self.delimiter == "," and self.quoting != "all":
            return False
        spaces = self.ids == "spaced words" or self.time in ("iso", "iso fractions", "day first")
        return not (self.delimiter == " " and spaces) and not (self.delimiter == "::" and self.quoting != "none")

    def doubtful(self) -> bool:
        """Whether its readers may have to ask."""
        return (
            self.ids == "missing"
            or self.scale == "outlier"
            or self.encoding == "gbk"
            or self.quoting == "stray"
            or (self.scale == "decimal comma" and self.delimiter == ",")
        )


@dataclass(frozen=True)
class Truth:
    """What a file says: (user, item) to (rating, time in nanoseconds since 1970)."""

    rows: dict[tuple[str, str], tuple[float | None, int | None]]
    scale: tuple[float, float] | None


def kinds() -> list[Kind]:
    """A sample of the cross product, always the same one, in which every value meets every other."""
    axes = (DELIMITERS, QUOTINGS, ENCODINGS, HEADERS, TIMES, tuple(SCALES), IDS)
    found = [kind for values in product(*axes) if (kind := Kind(*values)).possible()]
    return [found[place] for place in np.random.default_rng(0).permutation(len(found))[:FILES]]


def written(kind: Kind, number: int, folder: Path) -> tuple[Path, dict[str, object], Truth]:
    """Write a file; returns its path, what has to be said about it, and what it says."""
    rng = np.random.default_rng(number)
    pairs = [(int(user), int(item)) for user in range(6) for item in rng.permutation(8)[:4]]
    scale, possible = SCALES[kind.scale]
    values = [possible[place % len(possible)] for place in range(ROWS)] if possible else [None] * ROWS
    moments = [START + timedelta(days=int(day), milliseconds=int(ms)) for day, ms in
        zip(rng.integers(0, 90, ROWS), rng.integers(1, 999, ROWS), strict=True)]  # fmt: skip
    texts, truth = [], {}
    for (user, item), value, moment in zip(pairs, values, moments, strict=True):
        time, nanos = _time(kind.time, moment)
        user_text, user_id = _id(kind.ids, user, len(texts))
        item_text, item_id = _id("numbers" if kind.ids in ("missing", "han") else kind.ids, item + 1, len(texts))
        texts.append([user_text, item_text, *_value(kind, value, len(texts)), *([] if time is None else [time])])
        truth[user_id, item_id] = (None if value is None else float(value), nanos)
    names = ["user", "item", *(["rating"] if possible else []), *(["time"] if kind.time != "none" else [])]
    options: dict[str, object] = {}
    if kind.header == "given":
        names = ["wer", "was", "wie", "wann"][: len(names)]
        options = {"user": "wer", "item": 2}
        if possible:
            options["rating"] = 3
        if kind.time != "none":
            options["time"] = names[-1] = "wann"
    if kind.header == "none" and not possible and kind.time == "fractions":
        options = {"time": 3, "rating": "none"}
    rows = texts if kind.header == "none" else [names, *texts]
    if kind.quoting == "stray":
        rows[-1][0] = f'"{rows[-1][0]}'
    path = folder / "any.txt"
    path.write_bytes(_joined(rows, kind).encode(kind.encoding))
    stars = None if kind.scale in ("counts", "none") else scale
    return path, options, Truth(truth, stars)


def _id(kind: str, number: int, row: int) -> tuple[str, str]:
    """The text of an id, and what it means."""
    if kind == "missing":
        return ("NaN", "") if row == 13 else (str(number), str(number))
    if kind == "floats":
        return (f"{number}.0" if row % 2 else str(number)), str(number)
    if kind == "zeros":
        return f"{number:03d}", f"{number:03d}"
    word = str(100 + number) if kind == "numbers" else WORDS[kind][number % 8]
    return word, word


def _value(kind: Kind, value: float | None, row: int) -> list[str]:
    if value is None:
        return []
    if kind.scale == "outlier" and row == 13:
        return ["55"]
    text = f"{value:g}"
    return [text.replace(".", ",") if kind.scale == "decimal comma" else text]


def _time(kind: str, moment: datetime) -> tuple[str | None, int | None]:
    """The text of a time, and what it means in nanoseconds."""
    ms = round(moment.timestamp() * 1000)
    seconds = ms // 1000
    naive = moment.replace(tzinfo=None)
    match kind:
        case "none":
            return None, None
        case "seconds":
            return str(seconds), seconds * 10**9
        case "milliseconds":
            return str(ms), ms * 10**6
        case "microseconds":
            return str(ms * 1000), ms * 10**6
        case "fractions":
            return f"{seconds}.{ms % 1000:03d}", ms * 10**6
        case "iso":
            return naive.isoformat(" ", "seconds"), seconds * 10**9
        case "iso fractions":
            return naive.isoformat(" ", "milliseconds"), ms * 10**6
        case "offsets":
            return f"{naive.isoformat('T', 'milliseconds')}+02:00", (ms - 7_200_000) * 10**6
        case "digits":
            return naive.strftime("%Y%m%d%H%M%S"), seconds * 10**9
        case _:
            return naive.strftime("%d/%m/%Y %H:%M:%S"), seconds * 10**9


def _joined(rows: list[list[str]], kind: Kind) -> str:
    if kind.quoting in ("none", "stray") or len(kind.delimiter) > 1:
        return "".join(kind.delimiter.join(row) + "\n" for row in rows)
    text = io.StringIO()
    how = stdlib_csv.QUOTE_ALL if kind.quoting == "all" else stdlib_csv.QUOTE_MINIMAL
    stdlib_csv.writer(text, delimiter=kind.delimiter, quoting=how, lineterminator="\n").writerows(rows)
    return text.getvalue()


def found_in(data: Dataset) -> Truth:
    """What was read, in the words of the truth."""
    ratings = [None] * len(data) if data.ratings is None else data.ratings.astype(np.float64).tolist()
    times = [None] * len(data) if data.times is None else [time * 10**9 // data.ticks for time in data.times.tolist()]
    pairs = zip(data.users.tolist(), data.items.tolist(), ratings, times, strict=True)
    rows = {(data.user_ids[user], data.catalogue[item].id): (rating, time) for user, item, rating, time in pairs}
    return Truth(rows, data.scale)


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in range(1, PARTS))])
def test_no_file_is_read_as_something_else(part: int, tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()
    for number, kind in enumerate(kinds()):
        if number % PARTS != part:
            continue
        path, options, truth = written(kind, number, tmp_path)
        try:
            found = found_in(interactions.read(path, **options))
        except RecdashError as error:
            assert kind.doubtful(), f"{kind} with {options}: {error}"
            assert str(error).isprintable()
            outcomes["refused"] += 1
            continue
        if kind.quoting == "stray":  # a letter of the last user's id
            last = list(truth.rows)[-1]
            truth.rows[f'"{last[0]}', last[1]] = truth.rows.pop(last)
            if kind.ids in ("floats", "numbers", "zeros", "missing") and not kind.doubtful():
                continue
        assert kind.ids != "missing" and kind.scale != "outlier", f"{kind} was read"
        assert _same(found, truth, kind), f"{kind} with {options}: {found} is not {truth}"
        outcomes["read"] += 1
    assert outcomes["read"] > 0.55 * FILES / PARTS, outcomes


def _same(found: Truth, truth: Truth, kind: Kind) -> bool:
    if kind.quoting == "stray" and kind.ids == "floats":  # with a quote in one of them, the ids are words
        return len(found.rows) >= len(truth.rows)
    return found == truth
