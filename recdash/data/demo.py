"""The embedded demo: real films, invented viewers, generated in about a second and never downloaded.

Each viewer has a taste for genres, moods and eras that drifts from the start to the end of her history, and a
constant one for directors and film series. Taste and fame decide what she watches, the drift decides when, and
taste decides the stars again, so that ranking, sequence and rating models all have something to learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GENERATOR_VERSION: int = 1

DRIFTING = {"genres": 1.2, "moods": 0.8, "era": 0.6}  # weight of each column in the drifting taste
CONSTANT = {"directors": 1.2, "franchise": 1.6}  # weight of each column in the constant taste
TEMPERAMENT = 0.5  # weight of the axes in the constant taste
AXES = (  # what viewers broadly differ in: the tags at either end
    ("dark|bleak|violent|gritty|scary|tense", "feel-good|funny|heartwarming|whimsical|romantic|nostalgic"),
    ("cerebral|slow-burn|surreal|melancholic|political|mind-bending", "adventurous|epic|funny|feel-good|Action"),
    ("Sci-Fi|Fantasy|Adventure|Animation|Children|Action", "Drama|Romance|Crime|Film-Noir|Documentary"),
    ("Romance|Musical|romantic|melancholic|heartwarming", "War|Western|Crime|Action|satirical|violent"),
    ("silent|golden-age|fifties|sixties|new-hollywood", "noughties|tens|twenties"),
)
LOVES_SHAPE = 0.3  # gamma shape of the liking of a tag: the smaller, the fewer tags a viewer loves
DRIFT_KEPT = 0.25  # correlation of a viewer's taste at the end with her taste at the start
FAME, FAME_POWER = 8.0, 1.5  # log-odds between a film of fame 0 and one of 100, and how it bends in between
FAME_SPREAD = 0.1  # viewers differ in how much fame moves them, as a share of FAME
FAMOUS_FIRST = 2.5  # how much earlier famous films are watched, log-odds over the range of fame
ORDER_NOISE = 0.5  # chance in the order of a history, against the log-odds of watching a film late
SERIES_TOGETHER = 0.85  # chance that a film joins the rest of its series in time
ACTIVITY_MEDIAN, ACTIVITY_SPREAD, ACTIVITY_RANGE = 54.0, 0.65, (20, 400)  # ratings per user: log-normal
FIRST_DAY, LAST_DAY = np.datetime64("2015-01-01"), np.datetime64("2024-12-31")
STARS_MEAN, STARS_NOISE = 3.45, 0.65  # before rounding to whole stars
STARS_OF_USER, STARS_OF_FILM, STARS_OF_TASTE, STARS_OF_TEMPER = 0.4, 0.35, 0.45, 0.6  # standard deviations
DAY = 86_400  # seconds
GRID = 4096  # tastes are multiples of 1 / GRID: sums of products are then exact, in whatever order a machine adds


@dataclass(frozen=True)
class Interactions:
    """Ratings of the demo, sorted by user and then time; no user rates a film twice.

    users: (n,) 0-based. items: (n,) row number in the film table. ratings: (n,) whole stars, 1 to 5.
    times: (n,) seconds since 1970, UTC.
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    ratings: NDArray[np.float32]
    times: NDArray[np.int64]


def films_path() -> Path:
    """Where the film table lies in the checkout."""
    return Path(__file__).resolve().parents[2] / "data" / "demo" / "films.csv"


def generate(films: pd.DataFrame, *, users: int = 3000, seed: int = 20260) -> Interactions:
    """Invent the ratings of `users` viewers, about 67 each; the same films, users and seed give the same bits.

    films: the table at `films_path()`, one row per film.
    """
    rng = np.random.default_rng(seed)
    fame, released = films["fame"].to_numpy(np.float64) / 100, _released(films)  # (films,); seconds
    temper = _temperament(rng, films, users)  # (users, films)
    constant = TEMPERAMENT * temper + _constant_taste(rng, films, users)  # (users, films)
    start, end = _drifting_taste(rng, films, users)  # (users, films) each
    opened, closed = _windows(rng, users)  # (users,) seconds each
    slope = FAME * (1 + FAME_SPREAD * rng.standard_normal((users, 1)))
    appeal = slope * fame**FAME_POWER + constant + np.maximum(start, end) + rng.gumbel(size=constant.shape)
    appeal[released > closed[:, None]] = -np.inf
    user, item = _choose(appeal, _activity(rng, users))  # (n,) each, sorted by user
    lateness = (end - start)[user, item] - FAMOUS_FIRST * fame[item]
    place = _place(user, lateness + ORDER_NOISE * rng.logistic(size=len(user)))
    place = _gather_series(rng, films, user, item, place)
    time = opened[user] + (place * (closed - opened)[user]).astype(np.int64)
    time = np.maximum(time, released[item] + rng.integers(0, 90 * DAY, len(item)))
    taste = constant[user, item] + (1 - place) * start[user, item] + place * end[user, item]
    liking = STARS_OF_TASTE * _standard(taste) + STARS_OF_TEMPER * _standard(temper[user, item])
    stars = _stars(rng, films, user, item, liking)
    order = np.lexsort((time, user))
    return Interactions(
        users=user[order].astype(np.int32),
        items=item[order].astype(np.int32),
        ratings=stars[order].astype(np.float32),
        times=time[order],
    )


def _on_grid(values: Floats) -> Floats:
    rounded: Floats = np.round(values * GRID) / GRID
    return rounded


def _standard(values: Floats) -> Floats:
    """The same values with mean 0 and standard deviation 1."""
    standard: Floats = (values - values.mean()) / values.std()
    return standard


def _tags(column: pd.Series[str]) -> Floats:
    """Films by the tags that at least two films carry, rare tags weighing more, rows of length 1. (films, tags)."""
    table: Floats = column.fillna("").astype(str).str.get_dummies(sep="|").to_numpy(np.float64)
    table = table[:, table.sum(axis=0) >= 2]
    table *= np.log(len(table) / table.sum(axis=0))
    return _on_grid(table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9))


def _loves(rng: np.random.Generator, users: int, tags: int) -> Floats:
    """How much each user loves each tag: mean 0, variance 1, so skewed that few are loved a lot. (users, tags)."""
    loves: Floats = (rng.gamma(LOVES_SHAPE, size=(users, tags)) - LOVES_SHAPE) / np.sqrt(LOVES_SHAPE)
    return loves


def _temperament(rng: np.random.Generator, films: pd.DataFrame, users: int) -> Floats:
    """Liking of every user for every film by the broad axes alone, variance about 1. (users, films)."""
    tags = films[["genres", "moods", "era"]].fillna("").agg("|".join, axis=1)
    sets = [frozenset(row.split("|")) for row in tags]
    liking: Floats = np.zeros((users, len(films)))
    for ends in AXES:
        plus, minus = (frozenset(end.split("|")) for end in ends)
        axis = _standard(np.array([len(row & plus) - len(row & minus) for row in sets], np.float64))
        liking += _on_grid(rng.standard_normal((users, 1))) * _on_grid(axis / np.sqrt(len(AXES)))
    return liking


def _constant_taste(rng: np.random.Generator, films: pd.DataFrame, users: int) -> Floats:
    """Liking of every user for every film by what does not drift. (users, films)."""
    liking: Floats = np.zeros((users, len(films)))
    for column, weight in CONSTANT.items():
        tags = _tags(films[column])
        liking += _on_grid(weight * _loves(rng, users, tags.shape[1])) @ tags.T
    return liking


def _drifting_taste(rng: np.random.Generator, films: pd.DataFrame, users: int) -> tuple[Floats, Floats]:
    """Liking of every user for every film at the start and at the end of her history. (users, films) each."""
    start: Floats = np.zeros((users, len(films)))
    end: Floats = np.zeros((users, len(films)))
    for column, weight in DRIFTING.items():
        tags = _tags(films[column])
        first, fresh = (_loves(rng, users, tags.shape[1]) for _ in range(2))
        start += _on_grid(weight * first) @ tags.T
        end += _on_grid(weight * (DRIFT_KEPT * first + np.sqrt(1 - DRIFT_KEPT**2) * fresh)) @ tags.T
    return start, end


def _released(films: pd.DataFrame) -> Ints:
    """First moment a film can be rated: the middle of its year, in seconds. (films,)."""
    days = (films["year"].to_numpy(np.int64) - 1970) * 365.2425 + 182
    return days.astype(np.int64) * DAY


def _windows(rng: np.random.Generator, users: int) -> tuple[Ints, Ints]:
    """First and last moment of every user's history: some weeks to some years, in seconds. (users,) each."""
    first, last = (int(day.astype(np.int64)) * DAY for day in (FIRST_DAY, LAST_DAY))
    opened = rng.integers(first, last - 120 * DAY, users)
    days = np.clip(rng.lognormal(np.log(400), 0.9, users), 21, 2500)
    return opened, np.minimum(opened + (days * DAY).astype(np.int64), last)


def _activity(rng: np.random.Generator, users: int) -> Ints:
    """Number of ratings of every user. (users,)."""
    draws = rng.lognormal(np.log(ACTIVITY_MEDIAN), ACTIVITY_SPREAD, users)
    return np.clip(np.rint(draws), *ACTIVITY_RANGE).astype(np.int64)


def _choose(appeal: Floats, counts: Ints) -> tuple[Ints, Ints]:
    """Each user's most appealing films, at most half of all: user and film of every choice. (n,) each, by user."""
    counts = np.minimum(counts, appeal.shape[1] // 2)
    best = np.argsort(-appeal, axis=1)[:, : counts.max()]
    return np.repeat(np.arange(len(counts)), counts), best[np.arange(best.shape[1]) < counts[:, None]]


def _place(user: Ints, key: Floats) -> Floats:
    """Where each choice stands among its user's when sorted by `key`, 0 is first and 1 last. (n,); user is sorted."""
    counts = np.bincount(user)
    rank = np.arange(len(user)) - (np.cumsum(counts) - counts)[user]
    place = np.empty(len(user))
    place[np.lexsort((key, user))] = rank / np.maximum(counts - 1, 1)[user]
    return place


def _gather_series(rng: np.random.Generator, films: pd.DataFrame, user: Ints, item: Ints, place: Floats) -> Floats:
    """Move the films of a series next to each other in a history, in the order of their release. (n,)."""
    names, series = np.unique(films["franchise"].fillna("").to_numpy(str), return_inverse=True)
    episode = np.argsort(np.lexsort((np.arange(len(films)), films["year"])))  # (films,)
    moves = (names[series[item]] != "") & (rng.random(len(item)) < SERIES_TOGETHER)
    group = (user * len(names) + series[item])[moves]
    middle = np.bincount(group, place[moves]) / np.maximum(np.bincount(group), 1)
    key = place.copy()
    key[moves] = middle[group] + 1e-9 * episode[item[moves]]  # the addend only breaks ties
    return _place(user, key)


def _stars(rng: np.random.Generator, films: pd.DataFrame, user: Ints, item: Ints, liking: Floats) -> Floats:
    """Whole stars: generosity of the user, quality of the film, her liking for it, and chance. (n,), 1 to 5."""
    fame, year = (_standard(films[column].to_numpy(np.float64)) for column in ("fame", "year"))
    quality = 0.4 * fame - 0.5 * year + 0.75 * rng.standard_normal(len(films))  # old films that are still seen are good
    generosity = rng.standard_normal(user[-1] + 1)
    stars: Floats = STARS_MEAN + STARS_OF_USER * generosity[user] + STARS_OF_FILM * quality[item] + liking
    stars += STARS_NOISE * rng.standard_normal(len(user))
    return stars.round().clip(1, 5)
